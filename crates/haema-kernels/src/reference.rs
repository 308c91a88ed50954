//! Slow, obvious and wide: what every kernel and every door is held to.

use proptest::prelude::*;

use crate::Door;
use crate::geometry::ConvKind;
use crate::layout::{ChannelBlock, ChannelStats, LANES, Shape, View, Write};
use crate::norm::{self, Activation, ChannelMap};
use crate::norm_grad::{self, ChannelGrad};
use crate::stem::{self, ScalarView};

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
    match kind {
        ConvKind::Transposed2 => {
            let own = [k / 4, k / 2 % 2, k % 2];
            return (o.map(|o| o % 2) == own).then(|| o.map(|o| (o / 2) as isize));
        }
        ConvKind::PlaneTransposed2 => {
            let [z, y, x] = o;
            return ([y % 2, x % 2] == [k / 2, k % 2]).then_some([
                z as isize,
                (y / 2) as isize,
                (x / 2) as isize,
            ]);
        }
        ConvKind::PlaneUp2 => {
            let [z, y, x] = [o[0], o[1] + k / 2, o[2] + k % 2];
            return (y < 2 * in_size[1] && x < 2 * in_size[2]).then_some([
                z as isize,
                (y / 2) as isize,
                (x / 2) as isize,
            ]);
        }
        _ => {}
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
            ConvKind::Transposed2 | ConvKind::PlaneTransposed2 | ConvKind::PlaneUp2 => {
                unreachable!("answered above")
            }
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_stem_agrees_with_the_blocked_convolution(
        d in 1_usize..4, h in 1_usize..6, w in 1_usize..20, out in 1_usize..20,
        is_plane in prop::bool::ANY,
    ) {
        let kind = if is_plane { ConvKind::Plane3 } else { ConvKind::Same3 };
        let case = Case::new(kind, [d, h, w], &[1], out);
        let (in_shape, blocked) = case.inputs[0].blocked();
        let input: Vec<f32> = blocked.iter().map(|block| block.0[0]).collect();
        let view = ScalarView::new(in_shape, &input);
        let mut weights = vec![ChannelBlock::default(); stem::weight_len(kind, out)];
        stem::pack_weights(kind, out, |o, k| case.weight(o, 0, k), &mut weights);
        let shape = Shape::new([d, h, w], out);
        for door in Door::all() {
            let mut got = vec![ChannelBlock::default(); shape.len()];
            let mut stats = vec![ChannelStats::default(); shape.blocks];
            for (z, slab) in got.chunks_mut(shape.slab_len()).enumerate() {
                let write = (shape, Write::Set);
                stem::plane(door, kind, (view, &weights), write, z, (slab, &mut stats));
            }
            check(&case, shape, &got, 28.0, door.name());
            let mut grad = vec![ChannelBlock::default(); stem::weight_len(kind, out)];
            for (z, slab) in got.chunks(shape.slab_len()).enumerate() {
                stem::weight_grad_plane(door, kind, view, (shape, slab), z, &mut grad);
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
