//! Lossless JPEG (ITU-T T.81, process 14 and annex H), the form of most compressed CT.
//!
//! DICOM knows it as transfer syntaxes 1.2.840.10008.1.2.4.57 and .70. Read are one component of 2
//! to 16 bits, all seven predictors and restart intervals. Refused by name are colour and the
//! point transform, which drops low bits and so is not lossless.
//!
//! The scan data have no checksum, so the decoder is strict: data that end early, data left over
//! and bit patterns that are no code are errors, never grey values. (`jpeg-decoder` 0.3.2 fills up
//! with zeros, and takes a point transform for none.)

mod huffman;
mod scan;

#[cfg(test)]
mod tests;

use thiserror::Error;

pub use crate::jpeg::segments::SegmentError;
use crate::jpeg::{
    bits::{EndsEarly, LeftOver},
    segments::{Cursor, DRI, EOI, SOS, Segment, bad},
};
use huffman::HuffmanTable;
use scan::Scan;

/// Frame header of process 14.
const SOF3: u8 = 0xC3;
/// Huffman tables.
const DHT: u8 = 0xC4;

/// A decoded image of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Samples along a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Precision of the frame, 2 to 16.
    pub bits_per_sample: u8,
    /// Rows from the top, samples from the left. Modulo 2^16, as the standard computes: an encoder
    /// that writes more bits than it says gets them back.
    pub samples: Vec<u16>,
}

/// Decodes one image, from its SOI marker to its EOI marker.
///
/// Bytes after the scan are ignored, as is a missing EOI. Memory is at most 16 bytes for each byte
/// of the codestream: a sample takes a bit at least, and a header that promises more is refused.
///
/// * `max_pixels` — largest number of samples that the caller takes.
///
/// # Errors
///
/// A [`JpegLosslessError`] for everything that is not lossless JPEG, is damaged, or is larger than
/// `max_pixels`. No input panics.
pub fn decode(codestream: &[u8], max_pixels: u64) -> Result<Image, JpegLosslessError> {
    let mut cursor = Cursor::behind_start(codestream)?;
    let mut frame = None;
    let mut tables = [const { None }; 4];
    let mut restart_interval = 0;
    loop {
        let at = cursor.position;
        let Some(marker) = cursor.marker()? else {
            return Err(SegmentError::Truncated { at, wanted: "a marker" }.into());
        };
        match marker {
            SOF3 if frame.is_none() => {
                frame = Some(Frame::parse(cursor.segment("the frame header")?)?);
            }
            DHT => read_tables(cursor.segment("Huffman tables")?, &mut tables)?,
            DRI => {
                let mut segment = cursor.segment("the restart interval")?;
                restart_interval = usize::from(segment.u16()?);
            }
            SOS => {
                let segment = cursor.segment("the scan header")?;
                let frame = frame.ok_or(JpegLosslessError::NoFrame)?;
                frame.check_size(max_pixels, cursor.bytes.len() - cursor.position)?;
                let scan = Scan::parse(segment, frame, &tables, restart_interval)?;
                return scan.decode(cursor);
            }
            // Tables of other processes, APPn and comments.
            0xDB | 0xE0..=0xEF | 0xFE => {
                cursor.segment("a segment of no importance")?;
            }
            0xC0..=0xCF if !matches!(marker, SOF3 | 0xC8 | 0xCC) => {
                return Err(JpegLosslessError::OtherProcess { found: marker });
            }
            EOI => return Err(JpegLosslessError::NoScan),
            found => {
                let wanted = "a marker of lossless JPEG";
                return Err(SegmentError::UnexpectedMarker { found, at, wanted }.into());
            }
        }
    }
}

/// The frame header.
#[derive(Debug, Clone, Copy)]
struct Frame {
    bits: u8,
    height: u16,
    width: u16,
    component_id: u8,
}

impl Frame {
    fn parse(mut segment: Segment<'_>) -> Result<Self, SegmentError> {
        let bits = segment.u8()?;
        if !(2..=16).contains(&bits) {
            return Err(bad("sample precision", bits, "2 to 16 bits"));
        }
        let (height, width) = (segment.u16()?, segment.u16()?);
        // A height of 0 leaves it to a later marker, which no medical encoder writes.
        for (field, found) in [("width", width), ("height", height)] {
            if found == 0 {
                return Err(bad(field, found, "at least 1"));
            }
        }
        if segment.u8()? != 1 {
            return Err(SegmentError::Unsupported { feature: "more than one component" });
        }
        let component_id = segment.u8()?;
        // Sampling factors have no effect on one component, and there is no quantisation.
        segment.bytes(2)?;
        segment.end()?;
        Ok(Self { bits, height, width, component_id })
    }

    fn check_size(self, max_pixels: u64, bytes_left: usize) -> Result<(), JpegLosslessError> {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        if width * height > max_pixels {
            return Err(JpegLosslessError::TooLarge { width, height, max_pixels });
        }
        if width * height > 8 * bytes_left as u64 {
            let (row, rows) = (8 * bytes_left / usize::from(self.width), usize::from(self.height));
            return Err(JpegLosslessError::DamagedScan { row, rows, fault: ScanFault::EndsEarly });
        }
        Ok(())
    }
}

/// Reads the tables of one DHT segment.
fn read_tables(
    mut segment: Segment<'_>,
    tables: &mut [Option<HuffmanTable>; 4],
) -> Result<(), SegmentError> {
    while !segment.rest().is_empty() {
        let (class, place) = match segment.u8()? {
            both if both >> 4 > 1 || both & 15 > 3 => {
                return Err(bad("class and place of a Huffman table", both, "0 to 3, 16 to 19"));
            }
            both => (both >> 4, both & 15),
        };
        if class == 0 {
            tables[usize::from(place)] = Some(HuffmanTable::parse(&mut segment)?);
        } else {
            // Tables of other processes, which some encoders leave in.
            huffman::skip(&mut segment)?;
        }
    }
    Ok(())
}

/// Why bytes are not a lossless JPEG image that we read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JpegLosslessError {
    /// Markers or headers are wrong.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A frame header of another JPEG process.
    #[error("frame marker FF {found:02X} is of another JPEG process, lossless JPEG has FF C3")]
    OtherProcess {
        /// Second byte of the marker found.
        found: u8,
    },
    /// A scan without a frame header before it.
    #[error("the scan comes before the frame header")]
    NoFrame,
    /// The image ends before its scan.
    #[error("the image has no scan")]
    NoScan,
    /// The scan wants a Huffman table that was not given.
    #[error("the scan uses Huffman table {wanted}, which is not given")]
    NoTable {
        /// Its place.
        wanted: u8,
    },
    /// More samples than the caller allows.
    #[error("{width} x {height} pixels are more than {max_pixels}")]
    TooLarge {
        /// Columns in the header.
        width: u64,
        /// Rows in the header.
        height: u64,
        /// The caller's limit.
        max_pixels: u64,
    },
    /// The scan's data are not what any encoder writes.
    #[error("row {row} of {rows}: {fault}")]
    DamagedScan {
        /// The row where it showed, from 0. The damage may lie before it.
        row: usize,
        /// Rows of the image.
        rows: usize,
        /// What is wrong.
        fault: ScanFault,
    },
}

/// What can be wrong inside the scan's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScanFault {
    /// The data end before the rows do.
    #[error("the data end early")]
    EndsEarly,
    /// Bits that stand for nothing.
    #[error("the bits are no code of the Huffman table")]
    NoSuchCode,
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
