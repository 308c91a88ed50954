//! Intraclass correlation: how much of the spread of measurements is the patients' and not the raters'.

use crate::describe::mean;
use crate::distributions::{f_above, f_quantile};

/// The intraclass correlations of several raters who all measured the same subjects.
///
/// _Agreement_ counts it against a rater who measures more throughout, _consistency_ does not. _Single_
/// is what one rater is worth, _average_ the mean of all of them.
///
/// # Examples
///
/// ```
/// use haema_eval::{IccForm, Icc};
///
/// let volumes_ml = [vec![10.0, 11.0], vec![20.0, 21.0], vec![30.0, 31.0]];
/// let icc = Icc::of(&volumes_ml).unwrap();
/// assert_eq!(icc.value(IccForm::ConsistencySingle), 1.0);
/// assert!(icc.value(IccForm::AgreementSingle) < 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Icc {
    /// Mean square between subjects.
    pub ms_subjects: f64,
    /// Mean square between raters.
    pub ms_raters: f64,
    /// Mean square of what is left.
    pub ms_error: f64,
    /// Mean square within subjects, raters and rest together.
    pub ms_within: f64,
    /// Number of subjects.
    pub subjects: usize,
    /// Number of raters.
    pub raters: usize,
}

/// Which of the intraclass correlations, by the names of Shrout and Fleiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IccForm {
    /// ICC(1,1): each subject was measured by raters of its own.
    OneWaySingle,
    /// ICC(2,1): agreement of one rater, of those that these stand for.
    AgreementSingle,
    /// ICC(3,1): consistency of one of these raters.
    ConsistencySingle,
    /// ICC(1,k).
    OneWayAverage,
    /// ICC(2,k).
    AgreementAverage,
    /// ICC(3,k).
    ConsistencyAverage,
}

impl Icc {
    /// The analysis of variance; `None` of fewer than two subjects or raters, where their number differs,
    /// a value is not finite, or all are equal.
    ///
    /// * `subjects` — for each subject the value of each rater, in one order.
    ///
    /// # Source
    ///
    /// P. E. Shrout, J. L. Fleiss, _Psychological Bulletin_ 86:420–428, 1979.
    pub fn of(subjects: &[Vec<f64>]) -> Option<Self> {
        let raters = subjects.first()?.len();
        if subjects.len() < 2 || raters < 2 || subjects.iter().any(|row| row.len() != raters) {
            return None;
        }
        let all: Vec<f64> = subjects.iter().flatten().copied().collect();
        let grand = mean(&all)?;
        let (n, k) = (subjects.len() as f64, raters as f64);
        let of_subject: Vec<f64> = subjects.iter().filter_map(|row| mean(row)).collect();
        let of_rater: Vec<f64> = (0..raters)
            .filter_map(|r| mean(&subjects.iter().map(|row| row[r]).collect::<Vec<f64>>()))
            .collect();
        let away = |means: &[f64]| means.iter().map(|m| (m - grand).powi(2)).sum::<f64>();
        let (of_subjects, of_raters) = (k * away(&of_subject), n * away(&of_rater));
        let error: f64 = subjects
            .iter()
            .zip(&of_subject)
            .flat_map(|(row, s)| row.iter().zip(&of_rater).map(move |(v, r)| (v - s - r, *s)))
            .map(|(left, _)| (left + grand).powi(2))
            .sum();
        let icc = Self {
            ms_subjects: of_subjects / (n - 1.0),
            ms_raters: of_raters / (k - 1.0),
            ms_error: error / ((n - 1.0) * (k - 1.0)),
            ms_within: (of_raters + error) / (n * (k - 1.0)),
            subjects: subjects.len(),
            raters,
        };
        (icc.ms_subjects + icc.ms_within > 0.0).then_some(icc)
    }

    /// The coefficient; it can fall below 0. NaN where subjects do not differ at all and the form divides
    /// by their spread.
    pub fn value(&self, form: IccForm) -> f64 {
        let (n, k) = self.counts();
        let (s, r, e, w) = (self.ms_subjects, self.ms_raters, self.ms_error, self.ms_within);
        match form {
            IccForm::OneWaySingle => (s - w) / (s + (k - 1.0) * w),
            IccForm::AgreementSingle => (s - e) / (s + (k - 1.0) * e + k * (r - e) / n),
            IccForm::ConsistencySingle => (s - e) / (s + (k - 1.0) * e),
            IccForm::OneWayAverage => (s - w) / s,
            IccForm::AgreementAverage => (s - e) / (s + (r - e) / n),
            IccForm::ConsistencyAverage => (s - e) / s,
        }
    }

    /// Ends of the confidence interval.
    ///
    /// # Source
    ///
    /// K. O. `McGraw`, S. P. Wong, _Psychological Methods_ 1:30–46, 1996, table 7.
    pub fn interval(&self, form: IccForm, level: f64) -> [f64; 2] {
        let (n, k) = self.counts();
        let share = 0.5 + 0.5 * level;
        let (rows, rest) = (n - 1.0, (n - 1.0) * (k - 1.0));
        // F over, and times, its quantile.
        let ends = |f: f64, df: f64| {
            [f / f_quantile(share, [rows, df]), f * f_quantile(share, [df, rows])]
        };
        let single = |ends: [f64; 2]| ends.map(|f| (f - 1.0) / (f + k - 1.0));
        let average = |ends: [f64; 2]| ends.map(|f| 1.0 - 1.0 / f);
        let within = || ends(self.ms_subjects / self.ms_within, n * (k - 1.0));
        let error = || ends(self.ms_subjects / self.ms_error, rest);
        match form {
            IccForm::OneWaySingle => single(within()),
            IccForm::OneWayAverage => average(within()),
            IccForm::ConsistencySingle => single(error()),
            IccForm::ConsistencyAverage => average(error()),
            IccForm::AgreementSingle => self.agreement_interval(share),
            IccForm::AgreementAverage => {
                self.agreement_interval(share).map(|r| r * k / (1.0 + r * (k - 1.0)))
            }
        }
    }

    fn agreement_interval(&self, share: f64) -> [f64; 2] {
        let (n, k) = self.counts();
        let (s, r, e) = (self.ms_subjects, self.ms_raters, self.ms_error);
        let rho = self.value(IccForm::AgreementSingle);
        // Satterthwaite's degrees of freedom of a·MSR + b·MSE.
        let a = k * rho / (n * (1.0 - rho));
        let b = 1.0 + k * rho * (n - 1.0) / (n * (1.0 - rho));
        let df = (a * r + b * e).powi(2)
            / ((a * r).powi(2) / (k - 1.0) + (b * e).powi(2) / ((n - 1.0) * (k - 1.0)));
        let others = k * r + (k * n - k - n) * e;
        let lower = f_quantile(share, [n - 1.0, df]);
        let upper = f_quantile(share, [df, n - 1.0]);
        [
            n * (s - lower * e) / (lower * others + n * s),
            n * (upper * s - e) / (others + n * upper * s),
        ]
    }

    /// p that subjects do not differ: F of the mean squares.
    pub fn p(&self, form: IccForm) -> f64 {
        let (n, k) = self.counts();
        let (below, df) = match form {
            IccForm::OneWaySingle | IccForm::OneWayAverage => (self.ms_within, n * (k - 1.0)),
            _ => (self.ms_error, (n - 1.0) * (k - 1.0)),
        };
        f_above(self.ms_subjects / below, [n - 1.0, df])
    }

    fn counts(&self) -> (f64, f64) {
        (self.subjects as f64, self.raters as f64)
    }
}
