//! The whole of `haema segment` on a routine head, part by part: `cargo bench -p haema-cli`.
//!
//! The built-in head is written as a DICOM series of 32 slices of 512 × 512 and segmented by the real
//! program, once to warm up and then several times. Runs must agree on the mask to the bit, else
//! nothing is timed.

#![expect(clippy::print_stdout, reason = "prints a table")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_sim::builtin_head;
use serde_json::Value;

const RUNS: usize = 5;
const PARTS: [&str; 7] = ["read", "preprocess", "network", "restore", "measure", "write", "total"];

fn main() {
    let top = tempfile::tempdir().unwrap();
    let series = top.path().join("series");
    write_series(&series, &builtin_head(0).ct, &SeriesOptions::default()).unwrap();
    let (first, _) = segment(top.path());
    let runs: Vec<(Value, u64)> = (0..RUNS).map(|_| segment(top.path())).collect();
    for (report, _) in &runs {
        let mask = "/receipt/mask_sha256";
        assert_eq!(report.pointer(mask), first.pointer(mask), "masks differ: nothing is timed");
    }
    let size = &first["input"]["size"];
    println!("haema segment, DICOM, {size} [z, y, x], median of {RUNS} runs");
    for part in PARTS {
        let mut ms: Vec<f64> =
            runs.iter().map(|(report, _)| report["timing_ms"][part].as_f64().unwrap()).collect();
        ms.sort_by(f64::total_cmp);
        println!("{part:<12}{:>9.0} ms   ({:.0} to {:.0})", ms[RUNS / 2], ms[0], ms[RUNS - 1]);
    }
    match runs.iter().map(|(_, peak)| *peak).max() {
        Some(kilobytes) if kilobytes > 0 => println!("peak memory {:>9} MB", kilobytes / 1000),
        _ => println!("peak memory     not known on this system"),
    }
}

/// Runs the program; its report, and its peak memory in kB where the system tells.
fn segment(folder: &Path) -> (Value, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_haema"))
        .args(["segment", "series", "--out", "out", "--force", "--json"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        // The mark only rises, so the last look before the end is the peak to within 5 ms.
        peak = peak.max(high_water_mark(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success(), "haema segment failed");
    (serde_json::from_str(&out).unwrap(), peak)
}

/// `VmHWM` of a process on Linux, kB.
fn high_water_mark(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
