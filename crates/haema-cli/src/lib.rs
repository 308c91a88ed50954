//! What the `haema` command does, without a terminal.
//!
//! The command follows three rules. Data goes to standard output and everything else to standard
//! error. Every subcommand is one file with its arguments, its `run` and nothing else; the work is
//! done by a library crate. Exit codes: 0 done; 1 done, and some inputs were refused or failed; 2
//! could not be done.

mod bench;
mod calibrate;
mod compare;
mod device;
mod eval;
mod export;
mod import;
mod info;
mod method;
mod segment;
mod selftest;
mod simulate;
mod split;
mod study;
mod tabulate;
mod terminal;
mod train;
mod tune;

use std::io::{self, Write};
use std::num::{NonZeroUsize, ParseIntError};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use haema_io::ct_ich::ImportError;
use haema_io::dataset::DatasetError;
use haema_io::fs::FsError;
use haema_methods::KerasError;
use haema_nn::EngineError;
use haema_nn::onnx::OnnxError;
use haema_pipeline::bench::BenchError;
use haema_pipeline::calibration::CalibrateError;
use haema_pipeline::compare::CompareError;
use haema_pipeline::evaluation::EvalError;
use haema_pipeline::input::InputError;
use haema_pipeline::intervals::ErrorTableError;
use haema_pipeline::model_file::ModelFileError;
use haema_pipeline::segment::SegmentError;
use haema_pipeline::selftest::SelftestError;
use haema_pipeline::simulation::SimulateError;
use haema_pipeline::study::StudyError;
use haema_pipeline::training::{TrainError, TuneError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use thiserror::Error;

pub use device::OpenGpu;
pub use terminal::command;

/// Finds intracranial bleeds on non-contrast head CT and measures them.
///
/// Research software: not a medical device, and not for clinical decisions without a qualified
/// reader.
#[derive(Debug, Parser)]
#[command(name = "haema", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Segment(segment::Args),
    Compare(compare::Args),
    Info(info::Args),
    Import(import::Args),
    Train(train::Args),
    Tune(tune::Args),
    Eval(eval::Args),
    Calibrate(calibrate::Args),
    #[command(hide = true)]
    TabulateErrors(tabulate::Args),
    Export(export::Args),
    Bench(bench::Args),
    Selftest(selftest::Args),
    Simulate(simulate::Args),
    Study(study::Args),
}

/// Where a command writes.
pub struct Streams<'a> {
    /// Data.
    pub out: &'a mut dyn Write,
    /// Everything else.
    pub err: &'a mut dyn Write,
    /// Whether a person watches the latter, who wants to see progress.
    pub err_is_terminal: bool,
}

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did all that was asked.
    Done,
    /// It ran, and some inputs were refused or failed, or the answer is no.
    Refused,
}

impl Outcome {
    /// 0 for [`Outcome::Done`], 1 for [`Outcome::Refused`].
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Refused => ExitCode::from(1),
        }
    }
}

/// Why a command could not be carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CliError {
    /// Standard output or standard error went away.
    #[error("cannot write to the terminal or pipe")]
    Write(#[from] io::Error),
    /// Nothing could be segmented.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Two scans could not be compared.
    #[error("the two scans cannot be compared")]
    Compare(#[from] CompareError),
    /// The weights cannot be used.
    #[error("the weights given with --model cannot be used")]
    Model(#[from] ModelFileError),
    /// Only CNN-DS comes with haema.
    #[error("haema has no built-in model of {0}")]
    NotBuiltIn(&'static str),
    /// Only networks are exported, timed alone or run on a GPU.
    #[error("{0} is no network: this is for networks alone")]
    NotANetwork(&'static str),
    /// The weights are of another method than the one asked for.
    #[error("the weights given with --model are of {found}, and --method is {wanted}")]
    OtherMethod {
        /// The method of the file.
        found: &'static str,
        /// The method asked for.
        wanted: &'static str,
    },
    /// The table of a model's errors cannot be used.
    #[error("the table of the model's errors cannot be used")]
    ErrorTable(#[from] ErrorTableError),
    /// Nothing is at the path.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Nothing could be imported.
    #[error("the data set cannot be imported")]
    Import(#[from] ImportError),
    /// The data set cannot be used.
    #[error("the data set cannot be used")]
    Dataset(#[from] DatasetError),
    /// Training cannot begin or go on.
    #[error("training stopped")]
    Train(#[from] TrainError),
    /// Settings cannot be searched.
    #[error("the search for settings stopped")]
    Tune(#[from] TuneError),
    /// A model cannot be scored.
    #[error("the model cannot be scored")]
    Eval(#[from] EvalError),
    /// A model cannot be calibrated.
    #[error("the model cannot be calibrated")]
    Calibrate(#[from] CalibrateError),
    /// A dataset cannot be simulated.
    #[error("nothing was simulated")]
    Simulate(#[from] SimulateError),
    /// There is no study.
    #[error("the study cannot be made")]
    Study(#[from] StudyError),
    /// Weights of another program cannot be used.
    #[error("the weights cannot be imported")]
    Keras(#[from] KerasError),
    /// A network cannot be written in another form.
    #[error("the network cannot be exported")]
    Export(#[from] OnnxError),
    /// Nothing was timed.
    #[error("nothing was timed")]
    Bench(#[from] BenchError),
    /// Weights were given for a network that is timed with others.
    #[error("--method {0} is timed with weights that are drawn: leave --model out")]
    DrawnWeights(String),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// The phantoms cannot be written.
    #[error("the self-test cannot be carried out")]
    Selftest(#[from] SelftestError),
    /// One model cannot stand for the folds of a run.
    #[error(
        "a run with folds is scored by the models of its folds: leave --model out, or name one \
         fold's folder: {0}"
    )]
    ModelOfFolds(PathBuf),
    /// There is no such fold.
    #[error("fold {found} of {folds}: wanted 1 to {folds}")]
    NoFold {
        /// The number given.
        found: usize,
        /// How many there are.
        folds: usize,
    },
    /// The GPU cannot be used.
    #[error("the network cannot run on --device gpu")]
    Engine(#[from] EngineError),
    /// This program has no GPU in it.
    #[error("this haema was built without GPU support, which --device gpu needs")]
    NoGpuBuilt,
    /// A folder holds no training run.
    #[error("no training run (wanted split.json) in {0}")]
    NoRun(PathBuf),
}

impl CliError {
    /// Whether the reader of our output has gone, which is not our failure.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What the user can do about it, where haema knows.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Segment(SegmentError::Output(_)) => {
                Some("give a folder that you may write to with --out")
            }
            Self::Simulate(SimulateError::File(error))
            | Self::Import(ImportError::File(error))
            | Self::File(error)
                if error.is_from_writing() =>
            {
                Some("give a place that you may write to")
            }
            Self::Input(error) => error.hint(),
            Self::Compare(error) => error.hint(),
            Self::Selftest(SelftestError::NotEmpty(_)) => {
                Some("give a folder with --export that is new or empty")
            }
            Self::Engine(error) => error.hint(),
            Self::NoGpuBuilt => Some(
                "leave out --device, or build the other one: cargo build --release \
                 --manifest-path gpu/Cargo.toml --features wgpu",
            ),
            Self::NotBuiltIn(_) => {
                Some("train one with `haema train --method`, and give it with --model")
            }
            Self::OtherMethod { .. } => Some("leave out --method: the weights tell it"),
            Self::Model(_) => {
                Some("give a model.safetensors of `haema train`, or none for the built-in one")
            }
            Self::Dataset(DatasetError::NotADataset { .. })
            | Self::Study(StudyError::Dataset(DatasetError::NotADataset { .. })) => Some(
                "check the path; `haema import ct-ich` and `haema simulate` make such a folder",
            ),
            Self::Simulate(
                SimulateError::Anatomy { .. }
                | SimulateError::NoAnatomies { .. }
                | SimulateError::File(_),
            ) => Some(
                "check the folder given with --anatomy, or leave it out: haema has heads of its own",
            ),
            Self::Import(ImportError::File(_)) => Some(
                "give the folder that holds hemorrhage_diagnosis.csv and Patients_CT, as unpacked",
            ),
            Self::Keras(_) => Some("`haema import weights --help` says how tensors are named"),
            Self::File(_) => Some("check the path"),
            _ => None,
        }
    }
}

/// Carries out one command. `gpu` opens the GPU of a build that has one.
///
/// # Errors
///
/// [`CliError`], shown by [`command`] with its causes; exit code 2.
pub fn run(
    cli: Cli,
    gpu: Option<&OpenGpu>,
    streams: &mut Streams<'_>,
) -> Result<Outcome, CliError> {
    match cli.command {
        Command::Segment(args) => segment::run(&args, gpu, streams),
        Command::Compare(args) => compare::run(&args, streams),
        Command::Info(args) => info::run(&args, streams),
        Command::Import(args) => import::run(&args, streams),
        Command::Train(args) => train::run(&args, gpu, streams),
        Command::Tune(args) => tune::run(&args, gpu, streams),
        Command::Eval(args) => eval::run(&args, streams),
        Command::Calibrate(args) => calibrate::run(&args, streams),
        Command::TabulateErrors(args) => tabulate::run(&args, streams),
        Command::Simulate(args) => simulate::run(&args, streams),
        Command::Study(args) => study::run(&args, streams),
        Command::Export(args) => export::run(&args, streams),
        Command::Bench(args) => bench::run(&args, streams),
        Command::Selftest(args) => selftest::run(&args, streams),
    }
}

/// One JSON document on a line of its own.
fn print_json(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// A bar on standard error where a person watches, nothing elsewhere.
fn progress_bar(length: u64, is_watched: bool) -> ProgressBar {
    let target =
        if is_watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}")
        .expect("the template is well formed");
    ProgressBar::with_draw_target(Some(length), target).with_style(style)
}

/// As many threads as the machine has cores for us; one where it does not tell.
fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// For `--threads`: a number from 1.
fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let parsed: Result<_, ParseIntError> = text.parse();
    parsed.map_err(|cause| format!("{text:?}: {cause}: wanted 1 or more"))
}

/// For `--size`: three sides `z,y,x` or `ZxYxX`, in voxels.
fn size(text: &str) -> Result<[usize; 3], String> {
    let wanted = || format!("{text:?}: wanted three sides z,y,x in voxels, such as 64,128,128");
    let sides: Result<Vec<usize>, _> = text.split([',', 'x']).map(str::parse).collect();
    let sides = sides.ok().and_then(|sides| <[usize; 3]>::try_from(sides).ok());
    sides.filter(|sides| sides.iter().all(|n| (1..=LONGEST_SIDE).contains(n))).ok_or_else(wanted)
}

/// Longer than any side of a network's grid; a longer one is a slip that would fill the memory.
const LONGEST_SIDE: usize = 4096;
