//! One trial: a run in a folder of its own, and what came of it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use haema_io::dataset::Dataset;
use haema_io::fs;
use serde::{Deserialize, Serialize};

use super::search::{Point, Request, best_first};
use super::{TuneError, TuneJob};
use crate::training::error::TrainError;
use crate::training::run::{BEST, CHECKPOINT, Job, Progress, train};

/// What came of a trial: `trial.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// `haema.trial/1`.
    pub schema: String,
    /// The round of the search, from 0.
    pub round: usize,
    /// Its settings.
    pub point: Point,
    /// Most epochs that it might take.
    pub epochs: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Epochs that it took; 0 where it failed.
    pub epochs_done: u32,
    /// The lowest validation loss; none where it failed.
    pub validation_loss: Option<f64>,
    /// The epoch of that loss, from 1.
    pub best_epoch: Option<u32>,
    /// Mean soft Dice of the validation cases with a bleed in that epoch.
    pub validation_dice: Option<f64>,
    /// Mean training loss of that epoch.
    pub train_loss: Option<f64>,
    /// Seconds that it took, over all calls.
    pub seconds: f64,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran to its end.
    Finished,
    /// Its loss was no number any more.
    Diverged,
    /// It predicted nothing but background.
    Collapsed,
}

impl Outcome {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Diverged => "diverged",
            Self::Collapsed => "collapsed",
        }
    }
}

const SCHEMA: &str = "haema.trial/1";
const TRIAL: &str = "trial.json";
/// Seconds of the calls before, while a trial is under way.
const SECONDS: &str = "seconds.json";

/// Where trials are carried out.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) job: TuneJob<'a>,
    pub(super) out: &'a Path,
    pub(super) threads: NonZeroUsize,
}

impl Place<'_> {
    /// Carries a trial out, goes on with it, or reads what came of it.
    pub(super) fn carry_out(
        self,
        request: Request,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Trial, TuneError> {
        let Request { round, point, epochs, after } = request;
        let folder = folder_of(self.out, point, epochs);
        if let Some(trial) = read::<Trial>(&folder.join(TRIAL))? {
            // The same settings may be asked for in a later round.
            return Ok(Trial { round, ..trial });
        }
        let before: f64 = read(&folder.join(SECONDS))?.unwrap_or(0.0);
        let started = Instant::now();
        fs::create_folder(&folder)?;
        if let Some(after) = after {
            take_over(&folder_of(self.out, point, after), &folder)?;
        }
        let config = self.job.config.of(point, epochs);
        let TuneJob { split, anatomy, engine, .. } = self.job;
        let job = Job { config: &config, split, start: None, anatomy, engine };
        let mut written = Ok(());
        let ended = train(self.dataset, job, &folder, self.threads, &mut |event| {
            if matches!(event, Progress::Epoch(_)) && written.is_ok() {
                let seconds = before + started.elapsed().as_secs_f64();
                written = fs::write_json(&folder.join(SECONDS), &seconds);
            }
            progress(event);
        });
        written?;
        let (outcome, summary) = match ended {
            Ok(summary) => (Outcome::Finished, Some(summary)),
            Err(TrainError::Diverged { .. }) => (Outcome::Diverged, None),
            Err(TrainError::Collapsed { .. }) => (Outcome::Collapsed, None),
            Err(error) => return Err(error.into()),
        };
        let best = summary.as_ref().and_then(|summary| summary.best);
        let trial = Trial {
            schema: SCHEMA.to_owned(),
            round,
            point,
            epochs,
            outcome,
            epochs_done: summary.map_or(0, |summary| summary.epochs),
            validation_loss: best.and_then(|best| best.validation_loss),
            best_epoch: best.map(|best| best.epoch),
            validation_dice: best.and_then(|best| best.validation_dice),
            train_loss: best.map(|best| best.train_loss),
            seconds: before + started.elapsed().as_secs_f64(),
        };
        fs::write_json(&folder.join(TRIAL), &trial)?;
        fs::remove_if_present(&folder.join(SECONDS))?;
        Ok(trial)
    }
}

/// The folder of a trial.
fn folder_of(out: &Path, point: Point, epochs: u32) -> PathBuf {
    let Point { depth, learning_rate, dropout } = point;
    out.join("trials")
        .join(format!("depth-{depth}_rate-{learning_rate:e}_dropout-{dropout}_epochs-{epochs}"))
}

/// Begins a longer run where a shorter one of the same settings ended.
fn take_over(from: &Path, to: &Path) -> Result<(), TuneError> {
    if to.join(CHECKPOINT).exists() {
        return Ok(());
    }
    // The checkpoint last: where it stands, all stands.
    for name in [BEST, CHECKPOINT] {
        let source = from.join(name);
        if source.exists() {
            fs::write_atomic(&to.join(name), &fs::read(&source, 1 << 32)?)?;
        }
    }
    Ok(())
}

/// Removes the checkpoints of all trials but the `kept` best: of a deep network each is half a gigabyte.
pub(super) fn forget_states(out: &Path, trials: &[Trial], kept: usize) -> Result<(), TuneError> {
    for i in best_first(trials).into_iter().skip(kept) {
        let folder = folder_of(out, trials[i].point, trials[i].epochs);
        for name in [CHECKPOINT, BEST] {
            fs::remove_if_present(&folder.join(name))?;
        }
    }
    Ok(())
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, TuneError> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(path, 1 << 20)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| TuneError::Text {
        what: "a trial's record is not understood: remove its folder to begin it again",
        reason: error.to_string(),
    })
}
