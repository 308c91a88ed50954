//! `haema train`: a dataset in, a model out.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use haema_io::dataset::Dataset;
use haema_methods::Model;
use haema_nn::Engine;
use haema_pipeline::model_file::read_model;
use haema_pipeline::training::{
    Epoch, Job, Preset, Progress, SimulatedCases, TrainConfig, TrainError, fold_folder,
    learn_pitchperfect, pitchperfect_preset, read_config, read_config_file, read_split, train,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::device::{Device, OpenGpu};
use crate::method::Method;
use crate::split::SplitArgs;
use crate::{CliError, Outcome, Streams};

/// Trains a method on a dataset in the raw layout of nnU-Net.
///
/// DATASET holds imagesTr/, labelsTr/ and dataset.json. RUN holds the configuration, the split, a log with a row an epoch, a checkpoint and the model. A
/// run that was stopped goes on where it was: give the same DATASET and RUN again. The result does
/// not depend on when it was stopped, nor on the number of threads.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the dataset; `haema import` makes one.
    dataset: PathBuf,
    /// Folder of the run; made where there is none.
    #[arg(short, long, value_name = "RUN")]
    out: PathBuf,
    /// What to train.
    #[arg(long, value_enum, default_value_t = Method::CnnDs, conflicts_with = "config")]
    method: Method,
    /// All settings at once: the paper's, or ours.
    #[arg(long, value_enum, default_value_t = Profile::Recommended)]
    profile: Profile,
    /// All settings from a file, such as the config.toml of another run.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Passes over the training cases.
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// First learning rate.
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Root of every random choice.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    split: SplitArgs,
    /// Cross-validation: N runs into RUN/fold-1 and so on, each of which holds another Nth of the cases
    /// aside. `haema eval --held-aside-by RUN` then scores every case by the run that never saw it.
    #[arg(long, value_name = "N", conflicts_with_all = ["hold_aside", "hold_aside_every"])]
    folds: Option<NonZeroUsize>,
    /// Only this one of the folds, from 1.
    #[arg(long, value_name = "K", requires = "folds")]
    fold: Option<NonZeroUsize>,
    /// Start from the parameters of a model file.
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// Simulate N new cases for every epoch, and learn from them too.
    #[arg(long, value_name = "N")]
    simulated: Option<u32>,
    /// Folder of label maps to simulate from, as for `haema simulate`; needed again when the run goes
    /// on [default: heads that haema makes itself].
    #[arg(long, value_name = "DIR")]
    anatomy: Option<PathBuf>,
    /// What the network runs on.
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    device: Device,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// The closest reading of Arab et al. 2020.
    Paper,
    /// What we believe works best.
    Recommended,
    /// The same with a smaller network: half the channels of CNN-DS, a quarter of a U-Net's.
    Compact,
}

impl Profile {
    fn preset(self) -> Preset {
        match self {
            Self::Paper => Preset::Paper,
            Self::Recommended => Preset::Recommended,
            Self::Compact => Preset::Compact,
        }
    }

    /// The settings of the profile for a network, or those of a file.
    pub(crate) fn or_file(
        self,
        method: Method,
        path: Option<&Path>,
    ) -> Result<TrainConfig, TrainError> {
        match path {
            Some(path) => read_config_file(path),
            None => Ok(TrainConfig::preset(method.known(), self.preset())
                .expect("the one method that is no network does not come here")),
        }
    }
}

pub(crate) fn run(
    args: &Args,
    gpu: Option<&OpenGpu>,
    streams: &mut Streams<'_>,
) -> Result<Outcome, CliError> {
    let engine = args.device.open(gpu)?;
    let dataset = Dataset::open(&args.dataset)?;
    let start = args.init.as_deref().map(read_model).transpose()?;
    let materials =
        Materials { dataset: &dataset, start: start.as_ref(), engine: engine.as_deref() };
    let Some(folds) = args.folds.map(NonZeroUsize::get) else {
        return train_one(args, materials, (&args.out, None), streams);
    };
    let wanted = args.fold.map(NonZeroUsize::get);
    if let Some(fold) = wanted.filter(|&fold| fold > folds) {
        return Err(CliError::NoFold { found: fold, folds });
    }
    for fold in (1..=folds).filter(|&fold| wanted.is_none_or(|wanted| wanted == fold)) {
        writeln!(streams.err, "fold {fold} of {folds}")?;
        let folder = fold_folder(&args.out, fold);
        let place = (folder.as_path(), Some((fold - 1, folds)));
        train_one(args, materials, place, streams)?;
    }
    Ok(Outcome::Done)
}

/// What every fold's run is given.
#[derive(Clone, Copy)]
struct Materials<'a> {
    dataset: &'a Dataset,
    start: Option<&'a Model>,
    engine: Option<&'a dyn Engine>,
}

/// One run: the only one, or that of a fold.
fn train_one(
    args: &Args,
    Materials { dataset, start, engine }: Materials<'_>,
    (out, fold): (&Path, Option<(usize, usize)>),
    streams: &mut Streams<'_>,
) -> Result<Outcome, CliError> {
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    if args.method == Method::Pitchperfect {
        return learn(args, dataset, (out, fold), streams);
    }
    let begun = read_config(out)?.zip(read_split(out)?);
    let (config, split) = if let Some(begun) = begun {
        begun
    } else {
        let validates = args.profile == Profile::Paper;
        (args.config(start)?, args.split.split(dataset, fold, validates, threads)?)
    };
    let job = Job {
        config: &config,
        split: &split,
        start: start.map(Model::parameters),
        anatomy: args.anatomy.as_deref(),
        engine,
    };
    let mut display = Display::new(&config, streams);
    let summary = train(dataset, job, out, threads, &mut |progress| display.show(progress))?;
    display.finish()?;
    writeln!(streams.out, "{}", out.join("model.safetensors").display())?;
    writeln!(
        streams.err,
        "{} epochs done, {:.0} s in this call, parameters {}",
        summary.epochs, summary.seconds, summary.sha256
    )?;
    Ok(Outcome::Done)
}

/// `PItcHPERFeCT` has no epochs: it is grown once.
fn learn(
    args: &Args,
    dataset: &Dataset,
    (out, fold): (&Path, Option<(usize, usize)>),
    streams: &mut Streams<'_>,
) -> Result<Outcome, CliError> {
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    let split = match read_split(out)? {
        Some(split) => split,
        None => args.split.split(dataset, fold, false, threads)?,
    };
    let settings = pitchperfect_preset(args.profile.preset(), args.seed.unwrap_or(1));
    let mut skipped = Vec::new();
    let job = (&settings, &split);
    let path =
        learn_pitchperfect(dataset, job, out, threads, &mut |id| skipped.push(id.to_owned()))?;
    for id in skipped {
        writeln!(streams.err, "warning: {id} cannot be laid on the template: not learned from")?;
    }
    writeln!(streams.out, "{}", path.display())?;
    Ok(Outcome::Done)
}

impl Args {
    fn config(&self, start: Option<&Model>) -> Result<TrainConfig, TrainError> {
        let mut config = self.profile.or_file(self.method, self.config.as_deref())?;
        config.epochs = self.epochs.unwrap_or(config.epochs);
        config.learning_rate = self.learning_rate.unwrap_or(config.learning_rate);
        config.seed = self.seed.unwrap_or(config.seed);
        if let Some(cases) = self.simulated {
            config.simulated_cases = Some(SimulatedCases::new(cases, self.anatomy.as_deref())?);
        }
        config.start_sha256 = start.map(|model| model.sha256().to_owned());
        Ok(config)
    }
}

/// What the user sees of a run.
struct Display<'a, 'b> {
    streams: &'a mut Streams<'b>,
    bar: ProgressBar,
    epochs: u32,
    /// The first failure to print: told at the end, so that a run is not lost with its reader.
    written: io::Result<()>,
}

impl<'a, 'b> Display<'a, 'b> {
    fn new(config: &TrainConfig, streams: &'a mut Streams<'b>) -> Self {
        let style =
            ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed}, {eta} left  {wide_msg}")
                .expect("the template is well formed");
        let bar = crate::progress_bar(0, streams.err_is_terminal).with_style(style);
        Self { bar, epochs: config.epochs, streams, written: Ok(()) }
    }

    fn show(&mut self, progress: Progress) {
        match progress {
            Progress::Checking { cases } => self.bar.set_message(format!("checking {cases} cases")),
            Progress::Loading { cases } => self.bar.set_message(format!("reading {cases} cases")),
            Progress::Simulating { epoch, cases } => {
                self.bar.set_message(format!("epoch {epoch}: simulating {cases} cases"));
            }
            Progress::Step { epoch, step, steps, loss } => {
                let done = u64::from(epoch - 1) * steps as u64 + step as u64;
                self.bar.set_length(u64::from(self.epochs) * steps as u64);
                self.bar.set_position(done);
                self.bar.set_message(format!("epoch {epoch} of {}, loss {loss:.4}", self.epochs));
            }
            Progress::Epoch(epoch) => {
                let bar = self.bar.clone();
                let written = bar.suspend(|| self.print(epoch));
                if self.written.is_ok() {
                    self.written = written;
                }
            }
        }
    }

    fn print(&mut self, row: Epoch) -> io::Result<()> {
        let part = |name: &str, value: Option<f64>| {
            value.map_or(String::new(), |value| format!("  {name} {value:.4}"))
        };
        writeln!(
            self.streams.err,
            "epoch {:3}  loss {:.4}{}{}{}  rate {:.2e}",
            row.epoch,
            row.train_loss,
            part("dice", row.train_dice),
            part("validation loss", row.validation_loss),
            part("dice", row.validation_dice),
            row.learning_rate
        )
    }

    fn finish(self) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.written
    }
}
