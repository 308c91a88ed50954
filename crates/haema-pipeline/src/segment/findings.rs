//! A scan, what the method says about it, and the report of both.

use haema_io::{InputKind, MissingSlices, Scan, SeriesReport};
use std::num::NonZeroUsize;

use haema_measure::{
    Extent, Location, MeasureError, Share, Whereabouts, labelled_lesions, share_beside, volume_ml,
    volume_soft_ml,
};
use haema_methods::MaskRule;
use haema_volume::{Components, Connectivity, Grid, Volume};
use sha2::{Digest as _, Sha256};

use super::answers::{self, Found};
use crate::intervals::{ErrorTable, interval_of};
use crate::report::{
    AtlasMatch, Chance, Doubt, Gate, Hemorrhage, Input, Lesion, Model, REPORT_SCHEMA, RESEARCH_USE,
    Receipt, Report, Series, Settings, SlicePitch, Timing, round3,
};
use crate::segmenter::Segmenter;

/// What is known of a scan beside its voxels.
pub(crate) struct Context<'a> {
    /// The scan on the atlas, or why it is not there.
    pub(crate) whereabouts: Result<Whereabouts, String>,
    /// Whether it can be trusted.
    pub(crate) gate: Gate,
    /// The table of the model's errors.
    pub(crate) error_table: Option<&'a ErrorTable>,
    /// How many threads; the result does not depend on it.
    pub(crate) threads: NonZeroUsize,
}

/// What is known of a scan.
pub(crate) struct Findings {
    pub(crate) scan: Scan,
    /// On the scan's grid.
    pub(crate) probability: Volume<f32>,
    /// 1 in the bleed, 0 elsewhere.
    pub(crate) mask: Volume<u8>,
}

impl Findings {
    /// What a probability says of a scan.
    pub(crate) fn new(scan: Scan, probability: Volume<f32>, rule: MaskRule) -> Self {
        let mask = rule.mask(&probability);
        Self { scan, probability, mask }
    }

    /// The report, but for what is not known here: the name of the case, the score, the volume on the
    /// network's grid, times, and the receipt's place and job.
    ///
    /// * `whereabouts` — the scan on the atlas, or why it is not laid on it.
    pub(crate) fn report(
        &self,
        segmenter: &dyn Segmenter,
        settings: &Settings,
        context: &Context<'_>,
    ) -> Result<Report, MeasureError> {
        let Self { scan, probability, mask } = self;
        let (ct, grid) = (&scan.ct, scan.ct.grid());
        let Context { whereabouts, gate, error_table, threads } = context;
        let places = whereabouts.as_ref().ok();
        let parts = Components::of(mask, Connectivity::Corners);
        let labels = parts.labels();
        let (found, order) = labelled_lesions(labels, ct, places)?;
        let gate = gate.with(answers::post_operative(ct, places));
        let mut warnings = scan.provenance.warnings.clone();
        // What reading has told already is not told twice.
        let told: Vec<String> = gate.doubts().map(str::to_owned).collect();
        warnings.extend(told.into_iter().filter(|doubt| !scan.provenance.warnings.contains(doubt)));
        warnings.extend(missing_share(&scan.provenance.missing_slices, mask, grid)?);
        let volume_ml = volume_ml(mask, grid)?;
        let measured = (volume_ml, grid.spacing_mm()[0]);
        let interval = interval_of(*error_table, segmenter.model_sha256(), measured);
        let all = Found { ct, labels, lesions: &found, order: &order };
        let clinical = answers::clinical(&all, places, interval, *threads)?;
        Ok(Report {
            schema: REPORT_SCHEMA.to_owned(),
            case_id: String::new(),
            research_use: RESEARCH_USE.to_owned(),
            input: input_of(scan, warnings),
            method: segmenter.method().to_owned(),
            model: Model {
                name: segmenter.model_name().to_owned(),
                sha256: segmenter.model_sha256().to_owned(),
            },
            hemorrhage: Hemorrhage { present: !found.is_empty(), ..Hemorrhage::default() },
            volume_ml: round3(volume_ml),
            volume_grid_ml: 0.0,
            volume_soft_ml: round3(volume_soft_ml(probability, grid)?),
            lesions: found.iter().map(rounded).collect(),
            gate,
            clinical,
            atlas: AtlasMatch::of(whereabouts),
            timing_ms: Timing::default(),
            receipt: Receipt {
                haema_version: env!("CARGO_PKG_VERSION").to_owned(),
                input_sha256: scan.provenance.sha256.clone(),
                weights_sha256: segmenter.model_sha256().to_owned(),
                mask_sha256: format!("{:x}", Sha256::digest(mask.as_slice())),
                settings: settings.clone(),
                source: String::new(),
                job: String::new(),
            },
        })
    }
}

/// The chance of a bleed, where the method knows it.
pub(crate) fn chance(segmenter: &dyn Segmenter, score: f64, soft_ml: f64) -> Option<Chance> {
    segmenter.calibration().map(|calibration| Chance {
        value: round3(calibration.chance(score, soft_ml)),
        cases: calibration.cases,
        with_bleed: calibration.with_bleed,
    })
}

fn rounded(lesion: &Lesion) -> Lesion {
    Lesion {
        volume_ml: round3(lesion.volume_ml),
        centroid_lps_mm: lesion.centroid_lps_mm.map(round3),
        mean_hu: round3(lesion.mean_hu),
        sd_hu: round3(lesion.sd_hu),
        extent: Extent {
            longest_mm: round3(lesion.extent.longest_mm),
            across_mm: round3(lesion.extent.across_mm),
            height_mm: round3(lesion.extent.height_mm),
            largest_area_mm2: round3(lesion.extent.largest_area_mm2),
        },
        thickness_mm: round3(lesion.thickness_mm),
        doubts: lesion
            .doubts
            .iter()
            .map(|doubt| Doubt { measured: round3(doubt.measured), ..doubt.clone() })
            .collect(),
        location: lesion.location.as_ref().map(rounded_location),
        ..lesion.clone()
    }
}

fn rounded_location(location: &Location) -> Location {
    let rounded = |share: &Share| Share { share: round3(share.share), ..*share };
    Location {
        shares: location.shares.iter().map(rounded).collect(),
        to_skull_mm: round3(location.to_skull_mm),
        ..location.clone()
    }
}

/// What hangs on slices that are missing: those beside the gap stand for more than they show.
fn missing_share(
    missing: &[MissingSlices],
    mask: &Volume<u8>,
    grid: &Grid,
) -> Result<Option<String>, MeasureError> {
    let after: Vec<usize> = missing.iter().map(|missing| missing.after).collect();
    if after.is_empty() {
        return Ok(None);
    }
    Ok(share_beside(&after, mask, grid)?.map(|share| {
        format!(
            "{:.0} % of the volume lies in slices beside missing ones, which stand for what is missing",
            100.0 * share
        )
    }))
}

pub(crate) fn input_of(scan: &Scan, warnings: Vec<String>) -> Input {
    let grid = scan.ct.grid();
    let kind = match scan.provenance.kind {
        InputKind::Dicom => "dicom",
        InputKind::Nifti => "nifti",
        InputKind::Nrrd => "nrrd",
        InputKind::MetaImage => "metaimage",
        InputKind::Simulated => "simulated",
    };
    Input {
        kind: kind.to_owned(),
        files: scan.provenance.file_count,
        series: scan.provenance.series.iter().map(series_of).collect(),
        size: grid.size(),
        spacing_mm: grid.spacing_mm().map(round3),
        slice_positions_mm: (0..grid.size()[0])
            .map(|z| round3(grid.slice_position_mm(z)))
            .collect(),
        slice_pitches: pitches(grid),
        gantry_tilt_deg: round3(grid.tilt_deg().abs()),
        warnings,
    }
}

pub(crate) fn series_of(series: &SeriesReport) -> Series {
    Series {
        id: series.series_id.clone(),
        description: series.description.clone(),
        images: series.image_count,
        taken: series.is_taken,
        reason: series.reason.clone(),
    }
}

/// Gaps that differ by no more than this are one pitch: positions in headers are rounded.
const SAME_PITCH_MM: f64 = 0.05;

/// The gaps of a stack, runs of one pitch put together; the pitch of a run is the mean of its gaps.
fn pitches(grid: &Grid) -> Vec<SlicePitch> {
    let mut runs: Vec<Vec<f64>> = Vec::new();
    for gap_mm in grid.gaps_mm() {
        match runs.last_mut() {
            Some(run) if (run[0] - gap_mm).abs() <= SAME_PITCH_MM => run.push(gap_mm),
            _ => runs.push(vec![gap_mm]),
        }
    }
    let pitch = |run: &Vec<f64>| SlicePitch {
        pitch_mm: round3(run.iter().sum::<f64>() / run.len() as f64),
        gaps: run.len(),
    };
    runs.iter().map(pitch).collect()
}
