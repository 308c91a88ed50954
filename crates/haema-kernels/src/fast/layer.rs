//! The kernel: one layer of tiles.

use super::axis::{Alone, Axis, Down, MOST_OUTPUTS, MOST_POINTS, Same, Split, Up};
use super::back::{DownBack, Join, SameBack, UpBack};
use super::{Fast, TILES, Walk};
use crate::gather::{add_row, store};
use crate::geometry::ConvKind;
use crate::isa::{Isa, Kernel};
use crate::layout::{ChannelBlock, ChannelStats, LANES, View};

pub(super) struct Layer<'a> {
    pub(super) fast: &'a Fast<'a>,
    pub(super) in_blocks: usize,
    pub(super) index: usize,
    pub(super) out: &'a mut [ChannelBlock],
    pub(super) stats: &'a mut [ChannelStats],
    pub(super) scratch: Scratch<'a>,
}

pub(super) struct Scratch<'a> {
    /// Inputs of a group, transformed along depth: `[input block][point along depth][voxel]`, where
    /// the voxels are those of the group's segments, row by row.
    pub(super) strips: &'a mut [ChannelBlock],
    /// The same transformed in the plane, of one point along depth: `[point][input block][tile]`.
    pub(super) points: &'a mut [ChannelBlock],
    /// Sums of products, of one point along depth and one output block: `[point][tile]`.
    pub(super) products: &'a mut [ChannelBlock],
    /// The same transformed back in the plane: `[output block][point along depth][voxel][tile]`.
    pub(super) outputs: &'a mut [ChannelBlock],
}

impl Kernel for Layer<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        match self.fast.walk {
            Walk::Forward(kind) => match kind {
                ConvKind::Same3 => self.groups::<I, Same, Same>(isa),
                ConvKind::Plane3 => self.groups::<I, Alone, Same>(isa),
                ConvKind::Up3 => self.groups::<I, Up, Up>(isa),
                ConvKind::Down3 => self.groups::<I, Down<-1>, Down<-1>>(isa),
                ConvKind::Down3TfSame => self.groups::<I, Down<0>, Down<0>>(isa),
                ConvKind::Pointwise => self.groups::<I, Alone, Alone>(isa),
                ConvKind::Transposed2 => self.groups::<I, Split, Split>(isa),
            },
            Walk::Back(kind) => match kind {
                ConvKind::Same3 => self.groups::<I, SameBack, SameBack>(isa),
                ConvKind::Plane3 => self.groups::<I, Alone, SameBack>(isa),
                ConvKind::Up3 => self.groups::<I, UpBack, UpBack>(isa),
                ConvKind::Down3 => self.groups::<I, DownBack<-1>, DownBack<-1>>(isa),
                ConvKind::Down3TfSame => self.groups::<I, DownBack<0>, DownBack<0>>(isa),
                ConvKind::Pointwise => self.groups::<I, Alone, Alone>(isa),
                ConvKind::Transposed2 => self.groups::<I, Join, Join>(isa),
            },
        }
    }
}

/// Sixteen tiles of a layer, or what is left of them, in row-major order.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) tiles_across: usize,
}

/// The tiles of a group that lie in one row of tiles.
#[derive(Clone, Copy)]
struct Segment {
    /// Its first tile's place in the group.
    first: usize,
    /// Row and column of its first tile.
    tile: [usize; 2],
    count: usize,
}

impl Group {
    #[inline(always)]
    fn segments(self) -> impl Iterator<Item = Segment> {
        let mut first = 0;
        std::iter::from_fn(move || {
            let at = self.first + first;
            let tile = [at / self.tiles_across, at % self.tiles_across];
            let count = (self.tiles_across - tile[1]).min(self.count - first);
            let segment = Segment { first, tile, count };
            first += count;
            (count > 0).then_some(segment)
        })
    }

    /// Row and column of tile `t`.
    #[inline(always)]
    pub(super) fn tile(self, t: usize) -> [usize; 2] {
        [(self.first + t) / self.tiles_across, (self.first + t) % self.tiles_across]
    }
}

impl Segment {
    /// Input voxels across.
    #[inline(always)]
    fn width<P: Axis>(&self) -> usize {
        (self.count - 1) * P::INPUT_STEP + P::INPUTS
    }

    /// Where its voxels begin in a strip; it has room for tiles that share nothing.
    #[inline(always)]
    fn start<P: Axis>(&self) -> usize {
        self.first * P::INPUTS * P::INPUTS
    }
}

/// Reads a group's inputs, activates them, and transforms them along depth.
#[inline(always)]
pub(super) fn read_group<I: Isa, Z: Axis, P: Axis>(
    isa: I,
    (inputs, layer): (&[View<'_>], usize),
    group: Group,
    strips: &mut [ChannelBlock],
) {
    let strip = TILES * P::INPUTS * P::INPUTS;
    let mut strips = strips.chunks_exact_mut(Z::POINTS * strip);
    for view in inputs {
        for block in 0..view.shape.blocks {
            let strips = strips.next().expect("one part for each input block");
            for segment in group.segments() {
                for row in 0..P::INPUTS {
                    let [y, x] = segment.tile.map(|at| at * P::INPUT_STEP);
                    let corner = [
                        (layer * Z::INPUT_STEP) as isize + Z::FIRST,
                        (y + row) as isize + P::FIRST,
                        x as isize + P::FIRST,
                    ];
                    let to = segment.start::<P>() + row * segment.width::<P>();
                    let rows = Rows { view: *view, block, corner, width: segment.width::<P>() };
                    rows.read::<I, Z>(isa, &mut strips[to..], strip);
                }
            }
        }
    }
}

/// Transforms the inputs of one point along depth in the plane.
#[inline(always)]
pub(super) fn transform_group<I: Isa, Z: Axis, P: Axis>(
    isa: I,
    (strips, along): (&[ChannelBlock], usize),
    (group, in_blocks): (Group, usize),
    points: &mut [ChannelBlock],
) {
    let strip = TILES * P::INPUTS * P::INPUTS;
    for block in 0..in_blocks {
        let strip = &strips[(block * Z::POINTS + along) * strip..][..strip];
        let points = &mut points[block * TILES..];
        let stride = in_blocks * TILES;
        for segment in group.segments() {
            for t in 0..segment.count {
                let patch = &strip[segment.start::<P>() + t * P::INPUT_STEP..];
                transform_tile::<I, P>(
                    isa,
                    patch,
                    segment.width::<P>(),
                    &mut points[segment.first + t..],
                    stride,
                );
            }
        }
    }
}

impl Layer<'_> {
    #[inline(always)]
    fn groups<I: Isa, Z: Axis, P: Axis>(&mut self, isa: I) {
        let [_, height, width] = self.fast.out_shape.size;
        let tiles_across = width.div_ceil(P::OUTPUTS);
        let tiles = tiles_across * height.div_ceil(P::OUTPUTS);
        for first in (0..tiles).step_by(TILES) {
            let group = Group { first, count: TILES.min(tiles - first), tiles_across };
            let from = (self.fast.inputs, self.index);
            read_group::<I, Z, P>(isa, from, group, self.scratch.strips);
            for along in 0..Z::POINTS {
                let to = &mut *self.scratch.points;
                let from = (&*self.scratch.strips, along);
                transform_group::<I, Z, P>(isa, from, (group, self.in_blocks), to);
                for out_block in 0..self.fast.out_shape.blocks {
                    self.multiply::<I, P>(isa, along, out_block);
                    self.transform_back::<I, Z, P>(isa, group, along, out_block);
                }
            }
            for out_block in 0..self.fast.out_shape.blocks {
                let sums = self.write::<I, Z, P>(isa, group, out_block);
                if let Some(stats) = self.stats.get_mut(out_block) {
                    add_row(isa, stats, sums);
                }
            }
        }
    }

    /// For each point in the plane: tiles × input channels times input × output channels.
    #[inline(always)]
    fn multiply<I: Isa, P: Axis>(&mut self, isa: I, along: usize, out_block: usize) {
        let points = P::POINTS * P::POINTS;
        let matrices = self.in_blocks * LANES;
        let first = (along * self.fast.out_shape.blocks + out_block) * points * matrices;
        let weights = &self.fast.weights[first..first + points * matrices];
        let inputs = &self.scratch.points[..points * self.in_blocks * TILES];
        let jobs = weights.chunks_exact(matrices).zip(inputs.chunks_exact(self.in_blocks * TILES));
        for ((weights, inputs), products) in jobs.zip(self.scratch.products.chunks_exact_mut(TILES))
        {
            if I::HAS_MANY_REGISTERS {
                multiply_tiles::<I, 16>(isa, weights, inputs, products);
            } else {
                multiply_tiles::<I, 4>(isa, weights, inputs, products);
            }
        }
    }

    /// Transforms the products of one point along depth back in the plane.
    #[inline(always)]
    fn transform_back<I: Isa, Z: Axis, P: Axis>(
        &mut self,
        isa: I,
        group: Group,
        along: usize,
        out_block: usize,
    ) {
        let voxels = P::OUTPUTS * P::OUTPUTS * TILES;
        let outputs =
            &mut self.scratch.outputs[(out_block * Z::POINTS + along) * voxels..][..voxels];
        for t in 0..group.count {
            transform_tile_back::<I, P>(isa, &self.scratch.products[t..], &mut outputs[t..]);
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
        let shape = self.fast.out_shape;
        let [_, height, width] = shape.size;
        let voxels = P::OUTPUTS * P::OUTPUTS * TILES;
        let outputs = &self.scratch.outputs[out_block * Z::POINTS * voxels..][..Z::POINTS * voxels];
        let planes = self.out.len() / shape.slab_len();
        let mut sums = [isa.splat(0.0); 2];
        for t in 0..group.count {
            let [y, x] = group.tile(t).map(|at| at * P::OUTPUTS);
            for row in 0..P::OUTPUTS.min(height - y) {
                for column in 0..P::OUTPUTS.min(width - x) {
                    let at = (row * P::OUTPUTS + column) * TILES + t;
                    let mut points = [isa.splat(0.0); MOST_POINTS];
                    for along in 0..Z::POINTS {
                        points[along] = isa.load(&outputs[along * voxels + at]);
                    }
                    let values = Z::output(isa, points);
                    let place = shape.offset_in_slab(out_block, y + row, x + column);
                    for (plane, &value) in values.iter().enumerate().take(planes) {
                        store(
                            isa,
                            self.fast.write,
                            value,
                            &mut self.out[plane * shape.slab_len() + place],
                        );
                        sums[0] = isa.add(sums[0], value);
                        sums[1] = isa.mul_add(value, value, sums[1]);
                    }
                }
            }
        }
        sums
    }
}

/// One row of a segment through all planes that a layer reads.
struct Rows<'a> {
    view: View<'a>,
    block: usize,
    /// First voxel `[z, y, x]`.
    corner: [isize; 3],
    width: usize,
}

impl Rows<'_> {
    /// Activates the row, transforms it along depth, and leaves each point `stride` after the last.
    /// What lies outside the tensor is zero after activation, not before.
    #[inline(always)]
    fn read<I: Isa, Z: Axis>(&self, isa: I, to: &mut [ChannelBlock], stride: usize) {
        let [depth, height, width] = self.view.shape.size.map(|n| n as isize);
        let [z, y, x] = self.corner;
        let (mut from, mut end) = (0, 0);
        let mut rows: [Option<&[ChannelBlock]>; MOST_POINTS] = [None; MOST_POINTS];
        if (0..height).contains(&y) {
            from = (-x).clamp(0, self.width as isize) as usize;
            end = (width - x).clamp(from as isize, self.width as isize) as usize;
            let start =
                self.view.shape.pitch() * (y + 1) as usize + (x + 1 + from as isize) as usize;
            for (k, row) in rows.iter_mut().enumerate().take(Z::INPUTS) {
                let z = z + k as isize;
                if (0..depth).contains(&z) {
                    *row =
                        Some(&self.view.plane(z as usize, self.block)[start..start + (end - from)]);
                }
            }
        }
        let zero = isa.splat(0.0);
        for point in 0..Z::POINTS {
            let to = &mut to[point * stride..][..self.width];
            for place in &mut to[..from] {
                isa.store(zero, place);
            }
            for place in &mut to[end..] {
                isa.store(zero, place);
            }
        }
        let (map, slope) = self.view.activation_of(self.block);
        let (scale, shift) = map.load(isa);
        let slope = isa.splat(slope);
        let to = &mut to[from..];
        for i in 0..end - from {
            let mut values = [zero; MOST_POINTS];
            for k in 0..Z::INPUTS {
                if let Some(row) = rows[k] {
                    let value = isa.mul_add(isa.load(&row[i]), scale, shift);
                    values[k] = isa.max(value, isa.mul(value, slope));
                }
            }
            let points = Z::input(isa, values);
            for point in 0..Z::POINTS {
                isa.store(points[point], &mut to[point * stride + i]);
            }
        }
    }
}

/// `T` tiles at a time: `products[t] = Σ inputs[block][t] × weights[block]`.
#[inline(always)]
fn multiply_tiles<I: Isa, const T: usize>(
    isa: I,
    weights: &[ChannelBlock],
    inputs: &[ChannelBlock],
    products: &mut [ChannelBlock],
) {
    for first in (0..TILES).step_by(T) {
        let mut sums = [isa.splat(0.0); T];
        for (matrix, inputs) in weights.chunks_exact(LANES).zip(inputs.chunks_exact(TILES)) {
            let inputs = &inputs[first..first + T];
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
}

/// Both transforms of one tile in the plane; `points` are `stride` apart.
#[inline(always)]
fn transform_tile<I: Isa, P: Axis>(
    isa: I,
    patch: &[ChannelBlock],
    pitch: usize,
    points: &mut [ChannelBlock],
    stride: usize,
) {
    let patch = &patch[..(P::INPUTS - 1) * pitch + P::INPUTS];
    let points = &mut points[..=(P::POINTS * P::POINTS - 1) * stride];
    let zero = isa.splat(0.0);
    let mut half = [[zero; MOST_POINTS]; MOST_POINTS];
    for x in 0..P::INPUTS {
        let mut column = [zero; MOST_POINTS];
        for y in 0..P::INPUTS {
            column[y] = isa.load(&patch[y * pitch + x]);
        }
        let column = P::input(isa, column);
        for u in 0..P::POINTS {
            half[u][x] = column[u];
        }
    }
    for u in 0..P::POINTS {
        let row = P::input(isa, half[u]);
        for v in 0..P::POINTS {
            isa.store(row[v], &mut points[(P::POINTS * u + v) * stride]);
        }
    }
}

/// Both transforms back of one tile in the plane; `products` and `outputs` are [`TILES`] apart.
#[inline(always)]
fn transform_tile_back<I: Isa, P: Axis>(
    isa: I,
    products: &[ChannelBlock],
    outputs: &mut [ChannelBlock],
) {
    let products = &products[..=(P::POINTS * P::POINTS - 1) * TILES];
    let outputs = &mut outputs[..=(P::OUTPUTS * P::OUTPUTS - 1) * TILES];
    let zero = isa.splat(0.0);
    let mut half = [[zero; MOST_POINTS]; MOST_OUTPUTS];
    for v in 0..P::POINTS {
        let mut column = [zero; MOST_POINTS];
        for u in 0..P::POINTS {
            column[u] = isa.load(&products[(P::POINTS * u + v) * TILES]);
        }
        let column = P::output(isa, column);
        for i in 0..P::OUTPUTS {
            half[i][v] = column[i];
        }
    }
    for i in 0..P::OUTPUTS {
        let row = P::output(isa, half[i]);
        for j in 0..P::OUTPUTS {
            isa.store(row[j], &mut outputs[(P::OUTPUTS * i + j) * TILES]);
        }
    }
}
