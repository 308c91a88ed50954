//! Training runs: a dataset and a configuration in, a run folder out.
//!
//! ```text
//! RUN/config.toml            everything that was decided, resolved
//! RUN/split.json             which case served for what
//! RUN/fingerprint.json       every case as it was found: size, bleed, range, hash
//! RUN/plan.json              network, input sizes, steps, memory
//! RUN/log.csv                one row an epoch
//! RUN/report.html            curves, examples, settings, for a person to look at
//! RUN/checkpoint.safetensors the whole state, written after every epoch
//! RUN/best.safetensors       the model of the best validation loss
//! RUN/model.safetensors      the result
//! ```
//!
//! A run that was stopped goes on from its checkpoint and ends with the same bytes as one that was
//! not: every random choice is drawn from the seed, the epoch and the step alone.

mod augment;
mod config;
mod error;
mod facts;
mod folder;
mod network;
mod page;
mod painting;
mod pitchperfect;
mod plan;
mod presets;
mod run;
mod samples;
mod seen;
mod simulated;
mod split;
mod start;
mod tune;

#[cfg(test)]
pub(crate) mod tests;

pub use augment::Augment;
pub use config::{Schedule, TrainConfig};
pub use error::TrainError;
pub(crate) use facts::check_case;
pub use folder::{
    bleed_sizes, fold_folder, fold_folders, model_in, read_config, read_config_file, read_split,
};
pub use network::Network;
pub use painting::PaintedBleeds;
pub use pitchperfect::learn_pitchperfect;
pub use presets::{Preset, pitchperfect_preset};
pub use run::{Epoch, Job, Progress, TrainSummary, train};
pub use simulated::SimulatedCases;
pub use split::{CaseSize, Split, SplitError};
pub use tune::{
    Grid, Outcome, Point, Strategy, Trial, TuneConfig, TuneError, TuneJob, TuneProgress,
    TuneSummary, read_tune_config, trials_table, tune,
};
