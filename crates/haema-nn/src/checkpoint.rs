//! The whole state of a training run in one file, so that it can go on as if never stopped.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use thiserror::Error;

use crate::adam::{Adam, AdamConfig};

/// Everything that changes while training.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Parameters.
    pub values: Vec<f32>,
    /// Their running mean, which the model is made of.
    pub averaged: Vec<f32>,
    /// The optimiser.
    pub adam: Adam,
    /// What else the run must remember, as text of its own.
    pub state: String,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
#[error("not a checkpoint of this run: {reason}")]
pub struct CheckpointError {
    /// What is wrong.
    reason: String,
}

impl CheckpointError {
    fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: format!("{reason}") }
    }
}

impl Checkpoint {
    /// As a file.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] where the file cannot be made.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let encode =
            |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let arrays = [
            ("adam.mean", encode(&self.adam.mean)),
            ("adam.square", encode(&self.adam.square)),
            ("averaged", encode(&self.averaged)),
            ("values", encode(&self.values)),
        ];
        let mut views = Vec::new();
        for (name, bytes) in &arrays {
            let view = TensorView::new(Dtype::F32, vec![self.values.len()], bytes)
                .map_err(CheckpointError::new)?;
            views.push((*name, view));
        }
        let step = self.adam.step.to_string();
        let state = serde_json::to_string(&[&step, &self.state]).map_err(CheckpointError::new)?;
        let metadata = HashMap::from([("haema-checkpoint".to_owned(), state)]);
        safetensors::serialize(views, Some(metadata)).map_err(CheckpointError::new)
    }

    /// From a file, for a network of so many parameters.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] where the file is damaged or belongs to another network.
    pub fn from_bytes(
        bytes: &[u8],
        config: AdamConfig,
        parameters: usize,
    ) -> Result<Self, CheckpointError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(CheckpointError::new)?;
        let entry = header.metadata().as_ref().and_then(|entries| entries.get("haema-checkpoint"));
        let entry = entry.ok_or_else(|| CheckpointError::new("no entry `haema-checkpoint`"))?;
        let [step, state]: [String; 2] =
            serde_json::from_str(entry).map_err(CheckpointError::new)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(CheckpointError::new)?;
        let decode = |name: &str| {
            let tensor = tensors.tensor(name).map_err(CheckpointError::new)?;
            if tensor.shape() != [parameters] || tensor.dtype() != Dtype::F32 {
                let (found, kind) = (tensor.shape(), tensor.dtype());
                let reason =
                    format!("{name} is {found:?} of {kind:?}, wanted [{parameters}] of F32");
                return Err(CheckpointError::new(reason));
            }
            let (chunks, _) = tensor.data().as_chunks::<4>();
            Ok(chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>())
        };
        let mut adam = Adam::new(config, parameters);
        adam.step = step.parse().map_err(CheckpointError::new)?;
        adam.mean = decode("adam.mean")?;
        adam.square = decode("adam.square")?;
        Ok(Self { values: decode("values")?, averaged: decode("averaged")?, adam, state })
    }
}
