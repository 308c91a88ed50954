//! The kernel: one layer of tiles.

use super::axis::{Alone, Axis, Down, MOST_POINTS, Same, Split, Up, UpTwo};
use super::back::{DownBack, Join, SameBack, UpBack, UpTwoBack};
use super::group::{self, Group};
use super::{Job, TILES, Walk};
use crate::element::Element;
use crate::element::sealed::Tensors;
use crate::geometry::ConvKind;
use crate::isa::{Isa, Kernel};
use crate::layout::{ChannelBlock, ChannelStats, LANES, View};
use crate::store::{add_row, store};

pub(super) struct Layer<'a> {
    pub(super) job: Job<'a>,
    pub(super) tensors: Tensors<'a>,
    pub(super) stats: &'a mut [ChannelStats],
    pub(super) scratch: Scratch<'a>,
}

pub(super) struct Scratch<'a> {
    /// Inputs of a group, transformed along depth: `[input block][point along z][row][column]`. The
    /// columns are those of the group's segments, one after the other.
    pub(super) strips: &'a mut [ChannelBlock],
    /// One point along z of these, transformed along y: `[input block][point along y][column]`.
    pub(super) rows: &'a mut [ChannelBlock],
    /// One point along y of these, transformed along x: `[input block][point along x][tile]`.
    pub(super) points: &'a mut [ChannelBlock],
    /// Sums of their products for one output block: `[point along x][tile]`.
    pub(super) products: &'a mut [ChannelBlock],
    /// These transformed back along x: `[output block][point along y][output column][tile]`.
    pub(super) columns: &'a mut [ChannelBlock],
    /// And along y: `[output block][point along z][output row][output column][tile]`.
    pub(super) outputs: &'a mut [ChannelBlock],
}

impl Kernel for Layer<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        match self.job.walk {
            Walk::Forward(kind) => match kind {
                ConvKind::Same3 => self.groups::<I, Same, Same>(isa),
                ConvKind::Plane3 => self.groups::<I, Alone, Same>(isa),
                ConvKind::Up3 => self.groups::<I, Up, Up>(isa),
                ConvKind::Down3 => self.groups::<I, Down<-1>, Down<-1>>(isa),
                ConvKind::Down3TfSame => self.groups::<I, Down<0>, Down<0>>(isa),
                ConvKind::Pointwise => self.groups::<I, Alone, Alone>(isa),
                ConvKind::Transposed2 => self.groups::<I, Split, Split>(isa),
                ConvKind::PlaneTransposed2 => self.groups::<I, Alone, Split>(isa),
                ConvKind::PlaneUp2 => self.groups::<I, Alone, UpTwo>(isa),
            },
            Walk::Back(kind) => match kind {
                ConvKind::Same3 => self.groups::<I, SameBack, SameBack>(isa),
                ConvKind::Plane3 => self.groups::<I, Alone, SameBack>(isa),
                ConvKind::Up3 => self.groups::<I, UpBack, UpBack>(isa),
                ConvKind::Down3 => self.groups::<I, DownBack<-1>, DownBack<-1>>(isa),
                ConvKind::Down3TfSame => self.groups::<I, DownBack<0>, DownBack<0>>(isa),
                ConvKind::Pointwise => self.groups::<I, Alone, Alone>(isa),
                ConvKind::Transposed2 => self.groups::<I, Join, Join>(isa),
                ConvKind::PlaneTransposed2 => self.groups::<I, Alone, Join>(isa),
                ConvKind::PlaneUp2 => self.groups::<I, Alone, UpTwoBack>(isa),
            },
        }
    }
}

/// Most input blocks for which one row's weights stay in the first-level cache beside what they are
/// multiplied with.
const FEW_BLOCKS: usize = 2;

/// Which row of points, and what it is summed into.
#[derive(Clone, Copy)]
struct At {
    z: usize,
    y: usize,
    out_block: usize,
}

impl<'a> Layer<'a> {
    #[inline(always)]
    fn groups<I: Isa, Z: Axis, P: Axis>(&mut self, isa: I) {
        let [_, height, width] = self.job.out_shape.size;
        let blocks = self.job.out_shape.blocks;
        let tiles_across = width.div_ceil(P::OUTPUTS);
        let tiles = tiles_across * height.div_ceil(P::OUTPUTS);
        for first in (0..tiles).step_by(TILES) {
            let group = Group { first, count: TILES.min(tiles - first), tiles_across };
            let next = first + TILES;
            let next = Group { first: next, count: TILES.min(tiles.saturating_sub(next)), ..group };
            self.read::<I, Z, P>(isa, group);
            for z in 0..Z::POINTS {
                let from = (&*self.scratch.strips, z);
                group::transform_y::<I, Z, P>(isa, from, group, self.scratch.rows);
                for y in 0..P::POINTS {
                    let from = (&*self.scratch.rows, y);
                    group::transform_x::<I, P>(isa, from, group, self.scratch.points);
                    for out_block in 0..blocks {
                        let at = At { z, y, out_block };
                        if I::HAS_MANY_REGISTERS && self.job.in_blocks <= FEW_BLOCKS {
                            self.multiply_and_back_x::<I, Z, P>(isa, next, at);
                        } else {
                            self.multiply::<I, P>(isa, at);
                            self.back_x::<I, P>(isa, group, at);
                        }
                    }
                }
                for out_block in 0..blocks {
                    self.back_y::<I, Z, P>(isa, group, z, out_block);
                }
            }
            for out_block in 0..blocks {
                let sums = self.write::<I, Z, P>(isa, group, out_block);
                if let Some(stats) = self.stats.get_mut(out_block) {
                    add_row(isa, stats, sums);
                }
            }
        }
    }

    #[inline(always)]
    fn read<I: Isa, Z: Axis, P: Axis>(&mut self, isa: I, group: Group) {
        let (index, strips) = (self.job.index, &mut *self.scratch.strips);
        match self.tensors {
            Tensors::Full { inputs, .. } => {
                group::read::<I, Z, P, _>(isa, (inputs, index), group, strips);
            }
            Tensors::Half { inputs, .. } => {
                group::read::<I, Z, P, _>(isa, (inputs, index), group, strips);
            }
        }
    }

    /// The matrices of one row of points and one output block.
    #[inline(always)]
    fn weights<P: Axis>(&self, at: At) -> &'a [ChannelBlock] {
        let len = P::POINTS * self.job.in_blocks * LANES;
        let row = (at.z * P::POINTS + at.y) * self.job.out_shape.blocks + at.out_block;
        &self.job.weights[row * len..][..len]
    }

    /// For each point along x: tiles × input channels times input × output channels.
    #[inline(always)]
    fn multiply<I: Isa, P: Axis>(&mut self, isa: I, at: At) {
        let weights = self.weights::<P>(at);
        let products = self.scratch.products.chunks_exact_mut(TILES);
        for (x, products) in products.enumerate() {
            let matrices = weights[x * LANES..].chunks(P::POINTS * LANES);
            let inputs = self.scratch.points[x * TILES..].chunks(P::POINTS * TILES);
            let blocks = matrices.zip(inputs);
            multiply_tiles(isa, &blocks, products);
        }
    }

    /// Transforms products back along x.
    #[inline(always)]
    fn back_x<I: Isa, P: Axis>(&mut self, isa: I, group: Group, at: At) {
        let row = P::OUTPUTS * TILES;
        let products = &self.scratch.products[..P::POINTS * TILES];
        let columns = &mut self.scratch.columns[(at.out_block * P::POINTS + at.y) * row..][..row];
        back::<I, P>(isa, group.count, (products, TILES), (columns, TILES));
    }

    /// Both at once, where registers hold all points of some tiles. Meanwhile the next group's inputs
    /// come from memory.
    #[inline(always)]
    fn multiply_and_back_x<I: Isa, Z: Axis, P: Axis>(&mut self, isa: I, next: Group, at: At) {
        match P::POINTS {
            6 => self.multiply_rows::<I, Z, P, 6, 4>(isa, next, at),
            5 => self.multiply_rows::<I, Z, P, 5, 4>(isa, next, at),
            3 => self.multiply_rows::<I, Z, P, 3, 8>(isa, next, at),
            2 => self.multiply_rows::<I, Z, P, 2, 8>(isa, next, at),
            _ => self.multiply_rows::<I, Z, P, 1, 16>(isa, next, at),
        }
    }

    #[inline(always)]
    fn multiply_rows<I: Isa, Z: Axis, P: Axis, const N: usize, const T: usize>(
        &mut self,
        isa: I,
        next: Group,
        at: At,
    ) {
        let parts = TILES / T * self.job.out_shape.blocks;
        for part in 0..TILES / T {
            self.prefetch::<I, Z, P>(isa, next, at, (at.out_block * TILES / T + part, parts));
            let first = part * T;
            let weights = self.weights::<P>(at).chunks_exact(N * LANES);
            let inputs = self.scratch.points.chunks_exact(N * TILES);
            let mut sums = [[isa.splat(0.0); T]; N];
            for (matrices, inputs) in weights.zip(inputs) {
                for lane in 0..LANES {
                    for n in 0..N {
                        let weights = isa.load(&matrices[n * LANES + lane]);
                        let inputs = &inputs[n * TILES + first..][..T];
                        for t in 0..T {
                            let input = isa.splat(inputs[t].0[lane]);
                            sums[n][t] = isa.mul_add(input, weights, sums[n][t]);
                        }
                    }
                }
            }
            let row = P::OUTPUTS * TILES;
            let columns = (at.out_block * P::POINTS + at.y) * row;
            let columns = &mut self.scratch.columns[columns..][..row];
            for t in 0..T {
                let mut points = [isa.splat(0.0); MOST_POINTS];
                for n in 0..N {
                    points[n] = sums[n][t];
                }
                let values = P::output(isa, points);
                for x in 0..P::OUTPUTS {
                    isa.store(values[x], &mut columns[x * TILES + first + t]);
                }
            }
        }
    }

    /// Asks for a part of what the next group reads of plane `at.z` and row `at.y`.
    #[inline(always)]
    fn prefetch<I: Isa, Z: Axis, P: Axis>(
        &self,
        isa: I,
        next: Group,
        at: At,
        part: (usize, usize),
    ) {
        if Z::INPUTS == 1 {
            return;
        }
        let z = (self.job.index * Z::INPUT_STEP + at.z).wrapping_add_signed(Z::FIRST);
        match self.tensors {
            Tensors::Full { inputs, .. } => {
                prefetch_rows::<I, P, _>(isa, inputs, (next, z, at.y), part);
            }
            Tensors::Half { inputs, .. } => {
                prefetch_rows::<I, P, _>(isa, inputs, (next, z, at.y), part);
            }
        }
    }

    /// And along y.
    #[inline(always)]
    fn back_y<I: Isa, Z: Axis, P: Axis>(
        &mut self,
        isa: I,
        group: Group,
        z: usize,
        out_block: usize,
    ) {
        let row = P::OUTPUTS * TILES;
        let columns = &self.scratch.columns[out_block * P::POINTS * row..][..P::POINTS * row];
        let voxels = P::OUTPUTS * row;
        let outputs = &mut self.scratch.outputs[(out_block * Z::POINTS + z) * voxels..][..voxels];
        for x in 0..P::OUTPUTS {
            let (from, to) = (&columns[x * TILES..], &mut outputs[x * TILES..]);
            back::<I, P>(isa, group.count, (from, row), (to, row));
        }
    }

    /// Transforms a group back along depth and leaves its outputs; gives their sums.
    #[inline(always)]
    fn write<I: Isa, Z: Axis, P: Axis>(
        &mut self,
        isa: I,
        group: Group,
        out_block: usize,
    ) -> [I::V; 2] {
        let len = Z::POINTS * P::OUTPUTS * P::OUTPUTS * TILES;
        let outputs = &self.scratch.outputs[out_block * len..][..len];
        let place = (group, out_block);
        match &mut self.tensors {
            Tensors::Full { out, .. } => write::<I, Z, P, _>(isa, (&self.job, outputs), place, out),
            Tensors::Half { out, .. } => write::<I, Z, P, _>(isa, (&self.job, outputs), place, out),
        }
    }
}

/// Asks for the part `part` of `parts` of what a group reads of plane `z` and row `row` of its tiles.
#[inline(always)]
fn prefetch_rows<I: Isa, P: Axis, E: Element>(
    isa: I,
    inputs: &[View<'_, E>],
    (group, z, row): (Group, usize, usize),
    (part, parts): (usize, usize),
) {
    for view in inputs {
        let [depth, height, width] = view.shape.size;
        for segment in group.segments() {
            let y = (segment.tile[0] * P::INPUT_STEP + row).wrapping_add_signed(P::FIRST);
            if z >= depth || y >= height {
                continue;
            }
            let first = segment.tile[1] * P::INPUT_STEP;
            let end = width.min(first + segment.width::<P>());
            let own = end.saturating_sub(first);
            let start = view.shape.offset_in_slab(0, y, first);
            for block in 0..view.shape.blocks {
                let row = &view.plane(z, block)[start..start + own];
                for element in &row[own * part / parts..own * (part + 1) / parts] {
                    isa.prefetch(element);
                }
            }
        }
    }
}

/// [`Layer::write`] in either width.
#[inline(always)]
fn write<I: Isa, Z: Axis, P: Axis, E: Element>(
    isa: I,
    (job, outputs): (&Job<'_>, &[ChannelBlock]),
    (group, out_block): (Group, usize),
    out: &mut [E],
) -> [I::V; 2] {
    let shape = job.out_shape;
    let [_, height, width] = shape.size;
    let voxels = P::OUTPUTS * P::OUTPUTS * TILES;
    let outputs = &outputs[..Z::POINTS * voxels];
    let planes = out.len() / shape.slab_len();
    let mut sums = [isa.splat(0.0); 2];
    for t in 0..group.count {
        let [y, x] = group.tile(t).map(|at| at * P::OUTPUTS);
        for row in 0..P::OUTPUTS.min(height - y) {
            for column in 0..P::OUTPUTS.min(width - x) {
                let at = (row * P::OUTPUTS + column) * TILES + t;
                let mut points = [isa.splat(0.0); MOST_POINTS];
                for z in 0..Z::POINTS {
                    points[z] = isa.load(&outputs[z * voxels + at]);
                }
                let values = Z::output(isa, points);
                let place = shape.offset_in_slab(out_block, y + row, x + column);
                for (plane, &value) in values.iter().enumerate().take(planes) {
                    let place = &mut out[plane * shape.slab_len() + place];
                    store(isa, job.write, value, place);
                    sums[0] = isa.add(sums[0], value);
                    sums[1] = isa.mul_add(value, value, sums[1]);
                }
            }
        }
    }
    sums
}

/// `products[t] = Σ inputs[block][t] × weights[block]`, as many tiles at a time as registers hold.
#[inline(always)]
fn multiply_tiles<'a, I: Isa>(
    isa: I,
    blocks: &(impl Iterator<Item = (&'a [ChannelBlock], &'a [ChannelBlock])> + Clone),
    products: &mut [ChannelBlock],
) {
    if I::HAS_MANY_REGISTERS {
        multiply_some::<I, 16>(isa, blocks, 0, products);
    } else {
        multiply_some::<I, 6>(isa, blocks, 0, products);
        multiply_some::<I, 6>(isa, blocks, 6, products);
        multiply_some::<I, 4>(isa, blocks, 12, products);
    }
}

/// `T` tiles from `first` on.
#[inline(always)]
fn multiply_some<'a, I: Isa, const T: usize>(
    isa: I,
    blocks: &(impl Iterator<Item = (&'a [ChannelBlock], &'a [ChannelBlock])> + Clone),
    first: usize,
    products: &mut [ChannelBlock],
) {
    let mut sums = [isa.splat(0.0); T];
    for (matrix, inputs) in blocks.clone() {
        let (matrix, inputs) = (&matrix[..LANES], &inputs[first..first + T]);
        for (lane, weights) in matrix.iter().enumerate() {
            let weights = isa.load(weights);
            for t in 0..T {
                sums[t] = isa.mul_add(isa.splat(inputs[t].0[lane]), weights, sums[t]);
            }
        }
    }
    for (product, &sum) in products[first..first + T].iter_mut().zip(&sums) {
        isa.store(sum, product);
    }
}

/// Transforms `count` tiles back along one axis; both sides with the distance from point to point.
#[inline(always)]
fn back<I: Isa, P: Axis>(
    isa: I,
    count: usize,
    (from, from_stride): (&[ChannelBlock], usize),
    (to, to_stride): (&mut [ChannelBlock], usize),
) {
    let from = &from[..(P::POINTS - 1) * from_stride + count];
    let to = &mut to[..(P::OUTPUTS - 1) * to_stride + count];
    for t in 0..count {
        let mut points = [isa.splat(0.0); MOST_POINTS];
        for i in 0..P::POINTS {
            points[i] = isa.load(&from[i * from_stride + t]);
        }
        let values = P::output(isa, points);
        for i in 0..P::OUTPUTS {
            isa.store(values[i], &mut to[i * to_stride + t]);
        }
    }
}
