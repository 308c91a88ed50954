//! The GPU against our kernels: every switch of the architecture, the weights file, a training run.

use haema_methods::cnn_ds::{
    CnnDs, DeepSupervision, Down, PadMode, Profile, ResidualOrder, UpMode,
};
use haema_nn::{
    Adam, AdamConfig, Cpu, DropoutKind, DropoutSeed, Engine, Init, Loss, NetSpec, Parameters,
    TrainingPrecision,
};

use crate::generator::generated;
use crate::gpu;

const CPU: Cpu = Cpu { threads: 2, precision: haema_nn::InferencePrecision::Fp32 };

/// Small, and each switch of another kind somewhere. Odd numbers of channels, so that nothing hides
/// in padding.
fn small() -> CnnDs {
    CnnDs { base: 3, depth: 3, dropout: 0.4, ..CnnDs::profile(Profile::Recommended) }
}

fn variants() -> Vec<CnnDs> {
    vec![
        small(),
        CnnDs { base: 3, depth: 2, ..CnnDs::profile(Profile::Paper) },
        CnnDs { down: Down::Maxpool, up: UpMode::Trilinear, ..small() },
        CnnDs { up: UpMode::Deconv2, up_extra_1x1: true, ..small() },
        CnnDs { residual_order: ResidualOrder::Pre, ..small() },
        CnnDs { dropout_kind: DropoutKind::Element, out_channels: 2, ..small() },
        CnnDs { norm: None, act_slope: 0.0, ..small() },
        CnnDs { deep_supervision: DeepSupervision::None, pad_mode: PadMode::TfSame, ..small() },
    ]
}

fn volume(size: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    let n = size.iter().product();
    let input = (0..n).map(|i| ((i * 7919) % 1009) as f32 / 1009.0).collect();
    let target = (0..n).map(|i| f32::from(u8::from(i % 97 > 80))).collect();
    (input, target)
}

/// Logits, loss and gradient of one step with dropout.
fn step(engine: &dyn Engine, spec: &NetSpec, seed: u64) -> (Vec<f32>, f64, Parameters) {
    let size = [8, 16, 12];
    // With biases of 0 whole regions of dropped channels stand where the activation has two slopes.
    let params = generated(spec);
    let (input, target) = volume(size);
    let mut learner = engine.learner(spec, &params, size, TrainingPrecision::F32).unwrap();
    let logits = learner.forward(&input, DropoutSeed::Seed(seed)).unwrap().to_vec();
    let mut slope = vec![0.0; logits.len()];
    let loss = Loss::DiceCe { weight: 1.0 }.value_and_grad(&logits, &target, &mut slope).loss;
    learner.backward(&slope).unwrap();
    (logits, loss, learner.gradient().clone())
}

fn length(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// The parameters whose gradient is furthest off, and by what share of its length; a tensor counts
/// for at least a hundredth of the whole.
fn furthest(found: &Parameters, wanted: &Parameters) -> (String, f64) {
    let least = 0.01 * length(wanted.values().iter().copied());
    let shares = wanted.infos().iter().map(|info| {
        let pairs = found.get(&info.name).iter().zip(wanted.get(&info.name));
        let own = length(wanted.get(&info.name).iter().copied());
        (info.name.clone(), length(pairs.map(|(found, wanted)| found - wanted)) / own.max(least))
    });
    shares.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

#[test]
fn every_switch_runs_and_learns_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for config in variants() {
        let spec = config.spec();
        let mut off = Vec::new();
        for seed in 4..7 {
            let (wanted_logits, wanted_loss, wanted) = step(&CPU, &spec, seed);

            let (logits, loss, gradient) = step(&*gpu, &spec, seed);

            assert!((loss - wanted_loss).abs() < 1e-5, "{config:?}: loss {loss}, {wanted_loss}");
            let pairs = logits.iter().zip(&wanted_logits);
            let error = pairs.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max);
            assert!(error < 2e-4, "{config:?}: a logit is off by {error}");
            off.push(furthest(&gradient, &wanted));
        }
        // Where a value stands within rounding of 0, the slope of its activation may be either one,
        // and on a grid this small that moves the whole gradient by per cents: seen in one step of
        // eight. What is wrong is wrong in every step.
        off.sort_by(|a, b| a.1.total_cmp(&b.1));
        eprintln!("gradients off by at most {off:?}");
        assert!(off[0].1 < 2e-4, "{config:?}: gradients are off by {off:?}");
    }
}

#[test]
fn odd_sizes_are_padded_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let encoder = |pad_mode, down| {
        let mut spec = CnnDs { pad_mode, down, depth: 2, ..small() }.spec();
        // The encoder alone takes any size; its last block ends in many channels, of which the
        // first is the logit.
        spec.blocks.retain(|block| block.name.starts_with("enc") || block.name.starts_with("pool"));
        spec
    };
    for spec in [
        encoder(PadMode::TfSame, Down::Stride),
        encoder(PadMode::Symmetric, Down::Stride),
        encoder(PadMode::Symmetric, Down::Maxpool),
    ] {
        let size = [5, 7, 9];
        let params = Parameters::init(&spec, Init::HeNormal, 0.0, 3);
        // A learner, because a predictor's output has the input's size.
        let run = |engine: &dyn Engine| {
            let mut learner = engine.learner(&spec, &params, size, TrainingPrecision::F32).unwrap();
            learner.forward(&volume(size).0, DropoutSeed::Off).unwrap().to_vec()
        };
        let (found, wanted) = (run(&*gpu), run(&CPU));

        assert_eq!((found.len(), wanted.len()), (60, 60));
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((found - wanted).abs() < 1e-3, "{}: {found}, CPU {wanted}", spec.name);
        }
    }
}

/// The weights file that comes with haema, as it lies in the repository.
#[test]
fn the_built_in_weights_give_the_same_probabilities() {
    let Some(gpu) = gpu() else { return };
    let bytes = include_bytes!("../../../crates/haema-methods/weights/cnn-ds.safetensors");
    let (spec, params, _) = Parameters::from_bytes(bytes).unwrap();
    let size = [16, 32, 32];
    let (input, _) = volume(size);
    let run = |engine: &dyn Engine| {
        engine.predictor(&spec, &params, size).unwrap().probabilities(&input).unwrap()
    };

    let (found, wanted) = (run(&*gpu), run(&CPU));

    let largest = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    eprintln!("built-in weights: probabilities differ by {largest:.1e}");
    assert!(largest < 1e-4, "probabilities differ by {largest}");
}

/// Losses of a run with dropout on one volume.
fn losses(engine: &dyn Engine, steps: u64) -> Vec<f64> {
    let spec = CnnDs { base: 3, depth: 2, dropout: 0.1, ..small() }.spec();
    let params = Parameters::init(&spec, Init::HeNormal, -0.5, 3);
    let size = [4, 8, 12];
    let (input, target) = volume(size);
    let mut slope = vec![0.0; input.len()];
    let mut learner = engine.learner(&spec, &params, size, TrainingPrecision::F32).unwrap();
    let mut adam = Adam::new(AdamConfig::default(), params.values().len());
    (0..steps)
        .map(|seed| {
            let logits = learner.forward(&input, DropoutSeed::Seed(seed)).unwrap();
            let loss = Loss::Dice.value_and_grad(logits, &target, &mut slope).loss;
            learner.backward(&slope).unwrap();
            learner.update(&mut |values, gradient| adam.update(0.02, gradient, values));
            loss
        })
        .collect()
}

#[test]
fn a_run_follows_the_cpus_and_learns() {
    let Some(gpu) = gpu() else { return };

    let (found, wanted) = (losses(&*gpu, 40), losses(&CPU, 40));

    for (found, wanted) in found.iter().zip(&wanted).take(10) {
        assert!((found - wanted).abs() < 1e-3, "{found}, CPU {wanted}");
    }
    assert!(found[39] < found[0] - 0.1, "{found:?}");
}

#[test]
fn what_is_not_here_yet_is_refused_and_named() {
    let Some(gpu) = gpu() else { return };
    let spec = small().spec();
    let params = Parameters::zeros(&spec);

    let error = gpu.learner(&spec, &params, [4, 8, 12], TrainingPrecision::Bf16).unwrap_err();

    let text = error.to_string();
    assert!(text.starts_with("training with the precision Bf16 is not on "), "{text}");
    assert!(text.ends_with(" yet, only on the CPU"), "{text}");
}

#[test]
fn another_size_and_back_gives_nearly_the_same() {
    let Some(gpu) = gpu() else { return };
    let spec = CnnDs { depth: 2, ..small() }.spec();
    let params = Parameters::init(&spec, Init::HeNormal, 0.0, 3);
    let mut learner = gpu.learner(&spec, &params, [4, 8, 12], TrainingPrecision::F32).unwrap();
    let run = |learner: &mut dyn haema_nn::Learner, size| {
        learner.reshape(size).unwrap();
        learner.forward(&volume(size).0, DropoutSeed::Off).unwrap().to_vec()
    };
    let before = run(&mut *learner, [4, 8, 12]);

    let other = run(&mut *learner, [2, 8, 12]);
    let after = run(&mut *learner, [4, 8, 12]);

    assert_eq!(other.len(), 192);
    for (before, after) in before.iter().zip(&after) {
        assert!((before - after).abs() < 1e-5, "{before} {after}");
    }
}

#[test]
fn a_size_that_does_not_go_through_is_refused_and_named() {
    let Some(gpu) = gpu() else { return };
    let spec = small().spec();
    let params = Parameters::zeros(&spec);

    let error = gpu.predictor(&spec, &params, [8, 16, 18]).unwrap_err();

    assert!(error.to_string().contains("was wanted"), "{error}");
}
