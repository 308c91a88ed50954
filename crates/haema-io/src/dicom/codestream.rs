//! JPEG and JPEG 2000 images inside DICOM fragments: checked against the DICOM header, then handed
//! to the codec.
//!
//! A codestream carries its own size, and its decoder allocates by it. So the size is read here
//! first, and anything but the DICOM header's own rows and columns with one sample is refused.

use super::error::PixelError;
use super::pixels::PixelFormat;
use super::syntax::Codec;
use crate::jpeg_ls;

/// Tiles of one JPEG 2000 image, at most. Each costs OpenJPEG some kilobytes before a pixel is
/// read; medical encoders write one.
const TILES_MAX: u64 = 1024;

/// Smallest precinct of JPEG 2000, as a power of two. The standard allows one sample, and each
/// precinct costs OpenJPEG several hundred bytes; encoders write 64 and more.
const PRECINCT_EXPONENT_MIN: u8 = 4;

/// What a codestream says of itself.
struct Frame {
    rows: usize,
    columns: usize,
    samples: usize,
}

impl Frame {
    fn check(&self, codec: &'static str, format: &PixelFormat) -> Result<(), PixelError> {
        if (self.rows, self.columns, self.samples) == (format.rows, format.columns, 1) {
            return Ok(());
        }
        Err(PixelError::OtherSize {
            codec,
            found_rows: self.rows,
            found_columns: self.columns,
            found_samples: self.samples,
            rows: format.rows,
            columns: format.columns,
        })
    }
}

/// Decodes JPEG baseline or lossless.
pub(super) fn jpeg(
    codestream: &[u8],
    format: &PixelFormat,
    codec: Codec,
) -> Result<Vec<u16>, PixelError> {
    let name = codec.name();
    let bad = |reason: String| PixelError::Codec { codec: name, reason };
    let (process, frame) = jpeg_frame(codestream).ok_or_else(|| bad("no frame header".into()))?;
    let is_wanted = match codec {
        Codec::JpegLossless => process == 0xC3,
        _ => matches!(process, 0xC0 | 0xC1),
    };
    if !is_wanted {
        return Err(bad(format!("it holds another JPEG process (marker FF{process:02X})")));
    }
    frame.check(name, format)?;
    let mut decoder = jpeg_decoder::Decoder::new(codestream);
    let bytes = decoder.decode().map_err(|error| bad(error.to_string()))?;
    let pixel_format = decoder.info().map(|info| info.pixel_format);
    match pixel_format {
        Some(jpeg_decoder::PixelFormat::L8) => Ok(bytes.into_iter().map(u16::from).collect()),
        Some(jpeg_decoder::PixelFormat::L16) => {
            Ok(bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_ne_bytes(pair)).collect())
        }
        _ => Err(bad("not one grey sample a pixel".into())),
    }
}

/// Finds the frame header: the process (SOF marker) and the size.
fn jpeg_frame(codestream: &[u8]) -> Option<(u8, Frame)> {
    let mut at = 2;
    loop {
        let &[lead, marker, high, low] = codestream.get(at..)?.first_chunk::<4>()?;
        if lead != 0xFF {
            return None;
        }
        if marker == 0xFF {
            at += 1;
            continue;
        }
        // SOF0–SOF15 without DHT, JPG and DAC.
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            let &[_precision, r1, r0, c1, c0, samples] =
                codestream.get(at + 4..)?.first_chunk::<6>()?;
            let rows = usize::from(u16::from_be_bytes([r1, r0]));
            let columns = usize::from(u16::from_be_bytes([c1, c0]));
            return Some((marker, Frame { rows, columns, samples: samples.into() }));
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
}

/// Decodes JPEG-LS.
pub(super) fn jpeg_ls(codestream: &[u8], format: &PixelFormat) -> Result<Vec<u16>, PixelError> {
    let limits = jpeg_ls::Limits { max_pixels: format.frame_pixels() as u64 };
    let image = jpeg_ls::decode(codestream, &limits)?;
    let frame = Frame { rows: image.height, columns: image.width, samples: image.components };
    frame.check(Codec::JpegLs.name(), format)?;
    Ok(image.samples)
}

/// Decodes JPEG 2000 or HTJ2K.
pub(super) fn jpeg2000(bytes: &[u8], format: &PixelFormat) -> Result<Vec<u16>, PixelError> {
    const NAME: &str = "JPEG 2000";
    let bad = |reason: &str| PixelError::Codec { codec: NAME, reason: reason.to_owned() };
    // The standard asks for a bare codestream; some writers leave it in its JP2 boxes, which say
    // nothing that a grey image needs.
    let codestream = jp2_codestream(bytes).ok_or_else(|| bad("no codestream"))?;
    jpeg2000_size(codestream).ok_or_else(|| bad("no size marker"))?.check(NAME, format)?;
    check_jpeg2000_structure(codestream).map_err(bad)?;
    let image = jpeg2k::Image::from_bytes(codestream).map_err(|error| bad(&error.to_string()))?;
    let [component] = image.components() else { return Err(bad("not one sample a pixel")) };
    // Two's complement in the low 16 bits, for signed and unsigned codestreams alike.
    Ok(component.data().iter().map(|&sample| sample as u16).collect())
}

fn jp2_codestream(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.starts_with(&[0xFF, 0x4F]) {
        return Some(bytes);
    }
    let mut rest = bytes;
    loop {
        let &[a, b, c, d, kind @ ..] = rest.first_chunk::<8>()?;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if &kind == b"jp2c" {
            return rest.get(8..).filter(|stream| stream.starts_with(&[0xFF, 0x4F]));
        }
        // Lengths 0 (to the end) and 1 (64 bits follow) stand before no image worth the code.
        rest = rest.get(length..).filter(|_| length >= 8)?;
    }
}

/// Reads the SIZ segment, which follows the start of a codestream at once; `None` where it is not
/// there, or asks for subsampling, an odd origin or many tiles.
fn jpeg2000_size(codestream: &[u8]) -> Option<Frame> {
    let segment = codestream.get(2..)?.strip_prefix(&[0xFF, 0x51])?;
    let (words, _) = segment.get(4..36)?.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|&raw| u32::from_be_bytes(raw)).collect();
    let [width, height, left, top, tile_width, tile_height, tile_left, tile_top] = words[..] else {
        return None;
    };
    let &[s1, s0, _precision, dx, dy] = segment.get(36..)?.first_chunk::<5>()?;
    let is_plain = left == 0 && top == 0 && tile_left == 0 && tile_top == 0 && dx == 1 && dy == 1;
    if !is_plain || tile_width == 0 || tile_height == 0 {
        return None;
    }
    let tiles = u64::from(width.div_ceil(tile_width)) * u64::from(height.div_ceil(tile_height));
    let samples = u16::from_be_bytes([s1, s0]).into();
    (tiles <= TILES_MAX).then_some(Frame {
        rows: height as usize,
        columns: width as usize,
        samples,
    })
}

/// Walks the markers of the main header and of each tile-part, and refuses what would make
/// OpenJPEG take memory out of proportion.
fn check_jpeg2000_structure(codestream: &[u8]) -> Result<(), &'static str> {
    const ENDED: &str = "the codestream ends inside its headers";
    let mut at = 2;
    let mut tile_part_end = None;
    loop {
        let Some(&[lead, marker]) = codestream.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Err(ENDED);
        };
        if lead != 0xFF {
            return Err("a marker is missing in its headers");
        }
        match marker {
            // End of codestream.
            0xD9 => return Ok(()),
            // Start of data: on to the next tile-part, or to the end where its length is not said.
            0x93 => match tile_part_end {
                Some(end) if end > at && end < codestream.len() => at = end,
                _ => return Ok(()),
            },
            _ => {
                let segment = codestream.get(at + 2..).ok_or(ENDED)?;
                let &[high, low] = segment.first_chunk().ok_or(ENDED)?;
                let length = usize::from(u16::from_be_bytes([high, low]));
                let body = segment.get(2..length).ok_or(ENDED)?;
                if marker == 0x90 {
                    tile_part_end = tile_part_length(body).map(|length| at + length);
                }
                check_coding_style(marker, body)?;
                at += 2 + length;
            }
        }
    }
}

/// Length of a tile-part from its SOT segment; `None` where it reaches to the end.
fn tile_part_length(sot: &[u8]) -> Option<usize> {
    let &raw = sot.get(2..)?.first_chunk::<4>()?;
    let length = u32::from_be_bytes(raw) as usize;
    (length > 0).then_some(length)
}

fn check_coding_style(marker: u8, body: &[u8]) -> Result<(), &'static str> {
    // COD: style, progression, layers (2), transform, levels, block width and height, block style,
    // wavelet, precincts. COC: component, style, levels, ….
    let (style_at, levels_at) = match marker {
        0x52 => (0, 5),
        0x53 => (1, 2),
        _ => return Ok(()),
    };
    let (Some(style), Some(&levels)) = (body.get(style_at), body.get(levels_at)) else {
        return Err("a coding style segment is cut short");
    };
    if levels > 32 {
        return Err("more than 32 decomposition levels");
    }
    if style & 1 == 0 {
        return Ok(());
    }
    let precincts = body.get(levels_at + 5..).unwrap_or_default();
    let is_small =
        |size: &u8| size & 0x0F < PRECINCT_EXPONENT_MIN || size >> 4 < PRECINCT_EXPONENT_MIN;
    if precincts.iter().take(usize::from(levels) + 1).any(is_small) {
        return Err("its precincts are smaller than 16 samples");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dicom::pixels::tests::format;

    /// Start of a codestream with one sample of 16 bits and the given sides and tiles.
    fn size_marker(width: u32, height: u32, tile: u32) -> Vec<u8> {
        let words = [width, height, 0, 0, tile, tile, 0, 0].map(u32::to_be_bytes);
        [&[0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0], words.as_flattened(), &[0, 1, 15, 1, 1]].concat()
    }

    #[test]
    fn an_image_of_another_size_than_the_header_never_reaches_the_decoder() {
        let huge = size_marker(65_535, 65_535, 65_535);
        let jpeg = [0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 16, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1, 0x11, 0];

        insta::assert_snapshot!(jpeg2000(&huge, &format(4, 4)).unwrap_err(), @"the JPEG 2000 image is 65535 rows × 65535 columns with 1 samples a pixel; the header says 4 × 4 with 1");
        let error = super::jpeg(&jpeg, &format(4, 4), Codec::JpegLossless).unwrap_err();
        insta::assert_snapshot!(error, @"the JPEG lossless image is 65535 rows × 65535 columns with 1 samples a pixel; the header says 4 × 4 with 1");
    }

    #[test]
    fn tiles_and_precincts_of_a_few_samples_are_refused() {
        assert!(jpeg2000(&size_marker(512, 512, 1), &format(512, 512)).is_err());
        // Precincts of 2 × 2: style 1, …, five levels, blocks of 64, six precinct sizes.
        let body = [1, 0, 0, 1, 0, 5, 4, 4, 0, 1, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];
        assert!(check_coding_style(0x52, &body).is_err());
        let body = [1, 0, 0, 1, 0, 5, 4, 4, 0, 1, 0x77, 0x88, 0x88, 0x88, 0x88, 0x88];
        assert!(check_coding_style(0x52, &body).is_ok());
    }

    #[test]
    fn another_process_than_the_transfer_syntax_says_is_refused() {
        let progressive = [0xFF, 0xD8, 0xFF, 0xC2, 0, 11, 8, 0, 4, 0, 4, 1, 1, 0x11, 0];

        let error = super::jpeg(&progressive, &format(4, 4), Codec::JpegBaseline).unwrap_err();

        insta::assert_snapshot!(error, @"the JPEG baseline pixel data cannot be decoded: it holds another JPEG process (marker FFC2)");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let jpeg = [&[0xFF, 0xD8], bytes.as_slice()].concat();
            let boxed = [b"\0\0\0\x0cjP  \r\n\x87\n".as_slice(), &bytes].concat();
            let headed = [size_marker(4, 4, 4), bytes].concat();
            // Behind no `catch_unwind`. What these let through is the codecs' own.
            if let Some((process, _)) = jpeg_frame(&jpeg) {
                prop_assert!(matches!(process, 0xC0..=0xCF));
            }
            if let Some(codestream) = jp2_codestream(&boxed) {
                prop_assert!(codestream.len() <= boxed.len());
            }
            let frame = jpeg2000_size(&headed);
            prop_assert_eq!(frame.map(|frame| (frame.rows, frame.columns)), Some((4, 4)));
            prop_assert!(check_jpeg2000_structure(&headed).is_err_and(|why| !why.is_empty())
                || headed.len() > 41);
        }
    }
}
