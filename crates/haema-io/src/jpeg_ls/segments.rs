//! Markers and the segments behind them (T.87 annex C, T.81 annex B).

use super::{JpegLsError, parameters::Preset};

/// Start of image.
pub(super) const SOI: u8 = 0xD8;
/// End of image.
pub(super) const EOI: u8 = 0xD9;
/// Start of scan.
pub(super) const SOS: u8 = 0xDA;
/// Number of lines, after the first scan.
pub(super) const DNL: u8 = 0xDC;
/// Restart interval.
pub(super) const DRI: u8 = 0xDD;
/// The first of eight restart markers.
pub(super) const RST0: u8 = 0xD0;
/// Frame header of JPEG-LS.
pub(super) const SOF55: u8 = 0xF7;
/// JPEG-LS parameters.
pub(super) const LSE: u8 = 0xF8;
/// The application segment in which HP's encoder names its colour transform.
pub(super) const APP8: u8 = 0xE8;

/// A place in the codestream, between or inside segments.
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Cursor<'a> {
    /// Reads a marker (fill bytes may precede it); `None` at the end of the bytes.
    pub(super) fn marker(&mut self) -> Result<Option<u8>, JpegLsError> {
        let Some(&first) = self.bytes.get(self.position) else { return Ok(None) };
        if first != 0xFF {
            return Err(JpegLsError::NotAMarker { found: first, at: self.position });
        }
        while self.bytes.get(self.position) == Some(&0xFF) {
            self.position += 1;
        }
        let marker = self.bytes.get(self.position).copied();
        self.position += usize::from(marker.is_some());
        Ok(marker)
    }

    /// Reads a segment's length and gives its contents.
    pub(super) fn segment(&mut self, name: &'static str) -> Result<Segment<'a>, JpegLsError> {
        let truncated = JpegLsError::Truncated { at: self.bytes.len(), wanted: name };
        let rest = &self.bytes[self.position.min(self.bytes.len())..];
        let Some((length, rest)) = rest.split_first_chunk::<2>() else { return Err(truncated) };
        let length = usize::from(u16::from_be_bytes(*length));
        // The length counts its own two bytes.
        let contents = length.checked_sub(2).ok_or_else(|| bad("segment length", length, "2"))?;
        let Some(contents) = rest.get(..contents) else { return Err(truncated) };
        self.position += length;
        Ok(Segment { name, rest: contents })
    }

    /// The height in the DNL segment behind the scan that starts here, if there is one.
    pub(super) fn height_after_scan(&self) -> Option<u16> {
        let scan = self.bytes.get(self.position..)?;
        let is_marker = |pair: &[u8]| {
            pair[0] == 0xFF && pair[1] >= 0x80 && !(RST0..SOI).contains(&pair[1]) && pair[1] != 0xFF
        };
        let at = scan.windows(2).position(is_marker)?;
        match scan[at..] {
            [_, DNL, 0, 4, high, low, ..] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        }
    }
}

/// The contents of a segment, read from the front.
pub(super) struct Segment<'a> {
    name: &'static str,
    rest: &'a [u8],
}

impl<'a> Segment<'a> {
    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn uint(&mut self, byte_count: usize) -> Result<u32, JpegLsError> {
        let wanted = "a longer segment";
        let bytes = self.rest.split_off(..byte_count).ok_or_else(|| JpegLsError::BadField {
            field: self.name,
            found: self.rest.len() as u64,
            wanted: wanted.to_owned(),
        })?;
        Ok(bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
    }

    fn u8(&mut self) -> Result<u8, JpegLsError> {
        Ok(self.uint(1)? as u8)
    }

    fn u16(&mut self) -> Result<u16, JpegLsError> {
        Ok(self.uint(2)? as u16)
    }

    fn end(self) -> Result<(), JpegLsError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(bad("bytes left over in a segment", self.rest.len(), "0"))
    }
}

/// The frame header.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) bits: u8,
    /// 0 where an LSE or DNL segment gives it.
    pub(super) height: u32,
    /// 0 where an LSE segment gives it.
    pub(super) width: u32,
    /// Identifiers of the components.
    pub(super) component_ids: Vec<u8>,
}

impl Frame {
    pub(super) fn parse(mut segment: Segment<'_>) -> Result<Self, JpegLsError> {
        let bits = segment.u8()?;
        if !(2..=16).contains(&bits) {
            return Err(bad("sample precision", bits, "2 to 16 bits"));
        }
        let height = u32::from(segment.u16()?);
        let width = u32::from(segment.u16()?);
        let count = segment.u8()?;
        if !(1..=4).contains(&count) {
            return Err(bad("number of components", count, "1 to 4"));
        }
        let mut component_ids = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let id = segment.u8()?;
            if component_ids.contains(&id) {
                return Err(bad("component identifier", id, "each only once"));
            }
            component_ids.push(id);
            let sampling = segment.u8()?;
            // With one component the factors have no effect; T.81 section A.2.2.
            if sampling != 0x11 && count > 1 {
                return Err(JpegLsError::Unsupported { feature: "a subsampled component" });
            }
            // Tq: reserved in JPEG-LS, and ignored as other readers do.
            segment.u8()?;
        }
        segment.end()?;
        Ok(Self { bits, height, width, component_ids })
    }
}

/// How the components of a scan are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interleave {
    /// One component.
    None,
    /// A row of each component in turn.
    Line,
    /// A sample of each component in turn.
    Sample,
}

/// The header of a scan.
#[derive(Debug, Clone)]
pub(super) struct ScanHeader {
    /// Indices into [`Frame::component_ids`].
    pub(super) components: Vec<usize>,
    pub(super) near: u8,
    pub(super) interleave: Interleave,
}

impl ScanHeader {
    pub(super) fn parse(mut segment: Segment<'_>, frame: &Frame) -> Result<Self, JpegLsError> {
        let count = segment.u8()?;
        if !(1..=4).contains(&count) {
            return Err(bad("components of the scan", count, "1 to 4"));
        }
        let mut components = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let id = segment.u8()?;
            let index = frame.component_ids.iter().position(|&known| known == id);
            match index.filter(|index| !components.contains(index)) {
                Some(index) => components.push(index),
                None => return Err(bad("component of the scan", id, "each of the frame once")),
            }
            if segment.u8()? != 0 {
                return Err(JpegLsError::Unsupported { feature: "a mapping table (palette)" });
            }
        }
        let near = segment.u8()?;
        let interleave = match (segment.u8()?, count) {
            (0, 1) => Interleave::None,
            (1, 2..) => Interleave::Line,
            (2, 2..) => Interleave::Sample,
            (found, 1) => return Err(bad("interleave of one component", found, "0")),
            (found, _) => return Err(bad("interleave of several components", found, "1 or 2")),
        };
        if segment.u8()? != 0 {
            return Err(JpegLsError::Unsupported { feature: "a point transform" });
        }
        segment.end()?;
        Ok(Self { components, near, interleave })
    }
}

/// What an LSE segment says.
pub(super) enum Lse {
    Preset(Preset),
    /// Dimensions that do not fit the 16-bit fields of the frame header.
    Oversize {
        width: u32,
        height: u32,
    },
}

impl Lse {
    pub(super) fn parse(mut segment: Segment<'_>) -> Result<Self, JpegLsError> {
        let parsed = match segment.u8()? {
            1 => Self::Preset(Preset {
                max_value: segment.u16()?,
                thresholds: [segment.u16()?, segment.u16()?, segment.u16()?],
                reset: segment.u16()?,
            }),
            2 | 3 => {
                return Err(JpegLsError::Unsupported { feature: "a mapping table (palette)" });
            }
            4 => {
                let byte_count = segment.u8()?;
                if !(2..=4).contains(&byte_count) {
                    return Err(bad("Wxy, bytes of a dimension", byte_count, "2 to 4"));
                }
                let height = segment.uint(usize::from(byte_count))?;
                let width = segment.uint(usize::from(byte_count))?;
                Self::Oversize { width, height }
            }
            found => return Err(bad("type of JPEG-LS parameters", found, "1 to 4")),
        };
        segment.end()?;
        Ok(parsed)
    }
}

/// Rows between restart markers; 0 is none. Two to four bytes (T.87 section C.2.5).
pub(super) fn parse_restart_interval(mut segment: Segment<'_>) -> Result<usize, JpegLsError> {
    let byte_count = segment.rest().len();
    if !(2..=4).contains(&byte_count) {
        return Err(bad("bytes of a restart interval", byte_count, "2 to 4"));
    }
    Ok(segment.uint(byte_count)? as usize)
}

/// The height in a DNL segment.
pub(super) fn parse_line_count(mut segment: Segment<'_>) -> Result<u32, JpegLsError> {
    let height = segment.u16()?;
    segment.end()?;
    Ok(u32::from(height))
}

/// A field with a value that the standard does not allow.
pub(super) fn bad<N: TryInto<u64>>(field: &'static str, found: N, wanted: &str) -> JpegLsError {
    // All counts here fit; the fallback only keeps the conversion total.
    let found = found.try_into().unwrap_or(u64::MAX);
    JpegLsError::BadField { field, found, wanted: wanted.to_owned() }
}
