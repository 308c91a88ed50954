//! Scans in, folders with masks and reports out: what `haema segment` does.
//!
//! ```text
//! source → read → gate → method → mask rule → measure → write
//! ```
//!
//! Every input is worked on by itself: what goes wrong with one is reported and never stops the
//! rest. A case folder is put in place whole or not at all.

mod answers;
mod case;
mod findings;
pub(crate) mod gate;
mod job;
mod look;
mod names;
mod summary;
mod worklist;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use haema_io::fs::{self, FsError};
use haema_methods::MaskRule;
use thiserror::Error;

pub use case::CaseError;
pub(crate) use findings::{Context, Findings, input_of, series_of};
pub use gate::Refusal;

use crate::input::Source;
use crate::intervals::ErrorTable;
use crate::report::{Report, Settings};
use crate::segmenter::Segmenter;
use names::Cases;
use worklist::Worklist;

/// Name of the table of all cases.
pub const SUMMARY_FILE: &str = "summary.csv";
/// Name of the list of all cases in the order in which they should be looked at.
pub const WORKLIST_FILE: &str = "worklist.csv";

/// How to segment.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which voxels belong to the bleed; the method's own rule where none is given.
    pub mask_rule: Option<MaskRule>,
    /// How many threads; the result does not depend on it.
    pub threads: NonZeroUsize,
    /// Whether to write `probability.nii.gz`.
    pub save_probability: bool,
    /// The DICOM series to take, by its _Series Instance UID_ or its short name, where the choice is
    /// not left to haema.
    pub series: Option<String>,
    /// Whether to do again what is done.
    pub force: bool,
    /// Whether to write the paths of the inputs into the summary: a path may name a person.
    pub save_paths: bool,
    /// The errors of the model on held-aside scans, from which volumes get their interval.
    pub error_table: Option<ErrorTable>,
}

impl Options {
    fn settings(&self, segmenter: &dyn Segmenter) -> Settings {
        let rule = self.mask_rule.unwrap_or_else(|| segmenter.mask_rule());
        Settings {
            method: segmenter.method().to_owned(),
            threshold: rule.threshold,
            seed_threshold: rule.seed_threshold,
            save_probability: self.save_probability,
            series: self.series.as_deref().map(job::pseudonym),
            precision: segmenter.precision(),
            error_table: self.error_table.as_ref().and_then(ErrorTable::fingerprint),
            device: segmenter.device().map(str::to_owned),
            calibration: segmenter.calibration().map(job::calibration),
        }
    }
}

/// What happens, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// An input is begun.
    Started {
        /// Its number, from 1.
        number: usize,
        /// The input.
        source: &'a Source,
    },
    /// An input is finished, its folder stands.
    Done {
        /// Its number, from 1.
        number: usize,
        /// What was found.
        report: &'a Report,
    },
    /// An input was finished in an earlier run.
    Skipped {
        /// Its number, from 1.
        number: usize,
        /// What was found then.
        report: &'a Report,
    },
    /// An input could not be done.
    Failed {
        /// Its number, from 1.
        number: usize,
        /// The input.
        source: &'a Source,
        /// Why.
        cause: &'a CaseError,
    },
}

/// How many inputs went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Finished in this run.
    pub done: usize,
    /// Finished in an earlier run.
    pub skipped: usize,
    /// Refused or failed.
    pub failed: usize,
}

/// Why a run could not go on at all: nothing can be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The output folder.
    #[error("the output folder cannot be used: {0}")]
    Output(#[from] FsError),
}

/// Segments every source into a folder of its own in `out`, and writes the table of all of them and the
/// list in which order to look at them.
///
/// A source whose place, settings, weights and version are those of a finished case is skipped,
/// unless [`Options::force`] is set. After each source the table is up to date.
///
/// # Errors
///
/// [`SegmentError`] where the output folder cannot be listed or written. What is wrong with a single
/// source is an [`Event::Failed`] and a row of the table.
pub fn run(
    sources: &[Source],
    out: &Path,
    segmenter: &dyn Segmenter,
    options: &Options,
    on_event: &mut dyn FnMut(&Event<'_>),
) -> Result<Tally, SegmentError> {
    fs::create_folder(out)?;
    let settings = options.settings(segmenter);
    let mut cases = Cases::in_folder(out)?;
    let mut table = Table::of(&cases);
    let mut worklist = Worklist::of(&cases);
    let mut tally = Tally::default();
    for (index, source) in sources.iter().enumerate() {
        let number = index + 1;
        on_event(&Event::Started { number, source });
        let path = options.save_paths.then(|| source.to_string());
        let task = case::Task { source, out, options, settings: &settings };
        match task.run(segmenter, &cases) {
            Ok(case::Finished::Before(report)) => {
                tally.skipped += 1;
                on_event(&Event::Skipped { number, report: &report });
                table.add(number, path, Ok(&report));
                worklist.add(number, Ok(&report));
            }
            Ok(case::Finished::Now(report)) => {
                tally.done += 1;
                on_event(&Event::Done { number, report: &report });
                table.add(number, path, Ok(&report));
                worklist.add(number, Ok(&report));
                cases.insert(report);
            }
            Err(cause) => {
                tally.failed += 1;
                on_event(&Event::Failed { number, source, cause: &cause });
                table.add(number, path, Err(&cause.reason()));
                worklist.add(number, Err(&cause.reason()));
            }
        }
        table.write(&out.join(SUMMARY_FILE))?;
        worklist.write(out)?;
    }
    Ok(tally)
}

/// The rows of the summary: those of this run in the order of its inputs, then the cases that stood
/// there before and are not among them.
struct Table {
    of_this_run: Vec<String>,
    of_earlier_runs: BTreeMap<String, String>,
}

impl Table {
    fn of(cases: &Cases) -> Self {
        let rows = cases
            .reports()
            .map(|report| (report.case_id.clone(), summary::row(None, None, Ok(report))));
        Self { of_this_run: Vec::new(), of_earlier_runs: rows.collect() }
    }

    fn add(&mut self, number: usize, path: Option<String>, outcome: Result<&Report, &str>) {
        if let Ok(report) = outcome {
            self.of_earlier_runs.remove(&report.case_id);
        }
        self.of_this_run.push(summary::row(Some(number), path, outcome));
    }

    fn write(&self, path: &Path) -> Result<(), FsError> {
        let rows = self.of_this_run.iter().chain(self.of_earlier_runs.values());
        fs::write_atomic(path, summary::csv(rows).as_bytes())
    }
}

#[cfg(test)]
mod tests;
