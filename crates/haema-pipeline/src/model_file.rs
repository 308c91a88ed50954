//! Models from files.

use std::path::Path;

use haema_io::fs;
use haema_methods::cnn_ds::{Model, ModelError};
use thiserror::Error;

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
}

/// Larger than any network that trains on a hospital's machine.
const LARGEST: u64 = 1 << 31;

/// Reads a model that `haema train` made.
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
