//! Models from files.

use std::path::Path;

use haema_io::fs;
use haema_methods::pitchperfect::{Pitchperfect, PitchperfectError};
use haema_methods::{Method, Model, ModelError};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::segmenter::{PitchperfectModel, Segmenter};

/// Why a model file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// It cannot be read.
    #[error("the model cannot be read")]
    File(#[from] fs::FsError),
    /// It is no model.
    #[error("the file is no model of haema")]
    Model(#[from] Box<ModelError>),
    /// It is no model of `PItcHPERFeCT`.
    #[error("the model cannot be used")]
    Pitchperfect(#[from] PitchperfectError),
}

/// Larger than any network that trains on a hospital's machine.
const LARGEST: u64 = 1 << 31;

/// A model of any method.
#[derive(Debug, Clone)]
pub enum Trained {
    /// A network.
    Network(Box<Model>),
    /// `PItcHPERFeCT`.
    Pitchperfect(Box<PitchperfectModel>),
}

impl Trained {
    /// Its method.
    pub fn method(&self) -> Method {
        match self {
            Self::Network(model) => model.method(),
            Self::Pitchperfect(_) => Method::Pitchperfect,
        }
    }

    /// What finds bleeds with it.
    pub fn segmenter(&self) -> &dyn Segmenter {
        match self {
            Self::Network(model) => model.as_ref(),
            Self::Pitchperfect(model) => model.as_ref(),
        }
    }
}

/// Reads a network that `haema train` made.
///
/// # Errors
///
/// [`ModelFileError`], with the reason as its source.
pub fn read_model(path: &Path) -> Result<Model, ModelFileError> {
    Ok(Model::from_bytes(&read_model_bytes(path)?).map_err(Box::new)?)
}

/// The bytes of a model file.
pub(crate) fn read_model_bytes(path: &Path) -> Result<Vec<u8>, ModelFileError> {
    Ok(fs::read(path, LARGEST)?)
}

/// Reads a model of any method.
///
/// # Errors
///
/// [`ModelFileError`], with the reason as its source.
pub fn read_trained(path: &Path) -> Result<Trained, ModelFileError> {
    let bytes = fs::read(path, LARGEST)?;
    if Pitchperfect::begins(&bytes) {
        let model = Pitchperfect::from_bytes(&bytes)?;
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        return Ok(Trained::Pitchperfect(Box::new(PitchperfectModel { model, sha256 })));
    }
    Ok(Trained::Network(Box::new(Model::from_bytes(&bytes).map_err(Box::new)?)))
}
