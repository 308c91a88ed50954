//! Convolutions with fewer products than their definition asks for.
//!
//! The output is cut into tiles. A tile's inputs are transformed along each axis, products are
//! taken point by point, summed over input channels, and transformed back:
//!
//! | convolution | tile | products of a channel pair | by definition |
//! |---|---|---|---|
//! | 3³ | 4³ | 216 | 1728 |
//! | 3 × 3 in the plane | 4² | 36 | 144 |
//! | 3³, stride 2 | 2³ | 125 | 216 |
//! | nearest upsample ×2, then 3³ | 2³, of one coarse voxel | 27 | 216, as sub-pixel sums 64 |
//! | nearest upsample ×2 in the plane, then 2 × 2 | 2², of one coarse voxel | 4 | 16 |
//!
//! Sixteen tiles go together, one layer of tiles at a time, so that all of a group's intermediate
//! values stay in the second-level cache and each weight is loaded once for sixteen tiles. An input
//! may come with an [`Activation`](crate::norm::Activation) that has not been applied yet: it is applied as values are read.
//!
//! The other convolutions (1³, transposed 2³ and 2 × 2) have nothing to save; they come along because
//! they profit from the rest.
//!
//! # Error
//!
//! Every transform and product is a chain of at most `n` roundings, so the error of an output is at
//! most `n · ε · Σ |Aᵀ| (|G| |w| ⊙ |Bᵀ| |x|)`, the same algorithm on magnitudes (Higham, _Accuracy and
//! Stability of Numerical Algorithms_, 2nd ed., §3.1 and §3.5). For noise the measured root mean
//! square is 2e-6 of an output's for 3³, and 2e-7 for stride 2 and upsampling.

mod axis;
mod back;
pub mod grad;
mod group;
mod layer;
mod weights;

#[cfg(test)]
mod grad_tests;
#[cfg(test)]
mod tests;

use crate::element::Element;
use crate::element::sealed::Tensors;
use crate::geometry::ConvKind;
use crate::isa::Door;
use crate::layout::{ChannelBlock, ChannelStats, LANES, Shape, View, Write};
use crate::pack::Channels;
use axis::{Alone, Axis, Down, Same, Split, Up, UpTwo};
use back::{DownBack, Join, SameBack, UpBack, UpTwoBack};
use layer::{Layer, Scratch};
pub use weights::{pack_weights, weight_len};

/// Tiles that go through the products together.
const TILES: usize = 16;

/// A convolution, or the gradient of what goes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// The convolution itself.
    Forward(ConvKind),
    /// Its data gradient: output gradient in, input gradient out, and so are the channels.
    Back(ConvKind),
}

impl From<ConvKind> for Walk {
    fn from(kind: ConvKind) -> Self {
        Self::Forward(kind)
    }
}

impl Walk {
    fn kind(self) -> ConvKind {
        match self {
            Self::Forward(kind) | Self::Back(kind) => kind,
        }
    }

    /// Whether an input of `size` `[z, y, x]` gives an output of `out_size`.
    fn fits(self, size: [usize; 3], out_size: [usize; 3]) -> bool {
        match self {
            Self::Forward(kind) => kind.out_size(size) == out_size,
            Self::Back(kind) => kind.out_size(out_size) == size,
        }
    }
}

/// What to convolve. `weights` come from [`pack_weights`].
#[derive(Debug, Clone, Copy)]
pub struct Fast<'a, E = ChannelBlock> {
    /// Which convolution.
    pub walk: Walk,
    /// Input tensors, side by side in channels, all of one size.
    pub inputs: &'a [View<'a, E>],
    /// Packed weights.
    pub weights: &'a [ChannelBlock],
    /// Size of the whole output.
    pub out_shape: Shape,
    /// How the result is left.
    pub write: Write,
}

/// Output planes of one layer of tiles.
pub fn layer_planes(walk: impl Into<Walk>) -> usize {
    sizes(walk.into()).outputs[0]
}

/// Elements of scratch that [`layer`] needs.
pub fn scratch_len(walk: impl Into<Walk>, in_blocks: usize, out_blocks: usize) -> usize {
    let sizes = sizes(walk.into());
    sizes.parts(in_blocks, out_blocks).iter().sum()
}

/// Operations of the products for an output of `size` `[z, y, x]`, a multiply-add being two.
pub fn flop(walk: impl Into<Walk>, channels: Channels<'_>, size: [usize; 3]) -> f64 {
    let Sizes { points, outputs, .. } = sizes(walk.into());
    let [z, y, x] = size;
    let in_plane = y.div_ceil(outputs[1]) * x.div_ceil(outputs[1]);
    let products = z.div_ceil(outputs[0]) * in_plane * points[0] * points[1].pow(2);
    let pairs = channels.in_blocks() * channels.out_blocks() * LANES * LANES;
    2.0 * products as f64 * pairs as f64
}

/// Sizes of a tile, `[along depth, in the plane]`.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    inputs: [usize; 2],
    points: [usize; 2],
    outputs: [usize; 2],
}

impl Sizes {
    const fn of<Z: Axis, P: Axis>() -> Self {
        Self {
            inputs: [Z::INPUTS, P::INPUTS],
            points: [Z::POINTS, P::POINTS],
            outputs: [Z::OUTPUTS, P::OUTPUTS],
        }
    }

    /// Elements of the parts of the scratch.
    fn parts(&self, in_blocks: usize, out_blocks: usize) -> [usize; 6] {
        let ([along, plane], inputs, outputs) = (self.points, self.inputs[1], self.outputs[1]);
        [
            TILES * in_blocks * along * inputs * inputs,
            TILES * in_blocks * plane * inputs,
            TILES * in_blocks * plane,
            TILES * plane,
            TILES * out_blocks * plane * outputs,
            TILES * out_blocks * along * outputs * outputs,
        ]
    }
}

fn sizes(walk: Walk) -> Sizes {
    match walk {
        Walk::Forward(kind) => match kind {
            ConvKind::Same3 => Sizes::of::<Same, Same>(),
            ConvKind::Plane3 => Sizes::of::<Alone, Same>(),
            ConvKind::Down3 | ConvKind::Down3TfSame => Sizes::of::<Down<0>, Down<0>>(),
            ConvKind::Up3 => Sizes::of::<Up, Up>(),
            ConvKind::Pointwise => Sizes::of::<Alone, Alone>(),
            ConvKind::Transposed2 => Sizes::of::<Split, Split>(),
            ConvKind::PlaneTransposed2 => Sizes::of::<Alone, Split>(),
            ConvKind::PlaneUp2 => Sizes::of::<Alone, UpTwo>(),
        },
        Walk::Back(kind) => match kind {
            ConvKind::Same3 => Sizes::of::<SameBack, SameBack>(),
            ConvKind::Plane3 => Sizes::of::<Alone, SameBack>(),
            ConvKind::Down3 | ConvKind::Down3TfSame => Sizes::of::<DownBack<0>, DownBack<0>>(),
            ConvKind::Up3 => Sizes::of::<UpBack, UpBack>(),
            ConvKind::Pointwise => Sizes::of::<Alone, Alone>(),
            ConvKind::Transposed2 => Sizes::of::<Join, Join>(),
            ConvKind::PlaneTransposed2 => Sizes::of::<Alone, Join>(),
            ConvKind::PlaneUp2 => Sizes::of::<Alone, UpTwoBack>(),
        },
    }
}

/// Computes layer `layer` of the output's tiles into `out`, the slabs of its planes, and adds the
/// layer's sums to `stats`, one entry for each output block, or none for no sums.
///
/// Sums run in `f32` over the outputs of at most sixteen tiles, then in `f64`. They are of the values
/// before they are rounded to half the width: those are at hand, and trainers take them, too.
///
/// # Panics
///
/// Where a length does not fit.
pub fn layer<E: Element>(
    door: Door,
    fast: &Fast<'_, E>,
    layer: usize,
    (out, stats): (&mut [E], &mut [ChannelStats]),
    scratch: &mut [ChannelBlock],
) {
    let shape = fast.out_shape;
    let in_blocks: usize = fast.inputs.iter().map(|view| view.shape.blocks).sum();
    let size = fast.inputs[0].shape.size;
    let planes = layer_planes(fast.walk);
    let own_planes = planes.min(shape.size[0].saturating_sub(layer * planes));
    assert!(fast.walk.fits(size, shape.size), "fast: output does not fit the input");
    assert!(fast.inputs.iter().all(|view| view.shape.size == size), "fast: sizes differ");
    assert_eq!(out.len(), own_planes * shape.slab_len(), "fast: output is not the layer's slabs");
    assert!(stats.is_empty() || stats.len() == shape.blocks, "fast: stats do not fit");
    let wanted = weights::len(fast.walk, in_blocks, shape.blocks);
    assert_eq!(fast.weights.len(), wanted, "fast: weights do not fit");
    let Fast { walk, weights, write, .. } = *fast;
    let job = Job { walk, weights, in_blocks, out_shape: shape, write, index: layer };
    run(door, job, E::join(fast.inputs, out), stats, scratch);
}

/// What [`layer`] does, whatever the width of what it reads and writes.
#[derive(Clone, Copy)]
struct Job<'a> {
    walk: Walk,
    weights: &'a [ChannelBlock],
    in_blocks: usize,
    out_shape: Shape,
    write: Write,
    index: usize,
}

/// Apart from [`layer`], so that it is compiled here and not by every user of either width.
fn run(
    door: Door,
    job: Job<'_>,
    tensors: Tensors<'_>,
    stats: &mut [ChannelStats],
    scratch: &mut [ChannelBlock],
) {
    let sizes = sizes(job.walk);
    let [strips, rows, points, products, columns, _] =
        sizes.parts(job.in_blocks, job.out_shape.blocks);
    let scratch = &mut scratch[..scratch_len(job.walk, job.in_blocks, job.out_shape.blocks)];
    let (strips, scratch) = scratch.split_at_mut(strips);
    let (rows, scratch) = scratch.split_at_mut(rows);
    let (points, scratch) = scratch.split_at_mut(points);
    let (products, scratch) = scratch.split_at_mut(products);
    let (columns, outputs) = scratch.split_at_mut(columns);
    let scratch = Scratch { strips, rows, points, products, columns, outputs };
    door.run(Layer { job, tensors, stats, scratch });
}
