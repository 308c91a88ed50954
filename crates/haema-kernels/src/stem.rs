//! The first convolution: 3³, or 3 × 3 in the plane, from one channel. Its input is not
//! channel-blocked, for fifteen of sixteen lanes would be empty.

use crate::element::Element;
use crate::geometry::ConvKind;
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, ChannelStats, LANES, Shape, Write};
use crate::store::{add_row, store};

/// Taps of a kernel of 3³.
const SPACE: usize = 27;
/// Taps of one of 3 × 3.
const PLANE: usize = 9;

/// Plane, row and column of a tap of a kernel of so many.
#[inline(always)]
fn place<const TAPS: usize>(tap: usize) -> [usize; 3] {
    let plane = if TAPS == PLANE { 1 } else { tap / 9 };
    [plane, tap / 3 % 3, tap % 3]
}

/// One channel to read: `[z][y + 1][x + 1]`, rows and columns with the halo and padding of
/// [`Shape`].
#[derive(Debug, Clone, Copy)]
pub struct ScalarView<'a> {
    /// Its size; the number of blocks does not matter.
    pub shape: Shape,
    /// Its values: `size[0] · plane_len` of them.
    pub data: &'a [f32],
}

impl<'a> ScalarView<'a> {
    /// Joins a shape and its values.
    ///
    /// # Panics
    ///
    /// Where their lengths differ.
    pub fn new(shape: Shape, data: &'a [f32]) -> Self {
        assert_eq!(data.len(), shape.size[0] * shape.plane_len(), "stem: input does not fit");
        Self { shape, data }
    }

    /// The part of plane `z + kz − 1` that tap `(ky, kx)` of row `y` begins with, if there.
    #[inline(always)]
    fn row(&self, z: usize, [kz, ky, kx]: [usize; 3], y: usize) -> Option<&'a [f32]> {
        let from = (z + kz).wrapping_sub(1);
        if from >= self.shape.size[0] {
            return None;
        }
        let start = from * self.shape.plane_len() + (y + ky) * self.shape.pitch() + kx;
        Some(&self.data[start..start + self.shape.size[2]])
    }
}

/// Whether a first convolution of this kind can be run here.
pub fn takes(kind: ConvKind) -> bool {
    matches!(kind, ConvKind::Same3 | ConvKind::Plane3)
}

/// Elements of the packed weights of so many output channels.
pub fn weight_len(kind: ConvKind, out_channels: usize) -> usize {
    out_channels.div_ceil(LANES) * kind.kernel_len()
}

/// Packs weights, `weight(output channel, kernel tap)`.
///
/// # Panics
///
/// Where `into` is not [`weight_len`] long.
pub fn pack_weights(
    kind: ConvKind,
    out_channels: usize,
    weight: impl Fn(usize, usize) -> f32,
    into: &mut [ChannelBlock],
) {
    assert_eq!(into.len(), weight_len(kind, out_channels), "stem: wrong length");
    into.fill(ChannelBlock::default());
    let taps = kind.kernel_len();
    for o in 0..out_channels {
        for tap in 0..taps {
            into[o / LANES * taps + tap].0[o % LANES] = weight(o, tap);
        }
    }
}

/// Computes plane `z` of the output into `out`, its slab, left as `write` says, and adds the plane's
/// sums to `stats`. Sums are of the values before they are rounded to half the width.
///
/// # Panics
///
/// Where a length does not fit, or the kernel [is not taken](takes).
pub fn plane<E: Element>(
    door: Door,
    kind: ConvKind,
    (input, weights): (ScalarView<'_>, &[ChannelBlock]),
    (out_shape, write): (Shape, Write),
    z: usize,
    (out, stats): (&mut [E], &mut [ChannelStats]),
) {
    assert_eq!(input.shape.size, out_shape.size, "stem: sizes differ");
    assert!(takes(kind), "stem: {kind:?}");
    assert_eq!(weights.len(), out_shape.blocks * kind.kernel_len(), "stem: weights do not fit");
    assert_eq!(out.len(), out_shape.slab_len(), "stem: not a slab");
    assert!(stats.is_empty() || stats.len() == out_shape.blocks, "stem: stats do not fit");
    door.run(Plane { kind, input, weights, shape: out_shape, write, z, out, stats });
}

struct Plane<'a, E> {
    kind: ConvKind,
    input: ScalarView<'a>,
    weights: &'a [ChannelBlock],
    shape: Shape,
    write: Write,
    z: usize,
    out: &'a mut [E],
    stats: &'a mut [ChannelStats],
}

impl<E: Element> Kernel for Plane<'_, E> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        match self.kind {
            ConvKind::Plane3 => self.rows::<I, PLANE>(isa),
            _ => self.rows::<I, SPACE>(isa),
        }
    }
}

impl<E: Element> Plane<'_, E> {
    #[inline(always)]
    fn rows<I: Isa, const TAPS: usize>(&mut self, isa: I) {
        let [_, height, width] = self.shape.size;
        for block in 0..self.shape.blocks {
            for y in 0..height {
                let mut sums = [isa.splat(0.0); 2];
                let mut x = 0;
                while x < width {
                    x += match (I::HAS_MANY_REGISTERS, width - x) {
                        (true, 16..) => self.run_of::<I, 16, TAPS>(isa, block, [y, x], &mut sums),
                        (_, 4..) => self.run_of::<I, 4, TAPS>(isa, block, [y, x], &mut sums),
                        _ => self.run_of::<I, 1, TAPS>(isa, block, [y, x], &mut sums),
                    };
                }
                if let Some(stats) = self.stats.get_mut(block) {
                    add_row(isa, stats, sums);
                }
            }
        }
    }

    #[inline(always)]
    fn run_of<I: Isa, const R: usize, const TAPS: usize>(
        &mut self,
        isa: I,
        block: usize,
        [y, x]: [usize; 2],
        row_sums: &mut [I::V; 2],
    ) -> usize {
        let mut sums = [isa.splat(0.0); R];
        for tap in 0..TAPS {
            let Some(row) = self.input.row(self.z, place::<TAPS>(tap), y) else {
                continue;
            };
            let row = &row[x..x + R];
            let weights = isa.load(&self.weights[block * TAPS + tap]);
            for r in 0..R {
                sums[r] = isa.mul_add(isa.splat(row[r]), weights, sums[r]);
            }
        }
        let start = self.shape.offset_in_slab(block, y, x);
        for (place, &sum) in self.out[start..start + R].iter_mut().zip(&sums) {
            store(isa, self.write, sum, place);
            row_sums[0] = isa.add(row_sums[0], sum);
            row_sums[1] = isa.mul_add(sum, sum, row_sums[1]);
        }
        R
    }
}

/// Adds the share of output plane `z` to the weight gradient `grad`, laid out as [`pack_weights`]
/// packs; `out_grad` is the plane's slab.
///
/// # Panics
///
/// Where a length does not fit, or the kernel [is not taken](takes).
pub fn weight_grad_plane(
    door: Door,
    kind: ConvKind,
    input: ScalarView<'_>,
    (out_shape, out_grad): (Shape, &[ChannelBlock]),
    z: usize,
    grad: &mut [ChannelBlock],
) {
    assert_eq!(out_grad.len(), out_shape.slab_len(), "stem: not a slab");
    assert!(takes(kind), "stem: {kind:?}");
    assert_eq!(grad.len(), out_shape.blocks * kind.kernel_len(), "stem: wrong length");
    door.run(GradPlane { kind, input, shape: out_shape, out_grad, z, grad });
}

struct GradPlane<'a> {
    kind: ConvKind,
    input: ScalarView<'a>,
    shape: Shape,
    out_grad: &'a [ChannelBlock],
    z: usize,
    grad: &'a mut [ChannelBlock],
}

impl Kernel for GradPlane<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        match self.kind {
            ConvKind::Plane3 => self.planes::<I, PLANE>(isa),
            _ => self.planes::<I, SPACE>(isa),
        }
    }
}

impl GradPlane<'_> {
    #[inline(always)]
    fn planes<I: Isa, const TAPS: usize>(&mut self, isa: I) {
        let [_, height, width] = self.shape.size;
        for block in 0..self.shape.blocks {
            for first in (0..TAPS).step_by(PLANE) {
                let mut open = [isa.splat(0.0); PLANE];
                for y in 0..height {
                    let start = self.shape.offset_in_slab(block, y, 0);
                    let grads = &self.out_grad[start..start + width];
                    let rows: [Option<&[f32]>; PLANE] = std::array::from_fn(|t| {
                        self.input.row(self.z, place::<TAPS>(first + t), y)
                    });
                    for (row, sum) in rows.iter().zip(&mut open) {
                        let Some(row) = row else { continue };
                        for (&value, grad) in row.iter().zip(grads) {
                            *sum = isa.mul_add(isa.splat(value), isa.load(grad), *sum);
                        }
                    }
                }
                for (t, &sum) in open.iter().enumerate() {
                    let place = &mut self.grad[block * TAPS + first + t];
                    isa.store(isa.add(isa.load(place), sum), place);
                }
            }
        }
    }
}
