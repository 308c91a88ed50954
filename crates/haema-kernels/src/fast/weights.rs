//! Weights of fast convolutions, transformed and packed.

use super::Walk;
use super::axis::{Alone, Axis, Down, Same, Split, Up, UpTwo};
use super::back::{DownBack, Join, SameBack, UpBack, UpTwoBack};
use crate::geometry::ConvKind;
use crate::layout::{ChannelBlock, LANES};
use crate::pack::Channels;

/// `G` along `[z, y, x]` with its number of points.
type Transforms = [&'static [[f64; 3]]; 3];

fn transforms(walk: Walk) -> Transforms {
    const fn of<A: Axis>() -> &'static [[f64; 3]] {
        const { A::WEIGHTS.split_at(A::POINTS).0 }
    }
    match walk {
        Walk::Forward(kind) => match kind {
            ConvKind::Same3 => [of::<Same>(); 3],
            ConvKind::Plane3 => [of::<Alone>(), of::<Same>(), of::<Same>()],
            ConvKind::Down3 | ConvKind::Down3TfSame => [of::<Down<0>>(); 3],
            ConvKind::Up3 => [of::<Up>(); 3],
            ConvKind::Pointwise => [of::<Alone>(); 3],
            ConvKind::Transposed2 => [of::<Split>(); 3],
            ConvKind::PlaneTransposed2 => [of::<Alone>(), of::<Split>(), of::<Split>()],
            ConvKind::PlaneUp2 => [of::<Alone>(), of::<UpTwo>(), of::<UpTwo>()],
        },
        Walk::Back(kind) => match kind {
            ConvKind::Same3 => [of::<SameBack>(); 3],
            ConvKind::Plane3 => [of::<Alone>(), of::<SameBack>(), of::<SameBack>()],
            ConvKind::Down3 | ConvKind::Down3TfSame => [of::<DownBack<0>>(); 3],
            ConvKind::Up3 => [of::<UpBack>(); 3],
            ConvKind::Pointwise => [of::<Alone>(); 3],
            ConvKind::Transposed2 => [of::<Join>(); 3],
            ConvKind::PlaneTransposed2 => [of::<Alone>(), of::<Join>(), of::<Join>()],
            ConvKind::PlaneUp2 => [of::<Alone>(), of::<UpTwoBack>(), of::<UpTwoBack>()],
        },
    }
}

pub(super) fn len(walk: Walk, in_blocks: usize, out_blocks: usize) -> usize {
    let points: usize = transforms(walk).iter().map(|g| g.len()).product();
    points * in_blocks * out_blocks * LANES
}

/// Elements of the packed weights.
pub fn weight_len(walk: impl Into<Walk>, channels: Channels<'_>) -> usize {
    len(walk.into(), channels.in_blocks(), channels.out_blocks())
}

/// Transforms weights in `f64` and packs them:
/// `[point along z][point along y][output block][input block][point along x][input channel]`.
///
/// `weight(output channel, input channel, kernel tap)` gives the logical weights, taps row by row; on
/// the way back the gradient's output channels are the convolution's input channels.
///
/// # Panics
///
/// Where `into` is not [`weight_len`] long.
pub fn pack_weights(
    walk: impl Into<Walk>,
    channels: Channels<'_>,
    weight: impl Fn(usize, usize, usize) -> f32,
    into: &mut [ChannelBlock],
) {
    let walk = walk.into();
    assert_eq!(into.len(), weight_len(walk, channels), "fast: wrong length");
    into.fill(ChannelBlock::default());
    let g = transforms(walk);
    let in_blocks = channels.in_blocks();
    let [depth, height, width] = walk.kind().kernel_size();
    for out_block in 0..channels.out_blocks() {
        let first = out_block * LANES;
        let lanes = LANES.min(channels.output - first);
        for (i, (in_block, in_lane)) in channels.input_places().enumerate() {
            let mut kernel = [[0.0; LANES]; 27];
            for k in 0..depth * height * width {
                let (z, y, x) = (k / (height * width), k / width % height, k % width);
                let tap = &mut kernel[9 * z + 3 * y + x];
                for (lane, value) in tap.iter_mut().enumerate().take(lanes) {
                    *value = f64::from(weight(first + lane, i, k));
                }
            }
            transform(g, &kernel, |[z, y, x], value| {
                let row = (z * g[1].len() + y) * channels.out_blocks() + out_block;
                let matrix = (row * in_blocks + in_block) * g[2].len() + x;
                into[matrix * LANES + in_lane] = value;
            });
        }
    }
}

/// `G ⊗ G ⊗ G` of sixteen kernels at once.
fn transform(
    g: Transforms,
    kernel: &[[f64; LANES]; 27],
    mut put: impl FnMut([usize; 3], ChannelBlock),
) {
    let combine = |taps: [&[f64; LANES]; 3], g: &[f64; 3]| -> [f64; LANES] {
        std::array::from_fn(|l| g[0] * taps[0][l] + g[1] * taps[1][l] + g[2] * taps[2][l])
    };
    for (z, along_z) in g[0].iter().enumerate() {
        let plane: [[f64; LANES]; 9] = std::array::from_fn(|k| {
            combine([&kernel[k], &kernel[9 + k], &kernel[18 + k]], along_z)
        });
        for (y, along_y) in g[1].iter().enumerate() {
            let row: [[f64; LANES]; 3] = std::array::from_fn(|k| {
                combine([&plane[k], &plane[3 + k], &plane[6 + k]], along_y)
            });
            for (x, along_x) in g[2].iter().enumerate() {
                let value = combine([&row[0], &row[1], &row[2]], along_x);
                put([z, y, x], ChannelBlock(value.map(|value| value as f32)));
            }
        }
    }
}
