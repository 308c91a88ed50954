//! Shares of counts.

use crate::distributions::{beta_quantile, normal_quantile};

/// So many of so many.
///
/// # Examples
///
/// ```
/// use haema_eval::Proportion;
///
/// let sensitivity = Proportion { hits: 9, n: 10 };
/// let [lower, upper] = sensitivity.wilson(0.95).unwrap();
/// assert!(lower < 0.6 && upper > 0.98);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    /// So many.
    pub hits: u64,
    /// Of so many.
    pub n: u64,
}

impl Proportion {
    /// The share; `None` of nothing.
    pub fn value(self) -> Option<f64> {
        (self.n > 0).then(|| self.hits as f64 / self.n as f64)
    }

    /// Wilson's interval, which holds its level on average; `None` of nothing.
    ///
    /// # Source
    ///
    /// E. B. Wilson, _Journal of the American Statistical Association_ 22:209–212, 1927.
    pub fn wilson(self, level: f64) -> Option<[f64; 2]> {
        let (share, n) = (self.value()?, self.n as f64);
        let z = normal_quantile(0.5 + 0.5 * level);
        let scale = 1.0 + z * z / n;
        let middle = (share + 0.5 * z * z / n) / scale;
        let reach = z * (share * (1.0 - share) / n + 0.25 * z * z / (n * n)).sqrt() / scale;
        Some([(middle - reach).max(0.0), (middle + reach).min(1.0)])
    }

    /// Clopper and Pearson's interval, which never falls short of its level; `None` of nothing.
    ///
    /// # Source
    ///
    /// C. J. Clopper, E. S. Pearson, _Biometrika_ 26:404–413, 1934.
    pub fn exact(self, level: f64) -> Option<[f64; 2]> {
        self.value()?;
        let tail = 0.5 * (1.0 - level);
        let (hits, misses) = (self.hits as f64, (self.n - self.hits) as f64);
        let lower = if self.hits == 0 { 0.0 } else { beta_quantile(tail, [hits, misses + 1.0]) };
        let upper =
            if self.hits == self.n { 1.0 } else { beta_quantile(1.0 - tail, [hits + 1.0, misses]) };
        Some([lower, upper])
    }
}

/// Fisher's exact test of two groups by two kinds, two-sided: the chance of a table that is as rare as
/// the counts, or rarer, with the same sums. 1 where a row or a column is empty.
///
/// * `counts` — a row for each group.
///
/// # Source
///
/// R. A. Fisher, _Statistical Methods for Research Workers_, 1934. Tables whose chance is within 10⁻⁷ of
/// the counts' are as rare, as R has it: the same fraction can round differently.
///
/// # Examples
///
/// ```
/// // 3 of 4 against 1 of 4: 34 of the 70 tables are as rare.
/// assert!((haema_eval::fisher_exact([[3, 1], [1, 3]]) - 34.0 / 70.0).abs() < 1e-14);
/// ```
pub fn fisher_exact(counts: [[u64; 2]; 2]) -> f64 {
    let [[a, b], [c, d]] = counts;
    let (row, column, n) = (a + b, a + c, a + b + c + d);
    let least = (row + column).saturating_sub(n);
    let most = row.min(column);
    // Chances from one table to the next, from the likeliest, so that none overflows or vanishes early.
    let mode = (((row + 1) as f64 * (column + 1) as f64) / (n + 2) as f64) as u64;
    let mode = mode.clamp(least, most);
    let step_up = |k: u64| {
        let (k, row, column, n) = (k as f64, row as f64, column as f64, n as f64);
        (row - k) * (column - k) / ((k + 1.0) * (n - row - column + k + 1.0))
    };
    let mut chances = vec![0.0; (most - least + 1) as usize];
    chances[(mode - least) as usize] = 1.0;
    for k in mode..most {
        chances[(k + 1 - least) as usize] = chances[(k - least) as usize] * step_up(k);
    }
    for k in (least..mode).rev() {
        chances[(k - least) as usize] = chances[(k + 1 - least) as usize] / step_up(k);
    }
    let found = chances[(a - least) as usize];
    let rarer: f64 = chances.iter().filter(|chance| **chance <= found * (1.0 + 1e-7)).sum();
    (rarer / chances.iter().sum::<f64>()).min(1.0)
}
