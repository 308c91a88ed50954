//! `haema tabulate-errors`: from the cases of `haema eval` to the table that volume intervals come from.

use std::path::PathBuf;

use haema_pipeline::intervals::ErrorTable;

use crate::method;
use crate::{CliError, Outcome, Streams};

/// Makes the table of a model's errors, from which `haema segment` gives each volume its interval.
///
/// The cases must be ones that the model has not seen, such as those that `haema eval --held-aside-by`
/// scores. Prints how often the interval of each case, made from all others, holds the truth.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// cases.csv of haema eval.
    #[arg(value_name = "CASES.CSV")]
    cases: PathBuf,
    /// The table: beside a model.safetensors it is model.volume-errors.json.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// The model that the table speaks of [default: the one that comes with haema].
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where the cases come from, for people.
    #[arg(long, value_name = "TEXT", default_value = "held-aside cases of haema eval")]
    source: String,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let model = method::trained(None, args.model.as_deref())?;
    let table =
        ErrorTable::from_cases_csv(&args.cases, model.segmenter().model_sha256(), &args.source)?;
    table.write(&args.out)?;
    writeln!(streams.out, "cases\tscans\theld\tshare\tmedian width, mL")?;
    for coverage in table.leave_one_out() {
        let share = coverage.held as f64 / coverage.scans as f64;
        writeln!(
            streams.out,
            "{}\t{}\t{}\t{share:.3}\t{:.1}",
            coverage.of, coverage.scans, coverage.held, coverage.median_width_ml
        )?;
    }
    Ok(Outcome::Done)
}
