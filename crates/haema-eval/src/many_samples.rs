//! More than two samples, by ranks.

use crate::distributions::chi_squared_above;
use crate::ranks::{mid_ranks, tie_term};

/// A statistic that follows χ² where the samples do not differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquaredTest {
    /// The statistic.
    pub statistic: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// Chance of at least this statistic.
    pub p: f64,
}

impl ChiSquaredTest {
    fn new(statistic: f64, df: f64) -> Self {
        Self { statistic, df, p: chi_squared_above(statistic, df) }
    }
}

/// Friedman's test: do methods differ, each measured on the same cases?
///
/// * `cases` — for each case the value of each method, in one order.
///
/// `None` of fewer than two cases or three methods, where their number differs, a value is NaN, or all
/// methods are equal on every case.
///
/// # Source
///
/// M. Friedman, _Journal of the American Statistical Association_ 32:675–701, 1937; with ties W. J.
/// Conover, _Practical Nonparametric Statistics_, 1999.
pub fn friedman(cases: &[Vec<f64>]) -> Option<ChiSquaredTest> {
    let methods = cases.first()?.len();
    let is_whole = |case: &Vec<f64>| case.len() == methods && case.iter().all(|v| !v.is_nan());
    if cases.len() < 2 || methods < 3 || !cases.iter().all(is_whole) {
        return None;
    }
    let mut sums = vec![0.0; methods];
    for case in cases {
        sums.iter_mut().zip(mid_ranks(case)).for_each(|(sum, rank)| *sum += rank);
    }
    let (n, k) = (cases.len() as f64, methods as f64);
    let ties: f64 = cases.iter().map(|case| tie_term(case)).sum();
    let correction = 1.0 - ties / (n * k * (k * k - 1.0));
    let middle = 0.5 * n * (k + 1.0);
    let squares: f64 = sums.iter().map(|sum| (sum - middle).powi(2)).sum();
    let statistic = 12.0 * squares / (n * k * (k + 1.0)) / correction;
    (correction > 0.0).then(|| ChiSquaredTest::new(statistic, k - 1.0))
}

/// The Kruskal–Wallis test: do independent groups, such as scanners, differ?
///
/// `None` of fewer than two groups, where one is empty, a value is NaN, or all values are equal.
///
/// # Source
///
/// W. H. Kruskal, W. A. Wallis, _Journal of the American Statistical Association_ 47:583–621, 1952.
pub fn kruskal_wallis(groups: &[Vec<f64>]) -> Option<ChiSquaredTest> {
    let all: Vec<f64> = groups.iter().flatten().copied().collect();
    if groups.len() < 2 || groups.iter().any(Vec::is_empty) || all.iter().any(|v| v.is_nan()) {
        return None;
    }
    let ranks = mid_ranks(&all);
    let n = all.len() as f64;
    let correction = 1.0 - tie_term(&all) / (n * n * n - n);
    let mut squares = 0.0;
    let mut rest = ranks.as_slice();
    for group in groups {
        let (own, others) = rest.split_at(group.len());
        let size = own.len() as f64;
        squares += size * (own.iter().sum::<f64>() / size - 0.5 * (n + 1.0)).powi(2);
        rest = others;
    }
    let statistic = 12.0 / (n * (n + 1.0)) * squares / correction;
    (correction > 0.0).then(|| ChiSquaredTest::new(statistic, groups.len() as f64 - 1.0))
}
