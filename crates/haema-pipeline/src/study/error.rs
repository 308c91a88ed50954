//! Why there is no study.

use haema_io::ImageFileError;
use haema_io::dataset::DatasetError;
use haema_io::fs::FsError;
use thiserror::Error;

use crate::model_file::ModelFileError;
use crate::simulation::SimulateError;
use crate::training::SplitError;

/// Why a study cannot be made at all. What is wrong with one method or case is told in the report instead.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// A mask cannot be written.
    #[error("a mask cannot be written")]
    Mask(#[from] ImageFileError),
    /// The dataset cannot be used.
    #[error("the dataset cannot be used")]
    Dataset(#[from] DatasetError),
    /// The quick study's dataset cannot be simulated.
    #[error("the dataset of the quick study cannot be simulated")]
    Simulate(#[from] SimulateError),
    /// A model that was given cannot be used.
    #[error("a model given with --model cannot be used")]
    Model(#[from] ModelFileError),
    /// No case can be used.
    #[error("none of the {cases} cases can be used; the first: {first}")]
    NoCases {
        /// How many there are.
        cases: usize,
        /// What is wrong with the first.
        first: String,
    },
    /// The cases cannot be split.
    #[error("the cases cannot be split")]
    Split(#[from] SplitError),
    /// The folder holds another study.
    #[error(
        "the folder holds a study with other settings (study.json): take another folder, or ask for \
         the same"
    )]
    OtherStudy,
    /// No method was named.
    #[error("no method to study: wanted at least one")]
    NoMethods,
    /// A figure cannot be drawn as PNG.
    #[error("{figure} cannot be drawn as PNG: {reason}")]
    Figure {
        /// Its title.
        figure: String,
        /// What is wrong with it.
        reason: String,
    },
}
