//! How activations lie in memory.
//!
//! ```text
//! [depth z][block of 16 channels][row y + 1][column x + 1][16 channels]
//! ```
//!
//! A *slab* is one `z`: all channel blocks of one plane, contiguous, so that threads can own
//! planes. Rows and columns carry a halo of zeros one voxel wide, and are padded to a multiple of
//! four for Winograd tiles; depth has no halo, kernels skip what lies outside. Kernels write only
//! inside, so a zeroed buffer keeps its halo.

use crate::element::Element;
use crate::norm::{Activation, ChannelMap};

/// Channels in a block: one AVX-512 register, two of AVX2.
pub const LANES: usize = 16;

/// Sixteen channels of one voxel. Aligned to a cache line, so that no load splits one.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ChannelBlock(pub [f32; LANES]);

/// Sixteen channels of one voxel as bfloat16, the upper halves of `f32`: half the memory, eight bits
/// of precision.
#[repr(C, align(32))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HalfBlock(pub [u16; LANES]);

/// Sums over the voxels of one plane, for each channel of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ChannelStats {
    /// Σx.
    pub sum: [f64; LANES],
    /// Σx².
    pub sum_of_squares: [f64; LANES],
}

/// Size of an activation tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Voxels along `[z, y, x]`.
    pub size: [usize; 3],
    /// Blocks of sixteen channels.
    pub blocks: usize,
}

impl Shape {
    /// A shape that holds `channels` channels of `size` `[z, y, x]` voxels.
    pub fn new(size: [usize; 3], channels: usize) -> Self {
        Self { size, blocks: channels.div_ceil(LANES) }
    }

    /// Elements from one row to the next.
    pub fn pitch(&self) -> usize {
        self.size[2].next_multiple_of(4) + 2
    }

    /// Elements of one channel block of one plane.
    pub fn plane_len(&self) -> usize {
        (self.size[1].next_multiple_of(4) + 2) * self.pitch()
    }

    /// Elements of one `z`.
    pub fn slab_len(&self) -> usize {
        self.blocks * self.plane_len()
    }

    /// Elements in all.
    pub fn len(&self) -> usize {
        self.size[0] * self.slab_len()
    }

    /// Whether there is no voxel or no channel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 || self.size.contains(&0)
    }

    /// Where voxel `(y, x)` of block `block` lies in a slab.
    #[inline]
    pub fn offset_in_slab(&self, block: usize, y: usize, x: usize) -> usize {
        block * self.plane_len() + (y + 1) * self.pitch() + x + 1
    }

    /// Number of voxels of one channel.
    pub fn voxels(&self) -> usize {
        self.size.iter().product()
    }
}

/// A tensor to read.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, E = ChannelBlock> {
    /// Its size.
    pub shape: Shape,
    /// Its elements, [`Shape::len`] of them.
    pub data: &'a [E],
    /// What its values go through before they are used, where that has not been done yet. Only
    /// kernels that say so read such a tensor.
    pub activation: Option<Activation<'a>>,
}

impl<'a, E: Element> View<'a, E> {
    /// Joins a shape and its elements.
    ///
    /// # Panics
    ///
    /// Where their lengths differ.
    pub fn new(shape: Shape, data: &'a [E]) -> Self {
        assert_eq!(data.len(), shape.len(), "view: data does not fill {shape:?}");
        Self { shape, data, activation: None }
    }

    /// The same values, to be activated as they are read.
    ///
    /// # Panics
    ///
    /// Where the activation is one of another number of blocks.
    #[must_use]
    pub fn activated(self, activation: Activation<'a>) -> Self {
        assert_eq!(activation.maps.len(), self.shape.blocks, "view: one map for each block");
        Self { activation: Some(activation), ..self }
    }

    /// What block `block` goes through: nothing, as a map, where there is nothing.
    #[inline(always)]
    pub(crate) fn activation_of(&self, block: usize) -> (&'a ChannelMap, f32) {
        static NOTHING: ChannelMap = ChannelMap {
            scale: ChannelBlock([1.0; LANES]),
            shift: ChannelBlock([0.0; LANES]),
            keep: ChannelBlock([1.0; LANES]),
        };
        self.activation.map_or((&NOTHING, 1.0), |a| (&a.maps[block], a.slope))
    }

    /// One channel block of one plane, halo included.
    #[inline(always)]
    pub(crate) fn plane(&self, z: usize, block: usize) -> &'a [E] {
        let start = z * self.shape.slab_len() + block * self.shape.plane_len();
        &self.data[start..start + self.shape.plane_len()]
    }
}

/// How a kernel leaves its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Over what was there.
    Set,
    /// Added to what was there, as gradients of several consumers are.
    Add,
    /// Over what was there and past the caches, which would first read it: for results larger than
    /// them. Elements of half the width are set: each is half a cache line.
    Stream,
}
