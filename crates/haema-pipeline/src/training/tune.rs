//! The search for settings: many runs over a grid of depth, learning rate and dropout.
//!
//! ```text
//! DIR/tune.toml            what is searched, and how
//! DIR/split.json           which case serves for what, in every trial
//! DIR/trials/depth-4_…/    a run folder for each trial, with trial.json once it is finished
//! DIR/trials.csv           a row for each finished trial
//! DIR/report.md, .html     the same, the choice, and why
//! DIR/chosen.toml          the settings chosen, for `haema train --config`
//! ```
//!
//! A search that was stopped goes on where it was: finished trials are passed over, and the one that was
//! under way goes on from its checkpoint.

mod report;
mod search;
mod trial;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::path::Path;

use haema_io::dataset::Dataset;
use haema_io::fs;
use haema_methods::frame::Planes;
use haema_nn::Engine;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::config::TrainConfig;
use super::error::TrainError;
use super::folder::SPLIT;
use super::run::Progress;
use super::split::Split;

pub use report::trials_table;
pub use search::{Grid, Point, Strategy};
pub use trial::{Outcome, Trial};

use trial::Place;

/// Why settings cannot be searched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TuneError {
    /// A trial cannot be carried out. One that diverges or collapses is no such error: it is a result.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A file of the search cannot be read or written.
    #[error("a file of the search cannot be read or written")]
    File(#[from] fs::FsError),
    /// Nothing to choose by.
    #[error("no case is for validation: settings are chosen by the validation loss")]
    NoValidation,
    /// A list of values is empty, or a value makes no sense.
    #[error("{name} to be tried: found {found}, wanted {wanted}")]
    Values {
        /// Of what.
        name: &'static str,
        /// What was given.
        found: String,
        /// What may be given.
        wanted: &'static str,
    },
    /// A network does not fit the grid.
    #[error(
        "a network of depth {depth} halves its grid {} times, and {found:?} [z, y, x] cannot be \
         divided by {}: leave this depth out, or give another grid in the configuration",
        depth - 1, 1_usize << (depth - 1)
    )]
    Depth {
        /// The depth.
        depth: usize,
        /// The network's grid.
        found: [usize; 3],
    },
    /// The folder holds another search.
    #[error(
        "the folder holds a search with other settings or cases: take another folder, or the \
         settings of its tune.toml and split.json"
    )]
    OtherSearch,
    /// A text of the search cannot be made or understood.
    #[error("{what}: {reason}")]
    Text {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is searched, and how: `tune.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneConfig {
    /// Version of this file; 1.
    pub schema: u32,
    /// In which order the grid is searched.
    pub strategy: Strategy,
    /// The values that are tried.
    pub grid: Grid,
    /// Everything else, and the epochs of the longest trial.
    pub base: TrainConfig,
}

/// Version of `tune.toml`.
const SCHEMA: u32 = 1;

impl TuneConfig {
    /// The paper's grid around a configuration.
    pub fn paper(base: TrainConfig, strategy: Strategy) -> Self {
        Self { schema: SCHEMA, strategy, grid: Grid::paper(), base }
    }

    /// The settings of a trial.
    ///
    /// A deeper network wants more planes to halve: where their number follows the scan, it is rounded
    /// to what the depth wants.
    pub fn of(&self, point: Point, epochs: u32) -> TrainConfig {
        let mut config =
            TrainConfig { epochs, learning_rate: point.learning_rate, ..self.base.clone() };
        config.network = config.network.with(point.depth, point.dropout);
        if let Planes::Slabs { multiple_of, at_most, .. } = &mut config.preprocessing.planes {
            *multiple_of = (*multiple_of).max(1 << (point.depth - 1));
            *at_most = at_most.next_multiple_of(*multiple_of);
        }
        config
    }

    fn check(&self) -> Result<(), TuneError> {
        self.grid.check()?;
        let [y, x] = self.base.preprocessing.in_plane;
        let z = match self.base.preprocessing.planes {
            Planes::Fixed { count } => count,
            Planes::Slabs { .. } | Planes::Slices => 0,
        };
        let divides = |depth: &usize| [z, y, x].iter().all(|n| n % (1 << (depth - 1)) == 0);
        match self.grid.depths.iter().find(|depth| !divides(depth)) {
            Some(&depth) => Err(TuneError::Depth { depth, found: [z, y, x] }),
            None => Ok(()),
        }
    }
}

/// What a search tells while it goes.
#[derive(Debug, Clone, Copy)]
pub enum TuneProgress<'a> {
    /// A trial begins, or goes on.
    Started {
        /// Its number, from 1.
        number: usize,
        /// Trials in all, those passed over among them.
        of: usize,
        /// Its settings.
        point: Point,
        /// Most epochs that it may take.
        epochs: u32,
    },
    /// Its run goes on.
    Run(Progress),
    /// A trial is finished, now or before.
    Finished(&'a Trial),
}

/// What a search ended with.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneSummary {
    /// Every trial, in the order in which they were carried out.
    pub trials: Vec<Trial>,
    /// The place of the chosen one among them; none where all failed.
    pub chosen: Option<usize>,
    /// Why it was chosen.
    pub why: String,
}

/// What a search is given beside its configuration.
#[derive(Debug, Clone, Copy)]
pub struct TuneJob<'a> {
    /// What is searched, and how.
    pub config: &'a TuneConfig,
    /// Who learns, by whom settings are chosen, and who is left out, in every trial.
    pub split: &'a Split,
    /// Folder of label maps, where the configuration simulates cases.
    pub anatomy: Option<&'a Path>,
    /// What networks run on; the CPU where absent.
    pub engine: Option<&'a dyn Engine>,
}

/// Searches, or goes on searching, in the folder `out`.
///
/// # Errors
///
/// [`TuneError`]. A trial whose loss diverges or collapses is a result, and the search goes on.
pub fn tune(
    dataset: &Dataset,
    job: TuneJob<'_>,
    out: &Path,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(TuneProgress<'_>),
) -> Result<TuneSummary, TuneError> {
    let TuneJob { config, split, .. } = job;
    config.check()?;
    if split.validation.is_empty() {
        return Err(TuneError::NoValidation);
    }
    fs::create_folder(out)?;
    claim_folder(out, config, split)?;
    let of = search::count(config);
    let mut rounds: Vec<Vec<Trial>> = Vec::new();
    while let Some(requests) = search::next_round(config, &rounds) {
        let now = rounds.len();
        let kept = search::kept(config, now, requests.len());
        rounds.push(Vec::new());
        for request in requests {
            let number = rounds.iter().map(Vec::len).sum::<usize>() + 1;
            let search::Request { point, epochs, .. } = request;
            progress(TuneProgress::Started { number, of, point, epochs });
            let place = Place { dataset, job, out, threads };
            let trial = place.carry_out(request, &mut |run| progress(TuneProgress::Run(run)))?;
            progress(TuneProgress::Finished(&trial));
            rounds[now].push(trial);
            trial::forget_states(out, &rounds[now], kept)?;
            report::write(out, &summary(config, split, &rounds), config)?;
        }
        // Those of the round before have been gone on from.
        if let [.., before, _] = rounds.as_slice() {
            trial::forget_states(out, before, 0)?;
        }
    }
    if let [.., last] = rounds.as_slice() {
        trial::forget_states(out, last, 0)?;
    }
    let summary = summary(config, split, &rounds);
    if let Some(chosen) = summary.chosen {
        let text = toml_text(&config.of(summary.trials[chosen].point, config.base.epochs))?;
        fs::write_atomic(&out.join("chosen.toml"), text.as_bytes())?;
    }
    Ok(summary)
}

fn summary(config: &TuneConfig, split: &Split, rounds: &[Vec<Trial>]) -> TuneSummary {
    let trials: Vec<Trial> = rounds.concat();
    let chosen = search::chosen(config, rounds);
    let why = report::why(config, split, &trials, chosen);
    TuneSummary { trials, chosen, why }
}

/// Writes what was decided, or holds it against what a stopped search wrote.
fn claim_folder(out: &Path, config: &TuneConfig, split: &Split) -> Result<(), TuneError> {
    let split = serde_json::to_string_pretty(split)
        .map_err(|error| TuneError::Text { what: "the split", reason: error.to_string() })?;
    for (name, content) in [("tune.toml", toml_text(config)?), (SPLIT, split)] {
        let path = out.join(name);
        if !path.exists() {
            fs::write_atomic(&path, content.as_bytes())?;
        } else if fs::read(&path, 1 << 24)? != content.as_bytes() {
            return Err(TuneError::OtherSearch);
        }
    }
    Ok(())
}

fn toml_text(value: &impl Serialize) -> Result<String, TuneError> {
    toml::to_string_pretty(value)
        .map_err(|error| TuneError::Text { what: "the configuration", reason: error.to_string() })
}

/// The search that a folder holds, where it holds one.
///
/// # Errors
///
/// [`TuneError`] where it cannot be read or understood.
pub fn read_tune_config(out: &Path) -> Result<Option<TuneConfig>, TuneError> {
    let path = out.join("tune.toml");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path, 1 << 24)?;
    toml::from_str(&text).map(Some).map_err(|error| TuneError::Text {
        what: "tune.toml is not understood",
        reason: error.to_string(),
    })
}
