//! The heads that cases are simulated from.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::{fs, nifti};
use haema_sim::Anatomy;

use super::SimulateError;

/// How many built-in heads differ in their folds.
const BUILTIN_HEADS: usize = 8;

/// Heads to simulate from: label maps of a folder, or those that haema makes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// Sorted by name; none for the built-in ones.
    maps: Option<Vec<PathBuf>>,
}

impl Heads {
    /// The label maps of a folder, or the built-in heads where there is none.
    ///
    /// # Errors
    ///
    /// [`SimulateError`] where the folder cannot be read or has no label maps.
    pub fn find(folder: Option<&Path>) -> Result<Self, SimulateError> {
        Ok(Self { maps: folder.map(label_maps).transpose()? })
    }

    /// How many there are; at least 1.
    pub fn count(&self) -> usize {
        self.maps.as_ref().map_or(BUILTIN_HEADS, Vec::len)
    }

    /// File names of the label maps; none for the built-in heads.
    pub fn names(&self) -> Vec<String> {
        let name =
            |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.maps.iter().flatten().map(name).collect()
    }

    /// Reads and prepares head `number % count`: a second or more of work, some 40 MB.
    ///
    /// # Errors
    ///
    /// [`SimulateError`], which names the file, where it is no head.
    pub fn read(&self, number: usize, threads: NonZeroUsize) -> Result<Anatomy, SimulateError> {
        let number = number % self.count();
        let Some(maps) = &self.maps else { return Ok(Anatomy::builtin(number as u64, threads)) };
        let path = &maps[number];
        let map = nifti::read(path)?;
        Anatomy::from_label_map(&map.ct, threads)
            .map_err(|cause| SimulateError::Anatomy { cause, path: path.clone() })
    }
}

/// The label maps of a folder, sorted by name.
fn label_maps(folder: &Path) -> Result<Vec<PathBuf>, SimulateError> {
    let is_map = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && (name.ends_with(".nii.gz") || name.ends_with(".nii"))
    };
    let maps: Vec<PathBuf> = fs::list_folder(folder)?.into_iter().filter(is_map).collect();
    if maps.is_empty() {
        return Err(SimulateError::NoAnatomies { folder: folder.to_owned() });
    }
    Ok(maps)
}
