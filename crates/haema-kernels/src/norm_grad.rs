//! The gradient of what follows a convolution; see [`crate::norm`] for the way forward.

use crate::element::Element;
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, ChannelStats, Shape};
use crate::norm::{Activation, ChannelMap, check};

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

/// Sums of one slab that the gradient of normalisation needs: for each block `Σdz` in
/// [`ChannelStats::sum`] and `Σ dz·x` in [`ChannelStats::sum_of_squares`].
///
/// # Panics
///
/// Where a length does not fit.
pub fn sums<E: Element, G: Element>(
    door: Door,
    shape: Shape,
    activation: Activation<'_>,
    (raw, out_grad): (&[E], &[G]),
    sums: &mut [ChannelStats],
) {
    check(shape, activation, &[out_grad]);
    assert_eq!(raw.len(), shape.slab_len(), "norm: not a slab");
    assert_eq!(sums.len(), shape.blocks, "norm: one sum for each block");
    door.run(Sums { shape, activation, raw, out_grad, totals: sums });
}

struct Sums<'a, E, G> {
    shape: Shape,
    activation: Activation<'a>,
    raw: &'a [E],
    out_grad: &'a [G],
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

impl<E: Element, G: Element> Kernel for Sums<'_, E, G> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let [_, height, width] = self.shape.size;
        for (block, map) in self.activation.maps.iter().enumerate() {
            let map = load(isa, map, self.activation.slope);
            for y in 0..height {
                let start = self.shape.offset_in_slab(block, y, 0);
                let mut sums = [isa.splat(0.0); 2];
                for (x, grad) in self.out_grad[start..start + width].iter().enumerate() {
                    let raw = self.raw[start + x].load(isa);
                    let dz = before_activation(isa, &map, raw, grad.load(isa));
                    sums[0] = isa.add(sums[0], dz);
                    sums[1] = isa.mul_add(dz, raw, sums[1]);
                }
                crate::store::add_row(isa, &mut self.totals[block], sums);
            }
        }
    }
}

/// Turns the gradient of one slab's output into that of its raw values, in place.
///
/// # Panics
///
/// Where a length does not fit.
pub fn in_place(
    door: Door,
    shape: Shape,
    maps: (Activation<'_>, &[ChannelGrad]),
    raw: &[impl Element],
    grad: &mut [ChannelBlock],
) {
    run(door, shape, maps, (raw, InPlace(grad)));
}

/// Turns the raw values of one slab into their gradient.
///
/// # Panics
///
/// Where a length does not fit.
pub fn over_raw(
    door: Door,
    shape: Shape,
    maps: (Activation<'_>, &[ChannelGrad]),
    out_grad: &[ChannelBlock],
    raw: &mut [ChannelBlock],
) {
    run(door, shape, maps, (out_grad, OverRaw(raw)));
}

/// The gradient of the raw values of one slab, written to `raw_grad`.
///
/// # Panics
///
/// Where a length does not fit.
pub fn apart(
    door: Door,
    shape: Shape,
    maps: (Activation<'_>, &[ChannelGrad]),
    (raw, out_grad): (&[impl Element], &[ChannelBlock]),
    raw_grad: &mut [ChannelBlock],
) {
    assert_eq!(out_grad.len(), raw_grad.len(), "norm: not a slab");
    run(door, shape, maps, (raw, Apart { out_grad, raw_grad }));
}

/// Where the gradient of raw values goes, and what of its two operands it stands in for.
trait Target {
    fn len(&self) -> usize;
    /// `[raw, gradient of the output]`; `other` is that of the two which is not held here.
    fn load<I: Isa>(&self, isa: I, other: &[impl Element], at: usize) -> [I::V; 2];
    fn place(&mut self, at: usize) -> &mut ChannelBlock;
}

struct InPlace<'a>(&'a mut [ChannelBlock]);
struct OverRaw<'a>(&'a mut [ChannelBlock]);
struct Apart<'a> {
    out_grad: &'a [ChannelBlock],
    raw_grad: &'a mut [ChannelBlock],
}

impl Target for InPlace<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn load<I: Isa>(&self, isa: I, raw: &[impl Element], at: usize) -> [I::V; 2] {
        [raw[at].load(isa), isa.load(&self.0[at])]
    }

    #[inline(always)]
    fn place(&mut self, at: usize) -> &mut ChannelBlock {
        &mut self.0[at]
    }
}

impl Target for OverRaw<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn load<I: Isa>(&self, isa: I, out_grad: &[impl Element], at: usize) -> [I::V; 2] {
        [isa.load(&self.0[at]), out_grad[at].load(isa)]
    }

    #[inline(always)]
    fn place(&mut self, at: usize) -> &mut ChannelBlock {
        &mut self.0[at]
    }
}

impl Target for Apart<'_> {
    fn len(&self) -> usize {
        self.raw_grad.len()
    }

    #[inline(always)]
    fn load<I: Isa>(&self, isa: I, raw: &[impl Element], at: usize) -> [I::V; 2] {
        [raw[at].load(isa), isa.load(&self.out_grad[at])]
    }

    #[inline(always)]
    fn place(&mut self, at: usize) -> &mut ChannelBlock {
        &mut self.raw_grad[at]
    }
}

fn run(
    door: Door,
    shape: Shape,
    (activation, grads): (Activation<'_>, &[ChannelGrad]),
    (other, target): (&[impl Element], impl Target),
) {
    check::<ChannelBlock>(shape, activation, &[]);
    assert_eq!((other.len(), target.len()), (shape.slab_len(), shape.slab_len()), "norm: slab");
    assert_eq!(grads.len(), shape.blocks, "norm: one gradient for each block");
    door.run(Backward { shape, activation, grads, other, target });
}

struct Backward<'a, E, T> {
    shape: Shape,
    activation: Activation<'a>,
    grads: &'a [ChannelGrad],
    other: &'a [E],
    target: T,
}

impl<E: Element, T: Target> Kernel for Backward<'_, E, T> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let [_, height, width] = self.shape.size;
        for (block, map) in self.activation.maps.iter().enumerate() {
            let map = load(isa, map, self.activation.slope);
            let from_dz = isa.load(&self.grads[block].from_dz);
            let from_x = isa.load(&self.grads[block].from_x);
            let constant = isa.load(&self.grads[block].constant);
            for y in 0..height {
                let start = self.shape.offset_in_slab(block, y, 0);
                for at in start..start + width {
                    let [x, grad] = self.target.load(isa, self.other, at);
                    let dz = before_activation(isa, &map, x, grad);
                    let dx = isa.mul_add(from_x, x, isa.mul_add(from_dz, dz, constant));
                    isa.store(dx, self.target.place(at));
                }
            }
        }
    }
}
