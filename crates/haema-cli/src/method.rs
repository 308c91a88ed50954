//! `--method`: which network, and its weights.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use haema_methods::cnn_ds::Model;
use haema_pipeline::model_file::{ModelFileError, read_model};

/// How to segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// The convolutional network with deep supervision of Arab et al. 2020.
    CnnDs,
}

impl Method {
    /// The model of a file, or the one that is built in.
    pub(crate) fn model(self, path: Option<&Path>) -> Result<Model, ModelFileError> {
        match (self, path) {
            (Self::CnnDs, None) => Ok(Model::built_in()),
            (Self::CnnDs, Some(path)) => read_model(path),
        }
    }

    /// The models of files, or the one that is built in where none is named: one at least.
    pub(crate) fn models(self, paths: &[PathBuf]) -> Result<Vec<Model>, ModelFileError> {
        if paths.is_empty() {
            return Ok(vec![self.model(None)?]);
        }
        paths.iter().map(|path| self.model(Some(path))).collect()
    }
}
