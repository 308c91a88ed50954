//! RLE lossless: run lengths (`PackBits`) of byte planes, most significant plane first.
//!
//! # Source
//!
//! DICOM PS3.5, Annex G. dicom-rs 0.10.1 panics on a fragment of two bytes and on a header that
//! promises segments which do not follow; this is short enough to do without it.

use super::error::PixelError;
use super::pixels::PixelFormat;

/// Segment count and fifteen offsets, four bytes each.
const HEADER_BYTES: usize = 64;

fn bad(reason: impl Into<String>) -> PixelError {
    PixelError::Codec { codec: "RLE", reason: reason.into() }
}

/// Decodes one frame of one sample a pixel.
pub(super) fn decode(fragment: &[u8], format: &PixelFormat) -> Result<Vec<u16>, PixelError> {
    let planes = format.bits_allocated / 8;
    let (header, _) = fragment
        .get(..HEADER_BYTES)
        .ok_or_else(|| bad(format!("{} bytes where the header has 64", fragment.len())))?
        .as_chunks::<4>();
    let header: Vec<usize> = header.iter().map(|&raw| u32::from_le_bytes(raw) as usize).collect();
    let segment_count = header[0];
    if segment_count != planes {
        return Err(bad(format!("{segment_count} segments where {planes} were wanted")));
    }
    let mut samples = vec![0_u16; format.frame_pixels()];
    for (segment, &start) in header[1..=planes].iter().enumerate() {
        let end = if segment + 1 < planes { header[segment + 2] } else { fragment.len() };
        let packed = fragment.get(start..end).filter(|_| start >= HEADER_BYTES);
        let packed = packed.ok_or_else(|| {
            bad(format!(
                "segment {segment} is said to span bytes {start} to {end}, which are not there"
            ))
        })?;
        let shift = 8 * (planes - 1 - segment);
        unpack(packed, &mut samples, shift)?;
    }
    Ok(samples)
}

/// Adds one byte plane to the samples.
fn unpack(packed: &[u8], samples: &mut [u16], shift: usize) -> Result<(), PixelError> {
    let total = samples.len();
    let mut left = samples.iter_mut();
    let mut packed = packed;
    while left.len() > 0 {
        let ended = || bad(format!("a segment ends before its {total} pixels are filled"));
        let (&control, rest) = packed.split_first().ok_or_else(ended)?;
        packed = rest;
        // A run may reach past the last pixel: some encoders pad so; what is too much is dropped.
        match control {
            0..=127 => {
                let count = usize::from(control) + 1;
                let literal = packed.get(..count).ok_or_else(ended)?;
                packed = &packed[count..];
                for (sample, &byte) in left.by_ref().take(count).zip(literal) {
                    *sample |= u16::from(byte) << shift;
                }
            }
            128 => {}
            129..=255 => {
                let (&byte, rest) = packed.split_first().ok_or_else(ended)?;
                packed = rest;
                for sample in left.by_ref().take(257 - usize::from(control)) {
                    *sample |= u16::from(byte) << shift;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dicom::pixels::tests::format;

    /// A fragment of two segments, the high bytes first.
    fn fragment(high: &[u8], low: &[u8]) -> Vec<u8> {
        let mut header = [0_u8; HEADER_BYTES];
        header[0] = 2;
        header[4] = 64;
        header[8] = 64 + high.len() as u8;
        [&header, high, low].concat()
    }

    #[test]
    fn runs_and_literals_make_sixteen_bits() {
        // Four pixels: a run of 0x01 four times; the literals 2, 3, then a run of two 4s.
        let packed = fragment(&[253, 0x01], &[1, 2, 3, 255, 4]);

        let samples = decode(&packed, &format(1, 4)).unwrap();

        assert_eq!(samples, [0x0102, 0x0103, 0x0104, 0x0104]);
    }

    #[test]
    fn a_run_past_the_last_pixel_is_cut_and_no_operation_is_none() {
        let samples = decode(&fragment(&[128, 129, 7], &[129, 9]), &format(1, 3)).unwrap();

        assert_eq!(samples, [0x0709; 3]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            has_header: bool,
            offset in 0..255_u8,
        ) {
            if has_header && bytes.len() > 68 {
                bytes[..12].copy_from_slice(&[2, 0, 0, 0, 64, 0, 0, 0, offset, 0, 0, 0]);
            }
            // Behind no `catch_unwind`.
            if let Ok(samples) = decode(&bytes, &format(5, 7)) {
                prop_assert_eq!(samples.len(), 35);
            }
        }
    }
}
