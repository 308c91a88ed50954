//! What follows a convolution: normalisation, activation, dropout, residual sum; and its gradient.
//!
//! Statistics come from the convolution itself ([`ChannelStats`]); here each channel is an affine
//! map, `z = scale · x + shift`, then leaky `ReLU` `max(z, slope · z)`, then `keep` (0 or `1/(1−p)` of
//! channel dropout; 1 in inference), then the residual is added.

use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, ChannelStats, LANES, Shape, View};

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

/// What one block of channels goes through on the way back.
///
/// With `x̂ = (x − mean) / s` and `N` voxels, the gradient of instance normalisation is
/// `γ/s · (dz − Σdz/N − x̂ · Σ(dz·x̂)/N · r)`, where `r = s/σ` for `s = σ + ε` and 1 for
/// `s = √(σ² + ε)`. For each channel that is `from_dz · dz + from_x · x + constant`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChannelGrad {
    /// Factor of `dz`.
    pub from_dz: ChannelBlock,
    /// Factor of `x`.
    pub from_x: ChannelBlock,
    /// Summand.
    pub constant: ChannelBlock,
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

/// As [`forward`], in place, plane `z` of the residual being added after its own activation, where
/// that has not been applied yet.
///
/// # Panics
///
/// Where a length does not fit.
pub fn forward_in_place(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    (residual, z): (Option<View<'_>>, usize),
    out: &mut [ChannelBlock],
) {
    check(shape, activation, &[out]);
    assert!(residual.is_none_or(|r| r.shape == shape), "norm: residual does not fit");
    match residual {
        Some(residual) => door.run(AddInPlace { shape, activation, residual, z, out }),
        None => door.run(Forward { shape, activation, raw: None, residual: None, out }),
    }
}

struct AddInPlace<'a> {
    shape: Shape,
    activation: Activation<'a>,
    residual: View<'a>,
    z: usize,
    out: &'a mut [ChannelBlock],
}

impl Kernel for AddInPlace<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let [_, height, width] = self.shape.size;
        let slope = isa.splat(self.activation.slope);
        for (block, map) in self.activation.maps.iter().enumerate() {
            let (scale, shift) = map.load(isa);
            let (other, other_slope) = self.residual.activation_of(block);
            let (other_scale, other_shift) = other.load(isa);
            let other_slope = isa.splat(other_slope);
            for y in 0..height {
                let start = self.shape.offset_in_slab(0, y, 0);
                let others = &self.residual.plane(self.z, block)[start..start + width];
                let start = self.shape.offset_in_slab(block, y, 0);
                for (out, other) in self.out[start..start + width].iter_mut().zip(others) {
                    let z = isa.mul_add(isa.load(out), scale, shift);
                    let value = isa.max(z, isa.mul(z, slope));
                    let z = isa.mul_add(isa.load(other), other_scale, other_shift);
                    let other = isa.max(z, isa.mul(z, other_slope));
                    isa.store(isa.add(value, other), out);
                }
            }
        }
    }
}

fn check(shape: Shape, activation: Activation<'_>, slabs: &[&[ChannelBlock]]) {
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
            let (scale, shift) = map.load(isa);
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

/// Sums of one slab that the gradient of normalisation needs: for each block `Σdz` in
/// [`ChannelStats::sum`] and `Σ dz·x` in [`ChannelStats::sum_of_squares`].
///
/// # Panics
///
/// Where a length does not fit.
pub fn backward_sums(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    (raw, out_grad): (&[ChannelBlock], &[ChannelBlock]),
    sums: &mut [ChannelStats],
) {
    check(shape, activation, &[raw, out_grad]);
    assert_eq!(sums.len(), shape.blocks, "norm: one sum for each block");
    door.run(Sums { shape, activation, raw, out_grad, totals: sums });
}

struct Sums<'a> {
    shape: Shape,
    activation: Activation<'a>,
    raw: &'a [ChannelBlock],
    out_grad: &'a [ChannelBlock],
    totals: &'a mut [ChannelStats],
}

/// Gradient before the activation, `dz`.
#[inline(always)]
fn before_activation<I: Isa>(isa: I, map: &Loaded<I>, x: I::V, out_grad: I::V) -> I::V {
    let z = isa.mul_add(x, map.scale, map.shift);
    let grad = isa.mul(out_grad, map.keep);
    isa.select_positive(z, grad, isa.mul(grad, map.slope))
}

struct Loaded<I: Isa> {
    scale: I::V,
    shift: I::V,
    keep: I::V,
    slope: I::V,
}

#[inline(always)]
fn load<I: Isa>(isa: I, map: &ChannelMap, slope: f32) -> Loaded<I> {
    Loaded {
        scale: isa.load(&map.scale),
        shift: isa.load(&map.shift),
        keep: isa.load(&map.keep),
        slope: isa.splat(slope),
    }
}

impl Kernel for Sums<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let [_, height, width] = self.shape.size;
        for (block, map) in self.activation.maps.iter().enumerate() {
            let map = load(isa, map, self.activation.slope);
            for y in 0..height {
                let start = self.shape.offset_in_slab(block, y, 0);
                let mut sums = [isa.splat(0.0); 2];
                let pairs = self.raw[start..][..width].iter().zip(&self.out_grad[start..][..width]);
                for (raw, grad) in pairs {
                    let x = isa.load(raw);
                    let dz = before_activation(isa, &map, x, isa.load(grad));
                    sums[0] = isa.add(sums[0], dz);
                    sums[1] = isa.mul_add(dz, x, sums[1]);
                }
                crate::gather::add_row(isa, &mut self.totals[block], sums);
            }
        }
    }
}

/// Turns `raw` of one slab into its gradient, in place.
///
/// # Panics
///
/// Where a length does not fit.
pub fn backward_in_place(
    door: Door,
    shape: Shape,
    (activation, grads): (Activation<'_>, &[ChannelGrad]),
    out_grad: &[ChannelBlock],
    raw: &mut [ChannelBlock],
) {
    check(shape, activation, &[raw, out_grad]);
    assert_eq!(grads.len(), shape.blocks, "norm: one gradient for each block");
    door.run(Backward { shape, activation, grads, out_grad, raw });
}

struct Backward<'a> {
    shape: Shape,
    activation: Activation<'a>,
    grads: &'a [ChannelGrad],
    out_grad: &'a [ChannelBlock],
    raw: &'a mut [ChannelBlock],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let [_, height, width] = self.shape.size;
        for (block, map) in self.activation.maps.iter().enumerate() {
            let map = load(isa, map, self.activation.slope);
            let from_dz = isa.load(&self.grads[block].from_dz);
            let from_x = isa.load(&self.grads[block].from_x);
            let constant = isa.load(&self.grads[block].constant);
            for y in 0..height {
                let start = self.shape.offset_in_slab(block, y, 0);
                let raw = &mut self.raw[start..start + width];
                for (raw, grad) in raw.iter_mut().zip(&self.out_grad[start..start + width]) {
                    let x = isa.load(raw);
                    let dz = before_activation(isa, &map, x, isa.load(grad));
                    let dx = isa.mul_add(from_x, x, isa.mul_add(from_dz, dz, constant));
                    isa.store(dx, raw);
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
