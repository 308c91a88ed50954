//! Raw values kept in half the width, for training with little memory.
//!
//! The way forward rounds the raw values before it activates them, so that the way back sees the
//! very numbers that the way forward used.

use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, HalfBlock, Shape};
use crate::norm::{Activation, check};

/// Keeps the raw values of one slab in `kept`, and normalises and activates the rounded values in
/// place: `out = act(round(out)) (+ residual)`.
///
/// # Panics
///
/// Where a length does not fit.
pub fn keep_and_activate(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    residual: Option<&[ChannelBlock]>,
    (out, kept): (&mut [ChannelBlock], &mut [HalfBlock]),
) {
    check(shape, activation, &[out]);
    assert_eq!(kept.len(), shape.slab_len(), "half: not a slab");
    assert!(residual.is_none_or(|r| r.len() == shape.slab_len()), "half: residual does not fit");
    door.run(Activate { shape, activation, residual, out, kept: Kept::New(kept) });
}

/// Makes what [`keep_and_activate`] left in `out` again, bit for bit.
///
/// # Panics
///
/// Where a length does not fit.
pub fn activate(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    residual: Option<&[ChannelBlock]>,
    (out, kept): (&mut [ChannelBlock], &[HalfBlock]),
) {
    check(shape, activation, &[out]);
    assert_eq!(kept.len(), shape.slab_len(), "half: not a slab");
    assert!(residual.is_none_or(|r| r.len() == shape.slab_len()), "half: residual does not fit");
    door.run(Activate { shape, activation, residual, out, kept: Kept::Before(kept) });
}

enum Kept<'a> {
    /// To be made of what stands in `out`.
    New(&'a mut [HalfBlock]),
    Before(&'a [HalfBlock]),
}

struct Activate<'a> {
    shape: Shape,
    activation: Activation<'a>,
    residual: Option<&'a [ChannelBlock]>,
    out: &'a mut [ChannelBlock],
    kept: Kept<'a>,
}

impl Kernel for Activate<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let [_, height, width] = self.shape.size;
        let slope = isa.splat(self.activation.slope);
        for (block, map) in self.activation.maps.iter().enumerate() {
            let keep = isa.load(&map.keep);
            let scale = isa.mul(isa.load(&map.scale), keep);
            let shift = isa.mul(isa.load(&map.shift), keep);
            for y in 0..height {
                let start = self.shape.offset_in_slab(block, y, 0);
                for at in start..start + width {
                    let raw = match &mut self.kept {
                        Kept::New(kept) => {
                            isa.store_half(isa.load(&self.out[at]), &mut kept[at]);
                            isa.load_half(&kept[at])
                        }
                        Kept::Before(kept) => isa.load_half(&kept[at]),
                    };
                    let z = isa.mul_add(raw, scale, shift);
                    let mut value = isa.max(z, isa.mul(z, slope));
                    if let Some(residual) = self.residual {
                        value = isa.add(value, isa.load(&residual[at]));
                    }
                    isa.store(value, &mut self.out[at]);
                }
            }
        }
    }
}
