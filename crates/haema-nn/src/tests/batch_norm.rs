//! Batch normalisation: whose statistics count when, and what training does to them.

use super::{SIZE, input, small_batch, small_planes, target, trainer_of};
use crate::{Adam, AdamConfig, Checkpoint, DropoutSeed, Loss, Parameters, Precision, Trainer};

/// A few steps, so that running statistics are not those of the start.
fn trained(trainer: &mut Trainer, adam: &mut Adam, steps: std::ops::Range<u64>) -> f64 {
    let mut grad = vec![0.0; 720];
    let mut last = 0.0;
    for step in steps {
        let logits = trainer.forward(&input(), DropoutSeed::Seed(step)).to_vec();
        last = Loss::Dice.value_and_grad(&logits, &target(), &mut grad).loss;
        trainer.backward(&grad);
        trainer.update(|values, gradient| adam.update(0.01, gradient, values));
    }
    last
}

fn adam(trainer: &Trainer) -> Adam {
    let config = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() };
    Adam::new(config, trainer.params().values().len())
}

/// With a momentum of 0.75 the running mean of a pass is a quarter of the pass', in the convolution's
/// values with its bias; its variance is that of a sample.
#[test]
fn a_training_pass_moves_the_running_statistics_as_the_formula_says() {
    let mut trainer = trainer_of(small_planes(), 2);
    trainer.update(|values, _| {
        for (i, value) in values.iter_mut().enumerate() {
            *value += (i % 5) as f32 * 0.01;
        }
    });
    let before = trainer.params().clone();
    let (weight, bias) = (before.get("a.conv.weight"), before.get("a.conv.bias"));
    let (input, [depth, height, width]) = (input(), SIZE);

    trainer.forward(&input, DropoutSeed::Seed(1));

    for channel in 0..5 {
        let mut values = Vec::new();
        for (z, y, x) in (0..720).map(|i| (i / 120, i / 12 % 10, i % 12)) {
            let mut sum = f64::from(bias[channel]);
            for (tap, &weight) in weight[9 * channel..9 * channel + 9].iter().enumerate() {
                let (y, x) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                if y < height && x < width {
                    sum += f64::from(weight) * f64::from(input[(z * height + y) * width + x]);
                }
            }
            values.push(sum);
        }
        let n = (depth * height * width) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        for (part, new) in [("mean", mean), ("variance", variance)] {
            let name = format!("a.norm.{part}");
            let wanted = 0.75 * f64::from(before.get(&name)[channel]) + 0.25 * new;
            let found = f64::from(trainer.params().get(&name)[channel]);
            assert!((found - wanted).abs() < 1e-6, "{name}: {found}, wanted {wanted}");
        }
    }
}

#[test]
fn validation_leaves_the_running_statistics_and_uses_them() {
    let mut trainer = trainer_of(small_batch(), 2);
    let trains = trainer.forward(&input(), DropoutSeed::Seed(1)).to_vec();
    let before = trainer.params().clone();

    let validates = trainer.forward(&input(), DropoutSeed::Off).to_vec();

    assert_eq!(&before, trainer.params());
    assert_ne!(trains, validates);
}

/// Weight decay draws parameters towards 0, but not what is measured.
#[test]
fn descent_leaves_the_running_statistics() {
    for spec in [small_batch(), small_planes()] {
        let mut trainer = trainer_of(spec, 1);
        let mut adam = adam(&trainer);
        trained(&mut trainer, &mut adam, 0..2);
        let before = trainer.params().clone();
        trainer.update(|values, gradient| adam.update(0.1, gradient, values));

        for info in before.infos() {
            // A bias before a normalisation is 0 and has no gradient.
            if !info.name.ends_with("bias") {
                let is_same = before.get(&info.name) == trainer.params().get(&info.name);
                assert_eq!(is_same, info.is_statistic(), "{}", info.name);
            }
        }
    }
}

#[test]
fn a_run_that_was_stopped_ends_with_the_same_bits() {
    for spec in [small_batch(), small_planes()] {
        let mut whole = trainer_of(spec.clone(), 2);
        let mut own = adam(&whole);
        trained(&mut whole, &mut own, 0..6);

        let mut first = trainer_of(spec.clone(), 2);
        let mut adam = adam(&first);
        trained(&mut first, &mut adam, 0..3);
        let values = first.params().values().to_vec();
        let parameters = values.len();
        let checkpoint =
            Checkpoint { averaged: values.clone(), values, adam, state: String::new() };
        let bytes = checkpoint.to_bytes().unwrap();
        let config = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() };
        let Checkpoint { values, mut adam, .. } =
            Checkpoint::from_bytes(&bytes, config, parameters).unwrap();
        let mut second = trainer_of(spec, 5);
        second.update(|own, _| own.copy_from_slice(&values));
        trained(&mut second, &mut adam, 3..6);

        assert_eq!(second.params(), whole.params());
    }
}

#[test]
fn a_weights_file_with_a_negative_variance_is_refused() {
    let spec = small_planes();
    let mut params = Parameters::zeros(&spec);
    params.get_mut("b.norm.variance")[2] = -1.0;
    let bytes = params.to_bytes(&spec, &[].into(), Precision::F32).unwrap();

    let error = Parameters::from_bytes(&bytes).unwrap_err().to_string();

    assert!(error.contains("b.norm.variance has a negative value"), "{error}");
}

#[test]
fn running_statistics_are_stored_but_not_counted() {
    let spec = small_batch();
    let stored: usize = spec.parameters().iter().map(crate::ParamInfo::len).sum();

    // Two for each of 5 + 6 + 18 + 18 + 6 normalised channels.
    assert_eq!(stored - spec.parameter_count(), 2 * 53);
    let table = spec.table(SIZE).unwrap();
    assert_eq!(table.iter().map(|row| row.parameters).sum::<usize>(), spec.parameter_count());
}
