//! Two scans of one patient: has the bleed grown? What `haema compare` does.
//!
//! Each volume is measured on its own scan's grid. The scans are laid on each other by their bone, for
//! the pictures, the map of change and to find each bleed again; no volume depends on that.

mod change;
mod error;

pub(crate) use change::OnBaseline;
pub use error::CompareError;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::fs;
use haema_io::nrrd::{self, Segment};
use haema_io::{Identity, ImageFileError, Provenance, SamePatient, nifti};
use haema_measure::{
    Fate, Growth, Lesion, MeasureError, MeasuredVolume, Whereabouts, kin, labelled_lesions,
};
use haema_methods::MaskRule;
use haema_volume::{
    Components, Connectivity, CtVolume, Freedom, HeadPyramid, LpsMap, RegistrationError, Volume,
    register,
};
use serde::{Deserialize, Serialize};

use crate::html::compare as page;
use crate::input::{self, Source};
use crate::report::{RESEARCH_USE, round3};
use crate::segment::gate;
use crate::segmenter::Segmenter;

/// The format of `compare.json`. The number grows when a field changes its meaning or goes.
pub const COMPARE_SCHEMA: &str = "haema.compare/1";

/// Name of the comparison's file.
pub(crate) const COMPARE_FILE: &str = "compare.json";

/// How to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which voxels belong to the bleed; the method's own rule where none is given.
    pub mask_rule: Option<MaskRule>,
    /// How many threads; the result does not depend on it.
    pub threads: NonZeroUsize,
    /// Masks to take instead of the method's, of the first and second scan.
    pub masks: [Option<PathBuf>; 2],
    /// Hours from the first scan to the second; those of the headers, where they have dates, if not
    /// given.
    pub hours: Option<f64>,
    /// Whether to go on where the headers name two patients: after de-identification they do.
    pub any_patient: bool,
}

/// What `compare.json` holds. Volumes in mL, lengths in mm, points in LPS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// [`COMPARE_SCHEMA`].
    pub schema: String,
    /// [`RESEARCH_USE`].
    pub research_use: String,
    /// Where the masks come from: the method and its weights, or `given`; first scan, then second.
    pub masks_by: [String; 2],
    /// Whether both are scans of one patient, by their headers.
    pub same_patient: OnePatient,
    /// Hours between the scans, where known.
    pub hours: Option<f64>,
    /// All bleeds together.
    pub growth: Growth,
    /// Bleed by bleed.
    pub ledger: Vec<LedgerLine>,
    /// The first scan's bleeds.
    pub baseline_lesions: Vec<Lesion>,
    /// The second scan's bleeds.
    pub followup_lesions: Vec<Lesion>,
    /// How the scans lie on each other.
    pub registration: RegistrationRecord,
    /// What a reader of the result must know.
    pub warnings: Vec<String>,
    /// SHA-256 of the voxels and geometry of both scans.
    pub input_sha256: [String; 2],
    /// Version of haema.
    pub haema_version: String,
}

/// Whether both scans are of one patient, by their headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnePatient {
    /// They say so.
    Yes,
    /// They say otherwise, and it was asked to go on.
    No,
    /// They name nobody.
    Unknown,
}

impl From<SamePatient> for OnePatient {
    fn from(same: SamePatient) -> Self {
        match same {
            SamePatient::Yes => Self::Yes,
            SamePatient::No => Self::No,
            SamePatient::Unknown => Self::Unknown,
        }
    }
}

/// What has become of a bleed, or of several that merged or split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    /// What has become of it.
    pub fate: Fate,
    /// Its numbers among the first scan's bleeds.
    pub baseline: Vec<u32>,
    /// Its numbers among the second scan's.
    pub followup: Vec<u32>,
    /// Where it lies, in words.
    pub place: String,
    /// Its volume at the first scan.
    pub baseline_ml: f64,
    /// And at the second.
    pub followup_ml: f64,
    /// The difference.
    pub change_ml: f64,
    /// Less than this is error of measurement, 95 %.
    pub smallest_real_change_ml: f64,
}

/// How two scans lie on each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationRecord {
    /// Rows of the map from a point of the first scan to one of the second.
    pub followup_from_baseline: [[f64; 4]; 3],
    /// How far the head was turned between the scans.
    pub turn_deg: f64,
    /// Mutual information as a share of what both scans hold.
    pub shared_information: f64,
    /// Share of the first head that the second scan covers.
    pub overlap: f64,
    /// Dice of bone in both.
    pub bone_dice: f64,
}

/// A scan with its bleeds.
pub(crate) struct Visit {
    pub(crate) ct: CtVolume,
    pub(crate) mask: Volume<u8>,
    labels: Volume<u32>,
    sha256: String,
    masks_by: String,
    warnings: Vec<String>,
    identity: Identity,
}

const WHICH: [&str; 2] = ["baseline", "follow-up"];
/// Who drew a mask that was given: nobody knows, and it is taken for a reader's.
pub(crate) const GIVEN: &str = "given";

impl Visit {
    /// The volume of a part of its mask, and how sure that is.
    fn measure(&self, mask: &Volume<u8>) -> Result<MeasuredVolume, MeasureError> {
        let found = MeasuredVolume::of(mask, self.ct.grid())?;
        Ok(if self.masks_by == GIVEN { found } else { found.by_method() })
    }
}

/// Compares two scans of a patient and writes `compare.json`, `compare.html`, `change.nii.gz` and
/// `change.seg.nrrd` into a folder.
///
/// # Errors
///
/// [`CompareError`]; nothing is written then.
///
/// # Panics
///
/// Never: a rigid map has a way back.
pub fn run(
    sources: [&Source; 2],
    out: &Path,
    segmenter: &dyn Segmenter,
    options: &Options,
) -> Result<Comparison, CompareError> {
    let baseline = visit(sources[0], 0, segmenter, options)?;
    let followup = visit(sources[1], 1, segmenter, options)?;
    let same_patient = OnePatient::from(baseline.identity.same_patient(&followup.identity));
    if same_patient == OnePatient::No && !options.any_patient {
        return Err(CompareError::TwoPatients);
    }
    let hours = hours(&baseline, &followup, options.hours)?;
    let threads = options.threads;
    let fixed = HeadPyramid::of(&baseline.ct, threads)?;
    let moving = HeadPyramid::of(&followup.ct, threads)?;
    let found = register(&fixed, &moving, Freedom::Rigid, threads)?;
    let record = RegistrationRecord {
        followup_from_baseline: found.moving_from_fixed.rows(),
        turn_deg: round3(found.moving_from_fixed.turn_deg()),
        shared_information: round3(found.quality.shared_information),
        overlap: round3(found.quality.overlap),
        bone_dice: round3(found.quality.bone_dice),
    };
    let baseline_from_followup =
        found.moving_from_fixed.inverse().expect("a rigid map has a way back");
    let places = [&fixed, &moving].map(|head| Whereabouts::of_head(head, threads));
    let mut warnings = warnings(&baseline, &followup, &places);
    warnings.extend(patient_warning(same_patient).map(str::to_owned));
    if found.quality.overlap < 0.9 {
        warnings.push(format!(
            "the follow-up covers {:.0} % of the baseline's head",
            100.0 * found.quality.overlap
        ));
    }
    let [of_baseline, of_followup] = places.map(Result::ok);
    let ivh = ivh_ml(&baseline, &followup, of_baseline.as_ref(), &baseline_from_followup)?;
    let (baseline_lesions, baseline_labels) =
        labelled_lesions(&baseline.labels, &baseline.ct, of_baseline.as_ref())?;
    let (followup_lesions, followup_labels) =
        labelled_lesions(&followup.labels, &followup.ct, of_followup.as_ref())?;
    let tables = [(&baseline_lesions, &baseline_labels), (&followup_lesions, &followup_labels)];
    let comparison = Comparison {
        schema: COMPARE_SCHEMA.to_owned(),
        research_use: RESEARCH_USE.to_owned(),
        masks_by: [baseline.masks_by.clone(), followup.masks_by.clone()],
        same_patient,
        hours,
        growth: Growth::between(
            baseline.measure(&baseline.mask)?,
            followup.measure(&followup.mask)?,
            hours,
            ivh,
        ),
        ledger: ledger(&baseline, &followup, tables, &baseline_from_followup)?,
        baseline_lesions,
        followup_lesions,
        registration: record,
        warnings,
        input_sha256: [baseline.sha256.clone(), followup.sha256.clone()],
        haema_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    write(out, &comparison, &baseline, &followup, &found.moving_from_fixed, threads)?;
    Ok(comparison)
}

/// Reads a scan and finds, or reads, its bleeds.
fn visit(
    source: &Source,
    which: usize,
    segmenter: &dyn Segmenter,
    options: &Options,
) -> Result<Visit, CompareError> {
    let name = WHICH[which];
    let scan =
        input::read(source, None).map_err(|cause| CompareError::Read { which: name, cause })?;
    let gate = gate::check(&scan.ct, options.threads)
        .map_err(|cause| CompareError::Refused { which: name, cause })?;
    let (mask, masks_by) = if let Some(path) = &options.masks[which] {
        let (mask, wanted) = (read_mask(path)?, scan.ct.grid().size());
        if mask.size() != wanted {
            return Err(CompareError::OtherGrid { which: name, found: mask.size(), wanted });
        }
        (mask, GIVEN.to_owned())
    } else {
        let rule = options.mask_rule.unwrap_or_else(|| segmenter.mask_rule());
        let found = segmenter.segment(&scan.ct, rule, options.threads)?;
        let mask = rule.mask(&found.probability);
        (mask, format!("{} {}", segmenter.method(), segmenter.model_name()))
    };
    let labels = Components::of(&mask, Connectivity::Corners).labels().clone();
    let Provenance { sha256, identity, warnings, .. } = scan.provenance;
    let doubts: Vec<String> = gate
        .doubts()
        .filter(|doubt| !warnings.iter().any(|told| told == doubt))
        .map(str::to_owned)
        .collect();
    let told = warnings.into_iter().chain(doubts);
    let warnings = told.map(|warning| format!("{name}: {warning}")).collect();
    Ok(Visit { ct: scan.ct, mask, labels, sha256, masks_by, warnings, identity })
}

/// Those that were given, or those between the headers' times.
fn hours(
    baseline: &Visit,
    followup: &Visit,
    given: Option<f64>,
) -> Result<Option<f64>, CompareError> {
    if given.is_some() {
        return Ok(given);
    }
    match baseline.identity.hours_until(&followup.identity) {
        Some(hours) if hours < 0.0 => Err(CompareError::OrderOfTime { hours_before: -hours }),
        hours => Ok(hours.map(round3)),
    }
}

fn patient_warning(same_patient: OnePatient) -> Option<&'static str> {
    match same_patient {
        OnePatient::Yes => None,
        OnePatient::No => Some("the headers name two patients"),
        OnePatient::Unknown => {
            Some("the headers do not tell whose scans these are: only the bones were compared")
        }
    }
}

fn read_mask(path: &Path) -> Result<Volume<u8>, ImageFileError> {
    let is_nrrd = path.to_string_lossy().to_ascii_lowercase().ends_with(".nrrd");
    let labels =
        if is_nrrd { nrrd::read_segmentation(path)?.labels } else { nifti::read_label(path)?.0 };
    Ok(labels.map(|&label| u8::from(label != 0)))
}

fn warnings(
    baseline: &Visit,
    followup: &Visit,
    places: &[Result<Whereabouts, RegistrationError>; 2],
) -> Vec<String> {
    let mut told: Vec<String> =
        baseline.warnings.iter().chain(&followup.warnings).cloned().collect();
    for (name, places) in WHICH.iter().zip(places) {
        if let Err(error) = places {
            told.push(format!("{name}: places are unknown: {error}"));
        }
    }
    if baseline.masks_by != followup.masks_by {
        told.push(format!(
            "the masks have two makers ({}; {}): part of the change may be theirs",
            baseline.masks_by, followup.masks_by
        ));
    }
    told
}

/// By the first scan's ventricles in both, so that a change is not one of how scans lie on the atlas.
fn ivh_ml(
    baseline: &Visit,
    followup: &Visit,
    places: Option<&Whereabouts>,
    baseline_from_followup: &LpsMap,
) -> Result<Option<[f64; 2]>, MeasureError> {
    let Some(places) = places else { return Ok(None) };
    let before = places.ventricular_ml(&baseline.mask, baseline.ct.grid(), &LpsMap::IDENTITY)?;
    let now = places.ventricular_ml(&followup.mask, followup.ct.grid(), baseline_from_followup)?;
    Ok(Some([round3(before), round3(now)]))
}

fn ledger(
    baseline: &Visit,
    followup: &Visit,
    tables: [(&Vec<Lesion>, &Vec<u32>); 2],
    baseline_from_followup: &LpsMap,
) -> Result<Vec<LedgerLine>, MeasureError> {
    let families = kin(
        (&baseline.labels, baseline.ct.grid()),
        (&followup.labels, followup.ct.grid()),
        baseline_from_followup,
    );
    let mut lines = Vec::new();
    for family in families {
        let of = |labels: &[u32], table: usize| -> Vec<&Lesion> {
            let (lesions, order) = tables[table];
            let pairs = lesions.iter().zip(order);
            pairs.filter(|(_, label)| labels.contains(label)).map(|(lesion, _)| lesion).collect()
        };
        let (before, now) = (of(&family.baseline, 0), of(&family.followup, 1));
        let volume = |labels: &[u32], visit: &Visit| {
            visit.measure(&visit.labels.map(|label| u8::from(labels.contains(label))))
        };
        let first = volume(&family.baseline, baseline)?;
        let second = volume(&family.followup, followup)?;
        let growth = Growth::between(first, second, None, None);
        let largest = now.first().or(before.first());
        lines.push(LedgerLine {
            fate: family.fate(growth.change_ml, growth.smallest_real_change_ml),
            baseline: before.iter().map(|lesion| lesion.id).collect(),
            followup: now.iter().map(|lesion| lesion.id).collect(),
            place: largest.map(|lesion| crate::html::place_of(lesion)).unwrap_or_default(),
            baseline_ml: round3(first.volume_ml),
            followup_ml: round3(second.volume_ml),
            change_ml: round3(growth.change_ml),
            smallest_real_change_ml: round3(growth.smallest_real_change_ml),
        });
    }
    lines.sort_by(|a, b| {
        let size = |line: &LedgerLine| line.baseline_ml.max(line.followup_ml);
        size(b).total_cmp(&size(a))
    });
    Ok(lines)
}

fn write(
    out: &Path,
    comparison: &Comparison,
    baseline: &Visit,
    followup: &Visit,
    followup_from_baseline: &LpsMap,
    threads: NonZeroUsize,
) -> Result<(), CompareError> {
    let grid = baseline.ct.grid();
    let there = change::on_baseline(followup, grid, followup_from_baseline, threads);
    let map = change::map(&baseline.mask, &there.mask);
    let html = page::page(comparison, baseline, &there, threads);
    fs::create_folder(out)?;
    nifti::write(&out.join("change.nii.gz"), &change::signed(&map), grid)?;
    nrrd::write_segmentation(&out.join("change.seg.nrrd"), &map, grid, &segments())?;
    fs::write_atomic(&out.join("compare.html"), html.as_bytes())?;
    fs::write_json(&out.join(COMPARE_FILE), comparison)?;
    Ok(())
}

/// The labels of `change.seg.nrrd`.
fn segments() -> [Segment; 3] {
    let segment = |id: &str, name: &str, color_rgb, label_value| Segment {
        id: id.to_owned(),
        name: name.to_owned(),
        color_rgb,
        label_value,
    };
    [
        segment("stayed", "Bleed in both scans", [0.85, 0.65, 0.13], change::STAYED),
        segment("gained", "Bleed in the follow-up only", [0.84, 0.16, 0.13], change::GAINED),
        segment("lost", "Bleed in the baseline only", [0.15, 0.45, 0.80], change::LOST),
    ]
}

#[cfg(test)]
mod tests;
