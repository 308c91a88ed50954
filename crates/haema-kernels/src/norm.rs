//! What follows a convolution: normalisation, activation, dropout, residual sum.
//!
//! Statistics come from the convolution itself ([`crate::ChannelStats`]); here each channel is an affine
//! map, `z = scale · x + shift`, then leaky `ReLU` `max(z, slope · z)`, then `keep` (0 or `1/(1−p)` of
//! channel dropout; 1 in inference), then the residual is added.

use crate::element::Element;
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, Shape, View};

/// What one block of channels goes through.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChannelMap {
    /// Factor of each channel.
    pub scale: ChannelBlock,
    /// Summand of each channel.
    pub shift: ChannelBlock,
    /// Dropout of each channel: 0, or `1/(1−p)`.
    pub keep: ChannelBlock,
}

impl ChannelMap {
    /// Factor and summand: positive factors pass through leaky `ReLU`, so dropout joins them.
    #[inline(always)]
    pub(crate) fn load<I: Isa>(&self, isa: I) -> (I::V, I::V) {
        let keep = isa.load(&self.keep);
        (isa.mul(isa.load(&self.scale), keep), isa.mul(isa.load(&self.shift), keep))
    }
}

/// The maps of a tensor's blocks, and the slope of its activation (at most 1; 1 for none).
#[derive(Debug, Clone, Copy)]
pub struct Activation<'a> {
    /// One for each block.
    pub maps: &'a [ChannelMap],
    /// Leaky `ReLU`'s slope for negative values.
    pub slope: f32,
}

/// Normalises and activates one slab: `out = act(raw) (+ residual)`, plane `z` of the residual being
/// added after its own activation, where that has not been applied yet.
///
/// # Panics
///
/// Where a length does not fit.
pub fn forward(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    raw: &[ChannelBlock],
    (residual, z): (Option<View<'_>>, usize),
    out: &mut [ChannelBlock],
) {
    check(shape, activation, &[raw, out]);
    run(door, Forward { shape, activation, raw: Some(raw), residual, z, out });
}

/// As [`forward`], in place. What is of half the width is rounded once, at the end.
///
/// # Panics
///
/// Where a length does not fit.
pub fn forward_in_place<E: Element>(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    (residual, z): (Option<View<'_, E>>, usize),
    out: &mut [E],
) {
    check(shape, activation, &[out]);
    run(door, Forward { shape, activation, raw: None, residual, z, out });
}

fn run<E: Element>(door: Door, forward: Forward<'_, E>) {
    let Forward { shape, residual, z, .. } = forward;
    assert!(residual.is_none_or(|r| r.shape == shape), "norm: residual does not fit");
    assert!(residual.is_none() || z < shape.size[0], "norm: the residual has no such plane");
    door.run(forward);
}

pub(crate) fn check<E>(shape: Shape, activation: Activation<'_>, slabs: &[&[E]]) {
    assert_eq!(activation.maps.len(), shape.blocks, "norm: one map for each block");
    assert!(activation.slope <= 1.0, "norm: slope above 1");
    assert!(slabs.iter().all(|slab| slab.len() == shape.slab_len()), "norm: not a slab");
}

struct Forward<'a, E> {
    shape: Shape,
    activation: Activation<'a>,
    /// `None`: in place.
    raw: Option<&'a [E]>,
    residual: Option<View<'a, E>>,
    /// Plane of the residual.
    z: usize,
    out: &'a mut [E],
}

impl<E: Element> Kernel for Forward<'_, E> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let [_, height, width] = self.shape.size;
        let slope = isa.splat(self.activation.slope);
        let activate = |raw: I::V, (scale, shift): (I::V, I::V), slope: I::V| {
            let z = isa.mul_add(raw, scale, shift);
            isa.max(z, isa.mul(z, slope))
        };
        for (block, map) in self.activation.maps.iter().enumerate() {
            let map = map.load(isa);
            let residual = self.residual.map(|view| {
                let (map, slope) = view.activation_of(block);
                (view.plane(self.z, block), map.load(isa), isa.splat(slope))
            });
            for y in 0..height {
                let start = self.shape.offset_in_slab(block, y, 0);
                let in_plane = self.shape.offset_in_slab(0, y, 0);
                let out = &mut self.out[start..start + width];
                for x in 0..width {
                    let raw = self.raw.map_or(out[x], |raw| raw[start + x]);
                    let mut value = activate(raw.load(isa), map, slope);
                    if let Some((plane, map, slope)) = residual {
                        let other = activate(plane[in_plane + x].load(isa), map, slope);
                        value = isa.add(value, other);
                    }
                    out[x].store(isa, value);
                }
            }
        }
    }
}
