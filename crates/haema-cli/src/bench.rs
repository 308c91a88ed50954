//! `haema bench`: how fast, how much memory, on this machine.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use haema_io::fs;
use haema_methods::cnn_ds::Model;
use haema_nn::Door;
use haema_pipeline::bench::{self, BenchReport, LayerTime, Layers, Network, Parts, Spread};
use haema_pipeline::input::{self, Source};

use crate::method::{self, Method, Precision};
use crate::{CliError, Outcome, Streams, print_json};

/// Times the network alone, and the whole way from DICOM files to written results.
///
/// The scan is a simulated head of 32 slices of 512 × 512, written as a DICOM series into the
/// system's folder for temporary files, or INPUT. One run warms up; all runs must agree on the mask.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scan to time on [default: a simulated head].
    input: Option<PathBuf>,
    /// Which network [default: that of --model, else cnn-ds].
    #[arg(long, value_enum)]
    method: Option<Method>,
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
    #[arg(long, value_name = "SET", value_parser = door, requires = "network_only")]
    door: Option<Door>,
    /// Leave the whole way out: then the peak of memory is the network's.
    #[arg(long)]
    network_only: bool,
    /// Tell the time of each of the network's blocks, and the least that this machine would need.
    #[arg(long)]
    layers: bool,
    /// Write the network's input and output, to compare engines.
    #[arg(long, value_name = "FILE")]
    save_tensors: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let model = method::network(args.method, args.model.as_deref())?;
    let model = model.with_precision(args.precision.into());
    let door = args.door.unwrap_or_else(Door::best);
    let threads = args.threads.unwrap_or_else(crate::all_cores);
    let folder = tempfile::tempdir()?;
    let source = match &args.input {
        Some(path) => Source::Path(path.clone()),
        None if args.network_only => Source::Sample,
        None => bench::sample_series(&folder.path().join("series"))?,
    };
    let parts = if args.network_only {
        None
    } else {
        let out = folder.path().join("out");
        Some(bench::whole(&source, &out, &model, threads, args.repeat)?)
    };
    let mut network = network(&model, &source, args.size, threads)?.with_door(door);
    let network_ms = network.time(args.repeat);
    let report = BenchReport {
        schema: bench::SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        method: model.method().name().to_owned(),
        model_sha256: model.sha256().to_owned(),
        precision: model.precision(),
        threads: threads.get(),
        repeat: args.repeat.get(),
        size: network.size(),
        network_ms,
        total_ms: parts.map(|parts| parts.total.median),
        parts_ms: parts,
        instructions: door.name().to_owned(),
        network_mb: network.bytes() as f64 / 1e6,
        peak_rss_mb: bench::peak_rss_mb(),
        layers: args.layers.then(|| network.layers(threads, args.repeat)),
    };
    if let Some(path) = &args.save_tensors {
        fs::write_atomic(path, &network.tensors()?)?;
    }
    if args.json {
        print_json(streams.out, &report)?;
    } else {
        print(streams.out, &report)?;
    }
    Ok(Outcome::Done)
}

fn network(
    model: &Model,
    source: &Source,
    size: Option<[usize; 3]>,
    threads: NonZeroUsize,
) -> Result<Network, CliError> {
    let scan = input::read(source, None)?;
    let input = bench::network_input(model, &scan.ct, size)?;
    drop(scan);
    Ok(Network::new(model, input, threads)?)
}

fn print(out: &mut dyn Write, report: &BenchReport) -> io::Result<()> {
    let BenchReport { version, method, precision, threads, repeat, instructions, .. } = report;
    let precision = precision.name();
    let plural = if *threads == 1 { "" } else { "s" };
    let [z, y, x] = report.size;
    writeln!(
        out,
        "haema {version}, {method}, {precision}, {instructions}, {threads} thread{plural}; median, and range, of \
         {repeat}\n"
    )?;
    print_line(out, &format!("network, one pass of {z} × {y} × {x}"), report.network_ms)?;
    if let Some(parts) = &report.parts_ms {
        writeln!(out)?;
        print_parts(out, parts)?;
    }
    writeln!(out, "\n{:<40}{:>8.0} MB", "held by the network", report.network_mb)?;
    match report.peak_rss_mb {
        Some(peak) => writeln!(out, "{:<40}{peak:>8.0} MB", "peak memory")?,
        None => writeln!(out, "{:<40}   not told by this system", "peak memory")?,
    }
    report.layers.as_ref().map_or(Ok(()), |layers| print_layers(out, layers))
}

fn print_parts(out: &mut dyn Write, parts: &Parts) -> io::Result<()> {
    for (name, spread) in [
        ("read: find, parse, decode, rescale", parts.read),
        ("preprocess: to the network's grid", parts.preprocess),
        ("network: every pass that the method makes", parts.network),
        ("restore: to the scan's own grid", parts.restore),
        ("measure: threshold, parts, volumes", parts.measure),
        ("write: masks, page, report", parts.write),
        ("the whole way", parts.total),
    ] {
        print_line(out, name, spread)?;
    }
    Ok(())
}

/// A table that can go into a page as it is.
fn print_layers(out: &mut dyn Write, layers: &Layers) -> io::Result<()> {
    writeln!(
        out,
        "\nat best {:.0} GFLOP/s in registers, {:.1} GB/s from memory to memory\n\n\
         | block | ms | floor, ms | of its floor | GFLOP | in products | MB |\n\
         |---|--:|--:|--:|--:|--:|--:|",
        layers.peak_gflop_per_s, layers.peak_gigabytes_per_s
    )?;
    let mut row = |name: &str, ms: f64, floor_ms: f64, [gflop, products, megabytes]: [f64; 3]| {
        let ratio =
            if floor_ms > 0.0 { format!("{:.1} ×", ms / floor_ms) } else { "–".to_owned() };
        writeln!(
            out,
            "| {name} | {ms:.1} | {floor_ms:.1} | {ratio} | {gflop:.2} | {products:.2} | \
             {megabytes:.1} |"
        )
    };
    for block in &layers.blocks {
        let work = [block.gflop, block.product_gflop, block.megabytes];
        row(&block.name, block.ms, block.floor_ms, work)?;
    }
    let sum = |of: fn(&LayerTime) -> f64| layers.blocks.iter().map(of).sum::<f64>();
    let work = [sum(|block| block.gflop), sum(|b| b.product_gflop), sum(|b| b.megabytes)];
    row("**all**", sum(|block| block.ms), sum(|block| block.floor_ms), work)
}

fn print_line(out: &mut dyn Write, name: &str, spread: Spread) -> io::Result<()> {
    let Spread { median, min, max } = spread;
    writeln!(out, "{name:<40}{median:>8.1} ms   ({min:.1} to {max:.1})")
}

/// A door of this machine by its name.
fn door(name: &str) -> Result<Door, String> {
    let doors = Door::all();
    doors.iter().copied().find(|door| door.name() == name).ok_or_else(|| {
        let names: Vec<&str> = doors.iter().map(|door| door.name()).collect();
        format!("this machine has {}", names.join(", "))
    })
}
