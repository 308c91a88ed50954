//! Slow, obvious and wide: what every kernel and every door is held to.

use proptest::prelude::*;

use crate::Door;
use crate::gather::{self, Gather};
use crate::geometry::{ConvKind, Geometry};
use crate::layout::{ChannelBlock, ChannelStats, LANES, Shape, View, Write};
use crate::norm::{self, Activation, ChannelMap};
use crate::norm_grad::{self, ChannelGrad};
use crate::pack::{self, Channels};
use crate::stem::{self, ScalarView};
use crate::weight_grad::{self, WeightGrad};
use crate::winograd::{self, Winograd};
use crate::winograd_grad;

/// A tensor in plain order, `[channel][z][y][x]`.
#[derive(Clone)]
pub(crate) struct Plain {
    pub(crate) channels: usize,
    pub(crate) size: [usize; 3],
    pub(crate) values: Vec<f32>,
}

/// Deterministic values in −1..1.
pub(crate) fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / f32::from_bits(0x4B00_0000) - 1.0
    };
    (0..n).map(|_| next()).collect()
}

impl Plain {
    pub(crate) fn noise(seed: u64, channels: usize, size: [usize; 3]) -> Self {
        Self { channels, size, values: noise(seed, channels * size.iter().product::<usize>()) }
    }

    pub(crate) fn at(&self, c: usize, at: [isize; 3]) -> f64 {
        let inside = at.iter().zip(self.size).all(|(&i, n)| i >= 0 && i < n as isize);
        if !inside {
            return 0.0;
        }
        let [z, y, x] = at.map(|i| i as usize);
        f64::from(self.values[((c * self.size[0] + z) * self.size[1] + y) * self.size[2] + x])
    }

    pub(crate) fn blocked(&self) -> (Shape, Vec<ChannelBlock>) {
        let shape = Shape::new(self.size, self.channels);
        let mut data = vec![ChannelBlock::default(); shape.len()];
        for (i, &value) in self.values.iter().enumerate() {
            let [c, z, y, x] = split(i, self.size);
            let at = z * shape.slab_len() + shape.offset_in_slab(c / LANES, y, x);
            data[at].0[c % LANES] = value;
        }
        (shape, data)
    }
}

pub(crate) fn split(i: usize, [d, h, w]: [usize; 3]) -> [usize; 4] {
    [i / (d * h * w), i / (h * w) % d, i / w % h, i % w]
}

pub(crate) fn read(shape: Shape, data: &[ChannelBlock], [c, z, y, x]: [usize; 4]) -> f64 {
    f64::from(data[z * shape.slab_len() + shape.offset_in_slab(c / LANES, y, x)].0[c % LANES])
}

/// Input voxel that kernel tap `k` of output voxel `o` meets, in the plainest words.
pub(crate) fn met(
    kind: ConvKind,
    o: [usize; 3],
    k: usize,
    in_size: [usize; 3],
) -> Option<[isize; 3]> {
    if kind == ConvKind::Transposed2 {
        let own = [k / 4, k / 2 % 2, k % 2];
        return (o.map(|o| o % 2) == own).then(|| o.map(|o| (o / 2) as isize));
    }
    let k = if kind == ConvKind::Plane3 { 9 + k } else { k };
    let tap = [k / 9, k / 3 % 3, k % 3];
    let mut at = [0; 3];
    for axis in 0..3 {
        let o = o[axis] as isize;
        let t = tap[axis] as isize;
        at[axis] = match kind {
            ConvKind::Pointwise => o,
            ConvKind::Same3 | ConvKind::Plane3 => o + t - 1,
            ConvKind::Down3 => 2 * o + t - 1,
            ConvKind::Down3TfSame => 2 * o + t,
            ConvKind::Up3 => {
                let fine = o + t - 1;
                if fine < 0 || fine >= 2 * in_size[axis] as isize {
                    return None;
                }
                fine / 2
            }
            ConvKind::Transposed2 => unreachable!("answered above"),
        };
    }
    Some(at)
}

pub(crate) struct Case {
    pub(crate) kind: ConvKind,
    pub(crate) inputs: Vec<Plain>,
    pub(crate) out_channels: usize,
    weights: Vec<f32>,
}

impl Case {
    pub(crate) fn new(
        kind: ConvKind,
        size: [usize; 3],
        in_channels: &[usize],
        out_channels: usize,
    ) -> Self {
        let inputs: Vec<Plain> = in_channels
            .iter()
            .enumerate()
            .map(|(i, &channels)| Plain::noise(i as u64 + 1, channels, size))
            .collect();
        let n = in_channels.iter().sum::<usize>() * out_channels * kind.kernel_len();
        Self { kind, inputs, out_channels, weights: noise(9, n) }
    }

    pub(crate) fn in_channels(&self) -> Vec<usize> {
        self.inputs.iter().map(|plain| plain.channels).collect()
    }

    pub(crate) fn out_size(&self) -> [usize; 3] {
        self.kind.out_size(self.inputs[0].size)
    }

    pub(crate) fn weight(&self, o: usize, i: usize, k: usize) -> f32 {
        let n: usize = self.in_channels().iter().sum();
        self.weights[(o * n + i) * self.kind.kernel_len() + k]
    }

    pub(crate) fn input(&self, i: usize, at: [isize; 3]) -> f64 {
        let mut i = i;
        for plain in &self.inputs {
            if i < plain.channels {
                return plain.at(i, at);
            }
            i -= plain.channels;
        }
        unreachable!("channel out of range")
    }

    /// Value and Σ|terms| of every output `[channel][z][y][x]`.
    pub(crate) fn forward(&self) -> Vec<(f64, f64)> {
        let size = self.out_size();
        let n = self.in_channels().iter().sum::<usize>();
        let count = self.out_channels * size.iter().product::<usize>();
        let mut out = Vec::with_capacity(count);
        for index in 0..count {
            let [o, z, y, x] = split(index, size);
            let mut sum = (0.0, 0.0);
            for k in 0..self.kind.kernel_len() {
                if let Some(at) = met(self.kind, [z, y, x], k, self.inputs[0].size) {
                    for i in 0..n {
                        let term = f64::from(self.weight(o, i, k)) * self.input(i, at);
                        sum.0 += term;
                        sum.1 += term.abs();
                    }
                }
            }
            out.push(sum);
        }
        out
    }

    fn gather(&self, door: Door) -> (Shape, Vec<ChannelBlock>, Vec<ChannelStats>) {
        let geometry = Geometry::forward(self.kind);
        let in_channels = self.in_channels();
        let channels = Channels { inputs: &in_channels, output: self.out_channels };
        let mut weights = vec![ChannelBlock::default(); pack::gather_len(&geometry, channels)];
        pack::gather(&geometry, channels, |o, i, k| self.weight(o, i, k), &mut weights);
        let tensors: Vec<_> = self.inputs.iter().map(Plain::blocked).collect();
        let inputs: Vec<View<'_>> = tensors.iter().map(|(s, data)| View::new(*s, data)).collect();
        let out_shape = Shape::new(self.out_size(), self.out_channels);
        let mut out = vec![ChannelBlock::default(); out_shape.len()];
        let mut stats = vec![ChannelStats::default(); out_shape.blocks];
        let job = Gather {
            inputs: &inputs,
            geometry: &geometry,
            weights: &weights,
            out_shape,
            write: Write::Set,
        };
        for (z, slab) in out.chunks_mut(out_shape.slab_len()).enumerate() {
            gather::plane(door, &job, z, slab, &mut stats);
        }
        (out_shape, out, stats)
    }

    fn winograd(&self, door: Door, chunk: usize) -> (Shape, Vec<ChannelBlock>) {
        let in_channels = self.in_channels();
        let channels = Channels { inputs: &in_channels, output: self.out_channels };
        let mut weights = vec![ChannelBlock::default(); winograd::weight_len(channels)];
        winograd::pack_weights(channels, |o, i, k| self.weight(o, i, k), &mut weights);
        let tensors: Vec<_> = self.inputs.iter().map(Plain::blocked).collect();
        let inputs: Vec<View<'_>> = tensors.iter().map(|(s, data)| View::new(*s, data)).collect();
        let out_shape = Shape::new(self.out_size(), self.out_channels);
        let mut out = vec![ChannelBlock::default(); out_shape.len()];
        let job = Winograd { inputs: &inputs, weights: &weights, out_shape, write: Write::Set };
        let mut scratch =
            vec![ChannelBlock::default(); winograd::scratch_len(channels.in_blocks())];
        for (i, slabs) in out.chunks_mut(chunk * out_shape.slab_len()).enumerate() {
            let range = i * chunk..(i * chunk + chunk).min(out_shape.size[0]);
            winograd::planes(door, &job, range, (slabs, &mut []), &mut scratch);
        }
        (out_shape, out)
    }
}

fn check(case: &Case, shape: Shape, out: &[ChannelBlock], errors_of: f64, name: &str) {
    for (index, (exact, magnitude)) in case.forward().into_iter().enumerate() {
        let got = read(shape, out, split(index, shape.size));
        let bound = errors_of * f64::from(f32::EPSILON) * magnitude + 1e-30;
        assert!((got - exact).abs() <= bound, "{name} {:?}: {got} vs {exact}", case.kind);
    }
}

pub(crate) fn halo_is_zero(shape: Shape, data: &[ChannelBlock]) -> bool {
    let total: f64 = data.iter().flat_map(|b| b.0).map(|v| f64::from(v.abs())).sum();
    let mut inside = 0.0;
    for index in 0..shape.blocks * LANES * shape.voxels() {
        inside += read(shape, data, split(index, shape.size)).abs();
    }
    (total - inside).abs() < 1e-6 * (1.0 + total)
}

fn kinds() -> impl Strategy<Value = ConvKind> {
    prop_oneof![
        Just(ConvKind::Pointwise),
        Just(ConvKind::Same3),
        Just(ConvKind::Plane3),
        Just(ConvKind::Down3),
        Just(ConvKind::Down3TfSame),
        Just(ConvKind::Up3),
        Just(ConvKind::Transposed2),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn direct_convolution_is_right_through_every_door(
        kind in kinds(), d in 1_usize..4, h in 1_usize..7, w in 1_usize..20,
        first in 1_usize..18, second in 0_usize..10, out in 1_usize..18,
    ) {
        let even = |n: usize| if matches!(kind, ConvKind::Down3TfSame) { 2 * n } else { n };
        let channels: Vec<usize> = [first, second].into_iter().filter(|&n| n > 0).collect();
        let case = Case::new(kind, [even(d), even(h), even(w)], &channels, out);
        for door in Door::all() {
            let (shape, got, stats) = case.gather(door);
            // One rounding for each product and each sum (Higham §3.1), and up to eight for the
            // sums of sub-pixel weights.
            let terms = (27 * (first + second) + 8) as f64;
            check(&case, shape, &got, terms, door.name());
            prop_assert!(halo_is_zero(shape, &got), "halo of {}", door.name());
            let sum: f64 = (0..shape.voxels())
                .map(|v| { let [_, z, y, x] = split(v, shape.size); read(shape, &got, [0, z, y, x]) })
                .sum();
            prop_assert!((stats[0].sum[0] - sum).abs() < 1e-3 * (1.0 + sum.abs()));
        }
    }

    #[test]
    fn winograd_is_right_through_every_door_and_for_every_split(
        d in 1_usize..6, h in 1_usize..11, w in 1_usize..20,
        first in 1_usize..18, second in 0_usize..10, out in 1_usize..18, chunk in 1_usize..4,
    ) {
        let channels: Vec<usize> = [first, second].into_iter().filter(|&n| n > 0).collect();
        let case = Case::new(ConvKind::Same3, [d, h, w], &channels, out);
        for door in Door::all() {
            let (shape, got) = case.winograd(door, chunk);
            // Amplification of F(4×4, 3×3): the largest row sums of |Aᵀ|, |B| and |G| squared
            // multiply the roundings of the direct sum.
            let terms = 100.0 * (27 * (first + second) + 8) as f64;
            check(&case, shape, &got, terms, door.name());
            prop_assert!(halo_is_zero(shape, &got), "halo of {}", door.name());
            let (_, whole) = case.winograd(door, d);
            prop_assert!(whole == got, "split changes bits through {}", door.name());
        }
    }

    #[test]
    fn the_data_gradient_is_the_adjoint_of_the_convolution(
        kind in kinds(), d in 1_usize..3, h in 1_usize..5, w in 1_usize..10,
        channels in 1_usize..18, out in 1_usize..18,
    ) {
        // ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩ for every x and y.
        let case = Case::new(kind, [2 * d, 2 * h, 2 * w], &[channels], out);
        let grad = Plain::noise(5, out, case.out_size());
        let left: f64 = case.forward().iter().zip(&grad.values)
            .map(|((v, _), &g)| v * f64::from(g)).sum();
        let geometry = Geometry::forward(kind).transposed();
        let io = Channels { inputs: &[out], output: channels };
        let mut weights = vec![ChannelBlock::default(); pack::gather_len(&geometry, io)];
        pack::gather(&geometry, io, |o, i, k| case.weight(i, o, k), &mut weights);
        let (grad_shape, grad_data) = grad.blocked();
        let shape = Shape::new(case.inputs[0].size, channels);
        for door in Door::all() {
            let job = Gather {
                inputs: &[View::new(grad_shape, &grad_data)], geometry: &geometry,
                weights: &weights, out_shape: shape, write: Write::Add,
            };
            let mut got = vec![ChannelBlock::default(); shape.len()];
            for (z, slab) in got.chunks_mut(shape.slab_len()).enumerate() {
                gather::plane(door, &job, z, slab, &mut []);
            }
            let right: f64 = (0..channels * shape.voxels()).map(|i| {
                let [c, z, y, x] = split(i, shape.size);
                read(shape, &got, [c, z, y, x]) * case.inputs[0].at(c, [z, y, x].map(|i| i as isize))
            }).sum();
            prop_assert!((left - right).abs() < 1e-3 * (1.0 + left.abs()),
                "{kind:?} {}: {left} vs {right}", door.name());
        }
    }

    #[test]
    fn the_weight_gradient_is_the_derivative(
        kind in kinds(), d in 1_usize..3, h in 1_usize..5, w in 1_usize..10,
        first in 1_usize..18, second in 0_usize..6, out in 1_usize..18,
    ) {
        let channels: Vec<usize> = [first, second].into_iter().filter(|&n| n > 0).collect();
        let case = Case::new(kind, [2 * d, 2 * h, 2 * w], &channels, out);
        let grad = Plain::noise(5, out, case.out_size());
        let geometry = Geometry::forward(kind);
        let io = Channels { inputs: &channels, output: out };
        let tensors: Vec<_> = case.inputs.iter().map(Plain::blocked).collect();
        let inputs: Vec<View<'_>> = tensors.iter().map(|(s, data)| View::new(*s, data)).collect();
        let (grad_shape, grad_data) = grad.blocked();
        let job = WeightGrad {
            inputs: &inputs, out_grad: View::new(grad_shape, &grad_data), geometry: &geometry,
        };
        for door in Door::all() {
            let mut packed = vec![ChannelBlock::default(); pack::gather_len(&geometry, io)];
            let depth = grad_shape.size[0];
            weight_grad::planes(door, &job, 0..depth / 2, &mut packed);
            weight_grad::planes(door, &job, depth / 2..depth, &mut packed);
            let mut got = vec![0.0_f32; case.weights.len()];
            let n = first + second;
            pack::unpack_gradient(&geometry, io, &packed, |o, i, k, g| {
                got[(o * n + i) * kind.kernel_len() + k] += g;
            });
            // The convolution is linear in its weights: Σ_k g_k w_k = ⟨conv(x), y⟩.
            let left: f64 = case.forward().iter().zip(&grad.values)
                .map(|((v, _), &g)| v * f64::from(g)).sum();
            let right: f64 = got.iter().zip(&case.weights)
                .map(|(&g, &w)| f64::from(g) * f64::from(w)).sum();
            prop_assert!((left - right).abs() < 1e-3 * (1.0 + left.abs()),
                "{kind:?} {}: {left} vs {right}", door.name());
            // And one weight by itself.
            let (o, i, k) = (out - 1, n - 1, kind.kernel_len() / 2);
            let one = one_weight(&case, &grad, [o, i, k]);
            let at = (o * n + i) * kind.kernel_len() + k;
            let got_one = f64::from(got[at]);
            prop_assert!((got_one - one).abs() < 1e-4 * (1.0 + one.abs()), "{kind:?} {got_one} {one}");
            if kind == ConvKind::Same3 {
                let mut packed = vec![ChannelBlock::default(); winograd::weight_len(io)];
                let mut scratch = vec![ChannelBlock::default(); winograd_grad::SCRATCH_LEN];
                for range in [0..depth / 2, depth / 2..depth] {
                    winograd_grad::planes(door, &job, range, &mut packed, &mut scratch);
                }
                let mut second = vec![0.0_f32; case.weights.len()];
                winograd_grad::unpack_gradient(io, &packed, |o, i, k, g| {
                    second[(o * n + i) * 27 + k] += g;
                });
                for (a, b) in got.iter().zip(&second) {
                    prop_assert!((a - b).abs() < 2e-4 * (1.0 + a.abs()), "{}: {a} {b}", door.name());
                }
            }
        }
    }

    #[test]
    fn the_stem_agrees_with_the_blocked_convolution(
        d in 1_usize..4, h in 1_usize..6, w in 1_usize..20, out in 1_usize..20,
    ) {
        let case = Case::new(ConvKind::Same3, [d, h, w], &[1], out);
        let (in_shape, blocked) = case.inputs[0].blocked();
        let input: Vec<f32> = blocked.iter().map(|block| block.0[0]).collect();
        let view = ScalarView::new(in_shape, &input);
        let mut weights = vec![ChannelBlock::default(); stem::weight_len(out)];
        stem::pack_weights(out, |o, k| case.weight(o, 0, k), &mut weights);
        let shape = Shape::new([d, h, w], out);
        for door in Door::all() {
            let mut got = vec![ChannelBlock::default(); shape.len()];
            let mut stats = vec![ChannelStats::default(); shape.blocks];
            for (z, slab) in got.chunks_mut(shape.slab_len()).enumerate() {
                let write = (shape, Write::Set);
                stem::plane(door, (view, &weights), write, z, (slab, &mut stats));
            }
            check(&case, shape, &got, 28.0, door.name());
            let mut grad = vec![ChannelBlock::default(); stem::weight_len(out)];
            for (z, slab) in got.chunks(shape.slab_len()).enumerate() {
                stem::weight_grad_plane(door, view, (shape, slab), z, &mut grad);
            }
            // Fed its own output, Σ grad · weight = Σ out².
            let left: f64 = stats.iter().flat_map(|s| s.sum_of_squares).sum();
            let right: f64 = grad.iter().zip(&weights).flat_map(|(g, w)| {
                (0..LANES).map(move |l| f64::from(g.0[l]) * f64::from(w.0[l]))
            }).sum();
            prop_assert!((left - right).abs() < 1e-3 * (1.0 + left), "{left} vs {right}");
        }
    }

    #[test]
    fn activation_and_its_gradient_follow_the_formula(
        d in 1_usize..3, h in 1_usize..4, w in 1_usize..6, channels in 1_usize..20,
        slope in 0.0_f32..1.0,
    ) {
        let (shape, raw) = Plain::noise(1, channels, [d, h, w]).blocked();
        let (_, out_grad) = Plain::noise(2, channels, [d, h, w]).blocked();
        let block = |seed| ChannelBlock(noise(seed, LANES).try_into().unwrap());
        let maps: Vec<ChannelMap> = (0..shape.blocks as u64).map(|b| {
            ChannelMap { scale: block(b + 3), shift: block(b + 5), keep: ChannelBlock([1.25; LANES]) }
        }).collect();
        let grads: Vec<ChannelGrad> = (0..shape.blocks as u64).map(|b| {
            ChannelGrad { from_dz: block(b + 7), from_x: block(b + 8), constant: block(b + 9) }
        }).collect();
        let activation = Activation { maps: &maps, slope };
        for door in Door::all() {
            for z in 0..d {
                let other = (Some(View::new(shape, &out_grad)), z);
                let slab = z * shape.slab_len()..(z + 1) * shape.slab_len();
                let (raw, out_grad) = (&raw[slab.clone()], &out_grad[slab]);
                let mut out = vec![ChannelBlock::default(); shape.slab_len()];
                norm::forward(door, shape, activation, raw, other, &mut out);
                let mut sums = vec![ChannelStats::default(); shape.blocks];
                norm_grad::sums(door, shape, activation, (raw, out_grad), &mut sums);
                let mut back = raw.to_vec();
                norm_grad::over_raw(door, shape, (activation, &grads), out_grad, &mut back);
                let mut in_place = raw.to_vec();
                norm::forward_in_place(door, shape, activation, other, &mut in_place);
                prop_assert!(in_place == out, "in place differs through {}", door.name());
                let mut dz_sums = [0.0; 2];
                for v in 0..h * w {
                    let at = shape.offset_in_slab(0, v / w, v % w);
                    let (x, g) = (f64::from(raw[at].0[0]), f64::from(out_grad[at].0[0]));
                    let zed = x * f64::from(maps[0].scale.0[0]) + f64::from(maps[0].shift.0[0]);
                    let slope = f64::from(slope);
                    let expected = 1.25 * zed.max(slope * zed) + g;
                    prop_assert!((f64::from(out[at].0[0]) - expected).abs() < 1e-5);
                    let dz = 1.25 * g * if zed > 0.0 { 1.0 } else { slope };
                    dz_sums[0] += dz;
                    dz_sums[1] += dz * x;
                    let expected = dz * f64::from(grads[0].from_dz.0[0])
                        + x * f64::from(grads[0].from_x.0[0]) + f64::from(grads[0].constant.0[0]);
                    prop_assert!((f64::from(back[at].0[0]) - expected).abs() < 1e-5);
                }
                prop_assert!((sums[0].sum[0] - dz_sums[0]).abs() < 1e-4);
                prop_assert!((sums[0].sum_of_squares[0] - dz_sums[1]).abs() < 1e-4);
            }
        }
    }
}

fn one_weight(case: &Case, grad: &Plain, [o, i, k]: [usize; 3]) -> f64 {
    let size = case.out_size();
    let mut sum = 0.0;
    for v in 0..size.iter().product::<usize>() {
        let [_, z, y, x] = split(v, size);
        if let Some(at) = met(case.kind, [z, y, x], k, case.inputs[0].size) {
            sum += case.input(i, at) * grad.at(o, [z, y, x].map(|i| i as isize));
        }
    }
    sum
}
