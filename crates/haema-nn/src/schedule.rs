//! When the learning rate falls and when training ends.

use serde::{Deserialize, Serialize};

/// Halves the learning rate where the validation loss stands still.
///
/// # Source
///
/// Keras' `ReduceLROnPlateau` with the paper's numbers (methods.md A.6): an improvement is more than
/// 1e-4; after `patience` epochs without one the rate is multiplied by `factor`; no cooldown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    /// Epochs to wait.
    pub patience: u32,
    /// What the rate is multiplied by.
    pub factor: f64,
    /// Best loss so far.
    pub best: f64,
    /// Epochs since.
    pub waited: u32,
}

/// Improvement below which a plateau goes on.
const MIN_DELTA: f64 = 1e-4;

impl Plateau {
    /// Nothing seen yet.
    pub fn new(patience: u32, factor: f64) -> Self {
        Self { patience, factor, best: f64::MAX, waited: 0 }
    }

    /// The learning rate after an epoch that ended with `loss`.
    pub fn next_rate(&mut self, loss: f64, rate: f64) -> f64 {
        if loss < self.best - MIN_DELTA {
            self.best = loss;
            self.waited = 0;
            return rate;
        }
        self.waited += 1;
        if self.waited < self.patience {
            return rate;
        }
        self.waited = 0;
        rate * self.factor
    }
}

/// Ends training where the validation loss has not fallen for `patience` epochs.
///
/// # Source
///
/// Keras' `EarlyStopping` with a delta of 0 (methods.md A.6).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Epochs to wait.
    pub patience: u32,
    /// Best loss so far.
    pub best: f64,
    /// Epochs since.
    pub waited: u32,
}

impl EarlyStop {
    /// Nothing seen yet.
    pub fn new(patience: u32) -> Self {
        Self { patience, best: f64::MAX, waited: 0 }
    }

    /// Takes an epoch's loss; says whether it is the best so far.
    pub fn is_best(&mut self, loss: f64) -> bool {
        if loss < self.best {
            self.best = loss;
            self.waited = 0;
            return true;
        }
        self.waited += 1;
        false
    }

    /// Whether it is time to stop.
    pub fn is_due(&self) -> bool {
        self.waited >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_halved_after_patience_epochs_without_improvement() {
        let mut plateau = Plateau::new(3, 0.5);
        let mut rate = 1.0;
        let mut rates = Vec::new();
        for loss in [0.9, 0.9, 0.9, 0.89999, 0.5, 0.6, 0.6, 0.6] {
            rate = plateau.next_rate(loss, rate);
            rates.push(rate);
        }

        assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn stopping_is_due_after_patience_epochs_without_a_best() {
        let mut stop = EarlyStop::new(2);

        assert!(stop.is_best(0.5));
        assert!(!stop.is_best(0.5));
        assert!(!stop.is_due());
        assert!(!stop.is_best(0.6));
        assert!(stop.is_due());
        assert!(stop.is_best(0.4));
        assert!(!stop.is_due());
    }
}
