//! What a training run is told, and writes down.

use haema_methods::Recipe;
use haema_methods::cnn_ds::{CnnDs, Profile};
use haema_methods::frame::Preprocessing;
use haema_nn::{AdamConfig, Init, Loss, TrainingPrecision};
use serde::{Deserialize, Serialize};

use super::augment::Augment;
use super::network::Network;
use super::painting::PaintedBleeds;
use super::simulated::SimulatedCases;

/// Version of the configuration file.
pub(crate) const SCHEMA: u32 = 1;

/// Everything that decides how a run goes, but for the number of threads, which changes no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Version of this file; 1.
    pub schema: u32,
    /// Root of every random choice.
    pub seed: u64,
    /// Passes over the training cases.
    pub epochs: u32,
    /// First learning rate.
    pub learning_rate: f64,
    /// How often a case with a bleed comes in one epoch; a case without comes once.
    pub bleed_repeat: u32,
    /// Whether cases without a bleed are left out, as in the paper.
    pub skip_blank: bool,
    /// Decay of the running mean of the parameters that the model is made of; 0 for the parameters
    /// themselves.
    pub average_decay: f64,
    /// How weights start.
    pub init: Init,
    /// SHA-256 of the parameters that the run starts from instead, where it goes on from a model.
    pub start_sha256: Option<String>,
    /// Whether the last bias starts at log(π/(1−π)), π being the share of bleed in the training
    /// cases.
    pub prior_bias: bool,
    /// In what width values are kept for the way back; 32 bits where absent.
    #[serde(default, skip_serializing_if = "is_full")]
    pub precision: TrainingPrecision,
    /// What is minimised.
    pub loss: Loss,
    /// The optimiser.
    pub adam: AdamConfig,
    /// How the learning rate falls and when the run ends.
    pub schedule: Schedule,
    /// The network.
    pub network: Network,
    /// How a scan comes to its grid.
    pub preprocessing: Preprocessing,
    /// How it sees the scan there; as CNN-DS does where absent.
    #[serde(default, skip_serializing_if = "is_whole")]
    pub recipe: Recipe,
    /// Radius of the disc that masks are closed by, slice by slice, for training alone; not at all where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_closing_mm: Option<f64>,
    /// How training cases are varied; not at all where absent.
    pub augment: Option<Augment>,
    /// Bleeds that training heads get; none where absent.
    pub painted_bleeds: Option<PaintedBleeds>,
    /// Simulated heads among the training cases; none where absent.
    pub simulated_cases: Option<SimulatedCases>,
}

/// How the learning rate falls and when the run ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Multiplied by `factor` after `patience` epochs without improvement of the validation loss;
    /// the run ends `stop_after` epochs after the best. The model is that of the best epoch.
    Plateau {
        /// Epochs to wait.
        patience: u32,
        /// What the rate is multiplied by.
        factor: f64,
        /// Epochs without a best after which the run ends.
        stop_after: u32,
    },
    /// Falls to 0 as `(1 − epoch/epochs)^power`. The model is that of the last epoch.
    Poly {
        /// The exponent.
        power: f64,
    },
}

/// Left out, so that runs which began before there was a choice go on.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_full(precision: &TrainingPrecision) -> bool {
    *precision == TrainingPrecision::F32
}

/// The same.
fn is_whole(recipe: &Recipe) -> bool {
    *recipe == Recipe::whole()
}

impl TrainConfig {
    /// The configuration of a profile: the paper's numbers, or ours.
    ///
    /// # Source
    ///
    /// methods.md A.6 and A.7. Of A.7 a polynomial decay replaces the plateau rule: with some forty
    /// patients a validation set large enough to steer by would cost too many of them.
    pub fn profile(profile: Profile) -> Self {
        let network = CnnDs::profile(profile);
        match profile {
            Profile::Paper => Self {
                schema: SCHEMA,
                seed: 1,
                epochs: 500,
                learning_rate: 5e-3,
                bleed_repeat: 1,
                skip_blank: true,
                average_decay: 0.0,
                init: Init::GlorotUniform,
                start_sha256: None,
                prior_bias: false,
                precision: TrainingPrecision::F32,
                loss: Loss::Dice,
                adam: AdamConfig::default(),
                schedule: Schedule::Plateau { patience: 10, factor: 0.5, stop_after: 50 },
                network: network.into(),
                preprocessing: Preprocessing::paper(),
                recipe: Recipe::whole(),
                label_closing_mm: None,
                augment: None,
                painted_bleeds: None,
                simulated_cases: None,
            },
            Profile::Recommended => Self {
                schema: SCHEMA,
                seed: 1,
                epochs: 100,
                learning_rate: 1e-3,
                bleed_repeat: 2,
                skip_blank: false,
                average_decay: 0.998,
                init: Init::HeNormal,
                start_sha256: None,
                prior_bias: true,
                precision: TrainingPrecision::F32,
                // Mean cross-entropy over a whole head is about 0.02 where Dice stands at 0.9: with a
                // weight of 1 scans without a bleed teach little. See docs/adr/0007.
                loss: Loss::DiceCe { weight: 50.0 },
                adam: AdamConfig::default(),
                schedule: Schedule::Poly { power: 0.9 },
                network: CnnDs { dropout: 0.2, ..network }.into(),
                preprocessing: Preprocessing::recommended(),
                recipe: Recipe::whole(),
                label_closing_mm: None,
                augment: Some(Augment::default()),
                painted_bleeds: Some(PaintedBleeds::default()),
                simulated_cases: None,
            },
        }
    }
}
