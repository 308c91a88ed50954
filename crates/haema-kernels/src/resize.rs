//! Trilinear upsampling by 2, forward and backward.
//!
//! Bound by memory, so plain lane-wise loops serve every door.

use crate::element::Element;
use crate::isa::Portable;
use crate::layout::{ChannelBlock, Shape, View, Write};

#[inline(always)]
fn for_lanes(to: &mut ChannelBlock, mut f: impl FnMut(usize, &mut f32)) {
    for (lane, value) in to.0.iter_mut().enumerate() {
        f(lane, value);
    }
}

/// Along one axis of `n` voxels, what fine voxel `o` is made of: two voxels and the second's weight,
/// half-pixel centres, edges repeated.
fn linear(o: usize, n: usize) -> (usize, usize, f32) {
    let near = o / 2;
    if o.is_multiple_of(2) {
        (near.saturating_sub(1), near, 0.75)
    } else {
        (near, (near + 1).min(n - 1), 0.25)
    }
}

/// The eight input voxels of fine voxel `[z, y, x]` and their weights.
fn corners(input: Shape, block: usize, at: [usize; 3]) -> impl Iterator<Item = (usize, f32)> {
    let axes: [(usize, usize, f32); 3] = std::array::from_fn(|i| linear(at[i], input.size[i]));
    (0..8_usize).map(move |i| {
        let bits = [i / 4, i / 2 % 2, i % 2];
        let mut weight = 1.0;
        let [z, y, x] = std::array::from_fn(|axis| {
            let (low, high, share) = axes[axis];
            weight *= if bits[axis] == 1 { share } else { 1.0 - share };
            if bits[axis] == 1 { high } else { low }
        });
        (z * input.slab_len() + input.offset_in_slab(block, y, x), weight)
    })
}

/// Plane `z` of trilinear upsampling by 2 (half-pixel centres, edges repeated), into `out`, a slab of
/// twice the input's size.
///
/// # Panics
///
/// Where a length does not fit.
pub fn trilinear_plane<E: Element>(input: View<'_, E>, shape: Shape, z: usize, out: &mut [E]) {
    assert_eq!(out.len(), shape.slab_len(), "trilinear: not a slab");
    assert_eq!(shape.size, input.shape.size.map(|n| 2 * n), "trilinear: sizes");
    for block in 0..shape.blocks {
        for y in 0..shape.size[1] {
            for x in 0..shape.size[2] {
                let mut sum = ChannelBlock::default();
                for (at, weight) in corners(input.shape, block, [z, y, x]) {
                    let corner = input.data[at].load(Portable);
                    for_lanes(&mut sum, |lane, value| *value += weight * corner[lane]);
                }
                out[shape.offset_in_slab(block, y, x)].store(Portable, sum.0);
            }
        }
    }
}

/// Leaves the gradient of all of [`trilinear_plane`] in `grad`, the whole input's.
///
/// # Panics
///
/// Where a length does not fit.
pub fn trilinear_grad(
    out_grad: View<'_>,
    shape: Shape,
    (grad, write): (&mut [ChannelBlock], Write),
) {
    assert_eq!(grad.len(), shape.len(), "trilinear: gradient does not fit");
    if write == Write::Set {
        grad.fill(ChannelBlock::default());
    }
    let [depth, height, width] = out_grad.shape.size;
    for z in 0..depth {
        for block in 0..shape.blocks {
            for y in 0..height {
                for x in 0..width {
                    let from = out_grad.plane(z, block)[out_grad.shape.offset_in_slab(0, y, x)];
                    for (at, weight) in corners(shape, block, [z, y, x]) {
                        for_lanes(&mut grad[at], |lane, value| *value += weight * from.0[lane]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::LANES;

    fn tensor(size: [usize; 3], seed: usize) -> (Shape, Vec<ChannelBlock>) {
        let shape = Shape::new(size, 20);
        let mut data = vec![ChannelBlock::default(); shape.len()];
        for z in 0..size[0] {
            for block in 0..2 {
                for y in 0..size[1] {
                    for x in 0..size[2] {
                        let at = z * shape.slab_len() + shape.offset_in_slab(block, y, x);
                        for lane in 0..LANES {
                            let n = ((((z * 7 + y) * 5 + x) * 3 + block) * LANES + lane) * seed;
                            data[at].0[lane] = (n % 101) as f32 / 50.0 - 1.0;
                        }
                    }
                }
            }
        }
        (shape, data)
    }

    fn inner(a: &[ChannelBlock], b: &[ChannelBlock]) -> f64 {
        let pairs = a.iter().zip(b).flat_map(|(a, b)| a.0.into_iter().zip(b.0));
        pairs.map(|(a, b)| f64::from(a) * f64::from(b)).sum()
    }

    proptest! {
        #[test]
        fn the_trilinear_gradient_is_the_adjoint(
            d in 1_usize..4, h in 1_usize..5, w in 1_usize..6,
        ) {
            let (shape, data) = tensor([d, h, w], 37);
            let (fine, fine_grad) = tensor([2 * d, 2 * h, 2 * w], 53);
            let mut left = 0.0;
            for z in 0..2 * d {
                let mut out = vec![ChannelBlock::default(); fine.slab_len()];
                trilinear_plane(View::new(shape, &data), fine, z, &mut out);
                left += inner(&out, &fine_grad[z * fine.slab_len()..][..fine.slab_len()]);
            }
            let mut grad = vec![ChannelBlock::default(); shape.len()];
            trilinear_grad(View::new(fine, &fine_grad), shape, (&mut grad, Write::Set));
            let right = inner(&grad, &data);
            prop_assert!((left - right).abs() < 1e-3 * (1.0 + left.abs()), "{left} {right}");
        }
    }

    /// A ramp stays a ramp inside, and a constant a constant.
    #[test]
    fn trilinear_upsampling_is_linear() {
        let shape = Shape::new([1, 1, 4], 1);
        let mut data = vec![ChannelBlock::default(); shape.len()];
        for x in 0..4 {
            data[shape.offset_in_slab(0, 0, x)].0[0] = x as f32;
        }
        let fine = Shape::new([2, 2, 8], 1);
        let mut out = vec![ChannelBlock::default(); fine.slab_len()];

        trilinear_plane(View::new(shape, &data), fine, 0, &mut out);

        let row: Vec<f32> = (0..8).map(|x| out[fine.offset_in_slab(0, 0, x)].0[0]).collect();
        assert_eq!(row, [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]);
    }
}
