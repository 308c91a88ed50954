//! Which format a file is in, by what it holds. Names lie; first bytes seldom do.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use haema_volume::{Grid, Volume};

use super::ImageFileError;
use crate::{Scan, fs, meta_image, nifti, nrrd};

/// Formats of one file that holds a whole scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Nifti,
    Nrrd,
    MetaImage,
}

/// Reads a scan from one file: NIfTI, NRRD or `MetaImage`, told apart by their first bytes.
///
/// # Errors
///
/// [`ImageFileError::UnknownFormat`] says what was found instead; otherwise as the format's own
/// `read`.
pub fn read_image_file(path: &Path) -> Result<Scan, ImageFileError> {
    match format_of(path)? {
        Format::Nifti => nifti::read(path),
        Format::Nrrd => nrrd::read(path),
        Format::MetaImage => meta_image::read(path),
    }
}

/// Reads a label map from one file, whole numbers from 0 to 255, in any format of
/// [`read_image_file`].
///
/// # Errors
///
/// As [`read_image_file`], and [`crate::VoxelError::BadLabel`] for any other number.
pub fn read_label_file(path: &Path) -> Result<(Volume<u8>, Grid), ImageFileError> {
    match format_of(path)? {
        Format::Nifti => nifti::read_label(path),
        Format::Nrrd => nrrd::read_label(path),
        Format::MetaImage => meta_image::read_label(path),
    }
}

/// Enough for the longest signature (tar's, at byte 257) and a few lines of text.
const HEAD_BYTES: usize = 1024;

fn format_of(path: &Path) -> Result<Format, ImageFileError> {
    let head = fs::read_head(path, HEAD_BYTES)?;
    let unknown = |found: &str| ImageFileError::UnknownFormat {
        found: found.to_owned(),
        path: path.to_owned(),
    };
    if head.is_empty() {
        return Err(unknown("an empty file"));
    }
    if head.starts_with(&nifti::GZIP_MAGIC) {
        return match start_inflated(&head) {
            Some(start) if !is_nifti(&start) => Err(unknown("a gzip file that holds no NIfTI")),
            // What is broken here, NIfTI's reader says better.
            _ => Ok(Format::Nifti),
        };
    }
    format_of_head(&head).ok_or_else(|| unknown(what_else(&head, path)))
}

fn format_of_head(head: &[u8]) -> Option<Format> {
    if is_nifti(head) {
        return Some(Format::Nifti);
    }
    if head.starts_with(b"NRRD") {
        return Some(Format::Nrrd);
    }
    // The format has no signature, but its files begin with one of these keys.
    let keys = [&b"ObjectType"[..], b"NDims", b"Comment", b"BinaryData"];
    let has_key = |key: &&[u8]| {
        let rest = head.strip_prefix(*key);
        rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    };
    keys.iter().any(has_key).then_some(Format::MetaImage)
}

/// Whether bytes begin with the header size of either version, in either byte order.
fn is_nifti(head: &[u8]) -> bool {
    let first = head.first_chunk().copied().map(i32::from_le_bytes);
    first.is_some_and(|n| [348, 540].contains(&n) || [348, 540].contains(&n.swap_bytes()))
}

/// The first four bytes that a gzip stream holds, if they can be had.
fn start_inflated(head: &[u8]) -> Option<[u8; 4]> {
    let mut start = [0; 4];
    GzDecoder::new(head).read_exact(&mut start).ok()?;
    Some(start)
}

/// What a file of no known format is, as far as one can tell.
fn what_else(head: &[u8], path: &Path) -> &'static str {
    const SIGNATURES: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\x89PNG", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"%PDF", "a PDF document"),
        (b"\x89HDF", "an HDF5 file"),
        (b"\x93NUMPY", "a NumPy array, which has no geometry"),
        (b"BZh", "a bzip2 file"),
    ];
    if head.get(128..132) == Some(b"DICM") {
        return "a DICOM file";
    }
    if let Some((_, name)) = SIGNATURES.iter().find(|(start, _)| head.starts_with(start)) {
        return name;
    }
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    if ending == "img" || ending == "raw" || ending == "zraw" {
        return "bare voxels, whose header is in another file";
    }
    if is_text(head) { "a text file" } else { "bytes of no known format" }
}

fn is_text(head: &[u8]) -> bool {
    // A character that the head cuts in two is no error.
    let is_utf8 = std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true);
    is_utf8 && head.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}
