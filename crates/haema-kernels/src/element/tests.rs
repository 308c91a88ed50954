//! Kernels on elements of half the width against the same on the same values in full: what they
//! leave is that, rounded.

use proptest::prelude::*;

use super::*;
use crate::Door;
use crate::geometry::{ConvKind, PoolKind};
use crate::isa::Portable;
use crate::layout::{ChannelStats, LANES, Shape, View, Write};
use crate::logits::{self, Logits};
use crate::norm::{self, Activation, ChannelMap};
use crate::reference::{Plain, noise};
use crate::{pool, resize, stem};

/// The same values in another width; to half of it, rounded.
pub(crate) fn converted<A: Element, B: Element>(elements: &[A]) -> Vec<B> {
    let convert = |element: &A| {
        let mut into = B::default();
        into.store(Portable, element.load(Portable));
        into
    };
    elements.iter().map(convert).collect()
}

/// A tensor in both widths, of values that both can hold.
struct Both {
    shape: Shape,
    full: Vec<ChannelBlock>,
    half: Vec<HalfBlock>,
}

impl Both {
    fn noise(seed: u64, channels: usize, size: [usize; 3]) -> Self {
        let (shape, wide) = Plain::noise(seed, channels, size).blocked();
        let half: Vec<HalfBlock> = converted(&wide);
        Self { shape, full: converted(&half), half }
    }

    fn views(&self) -> (View<'_>, View<'_, HalfBlock>) {
        (View::new(self.shape, &self.full), View::new(self.shape, &self.half))
    }

    fn slab(&self, z: usize) -> (Vec<ChannelBlock>, Vec<HalfBlock>) {
        let own = z * self.shape.slab_len()..(z + 1) * self.shape.slab_len();
        (self.full[own.clone()].to_vec(), self.half[own].to_vec())
    }
}

/// Slabs to write, of a shape.
fn slabs(shape: Shape) -> (Vec<ChannelBlock>, Vec<HalfBlock>) {
    let len = shape.slab_len();
    (vec![ChannelBlock::default(); len], vec![HalfBlock::default(); len])
}

fn maps(seed: u64, blocks: usize) -> Vec<ChannelMap> {
    let block = |seed| ChannelBlock(noise(seed, LANES).try_into().unwrap());
    let keep = ChannelBlock([1.0; LANES]);
    let map = |b| ChannelMap { scale: block(seed + b), shift: block(seed + 100 + b), keep };
    (0..blocks as u64).map(map).collect()
}

#[test]
fn two_elements_of_half_the_width_take_the_room_of_one() {
    assert_eq!(2 * size_of::<HalfBlock>(), size_of::<ChannelBlock>());
}

proptest! {
    #[test]
    fn rounding_changes_a_value_by_at_most_its_share(value in prop::num::f32::NORMAL) {
        prop_assume!(value.abs() < 3e38);
        let rounded: Vec<HalfBlock> = converted(&[ChannelBlock([value; LANES])]);
        let got = rounded[0].load(Portable)[0];

        prop_assert!((got - value).abs() <= value.abs() / 256.0, "{got} for {value}");
    }

    #[test]
    fn a_first_convolution_is_rounded_and_its_sums_are_not(
        d in 1_usize..4, h in 1_usize..6, w in 1_usize..22, channels in 1_usize..20,
    ) {
        let shape = Shape::new([d, h, w], channels);
        let mut weights =
            vec![ChannelBlock::default(); stem::weight_len(ConvKind::Same3, channels)];
        let taps = noise(5, 27 * channels);
        let weight = |o: usize, k: usize| taps[27 * o + k];
        stem::pack_weights(ConvKind::Same3, channels, weight, &mut weights);
        let plane = Shape { size: [d, h, w], blocks: 1 };
        let data = noise(6, d * plane.plane_len());
        let input = stem::ScalarView::new(plane, &data);
        for door in Door::all() {
            for z in 0..d {
                let (mut full, mut half) = slabs(shape);
                let mut stats = vec![[ChannelStats::default(); 2]; shape.blocks].concat();
                let (of_full, of_half) = stats.split_at_mut(shape.blocks);
                let job = (input, &*weights);
                let write = (shape, Write::Stream);
                stem::plane(door, ConvKind::Same3, job, write, z, (&mut full, of_full));
                stem::plane(door, ConvKind::Same3, job, write, z, (&mut half, of_half));
                prop_assert_eq!(&half, &converted(&full), "{}", door.name());
                prop_assert_eq!(of_full, of_half);
            }
        }
    }

    #[test]
    fn a_normalised_sum_is_rounded_once(
        h in 1_usize..6, w in 1_usize..9, channels in 1_usize..20, slope in 0.0_f32..1.0,
    ) {
        let (raw, residual) = (Both::noise(1, channels, [2, h, w]), Both::noise(2, channels, [2, h, w]));
        let (own, other) = (maps(10, raw.shape.blocks), maps(30, raw.shape.blocks));
        let (activation, pending) =
            (Activation { maps: &own, slope }, Activation { maps: &other, slope });
        for door in Door::all() {
            let (mut full, mut half) = raw.slab(1);
            let (in_full, in_half) = residual.views();
            let (in_full, in_half) = (in_full.activated(pending), in_half.activated(pending));
            norm::forward_in_place(door, raw.shape, activation, (Some(in_full), 1), &mut full);
            norm::forward_in_place(door, raw.shape, activation, (Some(in_half), 1), &mut half);
            prop_assert_eq!(&half, &converted(&full), "{}", door.name());
        }
    }

    #[test]
    fn a_sum_over_channels_is_the_same_number(
        h in 1_usize..5, w in 1_usize..9, channels in 1_usize..40,
    ) {
        let tensor = Both::noise(3, channels, [1, h, w]);
        let own = maps(10, tensor.shape.blocks);
        let activation = Activation { maps: &own, slope: 0.25 };
        let weights: Vec<ChannelBlock> =
            maps(50, tensor.shape.blocks).iter().map(|map| map.scale).collect();
        for door in Door::all() {
            let (full, half) = tensor.views();
            let (mut of_full, mut of_half) = (vec![f32::NAN; h * w], vec![f32::NAN; h * w]);
            let job = Logits { input: full.activated(activation), weights: &weights, bias: 0.5 };
            logits::plane(door, &job, 0, &mut of_full);
            let job = Logits { input: half.activated(activation), weights: &weights, bias: 0.5 };
            logits::plane(door, &job, 0, &mut of_half);
            prop_assert_eq!(of_full, of_half, "{}", door.name());
        }
    }

    #[test]
    fn pools_and_finer_grids_are_rounded(
        d in 1_usize..4, h in 1_usize..6, w in 1_usize..7, channels in 1_usize..20,
    ) {
        let tensor = Both::noise(4, channels, [d, h, w]);
        let own = maps(10, tensor.shape.blocks);
        let activation = Activation { maps: &own, slope: 0.25 };
        let (full, half) = tensor.views();
        for kind in [PoolKind::Two, PoolKind::PlaneTwo] {
            let shape = Shape::new(kind.out_size([d, h, w]), channels);
            for door in Door::all() {
                let (mut of_full, mut of_half) = slabs(shape);
                let last = (shape, shape.size[0] - 1);
                pool::max_plane(door, kind, full.activated(activation), last, &mut of_full);
                pool::max_plane(door, kind, half.activated(activation), last, &mut of_half);
                prop_assert_eq!(&of_half, &converted(&of_full), "{}", door.name());
            }
        }
        let fine = Shape::new([2 * d, 2 * h, 2 * w], channels);
        let (mut of_full, mut of_half) = slabs(fine);
        resize::trilinear_plane(full, fine, 2 * d - 1, &mut of_full);
        resize::trilinear_plane(half, fine, 2 * d - 1, &mut of_half);
        prop_assert_eq!(&of_half, &converted(&of_full));
    }
}
