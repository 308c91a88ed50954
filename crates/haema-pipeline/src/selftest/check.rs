//! Reading a scan back, and holding what is found to what is known.

use std::num::NonZeroUsize;
use std::path::Path;

use haema_io::Scan;
use haema_sim::phantom::Slicing;
use haema_volume::{Grid, Orientation, dot, norm, sub};

use super::expected::{Expected, numbers_in_words, order_as_read, slices_in_words};
use super::half_height::HalfHeight;
use super::plan::{Case, Content, FileForm, axial};
use super::{Line, Lost, Marker, SelftestError, TOLERANCE_ML, TOLERANCE_PERCENT, files};
use crate::input::{self, Source};
use crate::report::{Gate, Report, Settings};
use crate::segment::{Context, Findings};
use crate::segmenter::Segmenter as _;

/// Places may differ by this: NIfTI keeps them in 32 bits, DICOM in 16 characters.
const PLACE_TOLERANCE_MM: f64 = 0.001;
/// The centre of a mask may differ from the ball's by this share of the longest side of a voxel: a
/// mask counts a voxel wholly or not at all.
const CENTRE_TOLERANCE_VOXELS: f64 = 0.15;
/// A slice so much further from the ball's centre than the nearest may show as many pixels: its disk is
/// smaller by less than two.
const SLICE_TOLERANCE_MM: f64 = 0.7;
/// Reports round angles and shares.
const TILT_TOLERANCE_DEG: f64 = 0.01;

/// Writes, reads and measures one scan.
pub(super) fn check(
    case: &Case,
    expected: &Expected,
    folder: &Path,
) -> Result<Line, SelftestError> {
    let path = files::write(case, expected, folder)?;
    let mut line = Line {
        id: case.id.clone(),
        part: case.part,
        phantom: case.content.name().to_owned(),
        scan: scan_in_words(case),
        truth_ml: expected.truth_ml,
        measured_ml: None,
        mask_ml: None,
        marker: None,
        lost: None,
        warnings: Vec::new(),
        failures: Vec::new(),
    };
    match input::read(&Source::Path(path), None) {
        Err(error) => line.failures.push(format!("cannot be read: {}", error.reason())),
        Ok(scan) => measure(case, expected, scan, &mut line)?,
    }
    Ok(line)
}

/// How a case was scanned and stored, in a few words.
fn scan_in_words(case: &Case) -> String {
    let form = match case.file {
        FileForm::Dicom(storage) => format!(
            "DICOM {}{} {}",
            if storage.is_signed { 'i' } else { 'u' },
            storage.bits,
            storage.intercept
        ),
        FileForm::NiftiI16 => "NIfTI i16".to_owned(),
        FileForm::NiftiU16Shifted => "NIfTI u16 -1024".to_owned(),
        FileForm::NiftiF32 => "NIfTI f32".to_owned(),
        FileForm::Nrrd => "NRRD i16".to_owned(),
        FileForm::MetaImage => "MetaImage i16".to_owned(),
    };
    let protocol = &case.protocol;
    let mut words =
        vec![form, format!("{} × {}", protocol.pixel_mm, slices_in_words(protocol.slicing))];
    if protocol.tilt_deg != 0.0 {
        words.push(format!("tilt {}°", protocol.tilt_deg));
    }
    if case.orientation != axial() {
        words.push(case.orientation.to_string());
    }
    if !case.lost.is_empty() {
        words.push(format!("lost {}", numbers_in_words(&case.lost)));
    }
    words.join(", ")
}

/// The way of `haema segment` from the scan to the report, and what must be true of it.
fn measure(
    case: &Case,
    expected: &Expected,
    scan: Scan,
    line: &mut Line,
) -> Result<(), SelftestError> {
    line.failures.extend(voxel_failures(case, expected, &scan)?);
    line.failures.extend(missing_failures(case, &scan));
    let rule = HalfHeight.mask_rule();
    let settings = Settings {
        method: HalfHeight.method().to_owned(),
        threshold: rule.threshold,
        seed_threshold: rule.seed_threshold,
        save_probability: false,
        series: None,
        precision: HalfHeight.precision(),
        error_table: None,
        device: None,
        calibration: None,
    };
    let segmented = HalfHeight
        .segment(&scan.ct, rule, NonZeroUsize::MIN)
        .expect("the share of body is worked out on the scan's own grid");
    let findings = Findings::new(scan, segmented.probability, rule);
    let context = Context {
        whereabouts: Err("a phantom has no places".to_owned()),
        gate: Gate::new(Vec::new()),
        error_table: None,
        threads: NonZeroUsize::MIN,
    };
    let report = findings.report(&HalfHeight, &settings, &context)?;
    line.measured_ml = Some(report.volume_soft_ml);
    line.mask_ml = Some(report.volume_ml);
    line.lost = lost_of(case, expected, &report);
    line.marker = marker_of(case, &report);
    let mut failures = volume_failures(line, expected);
    failures.extend(lost_failures(line, expected));
    failures.extend(tilt_failures(case, &report));
    failures.extend(uneven_failures(case, &report));
    if let Content::Marker { radius_mm, .. } = case.content {
        failures.extend(marker_failures(case, radius_mm, findings.scan.ct.grid(), line));
    }
    line.failures.extend(failures);
    line.warnings.clone_from(&report.input.warnings);
    Ok(())
}

/// Every voxel must come back with its value, at its place.
fn voxel_failures(
    case: &Case,
    expected: &Expected,
    scan: &Scan,
) -> Result<Vec<String>, SelftestError> {
    let found_order = Orientation::of(scan.ct.grid());
    let wanted_order = order_as_read(case, &expected.grid);
    if found_order != wanted_order {
        return Ok(vec![format!("read in the order {found_order}: wanted {wanted_order}")]);
    }
    let found = found_order.canonical_from_stored(scan.ct.voxels_hu());
    let wanted = case.orientation.canonical_from_stored(&expected.hu);
    let found_grid = found_order.canonical_grid(scan.ct.grid())?;
    let wanted_grid = case.orientation.canonical_grid(&expected.grid)?;
    let [depth, rows, columns] = found.size();
    let kept: Vec<usize> = (0..wanted.size()[0]).filter(|z| !case.lost.contains(z)).collect();
    if [kept.len(), wanted.size()[1], wanted.size()[2]] != [depth, rows, columns] {
        return Ok(vec![format!(
            "read as {:?} [z, y, x] voxels: wanted {:?} without {} slices",
            found.size(),
            wanted.size(),
            case.lost.len()
        )]);
    }
    let mut different = 0;
    let mut off_mm = 0.0_f64;
    for (z, &wanted_z) in kept.iter().enumerate() {
        let pairs = found.plane(z).iter().zip(wanted.plane(wanted_z));
        different += pairs.filter(|(found, wanted)| found != wanted).count();
        for [y, x] in [[0.0, 0.0], [(rows - 1) as f64, (columns - 1) as f64]] {
            let found_at = found_grid.point_lps_mm(z, y, x);
            off_mm = off_mm.max(norm(sub(found_at, wanted_grid.point_lps_mm(wanted_z, y, x))));
        }
    }
    let mut failures = Vec::new();
    if different > 0 {
        failures.push(format!("{different} voxels came back with another value"));
    }
    if off_mm > PLACE_TOLERANCE_MM {
        failures.push(format!("voxels came back {off_mm:.4} mm off their place"));
    }
    Ok(failures)
}

fn volume_failures(line: &Line, expected: &Expected) -> Vec<String> {
    let mut failures = Vec::new();
    let error_ml = line.error_ml().unwrap_or(f64::INFINITY);
    // What lost slices held is bridged: by no more than the share that is stated with it.
    let stated = line.lost.as_ref().and_then(|lost| lost.stated_percent).unwrap_or(0.0) / 100.0;
    if !line.is_near(error_ml) && error_ml.abs() > stated * line.truth_ml {
        failures.push(format!(
            "the volume is {error_ml:+.3} mL off: wanted within {TOLERANCE_PERCENT} % or {TOLERANCE_ML} mL"
        ));
    }
    // Of the mask the count of its voxels is known, and how much each is.
    let counted_ml = expected.mask_ml;
    let mask_ml = line.mask_ml.unwrap_or(0.0);
    if line.lost.is_none() && !line.is_near(mask_ml - counted_ml) {
        failures.push(format!("the mask has {mask_ml:.3} mL: its voxels make {counted_ml:.3} mL"));
    }
    failures
}

/// The lost slices must be known, and no others.
fn missing_failures(case: &Case, scan: &Scan) -> Vec<String> {
    let found: Vec<(usize, usize)> = scan
        .provenance
        .missing_slices
        .iter()
        .map(|missing| (missing.after + 1, missing.count))
        .collect();
    let wanted: Vec<(usize, usize)> =
        case.lost.first().map(|&first| (first, case.lost.len())).into_iter().collect();
    let mut failures = Vec::new();
    if found != wanted {
        failures.push(format!(
            "missing slices (after which, how many) are told as {found:?}: wanted {wanted:?}"
        ));
    }
    let is_named = scan.provenance.warnings.iter().any(|said| said.contains(" missing between"));
    if is_named == case.lost.is_empty() {
        let verb = if is_named { "is" } else { "is not" };
        failures.push(format!("a missing slice {verb} named among the warnings"));
    }
    failures
}

/// What the report says of lost slices, found among its sentences as a reader finds it.
fn lost_of(case: &Case, expected: &Expected, report: &Report) -> Option<Lost> {
    (!case.lost.is_empty()).then(|| {
        let stated = report.input.warnings.iter().find_map(|said| {
            let (percent, rest) = said.split_once(" % of the volume")?;
            rest.contains("missing").then_some(percent.parse().ok()).flatten()
        });
        Lost {
            slices: case.lost.iter().map(|z| z + 1).collect(),
            truth_percent: 100.0 * expected.lost_share,
            stated_percent: stated,
        }
    })
}

fn lost_failures(line: &Line, expected: &Expected) -> Option<String> {
    let lost = line.lost.as_ref()?;
    let wanted = 100.0 * expected.beside_share;
    match lost.stated_percent {
        // Rounded to whole percent.
        Some(stated) if (stated - wanted).abs() <= 0.51 => None,
        stated => Some(format!(
            "the share beside lost slices is stated as {stated:?} %: wanted {wanted:.1} %"
        )),
    }
}

fn tilt_failures(case: &Case, report: &Report) -> Vec<String> {
    let (found, wanted) = (report.input.gantry_tilt_deg, case.protocol.tilt_deg.abs());
    let mut failures = Vec::new();
    if (found - wanted).abs() > TILT_TOLERANCE_DEG {
        failures.push(format!("the tilt is told as {found}°: wanted {wanted}°"));
    }
    let is_named = report.input.warnings.iter().any(|said| said.contains("tilted"));
    let must_be_named = wanted > 0.0 && report.input.kind == "dicom";
    if must_be_named && !is_named || wanted == 0.0 && is_named {
        failures.push(format!("a tilt of {wanted}° and what is said of it do not fit"));
    }
    failures
}

fn uneven_failures(case: &Case, report: &Report) -> Vec<String> {
    let wanted = match case.protocol.slicing {
        Slicing::Even { slice_mm } => vec![slice_mm],
        Slicing::Uneven { below_mm, above_mm } => {
            vec![below_mm, f64::midpoint(below_mm, above_mm), above_mm]
        }
    };
    let mut failures = Vec::new();
    let found: Vec<f64> = report.input.slice_pitches.iter().map(|run| run.pitch_mm).collect();
    let is_wanted =
        found.len() == wanted.len() && found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 0.01);
    // In another order slices lie along another axis, and their pitch is the pixel.
    let is_axial = case.orientation == axial();
    if case.lost.is_empty() && is_axial && !is_wanted {
        failures.push(format!("the slices are told to be {found:?} mm apart: wanted {wanted:?}"));
    }
    let is_named = report.input.warnings.iter().any(|said| said.contains("unevenly spaced"));
    if is_named != (wanted.len() > 1) {
        let verb = if is_named { "are" } else { "are not" };
        failures.push(format!("uneven steps {verb} named among the warnings"));
    }
    failures
}

fn marker_of(case: &Case, report: &Report) -> Option<Marker> {
    let Content::Marker { centre_lps_mm, .. } = case.content else { return None };
    let lesion = report.lesions.first()?;
    Some(Marker {
        truth_lps_mm: centre_lps_mm,
        found_lps_mm: lesion.centroid_lps_mm,
        side: if lesion.centroid_lps_mm[0] > 0.0 { "left" } else { "right" },
        slice: lesion.slices.largest,
    })
}

/// Place, side and slice of the marked ball.
fn marker_failures(case: &Case, radius_mm: f64, grid: &Grid, line: &Line) -> Vec<String> {
    let Some(marker) = &line.marker else {
        return vec![format!("no ball of {radius_mm} mm was found")];
    };
    let truth = marker.truth_lps_mm;
    let mut failures = Vec::new();
    let thickest_mm = (0..grid.size()[0]).map(|z| grid.slice_thickness_mm(z)).fold(0.0, f64::max);
    let longest_mm = grid.spacing_mm().into_iter().fold(thickest_mm, f64::max);
    let off_mm = norm(sub(marker.found_lps_mm, truth));
    // The slices beside lost ones pull the centre of mass.
    if case.lost.is_empty() && off_mm > CENTRE_TOLERANCE_VOXELS * longest_mm {
        failures.push(format!("the ball is found {off_mm:.2} mm off its place"));
    }
    if (marker.side == "left") != (truth[0] > 0.0) {
        failures.push(format!("the ball is told to be on the patient's {}", marker.side));
    }
    let from_centre_mm =
        |z: usize| dot(sub(grid.slice_origin_lps_mm(z), truth), grid.normal_lps()).abs();
    let nearest_mm = (0..grid.size()[0]).map(from_centre_mm).fold(f64::INFINITY, f64::min);
    let told_mm = from_centre_mm(marker.slice);
    if told_mm > nearest_mm + SLICE_TOLERANCE_MM {
        failures.push(format!(
            "the ball is told to be in slice {}, {told_mm:.1} mm from its centre: another is \
             {nearest_mm:.1} mm from it",
            marker.slice
        ));
    }
    failures
}
