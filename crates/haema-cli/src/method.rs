//! `--method`: how to segment, and the weights for it.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use haema_methods::{Method as Known, Model};
use haema_nn::{InferencePrecision, TrainingPrecision};
use haema_pipeline::intervals::{ErrorTable, ErrorTableError};
use haema_pipeline::model_file::{Trained, read_trained};

use crate::CliError;

/// How to segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// The convolutional network with deep supervision of Arab et al. 2020.
    CnnDs,
    /// The same network without deep supervision.
    Cnn,
    /// A 3-D U-Net of overlapping patches: Çiçek et al. 2016.
    PatchUnet,
    /// A 2-D U-Net of slices: Ironside et al. 2019.
    SliceUnet,
    /// A 2-D U-Net of windows of slices: Hssayeni et al. 2020.
    SliceUnetHssayeni,
    /// `PItcHPERFeCT`, a forest over 20 predictors of a voxel: Muschelli et al. 2017.
    Pitchperfect,
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
    /// As the libraries know it.
    pub(crate) fn known(self) -> Known {
        match self {
            Self::CnnDs => Known::CnnDs,
            Self::Cnn => Known::Cnn,
            Self::PatchUnet => Known::PatchUnet,
            Self::SliceUnet => Known::SliceUnet,
            Self::SliceUnetHssayeni => Known::SliceUnetHssayeni,
            Self::Pitchperfect => Known::Pitchperfect,
        }
    }
}

/// The model of a file, which must be of the method where one is named, or the one that is built in.
pub(crate) fn trained(method: Option<Method>, path: Option<&Path>) -> Result<Trained, CliError> {
    let wanted = method.map(Method::known);
    let Some(path) = path else {
        return match wanted {
            None | Some(Known::CnnDs) => Ok(Trained::Network(Box::new(Model::built_in()))),
            Some(wanted) => Err(CliError::NotBuiltIn(wanted.name())),
        };
    };
    let model = read_trained(path)?;
    match wanted {
        Some(wanted) if wanted != model.method() => {
            Err(CliError::OtherMethod { found: model.method().name(), wanted: wanted.name() })
        }
        _ => Ok(model),
    }
}

/// The models of files, or the one that is built in where none is named: one at least.
pub(crate) fn all_trained(
    method: Option<Method>,
    paths: &[PathBuf],
) -> Result<Vec<Trained>, CliError> {
    if paths.is_empty() {
        return Ok(vec![trained(method, None)?]);
    }
    paths.iter().map(|path| trained(method, Some(path))).collect()
}

/// The model, run with such tensors; only a network can keep them in half the width.
pub(crate) fn in_precision(model: Trained, precision: Precision) -> Result<Trained, CliError> {
    match (model, precision) {
        (Trained::Network(model), precision) => {
            Ok(Trained::Network(Box::new(model.with_precision(precision.into()))))
        }
        (forest @ Trained::Pitchperfect(_), Precision::Fp32) => Ok(forest),
        (Trained::Pitchperfect(_), Precision::Bf16) => {
            Err(CliError::NotANetwork(Known::Pitchperfect.name()))
        }
    }
}

/// The same of a network.
pub(crate) fn network(method: Option<Method>, path: Option<&Path>) -> Result<Model, CliError> {
    match trained(method, path)? {
        Trained::Network(model) => Ok(*model),
        Trained::Pitchperfect(_) => Err(CliError::NotANetwork(Known::Pitchperfect.name())),
    }
}

/// The table of a model's errors, which lies beside its weights; several models together have none.
pub(crate) fn error_table(paths: &[PathBuf]) -> Result<Option<ErrorTable>, ErrorTableError> {
    match paths {
        [] => Ok(Some(ErrorTable::built_in())),
        [path] => ErrorTable::beside(path),
        _ => Ok(None),
    }
}
