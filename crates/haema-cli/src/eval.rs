//! `haema eval`: how well a model does on cases with masks.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::dataset::Dataset;
use haema_pipeline::ensemble::Ensemble;
use haema_pipeline::evaluation::Evaluation;
use haema_pipeline::model_file::Trained;
use haema_pipeline::training::{fold_folders, model_in, read_split};

use crate::method::{self, Method};
use crate::{CliError, Outcome, Streams};

/// Scores a method on cases of a dataset: a table of cases, and figures with intervals.
///
/// DIR gets cases.csv (of each case volumes, Dice, distances of surfaces, single bleeds and score, on the
/// scan's own grid), summary.md with figures, strata and operating points, ROC curve and calibration as
/// CSV and SVG, and gallery.html with the worst cases. A case whose two masks are both empty has no
/// Dice. Patients are told apart by the column `patient_id` of participants.tsv, else by cases.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the dataset.
    dataset: PathBuf,
    /// Folder for the tables; made where there is none.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// What to score [default: the method of --model, else cnn-ds].
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// The model file; given several times, the probabilities of all are averaged [default: the one that
    /// comes with haema].
    #[arg(long, value_name = "MODEL")]
    model: Vec<PathBuf>,
    /// Case ids, separated by commas [default: all].
    #[arg(long, value_name = "IDS", value_delimiter = ',', conflicts_with = "held_aside_by")]
    cases: Vec<String>,
    /// Only the cases that a training run held aside; of a run with folds each by the model of the fold
    /// that never saw it.
    #[arg(long, value_name = "RUN")]
    held_aside_by: Option<PathBuf>,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let dataset = Dataset::open(&args.dataset)?;
    let parts = args.parts()?;
    let count =
        |cases: &[String]| if cases.is_empty() { dataset.cases().len() } else { cases.len() };
    let total = parts.iter().map(|(_, cases)| count(cases)).sum::<usize>();
    let bar = crate::progress_bar(total as u64, streams.err_is_terminal);
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    let mut evaluation = Evaluation::default();
    for (models, cases) in &parts {
        let members = models.iter().map(Trained::segmenter).collect();
        let together = Ensemble::new(members).expect("there is a model at least");
        // One model by itself is calibrated, perhaps.
        let method = if let [only] = models.as_slice() { only.segmenter() } else { &together };
        evaluation.add(&dataset, method, cases, threads, &mut |case| {
            bar.set_message(case.row.case.clone());
            bar.inc(1);
        })?;
    }
    bar.finish_and_clear();
    evaluation.write(&args.out)?;
    write!(streams.out, "{}", evaluation.summary_markdown())?;
    Ok(Outcome::Done)
}

/// Models that score cases together; all cases where none is named.
type Part = (Vec<Trained>, Vec<String>);

impl Args {
    /// Models, and the cases that they are scored on.
    fn parts(&self) -> Result<Vec<Part>, CliError> {
        let held_aside = |run: &Path| -> Result<Vec<String>, CliError> {
            Ok(read_split(run)?.ok_or_else(|| CliError::NoRun(run.to_owned()))?.held_aside)
        };
        let models = || method::all_trained(self.method, &self.model);
        let Some(run) = &self.held_aside_by else {
            return Ok(vec![(models()?, self.cases.clone())]);
        };
        let folds = fold_folders(run);
        if folds.is_empty() {
            return Ok(vec![(models()?, held_aside(run)?)]);
        }
        if !self.model.is_empty() {
            return Err(CliError::ModelOfFolds(run.clone()));
        }
        let part = |fold: &PathBuf| {
            let weights = model_in(fold);
            Ok((vec![method::trained(self.method, Some(&weights))?], held_aside(fold)?))
        };
        folds.iter().map(part).collect()
    }
}
