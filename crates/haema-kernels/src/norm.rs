//! What follows a convolution: normalisation, activation, dropout, residual sum.
//!
//! Statistics come from the convolution itself ([`crate::ChannelStats`]); here each channel is an affine
//! map, `z = scale · x + shift`, then leaky `ReLU` `max(z, slope · z)`, then `keep` (0 or `1/(1−p)` of
//! channel dropout; 1 in inference), then the residual is added.

use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, LANES, Shape};

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

/// The maps of a tensor's blocks, and the slope of its activation (at most 1; 1 for none).
#[derive(Debug, Clone, Copy)]
pub struct Activation<'a> {
    /// One for each block.
    pub maps: &'a [ChannelMap],
    /// Leaky `ReLU`'s slope for negative values.
    pub slope: f32,
}

/// Normalises and activates one slab: `out = act(raw) (+ residual)`.
///
/// # Panics
///
/// Where a length does not fit.
pub fn forward(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    raw: &[ChannelBlock],
    residual: Option<&[ChannelBlock]>,
    out: &mut [ChannelBlock],
) {
    check(shape, activation, &[raw, out]);
    assert!(residual.is_none_or(|r| r.len() == shape.slab_len()), "norm: residual does not fit");
    door.run(Forward { shape, activation, raw: Some(raw), residual, out });
}

/// As [`forward`], in place.
///
/// # Panics
///
/// Where a length does not fit.
pub fn forward_in_place(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    residual: Option<&[ChannelBlock]>,
    out: &mut [ChannelBlock],
) {
    check(shape, activation, &[out]);
    assert!(residual.is_none_or(|r| r.len() == shape.slab_len()), "norm: residual does not fit");
    door.run(Forward { shape, activation, raw: None, residual, out });
}

pub(crate) fn check(shape: Shape, activation: Activation<'_>, slabs: &[&[ChannelBlock]]) {
    assert_eq!(activation.maps.len(), shape.blocks, "norm: one map for each block");
    assert!(activation.slope <= 1.0, "norm: slope above 1");
    assert!(slabs.iter().all(|slab| slab.len() == shape.slab_len()), "norm: not a slab");
}

struct Forward<'a> {
    shape: Shape,
    activation: Activation<'a>,
    /// `None`: in place.
    raw: Option<&'a [ChannelBlock]>,
    residual: Option<&'a [ChannelBlock]>,
    out: &'a mut [ChannelBlock],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let [_, height, width] = self.shape.size;
        let slope = isa.splat(self.activation.slope);
        for (block, map) in self.activation.maps.iter().enumerate() {
            // Positive factors pass through leaky ReLU, so dropout joins the affine map.
            let keep = isa.load(&map.keep);
            let scale = isa.mul(isa.load(&map.scale), keep);
            let shift = isa.mul(isa.load(&map.shift), keep);
            for y in 0..height {
                let start = self.shape.offset_in_slab(block, y, 0);
                let range = start..start + width;
                let out = &mut self.out[range.clone()];
                for x in 0..width {
                    let raw = self.raw.map_or(out[x], |raw| raw[start + x]);
                    let z = isa.mul_add(isa.load(&raw), scale, shift);
                    let mut value = isa.max(z, isa.mul(z, slope));
                    if let Some(residual) = self.residual {
                        value = isa.add(value, isa.load(&residual[start + x]));
                    }
                    isa.store(value, &mut out[x]);
                }
            }
        }
    }
}

/// Adds one slab to another, inside only.
///
/// # Panics
///
/// Where a length does not fit.
pub fn add(shape: Shape, from: &[ChannelBlock], to: &mut [ChannelBlock]) {
    assert_eq!((from.len(), to.len()), (shape.slab_len(), shape.slab_len()), "add: not a slab");
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..LANES {
            to.0[lane] += from.0[lane];
        }
    }
}
