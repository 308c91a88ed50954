//! How much a figure would change with other patients.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::describe::{mean, quantile};
use crate::distributions::{normal_above, normal_quantile};

/// A bootstrap over patients.
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
        let patients = Patients::of(patient_of_case)?;
        let figures = self.draw(&patients, &statistic);
        let tail = 0.5 * (1.0 - self.level);
        self.between(&figures, [tail, 1.0 - tail])
    }

    /// The interval of a statistic, corrected for bias and for an error that changes with the figure
    /// (`BCa`): better than [`Bootstrap::interval`] where few patients give a lopsided figure, such as a
    /// mean Dice near 1.
    ///
    /// `None` also where the figure does not exist for all cases or without one of the patients, and where
    /// no patient makes a difference to it.
    ///
    /// # Source
    ///
    /// B. Efron, _Journal of the American Statistical Association_ 82:171–185, 1987.
    pub fn interval_bca<P: Ord>(
        self,
        patient_of_case: &[P],
        statistic: impl Fn(&[usize]) -> Option<f64>,
    ) -> Option<Interval> {
        let patients = Patients::of(patient_of_case)?;
        let all: Vec<usize> = (0..patient_of_case.len()).collect();
        let found = statistic(&all)?;
        let without: Option<Vec<f64>> =
            (0..patients.0.len()).map(|one| statistic(&patients.without(one))).collect();
        let without = without?;
        let middle = mean(&without)?;
        let power = |n: i32| without.iter().map(|figure| (middle - figure).powi(n)).sum::<f64>();
        let spread = power(2);
        let figures = self.draw(&patients, &statistic);
        if spread <= 0.0 || figures.is_empty() {
            return None;
        }
        let acceleration = power(3) / (6.0 * spread.powf(1.5));
        let below = figures.partition_point(|figure| *figure < found);
        let up_to = figures.partition_point(|figure| *figure <= found);
        let bias = normal_quantile(0.5 * (below + up_to) as f64 / figures.len() as f64);
        let share = |tail: f64| {
            let shifted = bias + normal_quantile(tail);
            1.0 - normal_above(bias + shifted / (1.0 - acceleration * shifted))
        };
        let tail = 0.5 * (1.0 - self.level);
        let shares = [share(tail), share(1.0 - tail)];
        if shares.iter().any(|share| share.is_nan()) {
            return None;
        }
        self.between(&figures, shares)
    }

    /// The figures of the draws in which they exist, sorted.
    fn draw(self, patients: &Patients, statistic: &impl Fn(&[usize]) -> Option<f64>) -> Vec<f64> {
        let patients = &patients.0;
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
        figures
    }

    fn between(self, figures: &[f64], [lower, upper]: [f64; 2]) -> Option<Interval> {
        Some(Interval {
            lower: quantile(figures, lower)?,
            upper: quantile(figures, upper)?,
            undefined: self.resamples - figures.len(),
        })
    }
}

/// The cases of each patient.
struct Patients(Vec<Vec<usize>>);

impl Patients {
    /// `None` where there are none.
    fn of<P: Ord>(patient_of_case: &[P]) -> Option<Self> {
        let mut cases_of: BTreeMap<&P, Vec<usize>> = BTreeMap::new();
        for (case, patient) in patient_of_case.iter().enumerate() {
            cases_of.entry(patient).or_default().push(case);
        }
        // In the order of their first case: names, which may be hashes, shall not steer the draws.
        let mut patients: Vec<Vec<usize>> = cases_of.into_values().collect();
        patients.sort();
        (!patients.is_empty()).then_some(Self(patients))
    }

    fn without(&self, one: usize) -> Vec<usize> {
        let others = self.0.iter().enumerate().filter(|(patient, _)| *patient != one);
        others.flat_map(|(_, cases)| cases).copied().collect()
    }
}
