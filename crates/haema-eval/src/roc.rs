//! Telling cases with a bleed from those without.

use thiserror::Error;

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
    if scores.len() != has_bleed.len() {
        return Err(RocError::CountsDiffer { scores: scores.len(), cases: has_bleed.len() });
    }
    if let Some(index) = scores.iter().position(|score| score.is_nan()) {
        return Err(RocError::NotANumber { index });
    }
    let mut cases: Vec<(f64, bool)> =
        scores.iter().copied().zip(has_bleed.iter().copied()).collect();
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
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
