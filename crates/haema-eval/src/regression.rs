//! Straight lines through pairs of measurements.

use crate::Estimate;
use crate::describe::{Moments, products};
use crate::distributions::normal_quantile;

/// A line by least squares, `y = intercept + slope · x`, whose errors lie in `y` alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Rise for each unit of `x`. `slope.p_different(1.0)` asks whether two raters' volumes grow alike,
    /// `slope.p_different(0.0)` whether they have anything to do with each other.
    pub slope: Estimate,
    /// `y` where `x` is 0.
    pub intercept: Estimate,
    /// Share of the variance of `y` that the line explains; NaN where `y` does not vary.
    pub r_squared: f64,
    /// Standard deviation of what the line leaves.
    pub residual_sd: f64,
    /// Number of pairs.
    pub n: usize,
}

/// The line by least squares; `None` of fewer than three pairs, of counts that differ, where all `x`
/// are equal, or where a value is not finite.
///
/// ```
/// use haema_eval::least_squares;
///
/// let line = least_squares(&[1.0, 2.0, 3.0, 4.0], &[2.1, 3.9, 6.1, 7.9]).unwrap();
/// assert!((line.slope.value - 1.96).abs() < 1e-12);
/// ```
pub fn least_squares(x: &[f64], y: &[f64]) -> Option<Line> {
    if x.len() != y.len() || x.len() < 3 {
        return None;
    }
    let (of_x, of_y) = (Moments::of(x)?, Moments::of(y)?);
    if of_x.squares <= 0.0 {
        return None;
    }
    let slope = products(x, of_x.mean, y, of_y.mean) / of_x.squares;
    // Σ of what is left, from the values and not as a difference of sums, which would cancel.
    let left = |(x, y): (&f64, &f64)| ((y - of_y.mean) - slope * (x - of_x.mean)).powi(2);
    let residual = x.iter().zip(y).map(left).sum::<f64>();
    let df = of_x.n - 2.0;
    let residual_sd = (residual / df).sqrt();
    let slope_error = residual_sd / of_x.squares.sqrt();
    let intercept_error =
        residual_sd * (1.0 / of_x.n + of_x.mean * of_x.mean / of_x.squares).sqrt();
    Some(Line {
        slope: Estimate { value: slope, standard_error: slope_error, df },
        intercept: Estimate {
            value: of_y.mean - slope * of_x.mean,
            standard_error: intercept_error,
            df,
        },
        r_squared: 1.0 - residual / of_y.squares,
        residual_sd,
        n: x.len(),
    })
}

/// Slope and intercept where both `x` and `y` have errors, of equal variance: Deming's line with ratio
/// 1, the orthogonal regression. `None` as [`least_squares`], or where the two do not vary together.
///
/// # Source
///
/// W. E. Deming, _Statistical Adjustment of Data_, 1943.
pub fn deming(x: &[f64], y: &[f64]) -> Option<[f64; 2]> {
    if x.len() != y.len() || x.len() < 3 {
        return None;
    }
    let (of_x, of_y) = (Moments::of(x)?, Moments::of(y)?);
    let both = products(x, of_x.mean, y, of_y.mean);
    if both == 0.0 {
        return None;
    }
    let apart = of_y.squares - of_x.squares;
    let root = apart.hypot(2.0 * both);
    // The form that cancels nothing, on either side of 45°.
    let slope =
        if apart < 0.0 { 2.0 * both / (root - apart) } else { (apart + root) / (2.0 * both) };
    Some([slope, of_y.mean - slope * of_x.mean])
}

/// A line by the median of slopes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassingBablok {
    /// Rise for each unit of `x`.
    pub slope: f64,
    /// Ends of its confidence interval.
    pub slope_interval: [f64; 2],
    /// `y` where `x` is 0.
    pub intercept: f64,
    /// Ends of its confidence interval.
    pub intercept_interval: [f64; 2],
}

/// Passing and Bablok's line between two methods, which no outlier moves: the median of the slopes
/// between all pairs, shifted by those below −1. `None` of fewer than three pairs, of counts that differ,
/// where a value is not finite, or no two `x` differ.
///
/// # Source
///
/// H. Passing, W. Bablok, _Journal of Clinical Chemistry and Clinical Biochemistry_ 21:709–720, 1983.
pub fn passing_bablok(x: &[f64], y: &[f64], level: f64) -> Option<PassingBablok> {
    let n = x.len();
    if n != y.len() || n < 3 || x.iter().chain(y).any(|value| !value.is_finite()) {
        return None;
    }
    let mut slopes = vec![];
    for i in 0..n {
        for j in i + 1..n {
            let (dx, dy) = (x[j] - x[i], y[j] - y[i]);
            let slope = dy / dx;
            // Two equal points say nothing, and a slope of −1 is neither steep nor flat.
            if !slope.is_nan() && slope != -1.0 {
                slopes.push(if dx == 0.0 { f64::INFINITY.copysign(dy) } else { slope });
            }
        }
    }
    if !slopes.iter().any(|slope| slope.is_finite()) {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    let shift = slopes.iter().filter(|slope| **slope < -1.0).count();
    let count = slopes.len();
    let at = |place: usize| slopes[(place + shift).clamp(1, count) - 1];
    let slope = if count % 2 == 1 {
        at(count.div_ceil(2))
    } else {
        0.5 * (at(count / 2) + at(count / 2 + 1))
    };
    let size = n as f64;
    let reach = normal_quantile(0.5 + 0.5 * level)
        * (size * (size - 1.0) * (2.0 * size + 5.0) / 18.0).sqrt();
    let lower = (0.5 * (count as f64 - reach)).round().max(1.0) as usize;
    let slope_interval = [at(lower), at(count + 1 - lower.min(count))];
    let intercept = |slope: f64| {
        let mut all: Vec<f64> = x.iter().zip(y).map(|(x, y)| y - slope * x).collect();
        all.sort_by(f64::total_cmp);
        crate::describe::quantile(&all, 0.5).unwrap_or(f64::NAN)
    };
    Some(PassingBablok {
        slope,
        slope_interval,
        intercept: intercept(slope),
        intercept_interval: [intercept(slope_interval[1]), intercept(slope_interval[0])],
    })
}
