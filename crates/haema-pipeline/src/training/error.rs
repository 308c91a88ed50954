//! What can go wrong in a training run.

use haema_io::{ImageFileError, fs};
use haema_methods::frame::PreprocessError;
use haema_methods::pitchperfect::LearnError;
use haema_nn::{CheckpointError, EngineError, SpecError, WeightsError};
use thiserror::Error;

use super::config::SCHEMA;
use super::split::SplitError;
use crate::simulation::SimulateError;

/// Why a run cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration is of another version.
    #[error("training configuration of schema {found}, this version reads {SCHEMA}")]
    Schema {
        /// The number found.
        found: u32,
    },
    /// A case cannot be read.
    #[error("case {id} cannot be read")]
    Read {
        /// Its id.
        id: String,
        /// Why.
        source: Box<ImageFileError>,
    },
    /// A case has no mask.
    #[error("case {id} has no mask: wanted labelsTr/{id}.nii.gz, all zero where there is no bleed")]
    NoLabel {
        /// Its id.
        id: String,
    },
    /// A mask does not lie on its scan.
    #[error("the mask of case {id} {what}: wanted the scan's own grid")]
    MaskElsewhere {
        /// Its id.
        id: String,
        /// How they differ.
        what: String,
    },
    /// A mask has a value that no label has.
    #[error("the mask of case {id} has the value {found}: dataset.json gives labels {wanted:?}")]
    UnknownLabel {
        /// Its id.
        id: String,
        /// The value.
        found: u8,
        /// Those that labels have.
        wanted: Vec<u8>,
    },
    /// One scan is on two sides of the split.
    #[error(
        "cases {} and {} are the same scan and serve for different things, so a score would mean \
         nothing: put both on one side, or remove one",
        ids[0], ids[1]
    )]
    Leak {
        /// Their ids.
        ids: [String; 2],
    },
    /// A case does not come to the network's grid.
    #[error("case {id} cannot be brought to the network's grid")]
    Preprocess {
        /// Its id.
        id: String,
        /// Why.
        source: Box<PreprocessError>,
    },
    /// The cases cannot be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The network does not take the cases' size.
    #[error("the network does not take the cases' size")]
    Spec(#[from] SpecError),
    /// The network cannot be run.
    #[error("the network cannot be run")]
    Engine(#[from] EngineError),
    /// The run folder holds a run of other settings.
    #[error(
        "the run folder holds a run with other settings or cases: take another folder, or the \
         settings of its config.toml and split.json"
    )]
    OtherRun,
    /// The model to start from is not the one that the configuration names, or none was given.
    #[error("the run starts from a model with parameters {wanted}, and {found} was given")]
    OtherStart {
        /// What was given.
        found: String,
        /// SHA-256 that the configuration names.
        wanted: String,
    },
    /// A checkpoint is damaged.
    #[error("the run's checkpoint cannot be used: remove it to begin again")]
    Checkpoint(#[from] CheckpointError),
    /// `PItcHPERFeCT` has learned nothing.
    #[error("nothing was learned")]
    Learn(#[from] LearnError),
    /// Weights cannot be written.
    #[error("the weights cannot be written")]
    Weights(#[from] WeightsError),
    /// A file of the run cannot be read or written.
    #[error("a file of the run cannot be read or written")]
    File(#[from] fs::FsError),
    /// A text of the run cannot be made or understood.
    #[error("{what}: {reason}")]
    Text {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The loss is no number any more.
    #[error("the loss of case {id} is {loss} in epoch {epoch}: try a lower learning rate")]
    Diverged {
        /// The case.
        id: String,
        /// The epoch.
        epoch: u32,
        /// The loss.
        loss: f64,
    },
    /// Heads cannot be simulated.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// The label maps are not those that the configuration names.
    #[error(
        "the run's simulated cases are made from {}, and {} given: give the run's folder of label \
         maps (--anatomy)",
        heads(wanted),
        heads(found)
    )]
    OtherHeads {
        /// File names of what was given.
        found: Vec<String>,
        /// File names that the configuration has.
        wanted: Vec<String>,
    },
    /// Nothing but background is predicted.
    #[error(
        "training collapsed: for {epochs} epochs the loss stood at {loss:.4} with an empty mask; \
         try a lower learning rate (1e-3, then 5e-4)"
    )]
    Collapsed {
        /// For how many epochs.
        epochs: u32,
        /// The loss.
        loss: f64,
    },
}

fn heads(names: &[String]) -> String {
    match names {
        [] => "the built-in heads".to_owned(),
        [only] => only.clone(),
        [first, .., last] => format!("{} label maps, {first} to {last}", names.len()),
    }
}
