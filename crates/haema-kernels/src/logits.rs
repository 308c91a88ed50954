//! From a tensor to one number for each voxel.

use crate::element::Element;
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, View};

/// A weighted sum over the channels of a tensor, whose activation is applied as values are read.
#[derive(Debug, Clone, Copy)]
pub struct Logits<'a, E = ChannelBlock> {
    /// The tensor.
    pub input: View<'a, E>,
    /// Weights of its channels, block by block; those beyond the last channel are zero.
    pub weights: &'a [ChannelBlock],
    /// Added to each sum.
    pub bias: f32,
}

/// Computes plane `z` into `out`, plain `[y][x]`.
///
/// Products of a lane are summed over blocks, then lanes in a fixed order: the error is at most
/// `(n + 3)·ε·Σ|w·x|` with `n` channels (Higham, _Accuracy and Stability_, 2nd ed., §3.1).
///
/// # Panics
///
/// Where a length does not fit.
pub fn plane<E: Element>(door: Door, logits: &Logits<'_, E>, z: usize, out: &mut [f32]) {
    let shape = logits.input.shape;
    assert_eq!(logits.weights.len(), shape.blocks, "logits: one weight for each block");
    assert_eq!(out.len(), shape.size[1] * shape.size[2], "logits: output is not a plane");
    door.run(Plane { logits, z, out });
}

struct Plane<'a, E> {
    logits: &'a Logits<'a, E>,
    z: usize,
    out: &'a mut [f32],
}

impl<E: Element> Kernel for Plane<'_, E> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Logits { input, weights, bias } = *self.logits;
        let [_, _, width] = input.shape.size;
        for (y, row) in self.out.chunks_exact_mut(width).enumerate() {
            let start = input.shape.offset_in_slab(0, y, 0);
            for (x, out) in row.iter_mut().enumerate() {
                let mut sum = isa.splat(0.0);
                for (block, weights) in weights.iter().enumerate() {
                    let (map, slope) = input.activation_of(block);
                    let (scale, shift) = map.load(isa);
                    let value = input.plane(self.z, block)[start + x].load(isa);
                    let value = isa.mul_add(value, scale, shift);
                    let value = isa.max(value, isa.mul(value, isa.splat(slope)));
                    sum = isa.mul_add(value, isa.load(weights), sum);
                }
                *out = isa.sum(sum) + bias;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::LANES;
    use crate::norm::{Activation, ChannelMap};
    use crate::reference::{Plain, noise};

    proptest! {
        #[test]
        fn every_door_stays_within_the_bound(
            d in 1_usize..3, h in 1_usize..5, w in 1_usize..20, channels in 1_usize..40,
        ) {
            let plain = Plain::noise(1, channels, [d, h, w]);
            let (shape, data) = plain.blocked();
            let block = |seed| ChannelBlock(noise(seed, LANES).try_into().unwrap());
            let keep = ChannelBlock([1.0; LANES]);
            let maps: Vec<ChannelMap> = (0..shape.blocks as u64)
                .map(|b| ChannelMap { scale: block(b + 10), shift: block(b + 20), keep }).collect();
            let values = noise(3, channels);
            let mut weights = vec![ChannelBlock::default(); shape.blocks];
            for (c, &value) in values.iter().enumerate() {
                weights[c / LANES].0[c % LANES] = value;
            }
            let input = View::new(shape, &data).activated(Activation { maps: &maps, slope: 0.25 });
            for door in Door::all() {
                for z in 0..d {
                    let mut out = vec![f32::NAN; h * w];
                    plane(door, &Logits { input, weights: &weights, bias: 0.5 }, z, &mut out);
                    for (v, &got) in out.iter().enumerate() {
                        let (mut sum, mut size) = (0.5, 0.5);
                        for (c, &weight) in values.iter().enumerate() {
                            let map = &maps[c / LANES];
                            let [scale, shift] = [map.scale, map.shift]
                                .map(|part| f64::from(part.0[c % LANES]));
                            let at = [z as isize, (v / w) as isize, (v % w) as isize];
                            let x = plain.at(c, at);
                            let activated = (x * scale + shift).max(0.25 * (x * scale + shift));
                            sum += activated * f64::from(weight);
                            size += ((x * scale).abs() + shift.abs()) * f64::from(weight).abs();
                        }
                        // Three roundings of the activation come to those of the sum.
                        let most = (channels + 6) as f64 * f64::from(f32::EPSILON) * size;
                        prop_assert!((f64::from(got) - sum).abs() <= most, "{}", door.name());
                    }
                }
            }
        }
    }
}
