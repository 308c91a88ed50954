//! How much a foreign file may ask for.
//!
//! A header is a promise by a stranger: "four gigabytes follow", "one more level of nesting",
//! "65 536 × 65 536 pixels". Each promise is held against what is really there before anything is
//! allocated or descended into. Every limit is a constant with its reason, and every refusal is a
//! [`LimitError`] that says what was found and what would have been taken.

use std::io::Read as _;

use thiserror::Error;

/// Sequences within sequences, at most. Real objects stay below ten; parsers that recurse, which
/// ours does not, overflow their stack at about a thousand.
pub const NESTING_MAX: usize = 64;

/// Elements of one data set, at most. An enhanced CT of 2000 frames has about 150 000.
pub const ELEMENTS_MAX: usize = 1_000_000;

/// Frames of one object, at most: what the header says of each takes memory before any pixel does.
pub const FRAMES_MAX: usize = 8192;

/// Bytes of one file, at most: an enhanced CT of 2000 frames of 512 × 512 fits.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Rows or columns of one image, at most. Photon-counting CT has 2048.
pub const IMAGE_SIDE_MAX: usize = 4096;

/// Voxels of one scan, at most: 1 GiB as `f32`. 512 × 512 × 1024.
pub const SCAN_VOXELS_MAX: usize = 1 << 28;

/// What may come out of a compressed stream of `compressed_bytes`, per byte and on top.
///
/// CT deflates two- or threefold; twenty leaves room for images of mostly air. The fixed part lets
/// a small file of one colour through.
pub const INFLATE_RATIO: u64 = 20;
/// See [`INFLATE_RATIO`].
pub const INFLATE_BYTES_ON_TOP: u64 = 16 << 20;

/// What may come out of a compressed image, per byte and on top: image codecs write a frame of one
/// grey in less than a hundred bytes, so the fixed part carries the weight.
pub const IMAGE_RATIO: u64 = 1000;
/// See [`IMAGE_RATIO`]: one frame of 2048 × 2048 at 16 bits.
pub const IMAGE_BYTES_ON_TOP: u64 = 8 << 20;

/// Entries of one archive, at most.
pub const ARCHIVE_ENTRIES_MAX: usize = 100_000;

/// Why a file is refused before it is parsed further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LimitError {
    /// A file larger than any that is read.
    #[error("{found_bytes} bytes where at most {limit_bytes} are read")]
    FileTooLarge {
        /// Size of the file.
        found_bytes: u64,
        /// The most that is read.
        limit_bytes: u64,
    },
    /// Sequences within sequences within sequences.
    #[error("sequences are nested more than {limit} deep")]
    NestedTooDeep {
        /// The deepest that is taken.
        limit: usize,
    },
    /// More elements than any real object has.
    #[error("the header has more than {limit} elements")]
    TooManyElements {
        /// The most that is taken.
        limit: usize,
    },
    /// A value is said to be longer than the rest of the file.
    #[error(
        "{what} is said to hold {declared_bytes} bytes, but {remaining_bytes} bytes are left: \
         the file is cut short or damaged"
    )]
    BeyondEnd {
        /// Name or number of the value.
        what: String,
        /// The length that it declares.
        declared_bytes: u64,
        /// What is there.
        remaining_bytes: u64,
    },
    /// A compressed stream that unpacks to far more than its size.
    #[error("{compressed_bytes} compressed bytes unpack to more than {limit_bytes} bytes")]
    Inflates {
        /// Size of the stream.
        compressed_bytes: u64,
        /// The most that is unpacked.
        limit_bytes: u64,
    },
    /// An image whose sides are out of any scanner's reach.
    #[error("an image of {rows} rows × {columns} columns; at most {limit} × {limit} are read")]
    ImageTooLarge {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
        /// The longest side that is read.
        limit: usize,
    },
    /// An image that is large out of proportion to the bytes that are to hold it.
    #[error(
        "{compressed_bytes} bytes of compressed pixel data are said to hold {declared_bytes} bytes \
         of pixels"
    )]
    ImageOutOfProportion {
        /// Bytes of pixel data.
        compressed_bytes: u64,
        /// Bytes that the header's rows, columns and frames ask for.
        declared_bytes: u64,
    },
    /// An archive with more entries than any study.
    #[error("the archive has {found} entries; at most {limit} are read")]
    TooManyEntries {
        /// Entries.
        found: usize,
        /// The most that are read.
        limit: usize,
    },
}

/// The most bytes that `compressed_bytes` may unpack to.
pub fn inflated_bytes_max(compressed_bytes: u64) -> u64 {
    compressed_bytes
        .saturating_mul(INFLATE_RATIO)
        .saturating_add(INFLATE_BYTES_ON_TOP)
        .min(FILE_BYTES_MAX)
}

/// Why a deflate stream could not be unpacked.
#[derive(Debug, Error)]
pub enum InflateError {
    /// It holds too much.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It is damaged.
    #[error("the deflate stream is damaged: {0}")]
    Damaged(std::io::Error),
}

/// Unpacks a raw deflate stream (no zlib or gzip header), as _Deflated Explicit VR Little Endian_
/// has it.
///
/// # Errors
///
/// [`InflateError`] where the stream is damaged, cut short, or unpacks to more than
/// [`inflated_bytes_max`].
pub fn inflate_raw(compressed: &[u8]) -> Result<Vec<u8>, InflateError> {
    let compressed_bytes = compressed.len() as u64;
    let limit_bytes = inflated_bytes_max(compressed_bytes);
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(compressed)
        .take(limit_bytes + 1)
        .read_to_end(&mut inflated)
        .map_err(InflateError::Damaged)?;
    if inflated.len() as u64 > limit_bytes {
        return Err(LimitError::Inflates { compressed_bytes, limit_bytes }.into());
    }
    Ok(inflated)
}

/// Checks that an image's sides are within reach.
///
/// # Errors
///
/// [`LimitError::ImageTooLarge`].
pub fn check_image_sides(rows: usize, columns: usize) -> Result<(), LimitError> {
    if rows > IMAGE_SIDE_MAX || columns > IMAGE_SIDE_MAX {
        return Err(LimitError::ImageTooLarge { rows, columns, limit: IMAGE_SIDE_MAX });
    }
    Ok(())
}

/// Checks that compressed pixel data can hold what the header says.
///
/// # Errors
///
/// [`LimitError::ImageOutOfProportion`].
pub fn check_image_proportion(
    compressed_bytes: u64,
    declared_bytes: u64,
) -> Result<(), LimitError> {
    let limit_bytes =
        compressed_bytes.saturating_mul(IMAGE_RATIO).saturating_add(IMAGE_BYTES_ON_TOP);
    if declared_bytes > limit_bytes {
        return Err(LimitError::ImageOutOfProportion { compressed_bytes, declared_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn deflated(zeros: usize) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; zeros]).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_refused_with_its_sizes() {
        let bomb = deflated(40 << 20);

        let error = inflate_raw(&bomb).unwrap_err().to_string();

        let limit = 20 * bomb.len() + (16 << 20);
        assert_eq!(
            error,
            format!("{} compressed bytes unpack to more than {limit} bytes", bomb.len())
        );
    }

    #[test]
    fn a_small_image_of_one_grey_inflates() {
        assert_eq!(inflate_raw(&deflated(2 * 512 * 512)).unwrap().len(), 2 * 512 * 512);
    }

    #[test]
    fn a_stream_that_is_cut_short_is_an_error() {
        let whole = deflated(100_000);

        assert!(matches!(inflate_raw(&whole[..whole.len() / 2]), Err(InflateError::Damaged(_))));
    }

    #[test]
    fn few_bytes_cannot_hold_many_pixels() {
        assert!(check_image_sides(65_535, 65_535).is_err());
        assert!(check_image_proportion(100, 2 * 512 * 512).is_ok());
        assert!(check_image_proportion(100, 2 * 4096 * 4096).is_err());
    }
}
