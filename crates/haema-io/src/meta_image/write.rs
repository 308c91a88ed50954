//! Writing scans as `MetaImage`.

use std::path::Path;

use haema_volume::{Grid, Vec3, Volume, VolumeError, norm, scale};

use crate::image_file::ImageFileError;
use crate::nifti::Voxel;
use crate::voxels::{NumberType, write_planes};

/// Writes a volume as one file, `.mha`, not packed. The same input gives the same bytes.
///
/// `MetaImage` has one affine for all slices, as NIfTI: see [`crate::nifti::write()`] for uneven
/// ones. A sheared one (gantry tilt) is written as it is; ITK refuses to read that.
///
/// # Errors
///
/// [`ImageFileError`] where sizes differ or the disk refuses.
pub fn write<T: Voxel>(path: &Path, volume: &Volume<T>, grid: &Grid) -> Result<(), ImageFileError> {
    if volume.size() != grid.size() {
        let cause = VolumeError::SizesDiffer { found: volume.size(), wanted: grid.size() };
        return Err(ImageFileError::meta_image(cause.into(), path));
    }
    let header = header_text(grid, T::NUMBER_TYPE);
    let written = crate::fs::write_atomic_with(path, |file| {
        file.write_all(header.as_bytes())?;
        write_planes(file, volume)
    });
    Ok(written?)
}

fn header_text(grid: &Grid, number_type: NumberType) -> String {
    let affine = grid.lps_from_index();
    let steps = [0, 1, 2].map(|axis| affine.column(axis));
    let directions = steps.map(|step| numbers(scale(step, 1.0 / norm(step)))).join(" ");
    let [z, y, x] = grid.size();
    let element = match number_type {
        NumberType::U8 => "MET_UCHAR",
        NumberType::I8 => "MET_CHAR",
        NumberType::U16 => "MET_USHORT",
        NumberType::I16 => "MET_SHORT",
        NumberType::U32 => "MET_UINT",
        NumberType::I32 => "MET_INT",
        NumberType::U64 => "MET_ULONG_LONG",
        NumberType::I64 => "MET_LONG_LONG",
        NumberType::F32 => "MET_FLOAT",
        NumberType::F64 => "MET_DOUBLE",
    };
    format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
         CompressedData = False\nTransformMatrix = {directions}\nOffset = {}\n\
         CenterOfRotation = 0 0 0\nElementSpacing = {}\nDimSize = {x} {y} {z}\n\
         ElementType = {element}\nElementDataFile = LOCAL\n",
        numbers(affine.column(3)),
        numbers(steps.map(norm)),
    )
}

/// Adding 0 turns -0 into 0.
fn numbers(values: Vec3) -> String {
    values.map(|value| (value + 0.0).to_string()).join(" ")
}
