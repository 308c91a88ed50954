//! `haema eval`: how well a model does on cases with masks.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::dataset::Dataset;
use haema_pipeline::evaluation::{evaluate, summary_markdown, write_tables};
use haema_pipeline::model_file::Trained;
use haema_pipeline::training::{fold_folders, model_in, read_split};

use crate::method::{self, Method};
use crate::{CliError, Outcome, Streams};

/// Scores a method on cases of a dataset: a table of cases, and figures with intervals.
///
/// DIR gets cases.csv (volumes, score, Dice, precision, recall of each case on the scan's own grid)
/// and summary.md. A case whose two masks are both empty has no Dice.
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
    /// The model file [default: the one that comes with haema].
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
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
    let mut scores = Vec::new();
    for (model, cases) in &parts {
        scores.extend(evaluate(&dataset, model.segmenter(), cases, threads, &mut |score| {
            bar.set_message(score.id.clone());
            bar.inc(1);
        })?);
    }
    bar.finish_and_clear();
    scores.sort_by(|a, b| a.id.cmp(&b.id));
    write_tables(&scores, &args.out)?;
    write!(streams.out, "{}", summary_markdown(&scores))?;
    Ok(Outcome::Done)
}

impl Args {
    /// Models, and the cases that each is scored on; all where none is named.
    fn parts(&self) -> Result<Vec<(Trained, Vec<String>)>, CliError> {
        let held_aside = |run: &Path| -> Result<Vec<String>, CliError> {
            Ok(read_split(run)?.ok_or_else(|| CliError::NoRun(run.to_owned()))?.held_aside)
        };
        let model = || method::trained(self.method, self.model.as_deref());
        let Some(run) = &self.held_aside_by else {
            return Ok(vec![(model()?, self.cases.clone())]);
        };
        let folds = fold_folders(run);
        if folds.is_empty() {
            return Ok(vec![(model()?, held_aside(run)?)]);
        }
        if self.model.is_some() {
            return Err(CliError::ModelOfFolds(run.clone()));
        }
        let part = |fold: &PathBuf| {
            let weights = model_in(fold);
            Ok((method::trained(self.method, Some(&weights))?, held_aside(fold)?))
        };
        folds.iter().map(part).collect()
    }
}
