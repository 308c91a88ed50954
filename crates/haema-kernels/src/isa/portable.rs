//! Plain loops over sixteen lanes.

use super::Isa;
use crate::layout::{ChannelBlock, HalfBlock, LANES};

/// Every CPU has this.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

#[inline(always)]
fn lanes(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    for (lane, value) in out.iter_mut().enumerate() {
        *value = f(lane);
    }
    out
}

impl Isa for Portable {
    type V = [f32; LANES];
    const HAS_MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &ChannelBlock) -> Self::V {
        from.0
    }

    #[inline(always)]
    fn store(self, value: Self::V, to: &mut ChannelBlock) {
        to.0 = value;
    }

    // No stable way to do so without an instruction set.
    #[inline(always)]
    fn stream(self, value: Self::V, to: &mut ChannelBlock) {
        self.store(value, to);
    }

    #[inline(always)]
    fn load_half(self, from: &HalfBlock) -> Self::V {
        lanes(|i| f32::from_bits(u32::from(from.0[i]) << 16))
    }

    #[inline(always)]
    fn store_half(self, value: Self::V, to: &mut HalfBlock) {
        for (to, value) in to.0.iter_mut().zip(value) {
            let bits = value.to_bits();
            // Just under half of the last place that stays; with an odd place, half of it.
            let rounding = 0x7FFF + (bits >> 16 & 1);
            *to = (bits.wrapping_add(rounding) >> 16) as u16;
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, _: &T) {}

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i])
    }

    // Not `f32::mul_add`: without FMA hardware that is a library call for every lane.
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        super::sum_lanes(&a)
    }

    #[inline(always)]
    fn select_positive(self, x: Self::V, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| if x[i] > 0.0 { a[i] } else { b[i] })
    }
}
