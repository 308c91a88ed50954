//! Writing NIfTI-1.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use haema_volume::{Grid, Volume, VolumeError};

use super::NiftiError;
use super::header::{HEADER_1_BYTES, code_of};
use super::qform::Qform;
use crate::image_file::ImageFileError;
use crate::voxels::{NumberType, gzip_writer, write_planes};

/// A voxel type that is written: `u8`, `i16`, `u16`, `f32`.
pub trait Voxel: Copy + sealed::Sealed {
    /// Appends the little-endian bytes.
    #[doc(hidden)]
    fn append_to(self, bytes: &mut Vec<u8>);
    #[doc(hidden)]
    const NUMBER_TYPE: NumberType;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! voxel {
    ($type:ty, $number_type:expr) => {
        impl sealed::Sealed for $type {}
        impl Voxel for $type {
            const NUMBER_TYPE: NumberType = $number_type;
            fn append_to(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    };
}

voxel!(u8, NumberType::U8);
voxel!(i16, NumberType::I16);
voxel!(u16, NumberType::U16);
voxel!(f32, NumberType::F32);

/// Writes a mask, on the grid of the scan that it belongs to.
///
/// # Errors
///
/// As [`write()`].
pub fn write_mask(path: &Path, mask: &Volume<u8>, grid: &Grid) -> Result<(), ImageFileError> {
    write(path, mask, grid)
}

/// Writes a mask whose header says in words what it is: the first 79 bytes of `description`.
///
/// # Errors
///
/// As [`write()`].
pub fn write_described_mask(
    path: &Path,
    mask: &Volume<u8>,
    grid: &Grid,
    description: &str,
) -> Result<(), ImageFileError> {
    write_with(path, mask, grid, (0.0, description))
}

/// Writes a probability, 0 to 1, on the grid of the scan that it belongs to.
///
/// # Errors
///
/// As [`write()`].
pub fn write_probability(
    path: &Path,
    probability: &Volume<f32>,
    grid: &Grid,
) -> Result<(), ImageFileError> {
    write(path, probability, grid)
}

/// Writes a volume as NIfTI-1, compressed where the name ends in `.gz`. The same input gives the
/// same bytes.
///
/// The affine is that of [`Grid::lps_from_index`], turned to RAS, as _sform_. NIfTI has one affine
/// for the whole stack: of slices that are unevenly spaced it keeps number and order, not the
/// positions between the first and the last (see [`super::write_slice_positions`]). The same affine is
/// also given as _qform_, with code 1; a sheared one (gantry tilt) has no _qform_, so there it gets
/// code 2 and keeps all but the shear. The voxel size is such that its product is the volume.
///
/// # Errors
///
/// [`ImageFileError`] where sizes differ, an axis is over 32 767 voxels, or the disk refuses.
pub fn write<T: Voxel>(path: &Path, volume: &Volume<T>, grid: &Grid) -> Result<(), ImageFileError> {
    write_shifted(path, volume, grid, 0.0)
}

/// Writes a volume as [`write()`] does, whose numbers mean themselves plus `intercept`: unsigned
/// numbers can hold Hounsfield units that way.
///
/// # Errors
///
/// As [`write()`].
pub fn write_shifted<T: Voxel>(
    path: &Path,
    volume: &Volume<T>,
    grid: &Grid,
    intercept: f64,
) -> Result<(), ImageFileError> {
    write_with(path, volume, grid, (intercept, "haema"))
}

fn write_with<T: Voxel>(
    path: &Path,
    volume: &Volume<T>,
    grid: &Grid,
    (intercept, description): (f64, &str),
) -> Result<(), ImageFileError> {
    let header = header_bytes(volume.size(), T::NUMBER_TYPE, grid, (intercept, description))
        .map_err(|cause| ImageFileError::nifti(cause, path))?;
    let written = crate::fs::write_atomic_with(path, |file| {
        if path.extension() == Some(OsStr::new("gz")) {
            let mut gzip = gzip_writer(file);
            write_stream(&mut gzip, &header, volume)?;
            gzip.finish().map(drop)
        } else {
            write_stream(file, &header, volume)
        }
    });
    Ok(written?)
}

fn write_stream<T: Voxel>(
    file: &mut dyn Write,
    header: &[u8],
    volume: &Volume<T>,
) -> io::Result<()> {
    file.write_all(header)?;
    write_planes(file, volume)
}

/// Header and the four bytes that say that no extension follows.
fn header_bytes(
    size: [usize; 3],
    number_type: NumberType,
    grid: &Grid,
    (intercept, description): (f64, &str),
) -> Result<Vec<u8>, NiftiError> {
    if size != grid.size() {
        return Err(VolumeError::SizesDiffer { found: size, wanted: grid.size() }.into());
    }
    let [z, y, x] = size.map(|axis| i16::try_from(axis).ok());
    let (Some(z), Some(y), Some(x)) = (z, y, x) else {
        return Err(NiftiError::AxisTooLong { found: size });
    };
    let ras_from_index = grid.lps_from_index().with_lps_ras_swapped();
    let qform = Qform::nearest(&ras_from_index);

    let mut header = Fields(vec![0; HEADER_1_BYTES + 4]);
    header.put(0, &(HEADER_1_BYTES as i32).to_le_bytes());
    header.put(38, b"r"); // Analyze's "regular", which some readers still want
    header.put_i16s(40, &[3, x, y, z, 1, 1, 1, 1]);
    header.put_i16s(70, &[code_of(number_type), 8 * number_type.bytes() as i16]);
    header.put_f32s(76, &[qform.handedness]);
    header.put_f32s(80, &qform.spacing_mm);
    header.put_f32s(108, &[(HEADER_1_BYTES + 4) as f64, 1.0, intercept]); // offset, slope
    header.put(123, &[MILLIMETRES]);
    let words = description.as_bytes();
    header.put(148, &words[..words.len().min(DESCRIPTION_BYTES)]);
    header.put_i16s(252, &[qform.code, SCANNER]);
    header.put_f32s(256, &qform.quaternion_bcd);
    header.put_f32s(268, &ras_from_index.column(3));
    header.put_f32s(280, ras_from_index.rows.as_flattened());
    header.put(344, b"n+1\0");
    Ok(header.0)
}

/// `descrip` has 80 bytes, the last of which is 0.
const DESCRIPTION_BYTES: usize = 79;
/// `NIFTI_UNITS_MM`.
const MILLIMETRES: u8 = 2;
/// `NIFTI_XFORM_SCANNER_ANAT`: the affine gives places in the patient.
const SCANNER: i16 = 1;

struct Fields(Vec<u8>);

impl Fields {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put_i16s(&mut self, at: usize, values: &[i16]) {
        for (i, value) in values.iter().enumerate() {
            self.put(at + 2 * i, &value.to_le_bytes());
        }
    }

    fn put_f32s(&mut self, at: usize, values: &[f64]) {
        for (i, &value) in values.iter().enumerate() {
            // Adding 0 turns the -0 of a negated axis into 0.
            self.put(at + 4 * i, &(value as f32 + 0.0).to_le_bytes());
        }
    }
}
