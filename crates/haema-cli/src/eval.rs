//! `haema eval`: how well a model does on cases with masks.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use haema_io::dataset::Dataset;
use haema_methods::cnn_ds::Model;
use haema_pipeline::evaluation::{evaluate, summary_markdown, write_tables};
use haema_pipeline::model_file::read_model;
use haema_pipeline::training::read_split;

use crate::{CliError, Outcome, Streams};

/// Scores a model on cases of a dataset: a table of cases, and figures with intervals.
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
    /// The model file [default: the one that comes with haema].
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Case ids, separated by commas [default: all].
    #[arg(long, value_name = "IDS", value_delimiter = ',', conflicts_with = "held_aside_by")]
    cases: Vec<String>,
    /// Only the cases that a training run held aside.
    #[arg(long, value_name = "RUN")]
    held_aside_by: Option<PathBuf>,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let dataset = Dataset::open(&args.dataset)?;
    let model = match &args.model {
        Some(path) => read_model(path)?,
        None => Model::built_in(),
    };
    let cases = match &args.held_aside_by {
        Some(run) => read_split(run)?.ok_or_else(|| CliError::NoRun(run.clone()))?.held_aside,
        None => args.cases.clone(),
    };
    let count = if cases.is_empty() { dataset.cases().len() } else { cases.len() };
    let bar = crate::progress_bar(count as u64, streams.err_is_terminal);
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    let scores = evaluate(&dataset, &model, &cases, threads, &mut |score| {
        bar.set_message(score.id.clone());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    write_tables(&scores, &args.out)?;
    write!(streams.out, "{}", summary_markdown(&scores))?;
    Ok(Outcome::Done)
}
