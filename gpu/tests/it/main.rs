//! The GPU held to what the CPU is held to, and to the CPU.
//!
//! Where no adapter is found the tests say so and pass over it; `an_adapter_is_here`, ignored unless
//! it is asked for, fails then.
#![cfg(any(feature = "wgpu", feature = "cuda"))]

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod command;
#[cfg(test)]
#[path = "../../../crates/haema-methods/src/generator.rs"]
mod generator;
#[cfg(test)]
#[path = "../../../crates/haema-methods/src/cnn_ds/golden.rs"]
mod golden;

// What the shared file calls by the names of its own crate.
use haema_gpu::Adapters;
use haema_methods::cnn_ds::{CnnDs, Profile};
use haema_nn::Engine;

/// The GPU, or nothing and a word about it.
#[cfg(test)]
fn gpu() -> Option<Box<dyn Engine>> {
    match haema_gpu::open(Adapters::Any) {
        Ok(engine) => Some(engine),
        Err(error) => {
            eprintln!("passed over: {error}");
            None
        }
    }
}

#[test]
#[ignore = "for machines that must have an adapter"]
fn an_adapter_is_here() {
    let engine = haema_gpu::open(Adapters::Any).unwrap_or_else(|error| panic!("{error}"));

    eprintln!("adapter: {}", engine.device().unwrap_or("unnamed"));
}

#[test]
fn the_paper_profile_agrees_with_jax() {
    let Some(gpu) = gpu() else { return };
    golden::agrees_with_jax(&*gpu, Profile::Paper);
}

#[test]
fn the_recommended_profile_agrees_with_jax() {
    let Some(gpu) = gpu() else { return };
    golden::agrees_with_jax(&*gpu, Profile::Recommended);
}
