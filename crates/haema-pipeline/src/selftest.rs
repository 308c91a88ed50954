//! Does haema read and measure rightly? Phantoms of known volume, through files and back.
//!
//! ```text
//! phantom (closed form) → perfect scanner → files → input::read → half height → report → table
//! ```
//!
//! Everything from the files on is what `haema segment` does with a patient's scan; only the method is
//! another: a voxel's share of body is what its value says. What is left of an error then belongs to
//! reading, geometry or measuring.
//!
//! [`plan`] tells which combinations are tried, and how they cover the factors.

mod check;
mod expected;
mod export;
mod files;
mod half_height;
pub mod plan;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use haema_io::ImageFileError;
use haema_io::fs::{self, FsError, TemporaryFolder};
use haema_measure::MeasureError;
use haema_volume::{GridError, OrientationError, Vec3};
use serde::Serialize;
use thiserror::Error;

pub use export::{README_FILE, TRUTH_FILE};
use plan::Case;
pub use plan::Part;

/// The format of a self-test as JSON.
pub const SELFTEST_SCHEMA: &str = "haema.selftest/1";

/// A volume may differ from the closed form by so much of it, in percent ...
pub const TOLERANCE_PERCENT: f64 = 1.0;
/// ... or by so much, whichever is more.
pub const TOLERANCE_ML: f64 = 0.05;

/// What to test, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only this part; both where none is given.
    pub part: Option<Part>,
    /// Only these lines; all where none are given.
    pub only: Vec<String>,
    /// How many scans are worked on at a time; the result does not depend on it.
    pub threads: NonZeroUsize,
}

/// Where the scans go.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Into this folder for as long as they are needed.
    Temporary(&'a Path),
    /// Into a new folder, with their truth, to stay.
    Export(&'a Path),
}

/// One scan: what it holds, what haema found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Such as `v07`.
    pub id: String,
    /// What it is there for.
    pub part: Part,
    /// What was scanned.
    pub phantom: String,
    /// How it was scanned and stored.
    pub scan: String,
    /// Volume in closed form.
    pub truth_ml: f64,
    /// Sum of each voxel's share of body times its volume; none where the scan could not be read.
    pub measured_ml: Option<f64>,
    /// Volume of the voxels that are more than half body: what a mask can say.
    pub mask_ml: Option<f64>,
    /// Where the marked ball was found, where there is one.
    pub marker: Option<Marker>,
    /// What is known of lost slices, where some are.
    pub lost: Option<Lost>,
    /// What haema said about the scan.
    pub warnings: Vec<String>,
    /// What is wrong, in plain words; nothing where the line passes.
    pub failures: Vec<String>,
}

impl Line {
    /// Measured less truth.
    pub fn error_ml(&self) -> Option<f64> {
        self.measured_ml.map(|measured_ml| measured_ml - self.truth_ml)
    }

    /// The same for the mask.
    pub fn mask_error_ml(&self) -> Option<f64> {
        self.mask_ml.map(|mask_ml| mask_ml - self.truth_ml)
    }

    /// Whether a volume is as near to the truth as is asked for.
    pub fn is_near(&self, error_ml: f64) -> bool {
        error_ml.abs() <= (0.01 * TOLERANCE_PERCENT * self.truth_ml).max(TOLERANCE_ML)
    }

    /// Whether nothing is wrong.
    pub fn passes(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Where a marked ball lies and where it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Marker {
    /// Its centre.
    pub truth_lps_mm: Vec3,
    /// Centre of mass of the mask.
    pub found_lps_mm: Vec3,
    /// The patient's side on which it was found, `left` or `right`.
    pub side: &'static str,
    /// The slice that shows most of it, zero-based, in the order of the scan as read.
    pub slice: usize,
}

/// What lost slices cost, and what is said of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lost {
    /// Numbers of the lost slices, counted from 1 at the bottom of the whole stack.
    pub slices: Vec<usize>,
    /// How much of the body was in them, percent of the truth.
    pub truth_percent: f64,
    /// How much of the volume stands in the slices beside them, as haema says, percent.
    pub stated_percent: Option<f64>,
}

/// All lines, and how many passed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// [`SELFTEST_SCHEMA`].
    pub schema: &'static str,
    /// Version of haema.
    pub haema_version: &'static str,
    /// How many lines passed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Each scan, in the order of the plan.
    pub lines: Vec<Line>,
}

/// Why a self-test cannot be carried out. What is wrong with a scan that was written is a line of the
/// table, no error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SelftestError {
    /// A scan cannot be written.
    #[error("a phantom cannot be written: {0}")]
    Write(#[from] ImageFileError),
    /// The folder to export to is in use.
    #[error("the folder to export to is not empty: wanted a new one: {}", .0.display())]
    NotEmpty(PathBuf),
    /// A line that was asked for is not in the plan.
    #[error("no line {found:?} in {wanted}")]
    NoSuchLine {
        /// What was asked for.
        found: String,
        /// What there is, in short.
        wanted: String,
    },
    /// The plan asks for a scan that cannot be: a defect of the plan.
    #[error("the plan has a scan that cannot be: {0}")]
    Grid(#[from] GridError),
    /// The plan asks for an order that cannot be: a defect of the plan.
    #[error("the plan has an order that cannot be: {0}")]
    Order(#[from] OrientationError),
    /// A mask is not on its scan's grid: a defect of the reading.
    #[error("a scan cannot be measured: {0}")]
    Measure(#[from] MeasureError),
}

impl From<FsError> for SelftestError {
    fn from(error: FsError) -> Self {
        Self::Write(error.into())
    }
}

/// Writes, reads and measures every scan that is asked for.
///
/// * `on_line` — told of each line in the order of the plan, as soon as it and all before it are done.
///
/// # Errors
///
/// [`SelftestError`] where nothing can be written, or a line is asked for that there is not.
pub fn run(
    options: &Options,
    place: Place<'_>,
    on_line: &mut dyn FnMut(&Line),
) -> Result<Outcome, SelftestError> {
    let cases = chosen(options)?;
    if let Place::Export(folder) = place {
        start_export(folder)?;
    }
    let mut lines = Vec::with_capacity(cases.len());
    work(&cases, options.threads, &|case| run_case(case, place), &mut |line| {
        on_line(&line);
        lines.push(line);
    })?;
    if let Place::Export(folder) = place {
        export::write_tables(folder, &cases)?;
    }
    let passed = lines.iter().filter(|line| line.passes()).count();
    Ok(Outcome {
        schema: SELFTEST_SCHEMA,
        haema_version: env!("CARGO_PKG_VERSION"),
        passed,
        failed: lines.len() - passed,
        lines,
    })
}

/// How many lines a run will have.
///
/// # Errors
///
/// As [`run`], where a line is asked for that there is not.
pub fn count(options: &Options) -> Result<usize, SelftestError> {
    chosen(options).map(|cases| cases.len())
}

fn chosen(options: &Options) -> Result<Vec<Case>, SelftestError> {
    let mut cases = plan::cases();
    cases.retain(|case| options.part.is_none_or(|part| part == case.part));
    let unknown = options.only.iter().find(|id| cases.iter().all(|case| case.id != **id));
    if let Some(found) = unknown {
        let ends = cases.first().zip(cases.last());
        let wanted = ends.map_or(String::new(), |(a, b)| format!("{} to {}", a.id, b.id));
        return Err(SelftestError::NoSuchLine { found: found.clone(), wanted });
    }
    cases.retain(|case| options.only.is_empty() || options.only.contains(&case.id));
    Ok(cases)
}

/// A folder that holds anything is left alone: old and new phantoms must not be mixed, and what is
/// not ours must not be written over.
fn start_export(folder: &Path) -> Result<(), SelftestError> {
    fs::create_folder(folder)?;
    if fs::list_folder(folder)?.is_empty() {
        return Ok(());
    }
    Err(SelftestError::NotEmpty(folder.to_owned()))
}

fn run_case(case: &Case, place: Place<'_>) -> Result<Line, SelftestError> {
    let expected = expected::Expected::of(case)?;
    match place {
        Place::Export(folder) => check::check(case, &expected, folder),
        Place::Temporary(parent) => {
            let folder = TemporaryFolder::new_in(parent)?;
            check::check(case, &expected, folder.path())
        }
    }
}

/// Does every case on so many threads and hands over the lines in order. The first error ends it.
fn work(
    cases: &[Case],
    threads: NonZeroUsize,
    run: &(dyn Fn(&Case) -> Result<Line, SelftestError> + Sync),
    on_line: &mut dyn FnMut(Line),
) -> Result<(), SelftestError> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads.get().min(cases.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, case)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(index).map(|case| (index, case))
                } {
                    // The receiver is gone where another case could not be written: no more to do.
                    if sender.send((index, run(case))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut wanted = 0;
        for (index, line) in receiver {
            waiting.insert(index, line?);
            while let Some(line) = waiting.remove(&wanted) {
                on_line(line);
                wanted += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
