//! Single files that hold a whole scan: what NIfTI, NRRD and `MetaImage` share.

mod sniff;

use std::path::{Path, PathBuf};

use haema_volume::{CtVolume, Volume, VolumeError};
use thiserror::Error;

use crate::fs::FsError;
use crate::meta_image::MetaImageError;
use crate::nifti::NiftiError;
use crate::nrrd::NrrdError;
use crate::voxels::Image;
use crate::{Identity, InputKind, Provenance, Scan, SeriesReport};
pub use sniff::{read_image_file, read_label_file};

/// Why an image file could not be read or written. The message ends with the path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageFileError {
    /// The disk refused.
    #[error(transparent)]
    File(#[from] FsError),
    /// It is, or was to be, NIfTI.
    #[error("{cause}: {}", path.display())]
    Nifti {
        /// What is wrong with it.
        cause: NiftiError,
        /// The file.
        path: PathBuf,
    },
    /// It is, or was to be, NRRD.
    #[error("{cause}: {}", path.display())]
    Nrrd {
        /// What is wrong with it.
        cause: NrrdError,
        /// The file.
        path: PathBuf,
    },
    /// It is `MetaImage`.
    #[error("{cause}: {}", path.display())]
    MetaImage {
        /// What is wrong with it.
        cause: MetaImageError,
        /// The file.
        path: PathBuf,
    },
    /// It is none of these.
    #[error(
        "found {found}: wanted NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd): {}",
        path.display()
    )]
    UnknownFormat {
        /// What it seems to be.
        found: String,
        /// The file.
        path: PathBuf,
    },
}

impl ImageFileError {
    /// The file that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(error) => error.path(),
            Self::Nifti { path, .. }
            | Self::Nrrd { path, .. }
            | Self::MetaImage { path, .. }
            | Self::UnknownFormat { path, .. } => path,
        }
    }

    pub(crate) fn nifti(cause: NiftiError, path: &Path) -> Self {
        Self::Nifti { cause, path: path.to_owned() }
    }

    pub(crate) fn nrrd(cause: NrrdError, path: &Path) -> Self {
        Self::Nrrd { cause, path: path.to_owned() }
    }

    pub(crate) fn meta_image(cause: MetaImageError, path: &Path) -> Self {
        Self::MetaImage { cause, path: path.to_owned() }
    }
}

/// Endings that say how a file is stored, longer ones before their own endings.
const ENDINGS: [&str; 9] =
    [".seg.nrrd", ".nii.gz", ".nii", ".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd"];

/// The file's name without its endings: `a/b/case-1.nii.gz` is `case-1`.
fn case_id_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(**ending));
    let kept = name.len() - ending.map_or(0, |ending| ending.len());
    // Endings are ASCII, so `kept` lies on a character's boundary.
    if kept == 0 { name } else { name[..kept].to_owned() }
}

/// Hounsfield units of a voxel that is no number: air.
const NOT_A_NUMBER_HU: f32 = -1024.0;

/// A scan from one file. Voxels that are no numbers are taken as air, with a warning.
pub(crate) fn scan_of(
    image: Image<f32>,
    kind: InputKind,
    path: &Path,
) -> Result<Scan, VolumeError> {
    let Image { mut voxels, grid, sha256, description, mut warnings } = image;
    let odd_count = replace_odd(&mut voxels);
    if odd_count > 0 {
        warnings.push(format!(
            "{odd_count} voxels are not finite numbers: taken as air ({NOT_A_NUMBER_HU} HU)"
        ));
    }
    let case_id = case_id_of(path);
    let ([slices, rows, columns], [z_mm, y_mm, x_mm]) = (grid.size(), grid.spacing_mm());
    let series = SeriesReport {
        series_id: case_id.clone(),
        description: format!(
            "{description}, {columns} × {rows} × {slices} voxels of {x_mm:.3} × {y_mm:.3} × {z_mm:.3} mm"
        ),
        image_count: slices,
        is_taken: true,
        reason: "the only volume of its file".to_owned(),
    };
    let provenance = Provenance {
        kind,
        case_id,
        file_count: 1,
        sha256,
        series: vec![series],
        warnings,
        missing_slices: vec![],
        header_tilt_deg: None,
        identity: Identity::default(),
    };
    Ok(Scan { ct: CtVolume::new(voxels, grid)?, provenance })
}

/// Replaces voxels that are not finite, and says how many there were.
fn replace_odd(voxels: &mut Volume<f32>) -> usize {
    let odd = voxels.as_mut_slice().iter_mut().filter(|voxel| !voxel.is_finite());
    odd.map(|voxel| *voxel = NOT_A_NUMBER_HU).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_named_by_its_file_without_endings() {
        for (path, case_id) in [
            ("a/case-1.nii.gz", "case-1"),
            ("Case.NII", "Case"),
            ("Müller.seg.nrrd", "Müller"),
            ("v1.2.mha", "v1.2"),
            (".nii", ".nii"),
            ("plain", "plain"),
        ] {
            assert_eq!(case_id_of(Path::new(path)), case_id);
        }
    }
}
