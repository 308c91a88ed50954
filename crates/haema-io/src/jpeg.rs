//! What JPEG-LS and lossless JPEG share: markers, segments, and the bits between them.

pub(crate) mod bits;
pub(crate) mod segments;
