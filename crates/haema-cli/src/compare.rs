//! `haema compare`: two scans of a patient in, growth and its certainty out.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use haema_pipeline::compare::{self, Comparison, Options};
use haema_pipeline::input::Source;

use crate::method::{self, Method};
use crate::{CliError, Outcome, Streams, print_json};

/// Tells whether a bleed has grown between two scans of one patient.
///
/// The scans are laid on each other by their bone; scans of two heads, or with the names of two
/// patients in their headers, are refused. The time between them is that of the headers. DIR gets
/// compare.html, compare.json, and the map of change on the baseline's grid: change.nii.gz (+1 gained,
/// −1 lost) and change.seg.nrrd.
///
/// Exit code 0: compared; 2: could not be compared, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The first scan: DICOM folder, zip or file, NIfTI, NRRD or `MetaImage` file.
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// The second scan.
    #[arg(value_name = "FOLLOWUP")]
    followup: PathBuf,
    /// Folder for the results; made where there is none.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Hours from the first scan to the second, for the growth per hour [default: by the headers].
    #[arg(long, value_name = "H", value_parser = hours)]
    hours: Option<f64>,
    /// A mask of the first scan, on its grid, to take instead of haema's: NIfTI, or .seg.nrrd.
    #[arg(long, value_name = "FILE", requires = "followup_mask")]
    baseline_mask: Option<PathBuf>,
    /// A mask of the second scan.
    #[arg(long, value_name = "FILE", requires = "baseline_mask")]
    followup_mask: Option<PathBuf>,
    /// Go on where the headers name two patients: after de-identification they may.
    #[arg(long)]
    any_patient: bool,
    /// How to segment [default: the method of --model, else cnn-ds].
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// Weights that haema train made [default: the model that is built in].
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
    /// Print compare.json on one line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let model = method::trained(args.method, args.model.as_deref())?;
    let options = Options {
        mask_rule: None,
        threads: args.threads.unwrap_or_else(crate::all_cores),
        masks: [args.baseline_mask.clone(), args.followup_mask.clone()],
        hours: args.hours,
        any_patient: args.any_patient,
    };
    let scans = [&args.baseline, &args.followup].map(|path| Source::Path(path.clone()));
    let found = compare::run([&scans[0], &scans[1]], &args.out, model.segmenter(), &options)?;
    for warning in &found.warnings {
        writeln!(streams.err, "warning: {warning}")?;
    }
    if args.json {
        print_json(streams.out, &found)?;
    } else {
        print(args, &found, streams)?;
    }
    Ok(Outcome::Done)
}

fn print(args: &Args, found: &Comparison, streams: &mut Streams<'_>) -> std::io::Result<()> {
    let growth = &found.growth;
    let page = args.out.join("compare.html");
    writeln!(
        streams.out,
        "{:.2} mL\t{:.2} mL\t{:+.2} mL\tsmallest real change {} mL\tP(growth of 6 mL) {:.2}\t{}",
        growth.baseline.volume_ml,
        growth.followup.volume_ml,
        growth.change_ml,
        haema_measure::format_about_ml(growth.smallest_real_change_ml),
        growth.probability_of_6_ml,
        page.display(),
    )
}

fn hours(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(hours) if hours > 0.0 && hours < 1e6 => Ok(hours),
        _ => Err(format!("{text:?}: wanted hours from the first scan to the second, more than 0")),
    }
}
