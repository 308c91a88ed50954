//! Why a list of blocks is not a network.

use thiserror::Error;

use super::{Kernel, SCHEMA, Up};

/// Why a list of blocks is not a network.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Written by another version.
    #[error("network schema {found}, this version reads {SCHEMA}")]
    Schema {
        /// The number found.
        found: u32,
    },
    /// No block.
    #[error("the network has no blocks")]
    Empty,
    /// A name stands for two blocks.
    #[error("two blocks are named {name}")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A block reads what is not made before it.
    #[error("block {block} reads {input}, which no earlier block makes")]
    Unknown {
        /// The block.
        block: String,
        /// The missing input.
        input: String,
    },
    /// The kernel and the upsampling have no kernel of ours.
    #[error("block {block}: {kernel:?} after {up:?} is not supported")]
    Unsupported {
        /// The block.
        block: String,
        /// Its kernel.
        kernel: Kernel,
        /// Its upsampling.
        up: Up,
    },
    /// The executor and the trainer read one channel.
    #[error("the network takes {found} channels: one can be run")]
    InputChannels {
        /// Its channels.
        found: usize,
    },
    /// Sizes or channels of joined tensors do not fit.
    #[error("block {block}: {input} is {found:?} [channels, z, y, x] where {wanted:?} was wanted")]
    Shapes {
        /// The block.
        block: String,
        /// The input that does not fit.
        input: String,
        /// Its shape.
        found: [usize; 4],
        /// What would fit.
        wanted: [usize; 4],
    },
    /// A number is out of its range.
    #[error("block {block}: {what}")]
    Range {
        /// The block.
        block: String,
        /// Which number, and its range.
        what: &'static str,
    },
}
