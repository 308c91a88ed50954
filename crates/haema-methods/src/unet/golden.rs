//! The baselines forward, backward and through steps of training, against PyTorch in double precision.
//!
//! `testdata/unet/make_golden.py` is the recipe; weights, input and target come from a generator that
//! both sides share.

use std::collections::BTreeMap;

use haema_nn::{Adam, AdamConfig, DropoutSeed, Executor, Loss, Parameters, Trainer};

use super::{UNet, UpMode};
use crate::generator::{Expected, generated, numbers};

const SIZE: [usize; 3] = [8, 16, 12];
const VOXELS: usize = 8 * 16 * 12;

#[derive(serde::Deserialize)]
struct Golden {
    /// Every seventh logit by running statistics, before training.
    validation: Vec<f64>,
    /// Likewise by the batch's.
    training: Vec<f64>,
    gradient: BTreeMap<String, Expected>,
    losses: Vec<f64>,
    /// All parameters after as many steps, running statistics among them.
    parameters: BTreeMap<String, Expected>,
    /// Logits by running statistics then.
    after: Vec<f64>,
}

fn near(what: &str, found: &[f32], wanted: &[f64]) {
    assert_eq!(found.len().div_ceil(7), wanted.len(), "{what}");
    for (found, &wanted) in found.iter().step_by(7).zip(wanted) {
        assert!((f64::from(*found) - wanted).abs() < 2e-4, "{what}: {found}, PyTorch {wanted}");
    }
}

/// Every array is there and as it should be.
fn all_near(expected: &BTreeMap<String, Expected>, found: &Parameters, share: f64) {
    for (name, expected) in expected {
        // A bias before a normalisation: PyTorch rounds its zero, we leave it out.
        if expected.norm < 1e-12 {
            assert!(found.get(name).iter().all(|&g| g == 0.0), "{name}");
        } else {
            expected.check(name, found.get(name), share);
        }
    }
}

fn check(unet: UNet, json: &str) {
    let golden: Golden = serde_json::from_str(json).unwrap();
    let spec = UNet { base: 5, levels: 3, dropout: 0.0, ..unet }.spec();
    let input: Vec<f32> = numbers(1000, VOXELS).iter().map(|v| f32::midpoint(*v, 1.0)).collect();
    let target: Vec<f32> =
        numbers(2000, VOXELS).iter().map(|&v| f32::from(u8::from(v > 0.6))).collect();
    let mut trainer = Trainer::new(spec.clone(), generated(&spec), SIZE, 2).unwrap();
    let parameters = trainer.params().values().len();
    let config = AdamConfig { epsilon: 1e-3, ..AdamConfig::default() };
    let mut adam = Adam::new(config, parameters);
    let mut grad = vec![0.0; VOXELS];

    near("validation", trainer.forward(&input, DropoutSeed::Off), &golden.validation);
    for (step, &wanted) in golden.losses.iter().enumerate() {
        let logits = trainer.forward(&input, DropoutSeed::Seed(step as u64)).to_vec();
        let loss = Loss::Dice.value_and_grad(&logits, &target, &mut grad).loss;
        trainer.backward(&grad);
        if step == 0 {
            near("training", &logits, &golden.training);
            all_near(&golden.gradient, trainer.gradient(), 2e-3);
        }
        assert!((loss - wanted).abs() < 1e-5, "step {step}: loss {loss}, PyTorch {wanted}");
        trainer.update(|values, gradient| adam.update(0.01, gradient, values));
    }
    assert_eq!(golden.parameters.len(), trainer.params().infos().len());
    all_near(&golden.parameters, trainer.params(), 1e-3);
    near("after", trainer.forward(&input, DropoutSeed::Off), &golden.after);

    let params = trainer.params().clone();
    let probabilities = Executor::new(spec, params, SIZE, 2).unwrap().probabilities(&input);
    for (found, wanted) in probabilities.iter().step_by(7).zip(&golden.after) {
        assert!((f64::from(*found) - 1.0 / (1.0 + (-wanted).exp())).abs() < 1e-4);
    }
}

#[test]
fn the_patch_unet_agrees_with_pytorch() {
    check(UNet::patch(), include_str!("../../testdata/unet/patch.expected.json"));
}

#[test]
fn the_patch_unet_of_the_code_family_agrees_with_pytorch() {
    check(UNet::patch_ellisdg(), include_str!("../../testdata/unet/patch_ellisdg.expected.json"));
}

/// The other way up is in the next.
#[test]
fn the_slice_unet_agrees_with_pytorch() {
    let unet = UNet { up: UpMode::Transposed, ..UNet::slice() };
    check(unet, include_str!("../../testdata/unet/slice.expected.json"));
}

#[test]
fn the_slice_unet_of_hssayeni_agrees_with_pytorch() {
    check(UNet::slice_hssayeni(), include_str!("../../testdata/unet/slice_hssayeni.expected.json"));
}
