//! Limits of agreement between two ways to measure.

use crate::Estimate;
use crate::describe::{Divisor, Moments, mean_estimate};
use crate::regression::{Line, least_squares};

/// The standard normal quantile that 95 % limits of agreement are drawn at, as everybody rounds it.
const LIMIT: f64 = 1.96;

/// Differences between two ways to measure the same subjects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlandAltman {
    /// Mean difference, first less second.
    pub bias: Estimate,
    /// Standard deviation of the differences.
    pub sd: f64,
    /// Below and above which one difference in 40 is expected.
    pub limits: [Estimate; 2],
    /// The line of differences on means: a slope that is not 0 says that they grow with size. `None` of
    /// two subjects, or where all means are equal.
    pub proportional: Option<Line>,
    /// Number of subjects.
    pub n: usize,
}

/// Limits of agreement; `None` of fewer than two subjects, of counts that differ, or where a value is not
/// finite.
///
/// # Source
///
/// J. M. Bland, D. G. Altman, _Lancet_ 327:307–310, 1986; errors of the limits: _Statistical Methods in
/// Medical Research_ 8:135–160, 1999.
///
/// # Examples
///
/// ```
/// use haema_eval::bland_altman;
///
/// let agreement = bland_altman(&[10.0, 20.0, 31.0], &[11.0, 20.0, 29.0]).unwrap();
/// assert!((agreement.bias.value - 1.0 / 3.0).abs() < 1e-15);
/// ```
pub fn bland_altman(first: &[f64], second: &[f64]) -> Option<BlandAltman> {
    if first.len() != second.len() {
        return None;
    }
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
    let means: Vec<f64> = first.iter().zip(second).map(|(a, b)| 0.5 * (a + b)).collect();
    let bias = mean_estimate(&differences)?;
    let sd = Moments::of(&differences)?.sd(Divisor::Sample)?;
    let n = differences.len() as f64;
    let standard_error = sd * (1.0 / n + LIMIT * LIMIT / (2.0 * (n - 1.0))).sqrt();
    let limit =
        |sign: f64| Estimate { value: bias.value + sign * LIMIT * sd, standard_error, df: bias.df };
    Some(BlandAltman {
        bias,
        sd,
        limits: [limit(-1.0), limit(1.0)],
        proportional: least_squares(&means, &differences),
        n: differences.len(),
    })
}

/// [`bland_altman`] of logarithms, for volumes that range over decades: `exp` of each figure is a ratio.
/// `None` also where a value is not above 0.
pub fn bland_altman_ratio(first: &[f64], second: &[f64]) -> Option<BlandAltman> {
    let log = |values: &[f64]| -> Option<Vec<f64>> {
        values.iter().map(|&v| (v > 0.0).then(|| v.ln())).collect()
    };
    bland_altman(&log(first)?, &log(second)?)
}
