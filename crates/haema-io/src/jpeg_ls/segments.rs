//! What JPEG-LS has in its segments (T.87 annex C).

use super::parameters::Preset;
use crate::jpeg::segments::{Cursor, RST0, SOI, Segment, SegmentError, bad};

/// Number of lines, after the first scan.
pub(super) const DNL: u8 = 0xDC;
/// Frame header of JPEG-LS.
pub(super) const SOF55: u8 = 0xF7;
/// JPEG-LS parameters.
pub(super) const LSE: u8 = 0xF8;
/// The application segment in which HP's encoder names its colour transform.
pub(super) const APP8: u8 = 0xE8;

/// The height in the DNL segment behind the scan that starts here, if there is one.
pub(super) fn height_after_scan(cursor: &Cursor<'_>) -> Option<u16> {
    let scan = cursor.bytes.get(cursor.position..)?;
    let is_marker = |pair: &[u8]| {
        pair[0] == 0xFF && pair[1] >= 0x80 && !(RST0..SOI).contains(&pair[1]) && pair[1] != 0xFF
    };
    let at = scan.windows(2).position(is_marker)?;
    match scan[at..] {
        [_, DNL, 0, 4, high, low, ..] => Some(u16::from_be_bytes([high, low])),
        _ => None,
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
    pub(super) fn parse(mut segment: Segment<'_>) -> Result<Self, SegmentError> {
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
                return Err(SegmentError::Unsupported { feature: "a subsampled component" });
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
    pub(super) fn parse(mut segment: Segment<'_>, frame: &Frame) -> Result<Self, SegmentError> {
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
                return Err(SegmentError::Unsupported { feature: "a mapping table (palette)" });
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
            return Err(SegmentError::Unsupported { feature: "a point transform" });
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
    pub(super) fn parse(mut segment: Segment<'_>) -> Result<Self, SegmentError> {
        let parsed = match segment.u8()? {
            1 => Self::Preset(Preset {
                max_value: segment.u16()?,
                thresholds: [segment.u16()?, segment.u16()?, segment.u16()?],
                reset: segment.u16()?,
            }),
            2 | 3 => {
                return Err(SegmentError::Unsupported { feature: "a mapping table (palette)" });
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
pub(super) fn parse_restart_interval(mut segment: Segment<'_>) -> Result<usize, SegmentError> {
    let byte_count = segment.rest().len();
    if !(2..=4).contains(&byte_count) {
        return Err(bad("bytes of a restart interval", byte_count, "2 to 4"));
    }
    Ok(segment.uint(byte_count)? as usize)
}

/// The height in a DNL segment.
pub(super) fn parse_line_count(mut segment: Segment<'_>) -> Result<u32, SegmentError> {
    let height = segment.u16()?;
    segment.end()?;
    Ok(u32::from(height))
}
