//! Sixteen tiles: what of the input belongs to them, read and transformed.

use super::TILES;
use super::axis::{Axis, MOST_POINTS};
use crate::element::Element;
use crate::isa::Isa;
use crate::layout::{ChannelBlock, View};

/// Sixteen tiles of a layer, or what is left of them, in row-major order.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) tiles_across: usize,
}

/// The tiles of a group that lie in one row of tiles.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    /// Its first tile's place in the group.
    pub(super) first: usize,
    /// Row and column of its first tile.
    pub(super) tile: [usize; 2],
    pub(super) count: usize,
}

impl Group {
    #[inline(always)]
    pub(super) fn segments(self) -> impl Iterator<Item = Segment> {
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
    /// Input columns.
    #[inline(always)]
    pub(super) fn width<P: Axis>(&self) -> usize {
        (self.count - 1) * P::INPUT_STEP + P::INPUTS
    }

    /// Where its columns begin; a row has room for tiles that share nothing.
    #[inline(always)]
    pub(super) fn start<P: Axis>(&self) -> usize {
        self.first * P::INPUTS
    }
}

/// Reads a group's inputs, activates them, and transforms them along depth.
#[inline(always)]
pub(super) fn read<I: Isa, Z: Axis, P: Axis, E: Element>(
    isa: I,
    (inputs, layer): (&[View<'_, E>], usize),
    group: Group,
    strips: &mut [ChannelBlock],
) {
    let (columns, strip) = (TILES * P::INPUTS, TILES * P::INPUTS * P::INPUTS);
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
                    let rows = Rows { view: *view, block, corner, width: segment.width::<P>() };
                    let to = row * columns + segment.start::<P>();
                    rows.read::<I, Z>(isa, &mut strips[to..], strip);
                }
            }
        }
    }
}

/// Transforms one point along z along y.
#[inline(always)]
pub(super) fn transform_y<I: Isa, Z: Axis, P: Axis>(
    isa: I,
    (strips, z): (&[ChannelBlock], usize),
    group: Group,
    rows: &mut [ChannelBlock],
) {
    let columns = TILES * P::INPUTS;
    let strips = strips.chunks_exact(P::INPUTS * columns);
    let rows = rows.chunks_exact_mut(P::POINTS * columns);
    for (strip, rows) in strips.skip(z).step_by(Z::POINTS).zip(rows) {
        for segment in group.segments() {
            let start = segment.start::<P>();
            for column in start..start + segment.width::<P>() {
                let mut values = [isa.splat(0.0); MOST_POINTS];
                for y in 0..P::INPUTS {
                    values[y] = isa.load(&strip[y * columns + column]);
                }
                let values = P::input(isa, values);
                for y in 0..P::POINTS {
                    isa.store(values[y], &mut rows[y * columns + column]);
                }
            }
        }
    }
}

/// Transforms one point along y along x.
#[inline(always)]
pub(super) fn transform_x<I: Isa, P: Axis>(
    isa: I,
    (rows, y): (&[ChannelBlock], usize),
    group: Group,
    points: &mut [ChannelBlock],
) {
    let columns = TILES * P::INPUTS;
    let points = points.chunks_exact_mut(P::POINTS * TILES);
    for (block, points) in points.enumerate() {
        let row = &rows[(block * P::POINTS + y) * columns..][..columns];
        for segment in group.segments() {
            for t in 0..segment.count {
                let start = segment.start::<P>() + t * P::INPUT_STEP;
                let inputs = &row[start..start + P::INPUTS];
                let mut values = [isa.splat(0.0); MOST_POINTS];
                for x in 0..P::INPUTS {
                    values[x] = isa.load(&inputs[x]);
                }
                let values = P::input(isa, values);
                for x in 0..P::POINTS {
                    isa.store(values[x], &mut points[x * TILES + segment.first + t]);
                }
            }
        }
    }
}

/// One row of a segment through all planes that a layer reads.
struct Rows<'a, E> {
    view: View<'a, E>,
    block: usize,
    /// First voxel `[z, y, x]`.
    corner: [isize; 3],
    width: usize,
}

impl<E: Element> Rows<'_, E> {
    /// Activates the row, transforms it along depth, and leaves each point `stride` after the last.
    /// What lies outside the tensor is zero after activation, not before.
    #[inline(always)]
    fn read<I: Isa, Z: Axis>(&self, isa: I, to: &mut [ChannelBlock], stride: usize) {
        let [depth, height, width] = self.view.shape.size.map(|n| n as isize);
        let [z, y, x] = self.corner;
        let (mut from, mut end) = (0, 0);
        let mut rows: [Option<&[E]>; MOST_POINTS] = [None; MOST_POINTS];
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
                    let value = isa.mul_add(row[i].load(isa), scale, shift);
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
