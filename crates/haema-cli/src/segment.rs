//! `haema segment`: scans in, masks and reports out.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use haema_methods::MaskRule;
use haema_nn::{Engine, EngineError};
use haema_pipeline::ensemble::Ensemble;
use haema_pipeline::input::{self, Source};
use haema_pipeline::model_file::Trained;
use haema_pipeline::report::Report;
use haema_pipeline::segment::{self, CaseError, Event, Options, SUMMARY_FILE, Tally};
use haema_pipeline::segmenter::{OnEngine, Segmenter};
use indicatif::ProgressBar;
use serde_json::json;

use crate::device::{Device, OpenGpu};
use crate::method::{self, Method, Precision};
use crate::{CliError, Outcome, Streams, print_json};

/// Finds the bleed on each scan: mask, volume, report.
///
/// Each scan gets a folder in DIR, named after its file; a DICOM series gets a pseudonym. It holds
/// mask.nii.gz and mask.seg.nrrd on the scan's own grid, report.json and report.html. DIR/summary.csv
/// has a row for each scan; DIR/worklist.csv and worklist.html say in which order to look at them. What
/// is done already is passed over.
///
/// Exit code 0: all done; 1: some inputs were refused or failed, the summary says why; 2: nothing
/// could be done.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command, each on its own")]
pub(crate) struct Args {
    /// DICOM folder, zip or file, NIfTI, NRRD or MetaImage file; of a folder with such image files,
    /// each is a scan.
    #[arg(value_name = "INPUT", required_unless_present = "sample")]
    inputs: Vec<PathBuf>,
    /// Folder for the results; made where there is none.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Segment the built-in sample head: haema's own simulation, no patient.
    #[arg(long)]
    sample: bool,
    /// How to segment [default: the method of --model, else cnn-ds].
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// Weights that haema train made; given several times, the probabilities of all are averaged
    /// [default: the model that is built in].
    #[arg(long, value_name = "FILE")]
    model: Vec<PathBuf>,
    /// How the network keeps its tensors.
    #[arg(long, value_enum, default_value_t = Precision::Fp32)]
    precision: Precision,
    /// Above this probability a voxel belongs to the bleed; of two, such as 0.25,0.8, the second is one
    /// that each part must pass somewhere [default: the model's own].
    #[arg(long, value_name = "P[,SEED]")]
    threshold: Option<MaskRule>,
    /// The DICOM series to take, by its Series Instance UID or the short name that haema info gives
    /// [default: haema chooses and says why].
    #[arg(long, value_name = "UID")]
    series_uid: Option<String>,
    /// What the network runs on.
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    device: Device,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
    /// Write probability.nii.gz too: each voxel's probability of being bleed, 0 to 1.
    #[arg(long)]
    save_probability: bool,
    /// Write the inputs' paths into summary.csv; a path may name a person.
    #[arg(long)]
    save_paths: bool,
    /// Do again what is done already.
    #[arg(long)]
    force: bool,
    /// Print one JSON document a line for each input: its report, or why there is none.
    #[arg(long)]
    json: bool,
}

/// Networks on other hardware than the CPU.
fn on_engine<'a>(
    engine: &'a dyn Engine,
    models: &'a [Trained],
) -> Result<Vec<OnEngine<'a>>, CliError> {
    let on_it = |model: &'a Trained| match model {
        Trained::Network(model) => Ok(OnEngine { model, engine }),
        Trained::Pitchperfect(_) => Err(CliError::NotANetwork(model.method().name())),
    };
    models.iter().map(on_it).collect()
}

pub(crate) fn run(
    args: &Args,
    gpu: Option<&OpenGpu>,
    streams: &mut Streams<'_>,
) -> Result<Outcome, CliError> {
    let engine = args.device.open(gpu)?;
    if let Some(engine) = engine.as_deref().filter(|_| args.precision == Precision::Bf16) {
        let device = engine.device().unwrap_or("this device").to_owned();
        return Err(EngineError::Missing { what: "--precision bf16".to_owned(), device }.into());
    }
    let models = method::all_trained(args.method, &args.model)?
        .into_iter()
        .map(|model| method::in_precision(model, args.precision))
        .collect::<Result<Vec<_>, _>>()?;
    let on_engine = engine.as_deref().map(|engine| on_engine(engine, &models)).transpose()?;
    let members: Vec<&dyn Segmenter> = match &on_engine {
        Some(models) => models.iter().map(|model| model as &dyn Segmenter).collect(),
        None => models.iter().map(Trained::segmenter).collect(),
    };
    // One model by itself is calibrated, perhaps.
    let first = members[0];
    let is_one = members.len() == 1;
    let together = Ensemble::new(members).expect("there is a model at least");
    let segmenter = if is_one { first } else { &together };
    let sample = args.sample.then_some(Source::Sample);
    let sources: Vec<Source> = sample.into_iter().chain(input::sources(&args.inputs)).collect();
    let options = Options {
        mask_rule: args.threshold,
        threads: args.threads.unwrap_or_else(crate::all_cores),
        save_probability: args.save_probability,
        series: args.series_uid.clone(),
        force: args.force,
        save_paths: args.save_paths,
        error_table: method::error_table(&args.model)?,
    };
    let mut display = Display::new(args, sources.len(), streams);
    let tally = segment::run(&sources, &args.out, segmenter, &options, &mut |event| {
        display.show(event);
    })?;
    display.finish(tally)?;
    Ok(if tally.failed == 0 { Outcome::Done } else { Outcome::Refused })
}

/// What the user sees of a run.
struct Display<'a, 'b> {
    args: &'a Args,
    count: usize,
    streams: &'a mut Streams<'b>,
    bar: ProgressBar,
    /// The first failure to print: told at the end, so that a run is not lost with its reader.
    written: io::Result<()>,
}

impl<'a, 'b> Display<'a, 'b> {
    fn new(args: &'a Args, count: usize, streams: &'a mut Streams<'b>) -> Self {
        let bar = crate::progress_bar(count as u64, streams.err_is_terminal);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { args, count, streams, bar, written: Ok(()) }
    }

    fn show(&mut self, event: &Event<'_>) {
        let bar = self.bar.clone();
        match event {
            Event::Started { source, .. } => bar.set_message(source.to_string()),
            _ => bar.inc(1),
        }
        let written = bar.suspend(|| self.print(event));
        if self.written.is_ok() {
            self.written = written;
        }
    }

    fn print(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Started { .. } => Ok(()),
            Event::Done { report, .. } => {
                self.print_report(report)?;
                self.print_warnings(report)
            }
            Event::Skipped { report, .. } => self.print_report(report),
            Event::Failed { number, source, cause } => self.print_failure(*number, source, cause),
        }
    }

    fn print_report(&mut self, report: &Report) -> io::Result<()> {
        if self.args.json {
            return print_json(self.streams.out, report);
        }
        let verdict = if report.hemorrhage.present {
            format!("{} mL", haema_measure::format_ml(report.volume_ml))
        } else {
            "no bleed".to_owned()
        };
        let page = self.args.out.join(&report.case_id).join("report.html");
        writeln!(self.streams.out, "{}\t{verdict}\t{}", report.case_id, page.display())
    }

    fn print_warnings(&mut self, report: &Report) -> io::Result<()> {
        for warning in &report.input.warnings {
            writeln!(self.streams.err, "warning: {}: {warning}", report.case_id)?;
        }
        Ok(())
    }

    fn print_failure(
        &mut self,
        number: usize,
        source: &Source,
        cause: &CaseError,
    ) -> io::Result<()> {
        let reason = cause.reason();
        if self.args.json {
            let failure = json!({
                "schema": "haema.failure/1", "input": number, "error": reason, "hint": cause.hint(),
            });
            print_json(self.streams.out, &failure)?;
        }
        // The path last: it may be long, and it may name a person.
        writeln!(self.streams.err, "error: {reason}: {source}")?;
        match cause.hint() {
            Some(hint) => writeln!(self.streams.err, "hint: {hint}"),
            None => Ok(()),
        }
    }

    fn finish(self, tally: Tally) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        if self.count > 1 {
            let Tally { done, skipped, failed } = tally;
            let summary = self.args.out.join(SUMMARY_FILE);
            writeln!(
                self.streams.err,
                "{done} done, {skipped} done before, {failed} failed: see {}",
                summary.display()
            )?;
        }
        Ok(self.written?)
    }
}
