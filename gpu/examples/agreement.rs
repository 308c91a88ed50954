//! How far a GPU is from our kernels, and how long it takes: the built-in model on a scan, forward,
//! and one training step.
//!
//! ```sh
//! cargo run --release --features wgpu --example agreement                  # a simulated head
//! cargo run --release --features wgpu --example agreement -- SCAN 16,64,64  # on this grid [z, y, x]
//! ```
#![expect(clippy::print_stdout, reason = "to print is all it is for")]

use std::path::Path;
use std::time::Instant;

use haema_gpu::Adapters;
use haema_methods::cnn_ds::Model;
use haema_nn::{Cpu, DropoutSeed, Engine, EngineError, Loss, TrainingPrecision};
use haema_pipeline::bench::Subject;
use haema_pipeline::input::{self, Source};
use haema_volume::Volume;

const CPU: Cpu = Cpu { threads: 2, precision: haema_nn::InferencePrecision::Fp32 };
/// The first pass also compiles the device's kernels.
const PASSES: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let source = match words.first().map(String::as_str) {
        None | Some("sample") => Source::Sample,
        Some(path) => Source::Path(Path::new(path).to_owned()),
    };
    let size = words.get(1).map(|word| size(word)).transpose()?;
    let model = Model::built_in();
    let input = Subject::of(&model).input(&input::read(&source, None)?.ct, size)?;
    let gpu = haema_gpu::open(Adapters::Any)?;
    println!("device       {}", gpu.device().unwrap_or("unnamed"));
    println!("grid         {:?} [z, y, x]", input.size());
    forward(&*gpu, &model, &input)?;
    step(&*gpu, &model, &input)?;
    Ok(())
}

fn size(word: &str) -> Result<[usize; 3], String> {
    let numbers: Result<Vec<usize>, _> = word.split(',').map(str::parse).collect();
    let wrong = || format!("{word}: wanted three numbers Z,Y,X such as 16,64,64");
    numbers.ok().and_then(|numbers| numbers.try_into().ok()).ok_or_else(wrong)
}

/// Seconds of each pass, and what the last one gave.
fn timed<T, E>(mut pass: impl FnMut() -> Result<T, E>) -> Result<(Vec<f64>, T), E> {
    let mut times = Vec::new();
    loop {
        let started = Instant::now();
        let given = pass()?;
        times.push(started.elapsed().as_secs_f64());
        if times.len() == PASSES {
            return Ok((times, given));
        }
    }
}

fn print_times(what: &str, found: &[f64], wanted: &[f64]) {
    let best = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let (first, found, wanted) = (found[0], best(found), best(wanted));
    println!("{what:<12} first {first:.2} s, best {found:.2} s; CPU on 2 threads {wanted:.2} s");
}

fn forward(gpu: &dyn Engine, model: &Model, input: &Volume<f32>) -> Result<(), EngineError> {
    let run = |engine: &dyn Engine| {
        let mut predictor = engine.predictor(model.spec(), model.parameters(), input.size())?;
        timed(|| predictor.probabilities(input.as_slice()))
    };
    let ((found_s, found), (wanted_s, wanted)) = (run(gpu)?, run(&CPU)?);
    let pairs = || found.iter().zip(&wanted);
    let largest = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let same = pairs().filter(|(a, b)| (**a > 0.5) == (**b > 0.5)).count();
    let (n, bleed) = (found.len(), wanted.iter().filter(|&&p| p > 0.5).count());
    println!("probability  largest difference from the CPU {largest:.1e}");
    println!("mask         {same} of {n} voxels agree at 0.5, {bleed} of them bleed on the CPU");
    print_times("forward", &found_s, &wanted_s);
    Ok(())
}

/// A step with dropout, towards the first half of the grid as a bleed.
fn step(gpu: &dyn Engine, model: &Model, input: &Volume<f32>) -> Result<(), EngineError> {
    let n = input.as_slice().len();
    let target: Vec<f32> = (0..n).map(|i| f32::from(u8::from(i < n / 2))).collect();
    let precision = TrainingPrecision::F32;
    let run = |engine: &dyn Engine| {
        let (spec, params) = (model.spec(), model.parameters());
        let mut learner = engine.learner(spec, params, input.size(), precision)?;
        let mut slope = vec![0.0; n];
        let (times, loss) = timed(|| {
            let logits = learner.forward(input.as_slice(), DropoutSeed::Seed(1))?;
            let value = Loss::DiceCe { weight: 50.0 }.value_and_grad(logits, &target, &mut slope);
            learner.backward(&slope)?;
            Ok::<f64, EngineError>(value.loss)
        })?;
        Ok::<_, EngineError>((times, loss, learner.gradient().values().to_vec()))
    };
    let ((found_s, found_loss, found), (wanted_s, wanted_loss, wanted)) = (run(gpu)?, run(&CPU)?);
    let length = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
    };
    let off = length(&mut found.iter().zip(&wanted).map(|(a, b)| a - b));
    let off = off / length(&mut wanted.iter().copied());
    println!("loss         {found_loss:.7}, CPU {wanted_loss:.7}");
    println!("gradient     off by {off:.1e} of its length");
    print_times("step", &found_s, &wanted_s);
    Ok(())
}
