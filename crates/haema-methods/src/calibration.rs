//! From a model's score to the chance that a scan has a bleed.

use serde::{Deserialize, Serialize};

/// How the score of a scan becomes a chance: the entry `calibration` of a model file, as JSON.
///
/// The log odds of a bleed are linear in those of the score and, where that tells more, in the logarithm
/// of the soft volume. Neither slope is below 0: more of either never makes a bleed less likely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// [`CALIBRATION_SCHEMA`].
    pub schema: String,
    /// Log odds where the score is one half and the soft volume with its offset 1 mL.
    pub intercept: f64,
    /// What each unit of the score's log odds adds.
    pub slope_score: f64,
    /// What each unit of ln(soft volume in mL + 0.1) adds.
    pub slope_soft_volume: f64,
    /// The lowest and the highest chance that is told: no more than so many cases can show.
    pub bounds: [f64; 2],
    /// Cases that it was fitted on.
    pub cases: u64,
    /// How many of them have a bleed: the chance is for scans among which bleeds are as frequent.
    pub with_bleed: u64,
    /// How good it is on cases that it was not fitted on.
    pub left_out: LeftOut,
    /// SHA-256 of the table of cases.
    pub cases_sha256: String,
}

/// Figures of chances that each come from a fit without that patient's scans.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Expected calibration error over ten bins.
    pub expected_error: f64,
    /// What it would be on average if the chances were perfect: with few cases it is not 0.
    pub expected_error_if_perfect: f64,
    /// Mean square of chance less truth.
    pub brier: f64,
    /// Mean log loss.
    pub log_loss: f64,
}

/// The format of [`Calibration`].
pub const CALIBRATION_SCHEMA: &str = "haema.calibration/1";

/// Log odds of scores are cut here: single precision knows nothing nearer to 0 and 1.
const NEAREST: f64 = 1e-6;
/// Added to the soft volume before its logarithm: less than any bleed that is marked.
const OFFSET_ML: f64 = 0.1;

impl Calibration {
    /// What the chance is computed from: log odds of the score, logarithm of the soft volume.
    pub fn features(score: f64, volume_soft_ml: f64) -> [f64; 2] {
        let score = score.clamp(NEAREST, 1.0 - NEAREST);
        [(score / (1.0 - score)).ln(), (volume_soft_ml.max(0.0) + OFFSET_ML).ln()]
    }

    /// The chance that a scan has a bleed.
    pub fn chance(&self, score: f64, volume_soft_ml: f64) -> f64 {
        let [of_score, of_volume] = Self::features(score, volume_soft_ml);
        let odds =
            self.intercept + self.slope_score * of_score + self.slope_soft_volume * of_volume;
        (1.0 / (1.0 + (-odds).exp())).clamp(self.bounds[0], self.bounds[1])
    }

    /// Whether every number is one that [`Calibration::chance`] can use.
    pub fn is_sound(&self) -> bool {
        let [low, high] = self.bounds;
        let numbers = [self.intercept, self.slope_score, self.slope_soft_volume];
        self.schema == CALIBRATION_SCHEMA
            && numbers.iter().all(|number| number.is_finite())
            && self.slope_score >= 0.0
            && self.slope_soft_volume >= 0.0
            && 0.0 <= low
            && low <= high
            && high <= 1.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn calibration() -> Calibration {
        Calibration {
            schema: CALIBRATION_SCHEMA.to_owned(),
            intercept: -1.0,
            slope_score: 2.0,
            slope_soft_volume: 0.5,
            bounds: [0.02, 0.98],
            cases: 48,
            with_bleed: 20,
            left_out: LeftOut {
                expected_error: 0.06,
                expected_error_if_perfect: 0.07,
                brier: 0.1,
                log_loss: 0.3,
            },
            cases_sha256: "ab".repeat(32),
        }
    }

    #[test]
    fn the_chance_is_the_logistic_function_of_its_line() {
        let calibration = calibration();

        // Log odds of 0.9 are ln 9; 0.9 mL and the offset are 1 mL, whose logarithm is 0.
        let wanted = 1.0 / (1.0 + (1.0 - 2.0 * 9.0_f64.ln()).exp());
        assert!((calibration.chance(0.9, 0.9) - wanted).abs() < 1e-12);
        assert_eq!(calibration.chance(1.0, 900.0), 0.98, "no surer than its cases allow");
        assert_eq!(calibration.chance(0.0, 0.0), 0.02);
    }

    #[test]
    fn the_chance_never_falls_with_score_or_volume() {
        let calibration = calibration();
        let chances = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
            (0..=100).map(|i| of(f64::from(i) / 100.0)).collect()
        };

        assert!(chances(&|score| calibration.chance(score, 1.0)).is_sorted());
        assert!(chances(&|part| calibration.chance(0.5, 50.0 * part)).is_sorted());
    }
}
