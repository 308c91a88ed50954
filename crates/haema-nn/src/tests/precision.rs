//! Networks whose tensors are kept in half the width.

use haema_kernels::Door;

use super::{SIZE, all, input};
use crate::{Executor, InferencePrecision, Init, NetSpec, Parameters};

fn executor(spec: &NetSpec, threads: usize, precision: InferencePrecision) -> Executor {
    let params = Parameters::init(spec, Init::HeNormal, -0.5, 3);
    Executor::with_precision(spec.clone(), params, SIZE, (threads, precision)).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn half_the_width_gives_nearly_the_same_and_threads_change_no_bit() {
    for spec in all() {
        let full = executor(&spec, 2, InferencePrecision::Fp32).probabilities(&input());
        let half = executor(&spec, 1, InferencePrecision::Bf16).probabilities(&input());

        // A rounding is 2⁻⁸ at most; some ten of them lie between input and output.
        let difference = largest_difference(&full, &half);
        assert!(0.0 < difference && difference < 0.02, "{}: {difference}", spec.name);
        for threads in [2, 5] {
            let mut executor = executor(&spec, threads, InferencePrecision::Bf16);
            for _ in 0..2 {
                assert_eq!(executor.probabilities(&input()), half, "{threads} threads change bits");
            }
        }
        for door in Door::all() {
            let mut executor = executor(&spec, 2, InferencePrecision::Bf16).with_door(door);
            let difference = largest_difference(&executor.probabilities(&input()), &half);
            assert!(difference < 0.02, "{} {}: {difference}", spec.name, door.name());
        }
    }
}

#[test]
fn half_the_width_takes_half_the_memory_and_says_so() {
    for spec in all() {
        let [full, half] = InferencePrecision::ALL.map(|precision| executor(&spec, 2, precision));

        let input_bytes = 4 * crate::tensor::InputTensor::len(SIZE);
        let [of_full, of_half] =
            [&full, &half].map(|executor| executor.activation_bytes() - input_bytes);
        assert_eq!(of_full, 2 * of_half, "{}", spec.name);
        assert_eq!(full.bytes() - half.bytes(), of_half, "{}", spec.name);
    }
}
