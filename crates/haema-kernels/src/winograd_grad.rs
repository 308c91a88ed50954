//! Weight gradient of the 3³ stride-1 convolution in Winograd's domain.
//!
//! The forward pass is `Aᵀ [U ⊙ V] A` with `U = G w Gᵀ` and `V = Bᵀ d B`; so the gradient of `U` is the
//! sum over tiles of `V` times `A dy Aᵀ`, and that of `w` is `Gᵀ dU G`: 36 products a tile where the
//! direct way needs 144.

use crate::isa::{Door, Isa, Kernel};
use crate::layout::{ChannelBlock, LANES};
use crate::pack::Channels;
use crate::weight_grad::WeightGrad;
use crate::winograd::{G, POINTS, transform_tile, weight_len};

/// Tiles whose products are summed while a matrix stays in registers.
const TILES: usize = 32;

/// Elements of scratch that [`planes`] needs.
pub const SCRATCH_LEN: usize = 4 * POINTS * TILES;

/// Adds the share of the output planes `z_range` to `grad`, laid out as
/// [`crate::winograd::pack_weights`] packs.
///
/// Sums run in `f32` in a fixed order. To be independent of the number of threads, split planes
/// into fixed ranges with a buffer each, and add the buffers in order.
///
/// # Panics
///
/// Where a length does not fit. `job.geometry` must be that of a 3³ convolution of stride 1.
pub fn planes(
    door: Door,
    job: &WeightGrad<'_>,
    z_range: std::ops::Range<usize>,
    grad: &mut [ChannelBlock],
    scratch: &mut [ChannelBlock],
) {
    let in_blocks: usize = job.inputs.iter().map(|view| view.shape.blocks).sum();
    let matrices = job.out_grad.shape.blocks * POINTS * 3 * in_blocks;
    let size = job.out_grad.shape.size;
    assert_eq!(grad.len(), matrices * LANES, "winograd gradient: wrong length");
    assert!(z_range.end <= size[0], "winograd gradient: no such planes");
    assert!(job.inputs.iter().all(|v| v.shape.size == size), "winograd gradient: sizes differ");
    let (points, grads) = scratch[..SCRATCH_LEN].split_at_mut(3 * POINTS * TILES);
    door.run(Planes { job, in_blocks, z_range, grad, points, grads });
}

/// Adds packed gradients to logical ones: `add(output channel, input channel, kernel tap, gradient)`.
///
/// # Panics
///
/// Where `from` is not [`weight_len`] long.
pub fn unpack_gradient(
    channels: Channels<'_>,
    from: &[ChannelBlock],
    mut add: impl FnMut(usize, usize, usize, f32),
) {
    assert_eq!(from.len(), weight_len(channels), "winograd gradient: wrong length");
    let in_blocks = channels.in_blocks();
    for o in 0..channels.output {
        for (i, (in_block, in_lane)) in channels.input_places().enumerate() {
            for kz in 0..3 {
                let points: [f32; POINTS] = std::array::from_fn(|point| {
                    let matrix = ((o / LANES * POINTS + point) * 3 + kz) * in_blocks + in_block;
                    from[matrix * LANES + in_lane].0[o % LANES]
                });
                for (k, value) in inverse_weight(&points).into_iter().enumerate() {
                    add(o, i, 9 * kz + k, value);
                }
            }
        }
    }
}

/// `Gᵀ u G`.
fn inverse_weight(points: &[f32; POINTS]) -> [f32; 9] {
    let half: [[f32; 6]; 3] = std::array::from_fn(|y| {
        std::array::from_fn(|v| (0..6).map(|u| G[u][y] * points[6 * u + v]).sum())
    });
    std::array::from_fn(|k| (0..6).map(|v| half[k / 3][v] * G[v][k % 3]).sum())
}

struct Planes<'a> {
    job: &'a WeightGrad<'a>,
    in_blocks: usize,
    z_range: std::ops::Range<usize>,
    grad: &'a mut [ChannelBlock],
    /// Transformed input of three planes in turn: `[z mod 3][point][tile]`.
    points: &'a mut [ChannelBlock],
    /// Transformed output gradient: `[point][tile]`.
    grads: &'a mut [ChannelBlock],
}

/// A run of tiles in row-major order.
#[derive(Clone, Copy)]
struct Group {
    first: usize,
    count: usize,
    across: usize,
}

impl Group {
    #[inline(always)]
    fn corner(&self, t: usize) -> [usize; 2] {
        let tile = self.first + t;
        [tile / self.across * 4, tile % self.across * 4]
    }
}

impl Kernel for Planes<'_> {
    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        let [depth, height, width] = self.job.out_grad.shape.size;
        let across = width.div_ceil(4);
        let tiles = across * height.div_ceil(4);
        let mut in_block = 0;
        for (input, view) in self.job.inputs.iter().enumerate() {
            for block in 0..view.shape.blocks {
                for first in (0..tiles).step_by(TILES) {
                    let group = Group { first, count: TILES.min(tiles - first), across };
                    for z in self.z_range.start.saturating_sub(1)..=self.z_range.end {
                        if z < depth {
                            self.transform_input(isa, group, [input, z, block]);
                        }
                        if z > self.z_range.start {
                            self.add_plane(isa, group, z - 1, in_block);
                        }
                    }
                }
                in_block += 1;
            }
        }
    }
}

impl Planes<'_> {
    #[inline(always)]
    fn transform_input<I: Isa>(&mut self, isa: I, group: Group, [input, z, block]: [usize; 3]) {
        let view = self.job.inputs[input];
        let (plane, pitch) = (view.plane(z, block), view.shape.pitch());
        let points = &mut self.points[(z % 3) * POINTS * TILES..][..POINTS * TILES];
        for t in 0..group.count {
            let [y, x] = group.corner(t);
            transform_tile::<I, TILES>(isa, &plane[y * pitch + x..], pitch, &mut points[t..]);
        }
    }

    #[inline(always)]
    fn add_plane<I: Isa>(&mut self, isa: I, group: Group, z: usize, in_block: usize) {
        let shape = self.job.out_grad.shape;
        let pitch = shape.pitch();
        for out_block in 0..shape.blocks {
            let plane = self.job.out_grad.plane(z, out_block);
            for t in 0..group.count {
                let [y, x] = group.corner(t);
                let patch = &plane[(y + 1) * pitch + x + 1..];
                transform_grad(isa, patch, pitch, &mut self.grads[t..]);
            }
            for point in 0..POINTS {
                for kz in 0..3 {
                    let from = (z + kz).wrapping_sub(1);
                    if from < shape.size[0] {
                        let matrix = ((out_block * POINTS + point) * 3 + kz) * self.in_blocks;
                        let at = (matrix + in_block) * LANES;
                        let points = ((from % 3) * POINTS + point) * TILES;
                        let points = &self.points[points..points + group.count];
                        let grads = &self.grads[point * TILES..][..group.count];
                        let sums = &mut self.grad[at..at + LANES];
                        if I::HAS_MANY_REGISTERS {
                            add_products::<I, 16>(isa, points, grads, (sums, 0));
                        } else {
                            for first in [0, 4, 8, 12] {
                                add_products::<I, 4>(isa, points, grads, (sums, first));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `sums[i][o] += Σ points[t][i] · grads[t][o]` for `N` input channels from `first` on.
#[inline(always)]
fn add_products<I: Isa, const N: usize>(
    isa: I,
    points: &[ChannelBlock],
    grads: &[ChannelBlock],
    (sums, first): (&mut [ChannelBlock], usize),
) {
    let sums = &mut sums[first..first + N];
    let mut open = [isa.splat(0.0); N];
    for i in 0..N {
        open[i] = isa.load(&sums[i]);
    }
    for (point, grad) in points.iter().zip(grads) {
        let grad = isa.load(grad);
        let channels = &point.0[first..first + N];
        for i in 0..N {
            open[i] = isa.mul_add(isa.splat(channels[i]), grad, open[i]);
        }
    }
    for i in 0..N {
        isa.store(open[i], &mut sums[i]);
    }
}

/// `A dy Aᵀ` of one 4 × 4 tile; the points are `TILES` apart.
#[inline(always)]
fn transform_grad<I: Isa>(
    isa: I,
    patch: &[ChannelBlock],
    pitch: usize,
    points: &mut [ChannelBlock],
) {
    let patch = &patch[..3 * pitch + 4];
    let points = &mut points[..=(35 * TILES)];
    let mut half = [[isa.splat(0.0); 4]; 6];
    for x in 0..4 {
        let mut column = [isa.splat(0.0); 4];
        for y in 0..4 {
            column[y] = isa.load(&patch[y * pitch + x]);
        }
        let column = grad_transform(isa, column);
        for u in 0..6 {
            half[u][x] = column[u];
        }
    }
    for u in 0..6 {
        let row = grad_transform(isa, half[u]);
        for v in 0..6 {
            isa.store(row[v], &mut points[(6 * u + v) * TILES]);
        }
    }
}

/// `A y`, four numbers to six.
#[inline(always)]
fn grad_transform<I: Isa>(isa: I, y: [I::V; 4]) -> [I::V; 6] {
    let four = isa.splat(4.0);
    let s = isa.add(y[0], y[2]);
    let t = isa.add(y[1], y[3]);
    let u = isa.mul_add(four, y[2], y[0]);
    let v = isa.mul(isa.splat(2.0), isa.mul_add(four, y[3], y[1]));
    [y[0], isa.add(s, t), isa.sub(s, t), isa.add(u, v), isa.sub(u, v), y[3]]
}
