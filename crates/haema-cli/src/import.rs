//! `haema import`: data sets and weights of others into the forms that haema has.

use std::path::PathBuf;

use haema_io::ct_ich::{self, ImportOptions, Progress};
use haema_io::fs;
use haema_methods::cnn_ds::model_from_keras;

use crate::{CliError, Outcome, Streams};

/// Brings a public data set into the raw layout of nnU-Net, or weights of others into a model.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    CtIch(CtIch),
    Weights(Weights),
}

/// Weights of the paper's Keras code family (isensee2017 of ellisdg/3DUnetCNN), as safetensors.
///
/// Tensors are named `conv3d_N/kernel` [kz, ky, kx, in, out], `conv3d_N/bias`,
/// `instance_normalization_N/gamma` and `beta`, numbered in the order of the layers, with axes as haema
/// has them: z towards the head, y towards the back, x towards the left. Depth, width and kernels are
/// seen from the tensors; the rest, and the preprocessing, is the paper's. An HDF5 file must be
/// converted first.
#[derive(Debug, clap::Args)]
struct Weights {
    /// The safetensors file.
    file: PathBuf,
    /// Model file to write, for --model of other commands.
    #[arg(short, long, value_name = "MODEL")]
    out: PathBuf,
}

/// Larger than any network of that code family: depth 6, base 32 has 530 MB.
const LARGEST_WEIGHTS: u64 = 1 << 30;

/// CT-ICH 1.0.0 as released: JPEG windows of 82 trauma patients, with masks and diagnoses.
///
/// The windows become Hounsfield units, each patient a scan `ctich-NNN` with its mask; diagnoses go
/// to participants.tsv. Data: M. Hssayeni, doi:10.13026/w8q8-ky94, CC BY 4.0.
#[derive(Debug, clap::Args)]
struct CtIch {
    /// Folder of the release: it holds the folder of patients and the table of diagnoses.
    source: PathBuf,
    /// Folder of the data set to write: empty, new, or an earlier import.
    dest: PathBuf,
    /// Pixel size of the original 512 × 512 slices, mm; the release does not tell it, the scans had
    /// 0.31 to 0.49.
    #[arg(long, value_name = "MM", default_value_t = 0.42)]
    spacing_mm: f64,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    match &args.what {
        What::CtIch(args) => run_ct_ich(args, streams),
        What::Weights(args) => run_weights(args, streams),
    }
}

fn run_weights(args: &Weights, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let bytes = fs::read(&args.file, LARGEST_WEIGHTS)?;
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    fs::write_atomic(&args.out, &model_from_keras(&bytes, &name)?)?;
    writeln!(streams.out, "{}", args.out.display())?;
    Ok(Outcome::Done)
}

fn run_ct_ich(args: &CtIch, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let options = ImportOptions { spacing_mm: args.spacing_mm, threads: crate::all_cores() };
    let bar = crate::progress_bar(0, streams.err_is_terminal);
    let summary = ct_ich::import(&args.source, &args.dest, &options, &|progress: Progress<'_>| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.case_id.to_owned());
    })?;
    bar.finish_and_clear();
    for case in &summary.cases {
        writeln!(
            streams.out,
            "{}\t{} slices\t{:.2} mL",
            case.case_id, case.slice_count, case.nominal_bleed_ml
        )?;
        for warning in &case.warnings {
            writeln!(streams.err, "warning: {}: {warning}", case.case_id)?;
        }
    }
    for failure in &summary.failures {
        writeln!(streams.err, "error: {}: {}", failure.case_id, failure.cause)?;
    }
    Ok(if summary.failures.is_empty() { Outcome::Done } else { Outcome::Refused })
}
