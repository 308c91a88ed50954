//! `haema tune`: a dataset in, the best settings of a grid out.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use haema_io::dataset::Dataset;
use haema_pipeline::training::{
    Grid, Progress, Strategy, Trial, TuneConfig, TuneJob, TuneProgress, read_split,
    read_tune_config, tune,
};
use indicatif::ProgressBar;

use crate::device::{Device, OpenGpu};
use crate::method::Method;
use crate::split::SplitArgs;
use crate::train::Profile;
use crate::{CliError, Outcome, Streams};

/// Searches settings for `haema train`: depth, learning rate and dropout, by the validation loss.
///
/// DIR gets a run folder for each trial, trials.csv with a row for each, report.md and report.html with
/// the choice and why, and chosen.toml for `haema train --config`. A search that was stopped goes on
/// where it was: give the same DATASET and DIR again. Without other values it is the paper's grid: 4
/// depths, 5 learning rates and 3 dropouts, 60 trials.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the dataset; `haema import` makes one.
    dataset: PathBuf,
    /// Folder of the search; made where there is none.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// In which order the grid is searched.
    #[arg(long, value_enum, default_value_t = Order::Halving)]
    strategy: Order,
    /// All other settings at once: the paper's, or ours.
    #[arg(long, value_enum, default_value_t = Profile::Paper)]
    profile: Profile,
    /// All other settings from a file, such as the config.toml of a run.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Epochs of the longest trial [default: those of the settings].
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Root of every random choice, the same in every trial [default: that of the settings].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Encoder levels to try, separated by commas [default: 3,4,5,6].
    #[arg(long, value_name = "N", value_delimiter = ',')]
    depths: Option<Vec<usize>>,
    /// First learning rates to try [default: 1e-2,5e-3,1e-3,5e-4,1e-4].
    #[arg(long, value_name = "RATE", value_delimiter = ',')]
    learning_rates: Option<Vec<f64>>,
    /// Dropouts to try [default: 0.3,0.4,0.5].
    #[arg(long, value_name = "P", value_delimiter = ',')]
    dropouts: Option<Vec<f32>>,
    #[command(flatten)]
    split: SplitArgs,
    /// Folder of label maps, where the settings simulate cases from one.
    #[arg(long, value_name = "DIR")]
    anatomy: Option<PathBuf>,
    /// What networks run on.
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    device: Device,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Every trial to the end: 60 long runs.
    Grid,
    /// The learning rate, then the depth, then dropout, each with the best so far: 12 long runs, of which
    /// those that would be repeated are passed over.
    Coordinate,
    /// All trials for a few epochs, the best third for three times as many, and so on: 60, 20, 7, 2.
    Halving,
}

impl From<Order> for Strategy {
    fn from(order: Order) -> Self {
        match order {
            Order::Grid => Self::Grid,
            Order::Coordinate => Self::Coordinate,
            Order::Halving => Self::Halving,
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
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    let (config, split) = match read_tune_config(&args.out)?.zip(read_split(&args.out)?) {
        Some(begun) => begun,
        None => (args.config()?, args.split.split(&dataset, None, true, threads)?),
    };
    let job = TuneJob {
        config: &config,
        split: &split,
        anatomy: args.anatomy.as_deref(),
        engine: engine.as_deref(),
    };
    let mut display = Display::new(streams);
    let summary = tune(&dataset, job, &args.out, threads, &mut |progress| display.show(progress))?;
    display.finish()?;
    writeln!(streams.err, "{}", summary.why)?;
    if summary.chosen.is_none() {
        return Ok(Outcome::Refused);
    }
    writeln!(streams.out, "{}", args.out.join("chosen.toml").display())?;
    Ok(Outcome::Done)
}

impl Args {
    fn config(&self) -> Result<TuneConfig, CliError> {
        let mut base = self.profile.or_file(Method::CnnDs, self.config.as_deref())?;
        base.epochs = self.epochs.unwrap_or(base.epochs);
        base.seed = self.seed.unwrap_or(base.seed);
        let mut config = TuneConfig::paper(base, self.strategy.into());
        let Grid { depths, learning_rates, dropouts } = config.grid;
        config.grid = Grid {
            depths: self.depths.clone().unwrap_or(depths),
            learning_rates: self.learning_rates.clone().unwrap_or(learning_rates),
            dropouts: self.dropouts.clone().unwrap_or(dropouts),
        };
        Ok(config)
    }
}

/// What the user sees of a search.
struct Display<'a, 'b> {
    streams: &'a mut Streams<'b>,
    bar: ProgressBar,
    /// What the bar says of the trial that is under way.
    trial: String,
    /// The first failure to print: told at the end, so that a search is not lost with its reader.
    written: io::Result<()>,
}

impl<'a, 'b> Display<'a, 'b> {
    fn new(streams: &'a mut Streams<'b>) -> Self {
        let bar = crate::progress_bar(0, streams.err_is_terminal);
        Self { bar, streams, trial: String::new(), written: Ok(()) }
    }

    fn show(&mut self, progress: TuneProgress<'_>) {
        match progress {
            TuneProgress::Started { number, of, point, epochs } => {
                self.bar.set_length(of as u64);
                self.trial = format!(
                    "{number} of {of}: depth {}, rate {:e}, dropout {}, {epochs} epochs",
                    point.depth, point.learning_rate, point.dropout
                );
                self.bar.set_message(self.trial.clone());
            }
            TuneProgress::Run(Progress::Epoch(epoch)) => {
                let loss = epoch.validation_loss.unwrap_or(epoch.train_loss);
                self.bar.set_message(format!("{}; epoch {}, {loss:.4}", self.trial, epoch.epoch));
            }
            TuneProgress::Run(_) => {}
            TuneProgress::Finished(trial) => {
                self.bar.inc(1);
                let bar = self.bar.clone();
                let written = bar.suspend(|| self.print(trial));
                if self.written.is_ok() {
                    self.written = written;
                }
            }
        }
    }

    fn print(&mut self, trial: &Trial) -> io::Result<()> {
        let came_of_it = match trial.validation_loss {
            Some(loss) => {
                format!("validation loss {loss:.4} after epoch {}", trial.best_epoch.unwrap_or(0))
            }
            None => trial.outcome.name().to_owned(),
        };
        writeln!(self.streams.err, "{}: {came_of_it}, {:.0} s", self.trial, trial.seconds)
    }

    fn finish(self) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.written
    }
}
