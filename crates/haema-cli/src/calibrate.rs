//! `haema calibrate`: what a model's probabilities mean, kept in its file.

use std::path::PathBuf;

use haema_methods::MaskRule;
use haema_pipeline::calibration::calibrate;

use crate::{CliError, Outcome, Streams};

/// Teaches a model what its probabilities mean: the chance of a bleed, and the mask.
///
/// The cases must be ones that the model did not learn from: best the cases.csv of `haema eval
/// --held-aside-by RUN` of a run with folds, of the same settings. Two or three numbers are fitted and kept
/// in the model file; the weights stay. `haema segment` then tells the chance beside the score. The
/// summary.md of the same `haema eval` names the best rule for the mask.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").args(["cases", "mask_rule"]).required(true).multiple(true)))]
pub(crate) struct Args {
    /// The model file.
    model: PathBuf,
    /// The cases.csv of `haema eval`, to fit the chance on.
    #[arg(long, value_name = "CSV")]
    cases: Option<PathBuf>,
    /// Above this probability a voxel belongs to the bleed; of two, such as 0.25,0.8, the second is one
    /// that each part must pass somewhere.
    #[arg(long, value_name = "P[,SEED]")]
    mask_rule: Option<MaskRule>,
    /// The model file to write; it may be the same.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let found = calibrate(&args.model, args.cases.as_deref(), args.mask_rule, &args.out)?;
    if let Some(found) = found {
        let left_out = found.left_out;
        writeln!(
            streams.err,
            "log odds = {:.3} + {:.3} · log odds of the score + {:.3} · ln(soft volume + 0.1 mL), on {} cases, {} \
             with a bleed\n\
             on patients left out: expected calibration error {:.3} (perfect chances would show {:.3} with so \
             many cases), Brier score {:.3}, log loss {:.3}",
            found.intercept,
            found.slope_score,
            found.slope_soft_volume,
            found.cases,
            found.with_bleed,
            left_out.expected_error,
            left_out.expected_error_if_perfect,
            left_out.brier,
            left_out.log_loss,
        )?;
    }
    writeln!(streams.out, "{}", args.out.display())?;
    Ok(Outcome::Done)
}
