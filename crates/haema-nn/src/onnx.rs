//! The network as an ONNX file, for whoever runs another engine.
//!
//! The graph is written from the same [`NetSpec`] and [`Parameters`] that [`crate::Executor`] reads:
//! a block becomes the operators that ONNX has for it, a parameter keeps its name. It is `fp32`,
//! opset 17 without extensions, and ends in probabilities:
//!
//! | | name | shape |
//! |---|---|---|
//! | input | `input` | `[1, channels, z, y, x]` |
//! | output | `probability` | `[1, 1, z, y, x]`; one channel a class where there are more than two |

mod graph;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::params::Parameters;
use crate::spec::{NetSpec, SpecError};
use graph::Graph;
use wire::Message;

/// Version of the file format: that of ONNX 1.12, the first with [`OPSET`].
const IR_VERSION: i64 = 8;
/// Version of the operators: old enough for engines of 2022, new enough for everything used here.
const OPSET: i64 = 17;
/// Protocol Buffers take no larger file.
const MOST_BYTES: usize = i32::MAX as usize;
/// A side that every network of ours can halve as often as it does.
const LARGE_SIDE: usize = 1 << 16;

/// What the file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxHeader {
    /// Version of haema.
    pub version: String,
    /// What the network is, for people.
    pub description: String,
    /// Further entries, for programs.
    pub metadata: BTreeMap<String, String>,
}

/// Why a network cannot be written as ONNX.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The blocks are no network, or do not take the size.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The size cannot be halved as often as the network does.
    #[error(
        "the size {found:?} [z, y, x] does not go through the network: wanted multiples of {}",
        divisor_text(*divisor)
    )]
    Size {
        /// The size asked for.
        found: [usize; 3],
        /// By what its sides must be divisible.
        divisor: [usize; 3],
    },
    /// More than the format can hold.
    #[error("the file would have {found} bytes: ONNX without external data holds {MOST_BYTES}")]
    TooLarge {
        /// How large it would be.
        found: usize,
    },
}

/// By what the sides `[z, y, x]` of an input must be divisible.
///
/// # Errors
///
/// [`SpecError`] where the blocks are no network.
pub fn size_divisor(spec: &NetSpec) -> Result<[usize; 3], SpecError> {
    let shapes = spec.shapes([LARGE_SIDE; 3])?;
    Ok([1, 2, 3].map(|axis| {
        let coarsest = shapes.iter().map(|shape| shape[axis]).min().unwrap_or(LARGE_SIDE);
        LARGE_SIDE / coarsest.max(1)
    }))
}

/// One number where all sides agree, else all.
fn divisor_text([z, y, x]: [usize; 3]) -> String {
    if z == y && y == x { z.to_string() } else { format!("[{z}, {y}, {x}]") }
}

/// Writes a network as ONNX, for inputs of one `size` `[z, y, x]`, or of any whose sides are multiples
/// of [`size_divisor`].
///
/// The same arguments give the same bytes.
///
/// # Errors
///
/// [`OnnxError`] where the blocks are no network or do not take the size.
pub fn to_onnx(
    spec: &NetSpec,
    params: &Parameters,
    size: Option<[usize; 3]>,
    header: &OnnxHeader,
) -> Result<Vec<u8>, OnnxError> {
    let divisor = size_divisor(spec)?;
    if let Some(found) = size {
        if found.iter().zip(divisor).any(|(&n, by)| n == 0 || n % by != 0) {
            return Err(OnnxError::Size { found, divisor });
        }
        spec.shapes(found)?;
    }
    let graph = Graph::of(spec, params).finish(spec, size);
    let opset = Message::new().text(1, "").int(2, OPSET);
    let mut model = Message::new()
        .int(1, IR_VERSION)
        .text(2, "haema")
        .text(3, &header.version)
        .text(6, &header.description)
        .message(7, &graph)
        .message(8, &opset);
    let own = BTreeMap::from([("size_divisor".to_owned(), divisor_text(divisor))]);
    for (key, value) in own.iter().chain(&header.metadata) {
        model = model.message(14, &Message::new().text(1, key).text(2, value));
    }
    let bytes = model.into_bytes();
    if bytes.len() > MOST_BYTES {
        return Err(OnnxError::TooLarge { found: bytes.len() });
    }
    Ok(bytes)
}
