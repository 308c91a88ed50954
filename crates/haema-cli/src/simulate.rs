//! `haema simulate`: heads that nobody has, with bleeds of known volume.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use haema_pipeline::simulation::{CaseRecord, Order, Progress, simulate};

use crate::{CliError, Outcome, Streams};

/// Makes head CT with bleeds of exactly known volume, as a dataset.
///
/// DIR gets the layout that `haema train` reads: imagesTr/ and labelsTr/ as NIfTI, participants.tsv
/// and dataset.json; beside them subtypes/ (1 intraventricular, 2 intraparenchymal, 3 subarachnoid, 4
/// epidural, 5 subdural) and truth.csv, which has the exact mL of every bleed. A run that was stopped
/// goes on with the cases that it lacks. The same settings and seed give the same files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the dataset: empty, new, or the same simulation begun earlier.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Number of patients.
    #[arg(long, value_name = "N")]
    cases: usize,
    /// Root of every random choice.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Folder of label maps with FreeSurfer's labels, as SynthSeg's, one head each [default: heads
    /// that haema makes itself].
    #[arg(long, value_name = "DIR")]
    anatomy: Option<PathBuf>,
    /// Share of patients without a bleed.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    blank: f64,
    /// Scan every patient twice, with bleeds that have grown, shrunk, gone or come: cases <id>-t0 and
    /// <id>-t1, truth in pairs.tsv.
    #[arg(long)]
    followup: bool,
    /// Scan by projections: a polychromatic fan beam, water correction, filtered back projection. Some ten
    /// times slower; beam hardening and noise then come from physics.
    #[arg(long)]
    projections: bool,
    /// Rows and columns of each slice. 256 shows half the detail and takes a third of the time.
    #[arg(long, value_name = "N", default_value_t = 512)]
    matrix: usize,
    /// Let N simulated raters draw each bleed, as different people would: ratersTr/simulated-<n>/. The
    /// first three differ from each other as the experts of Arab et al. 2020 did.
    #[arg(long, value_name = "N", default_value_t = 0)]
    raters: usize,
    /// Write each scan as a DICOM series too: dicom/<case>/.
    #[arg(long)]
    dicom: bool,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let order = Order {
        cases: args.cases,
        seed: args.seed,
        blank: args.blank,
        anatomy: args.anatomy.clone(),
        followup: args.followup,
        raters: args.raters,
        projections: args.projections,
        matrix: args.matrix,
        dicom: args.dicom,
        threads: args.threads.unwrap_or_else(crate::all_cores),
    };
    let bar = crate::progress_bar(args.cases as u64, streams.err_is_terminal);
    let mut written = Ok(());
    simulate(&order, &args.out, &mut |progress: Progress<'_>| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.record.case_id.clone());
        let printed = bar.suspend(|| print(progress.record, streams.out));
        if written.is_ok() {
            written = printed;
        }
    })?;
    bar.finish_and_clear();
    written?;
    Ok(Outcome::Done)
}

fn print(record: &CaseRecord, out: &mut dyn io::Write) -> io::Result<()> {
    let bleeds: Vec<String> = record
        .lesions
        .iter()
        .map(|lesion| format!("{} {:.2} mL", lesion.site, lesion.volume_ml))
        .collect();
    let bleeds = if bleeds.is_empty() { "no bleed".to_owned() } else { bleeds.join(", ") };
    writeln!(out, "{}\t{} slices\t{bleeds}", record.case_id, record.size[0])
}
