//! Times a whole `segment` of a 512 × 512 × 32 DICOM series, part by part, and its peak memory.
//!
//! `cargo run --release -p haema-pipeline --example bench_segment`
//!
//! The series is the built-in sample head, written to a temporary folder by a process of its own, so
//! that the peak is that of segmenting alone. Five runs; the median of each part is printed.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_methods::cnn_ds::Model;
use haema_pipeline::input::Source;
use haema_pipeline::segment::{self, Event, Options};

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(folder) = std::env::args_os().nth(1) {
        let head = haema_sim::builtin_head(1);
        write_series(Path::new(&folder), &head.ct, &SeriesOptions::default())?;
        return Ok(());
    }
    let top = tempfile::tempdir()?;
    let series = top.path().join("series");
    let written = Command::new(std::env::current_exe()?).arg(&series).status()?;
    assert!(written.success(), "the series was not written");
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let parts = ["read", "preprocess", "network", "restore", "measure", "write", "total"];
    let mut times_ms: Vec<Vec<f64>> = vec![Vec::new(); parts.len()];
    let model = Model::built_in();
    for run in 0..RUNS {
        let timing = segment_once(&series, &top.path().join(run.to_string()), &model, threads)?;
        for (times, part) in times_ms.iter_mut().zip(parts) {
            times.push(timing[part].as_f64().ok_or("the report has every part")?);
        }
    }
    println!("512 x 512 x 32 DICOM series, {threads} threads, median of {RUNS}");
    for (mut times, part) in times_ms.into_iter().zip(parts) {
        times.sort_by(f64::total_cmp);
        println!("{part:12} {:8.1} ms", times[RUNS / 2]);
    }
    // Linux tells the peak of a process; elsewhere the line is missing.
    let status = haema_io::fs::read_to_string(Path::new("/proc/self/status"), 1 << 16);
    if let Some(line) = status.iter().flat_map(|text| text.lines()).find(|l| l.starts_with("VmHWM"))
    {
        println!("peak memory  {}", line.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}

/// The times of one run, as its report has them.
fn segment_once(
    series: &Path,
    out: &Path,
    model: &Model,
    threads: NonZeroUsize,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let options = Options {
        threshold: None,
        threads,
        save_probability: false,
        series: None,
        force: true,
        save_paths: false,
    };
    let mut timing = serde_json::Value::Null;
    let sources = [Source::Path(series.to_owned())];
    segment::run(&sources, out, model, &options, &mut |event| {
        if let Event::Done { report, .. } = event {
            timing = serde_json::to_value(report.timing_ms).unwrap_or_default();
        }
    })?;
    Ok(timing)
}
