//! An estimate and how sure it is.

use crate::distributions::{student_above, student_quantile};

/// A figure with its standard error: intervals and tests follow from it.
///
/// # Examples
///
/// ```
/// use haema_eval::mean_estimate;
///
/// // κ of the method with the experts less κ among experts, one value a scan.
/// let worse = mean_estimate(&[-0.03, 0.01, -0.02, 0.02, -0.01]).unwrap();
/// assert!(worse.p_different(0.0) > 0.05, "no difference shown");
/// assert!(worse.p_above(-0.05) < 0.05, "and shown to be no worse than by 0.05");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of Student's distribution; infinite for the normal one.
    pub df: f64,
}

impl Estimate {
    /// Distance from a value in standard errors. 0/0 where both are 0: NaN, and so every chance of it.
    pub fn t(self, from: f64) -> f64 {
        (self.value - from) / self.standard_error
    }

    /// Two-sided p that the true figure is this value.
    pub fn p_different(self, from: f64) -> f64 {
        2.0 * student_above(self.t(from).abs(), self.df)
    }

    /// One-sided p that the true figure is this value or less. Small: it is above. For
    /// **non-inferiority** give the margin, below 0 where more is better.
    pub fn p_above(self, than: f64) -> f64 {
        student_above(self.t(than), self.df)
    }

    /// One-sided p that the true figure is this value or more. Small: it is below.
    pub fn p_below(self, than: f64) -> f64 {
        student_above(-self.t(than), self.df)
    }

    /// p of two one-sided tests (TOST): small where the true figure is shown to lie within ± `margin`
    /// of 0. A large p of a difference shows no such thing.
    ///
    /// # Source
    ///
    /// D. J. Schuirmann, _Journal of Pharmacokinetics and Biopharmaceutics_ 15:657–680, 1987.
    pub fn p_equivalent(self, margin: f64) -> f64 {
        self.p_above(-margin).max(self.p_below(margin))
    }

    /// Ends of the two-sided confidence interval, such as 0.95.
    pub fn interval(self, level: f64) -> [f64; 2] {
        let reach = student_quantile(0.5 + 0.5 * level, self.df) * self.standard_error;
        [self.value - reach, self.value + reach]
    }

    /// Lower end of the one-sided confidence interval, such as 0.95.
    pub fn lower_bound(self, level: f64) -> f64 {
        self.value - student_quantile(level, self.df) * self.standard_error
    }
}
