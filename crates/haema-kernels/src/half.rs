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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::{ChannelStats, LANES};
    use crate::norm::{self, ChannelMap};
    use crate::norm_grad::{self, ChannelGrad};

    fn tensor(shape: Shape, seed: u32) -> Vec<ChannelBlock> {
        let mut slab = vec![ChannelBlock::default(); shape.slab_len()];
        let mut state = seed;
        for block in 0..shape.blocks {
            for y in 0..shape.size[1] {
                for x in 0..shape.size[2] {
                    for value in &mut slab[shape.offset_in_slab(block, y, x)].0 {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        *value = (state >> 8) as f32 / 8_388_608.0 - 1.0;
                    }
                }
            }
        }
        slab
    }

    proptest! {
        /// The `half` crate is the oracle of the rounding; bits of every finite size.
        #[test]
        fn every_door_rounds_to_nearest_even(values in prop::array::uniform16(
            prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO
        )) {
            struct Round<'a>(&'a ChannelBlock, &'a mut HalfBlock, &'a mut ChannelBlock);
            impl Kernel for Round<'_> {
                #[inline(always)]
                fn run<I: Isa>(self, isa: I) {
                    isa.store_half(isa.load(self.0), self.1);
                    isa.store(isa.load_half(self.1), self.2);
                }
            }
            let expected = values.map(|value| ::half::bf16::from_f32(value).to_bits());
            for door in Door::all() {
                let (mut halves, mut back) = (HalfBlock::default(), ChannelBlock::default());
                door.run(Round(&ChannelBlock(values), &mut halves, &mut back));
                prop_assert_eq!(halves.0, expected, "{}", door.name());
                let widened = expected.map(|bits| ::half::bf16::from_bits(bits).to_f32());
                prop_assert_eq!(back.0, widened, "{}", door.name());
            }
        }

        /// What is kept in half the width behaves as the rounded values do in full.
        #[test]
        fn half_the_width_is_the_rounded_values(
            h in 1_usize..6, w in 1_usize..9, channels in 1_usize..20, slope in 0.0_f32..1.0,
        ) {
            let shape = Shape::new([1, h, w], channels);
            let (raw, residual) = (tensor(shape, 1), tensor(shape, 2));
            let rounded: Vec<ChannelBlock> = raw
                .iter()
                .map(|block| ChannelBlock(block.0.map(|v| ::half::bf16::from_f32(v).to_f32())))
                .collect();
            let map = ChannelMap {
                scale: ChannelBlock([0.7; LANES]),
                shift: ChannelBlock([0.1; LANES]),
                keep: ChannelBlock([1.25; LANES]),
            };
            let maps = vec![map; shape.blocks];
            let grad = ChannelGrad {
                from_dz: ChannelBlock([0.3; LANES]),
                from_x: ChannelBlock([-0.2; LANES]),
                constant: ChannelBlock([0.05; LANES]),
            };
            let grads = vec![grad; shape.blocks];
            let activation = Activation { maps: &maps, slope };
            for door in Door::all() {
                let mut kept = vec![HalfBlock::default(); shape.slab_len()];
                let mut out = raw.clone();
                keep_and_activate(door, shape, activation, Some(&residual), (&mut out, &mut kept));
                let mut expected = rounded.clone();
                let view = crate::layout::View::new(shape, &residual);
                norm::forward_in_place(door, shape, activation, (Some(view), 0), &mut expected);
                prop_assert_eq!(&out, &expected, "{}", door.name());
                let mut again = vec![ChannelBlock::default(); shape.slab_len()];
                activate(door, shape, activation, Some(&residual), (&mut again, &kept));
                prop_assert_eq!(&again, &expected, "{}", door.name());

                let sums = |raw: &dyn Fn(&mut [ChannelStats])| {
                    let mut sums = vec![ChannelStats::default(); shape.blocks];
                    raw(&mut sums);
                    sums
                };
                let half_sums = sums(&|sums| {
                    norm_grad::sums(door, shape, activation, (&*kept, &residual), sums);
                });
                let full_sums = sums(&|sums| {
                    norm_grad::sums(door, shape, activation, (&*rounded, &residual), sums);
                });
                prop_assert_eq!(half_sums, full_sums);
                let mut in_place = residual.clone();
                norm_grad::in_place(door, shape, (activation, &grads), &kept, &mut in_place);
                let mut apart = vec![ChannelBlock::default(); shape.slab_len()];
                let pair = (&*kept, &*residual);
                norm_grad::apart(door, shape, (activation, &grads), pair, &mut apart);
                let mut over_raw = rounded.clone();
                norm_grad::over_raw(door, shape, (activation, &grads), &residual, &mut over_raw);
                prop_assert_eq!(&in_place, &apart);
                prop_assert_eq!(&in_place, &over_raw);
            }
        }
    }
}
