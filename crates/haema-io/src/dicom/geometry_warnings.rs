//! What the places of the slices give cause to say, in plain words.

use haema_volume::{Grid, dot, norm, scale, sub};

use super::error::counted;
use super::spacing::{Run, runs, tolerance_mm};
use super::stack::Stack;
use crate::scan::MissingSlices;

/// Less tilt than this is how a head happens to lie in the gantry's rounding, degrees.
const TILT_MIN_DEG: f64 = 0.5;

/// The header's tilt is rounded to half degrees; geometry that differs by more is told.
const TILT_DISAGREES_DEG: f64 = 1.0;

/// Slices that step out of line by more than this are told: about four pixels.
const SIDEWAYS_MAX_MM: f64 = 2.0;

/// Thickness and distance that differ by more than this share are told.
const THICKNESS_DIFFERS: f64 = 0.2;

/// More runs than this are told as a range: nobody reads a list of forty gaps.
const RUNS_TOLD_MAX: usize = 5;

/// Sentences on copies, spacing, losses, tilt and alignment.
pub(crate) fn warnings(
    grid: &Grid,
    stack: &Stack<'_>,
    missing: &[MissingSlices],
    header_tilt_deg: Option<f64>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if stack.copies > 0 {
        warnings.push(format!(
            "{} had the same place and the same pixels as another and was counted once",
            counted(stack.copies, "image")
        ));
    }
    warnings.extend(missing.iter().map(missing_sentence));
    warnings.extend(uneven_sentence(stack, missing));
    warnings.extend(thickness_sentence(stack, missing));
    warnings.extend(tilt_sentences(grid, header_tilt_deg));
    warnings.extend(sideways_sentence(grid));
    warnings
}

fn missing_sentence(missing: &MissingSlices) -> String {
    let MissingSlices { after, count, gap_mm, pitch_mm } = *missing;
    format!(
        "{} missing between slices {} and {} from the bottom of the stack: {gap_mm:.2} mm where \
         {pitch_mm:.2} mm is the rule; the slices beside the gap stand for it, and their share of \
         a volume is stated with it",
        if count == 1 { "1 slice is".to_owned() } else { format!("{count} slices are") },
        after + 1,
        after + 2,
    )
}

/// `None` where all gaps are equal, but for those that missing slices explain.
fn uneven_sentence(stack: &Stack<'_>, missing: &[MissingSlices]) -> Option<String> {
    let gaps_mm = stack.gaps_mm();
    let is_missing =
        |run: &Run| missing.iter().any(|m| m.after >= run.first && m.after < run.first + run.count);
    let rest: Vec<Run> = runs(&gaps_mm).into_iter().filter(|run| !is_missing(run)).collect();
    let first_mm = rest.first()?.gap_mm;
    if rest.iter().all(|run| (run.gap_mm - first_mm).abs() <= tolerance_mm(first_mm)) {
        return None;
    }
    Some(format!(
        "slices are unevenly spaced: {}; each counts with its own thickness",
        told_gaps(&rest, &gaps_mm, &stack.travel_mm())
    ))
}

/// Slices that leave something between them, or overlap, more often than not. That the header's
/// thickness is nominal is allowed for.
fn thickness_sentence(stack: &Stack<'_>, missing: &[MissingSlices]) -> Option<String> {
    let gaps_mm = stack.gaps_mm();
    let thickness_mm = stack.thickness_mm();
    let ratios = (0..gaps_mm.len()).filter(|&i| missing.iter().all(|m| m.after != i)).map(|i| {
        let (below, above) = (thickness_mm[i]?, thickness_mm[i + 1]?);
        Some((gaps_mm[i] / f64::midpoint(below, above), below))
    });
    let mut ratios = ratios.collect::<Option<Vec<_>>>()?;
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let &(ratio, thickness_mm) = ratios.get(ratios.len() / 2)?;
    let gap_mm = ratio * thickness_mm;
    if ratio > 1.0 + THICKNESS_DIFFERS {
        return Some(format!(
            "slices are {thickness_mm:.2} mm thick and {gap_mm:.2} mm apart: what lies between \
             them was not seen"
        ));
    }
    (ratio < 1.0 - THICKNESS_DIFFERS).then(|| {
        format!(
            "slices are {thickness_mm:.2} mm thick and {gap_mm:.2} mm apart: they overlap, and \
             each counts for its distance to the next"
        )
    })
}

fn told_gaps(runs: &[Run], gaps_mm: &[f64], travel_mm: &[f64]) -> String {
    if runs.len() > RUNS_TOLD_MAX {
        let low = gaps_mm.iter().copied().fold(f64::INFINITY, f64::min);
        let high = gaps_mm.iter().copied().fold(0.0, f64::max);
        return format!("gaps from {low:.2} to {high:.2} mm");
    }
    let told = runs.iter().map(|run| {
        let gaps = counted(run.count, "gap");
        let along: f64 = travel_mm[run.first..run.first + run.count].iter().sum();
        let along = along / run.count as f64;
        if along - run.gap_mm > tolerance_mm(run.gap_mm) {
            format!("{gaps} of {:.2} mm ({along:.2} mm along the table)", run.gap_mm)
        } else {
            format!("{gaps} of {:.2} mm", run.gap_mm)
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

fn tilt_sentences(grid: &Grid, header_tilt_deg: Option<f64>) -> Vec<String> {
    let mut sentences = Vec::new();
    let tilt_deg = grid.tilt_deg().abs();
    if tilt_deg >= TILT_MIN_DEG {
        sentences.push(format!(
            "the gantry was tilted by {tilt_deg:.1}°: the stack is sheared, which changes no volume"
        ));
    }
    // Makers disagree on the sign, so only sizes are compared.
    if let Some(said) = header_tilt_deg.map(f64::abs)
        && (said - tilt_deg).abs() > TILT_DISAGREES_DEG
    {
        sentences.push(format!(
            "the header says the gantry was tilted by {said:.1}°, the slices lie as if by \
             {tilt_deg:.1}°; the slices are believed"
        ));
    }
    sentences
}

/// How far slices lie off the straight line from the first to the last.
fn sideways_sentence(grid: &Grid) -> Option<String> {
    let last = grid.size()[0].checked_sub(1).filter(|&last| last > 0)?;
    let start = grid.slice_origin_lps_mm(0);
    let way = sub(grid.slice_origin_lps_mm(last), start);
    let unit = scale(way, 1.0 / norm(way));
    let off_mm = (0..=last).map(|z| {
        let from_start = sub(grid.slice_origin_lps_mm(z), start);
        norm(sub(from_start, scale(unit, dot(from_start, unit))))
    });
    let most_mm = off_mm.fold(0.0, f64::max);
    (most_mm > SIDEWAYS_MAX_MM)
        .then(|| format!("slices are shifted sideways against each other by up to {most_mm:.1} mm"))
}
