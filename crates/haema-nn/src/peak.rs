//! What this machine can do at best, measured: the floor under every layer's time.

use std::hint::black_box;
use std::time::Instant;

use haema_kernels::{ChannelBlock, Door, peak};

use crate::parallel;

/// Rates that all threads reach together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Multiply-adds on values in registers, 10⁹ operations a second, a multiply-add being two.
    pub gflop_per_s: f64,
    /// Copying from memory to memory, 10⁹ bytes a second, read and written ones counted.
    pub gigabytes_per_s: f64,
}

/// How often each rate is measured; the best counts, for the rest was disturbed.
const TRIES: usize = 5;
/// Rounds of multiply-adds a try: some ten milliseconds.
const ROUNDS: usize = 1 << 21;
/// Bytes that each of the two sides of a copy has, all threads together: more than caches hold.
const COPIED_BYTES: usize = 1 << 27;

impl Peak {
    /// Measures for a quarter of a second and takes 256 MB of memory meanwhile.
    pub fn measure(door: Door, threads: usize) -> Self {
        Self {
            gflop_per_s: flop_rate(door, threads) / 1e9,
            gigabytes_per_s: copy_rate(threads) / 1e9,
        }
    }
}

fn flop_rate(door: Door, threads: usize) -> f64 {
    best(|| {
        let mut flop = vec![0.0; threads];
        parallel::chunks(threads, &mut flop, 1, |_, flop| {
            let mut sum = ChannelBlock::default();
            flop[0] = peak::multiply_adds(door, ROUNDS, &mut sum);
            black_box(sum);
        });
        flop.iter().sum()
    })
}

fn copy_rate(threads: usize) -> f64 {
    let n = COPIED_BYTES / size_of::<f32>();
    let (from, mut to) = (vec![1.0_f32; n], vec![0.0_f32; n]);
    best(|| {
        let len = n.div_ceil(threads);
        parallel::chunks(threads, &mut to, len, |i, to| {
            to.copy_from_slice(&from[i * len..i * len + to.len()]);
        });
        black_box(&mut to);
        2.0 * COPIED_BYTES as f64
    })
}

/// The best rate of what `work` says that it did.
fn best(mut work: impl FnMut() -> f64) -> f64 {
    let rate = |()| {
        let start = Instant::now();
        let done = work();
        done / start.elapsed().as_secs_f64()
    };
    (0..TRIES).map(|_| ()).map(rate).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_does_more_than_nothing_and_less_than_the_impossible() {
        let peak = Peak::measure(Door::best(), 2);

        assert!((0.1..1e5).contains(&peak.gflop_per_s), "{peak:?}");
        assert!((0.01..1e4).contains(&peak.gigabytes_per_s), "{peak:?}");
    }
}
