//! Writing scans as NRRD.

use std::path::Path;

use haema_volume::{Grid, Volume, VolumeError};

use crate::image_file::ImageFileError;
use crate::nifti::Voxel;
use crate::voxels::{NumberType, gzip_writer};

/// Writes a volume, gzip-packed. The same input gives the same bytes.
///
/// As NIfTI, NRRD has one affine for all slices: see [`crate::nifti::write()`] for uneven ones.
///
/// # Errors
///
/// [`ImageFileError`] where sizes differ or the disk refuses.
pub fn write<T: Voxel>(path: &Path, volume: &Volume<T>, grid: &Grid) -> Result<(), ImageFileError> {
    if volume.size() != grid.size() {
        let cause = VolumeError::SizesDiffer { found: volume.size(), wanted: grid.size() };
        return Err(ImageFileError::nrrd(cause.into(), path));
    }
    let type_name = match T::NUMBER_TYPE {
        NumberType::U8 => "unsigned char",
        NumberType::I8 => "signed char",
        NumberType::U16 => "unsigned short",
        NumberType::I16 => "short",
        NumberType::U32 => "unsigned int",
        NumberType::I32 => "int",
        NumberType::U64 => "uint64",
        NumberType::I64 => "int64",
        NumberType::F32 => "float",
        NumberType::F64 => "double",
    };
    let header = format!("{}endian: little\n\n", geometry_lines(grid, type_name));
    let written = crate::fs::write_atomic_with(path, |file| {
        file.write_all(header.as_bytes())?;
        let mut gzip = gzip_writer(file);
        crate::voxels::write_planes(&mut gzip, volume)?;
        gzip.finish().map(drop)
    });
    Ok(written?)
}

/// All of the header that says where voxels lie, and that they are packed.
pub(super) fn geometry_lines(grid: &Grid, type_name: &str) -> String {
    let affine = grid.lps_from_index();
    // Adding 0 turns -0 into 0.
    let vector = |i: usize| {
        let [x, y, z] = affine.column(i).map(|part| part + 0.0);
        format!("({x},{y},{z})")
    };
    let [z, y, x] = grid.size();
    format!(
        "NRRD0004\ntype: {type_name}\ndimension: 3\nspace: left-posterior-superior\n\
         sizes: {x} {y} {z}\nspace directions: {} {} {}\nkinds: domain domain domain\n\
         encoding: gzip\nspace origin: {}\n",
        vector(0),
        vector(1),
        vector(2),
        vector(3),
    )
}
