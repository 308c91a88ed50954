//! Small fixed pieces of work whose instructions are counted: `cargo xtask perf`.
//!
//! `instructions NAME` does one of them; only what runs inside [`measured_part`] is counted. Everything
//! runs on one thread, so that the count is the same every time.

#![expect(clippy::print_stdout, reason = "answers to `cargo xtask perf`")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::hint::black_box;
use std::num::NonZeroUsize;

use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_io::dicom::{self, ReadOptions};
use haema_kernels::Door;
use haema_methods::cnn_ds::{CnnDs, Model, Profile};
use haema_nn::{DropoutSeed, Executor, Init, Loss, NetSpec, Parameters, Trainer};
use haema_sim::{HeadOptions, SimulatedHead, simulate_head};

/// A piece of work: prepares, does it inside [`measured_part`], and checks what came out.
type Workload = fn();

const WORKLOADS: [(&str, Workload); 5] = [
    ("network", network),
    ("training_step", training_step),
    ("preprocess", preprocess),
    ("measure", measure),
    ("dicom", read_dicom),
];

/// Small, for valgrind takes microseconds over a fused multiply-add; not so small that a level has
/// fewer voxels than a tile, which is why [`small_network`] has three levels.
const SIZE: [usize; 3] = [8, 24, 24];

fn main() {
    let asked = std::env::args().nth(1).unwrap_or_default();
    if let Some((_, run)) = WORKLOADS.iter().find(|(name, _)| *name == asked) {
        return run();
    }
    // Under the counter, the instruction set that it offers.
    println!("door {}", Door::best().name());
    for (name, _) in WORKLOADS {
        println!("workload {name}");
    }
}

/// Where counting begins and ends: `cargo xtask perf` knows it by this name.
#[inline(never)]
fn measured_part<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn head() -> SimulatedHead {
    let options = HeadOptions { pixels: 128, slices: 12, bleed_ml: 40.0, ..HeadOptions::default() };
    simulate_head(&options).unwrap()
}

/// Numbers in 0..1 without a random source.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 37 % 101) as f32 / 101.0).collect()
}

/// CNN-DS with all its kinds of blocks and start values.
fn small_network() -> (NetSpec, Parameters) {
    let spec = CnnDs { depth: 3, ..CnnDs::profile(Profile::Recommended) }.spec();
    let params = Parameters::init(&spec, Init::HeNormal, 0.0, 1);
    (spec, params)
}

fn network() {
    let (spec, params) = small_network();
    let input = numbers(SIZE.iter().product());
    let mut executor = Executor::new(spec, params, SIZE, 1).unwrap();

    let probabilities = measured_part(|| executor.probabilities(&input));

    assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
}

fn training_step() {
    let (spec, params) = small_network();
    let n = SIZE.iter().product();
    let (input, mut grad) = (numbers(n), vec![0.0; n]);
    let target: Vec<f32> = input.iter().map(|&v| f32::from(u8::from(v > 0.7))).collect();
    let mut trainer = Trainer::new(spec, params, SIZE, 1).unwrap();

    measured_part(|| {
        let logits = trainer.forward(&input, DropoutSeed::Seed(1)).to_vec();
        Loss::Dice.value_and_grad(&logits, &target, &mut grad);
        trainer.backward(&grad);
    });

    let norm: f32 = trainer.gradient().values().iter().map(|g| g * g).sum();
    assert!(norm.is_finite() && norm > 0.0, "no gradient");
}

fn preprocess() {
    let (model, head) = (Model::built_in(), head());

    let prepared = measured_part(|| model.prepare(&head.ct, NonZeroUsize::MIN));

    assert!(prepared.is_ok());
}

fn measure() {
    let head = head();

    let (volume_ml, lesions) = measured_part(|| {
        let volume_ml = haema_measure::volume_ml(&head.truth, head.ct.grid()).unwrap();
        (volume_ml, haema_measure::lesions(&head.truth, &head.ct, None).unwrap())
    });

    assert!((volume_ml - head.truth_ml).abs() < 1.0, "{volume_ml} mL");
    assert!(!lesions.is_empty());
}

fn read_dicom() {
    let (folder, head) = (tempfile::tempdir().unwrap(), head());
    write_series(folder.path(), &head.ct, &SeriesOptions::default()).unwrap();
    let options = ReadOptions { series: None, threads: Some(NonZeroUsize::MIN) };

    let scan = measured_part(|| dicom::read(folder.path(), &options).unwrap());

    assert!(scan.ct.voxels_hu() == head.ct.voxels_hu());
}
