//! How much a figure would change with other patients.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A percentile bootstrap over patients.
///
/// Scans of one patient are alike, so patients are drawn, with replacement, and each brings all its
/// scans. The seed is an argument: the same call gives the same interval.
///
/// # Source
///
/// B. Efron and R. J. Tibshirani, _An Introduction to the Bootstrap_, 1993, ch. 13; percentiles by
/// linear interpolation (definition 7 of R. J. Hyndman and Y. Fan, 1996).
///
/// # Examples
///
/// ```
/// use haema_eval::Bootstrap;
///
/// let dice = [0.7, 0.9, 0.6, 0.8, 0.75];
/// let patients = ["a", "a", "b", "c", "d"];
/// let mean = |cases: &[usize]| {
///     Some(cases.iter().map(|&case| dice[case]).sum::<f64>() / cases.len() as f64)
/// };
///
/// let interval = Bootstrap::new(7).interval(&patients, mean).unwrap();
/// assert!(interval.lower < 0.75 && 0.75 < interval.upper);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How many times patients are drawn anew.
    pub resamples: usize,
    /// Share of the draws inside the interval.
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Draws in which the figure did not exist, such as an AUC without a case of one kind. They are
    /// left out: where they are many, the interval says little.
    pub undefined: usize,
}

impl Bootstrap {
    /// 2000 draws, 95 %.
    pub fn new(seed: u64) -> Self {
        Self { resamples: 2000, level: 0.95, seed }
    }

    /// The interval of a statistic.
    ///
    /// * `patient_of_case` — whose scan each case is.
    /// * `statistic` — the figure of some cases, given by their indices, repeats included.
    ///
    /// `None` where there are no cases, or the figure existed in no draw.
    pub fn interval<P: Ord>(
        self,
        patient_of_case: &[P],
        statistic: impl Fn(&[usize]) -> Option<f64>,
    ) -> Option<Interval> {
        let mut cases_of: BTreeMap<&P, Vec<usize>> = BTreeMap::new();
        for (case, patient) in patient_of_case.iter().enumerate() {
            cases_of.entry(patient).or_default().push(case);
        }
        // In the order of their first case: names, which may be hashes, shall not steer the draws.
        let mut patients: Vec<Vec<usize>> = cases_of.into_values().collect();
        patients.sort();
        if patients.is_empty() {
            return None;
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn = vec![];
        let mut figures = Vec::with_capacity(self.resamples);
        for _ in 0..self.resamples {
            drawn.clear();
            for _ in 0..patients.len() {
                drawn.extend(&patients[random.random_range(0..patients.len())]);
            }
            figures.extend(statistic(&drawn).filter(|figure| !figure.is_nan()));
        }
        figures.sort_by(f64::total_cmp);
        let tail = 0.5 * (1.0 - self.level);
        Some(Interval {
            lower: percentile(&figures, tail)?,
            upper: percentile(&figures, 1.0 - tail)?,
            undefined: self.resamples - figures.len(),
        })
    }
}

fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (lower, upper) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[lower] + (sorted[upper] - sorted[lower]) * at.fract())
}
