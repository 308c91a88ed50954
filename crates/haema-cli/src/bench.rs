//! `haema bench`: how fast, how much memory, on this machine.

mod show;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ArgGroup;
use clap::builder::PossibleValuesParser;
use haema_io::fs;
use haema_methods::unet::UNet;
use haema_nn::Door;
use haema_pipeline::bench::{self, BenchReport, Network, Parts, Subject, TrainingStep};
use haema_pipeline::input::{self, Source};

use crate::method::{self, Precision};
use crate::{CliError, Outcome, Streams, print_json};

/// Times the network alone, and the whole way from DICOM files to written results.
///
/// The scan is a simulated head of 32 slices of 512 × 512, written as a DICOM series into the
/// system's folder for temporary files, or INPUT. One run warms up; all runs must agree on the mask.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("alone").multiple(true))]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command, each on its own")]
pub(crate) struct Args {
    /// Scan to time on [default: a simulated head].
    input: Option<PathBuf>,
    /// Which network; of those beside cnn-ds the network alone is timed, with weights that are drawn.
    #[arg(long, value_name = "NAME", default_value = CNN_DS, value_parser = methods())]
    method: String,
    /// Weights that haema train made [default: the model that is built in].
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many threads [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
    /// How often to time; the median is told.
    #[arg(long, value_name = "R", value_parser = crate::threads, default_value = "5")]
    repeat: NonZeroUsize,
    /// How the network keeps its tensors.
    #[arg(long, value_enum, default_value_t = Precision::Fp32)]
    precision: Precision,
    /// Time the network on this grid instead of its own, such as 64,128,128; the whole way keeps its
    /// own.
    #[arg(long, value_name = "Z,Y,X", value_parser = crate::size)]
    size: Option<[usize; 3]>,
    /// Instruction set of the network's kernels: avx512, avx2 or portable [default: the best that this
    /// machine has].
    #[arg(long, value_name = "SET", value_parser = door, requires = "alone")]
    door: Option<Door>,
    /// Leave the whole way out: then the peak of memory is the network's.
    #[arg(long, group = "alone")]
    network_only: bool,
    /// Time a step of training instead: forward with dropout, Dice loss, backward, Adam.
    #[arg(long, group = "alone")]
    train: bool,
    /// Tell the time of each of the network's blocks, and the least that this machine would need; of a
    /// step of training, its parts.
    #[arg(long)]
    layers: bool,
    /// Write the network's input and output, to compare engines.
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    save_tensors: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The method with a model that is built in.
const CNN_DS: &str = "cnn-ds";

fn methods() -> PossibleValuesParser {
    std::iter::once(CNN_DS).chain(UNet::NAMES).into()
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let folder = tempfile::tempdir()?;
    let is_alone = args.network_only || args.train || args.method != CNN_DS;
    let source = match &args.input {
        Some(path) => Source::Path(path.clone()),
        None if is_alone => Source::Sample,
        None => bench::sample_series(&folder.path().join("series"))?,
    };
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    let (subject, parts) = if let Some(subject) = Subject::drawn(&args.method) {
        if args.model.is_some() {
            return Err(CliError::DrawnWeights(args.method.clone()));
        }
        (subject, None)
    } else {
        let model = method::network(None, args.model.as_deref())?;
        let model = model.with_precision(args.precision.into());
        let whole =
            || bench::whole(&source, &folder.path().join("out"), &model, threads, args.repeat);
        let parts = if is_alone { None } else { Some(whole()?) };
        (Subject::of(&model), parts)
    };
    let report = time(args, subject, &source, (threads, parts))?;
    if args.json {
        print_json(streams.out, &report)?;
    } else {
        show::print(streams.out, &report)?;
    }
    Ok(Outcome::Done)
}

/// Times the network or a step of its training.
fn time(
    args: &Args,
    subject: Subject,
    source: &Source,
    (threads, parts): (NonZeroUsize, Option<Parts>),
) -> Result<BenchReport, CliError> {
    let scan = input::read(source, None)?;
    let input = subject.input(&scan.ct, args.size)?;
    drop(scan);
    let door = args.door.unwrap_or_else(Door::best);
    let mut report = BenchReport {
        schema: bench::SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        method: subject.method.clone(),
        model_sha256: subject.params.sha256(),
        precision: args.precision.into(),
        threads: threads.get(),
        repeat: args.repeat.get(),
        size: input.size(),
        network_ms: None,
        step_ms: None,
        total_ms: parts.map(|parts| parts.total.median),
        parts_ms: parts,
        instructions: door.name().to_owned(),
        network_mb: 0.0,
        peak_rss_mb: None,
        layers: None,
        step_parts: None,
    };
    if args.train {
        let machine = (threads, args.precision.into());
        let mut step = TrainingStep::new(subject, input, machine)?.with_door(door);
        report.step_ms = Some(step.time(args.repeat));
        report.network_mb = step.bytes() as f64 / 1e6;
        report.peak_rss_mb = bench::peak_rss_mb();
        report.step_parts = args.layers.then(|| step.parts());
    } else {
        let machine = (threads, args.precision.into());
        let mut network = Network::new(subject, input, machine)?.with_door(door);
        report.network_ms = Some(network.time(args.repeat));
        report.network_mb = network.bytes() as f64 / 1e6;
        report.peak_rss_mb = bench::peak_rss_mb();
        report.layers = args.layers.then(|| network.layers(threads, args.repeat));
        if let Some(path) = &args.save_tensors {
            fs::write_atomic(path, &network.tensors()?)?;
        }
    }
    Ok(report)
}

/// A door of this machine by its name.
fn door(name: &str) -> Result<Door, String> {
    let doors = Door::all();
    doors.iter().copied().find(|door| door.name() == name).ok_or_else(|| {
        let names: Vec<&str> = doors.iter().map(|door| door.name()).collect();
        format!("this machine has {}", names.join(", "))
    })
}
