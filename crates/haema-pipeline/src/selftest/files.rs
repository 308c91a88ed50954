//! A scan into files.

use std::path::{Path, PathBuf};

use haema_io::dicom::tags;
use haema_io::dicom::write::{SeriesOptions, slice};
use haema_io::{fs, meta_image, nifti, nrrd};
use haema_volume::CtVolume;

use super::SelftestError;
use super::expected::Expected;
use super::plan::{Case, FileForm, Storage};

/// How far unsigned NIfTI numbers lie above Hounsfield units.
const SHIFT_HU: f32 = 1024.0;

/// The name of a case's file or folder.
pub(super) fn name_of(case: &Case) -> String {
    let ending = match case.file {
        FileForm::Dicom(_) => "",
        FileForm::NiftiI16 | FileForm::NiftiF32 => ".nii",
        FileForm::NiftiU16Shifted => ".nii.gz",
        FileForm::Nrrd => ".nrrd",
        FileForm::MetaImage => ".mha",
    };
    format!("{}-{}{ending}", case.id, case.content.name())
}

/// Writes a scan into a folder.
pub(super) fn write(
    case: &Case,
    expected: &Expected,
    folder: &Path,
) -> Result<PathBuf, SelftestError> {
    let path = folder.join(name_of(case));
    let Expected { hu, grid, .. } = expected;
    // Whole numbers within ±1024: exact in 16 bits.
    let as_i16 = || hu.map(|&hu| hu as i16);
    match case.file {
        FileForm::Dicom(storage) => write_dicom(case, storage, expected, &path)?,
        FileForm::NiftiI16 => nifti::write(&path, &as_i16(), grid)?,
        FileForm::NiftiF32 => nifti::write(&path, hu, grid)?,
        FileForm::NiftiU16Shifted => {
            let shifted = hu.map(|&hu| (hu + SHIFT_HU) as u16);
            nifti::write_shifted(&path, &shifted, grid, f64::from(-SHIFT_HU))?;
        }
        FileForm::Nrrd => nrrd::write(&path, &as_i16(), grid)?,
        FileForm::MetaImage => meta_image::write(&path, &as_i16(), grid)?,
    }
    Ok(path)
}

/// Every slice that is not lost, a file each. Headers say how thick slices are, as scanners do, not
/// how far they are apart.
fn write_dicom(
    case: &Case,
    storage: Storage,
    expected: &Expected,
    folder: &Path,
) -> Result<(), SelftestError> {
    let options = SeriesOptions {
        seed: format!("haema selftest {}", case.id),
        intercept: f64::from(storage.intercept),
        is_signed: storage.is_signed,
        bits_stored: storage.bits,
        description: format!("Phantom {}", case.content.name()),
        ..SeriesOptions::default()
    };
    let ct = CtVolume::new(expected.hu.clone(), expected.grid.clone())
        .expect("a scan is drawn on its own grid");
    let is_axial_stack = expected.grid.size()[0] == expected.thickness_mm.len();
    fs::create_folder(folder)?;
    for z in expected.kept(case) {
        let mut attributes = slice(&ct, z, &options);
        if is_axial_stack {
            attributes.text(tags::SLICE_THICKNESS, &expected.thickness_mm[z].to_string());
        }
        let path = folder.join(format!("IM{:05}.dcm", z + 1));
        fs::write_atomic(&path, &attributes.to_file())?;
    }
    Ok(())
}
