//! Max pooling without overlap, forward and backward.
//!
//! A tensor may come with an [`Activation`](crate::norm::Activation) that has not been applied yet: it
//! is applied as values are read, with the same roundings both ways, so that the way back finds the
//! maximum by comparing.

use crate::element::Element;
use crate::geometry::PoolKind;
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, LANES, Shape, View, Write};
use crate::store::store;

/// Most voxels of a window.
const MOST_VOXELS: usize = 8;

/// Plane `z` of the maximum, into `out`, its slab of the output.
///
/// # Panics
///
/// Where a length does not fit.
pub fn max_plane<E: Element>(
    door: Door,
    kind: PoolKind,
    input: View<'_, E>,
    (shape, z): (Shape, usize),
    out: &mut [E],
) {
    check(kind, &input, shape, z);
    assert_eq!(out.len(), shape.slab_len(), "max pool: not a slab");
    door.run(Max { windows: Windows { kind, input, z }, shape, out });
}

/// Leaves the gradient of [`max_plane`] in `grad`, the slabs of the input that plane `z` reads: each
/// goes to the first voxel that has the maximum.
///
/// # Panics
///
/// Where a length does not fit.
pub fn max_grad_plane(
    door: Door,
    kind: PoolKind,
    input: View<'_>,
    (out_grad, z): (View<'_>, usize),
    (grad, write): (&mut [ChannelBlock], Write),
) {
    check(kind, &input, out_grad.shape, z);
    let planes = kind.window()[0];
    let own = planes.min(input.shape.size[0] - planes * z);
    assert_eq!(grad.len(), own * input.shape.slab_len(), "max pool: not the window's slabs");
    door.run(MaxGrad { windows: Windows { kind, input, z }, out_grad, grad, write });
}

fn check<E>(kind: PoolKind, input: &View<'_, E>, shape: Shape, z: usize) {
    assert_eq!(shape.size, kind.out_size(input.shape.size), "max pool: sizes");
    assert_eq!(shape.blocks, input.shape.blocks, "max pool: channels");
    assert!(z < shape.size[0], "max pool: no such plane");
}

/// The windows of one output plane.
struct Windows<'a, E> {
    kind: PoolKind,
    input: View<'a, E>,
    z: usize,
}

impl<E> Windows<'_, E> {
    /// The voxels of the window of output voxel `[y, x]`, with their places from the first slab on.
    #[inline(always)]
    fn places(&self, block: usize, [y, x]: [usize; 2]) -> ([usize; MOST_VOXELS], usize) {
        let [depth, height, width] = self.input.shape.size;
        let planes = self.kind.window()[0];
        let (mut places, mut count) = ([0; MOST_VOXELS], 0);
        for plane in 0..planes.min(depth - planes * self.z) {
            for row in 2 * y..height.min(2 * y + 2) {
                for column in 2 * x..width.min(2 * x + 2) {
                    let shape = self.input.shape;
                    places[count] =
                        plane * shape.slab_len() + shape.offset_in_slab(block, row, column);
                    count += 1;
                }
            }
        }
        (places, count)
    }

    /// The elements from the first slab on.
    #[inline(always)]
    fn elements(&self) -> &[E] {
        &self.input.data[self.kind.window()[0] * self.z * self.input.shape.slab_len()..]
    }
}

struct Max<'a, E> {
    windows: Windows<'a, E>,
    shape: Shape,
    out: &'a mut [E],
}

impl<E: Element> Kernel for Max<'_, E> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let [_, height, width] = self.shape.size;
        let elements = self.windows.elements();
        for block in 0..self.shape.blocks {
            let activation = Loaded::new(isa, &self.windows.input, block);
            for y in 0..height {
                for x in 0..width {
                    let (places, count) = self.windows.places(block, [y, x]);
                    let mut largest = activation.value(isa, &elements[places[0]]);
                    for &place in &places[1..count] {
                        largest = isa.max(largest, activation.value(isa, &elements[place]));
                    }
                    self.out[self.shape.offset_in_slab(block, y, x)].store(isa, largest);
                }
            }
        }
    }
}

struct MaxGrad<'a> {
    windows: Windows<'a, ChannelBlock>,
    out_grad: View<'a>,
    grad: &'a mut [ChannelBlock],
    write: Write,
}

impl Kernel for MaxGrad<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let shape = self.out_grad.shape;
        let elements = self.windows.elements();
        for block in 0..shape.blocks {
            let activation = Loaded::new(isa, &self.windows.input, block);
            let grads = self.out_grad.plane(self.windows.z, block);
            for y in 0..shape.size[1] {
                for x in 0..shape.size[2] {
                    let (places, count) = self.windows.places(block, [y, x]);
                    let mut values = [ChannelBlock::default(); MOST_VOXELS];
                    for (value, &place) in values.iter_mut().zip(&places[..count]) {
                        isa.store(activation.value(isa, &elements[place]), value);
                    }
                    let mut rest = grads[shape.offset_in_slab(0, y, x)];
                    let largest = largest(&values[..count]);
                    for (value, &place) in values.iter().zip(&places[..count]) {
                        let share = take(&mut rest, value, &largest);
                        store(isa, self.write, isa.load(&share), &mut self.grad[place]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn largest(values: &[ChannelBlock]) -> ChannelBlock {
    let mut largest = values[0];
    for value in &values[1..] {
        for lane in 0..LANES {
            let (a, b) = (largest.0[lane], value.0[lane]);
            largest.0[lane] = if b > a { b } else { a };
        }
    }
    largest
}

/// What of a gradient goes to a voxel: all that is left where it has the maximum.
#[inline(always)]
fn take(rest: &mut ChannelBlock, value: &ChannelBlock, largest: &ChannelBlock) -> ChannelBlock {
    let mut share = ChannelBlock::default();
    for lane in 0..LANES {
        let is_largest = value.0[lane] == largest.0[lane];
        share.0[lane] = if is_largest { rest.0[lane] } else { 0.0 };
        rest.0[lane] = if is_largest { 0.0 } else { rest.0[lane] };
    }
    share
}

/// The activation of one block, in registers.
#[derive(Clone, Copy)]
struct Loaded<I: Isa> {
    scale: I::V,
    shift: I::V,
    slope: I::V,
}

impl<I: Isa> Loaded<I> {
    #[inline(always)]
    fn new(isa: I, input: &View<'_, impl Element>, block: usize) -> Self {
        let (map, slope) = input.activation_of(block);
        let (scale, shift) = map.load(isa);
        Self { scale, shift, slope: isa.splat(slope) }
    }

    #[inline(always)]
    fn value(&self, isa: I, raw: &impl Element) -> I::V {
        let value = isa.mul_add(raw.load(isa), self.scale, self.shift);
        isa.max(value, isa.mul(value, self.slope))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::norm::{Activation, ChannelMap};
    use crate::reference::{Plain, halo_is_zero, noise, read, split};

    const SLOPE: f32 = 0.25;

    /// Activated value of a voxel, in `f64`.
    fn activated(plain: &Plain, maps: &[ChannelMap], c: usize, at: [usize; 3]) -> f64 {
        let map = &maps[c / LANES];
        let [scale, shift] = [map.scale, map.shift].map(|part| f64::from(part.0[c % LANES]));
        let z = plain.at(c, at.map(|i| i as isize)) * scale + shift;
        z.max(f64::from(SLOPE) * z)
    }

    /// The voxels of a window, in the plainest words.
    fn window(kind: PoolKind, size: [usize; 3], o: [usize; 3]) -> Vec<[usize; 3]> {
        let [depth, height, width] = kind.window();
        let mut voxels = Vec::new();
        for i in 0..depth * height * width {
            let [_, z, y, x] = split(i, [depth, height, width]);
            let at = [depth * o[0] + z, height * o[1] + y, width * o[2] + x];
            if at.iter().zip(size).all(|(&i, n)| i < n) {
                voxels.push(at);
            }
        }
        voxels
    }

    fn maps(blocks: usize) -> Vec<ChannelMap> {
        let block = |seed| ChannelBlock(noise(seed, LANES).try_into().unwrap());
        let keep = ChannelBlock([1.0; LANES]);
        (0..blocks as u64)
            .map(|b| ChannelMap { scale: block(b + 10), shift: block(b + 20), keep })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The activation takes three roundings; the maximum none.
        #[test]
        fn every_door_takes_the_maximum_and_hands_its_gradient_to_one_voxel_that_has_it(
            d in 1_usize..6, h in 1_usize..8, w in 1_usize..9, channels in 1_usize..20,
            is_plane in prop::bool::ANY, before in -1.0_f32..1.0,
        ) {
            let kind = if is_plane { PoolKind::PlaneTwo } else { PoolKind::Two };
            let plain = Plain::noise(1, channels, [d, h, w]);
            let (shape, data) = plain.blocked();
            let maps = maps(shape.blocks);
            let input =
                View::new(shape, &data).activated(Activation { maps: &maps, slope: SLOPE });
            let out_shape = Shape::new(kind.out_size([d, h, w]), channels);
            let out_grad = Plain::noise(7, channels, out_shape.size);
            let (_, grads) = out_grad.blocked();
            let grads = View::new(out_shape, &grads);
            let own = kind.window()[0] * shape.slab_len();
            for door in Door::all() {
                let mut out = vec![ChannelBlock::default(); out_shape.len()];
                for (z, slab) in out.chunks_mut(out_shape.slab_len()).enumerate() {
                    max_plane(door, kind, input, (out_shape, z), slab);
                }
                prop_assert!(halo_is_zero(out_shape, &out), "halo of {}", door.name());
                for write in [Write::Set, Write::Add] {
                    // What stood there before counts only where it is added to.
                    let start = Plain { channels, size: [d, h, w],
                        values: vec![before; channels * d * h * w] };
                    let (_, mut grad) = start.blocked();
                    for (z, slabs) in grad.chunks_mut(own).enumerate() {
                        max_grad_plane(door, kind, input, (grads, z), (slabs, write));
                    }
                    let start = if write == Write::Add { f64::from(before) } else { 0.0 };
                    for index in 0..channels * out_shape.voxels() {
                        let [c, z, y, x] = split(index, out_shape.size);
                        let voxels = window(kind, [d, h, w], [z, y, x]);
                        let values: Vec<f64> =
                            voxels.iter().map(|&at| activated(&plain, &maps, c, at)).collect();
                        let wanted = values.iter().copied().fold(f64::MIN, f64::max);
                        let found = read(out_shape, &out, [c, z, y, x]);
                        let most = 3.0 * f64::from(f32::EPSILON) * 2.0;
                        prop_assert!((found - wanted).abs() <= most, "{} {found} {wanted}",
                            door.name());
                        let share = f64::from(out_grad.values[index]);
                        let mut holders = 0;
                        for (&[z, y, x], value) in voxels.iter().zip(&values) {
                            let got = read(shape, &grad, [c, z, y, x]) - start;
                            let is_holder = (got - share).abs() < 1e-6;
                            prop_assert!(is_holder || got.abs() < 1e-6, "{got} of {share}");
                            if is_holder && share.abs() > 1e-5 {
                                prop_assert!(*value >= wanted - 2.0 * most);
                                holders += 1;
                            }
                        }
                        prop_assert!(share.abs() <= 1e-5 || holders == 1, "{holders} holders");
                    }
                    prop_assert!(halo_is_zero(shape, &grad), "halo of {}", door.name());
                }
            }
        }
    }

    /// Where several voxels have the maximum, as the zeros of `ReLU` do, the first gets it all.
    #[test]
    fn the_first_of_equals_gets_the_gradient() {
        let shape = Shape::new([1, 2, 2], 1);
        let data = vec![ChannelBlock::default(); shape.len()];
        let out_shape = Shape::new([1, 1, 1], 1);
        let mut out_grad = vec![ChannelBlock::default(); out_shape.len()];
        out_grad[out_shape.offset_in_slab(0, 0, 0)].0[0] = 3.0;
        for door in Door::all() {
            let mut grad = vec![ChannelBlock::default(); shape.len()];
            let grads = (View::new(out_shape, &out_grad), 0);
            let input = View::new(shape, &data);
            max_grad_plane(door, PoolKind::PlaneTwo, input, grads, (&mut grad, Write::Set));

            let found = [[0, 0], [0, 1], [1, 0], [1, 1]]
                .map(|[y, x]| grad[shape.offset_in_slab(0, y, x)].0[0]);
            assert_eq!(found, [3.0, 0.0, 0.0, 0.0], "{}", door.name());
        }
    }
}
