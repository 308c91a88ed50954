//! How closely two measurements go together.

use crate::describe::{Moments, products};
use crate::distributions::{normal_above, normal_quantile, student_above};
use crate::ranks::mid_ranks;

/// Pearson's correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// The coefficient, −1 to 1.
    pub r: f64,
    /// Two-sided p that there is none; NaN of two pairs.
    pub p: f64,
    /// Number of pairs.
    pub n: usize,
}

impl Correlation {
    /// Ends of Fisher's confidence interval; NaN of fewer than four pairs.
    pub fn interval(self, level: f64) -> [f64; 2] {
        let reach = normal_quantile(0.5 + 0.5 * level) / (self.n as f64 - 3.0).sqrt();
        let z = self.r.atanh();
        [(z - reach).tanh(), (z + reach).tanh()]
    }
}

/// Pearson's correlation; `None` of fewer than two pairs, of counts that differ, where a value is not
/// finite, or where one of the two does not vary.
///
/// High correlation is no agreement: a rater who draws everything twice as large has 1.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<Correlation> {
    if x.len() != y.len() {
        return None;
    }
    let (of_x, of_y) = (Moments::of(x)?, Moments::of(y)?);
    let norm = of_x.squares.sqrt() * of_y.squares.sqrt();
    if norm <= 0.0 {
        return None;
    }
    let r = (products(x, of_x.mean, y, of_y.mean) / norm).clamp(-1.0, 1.0);
    let df = of_x.n - 2.0;
    let t = r * (df / ((1.0 - r) * (1.0 + r))).sqrt();
    let p = if df > 0.0 { 2.0 * student_above(t.abs(), df) } else { f64::NAN };
    Some(Correlation { r, p, n: x.len() })
}

/// Spearman's: Pearson's of the mid-ranks.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<Correlation> {
    if x.iter().chain(y).any(|value| !value.is_finite()) {
        return None;
    }
    pearson(&mid_ranks(x), &mid_ranks(y))
}

/// Kendall's τ-b, which takes ties into account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kendall {
    /// The coefficient, −1 to 1.
    pub tau_b: f64,
    /// Two-sided p that there is none, by the normal approximation with ties.
    pub p: f64,
}

/// Kendall's τ-b; `None` as [`pearson`].
///
/// # Source
///
/// M. G. Kendall, _Rank Correlation Methods_, 1970, ch. 3 and 4.
pub fn kendall(x: &[f64], y: &[f64]) -> Option<Kendall> {
    let n = x.len();
    if n != y.len() || n < 2 || x.iter().chain(y).any(|value| !value.is_finite()) {
        return None;
    }
    let sign = |values: &[f64], i: usize, j: usize| {
        f64::from(i8::from(values[i] > values[j]) - i8::from(values[i] < values[j]))
    };
    let (mut score, mut in_x, mut in_y) = (0.0, 0.0, 0.0);
    for i in 0..n {
        for j in 0..i {
            let (dx, dy) = (sign(x, i, j), sign(y, i, j));
            score += dx * dy;
            in_x += dx * dx;
            in_y += dy * dy;
        }
    }
    if in_x == 0.0 || in_y == 0.0 {
        return None;
    }
    let (tied_x, tied_y) = (crate::ranks::tie_sizes(x), crate::ranks::tie_sizes(y));
    let sum = |ties: &[f64], term: fn(f64) -> f64| ties.iter().map(|&t| term(t)).sum::<f64>();
    let size = n as f64;
    let pairs = |t: f64| t * (t - 1.0);
    let triples = |t: f64| t * (t - 1.0) * (t - 2.0);
    let spread = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let mut variance = (spread(size) - sum(&tied_x, spread) - sum(&tied_y, spread)) / 18.0;
    variance += sum(&tied_x, pairs) * sum(&tied_y, pairs) / (2.0 * pairs(size));
    if n > 2 {
        variance += sum(&tied_x, triples) * sum(&tied_y, triples) / (9.0 * triples(size));
    }
    Some(Kendall {
        tau_b: (score / in_x.sqrt() / in_y.sqrt()).clamp(-1.0, 1.0),
        p: 2.0 * normal_above(score.abs() / variance.sqrt()),
    })
}

/// Lin's concordance correlation: how close the pairs lie to `y = x`. `None` of fewer than two pairs, of
/// counts that differ, where a value is not finite, or where neither varies and they are equal.
///
/// # Source
///
/// L. I.-K. Lin, _Biometrics_ 45:255–268, 1989; moments over N.
pub fn concordance(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    let (of_x, of_y) = (Moments::of(x)?, Moments::of(y)?);
    let apart = of_x.mean - of_y.mean;
    let all = of_x.squares + of_y.squares + of_x.n * apart * apart;
    (all > 0.0).then(|| 2.0 * products(x, of_x.mean, y, of_y.mean) / all)
}
