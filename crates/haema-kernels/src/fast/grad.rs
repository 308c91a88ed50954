//! Weight gradients with the products of the fast form.
//!
//! For every tile the transformed input and the transformed output gradient are multiplied point by
//! point and summed over tiles; at the end the sums are transformed to the kernel's taps. Sixteen
//! tiles go together, as on the way forward.

use super::axis::{Alone, Axis, Down, MOST_OUTPUTS, MOST_POINTS, Same, Split, Up, UpTwo};
use super::back::Spread;
use super::group::{self, Group};
use super::{Sizes, TILES, Walk, sizes, weights};
use crate::geometry::ConvKind;
use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, LANES, View};
use crate::pack::Channels;

/// Whose gradient.
#[derive(Debug, Clone, Copy)]
pub struct FastGrad<'a> {
    /// Which convolution.
    pub kind: ConvKind,
    /// Its input tensors, side by side in channels.
    pub inputs: &'a [View<'a>],
    /// Gradient of its output.
    pub out_grad: View<'a>,
}

/// Elements of the sums over some blocks of the output's channels.
pub fn sums_len(kind: ConvKind, in_blocks: usize, out_blocks: usize) -> usize {
    weights::len(Walk::Forward(kind), in_blocks, out_blocks)
}

/// Elements of scratch that [`layers`] needs.
pub fn scratch_len(kind: ConvKind, in_blocks: usize, out_blocks: usize) -> usize {
    parts(sizes(Walk::Forward(kind)), in_blocks, out_blocks).iter().sum()
}

/// Elements of the parts of the scratch.
fn parts(sizes: Sizes, in_blocks: usize, out_blocks: usize) -> [usize; 6] {
    let Sizes { inputs: [_, inputs], points: [along, plane], outputs: [_, outputs] } = sizes;
    [
        TILES * in_blocks * along * inputs * inputs,
        TILES * in_blocks * plane * inputs,
        TILES * in_blocks * plane,
        TILES * out_blocks * along * outputs * outputs,
        TILES * out_blocks * plane * outputs,
        TILES * plane,
    ]
}

/// Adds the share of layers `range` of the output's tiles, and of the blocks `out_blocks` of its
/// channels, to `sums`, laid out as [`super::pack_weights`] packs weights of those blocks alone.
///
/// Sums run in `f32` in a fixed order. To be independent of the number of threads, split layers and
/// blocks the same way for any number, with sums for each part of the layers, and add those in
/// order.
///
/// # Panics
///
/// Where a length does not fit.
pub fn layers(
    door: Door,
    job: &FastGrad<'_>,
    (range, out_blocks): (std::ops::Range<usize>, std::ops::Range<usize>),
    sums: &mut [ChannelBlock],
    scratch: &mut [ChannelBlock],
) {
    let in_blocks: usize = job.inputs.iter().map(|view| view.shape.blocks).sum();
    let size = job.inputs[0].shape.size;
    let out = job.out_grad.shape;
    let sizes = sizes(Walk::Forward(job.kind));
    assert_eq!(out.size, job.kind.out_size(size), "fast gradient: sizes");
    assert!(job.inputs.iter().all(|v| v.shape.size == size), "fast gradient: sizes differ");
    assert!(range.end <= out.size[0].div_ceil(sizes.outputs[0]), "fast gradient: no such layers");
    assert!(out_blocks.end <= out.blocks, "fast gradient: no such blocks");
    assert!(job.out_grad.activation.is_none(), "fast gradient: a gradient has no activation");
    let wanted = sums_len(job.kind, in_blocks, out_blocks.len());
    assert_eq!(sums.len(), wanted, "fast gradient: sums do not fit");
    let [strips, rows, points, grad_strips, grad_rows, _] =
        parts(sizes, in_blocks, out_blocks.len());
    let scratch = &mut scratch[..scratch_len(job.kind, in_blocks, out_blocks.len())];
    let (strips, scratch) = scratch.split_at_mut(strips);
    let (rows, scratch) = scratch.split_at_mut(rows);
    let (points, scratch) = scratch.split_at_mut(points);
    let (grad_strips, scratch) = scratch.split_at_mut(grad_strips);
    let (grad_rows, grads) = scratch.split_at_mut(grad_rows);
    let scratch = Scratch { strips, rows, points, grad_strips, grad_rows, grads };
    door.run(Layers { job, in_blocks, range, out_blocks, sums, scratch });
}

struct Layers<'a> {
    job: &'a FastGrad<'a>,
    in_blocks: usize,
    range: std::ops::Range<usize>,
    out_blocks: std::ops::Range<usize>,
    sums: &'a mut [ChannelBlock],
    scratch: Scratch<'a>,
}

struct Scratch<'a> {
    /// Inputs transformed along z, then y, then x, as on the way forward.
    strips: &'a mut [ChannelBlock],
    rows: &'a mut [ChannelBlock],
    points: &'a mut [ChannelBlock],
    /// Gradients transformed along z: `[output block][point along z][row][column][tile]`.
    grad_strips: &'a mut [ChannelBlock],
    /// One point along z of these, transformed along y: `[output block][point along y][column][tile]`.
    grad_rows: &'a mut [ChannelBlock],
    /// One point along y of these and one block, transformed along x: `[point along x][tile]`.
    grads: &'a mut [ChannelBlock],
}

impl Kernel for Layers<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        match self.job.kind {
            ConvKind::Same3 => self.groups::<I, Same, Same>(isa),
            ConvKind::Plane3 => self.groups::<I, Alone, Same>(isa),
            ConvKind::Up3 => self.groups::<I, Up, Up>(isa),
            ConvKind::Down3 => self.groups::<I, Down<-1>, Down<-1>>(isa),
            ConvKind::Down3TfSame => self.groups::<I, Down<0>, Down<0>>(isa),
            ConvKind::Pointwise => self.groups::<I, Alone, Alone>(isa),
            ConvKind::Transposed2 => self.groups::<I, Split, Split>(isa),
            ConvKind::PlaneTransposed2 => self.groups::<I, Alone, Split>(isa),
            ConvKind::PlaneUp2 => self.groups::<I, Alone, UpTwo>(isa),
        }
    }
}

impl Layers<'_> {
    #[inline(always)]
    fn groups<I: Isa, Z: Spread, P: Spread>(&mut self, isa: I) {
        let [_, height, width] = self.job.out_grad.shape.size;
        let tiles_across = width.div_ceil(P::OUTPUTS);
        let tiles = tiles_across * height.div_ceil(P::OUTPUTS);
        for layer in self.range.clone() {
            for first in (0..tiles).step_by(TILES) {
                let group = Group { first, count: TILES.min(tiles - first), tiles_across };
                let strips = &mut *self.scratch.strips;
                group::read::<I, Z, P, _>(isa, (self.job.inputs, layer), group, strips);
                for block in 0..self.out_blocks.len() {
                    self.read_grad::<I, Z, P>(isa, group, layer, block);
                }
                for z in 0..Z::POINTS {
                    let Scratch { strips, rows, .. } = &mut self.scratch;
                    group::transform_y::<I, Z, P>(isa, (strips, z), group, rows);
                    self.transform_grad_y::<I, Z, P>(isa, group, z);
                    for y in 0..P::POINTS {
                        let Scratch { rows, points, .. } = &mut self.scratch;
                        group::transform_x::<I, P>(isa, (rows, y), group, points);
                        for block in 0..self.out_blocks.len() {
                            self.transform_grad_x::<I, P>(isa, group, y, block);
                            self.multiply::<I, P>(isa, group, z * P::POINTS + y, block);
                        }
                    }
                }
            }
        }
    }

    /// Reads a group's gradients of one block and transforms them along depth.
    #[inline(always)]
    fn read_grad<I: Isa, Z: Spread, P: Spread>(
        &mut self,
        isa: I,
        group: Group,
        layer: usize,
        block: usize,
    ) {
        let View { shape, .. } = self.job.out_grad;
        let voxels = P::OUTPUTS * P::OUTPUTS * TILES;
        let to = &mut self.scratch.grad_strips[block * Z::POINTS * voxels..][..Z::POINTS * voxels];
        let mut planes: [Option<&[ChannelBlock]>; MOST_OUTPUTS] = [None; MOST_OUTPUTS];
        for (k, plane) in planes.iter_mut().enumerate().take(Z::OUTPUTS) {
            let z = layer * Z::OUTPUTS + k;
            if z < shape.size[0] {
                *plane = Some(self.job.out_grad.plane(z, self.out_blocks.start + block));
            }
        }
        for t in 0..group.count {
            let [y, x] = group.tile(t).map(|at| at * P::OUTPUTS);
            for voxel in 0..P::OUTPUTS * P::OUTPUTS {
                // Rows and columns past the end are padding of zeros.
                let place = shape.offset_in_slab(0, y + voxel / P::OUTPUTS, x + voxel % P::OUTPUTS);
                let mut values = [isa.splat(0.0); MOST_OUTPUTS];
                for (value, plane) in values.iter_mut().zip(planes) {
                    if let Some(plane) = plane {
                        *value = isa.load(&plane[place]);
                    }
                }
                let points = Z::spread(isa, values);
                for along in 0..Z::POINTS {
                    isa.store(points[along], &mut to[along * voxels + voxel * TILES + t]);
                }
            }
        }
    }

    /// Transforms the gradients of one point along z along y.
    #[inline(always)]
    fn transform_grad_y<I: Isa, Z: Spread, P: Spread>(&mut self, isa: I, group: Group, z: usize) {
        let row = P::OUTPUTS * TILES;
        let strips = self.scratch.grad_strips.chunks_exact(P::OUTPUTS * row);
        let rows = self.scratch.grad_rows.chunks_exact_mut(P::POINTS * row);
        for (strip, rows) in strips.skip(z).step_by(Z::POINTS).zip(rows) {
            for x in 0..P::OUTPUTS {
                let (from, to) = (&strip[x * TILES..], &mut rows[x * TILES..]);
                spread::<I, P>(isa, group.count, (from, row), (to, row));
            }
        }
    }

    /// Transforms the gradients of one point along y and one block along x.
    #[inline(always)]
    fn transform_grad_x<I: Isa, P: Spread>(
        &mut self,
        isa: I,
        group: Group,
        y: usize,
        block: usize,
    ) {
        let row = P::OUTPUTS * TILES;
        let from = &self.scratch.grad_rows[(block * P::POINTS + y) * row..][..row];
        spread::<I, P>(isa, group.count, (from, TILES), (self.scratch.grads, TILES));
    }

    /// For each point of a row: input channels × tiles times tiles × output channels.
    #[inline(always)]
    fn multiply<I: Isa, P: Axis>(&mut self, isa: I, group: Group, row: usize, block: usize) {
        let len = P::POINTS * LANES;
        let first = (row * self.out_blocks.len() + block) * self.in_blocks * len;
        let sums = self.sums[first..first + self.in_blocks * len].chunks_exact_mut(len);
        let inputs = self.scratch.points.chunks_exact(P::POINTS * TILES);
        for (sums, inputs) in sums.zip(inputs) {
            let points = inputs.chunks_exact(TILES).zip(self.scratch.grads.chunks_exact(TILES));
            for (sums, (inputs, grads)) in sums.chunks_exact_mut(LANES).zip(points) {
                let grads = &grads[..group.count];
                if I::HAS_MANY_REGISTERS {
                    add_products::<I, 16>(isa, inputs, grads, sums);
                } else {
                    add_products::<I, 4>(isa, inputs, grads, sums);
                }
            }
        }
    }
}

/// `sums[i][o] += Σ inputs[t][i] · grads[t][o]`, `N` input channels at a time.
#[inline(always)]
fn add_products<I: Isa, const N: usize>(
    isa: I,
    inputs: &[ChannelBlock],
    grads: &[ChannelBlock],
    sums: &mut [ChannelBlock],
) {
    for first in (0..LANES).step_by(N) {
        let sums = &mut sums[first..first + N];
        let mut open = [isa.splat(0.0); N];
        for i in 0..N {
            open[i] = isa.load(&sums[i]);
        }
        for (input, grad) in inputs.iter().zip(grads) {
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
}

/// The adjoint transform of `count` tiles along one axis; both sides with the distance from point to
/// point.
#[inline(always)]
fn spread<I: Isa, P: Spread>(
    isa: I,
    count: usize,
    (from, from_stride): (&[ChannelBlock], usize),
    (to, to_stride): (&mut [ChannelBlock], usize),
) {
    let from = &from[..(P::OUTPUTS - 1) * from_stride + count];
    let to = &mut to[..(P::POINTS - 1) * to_stride + count];
    for t in 0..count {
        let mut outputs = [isa.splat(0.0); MOST_OUTPUTS];
        for i in 0..P::OUTPUTS {
            outputs[i] = isa.load(&from[i * from_stride + t]);
        }
        let values = P::spread(isa, outputs);
        for i in 0..P::POINTS {
            isa.store(values[i], &mut to[i * to_stride + t]);
        }
    }
}

/// Transforms the sums of some blocks of output channels to the taps of the kernels, and leaves them
/// in `grad`, `[output channel][input channel][tap]`.
///
/// # Panics
///
/// Where a length does not fit.
pub fn finish(
    door: Door,
    kind: ConvKind,
    channels: Channels<'_>,
    sums: &[ChannelBlock],
    grad: &mut [f32],
) {
    let kernel = kind.kernel_len();
    let inputs: usize = channels.inputs.iter().sum();
    let wanted = sums_len(kind, channels.in_blocks(), channels.out_blocks());
    assert_eq!(sums.len(), wanted, "fast gradient: sums do not fit");
    assert_eq!(grad.len(), channels.output * inputs * kernel, "fast gradient: does not fit");
    door.run(Finish { kind, channels, sums, grad });
}

struct Finish<'a> {
    kind: ConvKind,
    channels: Channels<'a>,
    sums: &'a [ChannelBlock],
    grad: &'a mut [f32],
}

impl Kernel for Finish<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        match self.kind {
            ConvKind::Same3 => self.kernels::<I, Same, Same>(isa),
            ConvKind::Plane3 => self.kernels::<I, Alone, Same>(isa),
            ConvKind::Up3 => self.kernels::<I, Up, Up>(isa),
            ConvKind::Down3 | ConvKind::Down3TfSame => self.kernels::<I, Down<0>, Down<0>>(isa),
            ConvKind::Pointwise => self.kernels::<I, Alone, Alone>(isa),
            ConvKind::Transposed2 => self.kernels::<I, Split, Split>(isa),
            ConvKind::PlaneTransposed2 => self.kernels::<I, Alone, Split>(isa),
            ConvKind::PlaneUp2 => self.kernels::<I, Alone, UpTwo>(isa),
        }
    }
}

impl Finish<'_> {
    #[inline(always)]
    fn kernels<I: Isa, Z: Axis, P: Axis>(&mut self, isa: I) {
        let [depth, height, width] = self.kind.kernel_size();
        let taps = depth * height * width;
        let inputs: usize = self.channels.inputs.iter().sum();
        for out_block in 0..self.channels.out_blocks() {
            for (i, place) in self.channels.input_places().enumerate() {
                let kernel = self.kernel::<I, Z, P>(isa, out_block, place);
                for tap in 0..taps {
                    let (z, y, x) = (tap / (height * width), tap / width % height, tap % width);
                    let mut lanes = ChannelBlock::default();
                    isa.store(kernel[z][3 * y + x], &mut lanes);
                    let first = out_block * LANES;
                    let own = LANES.min(self.channels.output - first);
                    for (o, &value) in lanes.0[..own].iter().enumerate() {
                        self.grad[((first + o) * inputs + i) * taps + tap] = value;
                    }
                }
            }
        }
    }

    /// `Gᵀ` along all axes of the sums of one input channel and sixteen output channels.
    #[inline(always)]
    fn kernel<I: Isa, Z: Axis, P: Axis>(
        &self,
        isa: I,
        out_block: usize,
        (in_block, in_lane): (usize, usize),
    ) -> [[I::V; 9]; 3] {
        let (in_blocks, out_blocks) = (self.channels.in_blocks(), self.channels.out_blocks());
        let points = P::POINTS * P::POINTS;
        let zero = isa.splat(0.0);
        let mut kernel = [[zero; 9]; 3];
        for along in 0..Z::POINTS {
            let mut half = [[zero; MOST_POINTS]; 3];
            for point in 0..points {
                let (u, v) = (point / P::POINTS, point % P::POINTS);
                let row = (along * P::POINTS + u) * out_blocks + out_block;
                let matrix = (row * in_blocks + in_block) * P::POINTS + v;
                let value = isa.load(&self.sums[matrix * LANES + in_lane]);
                for (half, &weight) in half.iter_mut().zip(&P::WEIGHTS[u]) {
                    half[v] = add_times(isa, half[v], weight, value);
                }
            }
            for (k, half) in (0..9).map(|k| (k, &half[k / 3])) {
                let mut sum = zero;
                for (weights, &value) in P::WEIGHTS.iter().zip(half).take(P::POINTS) {
                    sum = add_times(isa, sum, weights[k % 3], value);
                }
                for (plane, &weight) in kernel.iter_mut().zip(&Z::WEIGHTS[along]) {
                    plane[k] = add_times(isa, plane[k], weight, sum);
                }
            }
        }
        kernel
    }
}

/// `sum + weight · value`; the weight is known where this is compiled.
#[inline(always)]
fn add_times<I: Isa>(isa: I, sum: I::V, weight: f64, value: I::V) -> I::V {
    if weight == 0.0 {
        sum
    } else if weight == 1.0 {
        isa.add(sum, value)
    } else {
        isa.mul_add(isa.splat(weight as f32), value, sum)
    }
}
