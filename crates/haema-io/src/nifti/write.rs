//! Writing NIfTI-1.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use haema_volume::{Affine, Grid, Vec3, Volume, VolumeError, cross, dot, norm, scale, sub};

use super::NiftiError;
use super::header::{DataType, HEADER_1_BYTES};
use crate::image_file::ImageFileError;

/// A voxel type that is written: `u8`, `i16`, `f32`.
pub trait Voxel: Copy + sealed::Sealed {
    /// Appends the little-endian bytes.
    #[doc(hidden)]
    fn append_to(self, bytes: &mut Vec<u8>);
    #[doc(hidden)]
    const DATA_TYPE: DataType;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! voxel {
    ($type:ty, $data_type:expr) => {
        impl sealed::Sealed for $type {}
        impl Voxel for $type {
            const DATA_TYPE: DataType = $data_type;
            fn append_to(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    };
}

voxel!(u8, DataType::U8);
voxel!(i16, DataType::I16);
voxel!(f32, DataType::F32);

/// Writes a mask, on the grid of the scan that it belongs to.
///
/// # Errors
///
/// As [`write`].
pub fn write_mask(path: &Path, mask: &Volume<u8>, grid: &Grid) -> Result<(), ImageFileError> {
    write(path, mask, grid)
}

/// Writes a probability, 0 to 1, on the grid of the scan that it belongs to.
///
/// # Errors
///
/// As [`write`].
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
/// positions between the first and the last. Where the axes are at right angles the same affine is
/// also given as _qform_; a sheared one (gantry tilt) cannot be, and then _qform_ is marked as
/// absent instead of being nearly right.
///
/// # Errors
///
/// [`ImageFileError`] where sizes differ, an axis is over 32 767 voxels, or the disk refuses.
pub fn write<T: Voxel>(path: &Path, volume: &Volume<T>, grid: &Grid) -> Result<(), ImageFileError> {
    let header = header_bytes(volume.size(), T::DATA_TYPE, grid)
        .map_err(|cause| ImageFileError::nifti(cause, path))?;
    let written = crate::fs::write_atomic_with(path, |file| {
        if path.extension() == Some(OsStr::new("gz")) {
            // No file name and no time in the gzip header: bytes depend on the voxels alone.
            let mut gzip = GzBuilder::new().write(file, COMPRESSION);
            write_stream(&mut gzip, &header, volume)?;
            gzip.finish().map(drop)
        } else {
            write_stream(file, &header, volume)
        }
    });
    Ok(written?)
}

/// Level 4 of zlib-rs: measured on head CT, hardly larger than 6 and about twice as fast.
const COMPRESSION: Compression = Compression::new(4);

fn write_stream<T: Voxel>(
    file: &mut dyn Write,
    header: &[u8],
    volume: &Volume<T>,
) -> io::Result<()> {
    file.write_all(header)?;
    let mut bytes = Vec::new();
    for z in 0..volume.size()[0] {
        bytes.clear();
        for &voxel in volume.plane(z) {
            voxel.append_to(&mut bytes);
        }
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// Header and the four bytes that say that no extension follows.
fn header_bytes(size: [usize; 3], data_type: DataType, grid: &Grid) -> Result<Vec<u8>, NiftiError> {
    if size != grid.size() {
        return Err(VolumeError::SizesDiffer { found: size, wanted: grid.size() }.into());
    }
    let [z, y, x] = size.map(|axis| i16::try_from(axis).ok());
    let (Some(z), Some(y), Some(x)) = (z, y, x) else {
        return Err(NiftiError::AxisTooLong { found: size });
    };
    let ras_from_index = grid.lps_from_index().with_lps_ras_swapped();
    let spacing_mm: [f64; 3] = std::array::from_fn(|axis| norm(ras_from_index.column(axis)));
    let quaternion = Quaternion::of(&ras_from_index);

    let mut header = Fields(vec![0; HEADER_1_BYTES + 4]);
    header.put(0, &(HEADER_1_BYTES as i32).to_le_bytes());
    header.put(38, b"r"); // Analyze's "regular", which some readers still want
    header.put_i16s(40, &[3, x, y, z, 1, 1, 1, 1]);
    header.put_i16s(70, &[data_type.code(), data_type.bits()]);
    header.put_f32s(76, &[quaternion.map_or(1.0, |q| q.handedness)]);
    header.put_f32s(80, &spacing_mm);
    header.put_f32s(108, &[(HEADER_1_BYTES + 4) as f64, 1.0, 0.0]); // offset, slope, intercept
    header.put(123, &[MILLIMETRES]);
    header.put(148, b"haema");
    header.put_i16s(252, &[if quaternion.is_some() { SCANNER } else { 0 }, SCANNER]);
    header.put_f32s(256, &quaternion.map_or([0.0; 3], |q| q.bcd));
    header.put_f32s(268, &ras_from_index.column(3));
    header.put_f32s(280, ras_from_index.rows.as_flattened());
    header.put(344, b"n+1\0");
    Ok(header.0)
}

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
            self.put(at + 4 * i, &(value as f32).to_le_bytes());
        }
    }
}

/// A rotation as NIfTI stores it: three parts of a unit quaternion (the fourth follows), and
/// whether the third axis is mirrored.
#[derive(Debug, Clone, Copy)]
struct Quaternion {
    bcd: [f64; 3],
    handedness: f64,
}

/// How far from a right angle two axes may be to pass as a rotation: cosine of the angle. Affines
/// are stored as `f32`, whose rounding is a hundred times smaller; a tilt of 0.01° is over it.
const MOST_SHEAR: f64 = 1e-4;

impl Quaternion {
    /// The rotation in an affine, or `None` where its axes are not at right angles.
    ///
    /// # Source
    ///
    /// Method 3 of the description of `qform` in `nifti1.h`; conversion after Shepperd, _J.
    /// Guidance and Control_ 1978, 1(3):223: the largest part first, so that nothing is divided by
    /// a small number.
    fn of(affine: &Affine) -> Option<Self> {
        let [x, y, mut z] = [0, 1, 2].map(|axis| {
            let column = affine.column(axis);
            scale(column, 1.0 / norm(column))
        });
        if [dot(x, y), dot(x, z), dot(y, z)].iter().any(|cosine| cosine.abs() > MOST_SHEAR) {
            return None;
        }
        let handedness = if dot(cross(x, y), z) < 0.0 { -1.0 } else { 1.0 };
        z = scale(z, handedness);
        // Gram-Schmidt takes the last rounding out.
        let y = unit(sub(y, scale(x, dot(x, y))));
        let z = if dot(cross(x, y), z) < 0.0 { scale(cross(x, y), -1.0) } else { cross(x, y) };
        let r = |row: usize, column: usize| [x, y, z][column][row];
        let squares = [
            1.0 + r(0, 0) + r(1, 1) + r(2, 2),
            1.0 + r(0, 0) - r(1, 1) - r(2, 2),
            1.0 - r(0, 0) + r(1, 1) - r(2, 2),
            1.0 - r(0, 0) - r(1, 1) + r(2, 2),
        ];
        let largest = (1..4).fold(0, |best, i| if squares[i] > squares[best] { i } else { best });
        let [a, b, c, d] = match largest {
            0 => [squares[0], r(2, 1) - r(1, 2), r(0, 2) - r(2, 0), r(1, 0) - r(0, 1)],
            1 => [r(2, 1) - r(1, 2), squares[1], r(0, 1) + r(1, 0), r(0, 2) + r(2, 0)],
            2 => [r(0, 2) - r(2, 0), r(0, 1) + r(1, 0), squares[2], r(1, 2) + r(2, 1)],
            _ => [r(1, 0) - r(0, 1), r(0, 2) + r(2, 0), r(1, 2) + r(2, 1), squares[3]],
        };
        // The part that NIfTI leaves out must not be negative.
        let sign = if a < 0.0 { -1.0 } else { 1.0 };
        let factor = sign / (2.0 * squares[largest].sqrt());
        Some(Self { bcd: [b * factor, c * factor, d * factor], handedness })
    }
}

fn unit(v: Vec3) -> Vec3 {
    scale(v, 1.0 / norm(v))
}
