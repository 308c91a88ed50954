//! `haema study`: the paper's tables and figures from any dataset.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use haema_io::dataset::Dataset;
use haema_methods::Method as Known;
use haema_pipeline::simulation::{Order as Simulation, simulate};
use haema_pipeline::study::{Event, Order, StudyError, study};
use haema_pipeline::training::{Preset, Progress};
use indicatif::ProgressBar;

use crate::method::Method;
use crate::{CliError, Outcome, Streams};

/// Trains and times every method on one split, and makes the tables and figures of Arab et al. 2020.
///
/// DIR gets report.html with all of them, each of our figures beside the paper's; tables/ and figures/
/// as CSV, Markdown, SVG and PNG; master.csv with a row for each case and pair of masks; models/ and masks/.
/// What stands in DIR already is taken as it is, so that a study that was stopped goes on. Masks of
/// several people are read from ratersTr/<rater>/<case>.nii.gz of the dataset; the reference is then the
/// majority of three and more.
///
/// Exit code 0: all done; 1: some methods or cases failed, the report says why; 2: nothing could be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the dataset, in the raw layout of nnU-Net.
    #[arg(required_unless_present = "quick")]
    dataset: Option<PathBuf>,
    /// Folder for the study; made where there is none.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Show in minutes that everything runs: tiny networks, few epochs, and without DATASET sixteen
    /// simulated heads with three simulated raters, in DIR/dataset.
    #[arg(long)]
    quick: bool,
    /// The methods, separated by commas, in the order of the tables.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = METHODS)]
    methods: Vec<Method>,
    /// A model to take instead of training its method; may be given for each method.
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    /// How methods are trained: the paper's settings, ours, or small networks for two cores.
    #[arg(long, value_enum, default_value_t = Size::Compact, conflicts_with = "quick")]
    profile: Size,
    /// Passes over the training cases [default: as the profile has it, with --quick 16].
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Hold every Nth case aside for the test, in order of the size of its bleed [default: 5, with
    /// --quick 2].
    #[arg(long, value_name = "N")]
    test_every: Option<NonZeroUsize>,
    /// Case ids for the test, separated by commas, instead of every Nth: those that a model given with
    /// --model never saw.
    #[arg(long, value_name = "IDS", value_delimiter = ',', conflicts_with = "test_every")]
    test: Vec<String>,
    /// Root of every random choice.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many threads; only times depend on it [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
}

/// Those of Tables 3 and 4.
const METHODS: [Method; 5] =
    [Method::PatchUnet, Method::SliceUnet, Method::Pitchperfect, Method::CnnDs, Method::Cnn];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    /// The closest reading of Arab et al. 2020 and of what it cites.
    Paper,
    /// What we believe works best.
    Recommended,
    /// The same with smaller networks.
    Compact,
}

/// The quick study's heads: enough for a line through the test cases.
const QUICK_CASES: usize = 16;
const QUICK_RATERS: usize = 3;
const QUICK_BLANK: f64 = 0.1;
/// Enough for tiny networks to find large bleeds.
const QUICK_EPOCHS: u32 = 16;
/// Pixels of a row: the tiny presets see no more.
const QUICK_MATRIX: usize = 256;

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    let folder = match &args.dataset {
        Some(folder) => folder.clone(),
        None => simulated(&args.out.join("dataset"), (args.seed, threads), streams)?,
    };
    let dataset = Dataset::open(&folder).map_err(StudyError::from)?;
    let every = if args.quick { 2 } else { 5 };
    let order = Order {
        methods: args.methods.iter().map(|method| method.known()).collect(),
        models: args.model.clone(),
        preset: match (args.quick, args.profile) {
            (true, _) => Preset::Tiny,
            (false, Size::Paper) => Preset::Paper,
            (false, Size::Recommended) => Preset::Recommended,
            (false, Size::Compact) => Preset::Compact,
        },
        epochs: args.epochs.or(args.quick.then_some(QUICK_EPOCHS)),
        seed: args.seed,
        test: args.test.clone(),
        test_every: args.test_every.or(NonZeroUsize::new(every)).unwrap_or(NonZeroUsize::MIN),
        threads,
    };
    let mut display = Display::new(streams);
    let page = study(&dataset, &order, &args.out, &mut |event| display.show(&event))?;
    let notes = display.finish()?;
    writeln!(streams.out, "{}", page.display())?;
    Ok(if notes == 0 { Outcome::Done } else { Outcome::Refused })
}

/// The quick study's own dataset.
fn simulated(
    out: &Path,
    (seed, threads): (u64, NonZeroUsize),
    streams: &Streams<'_>,
) -> Result<PathBuf, StudyError> {
    let order = Simulation {
        cases: QUICK_CASES,
        seed,
        blank: QUICK_BLANK,
        matrix: QUICK_MATRIX,
        anatomy: None,
        followup: false,
        raters: QUICK_RATERS,
        projections: false,
        dicom: false,
        threads,
    };
    let bar = crate::progress_bar(QUICK_CASES as u64, streams.err_is_terminal);
    simulate(&order, out, &mut |progress| bar.set_position(progress.done as u64))?;
    bar.finish_and_clear();
    Ok(out.to_owned())
}

/// What the user sees of a study.
struct Display<'a, 'b> {
    streams: &'a mut Streams<'b>,
    bar: ProgressBar,
    method: Option<Known>,
    notes: usize,
    /// The first failure to print: told at the end, so that a study is not lost with its reader.
    written: io::Result<()>,
}

impl<'a, 'b> Display<'a, 'b> {
    fn new(streams: &'a mut Streams<'b>) -> Self {
        let bar = crate::progress_bar(0, streams.err_is_terminal);
        Self { streams, bar, method: None, notes: 0, written: Ok(()) }
    }

    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Training { method, progress } => self.show_training(*method, *progress),
            Event::Segmenting { method, case } => {
                self.bar.set_message(format!("{} on {case}", method.name()));
            }
            Event::Comparing { case } => self.bar.set_message(format!("comparing masks of {case}")),
            Event::Note(note) => {
                self.notes += 1;
                self.print(&format!("note: {note}"));
            }
        }
    }

    fn show_training(&mut self, method: Known, progress: Progress) {
        if self.method != Some(method) {
            self.method = Some(method);
            self.print(&format!("training {}", method.name()));
        }
        match progress {
            Progress::Step { epoch, step, steps, loss } => self.bar.set_message(format!(
                "{}: epoch {epoch}, step {step} of {steps}, loss {loss:.3}",
                method.name()
            )),
            Progress::Epoch(row) => {
                self.print(&format!("  epoch {:3}  loss {:.4}", row.epoch, row.train_loss));
            }
            _ => {}
        }
    }

    fn print(&mut self, line: &str) {
        let (bar, err) = (self.bar.clone(), &mut self.streams.err);
        let written = bar.suspend(|| writeln!(err, "{line}"));
        if self.written.is_ok() {
            self.written = written;
        }
    }

    /// How many things could not be done.
    fn finish(self) -> io::Result<usize> {
        self.bar.finish_and_clear();
        self.written.map(|()| self.notes)
    }
}
