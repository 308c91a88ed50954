//! Telling cases with a bleed from those without.

use thiserror::Error;

use crate::Estimate;
use crate::describe::{Moments, mean};
use crate::proportion::Proportion;
use crate::ranks::mid_ranks;

/// Why scores have no ROC curve.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RocError {
    /// A score for each case, or the truth of each, is missing.
    #[error("{scores} scores for {cases} cases: wanted one each")]
    CountsDiffer {
        /// Number of scores.
        scores: usize,
        /// Number of cases.
        cases: usize,
    },
    /// A score is NaN, and so neither above nor below another.
    #[error("the score of case {index} is not a number")]
    NotANumber {
        /// Its place.
        index: usize,
    },
}

/// Area under the ROC curve: the chance that a case with a bleed scores above one without, ties
/// counted half. `None` where one of the two kinds is absent.
///
/// # Errors
///
/// [`RocError`] where a score is NaN, or there is not one for each case.
///
/// # Source
///
/// The Mann–Whitney statistic, `(R₊ − n₊(n₊ + 1)/2) / (n₊·n₋)` with `R₊` the sum of mid-ranks:
/// _Radiology_ 143:29–36, 1982. Pairs are counted in whole numbers, so only the division rounds.
///
/// # Examples
///
/// ```
/// use haema_eval::roc_auc;
///
/// assert_eq!(roc_auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), Ok(Some(0.75)));
/// assert_eq!(roc_auc(&[0.5, 0.5], &[false, true]), Ok(Some(0.5)));
/// assert_eq!(roc_auc(&[0.5], &[true]), Ok(None));
/// ```
pub fn roc_auc(scores: &[f64], has_bleed: &[bool]) -> Result<Option<f64>, RocError> {
    let cases = sorted(scores, has_bleed)?;
    let (mut positives, mut negatives, mut pairs_won_twice) = (0_u64, 0_u64, 0_u64);
    for tied in cases.chunk_by(|a, b| a.0 == b.0) {
        let with = tied.iter().filter(|case| case.1).count() as u64;
        let without = tied.len() as u64 - with;
        pairs_won_twice += with * (2 * negatives + without);
        positives += with;
        negatives += without;
    }
    let pairs = positives * negatives;
    Ok((pairs > 0).then(|| 0.5 * pairs_won_twice as f64 / pairs as f64))
}

/// Area under the ROC curve with its standard error, for the normal distribution; `None` where there are
/// fewer than two cases of a kind.
///
/// For cases that come from fewer patients use [`crate::Bootstrap`], which draws patients.
///
/// # Errors
///
/// [`RocError`] where a score is NaN, or there is not one for each case.
///
/// # Source
///
/// E. R. `DeLong`, D. M. `DeLong`, D. L. Clarke-Pearson, _Biometrics_ 44:837–845, 1988; placements by mid-ranks:
/// X. Sun, W. Xu, _IEEE Signal Processing Letters_ 21:1389–1393, 2014.
pub fn roc_auc_estimate(scores: &[f64], has_bleed: &[bool]) -> Result<Option<Estimate>, RocError> {
    check(scores, has_bleed)?;
    let of_kind = |kind: bool| -> Vec<f64> {
        scores.iter().zip(has_bleed).filter(|(_, b)| **b == kind).map(|(s, _)| *s).collect()
    };
    let (with, without) = (of_kind(true), of_kind(false));
    if with.len() < 2 || without.len() < 2 {
        return Ok(None);
    }
    let all: Vec<f64> = with.iter().chain(&without).copied().collect();
    let ranks = mid_ranks(&all);
    // How many of the other kind lie below each case, ties half.
    let placements = |own: &[f64], ranks: &[f64], others: usize| -> Vec<f64> {
        let among = mid_ranks(own);
        ranks.iter().zip(among).map(|(rank, own)| (rank - own) / others as f64).collect()
    };
    let won = placements(&with, &ranks[..with.len()], without.len());
    let lost = placements(&without, &ranks[with.len()..], with.len());
    let variance = |values: &[f64]| {
        let moments = Moments::of(values)?;
        Some(moments.squares / (moments.n - 1.0) / moments.n)
    };
    let (Some(a), Some(b), Some(value)) = (variance(&won), variance(&lost), mean(&won)) else {
        return Ok(None);
    };
    Ok(Some(Estimate { value, standard_error: (a + b).sqrt(), df: f64::INFINITY }))
}

/// Cases told apart by a threshold: those that score this much or more are said to have a bleed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    /// The threshold; infinite where no case reaches it.
    pub threshold: f64,
    /// Of the cases with a bleed, those found.
    pub sensitivity: Proportion,
    /// Of the cases without one, those left.
    pub specificity: Proportion,
}

impl OperatingPoint {
    /// Share of the cases said to have a bleed that have one; `None` where none is said to.
    pub fn precision(self) -> Option<f64> {
        let wrong = self.specificity.n - self.specificity.hits;
        Proportion { hits: self.sensitivity.hits, n: self.sensitivity.hits + wrong }.value()
    }

    /// Sensitivity + specificity − 1; `None` where one of the two kinds is absent.
    pub fn youden(self) -> Option<f64> {
        Some(self.sensitivity.value()? + self.specificity.value()? - 1.0)
    }
}

/// Sensitivity and specificity at one threshold. Choose it on other cases than these.
///
/// # Errors
///
/// [`RocError`] where a score is NaN, or there is not one for each case.
pub fn operating_point(
    scores: &[f64],
    has_bleed: &[bool],
    threshold: f64,
) -> Result<OperatingPoint, RocError> {
    check(scores, has_bleed)?;
    let count = |kind: bool, is_hit: &dyn Fn(f64) -> bool| {
        let own = || scores.iter().zip(has_bleed).filter(|(_, b)| **b == kind);
        let hits = own().filter(|(score, _)| is_hit(**score)).count() as u64;
        Proportion { hits, n: own().count() as u64 }
    };
    Ok(OperatingPoint {
        threshold,
        sensitivity: count(true, &|score| score >= threshold),
        specificity: count(false, &|score| score < threshold),
    })
}

/// The ROC curve: an operating point for each score that occurs, from the strictest to the laxest, after
/// one that no case reaches.
///
/// # Errors
///
/// [`RocError`] where a score is NaN, or there is not one for each case.
pub fn roc_curve(scores: &[f64], has_bleed: &[bool]) -> Result<Vec<OperatingPoint>, RocError> {
    let cases = sorted(scores, has_bleed)?;
    let with = has_bleed.iter().filter(|b| **b).count() as u64;
    let without = has_bleed.len() as u64 - with;
    let mut hits = 0;
    let mut left = without;
    let point = |threshold, hits, left| OperatingPoint {
        threshold,
        sensitivity: Proportion { hits, n: with },
        specificity: Proportion { hits: left, n: without },
    };
    let mut points = vec![point(f64::INFINITY, 0, without)];
    for tied in cases.chunk_by(|a, b| a.0 == b.0).rev() {
        hits += tied.iter().filter(|case| case.1).count() as u64;
        left -= tied.iter().filter(|case| !case.1).count() as u64;
        points.push(point(tied[0].0, hits, left));
    }
    Ok(points)
}

/// Average precision: the precision at each threshold, weighted by how much recall it adds; the area
/// under the precision–recall curve without interpolation. `None` where no case has a bleed.
///
/// # Errors
///
/// [`RocError`] where a score is NaN, or there is not one for each case.
pub fn average_precision(scores: &[f64], has_bleed: &[bool]) -> Result<Option<f64>, RocError> {
    let points = roc_curve(scores, has_bleed)?;
    let added = |pair: &[OperatingPoint]| {
        let recall = pair[1].sensitivity.value()? - pair[0].sensitivity.value()?;
        Some(recall * pair[1].precision()?)
    };
    let has_any = has_bleed.contains(&true);
    Ok(if has_any { points.windows(2).map(added).sum() } else { None })
}

fn check(scores: &[f64], has_bleed: &[bool]) -> Result<(), RocError> {
    if scores.len() != has_bleed.len() {
        return Err(RocError::CountsDiffer { scores: scores.len(), cases: has_bleed.len() });
    }
    match scores.iter().position(|score| score.is_nan()) {
        Some(index) => Err(RocError::NotANumber { index }),
        None => Ok(()),
    }
}

/// The cases by ascending score.
fn sorted(scores: &[f64], has_bleed: &[bool]) -> Result<Vec<(f64, bool)>, RocError> {
    check(scores, has_bleed)?;
    let mut cases: Vec<(f64, bool)> =
        scores.iter().copied().zip(has_bleed.iter().copied()).collect();
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(cases)
}
