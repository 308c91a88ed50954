//! How far slices are apart, and whether one is missing.

use crate::scan::MissingSlices;

/// How far a gap may be from another and still count as the same: positions are rounded in headers.
/// The rule of [`haema_volume::Grid::is_evenly_spaced`].
pub(crate) fn tolerance_mm(gap_mm: f64) -> f64 {
    (0.01 * gap_mm).max(0.05)
}

/// Gaps of one size, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// Index of the first: the gap from this slice to the next.
    pub first: usize,
    pub count: usize,
    /// Mean of the run.
    pub gap_mm: f64,
}

/// Sums up gaps as runs of equal ones. What differs from the median by rounding is the median.
pub(crate) fn runs(gaps_mm: &[f64]) -> Vec<Run> {
    let median_mm = median(gaps_mm);
    let mut runs: Vec<Run> = Vec::new();
    for (i, &gap_mm) in gaps_mm.iter().enumerate() {
        let is_ordinary = (gap_mm - median_mm).abs() <= tolerance_mm(median_mm);
        let gap_mm = if is_ordinary { median_mm } else { gap_mm };
        match runs.last_mut() {
            Some(run) if (gap_mm - run.gap_mm).abs() <= tolerance_mm(run.gap_mm) => {
                run.count += 1;
                run.gap_mm += (gap_mm - run.gap_mm) / run.count as f64;
            }
            _ => runs.push(Run { first: i, count: 1, gap_mm }),
        }
    }
    runs
}

/// The middle one of the gaps, the upper of two; 0 where there are none.
pub(crate) fn median(gaps_mm: &[f64]) -> f64 {
    let mut sorted = gaps_mm.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// A longer row of wide gaps than this is a second pitch, not a row of losses.
const MISSING_ROW_MAX: usize = 2;

/// Finds gaps that are a whole number of steps wide, with the ordinary step on either side.
///
/// * `gaps_mm` — from each slice to the next.
/// * `thickness_mm` — of each slice, where the header has it. A gap between slices of different
///   thickness is where the protocol changes, and no loss.
///
/// A stack that goes on at twice the pitch, as older head protocols do above the skull base, has no
/// missing slices: its wide gaps come in a row, or have the narrow pitch on one side only.
pub(crate) fn missing(gaps_mm: &[f64], thickness_mm: &[Option<f64>]) -> Vec<MissingSlices> {
    let runs = runs(gaps_mm);
    let mut found = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let Some(pitch_mm) = pitch_around(&runs, i) else { continue };
        let steps = (run.gap_mm / pitch_mm).round();
        let is_whole = (run.gap_mm - steps * pitch_mm).abs() <= steps * tolerance_mm(pitch_mm);
        if run.count > MISSING_ROW_MAX || steps < 2.0 || !is_whole {
            continue;
        }
        for (after, &gap_mm) in gaps_mm.iter().enumerate().skip(run.first).take(run.count) {
            if thickness_mm.get(after) == thickness_mm.get(after + 1) {
                let count = steps as usize - 1;
                found.push(MissingSlices { after, count, gap_mm, pitch_mm });
            }
        }
    }
    found
}

/// How far the first and the last slice reach out of the stack, as
/// [`haema_volume::Grid::with_outwards_mm`] takes it; `None` where nothing is missing beside them and
/// they reach as far outwards as inwards.
///
/// A loss beside an end slice makes that gap wide, and the slice no thicker: it reaches outwards by
/// half the ordinary pitch.
pub(crate) fn outwards_mm(gaps_mm: &[f64], missing: &[MissingSlices]) -> Option<[f64; 2]> {
    let pitch_at =
        |gap: usize| missing.iter().find(|lost| lost.after == gap).map(|lost| lost.pitch_mm);
    let last = gaps_mm.len().checked_sub(1)?;
    let ends = [0, last];
    ends.iter()
        .any(|&gap| pitch_at(gap).is_some())
        .then(|| ends.map(|gap| 0.5 * pitch_at(gap).unwrap_or(gaps_mm[gap])))
}

/// The pitch on both sides of a run, or on its only side, if it is the pitch of at least half of
/// all gaps.
fn pitch_around(runs: &[Run], at: usize) -> Option<f64> {
    let left = at.checked_sub(1).map(|left| runs[left].gap_mm);
    let right = runs.get(at + 1).map(|right| right.gap_mm);
    let is_same = |a: f64, b: f64| (a - b).abs() <= tolerance_mm(a);
    let pitch_mm = match (left, right) {
        (Some(left), Some(right)) => is_same(left, right).then_some(left.min(right)),
        (one, other) => one.or(other),
    }?;
    let total: usize = runs.iter().map(|run| run.count).sum();
    let with_pitch = runs.iter().filter(|run| is_same(pitch_mm, run.gap_mm)).map(|run| run.count);
    (2 * with_pitch.sum::<usize>() >= total).then_some(pitch_mm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing_in(gaps_mm: &[f64]) -> Vec<(usize, usize)> {
        let same = vec![Some(5.0); gaps_mm.len() + 1];
        missing(gaps_mm, &same).iter().map(|missing| (missing.after, missing.count)).collect()
    }

    #[test]
    fn a_gap_of_whole_steps_is_a_loss() {
        assert_eq!(missing_in(&[5.0, 5.0, 10.0, 5.0]), [(2, 1)]);
        assert_eq!(missing_in(&[5.0, 5.0, 20.0, 5.0]), [(2, 3)]);
        assert_eq!(missing_in(&[10.0, 5.0, 5.0]), [(0, 1)]);
        assert_eq!(missing_in(&[5.0, 5.0, 10.0]), [(2, 1)]);
        assert_eq!(missing_in(&[5.0, 10.0, 5.0, 10.0, 5.0]), [(1, 1), (3, 1)]);
    }

    #[test]
    fn an_end_slice_reaches_outwards_by_the_ordinary_pitch() {
        let outwards = |gaps_mm: &[f64]| {
            outwards_mm(gaps_mm, &missing(gaps_mm, &vec![Some(5.0); gaps_mm.len() + 1]))
        };

        assert_eq!(outwards(&[10.0, 5.0, 5.0]), Some([2.5, 2.5]));
        assert_eq!(outwards(&[5.0, 5.0, 15.0]), Some([2.5, 2.5]));
        assert_eq!(outwards(&[5.0, 10.0, 5.0, 5.0]), None);
        assert_eq!(outwards(&[4.0, 4.0, 7.0, 7.0]), None);
        assert_eq!(outwards(&[]), None);
    }

    #[test]
    fn a_second_pitch_is_no_loss() {
        let doubled = [[4.5; 12].as_slice(), &[9.0; 12]].concat();
        let in_the_middle = [5.0, 5.0, 10.0, 10.0, 10.0, 5.0, 5.0, 5.0];

        assert_eq!(missing_in(&doubled), []);
        assert_eq!(missing_in(&in_the_middle), []);
    }

    #[test]
    fn a_change_of_thickness_is_no_loss() {
        let thickness_mm = [Some(5.0), Some(5.0), Some(5.0), Some(10.0)];

        assert_eq!(missing(&[5.0, 5.0, 10.0], &thickness_mm), []);
    }

    #[test]
    fn odd_gaps_are_no_loss() {
        assert_eq!(missing_in(&[5.0, 5.0, 7.0, 5.0]), []);
        assert_eq!(missing_in(&[4.0, 4.0, 1.08, 7.0, 7.0]), []);
        assert_eq!(missing_in(&[5.0, 5.02, 4.98, 5.0]), []);
    }

    #[test]
    fn rounding_hides_no_loss() {
        assert_eq!(missing_in(&[4.98, 5.02, 4.98, 10.0, 5.02, 4.98]), [(3, 1)]);
    }

    #[test]
    fn runs_tell_the_pitches() {
        let runs = runs(&[4.0, 4.0, 1.0, 7.0, 7.0]);

        let told: Vec<_> = runs.iter().map(|run| (run.first, run.count, run.gap_mm)).collect();
        assert_eq!(told, [(0, 2, 4.0), (2, 1, 1.0), (3, 2, 7.0)]);
    }
}
