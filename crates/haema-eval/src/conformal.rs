//! Bounds that hold for new patients at a rate that was promised.

use crate::distributions::beta_quantile;

/// The bound that a new patient's score stays below with a chance of at least `1 − miss`, from the scores
/// of patients that nothing was fitted to: the `⌈(n + 1)(1 − miss)⌉`-th smallest of them.
///
/// Infinite where there are too few to promise anything: fewer than `1/miss − 1`. NaN scores count as
/// infinite. It asks only that old and new patients come alike, in any order; a new scanner breaks that.
///
/// # Source
///
/// V. Vovk, A. Gammerman, G. Shafer, _Algorithmic Learning in a Random World_, 2005; J. Lei et al.,
/// _Journal of the American Statistical Association_ 113:1094–1111, 2018.
///
/// # Examples
///
/// ```
/// use haema_eval::conformal_bound;
///
/// let scores: Vec<f64> = (1..=19).map(f64::from).collect();
/// assert_eq!(conformal_bound(&scores, 0.1), 18.0);
/// assert_eq!(conformal_bound(&scores, 0.01), f64::INFINITY);
/// ```
pub fn conformal_bound(scores: &[f64], miss: f64) -> f64 {
    let Some(rank) = conformal_rank(scores.len(), miss) else { return f64::INFINITY };
    let mut sorted: Vec<f64> =
        scores.iter().map(|&score| if score.is_nan() { f64::INFINITY } else { score }).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[rank - 1]
}

/// Which of `n` sorted scores is the bound; `None` where none is high enough.
fn conformal_rank(n: usize, miss: f64) -> Option<usize> {
    // 20 × 0.9 is 18.000000000000004 in floating point for some miss; it must stay the 18th.
    let rank = ((n as f64 + 1.0) * (1.0 - miss) - 1e-9).ceil().max(1.0) as usize;
    (rank <= n && !miss.is_nan()).then_some(rank)
}

/// Between which rates the bound will hold, over many new patients, at this level: the promise is a mean
/// over sets of `n` patients, and one set may be lucky. `None` where there is no bound.
///
/// # Source
///
/// The rate follows a beta distribution: V. Vovk, _Machine Learning_ 92:349–376, 2013.
pub fn conformal_coverage(n: usize, miss: f64, level: f64) -> Option<[f64; 2]> {
    let rank = conformal_rank(n, miss)? as f64;
    let of = [rank, n as f64 + 1.0 - rank];
    let tail = 0.5 * (1.0 - level);
    Some([beta_quantile(tail, of), beta_quantile(1.0 - tail, of)])
}
