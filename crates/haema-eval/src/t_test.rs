//! Differences of means.

use crate::Estimate;
use crate::describe::{Divisor, Moments, mean_estimate};

/// How the spreads of two samples enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variances {
    /// One spread for both: Student's test.
    Pooled,
    /// Each its own: Welch's test, for samples of different spread or size.
    Own,
}

/// A sample by its figures, as papers print them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSd {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, over n − 1.
    pub sd: f64,
    /// Number of values.
    pub n: usize,
}

/// Mean of the first sample less that of the second; `None` where a sample has fewer than two values or
/// one is not finite.
///
/// ```
/// use haema_eval::{Variances, mean_difference};
///
/// let apart = mean_difference(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0], Variances::Pooled).unwrap();
/// assert_eq!((apart.value, apart.df), (-1.0, 4.0));
/// ```
pub fn mean_difference(first: &[f64], second: &[f64], variances: Variances) -> Option<Estimate> {
    let [first, second] = [first, second].map(|values| {
        let moments = Moments::of(values)?;
        let sd = moments.sd(Divisor::Sample)?;
        Some(MeanSd { mean: moments.mean, sd, n: values.len() })
    });
    mean_difference_of(first?, second?, variances)
}

/// [`mean_difference`] of samples of which a paper prints the figures; `None` where one has fewer than
/// two values.
///
/// # Source
///
/// B. L. Welch, _Biometrika_ 34:28–35, 1947, with Satterthwaite's degrees of freedom.
pub fn mean_difference_of(first: MeanSd, second: MeanSd, variances: Variances) -> Option<Estimate> {
    if first.n < 2 || second.n < 2 {
        return None;
    }
    let (n1, n2) = (first.n as f64, second.n as f64);
    let (v1, v2) = (first.sd * first.sd, second.sd * second.sd);
    let (variance, df) = match variances {
        Variances::Pooled => {
            let df = n1 + n2 - 2.0;
            (((n1 - 1.0) * v1 + (n2 - 1.0) * v2) / df * (1.0 / n1 + 1.0 / n2), df)
        }
        Variances::Own => {
            let (e1, e2) = (v1 / n1, v2 / n2);
            let df = (e1 + e2).powi(2) / (e1 * e1 / (n1 - 1.0) + e2 * e2 / (n2 - 1.0));
            (e1 + e2, df)
        }
    };
    let value = first.mean - second.mean;
    Some(Estimate { value, standard_error: variance.sqrt(), df })
}

/// Mean difference within pairs, first less second: the paired t-test. `None` of fewer than two pairs, of
/// counts that differ, or where a value is not finite.
pub fn paired_difference(first: &[f64], second: &[f64]) -> Option<Estimate> {
    if first.len() != second.len() {
        return None;
    }
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
    mean_estimate(&differences)
}
