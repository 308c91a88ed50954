//! Agreement beyond chance.

use thiserror::Error;

use crate::Estimate;

/// How much a disagreement weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KappaWeights {
    /// Every disagreement alike.
    #[default]
    Equal,
    /// By how many classes lie between: for ordered classes, such as < 30, 30 to 60 and > 60 mL.
    Linear,
    /// By the square of that.
    Quadratic,
}

/// Why counts have no kappa.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KappaError {
    /// The counts are no square.
    #[error("row {row} of the counts has {found} classes: wanted {wanted}, one for each row")]
    NotSquare {
        /// The row.
        row: usize,
        /// Its length.
        found: usize,
        /// Number of rows.
        wanted: usize,
    },
}

/// Cohen's κ of two raters who put cases into classes.
///
/// * `counts` — `counts[a][b]` cases that the first rater put into class `a` and the second into `b`.
///
/// The standard error is for cases that are independent: voxels of one scan are not, so for masks give
/// the interval over scans ([`crate::mean_estimate`]). `None` where there are no cases, or where both
/// raters put all into one class, so that nothing but agreement was possible.
///
/// # Errors
///
/// [`KappaError::NotSquare`].
///
/// # Source
///
/// J. Cohen, _Psychological Bulletin_ 70:213–220, 1968; the error of J. L. Fleiss, J. Cohen, B. S.
/// Everitt, _Psychological Bulletin_ 72:323–327, 1969.
///
/// # Examples
///
/// ```
/// use haema_eval::{KappaWeights, cohen_kappa};
///
/// let kappa = cohen_kappa(&[vec![20, 5], vec![10, 15]], KappaWeights::Equal)?.unwrap();
/// assert!((kappa.value - 0.4).abs() < 1e-15);
/// # Ok::<(), haema_eval::KappaError>(())
/// ```
pub fn cohen_kappa(
    counts: &[Vec<u64>],
    weights: KappaWeights,
) -> Result<Option<Estimate>, KappaError> {
    let wanted = counts.len();
    if let Some(row) = counts.iter().position(|row| row.len() != wanted) {
        return Err(KappaError::NotSquare { row, found: counts[row].len(), wanted });
    }
    let n = counts.iter().flatten().sum::<u64>() as f64;
    let share = |a: usize, b: usize| counts[a][b] as f64 / n;
    let classes = || 0..wanted;
    let rows: Vec<f64> = classes().map(|a| classes().map(|b| share(a, b)).sum()).collect();
    let columns: Vec<f64> = classes().map(|b| classes().map(|a| share(a, b)).sum()).collect();
    let agreement = |a: usize, b: usize| {
        let apart = a.abs_diff(b) as f64 / (wanted.saturating_sub(1).max(1)) as f64;
        match weights {
            KappaWeights::Equal => f64::from(u8::from(a == b)),
            KappaWeights::Linear => 1.0 - apart,
            KappaWeights::Quadratic => 1.0 - apart * apart,
        }
    };
    let cells = || classes().flat_map(|a| classes().map(move |b| (a, b)));
    let observed: f64 = cells().map(|(a, b)| agreement(a, b) * share(a, b)).sum();
    let expected: f64 = cells().map(|(a, b)| agreement(a, b) * rows[a] * columns[b]).sum();
    let rest = 1.0 - expected;
    let is_open = rows.iter().zip(&columns).all(|(row, column)| row * column < 1.0);
    if n == 0.0 || !is_open || rest <= 0.0 {
        return Ok(None);
    }
    let of_row: Vec<f64> =
        classes().map(|a| classes().map(|b| columns[b] * agreement(a, b)).sum()).collect();
    let of_column: Vec<f64> =
        classes().map(|b| classes().map(|a| rows[a] * agreement(a, b)).sum()).collect();
    let spread: f64 = cells()
        .map(|(a, b)| {
            let lean = (of_row[a] + of_column[b]) * (1.0 - observed);
            share(a, b) * (agreement(a, b) * rest - lean).powi(2)
        })
        .sum();
    let middle = (observed * expected - 2.0 * expected + observed).powi(2);
    let variance = (spread - middle).max(0.0) / (n * rest.powi(4));
    Ok(Some(Estimate {
        value: (observed - expected) / rest,
        standard_error: variance.sqrt(),
        df: f64::INFINITY,
    }))
}
