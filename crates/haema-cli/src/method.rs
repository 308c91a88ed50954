//! `--method`: which network, and its weights.

use std::path::Path;

use clap::ValueEnum;
use haema_methods::cnn_ds::Model;
use haema_nn::{InferencePrecision, TrainingPrecision};
use haema_pipeline::model_file::{ModelFileError, read_model};

/// How to segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// The convolutional network with deep supervision of Arab et al. 2020.
    CnnDs,
}

/// How the network keeps its tensors; arithmetic has 32 bits in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// 32 bits.
    Fp32,
    /// bfloat16: a third less memory, masks that differ by some voxels.
    Bf16,
}

impl From<Precision> for InferencePrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Fp32 => Self::Fp32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

impl From<Precision> for TrainingPrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Fp32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

impl Method {
    /// The model of a file, or the one that is built in.
    pub(crate) fn model(self, path: Option<&Path>) -> Result<Model, ModelFileError> {
        match (self, path) {
            (Self::CnnDs, None) => Ok(Model::built_in()),
            (Self::CnnDs, Some(path)) => read_model(path),
        }
    }
}
