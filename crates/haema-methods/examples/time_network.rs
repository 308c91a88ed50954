//! Times a network alone: `cargo run --release -p haema-methods --example time_network
//! -- THREADS REPEATS [DOOR] [NETWORK]`. DOOR may be `best`; NETWORK is CNN-DS or the name of a U-Net.

use std::time::Instant;

use haema_methods::cnn_ds::{CnnDs, Profile};
use haema_methods::unet::UNet;
use haema_nn::{Door, Executor, Init, Parameters};

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |i: usize| arguments.get(i).and_then(|text| text.parse().ok());
    let (threads, repeats) = (number(1).unwrap_or(2), number(2).unwrap_or(7));
    let door = Door::all()
        .into_iter()
        .find(|door| Some(door.name()) == arguments.get(3).map(String::as_str));
    let (spec, size) = match arguments.get(4).and_then(|name| UNet::named(name)) {
        Some(unet) => (unet.spec(), unet.training_size()),
        None => (CnnDs::profile(Profile::Recommended).spec(), [64, 128, 128]),
    };
    let params = Parameters::init(&spec, Init::HeNormal, 0.0, 1);
    println!("{}, {size:?} [z, y, x]", spec.name);
    let input: Vec<f32> =
        (0..size.iter().product::<usize>()).map(|i| ((i * 7919) % 101) as f32 / 101.0).collect();
    let started = Instant::now();
    let mut executor = Executor::new(spec, params, size, threads)
        .expect("a size that fits")
        .with_door(door.unwrap_or_else(Door::best));
    println!("prepare {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let mut times = Vec::new();
    for _ in 0..repeats {
        let started = Instant::now();
        let out = executor.probabilities(&input);
        times.push(started.elapsed().as_secs_f64() * 1e3);
        assert!(out.iter().all(|p| p.is_finite()));
    }
    for row in executor.profile() {
        println!(
            "{:12} {:7.2} ms {:7.2} GFLOP {:7.2} in products {:7.1} MB",
            row.name, row.ms, row.gflop, row.product_gflop, row.megabytes
        );
    }
    println!("first {:.1} ms, memory {} MB", times[0], executor.bytes() >> 20);
    times.sort_by(f64::total_cmp);
    println!("median {:.1} ms, min {:.1} ms", times[times.len() / 2], times[0]);
}
