//! Reading what a run wrote down, and what must be known of a dataset before one.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::dataset::{Case, Dataset};
use haema_io::fs;
use haema_volume::parallel;

use super::config::TrainConfig;
use super::error::TrainError;
use super::split::{CaseSize, Split};

/// File of the configuration in a run's folder.
pub(crate) const CONFIG: &str = "config.toml";
/// File of the split.
pub(crate) const SPLIT: &str = "split.json";
/// File of a network.
pub(crate) const NETWORK: &str = "model.safetensors";
/// File of a model of `PItcHPERFeCT`.
pub(crate) const PITCHPERFECT: &str = "model.pitchperfect";
/// No configuration or split is longer.
const LONGEST: u64 = 1 << 24;

/// The configuration of the run in a folder, where there is one.
///
/// # Errors
///
/// [`TrainError`] where it cannot be read or understood.
pub fn read_config(run: &Path) -> Result<Option<TrainConfig>, TrainError> {
    let path = run.join(CONFIG);
    path.exists().then(|| read_config_file(&path)).transpose()
}

/// A configuration from a file.
///
/// # Errors
///
/// [`TrainError`] where it cannot be read or understood; unknown keys are refused.
pub fn read_config_file(path: &Path) -> Result<TrainConfig, TrainError> {
    let text = fs::read_to_string(path, LONGEST)?;
    toml::from_str(&text).map_err(|error| TrainError::Text {
        what: "the configuration is not understood",
        reason: error.to_string(),
    })
}

/// The split of the run in a folder, where there is one.
///
/// # Errors
///
/// [`TrainError`] where it cannot be read or understood.
pub fn read_split(run: &Path) -> Result<Option<Split>, TrainError> {
    let path = run.join(SPLIT);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path, LONGEST)?;
    serde_json::from_str(&text).map(Some).map_err(|error| TrainError::Text {
        what: "the split is not understood",
        reason: error.to_string(),
    })
}

/// More than anybody trains.
const MOST_FOLDS: usize = 1000;

/// The folders of a run's folds, in order; none where it has no folds.
pub fn fold_folders(run: &Path) -> Vec<PathBuf> {
    (1..=MOST_FOLDS).map(|fold| fold_folder(run, fold)).filter(|folder| folder.is_dir()).collect()
}

/// The folder of fold `fold`, counted from 1.
pub fn fold_folder(run: &Path, fold: usize) -> PathBuf {
    run.join(format!("fold-{fold}"))
}

/// The model that a run left: of a network, or of `PItcHPERFeCT`.
pub fn model_in(run: &Path) -> PathBuf {
    let learned = run.join(PITCHPERFECT);
    if learned.exists() { learned } else { run.join(NETWORK) }
}

/// How many voxels of each case of a dataset are bleed, in the order of its cases.
///
/// # Errors
///
/// [`TrainError`], which names the case whose mask cannot be read or is not there.
pub fn bleed_sizes(dataset: &Dataset, threads: NonZeroUsize) -> Result<Vec<CaseSize>, TrainError> {
    let count = |_, case: &Case| {
        let id = case.id().to_owned();
        match case.read_label() {
            Ok(Some(label)) => {
                let bleed = label.as_slice().iter().filter(|&&voxel| voxel != 0).count();
                Ok((id, bleed))
            }
            Ok(None) => Err(TrainError::NoLabel { id }),
            Err(source) => Err(TrainError::Read { id, source: Box::new(source) }),
        }
    };
    parallel::map(dataset.cases().iter(), threads, count).into_iter().collect()
}
