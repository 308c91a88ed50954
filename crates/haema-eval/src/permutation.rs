//! Tests that deal the labels anew.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// How labels are dealt anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exchange {
    /// Above so many ways, so many are drawn instead of all.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Outcome of an exchange.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExchangeTest {
    /// The mean over scans, with the labels as they are.
    pub statistic: f64,
    /// Two-sided p: share of the ways whose mean is as far from 0.
    pub p: f64,
    /// Whether all ways were counted.
    pub is_exact: bool,
}

impl Exchange {
    /// 20 000 draws: a p of 0.05 is then right to ± 0.003.
    pub fn new(seed: u64) -> Self {
        Self { draws: 20_000, seed }
    }

    /// Tests whether labels can be exchanged within each scan.
    ///
    /// * `ways` — for each scan its share of the statistic under each way to deal the labels, the way they
    ///   are first. For pairs these are the difference and its negative; for one method among three experts
    ///   four values, of which the last three take an expert for the method.
    ///
    /// `None` where there are no scans, one has no way, or a value is not finite.
    ///
    /// # Source
    ///
    /// R. A. Fisher, _The Design of Experiments_, 1935, §21. The drawn p counts the labels as they are among
    /// the draws, so that it is never 0: B. Phipson, G. K. Smyth, _Statistical Applications in Genetics and
    /// Molecular Biology_ 9:39, 2010.
    pub fn test(self, ways: &[Vec<f64>]) -> Option<ExchangeTest> {
        let is_sound = |scan: &Vec<f64>| !scan.is_empty() && scan.iter().all(|v| v.is_finite());
        if ways.is_empty() || !ways.iter().all(is_sound) {
            return None;
        }
        let n = ways.len() as f64;
        let statistic = ways.iter().map(|scan| scan[0]).sum::<f64>() / n;
        // The same sum in another order may fall short by rounding.
        let size: f64 = ways.iter().flatten().map(|v| v.abs()).fold(0.0, f64::max);
        let least = statistic.abs() - 1e-12 * size;
        let is_as_far = |sum: f64| (sum / n).abs() >= least;
        let all = ways.iter().try_fold(1_usize, |count, scan| count.checked_mul(scan.len()));
        let Some(all) = all.filter(|&count| count <= self.draws) else {
            let mut random = ChaCha8Rng::seed_from_u64(self.seed);
            let mut draw = || -> f64 {
                ways.iter().map(|scan| scan[random.random_range(0..scan.len())]).sum()
            };
            let far = (0..self.draws).filter(|_| is_as_far(draw())).count();
            let p = (far + 1) as f64 / (self.draws + 1) as f64;
            return Some(ExchangeTest { statistic, p, is_exact: false });
        };
        let sum_of = |way: usize| -> f64 {
            let next = |(sum, left): (f64, usize), scan: &Vec<f64>| {
                (sum + scan[left % scan.len()], left / scan.len())
            };
            ways.iter().fold((0.0, way), next).0
        };
        let far = (0..all).filter(|&way| is_as_far(sum_of(way))).count();
        Some(ExchangeTest { statistic, p: far as f64 / all as f64, is_exact: true })
    }
}
