//! What a run will do, told before it begins: `plan.json`.

use haema_nn::{NetSpec, SpecError, Trainer};
use serde::Serialize;

use super::config::TrainConfig;
use super::samples::Sample;

/// The format of `plan.json`.
const SCHEMA: &str = "haema.training-plan/1";

/// Sizes that follow from the configuration and the cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Plan {
    schema: &'static str,
    parameters: usize,
    /// The smallest and the largest case on the network's grid, `[z, y, x]`.
    inputs: [[usize; 3]; 2],
    /// What a step sees of the largest.
    tile: [usize; 3],
    epochs: u32,
    /// Steps of an epoch, each on one case.
    steps_in_epoch: usize,
    /// Bytes of the trainer; Adam's moments and the cases come on top.
    trainer_bytes: usize,
}

impl Plan {
    pub(crate) fn of(
        config: &TrainConfig,
        training: &[Sample],
        steps_in_epoch: usize,
    ) -> Result<Self, SpecError> {
        let spec: NetSpec = config.network.spec();
        let sizes = || training.iter().map(|sample| sample.pair.size);
        let smallest = sizes().min().unwrap_or_default();
        let largest = sizes().max().unwrap_or_default();
        let tile = config.recipe.view.tile_size(largest);
        Ok(Self {
            schema: SCHEMA,
            parameters: spec.parameter_count(),
            inputs: [smallest, largest],
            tile,
            epochs: config.epochs,
            steps_in_epoch,
            trainer_bytes: Trainer::bytes(&spec, tile, config.precision)?,
        })
    }
}
