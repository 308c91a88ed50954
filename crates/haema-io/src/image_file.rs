//! Single files that hold a whole scan: what they share.

use std::path::{Path, PathBuf};

use haema_volume::Grid;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::fs::FsError;
use crate::nifti::NiftiError;

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
}

impl ImageFileError {
    pub(crate) fn nifti(cause: NiftiError, path: &Path) -> Self {
        Self::Nifti { cause, path: path.to_owned() }
    }
}

/// Endings that say how a file is stored, longest first.
const ENDINGS: [&str; 9] =
    [".seg.nrrd", ".nii.gz", ".nii", ".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd"];

/// The file's name without its endings: `a/b/case-1.nii.gz` is `case-1`.
pub(crate) fn case_id_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(**ending));
    let kept = name.len() - ending.map_or(0, |ending| ending.len());
    // ASCII endings only: `kept` lies on a character's boundary.
    if kept == 0 { name } else { name[..kept].to_owned() }
}

/// Checksum of a scan: its geometry and its voxels as they were stored.
pub(crate) struct VoxelChecksum(Sha256);

impl VoxelChecksum {
    pub(crate) fn new(grid: &Grid) -> Self {
        let mut sum = Sha256::new();
        for axis in grid.size() {
            sum.update((axis as u64).to_le_bytes());
        }
        for value in grid.lps_from_index().rows.as_flattened() {
            sum.update(value.to_le_bytes());
        }
        Self(sum)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}
