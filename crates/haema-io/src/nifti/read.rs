//! Reading NIfTI.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use haema_volume::{Grid, Volume};

use super::NiftiError;
use super::header::{HEADER_1_BYTES, Header, header_bytes};
use crate::image_file::{ImageFileError, scan_of};
use crate::voxels::{FromStored, Image, PIECE_BYTES, Packing, Stream, VoxelError};
use crate::{InputKind, Scan};

/// Reads a scan from `.nii` or `.nii.gz`.
///
/// The orientation is that of the _sform_, else of the _qform_, as in nibabel; where the file has
/// neither, the voxel size alone is used and a warning says so.
///
/// # Errors
///
/// [`ImageFileError`] where the file cannot be read, is not NIfTI, holds colours or complex numbers
/// or several volumes, ends early, or has a geometry that is not finite or flat. Memory stays
/// within four bytes for each voxel that is really there, whatever the header claims.
pub fn read(path: &Path) -> Result<Scan, ImageFileError> {
    let describe = |cause| ImageFileError::nifti(cause, path);
    let image = decode(crate::fs::open(path)?).map_err(describe)?;
    scan_of(image, InputKind::Nifti, path).map_err(|cause| describe(cause.into()))
}

/// Reads a label map: whole numbers from 0 to 255, and where they lie.
///
/// # Errors
///
/// As [`read`], and [`VoxelError::BadLabel`] for any other number.
pub fn read_label(path: &Path) -> Result<(Volume<u8>, Grid), ImageFileError> {
    let image = decode(crate::fs::open(path)?);
    let image = image.map_err(|cause| ImageFileError::nifti(cause, path))?;
    Ok((image.voxels, image.grid))
}

/// First bytes of a gzip stream.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes a file from its bytes, inflating it on the way where it is gzip, whatever its name.
pub(super) fn decode<T: FromStored>(source: impl Read) -> Result<Image<T>, NiftiError> {
    let mut source = BufReader::with_capacity(PIECE_BYTES, source);
    let head = source.fill_buf().map_err(|cause| VoxelError::Unreadable(cause.to_string()))?;
    let packing = if head.starts_with(&GZIP_MAGIC) { Packing::Gzip } else { Packing::Plain };
    let mut stream = Stream::new(source, packing);

    let mut bytes = stream.up_to(4)?;
    let too_short = NiftiError::TooShort { found: bytes.len(), wanted: HEADER_1_BYTES };
    let wanted = header_bytes(*bytes.first_chunk().ok_or(too_short)?)?;
    bytes.extend(stream.up_to(wanted - 4)?);
    let header = Header::parse(&bytes)?;
    // Before any voxel is read, so that a bad geometry costs nothing.
    let lps_from_index = header.ras_from_index.with_lps_ras_swapped();
    let grid = Grid::from_affine(header.layout.size, &lps_from_index)?;
    stream.skip(header.voxel_offset - wanted as u64)?;

    let mut image = Image::read(&mut stream, &header.layout, grid)?;
    image.description = format!("{}, {}", header.version, image.description);
    image.warnings = header.warnings;
    Ok(image)
}
