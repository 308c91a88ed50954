//! The loop.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use haema_io::dataset::Dataset;
use haema_io::fs;
use haema_nn::{
    Adam, Checkpoint, Cpu, DropoutSeed, EarlyStop, Engine, InferencePrecision, Learner, Parameters,
    Plateau, Precision,
};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augment::Pair;
use super::config::{SCHEMA, Schedule, TrainConfig};
use super::error::TrainError;
use super::facts;
use super::folder::{CONFIG, NETWORK, SPLIT};
use super::page::{self, Example};
use super::plan::Plan;
use super::samples::{self, Sample};
use super::seen;
use super::simulated::Simulator;
use super::split::{Split, SplitError};
use super::start::start_values;

/// One finished epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: u32,
    /// Mean loss of the training steps.
    pub train_loss: f64,
    /// Mean soft Dice of the training steps on cases with a bleed.
    pub train_dice: Option<f64>,
    /// Mean loss of the validation cases.
    pub validation_loss: Option<f64>,
    /// Mean soft Dice of the validation cases with a bleed.
    pub validation_dice: Option<f64>,
    /// Learning rate of the epoch.
    pub learning_rate: f64,
}

/// What a run tells while it goes.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// Cases are being looked at, those that are held aside among them.
    Checking {
        /// How many.
        cases: usize,
    },
    /// Cases are being read.
    Loading {
        /// How many.
        cases: usize,
    },
    /// Cases are being simulated.
    Simulating {
        /// Epoch, from 1.
        epoch: u32,
        /// How many.
        cases: u32,
    },
    /// A step was done.
    Step {
        /// Epoch, from 1.
        epoch: u32,
        /// Step of the epoch, from 1.
        step: usize,
        /// Steps of the epoch.
        steps: usize,
        /// Its loss.
        loss: f64,
    },
    /// An epoch was done.
    Epoch(Epoch),
}

/// What a run ended with.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSummary {
    /// Epochs done.
    pub epochs: u32,
    /// The last epoch.
    pub last: Option<Epoch>,
    /// The epoch of the lowest validation loss; of the lowest training loss where nothing is for
    /// validation. None where no epoch was done.
    pub best: Option<Epoch>,
    /// SHA-256 of the model's parameters.
    pub sha256: String,
    /// Seconds that this call took; a resumed run counts from its resumption.
    pub seconds: f64,
}

/// How many training cases the page shows.
const EXAMPLES: usize = 8;

/// What a run must remember beside the parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    epochs_done: u32,
    learning_rate: f64,
    plateau: Plateau,
    early_stop: EarlyStop,
    collapsed_epochs: u32,
    log: Vec<Epoch>,
}

/// Epochs at the all-background optimum after which a run is given up. Source: methods.md A.5.
const COLLAPSE_EPOCHS: u32 = 5;

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// How.
    pub config: &'a TrainConfig,
    /// Who learns, who steers and who is left out.
    pub split: &'a Split,
    /// The parameters to start from, where the configuration names some.
    pub start: Option<&'a Parameters>,
    /// Folder of the label maps that cases are simulated from, where the configuration names some.
    pub anatomy: Option<&'a Path>,
    /// What the network runs on; the CPU where absent. A run that goes on elsewhere than it began
    /// differs in the last bits.
    pub engine: Option<&'a dyn Engine>,
}

/// Trains, or goes on training, in the folder `run`.
///
/// The model, its log and its checkpoint
/// are written after every epoch. `progress` hears of every step.
///
/// # Errors
///
/// [`TrainError`], which names the case or file.
pub fn train(
    dataset: &Dataset,
    job: Job<'_>,
    run: &Path,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(Progress),
) -> Result<TrainSummary, TrainError> {
    let started = Instant::now();
    let Job { config, split, .. } = job;
    if config.schema != SCHEMA {
        return Err(TrainError::Schema { found: config.schema });
    }
    fs::create_folder(run)?;
    // A process that was killed while it wrote leaves a part, whose name the next one may want.
    fs::remove_unfinished(run)?;
    claim_folder(run, config, split)?;
    progress(Progress::Checking { cases: split.len() });
    fs::write_json(&run.join(FINGERPRINT), &facts::look_at(dataset, split, threads)?)?;
    let named = |ids: &[String]| -> Vec<_> {
        dataset
            .cases()
            .iter()
            .filter(|case| ids.iter().any(|id| id == case.id()))
            .cloned()
            .collect()
    };
    progress(Progress::Loading { cases: split.training.len() + split.validation.len() });
    let closing = config.label_closing_mm;
    let bringing = (&config.preprocessing, closing);
    let mut training = samples::load(&named(&split.training), bringing, threads)?;
    if config.skip_blank {
        training.retain(|sample| sample.bleed_voxels > 0);
    }
    if training.is_empty() {
        return Err(SplitError::NoTraining { left: 0 }.into());
    }
    let validation = samples::load(&named(&split.validation), bringing, threads)?;
    let mut session = Session::start(job, run, (training, validation), threads)?;
    session.write_plan()?;
    while !session.is_over() {
        session.epoch(progress)?;
        session.save()?;
        session.tell()?;
    }
    // A run that was killed after its last checkpoint has not told of it.
    session.tell()?;
    let sha256 = session.write_model()?;
    let watched = |row: &&Epoch| row.validation_loss.unwrap_or(row.train_loss);
    let log = &session.state.log;
    let best = log.iter().min_by(|a, b| watched(a).total_cmp(&watched(b))).copied();
    let last = log.last().copied();
    let seconds = started.elapsed().as_secs_f64();
    Ok(TrainSummary { epochs: session.state.epochs_done, last, best, sha256, seconds })
}

/// Writes what was decided, or holds it against what a stopped run wrote.
fn claim_folder(run: &Path, config: &TrainConfig, split: &Split) -> Result<(), TrainError> {
    let text = |what, reason: String| TrainError::Text { what, reason };
    let config = toml::to_string_pretty(config)
        .map_err(|error| text("the configuration", error.to_string()))?;
    let split = serde_json::to_string_pretty(split)
        .map_err(|error| text("the split", error.to_string()))?;
    for (name, content) in [(CONFIG, config), (SPLIT, split)] {
        let path = run.join(name);
        if path.exists() {
            if fs::read(&path, 1 << 24)? != content.as_bytes() {
                return Err(TrainError::OtherRun);
            }
        } else {
            fs::write_atomic(&path, content.as_bytes())?;
        }
    }
    Ok(())
}

struct Session<'a> {
    config: &'a TrainConfig,
    split: &'a Split,
    run: &'a Path,
    /// The first [`Self::real`] are the dataset's; simulated ones follow, other ones in each epoch.
    training: Vec<Sample>,
    real: usize,
    simulator: Option<Simulator<'a>>,
    validation: Vec<Sample>,
    threads: NonZeroUsize,
    trainer: Box<dyn Learner>,
    device: Option<String>,
    adam: Adam,
    averaged: Vec<f32>,
    state: State,
}

impl<'a> Session<'a> {
    fn start(
        job: Job<'a>,
        run: &'a Path,
        (training, validation): (Vec<Sample>, Vec<Sample>),
        threads: NonZeroUsize,
    ) -> Result<Self, TrainError> {
        let config = job.config;
        let spec = config.network.spec();
        let params = start_values(job, &spec, &training)?;
        // The deepest case first, so that buffers are made once.
        let largest = training.iter().chain(&validation).map(|sample| sample.pair.size).max();
        let size = config.recipe.view.tile_size(largest.expect("there is a training case"));
        let cpu = Cpu { threads: threads.get(), precision: InferencePrecision::Fp32 };
        let engine = job.engine.unwrap_or(&cpu);
        let mut trainer = engine.learner(&spec, &params, size, config.precision)?;
        let device = engine.device().map(str::to_owned);
        let n = trainer.params().values().len();
        let (patience, factor, stop_after) = match config.schedule {
            Schedule::Plateau { patience, factor, stop_after } => (patience, factor, stop_after),
            Schedule::Poly { .. } => (u32::MAX, 1.0, u32::MAX),
        };
        let mut state = State {
            epochs_done: 0,
            learning_rate: config.learning_rate,
            plateau: Plateau::new(patience, factor),
            early_stop: EarlyStop::new(stop_after),
            collapsed_epochs: 0,
            log: Vec::new(),
        };
        let mut adam = Adam::new(config.adam, n);
        let mut averaged = trainer.params().values().to_vec();
        let path = run.join(CHECKPOINT);
        if path.exists() {
            let bytes = fs::read(&path, 1 << 32)?;
            let checkpoint = Checkpoint::from_bytes(&bytes, config.adam, n)?;
            state = serde_json::from_str(&checkpoint.state).map_err(|error| TrainError::Text {
                what: "the checkpoint's state",
                reason: error.to_string(),
            })?;
            trainer.update(&mut |values, _| values.copy_from_slice(&checkpoint.values));
            (adam, averaged) = (checkpoint.adam, checkpoint.averaged);
        }
        let simulated = config.simulated_cases.as_ref();
        let simulator = simulated.map(|cases| Simulator::find(cases, job.anatomy)).transpose()?;
        let real = training.len();
        Ok(Self {
            config,
            split: job.split,
            run,
            training,
            real,
            simulator,
            validation,
            threads,
            trainer,
            device,
            adam,
            averaged,
            state,
        })
    }

    fn write_plan(&self) -> Result<(), TrainError> {
        let simulated = self.config.simulated_cases.as_ref().map_or(0, |cases| cases.in_epoch);
        let steps = self.order().len() + simulated as usize;
        let plan = Plan::of(self.config, &self.training, steps)?;
        Ok(fs::write_json(&self.run.join(PLAN), &plan)?)
    }

    fn is_over(&self) -> bool {
        self.state.epochs_done >= self.config.epochs || self.state.early_stop.is_due()
    }

    /// Random numbers of one purpose and one moment of the run.
    fn rng(&self, epoch: u32, purpose: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream((u64::from(epoch) << 32) | purpose);
        rng
    }

    fn epoch(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), TrainError> {
        let epoch = self.state.epochs_done + 1;
        let learning_rate = match self.config.schedule {
            Schedule::Plateau { .. } => self.state.learning_rate,
            Schedule::Poly { power } => {
                let left = 1.0 - f64::from(epoch - 1) / f64::from(self.config.epochs);
                self.config.learning_rate * left.powf(power)
            }
        };
        self.simulate(epoch, progress)?;
        let mut order = self.order();
        order.shuffle(&mut self.rng(epoch, 0));
        let steps = order.len();
        let (mut losses, mut dices, mut probability) = (0.0, Vec::new(), 0.0);
        for (step, sample) in order.into_iter().enumerate() {
            let value = self.step(sample, epoch, step as u64 + 1, learning_rate)?;
            losses += value.loss;
            probability += value.sum_probability;
            dices.extend(value.soft_dice);
            progress(Progress::Step { epoch, step: step + 1, steps, loss: value.loss });
        }
        let train_loss = losses / steps as f64;
        let (validation_loss, validation_dice) = self.validate()?;
        let watched = validation_loss.unwrap_or(train_loss);
        self.state.learning_rate = self.state.plateau.next_rate(watched, learning_rate);
        let is_best = self.state.early_stop.is_best(watched);
        self.watch_collapse(train_loss, probability / steps as f64)?;
        let train_dice = mean(&dices);
        let row = Epoch {
            epoch,
            train_loss,
            train_dice,
            validation_loss,
            validation_dice,
            learning_rate,
        };
        self.state.log.push(row);
        self.state.epochs_done = epoch;
        if is_best {
            let bytes = self.weights(&self.averaged, Precision::F32)?;
            fs::write_atomic(&self.run.join(BEST), &bytes)?;
        }
        progress(Progress::Epoch(row));
        Ok(())
    }

    /// Replaces the simulated cases of the last epoch by new ones.
    fn simulate(
        &mut self,
        epoch: u32,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), TrainError> {
        let mut rng = self.rng(epoch, 3);
        let Some(simulator) = &self.simulator else { return Ok(()) };
        let cases = self.config.simulated_cases.as_ref().map_or(0, |cases| cases.in_epoch);
        progress(Progress::Simulating { epoch, cases });
        let new = simulator.draw(epoch, &self.config.preprocessing, &mut rng, self.threads)?;
        self.training.truncate(self.real);
        self.training.extend(new);
        Ok(())
    }

    /// Cases of one epoch: real ones with a bleed as often as set, the others once.
    fn order(&self) -> Vec<usize> {
        let times = |(i, sample): &(usize, &Sample)| {
            let is_repeated = *i < self.real && sample.bleed_voxels > 0;
            if is_repeated { self.config.bleed_repeat.max(1) as usize } else { 1 }
        };
        let each = self.training.iter().enumerate();
        each.flat_map(|each| std::iter::repeat_n(each.0, times(&each))).collect()
    }

    /// A training case as this step sees it.
    fn varied(&self, sample: usize, epoch: u32, step: u64) -> Pair {
        let painted = self.config.painted_bleeds.as_ref().filter(|_| sample < self.real);
        let mut pair = match painted {
            Some(painted) => {
                let window_hu = self.config.preprocessing.window_hu;
                let mut rng = self.rng(epoch, 4 * step + 2);
                painted.apply((&self.training[..self.real], sample), window_hu, &mut rng)
            }
            None => self.training[sample].pair.clone(),
        };
        if let Some(augment) = &self.config.augment {
            pair = augment.apply(&pair, &mut self.rng(epoch, 4 * step));
        }
        pair
    }

    fn step(
        &mut self,
        sample: usize,
        epoch: u32,
        step: u64,
        learning_rate: f64,
    ) -> Result<haema_nn::LossValue, TrainError> {
        let pair = self.varied(sample, epoch, step);
        let pair = seen::draw(pair, &self.config.recipe, &mut self.rng(epoch, 4 * step + 3));
        self.trainer.reshape(pair.size)?;
        let seed = rand::RngCore::next_u64(&mut self.rng(epoch, 4 * step + 1));
        let mut grad = vec![0.0; pair.image.len()];
        let logits = self.trainer.forward(&pair.image, DropoutSeed::Seed(seed))?;
        let value = self.config.loss.value_and_grad(logits, &pair.target, &mut grad);
        if !value.loss.is_finite() {
            let id = self.training[sample].id.clone();
            return Err(TrainError::Diverged { id, epoch, loss: value.loss });
        }
        self.trainer.backward(&grad)?;
        let adam = &mut self.adam;
        self.trainer.update(&mut |values, gradient| adam.update(learning_rate, gradient, values));
        // A mean over few steps at first, so that the start values do not linger.
        let decay =
            self.config.average_decay.min(self.adam.step as f64 / (self.adam.step + 10) as f64);
        for (mean, &value) in self.averaged.iter_mut().zip(self.trainer.params().values()) {
            *mean = decay as f32 * *mean + (1.0 - decay as f32) * value;
        }
        Ok(value)
    }

    /// Mean loss and Dice of the validation cases, tile by tile, with the averaged parameters.
    fn validate(&mut self) -> Result<(Option<f64>, Option<f64>), TrainError> {
        if self.validation.is_empty() {
            return Ok((None, None));
        }
        let own = self.trainer.params().values().to_vec();
        let averaged = &self.averaged;
        self.trainer.update(&mut |values, _| values.copy_from_slice(averaged));
        let (mut losses, mut dices) = (Vec::new(), Vec::new());
        for sample in &self.validation {
            for pair in seen::tiles(sample.pair.clone(), &self.config.recipe, self.threads) {
                self.trainer.reshape(pair.size)?;
                let mut grad = vec![0.0; pair.image.len()];
                let logits = self.trainer.forward(&pair.image, DropoutSeed::Off)?;
                let value = self.config.loss.value_and_grad(logits, &pair.target, &mut grad);
                losses.push(value.loss);
                dices.extend(value.soft_dice);
            }
        }
        self.trainer.update(&mut |values, _| values.copy_from_slice(&own));
        Ok((mean(&losses), mean(&dices)))
    }

    /// The all-background optimum of the Dice loss. Source: methods.md A.5.
    fn watch_collapse(&mut self, loss: f64, probability: f64) -> Result<(), TrainError> {
        let is_dice = self.config.loss == haema_nn::Loss::Dice;
        let at_optimum = is_dice && (-0.500..=-0.495).contains(&loss) && probability < 1.0;
        self.state.collapsed_epochs = if at_optimum { self.state.collapsed_epochs + 1 } else { 0 };
        if self.state.collapsed_epochs >= COLLAPSE_EPOCHS {
            return Err(TrainError::Collapsed { epochs: self.state.collapsed_epochs, loss });
        }
        Ok(())
    }

    fn save(&self) -> Result<(), TrainError> {
        let text = |error: serde_json::Error| TrainError::Text {
            what: "the run's state",
            reason: error.to_string(),
        };
        let state = serde_json::to_string(&self.state).map_err(text)?;
        let checkpoint = Checkpoint {
            values: self.trainer.params().values().to_vec(),
            averaged: self.averaged.clone(),
            adam: self.adam.clone(),
            state,
        };
        fs::write_atomic(&self.run.join(CHECKPOINT), &checkpoint.to_bytes()?)?;
        Ok(())
    }

    /// What people read of the run so far.
    fn tell(&self) -> Result<(), TrainError> {
        fs::write_atomic(&self.run.join(LOG), self.log().as_bytes())?;
        let page = page::page(self.config, self.split, &self.state.log, &self.examples());
        fs::write_atomic(&self.run.join(PAGE), page.as_bytes())?;
        Ok(())
    }

    /// Some training cases as the last epoch saw them.
    fn examples(&self) -> Vec<Example> {
        let has_bleed = |&i: &usize| self.training[i].bleed_voxels > 0;
        let of = |i: usize| {
            let pair = self.varied(i, self.state.epochs_done, 1);
            Example::of(&self.training[i].id, &pair, self.config.preprocessing.window_hu)
        };
        (0..self.training.len()).filter(has_bleed).take(EXAMPLES).map(of).collect()
    }

    fn log(&self) -> String {
        let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.6}"));
        let row = |row: &Epoch| {
            let (dice, validation) = (number(row.train_dice), number(row.validation_loss));
            let (epoch, loss) = (row.epoch, row.train_loss);
            let validation_dice = number(row.validation_dice);
            let rate = row.learning_rate;
            format!("{epoch},{loss:.6},{dice},{validation},{validation_dice},{rate:e}\n")
        };
        let head = "epoch,train_loss,train_dice,validation_loss,validation_dice,learning_rate\n";
        std::iter::once(head.to_owned()).chain(self.state.log.iter().map(row)).collect()
    }

    fn weights(&self, values: &[f32], precision: Precision) -> Result<Vec<u8>, TrainError> {
        let mut params = self.trainer.params().clone();
        params.values_mut().copy_from_slice(values);
        let text = |what| {
            move |error: serde_json::Error| TrainError::Text { what, reason: error.to_string() }
        };
        let preprocessing =
            serde_json::to_string(&self.config.preprocessing).map_err(text("preprocessing"))?;
        let recipe = serde_json::to_string(&self.config.recipe).map_err(text("recipe"))?;
        let mut metadata = BTreeMap::from([
            ("method".to_owned(), self.config.network.method().name().to_owned()),
            ("preprocessing".to_owned(), preprocessing),
            ("recipe".to_owned(), recipe),
            ("epochs".to_owned(), self.state.epochs_done.to_string()),
            ("seed".to_owned(), self.config.seed.to_string()),
        ]);
        metadata.extend(self.device.clone().map(|device| ("device".to_owned(), device)));
        Ok(params.to_bytes(self.trainer.spec(), &metadata, precision)?)
    }

    /// The result: of the best epoch where a plateau rule steered, else of the last.
    fn write_model(&self) -> Result<String, TrainError> {
        let best = self.run.join(BEST);
        let values = if matches!(self.config.schedule, Schedule::Plateau { .. }) && best.exists() {
            Parameters::from_bytes(&fs::read(&best, 1 << 32)?)?.1.values().to_vec()
        } else {
            self.averaged.clone()
        };
        let bytes = self.weights(&values, Precision::F16)?;
        fs::write_atomic(&self.run.join(NETWORK), &bytes)?;
        Ok(Parameters::from_bytes(&bytes)?.1.sha256())
    }
}

pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
pub(super) const BEST: &str = "best.safetensors";
const LOG: &str = "log.csv";
const FINGERPRINT: &str = "fingerprint.json";
const PLAN: &str = "plan.json";
const PAGE: &str = "report.html";

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
