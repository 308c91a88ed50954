//! The network forward and backward against JAX in double precision.
//!
//! `testdata/cnn_ds/make_golden.py` is the recipe; weights, input and target come from a generator
//! that both sides share. Every engine is held to the same file.

use haema_nn::{DropoutSeed, Engine, Loss, NetSpec, Parameters, TrainingPrecision};

use super::{CnnDs, Profile};
use crate::generator::{Expected, generated, numbers};

const SIZE: [usize; 3] = [8, 16, 12];

#[derive(serde::Deserialize)]
struct Golden {
    loss: f64,
    /// Every seventh logit.
    logits: Vec<f64>,
    gradient: std::collections::BTreeMap<String, Expected>,
}

fn golden_network(profile: Profile) -> (NetSpec, Parameters) {
    let spec = CnnDs { base: 5, depth: 3, ..CnnDs::profile(profile) }.spec();
    let params = generated(&spec);
    (spec, params)
}

/// Fails where an engine's forward pass, loss or gradients are not JAX's.
pub(crate) fn agrees_with_jax(engine: &dyn Engine, profile: Profile) {
    let json = match profile {
        Profile::Paper => include_str!("../../testdata/cnn_ds/paper.expected.json"),
        Profile::Recommended => include_str!("../../testdata/cnn_ds/recommended.expected.json"),
    };
    let golden: Golden = serde_json::from_str(json).unwrap();
    let n = SIZE.iter().product();
    let input: Vec<f32> = numbers(1000, n).iter().map(|v| f32::midpoint(*v, 1.0)).collect();
    let target: Vec<f32> = numbers(2000, n).iter().map(|&v| f32::from(u8::from(v > 0.6))).collect();
    let (spec, params) = golden_network(profile);
    let precision = TrainingPrecision::F32;
    let mut learner = engine.learner(&spec, &params, SIZE, precision).unwrap();
    let mut grad = vec![0.0; n];

    let logits = learner.forward(&input, DropoutSeed::Off).unwrap().to_vec();
    let value = Loss::Dice.value_and_grad(&logits, &target, &mut grad);
    learner.backward(&grad).unwrap();

    for (found, &wanted) in logits.iter().step_by(7).zip(&golden.logits) {
        assert!((f64::from(*found) - wanted).abs() < 2e-4, "logit {found}, JAX {wanted}");
    }
    assert!((value.loss - golden.loss).abs() < 1e-6, "loss {} {}", value.loss, golden.loss);
    for (name, expected) in &golden.gradient {
        let found = learner.gradient().get(name);
        // A bias before a normalisation: JAX rounds its zero, we leave it out.
        if expected.norm < 1e-12 {
            assert!(found.iter().all(|&g| g == 0.0), "{name}");
            continue;
        }
        expected.check(name, found, 2e-3);
    }
    let mut predictor = engine.predictor(&spec, &params, SIZE).unwrap();
    let probabilities = predictor.probabilities(&input).unwrap();
    for (found, wanted) in probabilities.iter().step_by(7).zip(&golden.logits) {
        assert!((f64::from(*found) - 1.0 / (1.0 + (-wanted).exp())).abs() < 1e-4);
    }
}
