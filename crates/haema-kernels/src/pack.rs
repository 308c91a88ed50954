//! Weights as the kernels want them: for each tap and block of input channels a 16 × 16 matrix,
//! input channel by input channel, sixteen output channels side by side.

use crate::geometry::Geometry;
use crate::layout::{ChannelBlock, LANES};

/// Channels of a convolution. Inputs may be several tensors side by side (a concatenation without a
/// copy); each begins a new block.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a> {
    /// Channels that come in, one entry for each tensor.
    pub inputs: &'a [usize],
    /// Channels that go out.
    pub output: usize,
}

impl Channels<'_> {
    /// Blocks that come in.
    pub fn in_blocks(&self) -> usize {
        self.inputs.iter().map(|n| n.div_ceil(LANES)).sum()
    }

    /// Blocks that go out.
    pub fn out_blocks(&self) -> usize {
        self.output.div_ceil(LANES)
    }

    /// Block and lane of every input channel, in order.
    pub fn input_places(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut first_block = 0;
        self.inputs.iter().flat_map(move |&n| {
            let start = first_block;
            first_block += n.div_ceil(LANES);
            (0..n).map(move |c| (start + c / LANES, c % LANES))
        })
    }
}

/// Elements of the packed weights of a walk.
pub fn gather_len(geometry: &Geometry, channels: Channels<'_>) -> usize {
    channels.out_blocks() * geometry.tap_count() * channels.in_blocks() * LANES
}

/// Where the matrix of one tap and one pair of blocks begins.
#[inline(always)]
pub(crate) fn gather_offset(
    geometry: &Geometry,
    [in_blocks, out_block, in_block]: [usize; 3],
    phase: usize,
    tap: usize,
) -> usize {
    let phase = &geometry.phases[phase];
    let matrices = (out_block * geometry.tap_count() + phase.first_tap) * in_blocks;
    (matrices + in_block * phase.taps.len() + tap) * LANES
}

/// Packs weights for [`crate::gather`].
///
/// `weight(output channel, input channel, kernel tap)` gives the logical weights; kernel taps that
/// share a voxel are added in their order.
///
/// # Panics
///
/// Where `into` is not [`gather_len`] long.
pub fn gather(
    geometry: &Geometry,
    channels: Channels<'_>,
    weight: impl Fn(usize, usize, usize) -> f32,
    into: &mut [ChannelBlock],
) {
    assert_eq!(into.len(), gather_len(geometry, channels), "pack: wrong length");
    into.fill(ChannelBlock::default());
    for o in 0..channels.output {
        for (i, (in_block, in_lane)) in channels.input_places().enumerate() {
            for (p, phase) in geometry.phases.iter().enumerate() {
                for (t, tap) in phase.taps.iter().enumerate() {
                    let blocks = [channels.in_blocks(), o / LANES, in_block];
                    let at = gather_offset(geometry, blocks, p, t) + in_lane;
                    into[at].0[o % LANES] = tap.kernel_taps.iter().map(|&k| weight(o, i, k)).sum();
                }
            }
        }
    }
}

/// Adds packed weight gradients to logical ones: the reverse of [`gather()`].
///
/// `add(output channel, input channel, kernel tap, gradient)` is called for every pair of a weight
/// and a tap that it takes part in.
///
/// # Panics
///
/// Where `from` is not [`gather_len`] long.
pub fn unpack_gradient(
    geometry: &Geometry,
    channels: Channels<'_>,
    from: &[ChannelBlock],
    mut add: impl FnMut(usize, usize, usize, f32),
) {
    assert_eq!(from.len(), gather_len(geometry, channels), "unpack: wrong length");
    for o in 0..channels.output {
        for (i, (in_block, in_lane)) in channels.input_places().enumerate() {
            for (p, phase) in geometry.phases.iter().enumerate() {
                for (t, tap) in phase.taps.iter().enumerate() {
                    let blocks = [channels.in_blocks(), o / LANES, in_block];
                    let at = gather_offset(geometry, blocks, p, t) + in_lane;
                    for &k in &tap.kernel_taps {
                        add(o, i, k, from[at].0[o % LANES]);
                    }
                }
            }
        }
    }
}
