//! Reading NIfTI.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use haema_volume::{CtVolume, Grid, Volume};

use super::NiftiError;
use super::header::{DataType, HEADER_1_BYTES, Header, header_bytes};
use crate::image_file::{ImageFileError, VoxelChecksum, case_id_of};
use crate::{InputKind, Provenance, Scan};

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
    let stored = read_stored::<f32>(path)?;
    let ct = CtVolume::new(stored.voxels, stored.grid).map_err(|e| describe(e.into()))?;
    let provenance = Provenance {
        kind: InputKind::Nifti,
        case_id: case_id_of(path),
        file_count: 1,
        sha256: stored.sha256,
        series: vec![],
        warnings: stored.warnings,
        missing_slices: vec![],
        header_tilt_deg: None,
    };
    Ok(Scan { ct, provenance })
}

/// Reads a label map: whole numbers from 0 to 255, and where they lie.
///
/// # Errors
///
/// As [`read`], and [`NiftiError::BadLabel`] for any other number.
pub fn read_label(path: &Path) -> Result<(Volume<u8>, Grid), ImageFileError> {
    let stored = read_stored::<u8>(path)?;
    Ok((stored.voxels, stored.grid))
}

/// A file's voxels in the type wanted, and what the header said.
#[derive(Debug)]
pub(super) struct Stored<T> {
    pub(super) voxels: Volume<T>,
    pub(super) grid: Grid,
    pub(super) sha256: String,
    pub(super) warnings: Vec<String>,
}

fn read_stored<T: FromStored>(path: &Path) -> Result<Stored<T>, ImageFileError> {
    let file = crate::fs::open(path)?;
    decode(file).map_err(|cause| ImageFileError::nifti(cause, path))
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes a file from its bytes, inflating it on the way where it is gzip, whatever its name.
pub(super) fn decode<T: FromStored>(source: impl Read) -> Result<Stored<T>, NiftiError> {
    let mut source = BufReader::with_capacity(PIECE_BYTES, source);
    let head = source.fill_buf().map_err(|cause| NiftiError::Unreadable(cause.to_string()))?;
    if head.starts_with(&GZIP_MAGIC) {
        decode_plain(&mut Stream { source: MultiGzDecoder::new(source), is_gzip: true })
    } else {
        decode_plain(&mut Stream { source, is_gzip: false })
    }
}

fn decode_plain<T: FromStored>(stream: &mut Stream<impl Read>) -> Result<Stored<T>, NiftiError> {
    let mut bytes = stream.up_to(4)?;
    let too_short = |found| NiftiError::TooShort { found, wanted: HEADER_1_BYTES };
    let wanted = header_bytes(*bytes.first_chunk().ok_or(too_short(bytes.len()))?)?;
    bytes.extend(stream.up_to(wanted - 4)?);
    let header = Header::parse(&bytes)?;
    let lps_from_index = header.ras_from_index.with_lps_ras_swapped();
    // Before any voxel is read, so that a bad geometry costs nothing.
    let grid = Grid::from_affine(header.size, &lps_from_index)?;
    stream.skip(header.voxel_offset - wanted as u64)?;

    let mut checksum = VoxelChecksum::new(&grid);
    checksum.add(format!("{:?} {:?}", header.data_type, header.rescale).as_bytes());
    let voxels = read_voxels(stream, &header, &mut checksum)?;
    stream.check_end()?;
    Ok(Stored {
        voxels: Volume::new(header.size, voxels)?,
        grid,
        sha256: checksum.finish(),
        warnings: header.warnings,
    })
}

/// Bytes held at a time; a multiple of every voxel size.
const PIECE_BYTES: usize = 1 << 16;

fn read_voxels<T: FromStored>(
    stream: &mut Stream<impl Read>,
    header: &Header,
    checksum: &mut VoxelChecksum,
) -> Result<Vec<T>, NiftiError> {
    let wanted = header.voxel_count();
    let voxel_bytes = header.data_type.bytes();
    // Grows with what is really there: the header's word alone allocates nothing.
    let mut voxels = Vec::new();
    while voxels.len() < wanted {
        let mut bytes = stream.up_to(PIECE_BYTES.min((wanted - voxels.len()) * voxel_bytes))?;
        checksum.add(&bytes);
        let whole = bytes.len() / voxel_bytes;
        if bytes.is_empty() || bytes.len() % voxel_bytes != 0 {
            return Err(NiftiError::Truncated { found: voxels.len() + whole, wanted });
        }
        if header.is_big_endian {
            bytes.chunks_exact_mut(voxel_bytes).for_each(<[u8]>::reverse);
        }
        append_voxels(&mut voxels, &bytes, header)?;
    }
    Ok(voxels)
}

/// Converts little-endian voxels of the header's type.
fn append_voxels<T: FromStored>(
    voxels: &mut Vec<T>,
    bytes: &[u8],
    header: &Header,
) -> Result<(), NiftiError> {
    macro_rules! append {
        ($type:ty) => {
            append!($type, f64::from)
        };
        ($type:ty, $to_f64:expr) => {{
            let (chunks, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
            for &chunk in chunks {
                let stored = $to_f64(<$type>::from_le_bytes(chunk));
                let value = header.rescale.map_or(stored, |(slope, at_0)| stored * slope + at_0);
                let converted = T::from_stored(value);
                let bad = || NiftiError::BadLabel { found: value, index: voxels.len() };
                voxels.push(converted.ok_or_else(bad)?);
            }
        }};
    }
    match header.data_type {
        DataType::U8 => append!(u8),
        DataType::I8 => append!(i8),
        DataType::U16 => append!(u16),
        DataType::I16 => append!(i16),
        DataType::U32 => append!(u32),
        DataType::I32 => append!(i32),
        DataType::U64 => append!(u64, |value| value as f64),
        DataType::I64 => append!(i64, |value| value as f64),
        DataType::F32 => append!(f32),
        DataType::F64 => append!(f64),
    }
    Ok(())
}

/// A voxel made from a stored and rescaled number, or `None` where it cannot hold it.
pub(super) trait FromStored: Sized {
    fn from_stored(value: f64) -> Option<Self>;
}

impl FromStored for f32 {
    fn from_stored(value: f64) -> Option<Self> {
        Some(value as Self)
    }
}

impl FromStored for u8 {
    fn from_stored(value: f64) -> Option<Self> {
        let label = value as Self; // saturates; NaN gives 0
        (f64::from(label) == value).then_some(label)
    }
}

/// A source whose errors say whether it was gzip.
struct Stream<R> {
    source: R,
    is_gzip: bool,
}

impl<R: Read> Stream<R> {
    /// The next `count` bytes, or fewer where the source ends. `count` is never the file's word.
    fn up_to(&mut self, count: usize) -> Result<Vec<u8>, NiftiError> {
        let mut bytes = Vec::with_capacity(count);
        let read = (&mut self.source).take(count as u64).read_to_end(&mut bytes);
        read.map_err(|cause| self.describe(&cause))?;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), NiftiError> {
        let skipped = io::copy(&mut (&mut self.source).take(count), &mut io::sink());
        skipped.map(drop).map_err(|cause| self.describe(&cause))
    }

    /// Reads a little past the voxels: gzip keeps its checksum there.
    fn check_end(&mut self) -> Result<(), NiftiError> {
        if self.is_gzip { self.skip(PIECE_BYTES as u64) } else { Ok(()) }
    }

    fn describe(&self, cause: &io::Error) -> NiftiError {
        let cause = cause.to_string();
        if self.is_gzip { NiftiError::BadGzip(cause) } else { NiftiError::Unreadable(cause) }
    }
}
