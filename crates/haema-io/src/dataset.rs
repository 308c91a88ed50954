//! Data sets in the raw layout of nnU-Net v2.
//!
//! ```text
//! dataset.json               what the channel and the labels mean, how files end
//! participants.tsv           one row a case (optional)
//! imagesTr/<case>_0000.nii.gz   Hounsfield units
//! labelsTr/<case>.nii.gz        0 background, 1 bleed (a case may have none)
//! ratersTr/<rater>/<case>.nii.gz   the same as each of several people drew it (optional)
//! ```
//!
//! Importers such as [`crate::ct_ich`] write it; [`Dataset::open`] reads it, whoever wrote it.

mod description;
mod participants;

use std::path::{Path, PathBuf};

use haema_volume::{CtVolume, Grid, Volume};
use thiserror::Error;

pub use description::{Description, LabelValue};
pub(crate) use participants::NOT_KNOWN;
pub use participants::{Participant, Participants, Subtype};

use crate::ImageFileError;
use crate::fs::{self, FsError};

/// A data set: its cases, in sorted order.
#[derive(Debug, Clone)]
pub struct Dataset {
    name: String,
    raters: Vec<(String, PathBuf)>,
    file_ending: String,
    label_values: Vec<u8>,
    cases: Vec<Case>,
}

/// One scan of a data set, and what belongs to it. Voxels are read when asked for.
#[derive(Debug, Clone)]
pub struct Case {
    id: String,
    image_path: PathBuf,
    label_path: Option<PathBuf>,
    participant: Option<Participant>,
}

/// Why a folder is no usable data set. The message ends with the path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The disk refused, or a file that must be there is not.
    #[error(transparent)]
    File(#[from] FsError),
    /// `dataset.json` is missing.
    #[error(
        "no dataset.json: wanted a folder in nnU-Net's raw layout (dataset.json, imagesTr, labelsTr): {}",
        folder.display()
    )]
    NotADataset {
        /// The folder.
        folder: PathBuf,
    },
    /// `dataset.json` cannot be understood.
    #[error("{reason}: {}", path.display())]
    BadDescription {
        /// What was found and wanted.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// `participants.tsv` cannot be understood.
    #[error("line {line}: {reason}: {}", path.display())]
    BadParticipants {
        /// The line, counted from 1.
        line: usize,
        /// What was found and wanted.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// No images.
    #[error("no image whose name ends in {wanted}: {}", folder.display())]
    NoCases {
        /// How an image's name ends.
        wanted: String,
        /// The folder that holds none.
        folder: PathBuf,
    },
}

/// Folder of the images.
pub(crate) const IMAGES: &str = "imagesTr";
/// Folder of the labels.
pub(crate) const LABELS: &str = "labelsTr";
/// Folder of masks by several people, one folder for each.
const RATERS: &str = "ratersTr";
const DESCRIPTION: &str = "dataset.json";
const PARTICIPANTS: &str = "participants.tsv";

impl Dataset {
    /// Opens a data set: finds its cases, reads no voxels.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] where the folder is not in the layout, has more than one channel, is not
    /// stored as NIfTI, or holds no images.
    pub fn open(folder: &Path) -> Result<Self, DatasetError> {
        let description = Description::read(folder)?;
        let participants = Participants::read(folder)?;
        let image_ending = format!("_0000{}", description.file_ending);
        let images = folder.join(IMAGES);
        let mut cases = Vec::new();
        for image_path in fs::list_folder(&images)? {
            let Some(id) = case_id(&image_path, &image_ending) else { continue };
            let label_path = folder.join(LABELS).join(format!("{id}{}", description.file_ending));
            cases.push(Case {
                label_path: label_path.is_file().then_some(label_path),
                participant: participants.as_ref().and_then(|table| table.get(&id)),
                image_path,
                id,
            });
        }
        if cases.is_empty() {
            return Err(DatasetError::NoCases { wanted: image_ending, folder: images });
        }
        // Folders list `a-1_0000` and `a_0000` in another order than `a` and `a-1`.
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self {
            label_values: description.label_values(),
            raters: raters(folder)?,
            file_ending: description.file_ending,
            name: description.name,
            cases,
        })
    }

    /// What the data set calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Values that `dataset.json` gives to labels, background among them, in order.
    pub fn label_values(&self) -> Vec<u8> {
        self.label_values.clone()
    }

    /// Those who drew masks of their own, sorted.
    pub fn raters(&self) -> Vec<&str> {
        self.raters.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Reads what a rater drew on a case, with the grid that the file gives; `None` where the rater did
    /// not draw it, or is none of [`Dataset::raters`].
    ///
    /// # Errors
    ///
    /// As [`crate::nifti::read_label`].
    pub fn read_rater(
        &self,
        rater: &str,
        case: &Case,
    ) -> Result<Option<(Volume<u8>, Grid)>, ImageFileError> {
        let found = self.raters.iter().find(|(name, _)| name == rater);
        let path = found.map(|(_, folder)| folder.join(format!("{}{}", case.id, self.file_ending)));
        path.filter(|path| path.is_file()).map(|path| crate::nifti::read_label(&path)).transpose()
    }

    /// The cases, sorted by their ids.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }
}

/// The folders of raters, by their names, sorted.
fn raters(folder: &Path) -> Result<Vec<(String, PathBuf)>, FsError> {
    let all = folder.join(RATERS);
    if !all.is_dir() {
        return Ok(Vec::new());
    }
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        (path.is_dir() && !name.starts_with('.')).then_some((name, path))
    };
    Ok(fs::list_folder(&all)?.into_iter().filter_map(named).collect())
}

/// The case of an image, or `None` where it is something else (such as a file half written).
fn case_id(path: &Path, ending: &str) -> Option<String> {
    let id = path.file_name()?.to_str()?.strip_suffix(ending)?;
    (!id.is_empty() && !id.starts_with('.')).then(|| id.to_owned())
}

impl Case {
    /// The case's name, such as `ctich-049`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The image's file.
    pub fn image_path(&self) -> &Path {
        &self.image_path
    }

    /// The label's file, where there is one.
    pub fn label_path(&self) -> Option<&Path> {
        self.label_path.as_deref()
    }

    /// The case's row of `participants.tsv`, where there is one.
    pub fn participant(&self) -> Option<&Participant> {
        self.participant.as_ref()
    }

    /// Reads the image.
    ///
    /// # Errors
    ///
    /// As [`crate::nifti::read`].
    pub fn read_image(&self) -> Result<CtVolume, ImageFileError> {
        crate::nifti::read(&self.image_path).map(|scan| scan.ct)
    }

    /// Reads the label, or `None` where the case has none. It is not compared with the image.
    ///
    /// # Errors
    ///
    /// As [`crate::nifti::read_label`].
    pub fn read_label(&self) -> Result<Option<Volume<u8>>, ImageFileError> {
        Ok(self.read_label_and_grid()?.map(|(label, _)| label))
    }

    /// As [`Case::read_label`], with the grid that the label's own header gives.
    ///
    /// # Errors
    ///
    /// As [`crate::nifti::read_label`].
    pub fn read_label_and_grid(&self) -> Result<Option<(Volume<u8>, Grid)>, ImageFileError> {
        self.label_path.as_deref().map(crate::nifti::read_label).transpose()
    }
}

#[cfg(test)]
mod tests;
