//! Markers and the segments behind them (ITU-T T.81 annex B).

use thiserror::Error;

/// Start of image.
pub(crate) const SOI: u8 = 0xD8;
/// End of image.
pub(crate) const EOI: u8 = 0xD9;
/// Start of scan.
pub(crate) const SOS: u8 = 0xDA;
/// Restart interval.
pub(crate) const DRI: u8 = 0xDD;
/// The first of eight restart markers.
pub(crate) const RST0: u8 = 0xD0;

/// What is wrong with markers and segments, whatever the kind of JPEG.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The first two bytes are not the SOI marker.
    #[error("a JPEG image starts with FF D8, found {found:02X?}")]
    NoStartOfImage {
        /// The first two bytes, or fewer.
        found: Vec<u8>,
    },
    /// A marker where none, or another, belongs.
    #[error("marker FF {found:02X} at byte {at} does not belong there, wanted {wanted}")]
    UnexpectedMarker {
        /// Second byte of the marker found.
        found: u8,
        /// Where it starts.
        at: usize,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A byte other than FF where a marker must start.
    #[error("byte {found:02X} at {at} where a marker (FF) must start")]
    NotAMarker {
        /// The byte found.
        found: u8,
        /// Where it is.
        at: usize,
    },
    /// The bytes end inside, or before, something that must be complete.
    #[error("the codestream ends at byte {at}, wanted {wanted}")]
    Truncated {
        /// Length of what was given.
        at: usize,
        /// What should have followed.
        wanted: &'static str,
    },
    /// A field of a header holds a value that the standard does not allow.
    #[error("{field} is {found}, wanted {wanted}")]
    BadField {
        /// Name of the field in the standard.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What is allowed.
        wanted: String,
    },
    /// A part of the standard, or an extension, that is not decoded.
    #[error("{feature} is not supported")]
    Unsupported {
        /// What it is.
        feature: &'static str,
    },
}

/// A place in the codestream, between or inside segments.
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) position: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor behind the SOI marker.
    pub(crate) fn behind_start(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        if bytes.starts_with(&[0xFF, SOI]) {
            return Ok(Self { bytes, position: 2 });
        }
        Err(SegmentError::NoStartOfImage { found: bytes.iter().take(2).copied().collect() })
    }

    /// Reads a marker (fill bytes may precede it); `None` at the end of the bytes.
    pub(crate) fn marker(&mut self) -> Result<Option<u8>, SegmentError> {
        let Some(&first) = self.bytes.get(self.position) else { return Ok(None) };
        if first != 0xFF {
            return Err(SegmentError::NotAMarker { found: first, at: self.position });
        }
        while self.bytes.get(self.position) == Some(&0xFF) {
            self.position += 1;
        }
        let marker = self.bytes.get(self.position).copied();
        self.position += usize::from(marker.is_some());
        Ok(marker)
    }

    /// Reads a segment's length and gives its contents.
    pub(crate) fn segment(&mut self, name: &'static str) -> Result<Segment<'a>, SegmentError> {
        let truncated = SegmentError::Truncated { at: self.bytes.len(), wanted: name };
        let rest = &self.bytes[self.position.min(self.bytes.len())..];
        let Some((length, rest)) = rest.split_first_chunk::<2>() else { return Err(truncated) };
        let length = usize::from(u16::from_be_bytes(*length));
        // The length counts its own two bytes.
        let contents = length.checked_sub(2).ok_or_else(|| bad("segment length", length, "2"))?;
        let Some(contents) = rest.get(..contents) else { return Err(truncated) };
        self.position += length;
        Ok(Segment { name, rest: contents })
    }

    /// Reads the restart marker between two intervals, numbered from 0.
    pub(crate) fn restart_marker(&mut self, number: usize) -> Result<(), SegmentError> {
        let at = self.position;
        let wanted = RST0 + (number % 8) as u8;
        match self.marker()? {
            Some(found) if found == wanted => Ok(()),
            Some(found) => {
                let wanted = "the next restart marker";
                Err(SegmentError::UnexpectedMarker { found, at, wanted })
            }
            None => Err(SegmentError::Truncated { at, wanted: "a restart marker" }),
        }
    }
}

/// The contents of a segment, read from the front.
pub(crate) struct Segment<'a> {
    name: &'static str,
    rest: &'a [u8],
}

impl<'a> Segment<'a> {
    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads some bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], SegmentError> {
        let found = self.rest.len();
        self.rest
            .split_off(..count)
            .ok_or_else(|| bad(self.name, found, "more bytes in the segment"))
    }

    /// Reads an unsigned number of up to four bytes.
    pub(crate) fn uint(&mut self, byte_count: usize) -> Result<u32, SegmentError> {
        Ok(self.bytes(byte_count)?.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, SegmentError> {
        Ok(self.uint(1)? as u8)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, SegmentError> {
        Ok(self.uint(2)? as u16)
    }

    /// Checks that all was read.
    pub(crate) fn end(self) -> Result<(), SegmentError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(bad("bytes left over in a segment", self.rest.len(), "0"))
    }
}

/// A field with a value that the standard does not allow.
pub(crate) fn bad<N: TryInto<u64>>(field: &'static str, found: N, wanted: &str) -> SegmentError {
    // All counts here fit; the fallback only keeps the conversion total.
    let found = found.try_into().unwrap_or(u64::MAX);
    SegmentError::BadField { field, found, wanted: wanted.to_owned() }
}
