//! Data and weight gradients of every convolution through every door, against the definition in
//! `f64`.

use proptest::prelude::*;

use super::grad::{self, FastGrad};
use super::{Fast, Walk, layer, layer_planes, pack_weights, scratch_len, weight_len};
use crate::Door;
use crate::geometry::ConvKind;
use crate::layout::{ChannelBlock, LANES, Shape, View, Write};
use crate::pack::Channels;
use crate::reference::{Case, Plain, halo_is_zero, met, read, split};

fn kinds() -> impl Strategy<Value = ConvKind> {
    prop_oneof![
        Just(ConvKind::Same3),
        Just(ConvKind::Plane3),
        Just(ConvKind::Down3),
        Just(ConvKind::Down3TfSame),
        Just(ConvKind::Up3),
        Just(ConvKind::Pointwise),
        Just(ConvKind::Transposed2),
        Just(ConvKind::PlaneTransposed2),
        Just(ConvKind::PlaneUp2),
    ]
}

/// Value and `Σ|terms|` of the gradient of each input value, `[channel][z][y][x]`.
fn data_gradient(case: &Case, grad: &Plain) -> Vec<(f64, f64)> {
    let input = &case.inputs[0];
    let [_, height, width] = input.size;
    let mut sums = vec![(0.0, 0.0); input.values.len()];
    let voxels: usize = grad.size.iter().product();
    for v in 0..voxels {
        let [_, z, y, x] = split(v, grad.size);
        for k in 0..case.kind.kernel_len() {
            let Some(at) = met(case.kind, [z, y, x], k, input.size) else { continue };
            if at.iter().zip(input.size).any(|(&i, n)| i < 0 || i >= n as isize) {
                continue;
            }
            let [iz, iy, ix] = at.map(|i| i as usize);
            for c in 0..input.channels {
                let place = &mut sums[((c * input.size[0] + iz) * height + iy) * width + ix];
                for o in 0..grad.channels {
                    let g = f64::from(grad.values[o * voxels + v]);
                    let term = g * f64::from(case.weight(o, c, k));
                    place.0 += term;
                    place.1 += term.abs();
                }
            }
        }
    }
    sums
}

/// Value and `Σ|terms|` of the gradient of every weight.
fn weight_gradient(case: &Case, grad: &Plain) -> Vec<(f64, f64)> {
    let inputs: usize = case.in_channels().iter().sum();
    let kernel = case.kind.kernel_len();
    let mut sums = vec![(0.0, 0.0); grad.channels * inputs * kernel];
    let voxels: usize = grad.size.iter().product();
    for v in 0..voxels {
        let [_, z, y, x] = split(v, grad.size);
        for k in 0..kernel {
            let Some(at) = met(case.kind, [z, y, x], k, case.inputs[0].size) else { continue };
            for i in 0..inputs {
                let value = case.input(i, at);
                for o in 0..grad.channels {
                    let term = value * f64::from(grad.values[o * voxels + v]);
                    let place = &mut sums[(o * inputs + i) * kernel + k];
                    place.0 += term;
                    place.1 += term.abs();
                }
            }
        }
    }
    sums
}

/// Roundings of a chain of both transforms and `terms` products, times what Winograd's transforms
/// blow them up by, along three axes at most 15 each (the largest row sums of |Aᵀ|, |Bᵀ| and |G|).
fn bound(kind: ConvKind, terms: usize, magnitude: f64) -> f64 {
    let growth = match kind {
        ConvKind::Same3 => 1000.0,
        ConvKind::Plane3 => 200.0,
        _ => 30.0,
    };
    growth * (terms as f64).sqrt().max(4.0) * f64::from(f32::EPSILON) * magnitude
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_data_gradient_is_the_definitions(
        kind in kinds(), d in 1_usize..7, h in 1_usize..9, w in 1_usize..22,
        channels in 1_usize..18, out in 1_usize..18, before in -1.0_f32..1.0,
    ) {
        let case = Case::new(kind, [d, h, w], &[channels], out);
        let grad = Plain::noise(5, out, case.out_size());
        let exact = data_gradient(&case, &grad);
        let largest = exact.iter().map(|e| e.1).fold(0.0, f64::max);
        let walk = Walk::Back(kind);
        let io = Channels { inputs: &[out], output: channels };
        let mut weights = vec![ChannelBlock::default(); weight_len(walk, io)];
        pack_weights(walk, io, |o, i, k| case.weight(i, o, k), &mut weights);
        let (grad_shape, grad_data) = grad.blocked();
        let inputs = [View::new(grad_shape, &grad_data)];
        let out_shape = Shape::new([d, h, w], channels);
        for door in Door::all() {
            for write in [Write::Set, Write::Add] {
                let job = Fast { walk, inputs: &inputs, weights: &weights, out_shape, write };
                let (_, mut got) = Plain { channels, size: [d, h, w],
                    values: vec![before; channels * d * h * w] }.blocked();
                let nothing = ChannelBlock([f32::NAN; LANES]);
                let len = scratch_len(walk, io.in_blocks(), io.out_blocks());
                let mut scratch = vec![nothing; len];
                let slabs = layer_planes(walk) * out_shape.slab_len();
                for (i, slabs) in got.chunks_mut(slabs).enumerate() {
                    layer(door, &job, i, (slabs, &mut []), &mut scratch);
                }
                let start = if write == Write::Add { f64::from(before) } else { 0.0 };
                for (index, &(wanted, _)) in exact.iter().enumerate() {
                    let value = read(out_shape, &got, split(index, out_shape.size)) - start;
                    let most = bound(kind, 27 * out, largest + start.abs()) + 1e-30;
                    prop_assert!((value - wanted).abs() <= most,
                        "{} {kind:?} {index}: {value} for {wanted}, bound {most}", door.name());
                }
                prop_assert!(halo_is_zero(out_shape, &got), "halo of {}", door.name());
            }
        }
    }

    #[test]
    fn the_weight_gradient_is_the_definitions_however_it_is_split(
        kind in kinds(), d in 1_usize..7, h in 1_usize..9, w in 1_usize..22,
        first in 1_usize..18, second in 0_usize..6, out in 1_usize..20, together in prop::bool::ANY,
    ) {
        let channels: Vec<usize> = [first, second].into_iter().filter(|&n| n > 0).collect();
        let case = Case::new(kind, [d, h, w], &channels, out);
        let grad = Plain::noise(5, out, case.out_size());
        let exact = weight_gradient(&case, &grad);
        let largest = exact.iter().map(|e| e.1).fold(0.0, f64::max);
        let tensors: Vec<_> = case.inputs.iter().map(Plain::blocked).collect();
        let inputs: Vec<View<'_>> = tensors.iter().map(|(s, data)| View::new(*s, data)).collect();
        let (grad_shape, grad_data) = grad.blocked();
        let job = FastGrad { kind, inputs: &inputs, out_grad: View::new(grad_shape, &grad_data) };
        let io = Channels { inputs: &channels, output: out };
        let layers = grad_shape.size[0].div_ceil(layer_planes(kind));
        let per_channel = (first + second) * kind.kernel_len();
        for door in Door::all() {
            let mut got = vec![0.0; exact.len()];
            let nothing = ChannelBlock([f32::NAN; LANES]);
            let mut scratch = vec![nothing; grad::scratch_len(kind, io.in_blocks(), 2)];
            // All blocks together, or each for itself.
            let split = usize::from(!together);
            for blocks in [0..split, split..io.out_blocks()] {
                if blocks.is_empty() {
                    continue;
                }
                let len = grad::sums_len(kind, io.in_blocks(), blocks.len());
                let mut sums = vec![ChannelBlock::default(); len];
                for range in [0..layers / 2, layers / 2..layers] {
                    grad::layers(door, &job, (range, blocks.clone()), &mut sums, &mut scratch);
                }
                let (first, end) = (blocks.start * LANES, out.min(blocks.end * LANES));
                let io = Channels { inputs: &channels, output: end - first };
                let to = &mut got[first * per_channel..end * per_channel];
                grad::finish(door, kind, io, &sums, to);
            }
            let terms = grad_shape.voxels();
            for (index, (&(wanted, _), &value)) in exact.iter().zip(&got).enumerate() {
                let most = bound(kind, terms, largest) + 1e-30;
                prop_assert!((f64::from(value) - wanted).abs() <= most,
                    "{} {kind:?} {index}: {value} for {wanted}, bound {most}", door.name());
            }
        }
    }
}
