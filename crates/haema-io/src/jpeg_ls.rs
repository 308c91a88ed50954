//! JPEG-LS (ISO/IEC 14495-1, ITU-T T.87): lossless and near-lossless, decoded in plain Rust.
//!
//! DICOM knows it as transfer syntaxes 1.2.840.10008.1.2.4.80 and .81. Everything of the baseline
//! standard is read: 2 to 16 bits, 1 to 4 components in all three interleaves, preset parameters,
//! restart intervals, oversize dimensions, a height that comes after the first scan. What the
//! standard allows and no medical encoder writes is refused by name: mapping tables (palettes),
//! subsampled components, point transforms; so is HP's colour transform, which is not standard.
//!
//! The scan data have no checksum, so the decoder is strict: a code that no encoder writes, data
//! that end early and data left over are errors, never grey values.
//!
//! The letters of the standard (`Ra`, `A[Q]`, `RUNindex`, …) are named where each is used, and
//! section numbers are those of T.87 (06/98).

mod codestream;
mod context;
mod parameters;
mod scan;
mod segments;

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::jpeg::bits::{EndsEarly, LeftOver};
pub use crate::jpeg::segments::SegmentError;

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Samples along a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Components of a pixel: 1 for grey, 3 for colour.
    pub components: usize,
    /// Precision of the frame, 2 to 16. Samples are below `2^bits_per_sample`; a signed image
    /// carries its two's complement in these bits, which is for the caller to undo.
    pub bits_per_sample: u8,
    /// How far a sample may be from the original; 0 is lossless. The largest of all scans.
    pub near: u16,
    /// Rows from the top, pixels from the left, the components of a pixel side by side: component
    /// `c` of pixel `(x, y)` is `samples[(y * width + x) * components + c]`, whatever the
    /// interleave in the codestream.
    pub samples: Vec<u16>,
}

/// How much a codestream may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of samples: width × height × components. Each takes two bytes.
    ///
    /// Input length alone is no bound: a blank image takes three bits for a row of 65 535.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 64 Mi samples (128 MiB): a frame of 8192 × 8192, 16 times the largest CT matrix in use.
    fn default() -> Self {
        Self { max_pixels: 1 << 26 }
    }
}

/// Decodes one JPEG-LS codestream, from its SOI marker to its EOI marker.
///
/// Bytes after EOI are ignored (DICOM pads fragments to even length). A missing EOI is accepted
/// where every component was complete without it.
///
/// Memory: the samples decoded so far, and two rows. A header that promises more rows than the
/// data can hold is refused before anything is allocated.
///
/// # Errors
///
/// A [`JpegLsError`] for everything that is not a JPEG-LS codestream, is damaged, or is larger
/// than `limits`. No input panics.
pub fn decode(codestream: &[u8], limits: &Limits) -> Result<Image, JpegLsError> {
    codestream::decode(codestream, *limits)
}

/// Why bytes are not a JPEG-LS image that we read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JpegLsError {
    /// Markers or headers are wrong, or ask for what is not decoded.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A frame header of another JPEG process.
    #[error("frame marker FF {found:02X} is of another JPEG process, JPEG-LS has FF F7")]
    OtherProcess {
        /// Second byte of the marker found.
        found: u8,
    },
    /// More samples than the caller allows.
    #[error("{width} x {height} pixels of {components} components are more than {max_pixels}")]
    TooLarge {
        /// Columns in the header.
        width: u64,
        /// Rows in the header.
        height: u64,
        /// Components in the header.
        components: u64,
        /// [`Limits::max_pixels`].
        max_pixels: u64,
    },
    /// A scan's data are not what any encoder writes.
    #[error("row {row} of {rows}, component {component}: {fault}")]
    DamagedScan {
        /// The row where it showed, from 0. The damage may lie before it.
        row: usize,
        /// Rows of the image.
        rows: usize,
        /// The component, from 0; in a sample-interleaved scan its first component.
        component: usize,
        /// What is wrong.
        fault: ScanFault,
    },
    /// The image ends before every component had its scan.
    #[error("{found} of {wanted} components have a scan")]
    MissingScan {
        /// Components decoded.
        found: usize,
        /// Components in the frame.
        wanted: usize,
    },
}

/// What can be wrong inside a scan's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScanFault {
    /// The data end before the rows do.
    #[error("the data end early")]
    EndsEarly,
    /// A Golomb code with more leading zeros than its limit.
    #[error("a code word is longer than the standard allows")]
    CodeTooLong,
    /// A prediction error beyond the range of the samples.
    #[error("a prediction error is out of range")]
    ErrorOutOfRange,
    /// A run that reaches beyond the end of its row.
    #[error("a run passes the end of the row")]
    RunPastRow,
    /// Data between the last sample and the next marker.
    #[error("data are left over after the last sample")]
    DataLeftOver,
}

impl From<EndsEarly> for ScanFault {
    fn from(_: EndsEarly) -> Self {
        Self::EndsEarly
    }
}

impl From<LeftOver> for ScanFault {
    fn from(_: LeftOver) -> Self {
        Self::DataLeftOver
    }
}
