//! Means and spreads.

use crate::Estimate;

/// What a sum of squares is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Divisor {
    /// One less than the number of values: the spread of those that the sample stands for.
    #[default]
    Sample,
    /// The number of values: the spread of the values themselves.
    Population,
}

/// A sample in the figures that tables print.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Description {
    /// Number of values.
    pub n: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation; `None` of one value.
    pub sd: Option<f64>,
    /// Median.
    pub median: f64,
    /// First and third quartile, by linear interpolation.
    pub quartiles: [f64; 2],
}

/// Describes a sample; `None` where it is empty or a value is not finite.
///
/// ```
/// use haema_eval::{Divisor, describe};
///
/// let dice = describe(&[0.8, 0.9, 0.7], Divisor::Sample).unwrap();
/// assert!((dice.mean - 0.8).abs() < 1e-15 && (dice.sd.unwrap() - 0.1).abs() < 1e-15);
/// ```
pub fn describe(values: &[f64], divisor: Divisor) -> Option<Description> {
    let moments = Moments::of(values)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Description {
        n: values.len(),
        mean: moments.mean,
        sd: moments.sd(divisor),
        median: quantile(&sorted, 0.5)?,
        quartiles: [quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?],
    })
}

/// The mean of the values that a sample stands for, with Student's interval; `None` of fewer than two
/// values, or where one is not finite. Values that are all equal have an interval without width.
pub fn mean_estimate(values: &[f64]) -> Option<Estimate> {
    let moments = Moments::of(values)?;
    let sd = moments.sd(Divisor::Sample)?;
    let n = values.len() as f64;
    Some(Estimate { value: moments.mean, standard_error: sd / n.sqrt(), df: n - 1.0 })
}

/// Value below which a share of a sorted sample lies, by linear interpolation.
///
/// # Source
///
/// Definition 7 of R. J. Hyndman and Y. Fan, _The American Statistician_ 50:361–365, 1996.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (lower, upper) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[lower] + (sorted[upper] - sorted[lower]) * at.fract())
}

/// Mean and sum of squared deviations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) n: f64,
    pub(crate) mean: f64,
    pub(crate) squares: f64,
}

impl Moments {
    /// `None` where there are no values, or one is not finite.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mean = mean(values)?;
        let squares = products(values, mean, values, mean);
        Some(Self { n: values.len() as f64, mean, squares })
    }

    pub(crate) fn sd(&self, divisor: Divisor) -> Option<f64> {
        let by = match divisor {
            Divisor::Sample => self.n - 1.0,
            Divisor::Population => self.n,
        };
        (by > 0.0).then(|| (self.squares / by).sqrt())
    }
}

/// The mean, corrected by the mean of what it leaves: volumes around a huge offset keep their digits,
/// and equal values have exactly their own value as mean.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let rough = values.iter().sum::<f64>() / n;
    Some(rough + values.iter().map(|value| value - rough).sum::<f64>() / n)
}

/// Σ (x − x̄)(y − ȳ), corrected for what rounding left of the means.
pub(crate) fn products(x: &[f64], x_mean: f64, y: &[f64], y_mean: f64) -> f64 {
    let deviations = || x.iter().zip(y).map(|(x, y)| (x - x_mean, y - y_mean));
    let (dx, dy) = deviations().fold((0.0, 0.0), |(a, b), (dx, dy)| (a + dx, b + dy));
    deviations().map(|(dx, dy)| dx * dy).sum::<f64>() - dx * dy / x.len() as f64
}
