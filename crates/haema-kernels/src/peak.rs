//! What the machine can do at best: the floor that kernels are measured against.

use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, LANES};

/// Does `rounds` rounds of fused multiply-adds on values that stay in registers, as many chains at a
/// time as the door has registers for. Gives the number of floating-point operations, a multiply-add
/// being two; `out` gets the sum of the chains, so that none can be left out.
pub fn multiply_adds(door: Door, rounds: usize, out: &mut ChannelBlock) -> f64 {
    let mut chains = 0;
    door.run(Race { rounds, out, chains: &mut chains });
    (2 * LANES * chains * rounds) as f64
}

struct Race<'a> {
    rounds: usize,
    out: &'a mut ChannelBlock,
    chains: &'a mut usize,
}

/// Chains where sixteen lanes fill half of the registers that an instruction set has: twelve
/// registers of eight lanes. More than latency times throughput, which is eight to ten.
const FEW: usize = 6;
/// Chains where there are registers enough.
const MANY: usize = 16;

impl Kernel for Race<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        if I::HAS_MANY_REGISTERS {
            *self.chains = MANY;
            chains::<I, MANY>(isa, self.rounds, self.out);
        } else {
            *self.chains = FEW;
            chains::<I, FEW>(isa, self.rounds, self.out);
        }
    }
}

#[inline(always)]
fn chains<I: Isa, const N: usize>(isa: I, rounds: usize, out: &mut ChannelBlock) {
    // Values that neither grow nor become so small that they slow the machine down: x/2 + 1/2.
    let half = isa.splat(0.5);
    let mut values = [isa.splat(0.0); N];
    for _ in 0..rounds {
        for value in &mut values {
            *value = isa.mul_add(*value, half, half);
        }
    }
    let mut sum = isa.splat(0.0);
    for value in values {
        sum = isa.add(sum, value);
    }
    isa.store(sum, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_door_does_as_many_as_it_says() {
        for door in Door::all() {
            let mut out = ChannelBlock::default();

            let flop = multiply_adds(door, 3, &mut out);

            // Each chain is 0.875 after three rounds from 0.
            let chains = out.0[0] / 0.875;
            assert!(out.0.iter().all(|&lane| lane == out.0[0]), "{}", door.name());
            assert!(chains == FEW as f32 || chains == MANY as f32, "{}: {chains}", door.name());
            assert_eq!(flop, f64::from(chains) * 3.0 * 2.0 * LANES as f64);
        }
    }
}
