//! Direct convolution: every output voxel gathers its input voxels.

use crate::geometry::{Geometry, Phase};
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, ChannelStats, LANES, Shape, View, Write};
use crate::pack::gather_offset;

/// What to convolve. `weights` come from [`crate::pack::gather`].
#[derive(Debug, Clone, Copy)]
pub struct Gather<'a> {
    /// Input tensors, side by side in channels, all of one size.
    pub inputs: &'a [View<'a>],
    /// Which voxel meets which.
    pub geometry: &'a Geometry,
    /// Packed weights.
    pub weights: &'a [ChannelBlock],
    /// Size of the whole output.
    pub out_shape: Shape,
    /// Over or added to what was there.
    pub write: Write,
}

/// Computes plane `z` of the output into `out`, its slab, and adds the plane's sums to `stats`, one
/// entry for each output block, or none for no sums.
///
/// Sums run in `f32` over at most one row of one phase, then in `f64`. Error of each output:
/// `n·ε·Σ|w·x|` with `n` terms (Higham, _Accuracy and Stability_, 2nd ed., §3.1).
///
/// # Panics
///
/// Where a length does not fit.
pub fn plane(
    door: Door,
    gather: &Gather<'_>,
    z: usize,
    out: &mut [ChannelBlock],
    stats: &mut [ChannelStats],
) {
    let shape = gather.out_shape;
    let in_blocks: usize = gather.inputs.iter().map(|view| view.shape.blocks).sum();
    let matrices = shape.blocks * gather.geometry.tap_count() * in_blocks;
    assert_eq!(out.len(), shape.slab_len(), "gather: output is not a slab of {shape:?}");
    assert_eq!(gather.weights.len(), matrices * LANES, "gather: weights do not fit");
    assert!(stats.is_empty() || stats.len() == shape.blocks, "gather: stats do not fit");
    let size = gather.inputs[0].shape.size;
    assert!(gather.inputs.iter().all(|view| view.shape.size == size), "gather: sizes differ");
    let is_active = |view: &View<'_>| view.activation.is_none();
    assert!(gather.inputs.iter().all(is_active), "gather: an input is not activated");
    door.run(Plane { gather, in_blocks, z, out, stats });
}

struct Plane<'a> {
    gather: &'a Gather<'a>,
    in_blocks: usize,
    z: usize,
    out: &'a mut [ChannelBlock],
    stats: &'a mut [ChannelStats],
}

impl Kernel for Plane<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let geometry = self.gather.geometry;
        for (p, phase) in geometry.phases.iter().enumerate() {
            if self.z % geometry.out_step == phase.offset[0] {
                for out_block in 0..self.gather.out_shape.blocks {
                    self.phase_block(isa, p, phase, out_block);
                }
            }
        }
    }
}

impl Plane<'_> {
    /// All rows of one phase and one block of output channels.
    #[inline(always)]
    fn phase_block<I: Isa>(&mut self, isa: I, p: usize, phase: &Phase, out_block: usize) {
        let [_, height, width] = self.gather.out_shape.size;
        let step = self.gather.geometry.out_step;
        let columns = (width - phase.offset[2].min(width)).div_ceil(step);
        for y in (phase.offset[1]..height).step_by(step) {
            let mut sums = [isa.splat(0.0); 2];
            let mut at = At { p, out_block, y, column: 0 };
            while at.column < columns {
                let left = columns - at.column;
                at.column += match (self.gather.geometry.in_step, I::HAS_MANY_REGISTERS, left) {
                    (1, true, 16..) => self.run_of::<I, 16, 1>(isa, phase, at, &mut sums),
                    (1, _, 4..) => self.run_of::<I, 4, 1>(isa, phase, at, &mut sums),
                    (1, ..) => self.run_of::<I, 1, 1>(isa, phase, at, &mut sums),
                    (_, true, 16..) => self.run_of::<I, 16, 2>(isa, phase, at, &mut sums),
                    (_, _, 4..) => self.run_of::<I, 4, 2>(isa, phase, at, &mut sums),
                    _ => self.run_of::<I, 1, 2>(isa, phase, at, &mut sums),
                };
            }
            if let Some(stats) = self.stats.get_mut(out_block) {
                add_row(isa, stats, sums);
            }
        }
    }

    /// `R` output voxels of one row; gives `R`.
    #[inline(always)]
    fn run_of<I: Isa, const R: usize, const STEP: usize>(
        &mut self,
        isa: I,
        phase: &Phase,
        at: At,
        row_sums: &mut [I::V; 2],
    ) -> usize {
        let Gather { inputs, geometry, weights, out_shape, write } = *self.gather;
        let coarse = [self.z / geometry.out_step, at.y / geometry.out_step, at.column];
        let mut sums = [isa.splat(0.0); R];
        let mut in_block = 0;
        for view in inputs {
            for block in 0..view.shape.blocks {
                let blocks = [self.in_blocks, at.out_block, in_block];
                let first = gather_offset(geometry, blocks, at.p, 0);
                let matrices = &weights[first..first + phase.taps.len() * LANES];
                for (tap, matrix) in phase.taps.iter().zip(matrices.chunks_exact(LANES)) {
                    let z = coarse[0] as isize * STEP as isize + tap.offset[0];
                    if z < 0 || z >= view.shape.size[0] as isize {
                        continue;
                    }
                    // The halo makes these two at least zero.
                    let y = (coarse[1] * STEP + 1).wrapping_add_signed(tap.offset[1]);
                    let x = (coarse[2] * STEP + 1).wrapping_add_signed(tap.offset[2]);
                    let start = y * view.shape.pitch() + x;
                    let source = &view.plane(z as usize, block)[start..];
                    multiply_add::<I, R, STEP>(isa, source, matrix, &mut sums);
                }
                in_block += 1;
            }
        }
        let x = at.column * geometry.out_step + phase.offset[2];
        let start = out_shape.offset_in_slab(at.out_block, at.y, x);
        for (r, &sum) in sums.iter().enumerate() {
            let place = &mut self.out[start + r * geometry.out_step];
            store(isa, write, sum, place);
            row_sums[0] = isa.add(row_sums[0], sum);
            row_sums[1] = isa.mul_add(sum, sum, row_sums[1]);
        }
        R
    }
}

/// Which run of output voxels.
#[derive(Clone, Copy)]
struct At {
    p: usize,
    out_block: usize,
    y: usize,
    /// In coarse voxels.
    column: usize,
}

/// `sums[r] += source[r · STEP] × matrix`, a row vector of sixteen input channels times 16 × 16.
#[inline(always)]
fn multiply_add<I: Isa, const R: usize, const STEP: usize>(
    isa: I,
    source: &[ChannelBlock],
    matrix: &[ChannelBlock],
    sums: &mut [I::V; R],
) {
    let source = &source[..=((R - 1) * STEP)];
    let matrix = &matrix[..LANES];
    for (lane, weights) in matrix.iter().enumerate() {
        let weights = isa.load(weights);
        for r in 0..R {
            sums[r] = isa.mul_add(isa.splat(source[r * STEP].0[lane]), weights, sums[r]);
        }
    }
}

/// Leaves `value` in `place`.
#[inline(always)]
pub(crate) fn store<I: Isa>(isa: I, write: Write, value: I::V, place: &mut ChannelBlock) {
    let value = match write {
        Write::Set => value,
        Write::Add => isa.add(isa.load(place), value),
        Write::Stream => return isa.stream(value, place),
    };
    isa.store(value, place);
}

/// Adds the `f32` sums of a row to the `f64` sums of a plane.
#[inline(always)]
pub(crate) fn add_row<I: Isa>(isa: I, stats: &mut ChannelStats, [sum, squares]: [I::V; 2]) {
    let mut lanes = [ChannelBlock::default(); 2];
    isa.store(sum, &mut lanes[0]);
    isa.store(squares, &mut lanes[1]);
    for lane in 0..LANES {
        stats.sum[lane] += f64::from(lanes[0].0[lane]);
        stats.sum_of_squares[lane] += f64::from(lanes[1].0[lane]);
    }
}
