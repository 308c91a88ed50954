//! The network forward and backward against JAX in double precision.
//!
//! `testdata/cnn_ds/make_golden.py` is the recipe; weights, input and target come from a generator
//! that both sides share.

use haema_nn::{DropoutSeed, Executor, Loss, Trainer, TrainingPrecision};

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

fn golden_network(profile: Profile) -> Trainer {
    let spec = CnnDs { base: 5, depth: 3, ..CnnDs::profile(profile) }.spec();
    let params = generated(&spec);
    Trainer::new(spec, params, SIZE, 2).unwrap()
}

fn check(profile: Profile, json: &str) {
    let golden: Golden = serde_json::from_str(json).unwrap();
    let n = SIZE.iter().product();
    let input: Vec<f32> = numbers(1000, n).iter().map(|v| f32::midpoint(*v, 1.0)).collect();
    let target: Vec<f32> = numbers(2000, n).iter().map(|&v| f32::from(u8::from(v > 0.6))).collect();
    let mut trainer = golden_network(profile);
    let mut grad = vec![0.0; n];

    let logits = trainer.forward(&input, DropoutSeed::Off).to_vec();
    let value = Loss::Dice.value_and_grad(&logits, &target, &mut grad);
    trainer.backward(&grad);

    for (found, &wanted) in logits.iter().step_by(7).zip(&golden.logits) {
        assert!((f64::from(*found) - wanted).abs() < 2e-4, "logit {found}, JAX {wanted}");
    }
    assert!((value.loss - golden.loss).abs() < 1e-6, "loss {} {}", value.loss, golden.loss);
    for (name, expected) in &golden.gradient {
        let found = trainer.gradient().get(name);
        // A bias before a normalisation: JAX rounds its zero, we leave it out.
        if expected.norm < 1e-12 {
            assert!(found.iter().all(|&g| g == 0.0), "{name}");
            continue;
        }
        expected.check(name, found, 2e-3);
    }
    let (spec, params) = (trainer.spec().clone(), trainer.params().clone());
    let probabilities = Executor::new(spec, params, SIZE, 2).unwrap().probabilities(&input);
    for (found, wanted) in probabilities.iter().step_by(7).zip(&golden.logits) {
        assert!((f64::from(*found) - 1.0 / (1.0 + (-wanted).exp())).abs() < 1e-4);
    }
}

#[test]
fn the_paper_profile_agrees_with_jax() {
    check(Profile::Paper, include_str!("../../testdata/cnn_ds/paper.expected.json"));
}

#[test]
fn the_recommended_profile_agrees_with_jax() {
    check(Profile::Recommended, include_str!("../../testdata/cnn_ds/recommended.expected.json"));
}

/// What the first page of the training guide says of memory.
#[test]
fn a_step_of_the_whole_network_fits_two_gigabytes() {
    let spec = CnnDs::profile(Profile::Recommended).spec();
    let bytes = |precision| Trainer::bytes(&spec, [64, 128, 128], precision).unwrap();

    assert!(bytes(TrainingPrecision::F32) < 1_500_000_000, "{}", bytes(TrainingPrecision::F32));
    assert!(bytes(TrainingPrecision::Bf16) < 900_000_000, "{}", bytes(TrainingPrecision::Bf16));
}
