//! Adam.

use serde::{Deserialize, Serialize};

/// Settings of Adam.
///
/// # Source
///
/// Kingma and Ba 2015, in the form of Keras 2.2.2 (methods.md A.6): ε stands outside the bias
/// correction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient.
    pub beta2: f64,
    /// Keeps the quotient finite.
    pub epsilon: f64,
    /// Decoupled weight decay, as a share of the learning rate; 0 in the paper.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 }
    }
}

/// State of Adam.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    config: AdamConfig,
    /// Steps done.
    pub step: u64,
    /// Running mean of gradients.
    pub mean: Vec<f32>,
    /// Running mean of squared gradients.
    pub square: Vec<f32>,
}

impl Adam {
    /// Nothing done yet, for so many parameters.
    pub fn new(config: AdamConfig, parameters: usize) -> Self {
        Self { config, step: 0, mean: vec![0.0; parameters], square: vec![0.0; parameters] }
    }

    /// One step down the gradient. What never had one stays as it is, weight decay or not: running
    /// statistics, which lie among the parameters.
    ///
    /// # Panics
    ///
    /// Where lengths differ.
    pub fn update(&mut self, learning_rate: f64, gradient: &[f32], values: &mut [f32]) {
        assert_eq!((gradient.len(), values.len()), (self.mean.len(), self.mean.len()), "adam");
        let AdamConfig { beta1, beta2, epsilon, weight_decay } = self.config;
        self.step += 1;
        let exponent = i32::try_from(self.step).unwrap_or(i32::MAX);
        let correction = (1.0 - beta2.powi(exponent)).sqrt() / (1.0 - beta1.powi(exponent));
        let rate = (learning_rate * correction) as f32;
        let decay = (1.0 - learning_rate * weight_decay) as f32;
        let (b1, b2, eps) = (beta1 as f32, beta2 as f32, epsilon as f32);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((value, &grad), (mean, square)) in values.iter_mut().zip(gradient).zip(moments) {
            *mean = b1 * *mean + (1.0 - b1) * grad;
            *square = b2 * *square + (1.0 - b2) * grad * grad;
            let decay = if *mean == 0.0 && *square == 0.0 { 1.0 } else { decay };
            *value = decay * *value - rate * *mean / (square.sqrt() + eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first step of Adam has the size of the learning rate, whatever the gradient.
    #[test]
    fn the_first_step_is_one_learning_rate_long() {
        let mut adam = Adam::new(AdamConfig::default(), 2);
        let mut values = [1.0, 1.0];

        adam.update(0.1, &[1e-3, -50.0], &mut values);

        assert!((values[0] - 0.9).abs() < 1e-3 && (values[1] - 1.1).abs() < 1e-6, "{values:?}");
    }

    #[test]
    fn what_never_had_a_gradient_is_not_decayed() {
        let config = AdamConfig { weight_decay: 0.5, ..AdamConfig::default() };
        let mut adam = Adam::new(config, 2);
        let mut values = [3.0, 3.0];
        for gradient in [[0.0, 1e-3], [0.0, 0.0]] {
            adam.update(1e-3, &gradient, &mut values);
        }

        assert!(values[0] == 3.0 && values[1] < 3.0 * (1.0 - 5e-4_f32).powi(2), "{values:?}");
    }

    /// Three steps, computed with TensorFlow's formula by hand in double precision.
    #[test]
    fn three_steps_follow_the_formula() {
        let mut adam = Adam::new(AdamConfig::default(), 1);
        let mut value = [0.5_f32];
        let (mut w, mut m, mut v) = (0.5_f64, 0.0_f64, 0.0_f64);
        for t in 1..=3 {
            let grad = 0.3 * f64::from(t) - 0.5;
            adam.update(0.01, &[grad as f32], &mut value);
            m = 0.9 * m + 0.1 * grad;
            v = 0.999 * v + 0.001 * grad * grad;
            let rate = 0.01 * (1.0 - 0.999_f64.powi(t)).sqrt() / (1.0 - 0.9_f64.powi(t));
            w -= rate * m / (v.sqrt() + 1e-7);
        }

        assert!((f64::from(value[0]) - w).abs() < 1e-6, "{} {w}", value[0]);
    }
}
