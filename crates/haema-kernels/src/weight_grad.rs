//! Weight gradients: for every tap, the sum over voxels of input channel × output gradient.

use crate::geometry::{Geometry, Phase};
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, LANES, View};
use crate::pack::gather_offset;

/// Whose gradient.
#[derive(Debug, Clone, Copy)]
pub struct WeightGrad<'a> {
    /// Input tensors of the convolution, side by side in channels.
    pub inputs: &'a [View<'a>],
    /// Gradient of its output.
    pub out_grad: View<'a>,
    /// Its forward walk.
    pub geometry: &'a Geometry,
}

/// Adds the share of the output planes `z_range` to `grad`, laid out as [`crate::pack::gather`]
/// packs weights.
///
/// Sums run in `f32` in a fixed order. To be independent of the number of threads, split planes
/// into fixed ranges with a buffer each, and add the buffers in order.
///
/// # Panics
///
/// Where a length does not fit.
pub fn planes(
    door: Door,
    job: &WeightGrad<'_>,
    z_range: std::ops::Range<usize>,
    grad: &mut [ChannelBlock],
) {
    let in_blocks: usize = job.inputs.iter().map(|view| view.shape.blocks).sum();
    let matrices = job.out_grad.shape.blocks * job.geometry.tap_count() * in_blocks;
    assert_eq!(grad.len(), matrices * LANES, "weight gradient: wrong length");
    assert!(z_range.end <= job.out_grad.shape.size[0], "weight gradient: no such planes");
    door.run(Planes { job, in_blocks, z_range, grad });
}

struct Planes<'a> {
    job: &'a WeightGrad<'a>,
    in_blocks: usize,
    z_range: std::ops::Range<usize>,
    grad: &'a mut [ChannelBlock],
}

/// Rows that a matrix of sums stays in registers for.
const ROWS: usize = 2;

impl Kernel for Planes<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let geometry = self.job.geometry;
        let height = self.job.out_grad.shape.size[1];
        for z in self.z_range.clone() {
            for (p, phase) in geometry.phases.iter().enumerate() {
                if z % geometry.out_step != phase.offset[0] {
                    continue;
                }
                let rows = (height - phase.offset[1].min(height)).div_ceil(geometry.out_step);
                for first in (0..rows).step_by(ROWS) {
                    let coarse = [z / geometry.out_step, first, ROWS.min(rows - first)];
                    self.rows(isa, p, phase, coarse);
                }
            }
        }
    }
}

impl Planes<'_> {
    /// All taps and blocks of `count` coarse rows from `first` on.
    #[inline(always)]
    fn rows<I: Isa>(&mut self, isa: I, p: usize, phase: &Phase, [z, first, count]: [usize; 3]) {
        let WeightGrad { inputs, out_grad, geometry } = *self.job;
        let mut in_block = 0;
        for view in inputs {
            for block in 0..view.shape.blocks {
                for (t, tap) in phase.taps.iter().enumerate() {
                    let from = (z * geometry.in_step) as isize + tap.offset[0];
                    if from < 0 || from >= view.shape.size[0] as isize {
                        continue;
                    }
                    let plane = view.plane(from as usize, block);
                    for out_block in 0..out_grad.shape.blocks {
                        let blocks = [self.in_blocks, out_block, in_block];
                        let at = gather_offset(geometry, blocks, p, t);
                        let sums = &mut self.grad[at..at + LANES];
                        let z_out = z * geometry.out_step + phase.offset[0];
                        let grads = out_grad.plane(z_out, out_block);
                        let pair = Pair { plane, pitch: view.shape.pitch(), grads };
                        let place = (phase.offset, tap.offset);
                        add_rows(isa, self.job, &pair, place, first..first + count, sums);
                    }
                }
                in_block += 1;
            }
        }
    }
}

/// One input plane and one gradient plane.
struct Pair<'a> {
    plane: &'a [ChannelBlock],
    pitch: usize,
    grads: &'a [ChannelBlock],
}

#[inline(always)]
fn add_rows<I: Isa>(
    isa: I,
    job: &WeightGrad<'_>,
    pair: &Pair<'_>,
    (phase, tap): ([usize; 3], [isize; 3]),
    rows: std::ops::Range<usize>,
    sums: &mut [ChannelBlock],
) {
    let Geometry { in_step, out_step, .. } = *job.geometry;
    let shape = job.out_grad.shape;
    let columns = (shape.size[2] - phase[2].min(shape.size[2])).div_ceil(out_step);
    for row in rows {
        let y = (row * in_step + 1).wrapping_add_signed(tap[1]);
        let x = 1_usize.wrapping_add_signed(tap[2]);
        let inputs = &pair.plane[y * pair.pitch + x..];
        let grads = (row * out_step + phase[1] + 1) * shape.pitch() + phase[2] + 1;
        let grads = &pair.grads[grads..];
        match (in_step, out_step) {
            (1, 1) => add_row::<I, 1, 1>(isa, inputs, grads, columns, sums),
            (1, _) => add_row::<I, 1, 2>(isa, inputs, grads, columns, sums),
            _ => add_row::<I, 2, 1>(isa, inputs, grads, columns, sums),
        }
    }
}

/// `sums[i][o] += Σ inputs[IN · x][i] · grads[OUT · x][o]` over one row.
#[inline(always)]
fn add_row<I: Isa, const IN: usize, const OUT: usize>(
    isa: I,
    inputs: &[ChannelBlock],
    grads: &[ChannelBlock],
    columns: usize,
    sums: &mut [ChannelBlock],
) {
    // Sixteen open sums fit AVX-512; others take the input channels in four parts.
    if I::HAS_MANY_REGISTERS {
        add_part::<I, IN, OUT, 16>(isa, inputs, grads, columns, (sums, 0));
    } else {
        for part in 0..4 {
            add_part::<I, IN, OUT, 4>(isa, inputs, grads, columns, (sums, 4 * part));
        }
    }
}

#[inline(always)]
fn add_part<I: Isa, const IN: usize, const OUT: usize, const N: usize>(
    isa: I,
    inputs: &[ChannelBlock],
    grads: &[ChannelBlock],
    columns: usize,
    (sums, first): (&mut [ChannelBlock], usize),
) {
    let sums = &mut sums[first..first + N];
    let mut open = [isa.splat(0.0); N];
    for i in 0..N {
        open[i] = isa.load(&sums[i]);
    }
    let inputs = inputs[..=((columns - 1) * IN)].iter().step_by(IN);
    let grads = grads[..=((columns - 1) * OUT)].iter().step_by(OUT);
    for (input, grad) in inputs.zip(grads) {
        let grad = isa.load(grad);
        let channels = &input.0[first..first + N];
        for i in 0..N {
            open[i] = isa.mul_add(isa.splat(channels[i]), grad, open[i]);
        }
    }
    for i in 0..N {
        isa.store(open[i], &mut sums[i]);
    }
}
