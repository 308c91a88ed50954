//! Pixels as the scanner stored them, whatever the transfer syntax.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::codestream;
use super::error::PixelError;
use super::object::Object;
use super::rle;
use super::syntax::Codec;
use super::tags;
use super::values::DataSet;
use crate::limits::{check_image_proportion, check_image_sides};

/// The shape and coding of an image's pixels, as its header has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PixelFormat {
    pub rows: usize,
    pub columns: usize,
    pub frame_count: usize,
    pub samples: usize,
    pub photometric: String,
    pub bits_allocated: usize,
    pub bits_stored: usize,
    pub high_bit: usize,
    pub is_signed: bool,
    /// _Pixel Padding Value_ and _Range Limit_, 16 bits as stored.
    pub padding: Option<[u16; 2]>,
    /// Bytes of _Pixel Data_, compressed where it is.
    pub data_bytes: u64,
}

impl PixelFormat {
    pub(crate) fn from_data_set(data: &DataSet<'_>, data_bytes: u64) -> Self {
        let bits_allocated = data.count(tags::BITS_ALLOCATED).unwrap_or(0);
        let bits_stored = data.count(tags::BITS_STORED).unwrap_or(bits_allocated);
        let value = data.raw_u16(tags::PIXEL_PADDING_VALUE);
        let limit = data.raw_u16(tags::PIXEL_PADDING_RANGE_LIMIT);
        Self {
            rows: data.count(tags::ROWS).unwrap_or(0),
            columns: data.count(tags::COLUMNS).unwrap_or(0),
            frame_count: data.count(tags::NUMBER_OF_FRAMES).unwrap_or(1),
            samples: data.count(tags::SAMPLES_PER_PIXEL).unwrap_or(1),
            photometric: data.text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default(),
            bits_allocated,
            bits_stored,
            high_bit: data.count(tags::HIGH_BIT).unwrap_or(bits_stored.saturating_sub(1)),
            is_signed: data.count(tags::PIXEL_REPRESENTATION) == Some(1),
            padding: value.map(|value| [value, limit.unwrap_or(value)]),
            data_bytes,
        }
    }

    /// Pixels of one frame.
    pub(crate) fn frame_pixels(&self) -> usize {
        self.rows.saturating_mul(self.columns)
    }

    fn frame_bytes(&self) -> usize {
        self.frame_pixels().saturating_mul(self.bits_allocated / 8)
    }

    /// Checks the promised size against what is there, before anything is allocated.
    pub(crate) fn check_size(&self, codec: Codec) -> Result<(), PixelError> {
        check_image_sides(self.rows, self.columns)?;
        let wanted =
            self.frame_bytes().saturating_mul(self.samples).saturating_mul(self.frame_count);
        if codec == Codec::Native {
            let found = usize::try_from(self.data_bytes).unwrap_or(usize::MAX);
            if found < wanted {
                return Err(PixelError::WrongLength { found, wanted });
            }
        } else {
            check_image_proportion(self.data_bytes, wanted as u64)?;
        }
        Ok(())
    }

    /// The number that 16 stored bits stand for: unused bits masked, the sign extended.
    pub(crate) fn value(&self, raw: u16) -> i32 {
        let shift = (self.high_bit + 1).saturating_sub(self.bits_stored).min(15);
        let unused = 16_usize.saturating_sub(self.bits_stored).min(15);
        let top = (raw >> shift) << unused;
        if self.is_signed { i32::from(top as i16 >> unused) } else { i32::from(top >> unused) }
    }
}

/// Decodes one frame to 16 bits a pixel, as stored: bits above _High Bit_ are still there.
pub(crate) fn decode_frame(
    object: &Object,
    format: &PixelFormat,
    frame: usize,
) -> Result<Vec<u16>, PixelError> {
    let codec = object.syntax.codec.map_err(|name| PixelError::Unsupported { name })?;
    format.check_size(codec)?;
    let samples = guarded(codec, || match codec {
        Codec::Native => native(object, format, frame),
        Codec::Rle => rle::decode(&frame_bytes(object, format, frame)?, format),
        Codec::JpegBaseline => {
            codestream::jpeg_baseline(&frame_bytes(object, format, frame)?, format)
        }
        Codec::JpegLossless => {
            codestream::jpeg_lossless(&frame_bytes(object, format, frame)?, format)
        }
        Codec::Jpeg2000 => codestream::jpeg2000(&frame_bytes(object, format, frame)?, format),
        Codec::JpegLs => codestream::jpeg_ls(&frame_bytes(object, format, frame)?, format),
    })?;
    let (found, wanted) = (samples.len(), format.frame_pixels());
    if found != wanted {
        return Err(PixelError::WrongLength { found: 2 * found, wanted: 2 * wanted });
    }
    Ok(samples)
}

/// Runs a decoder behind [`catch_unwind`]. The checks in front of it ([`codestream`], and the sizes
/// here) rule out every panic that we know of; but a JPEG or JPEG 2000 decoder is a large program
/// by others, and one hostile slice must not end a run over a thousand patients.
fn guarded(
    codec: Codec,
    decode: impl FnOnce() -> Result<Vec<u16>, PixelError>,
) -> Result<Vec<u16>, PixelError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        let reason = "the decoder gave up on damaged data".to_owned();
        Err(PixelError::Codec { codec: codec.name(), reason })
    })
}

fn native(object: &Object, format: &PixelFormat, frame: usize) -> Result<Vec<u16>, PixelError> {
    let (_, bytes) =
        object.data_set().value(tags::PIXEL_DATA).unwrap_or((super::tags::Vr::UN, &[]));
    let frame_bytes = format.frame_bytes();
    let start = frame.saturating_mul(frame_bytes);
    let found = bytes.len().saturating_sub(start);
    let wrong_length = PixelError::WrongLength { found, wanted: frame_bytes };
    let bytes = bytes.get(start..start.saturating_add(frame_bytes)).ok_or(wrong_length)?;
    if format.bits_allocated == 8 {
        return Ok(bytes.iter().map(|&byte| u16::from(byte)).collect());
    }
    let (pairs, _) = bytes.as_chunks::<2>();
    Ok(if object.syntax.encoding.is_big_endian {
        pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect()
    } else {
        pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect()
    })
}

/// The compressed bytes of one frame. A frame may be spread over several fragments.
fn frame_bytes<'o>(
    object: &'o Object,
    format: &PixelFormat,
    frame: usize,
) -> Result<Cow<'o, [u8]>, PixelError> {
    let fragments: Vec<&[u8]> = object.fragments().collect();
    let frame_count = format.frame_count;
    if frame_count == 1 && !fragments.is_empty() {
        return Ok(joined(&fragments));
    }
    if fragments.len() == frame_count {
        return Ok(fragments[frame].into());
    }
    let missing = PixelError::FrameMissing { frame, frame_count, fragments: fragments.len() };
    let offsets = object.frame_offsets();
    let Some(&start) = offsets.get(frame) else { return Err(missing) };
    let end = offsets.get(frame + 1).copied().unwrap_or(u64::MAX);
    let mut at = 0;
    let mut own = Vec::new();
    for fragment in fragments {
        if (start..end).contains(&at) {
            own.push(fragment);
        }
        // Each fragment stands behind eight bytes of item tag and length.
        at += fragment.len() as u64 + 8;
    }
    if own.is_empty() { Err(missing) } else { Ok(joined(&own)) }
}

fn joined<'o>(fragments: &[&'o [u8]]) -> Cow<'o, [u8]> {
    match fragments {
        [only] => Cow::Borrowed(only),
        _ => Cow::Owned(fragments.concat()),
    }
}

impl Codec {
    /// Name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "uncompressed",
            Self::Rle => "RLE",
            Self::JpegBaseline => "JPEG baseline",
            Self::JpegLossless => "JPEG lossless",
            Self::JpegLs => "JPEG-LS",
            Self::Jpeg2000 => "JPEG 2000",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Sixteen bits unsigned, one frame.
    pub(in crate::dicom) fn format(rows: usize, columns: usize) -> PixelFormat {
        PixelFormat {
            rows,
            columns,
            frame_count: 1,
            samples: 1,
            photometric: "MONOCHROME2".into(),
            bits_allocated: 16,
            bits_stored: 16,
            high_bit: 15,
            is_signed: false,
            padding: None,
            data_bytes: 0,
        }
    }

    #[test]
    fn unused_bits_are_masked_and_the_sign_is_extended() {
        let value = |raw, bits_stored, high_bit, is_signed| {
            PixelFormat { bits_stored, high_bit, is_signed, ..format(1, 1) }.value(raw)
        };

        assert_eq!(value(0xF801, 12, 11, false), 0x801);
        assert_eq!(value(0x0FFF, 12, 11, true), -1);
        assert_eq!(value(0xF7FF, 12, 11, true), 0x7FF);
        assert_eq!(value(0x801F, 12, 15, false), 0x801);
        assert_eq!(value(0xFFFF, 12, 15, true), -1);
        assert_eq!(value(0x8000, 16, 15, true), -32768);
        assert_eq!(value(0x8000, 16, 15, false), 32768);
    }

    /// A data set of encapsulated pixel data alone: an offset table and fragments.
    fn encapsulated(offsets: &[u32], fragments: &[&[u8]]) -> Object {
        let mut bytes = b"\x08\0\x16\0UI\x02\x001\0\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff".to_vec();
        let table: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        for fragment in [&[table.as_slice()], fragments].concat() {
            bytes.extend(b"\xfe\xff\0\xe0");
            bytes.extend((fragment.len() as u32).to_le_bytes());
            bytes.extend(fragment);
        }
        bytes.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
        let total = bytes.len() as u64;
        Object::parse(bytes, total).unwrap()
    }

    #[test]
    fn frames_in_several_fragments_are_found_by_the_offset_table() {
        let fragments: [&[u8]; 4] = [b"aa", b"bbbb", b"cc", b"dd"];
        let object = encapsulated(&[0, 22, 32], &fragments);
        let three = PixelFormat { frame_count: 3, ..format(1, 1) };

        let frames = [0, 1, 2].map(|frame| frame_bytes(&object, &three, frame).unwrap());

        assert_eq!(frames.map(Cow::into_owned), [b"aabbbb".to_vec(), b"cc".into(), b"dd".into()]);
    }

    #[test]
    fn frames_that_nothing_tells_apart_are_refused() {
        let object = encapsulated(&[], &[b"aa", b"bb", b"cc"]);
        let two = PixelFormat { frame_count: 2, ..format(1, 1) };

        let error = frame_bytes(&object, &two, 1).unwrap_err();

        insta::assert_snapshot!(error, @"frame 1 of 2 has no pixel data of its own among 3 fragments");
    }

    #[test]
    fn a_codec_that_panics_is_an_error() {
        let error = guarded(Codec::Jpeg2000, || panic!("as a decoder might")).unwrap_err();

        insta::assert_snapshot!(error, @"the JPEG 2000 pixel data cannot be decoded: the decoder gave up on damaged data");
    }
}
