//! The network on our kernels against JAX.

use haema_nn::{Cpu, Trainer, TrainingPrecision};

use super::golden::agrees_with_jax;
use super::{CnnDs, Profile};

#[test]
fn the_paper_profile_agrees_with_jax() {
    agrees_with_jax(
        &Cpu { threads: 2, precision: haema_nn::InferencePrecision::Fp32 },
        Profile::Paper,
    );
}

#[test]
fn the_recommended_profile_agrees_with_jax() {
    agrees_with_jax(
        &Cpu { threads: 2, precision: haema_nn::InferencePrecision::Fp32 },
        Profile::Recommended,
    );
}

/// What the first page of the training guide says of memory.
#[test]
fn a_step_of_the_whole_network_fits_two_gigabytes() {
    let spec = CnnDs::profile(Profile::Recommended).spec();
    let bytes = |precision| Trainer::bytes(&spec, [64, 128, 128], precision).unwrap();

    assert!(bytes(TrainingPrecision::F32) < 1_500_000_000, "{}", bytes(TrainingPrecision::F32));
    assert!(bytes(TrainingPrecision::Bf16) < 900_000_000, "{}", bytes(TrainingPrecision::Bf16));
}
