//! Fast convolutions through every door against the definition in `f64`.

use proptest::prelude::*;

use super::axis::{Alone, Axis, Down, MOST_POINTS, Same, Split, Up, UpTwo};
use super::{Fast, layer, layer_planes, pack_weights, scratch_len, weight_len};
use crate::Door;
use crate::element::Element;
use crate::element::tests::converted;
use crate::geometry::ConvKind;
use crate::isa::Portable;
use crate::layout::{ChannelBlock, ChannelStats, HalfBlock, LANES, Shape, View, Write};
use crate::norm::{Activation, ChannelMap};
use crate::pack::Channels;
use crate::reference::{Case, Plain, halo_is_zero, noise, read, split};

/// `|Bᵀ|` or `|Aᵀ|`: what each input of a transform adds to each output.
fn magnitudes(
    inputs: usize,
    transform: impl Fn([[f32; LANES]; MOST_POINTS]) -> Vec<[f32; LANES]>,
) -> Vec<Vec<f64>> {
    let columns = (0..inputs).map(|i| {
        let mut unit = [[0.0; LANES]; MOST_POINTS];
        unit[i] = [1.0; LANES];
        transform(unit).iter().map(|value| f64::from(value[0]).abs()).collect()
    });
    columns.collect()
}

/// The algorithm on magnitudes: `Σ |Aᵀ| (|G| |w| ⊙ |Bᵀ| |x|)` of each output, `|x|` as given.
struct Bound {
    inputs: [Vec<Vec<f64>>; 3],
    outputs: [Vec<Vec<f64>>; 3],
    weights: [Vec<[f64; 3]>; 3],
    first: [isize; 3],
    step: [usize; 3],
}

impl Bound {
    fn of(kind: ConvKind) -> Self {
        match kind {
            ConvKind::Plane3 => Self::new::<Alone, Same>(),
            ConvKind::Down3 => Self::new::<Down<-1>, Down<-1>>(),
            ConvKind::Down3TfSame => Self::new::<Down<0>, Down<0>>(),
            ConvKind::Up3 => Self::new::<Up, Up>(),
            ConvKind::Pointwise => Self::new::<Alone, Alone>(),
            ConvKind::Transposed2 => Self::new::<Split, Split>(),
            ConvKind::PlaneTransposed2 => Self::new::<Alone, Split>(),
            ConvKind::PlaneUp2 => Self::new::<Alone, UpTwo>(),
            ConvKind::Same3 => Self::new::<Same, Same>(),
        }
    }

    fn new<Z: Axis, P: Axis>() -> Self {
        fn inputs<A: Axis>() -> Vec<Vec<f64>> {
            magnitudes(A::INPUTS, |x| A::input(Portable, x)[..A::POINTS].to_vec())
        }
        fn outputs<A: Axis>() -> Vec<Vec<f64>> {
            magnitudes(A::POINTS, |m| A::output(Portable, m)[..A::OUTPUTS].to_vec())
        }
        fn weights<A: Axis>() -> Vec<[f64; 3]> {
            A::WEIGHTS[..A::POINTS].to_vec()
        }
        Self {
            inputs: [inputs::<Z>(), inputs::<P>(), inputs::<P>()],
            outputs: [outputs::<Z>(), outputs::<P>(), outputs::<P>()],
            weights: [weights::<Z>(), weights::<P>(), weights::<P>()],
            first: [Z::FIRST, P::FIRST, P::FIRST],
            step: [Z::INPUT_STEP, P::INPUT_STEP, P::INPUT_STEP],
        }
    }

    fn at(&self, case: &Case, [o, z, y, x]: [usize; 4], magnitude: &Plain) -> f64 {
        let outputs = self.outputs.each_ref().map(|columns| columns[0].len());
        let at = [z, y, x];
        let tile: [usize; 3] = std::array::from_fn(|axis| at[axis] / outputs[axis]);
        let taps = case.kind.kernel_size();
        let points = self.weights.each_ref().map(Vec::len);
        let mut total = 0.0;
        for point in 0..points.iter().product() {
            let [_, pz, py, px] = split(point, points);
            let p = [pz, py, px];
            let back: f64 = (0..3).map(|a| self.outputs[a][p[a]][at[a] % outputs[a]]).product();
            if back == 0.0 {
                continue;
            }
            for channel in 0..magnitude.channels {
                let mut weight = 0.0;
                for tap in 0..taps.iter().product() {
                    let [_, kz, ky, kx] = split(tap, taps);
                    let k = [kz, ky, kx];
                    let g: f64 = (0..3).map(|a| self.weights[a][p[a]][k[a]].abs()).product();
                    weight += g * f64::from(case.weight(o, channel, tap)).abs();
                }
                let counts = self.inputs.each_ref().map(Vec::len);
                let mut input = 0.0;
                for i in 0..counts.iter().product() {
                    let [_, z, y, x] = split(i, counts);
                    let i = [z, y, x];
                    let from: [isize; 3] = std::array::from_fn(|a| {
                        (tile[a] * self.step[a] + i[a]) as isize + self.first[a]
                    });
                    let b: f64 = (0..3).map(|a| self.inputs[a][i[a]][p[a]]).product();
                    input += b * magnitude.at(channel, from);
                }
                total += back * weight * input;
            }
        }
        total
    }
}

/// A case whose inputs come with an activation still to be applied.
struct Pending {
    raw: Vec<Plain>,
    maps: Vec<Vec<ChannelMap>>,
    slope: f32,
    /// What the definition works on: the activated inputs.
    case: Case,
    /// All channels' `|scale · x| + |shift|`.
    magnitude: Plain,
}

fn pending(kind: ConvKind, size: [usize; 3], channels: &[usize], out: usize) -> Pending {
    let mut case = Case::new(kind, size, channels, out);
    let slope = 0.25;
    let (mut raw, mut maps, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for (i, plain) in case.inputs.iter_mut().enumerate() {
        let block = |seed| ChannelBlock(noise(seed, LANES).try_into().unwrap());
        let own: Vec<ChannelMap> = (0..plain.channels.div_ceil(LANES) as u64)
            .map(|b| ChannelMap {
                scale: block(10 * i as u64 + b),
                shift: block(100 + 10 * i as u64 + b),
                keep: ChannelBlock([1.0; LANES]),
            })
            .collect();
        raw.push(plain.clone());
        let voxels: usize = size.iter().product();
        for (at, value) in plain.values.iter_mut().enumerate() {
            let c = at / voxels;
            let (scale, shift) =
                (own[c / LANES].scale.0[c % LANES], own[c / LANES].shift.0[c % LANES]);
            all.push((*value * scale).abs() + shift.abs());
            let z = value.mul_add(scale, shift);
            *value = z.max(slope * z);
        }
        maps.push(own);
    }
    let magnitude = Plain { channels: channels.iter().sum(), size, values: all };
    Pending { raw, maps, slope, case, magnitude }
}

impl Pending {
    fn run<E: Element>(&self, door: Door, write: Write, shape: Shape) -> (Vec<E>, ChannelStats) {
        let kind = self.case.kind;
        let in_channels = self.case.in_channels();
        let channels = Channels { inputs: &in_channels, output: self.case.out_channels };
        let mut weights = vec![ChannelBlock::default(); weight_len(kind, channels)];
        pack_weights(kind, channels, |o, i, k| self.case.weight(o, i, k), &mut weights);
        let blocked = |plain: &Plain| {
            let (shape, data) = plain.blocked();
            (shape, converted::<_, E>(&data))
        };
        let tensors: Vec<_> = self.raw.iter().map(blocked).collect();
        let inputs: Vec<View<'_, E>> = tensors
            .iter()
            .zip(&self.maps)
            .map(|((shape, data), maps)| {
                View::new(*shape, data).activated(Activation { maps, slope: self.slope })
            })
            .collect();
        let job =
            Fast { walk: kind.into(), inputs: &inputs, weights: &weights, out_shape: shape, write };
        // What scratch holds must not matter, not even where it is no number.
        let nothing = ChannelBlock([f32::NAN; LANES]);
        let mut scratch =
            vec![nothing; scratch_len(kind, channels.in_blocks(), channels.out_blocks())];
        let mut out = vec![E::default(); shape.len()];
        let mut stats = vec![ChannelStats::default(); shape.blocks];
        let planes = layer_planes(kind);
        for (i, slabs) in out.chunks_mut(planes * shape.slab_len()).enumerate() {
            layer(door, &job, i, (slabs, &mut stats), &mut scratch);
        }
        (out, stats[0])
    }
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_door_stays_within_the_bound(
        kind in kinds(), d in 1_usize..7, h in 1_usize..9, w in 1_usize..22,
        first in 1_usize..18, second in 0_usize..6, out in 1_usize..18,
    ) {
        let even = |n: usize| if matches!(kind, ConvKind::Down3TfSame) { n.next_multiple_of(2) } else { n };
        let channels: Vec<usize> = [first, second].into_iter().filter(|&n| n > 0).collect();
        let test = pending(kind, [even(d), even(h), even(w)], &channels, out);
        let exact = test.case.forward();
        let bound = Bound::of(kind);
        let shape = Shape::new(test.case.out_size(), out);
        // Roundings on the way of a value: activation 3, each transform at most 4 along each of
        // three axes, weight and product 2, and the sum over channels.
        let roundings = (first + second + 29) as f64;
        for door in Door::all() {
            let (got, stats) = test.run::<ChannelBlock>(door, Write::Set, shape);
            let mut sums = [0.0; 2];
            for (index, &(wanted, _)) in exact.iter().enumerate() {
                let at = split(index, shape.size);
                let value = read(shape, &got, at);
                if at[0] == 0 {
                    sums[0] += value;
                    sums[1] += value * value;
                }
                // Some outputs: the bound costs more than the kernel.
                if index % 23 == 0 {
                    let most = bound.at(&test.case, at, &test.magnitude);
                    let most = roundings * f64::from(f32::EPSILON) * most + 1e-30;
                    prop_assert!((value - wanted).abs() <= most,
                        "{} {kind:?} {at:?}: {value} for {wanted}, bound {most}", door.name());
                }
            }
            prop_assert!(halo_is_zero(shape, &got), "halo of {}", door.name());
            prop_assert!((stats.sum[0] - sums[0]).abs() < 1e-4 * (1.0 + sums[1]));
            prop_assert!((stats.sum_of_squares[0] - sums[1]).abs() < 1e-5 * (1.0 + sums[1]));
            for write in [Write::Stream, Write::Add] {
                let (again, _) = test.run(door, write, shape);
                prop_assert!(got == again, "{write:?} gives other bits through {}", door.name());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// So its error is that of the full width and of one rounding: at most 2⁻⁸ of the value more.
    #[test]
    fn half_the_width_is_the_full_width_rounded_and_sums_are_the_same(
        kind in kinds(), d in 1_usize..6, h in 1_usize..7, w in 1_usize..20,
        first in 1_usize..35, second in 0_usize..6, out in 1_usize..18,
    ) {
        let even = |n: usize| if matches!(kind, ConvKind::Down3TfSame) { n.next_multiple_of(2) } else { n };
        let channels: Vec<usize> = [first, second].into_iter().filter(|&n| n > 0).collect();
        let mut test = pending(kind, [even(d), even(h), even(w)], &channels, out);
        for value in test.raw.iter_mut().flat_map(|plain| &mut plain.values) {
            *value = half::bf16::from_f32(*value).to_f32();
        }
        let shape = Shape::new(test.case.out_size(), out);
        for door in Door::all() {
            let (full, sums) = test.run::<ChannelBlock>(door, Write::Set, shape);
            for write in [Write::Set, Write::Stream, Write::Add] {
                let (half, of_half) = test.run::<HalfBlock>(door, write, shape);
                prop_assert!(half == converted(&full), "{kind:?} {write:?} {}", door.name());
                prop_assert_eq!(of_half, sums, "{}", door.name());
            }
        }
    }
}

/// The bound is a worst case; this is what noise gives, as the module says.
#[test]
fn errors_of_noise_are_as_small_as_the_documentation_says() {
    for (kind, most) in [(ConvKind::Same3, 2e-6), (ConvKind::Down3, 2e-7), (ConvKind::Up3, 2e-7)] {
        let case = pending(kind, [8, 12, 16], &[32], 16);
        let exact = case.case.forward();
        let shape = Shape::new(case.case.out_size(), 16);
        for door in Door::all() {
            let (got, _) = case.run(door, Write::Set, shape);
            let (mut errors, mut values) = (0.0, 0.0);
            for (index, (wanted, _)) in exact.iter().enumerate() {
                errors += (read(shape, &got, split(index, shape.size)) - wanted).powi(2);
                values += wanted * wanted;
            }
            let error = (errors / values).sqrt();
            assert!(error < most, "{kind:?} through {}: {error:e}", door.name());
        }
    }
}
