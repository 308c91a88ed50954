//! One training step, part by part: `cargo bench -p haema-methods --bench training_step`.
//!
//! CNN-DS of base 16 on 64 × 128 × 128 voxels `[z, y, x]`, Dice, Adam: forward, loss, backward, update.
//! The first step warms up. `--threads N --steps N --bf16 --network NAME` after `--`, the name being
//! a U-Net's.

#![expect(clippy::print_stdout, reason = "prints a table")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::time::{Duration, Instant};

use haema_methods::cnn_ds::{CnnDs, Profile};
use haema_methods::unet::UNet;
use haema_nn::{
    Adam, AdamConfig, BlockTimes, DropoutSeed, Init, Loss, Parameters, StepTimes, Trainer,
    TrainingPrecision,
};

fn main() {
    let threads = argument("--threads").unwrap_or(2);
    let steps = argument("--steps").unwrap_or(5).max(1);
    let (spec, size) = match word("--network").and_then(|name| UNet::named(&name)) {
        Some(unet) => (unet.spec(), unet.training_size()),
        None => (CnnDs::profile(Profile::Recommended).spec(), [64, 128, 128]),
    };
    let params = Parameters::init(&spec, Init::HeNormal, 0.0, 1);
    let mut adam = Adam::new(AdamConfig::default(), params.values().len());
    let precision = if std::env::args().any(|word| word == "--bf16") {
        TrainingPrecision::Bf16
    } else {
        TrainingPrecision::F32
    };
    let mut trainer = Trainer::with_precision(spec, params, size, (threads, precision)).unwrap();
    let n: usize = size.iter().product();
    let input: Vec<f32> = (0..n).map(|i| ((i * 7919) % 101) as f32 / 101.0).collect();
    let target: Vec<f32> = (0..n).map(|i| f32::from(u8::from(i % 128 > 80))).collect();
    let mut grad = vec![0.0; n];
    let mut runs = Vec::new();
    for step in 0..=steps as u64 {
        let start = Instant::now();
        let logits = trainer.forward(&input, DropoutSeed::Seed(step));
        let before_loss = Instant::now();
        let value = Loss::Dice.value_and_grad(logits, &target, &mut grad);
        let loss_time = before_loss.elapsed();
        trainer.backward(&grad);
        trainer.update(|values, gradient| adam.update(1e-4, gradient, values));
        if step > 0 {
            runs.push((start.elapsed(), loss_time, trainer.times().clone()));
        }
        assert!(value.loss.is_finite());
    }
    println!("training step, {}, {size:?} [z, y, x]", trainer.spec().name);
    println!("{threads} threads, {precision:?}, median of {steps}");
    print_table(&runs);
    let planned = Trainer::bytes(trainer.spec(), size, precision).unwrap();
    println!("planned memory {:>8} MB", planned / 1_000_000);
    match high_water_mark() {
        Some(kilobytes) => println!("peak memory    {:>8} MB", kilobytes / 1000),
        None => println!("peak memory     not known on this system"),
    }
}

fn word(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

fn argument(name: &str) -> Option<usize> {
    word(name)?.parse().ok()
}

/// `VmHWM` of this process on Linux, kB.
fn high_water_mark() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn median(values: impl Iterator<Item = Duration>) -> f64 {
    let mut ms: Vec<f64> = values.map(|value| value.as_secs_f64() * 1e3).collect();
    ms.sort_by(f64::total_cmp);
    ms[ms.len() / 2]
}

/// One part of a block's time.
type Part = fn(&BlockTimes) -> Duration;

fn print_table(runs: &[(Duration, Duration, StepTimes)]) {
    let parts: [(&str, Part); 4] = [
        ("forward", |block| block.forward),
        ("finish", |block| block.finish),
        ("weights", |block| block.weights),
        ("data", |block| block.data),
    ];
    let names = runs[0].2.blocks.iter().map(|block| block.name.as_str());
    println!("{:<14}{:>9}{:>9}{:>9}{:>9}  ms", "block", "forward", "finish", "weights", "data");
    for (i, name) in names.enumerate() {
        print!("{name:<14}");
        for (_, part) in parts {
            print!("{:>9.1}", median(runs.iter().map(|run| part(&run.2.blocks[i]))));
        }
        println!();
    }
    print!("{:<14}", "all blocks");
    for (_, part) in parts {
        let of = |times: &StepTimes| times.blocks.iter().map(part).sum();
        print!("{:>9.1}", median(runs.iter().map(|run| of(&run.2))));
    }
    println!();
    println!("{:<14}{:>9.1}", "loss", median(runs.iter().map(|run| run.1)));
    println!("{:<14}{:>9.1}", "update", median(runs.iter().map(|run| run.2.update)));
    println!("{:<14}{:>9.1}", "pack", median(runs.iter().map(|run| run.2.pack)));
    println!("{:<14}{:>9.1}", "step", median(runs.iter().map(|run| run.0)));
}
