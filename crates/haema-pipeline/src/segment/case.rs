//! One input, from its files to its folder.

use std::path::Path;
use std::time::Instant;

use haema_io::fs::{self, FsError};
use haema_io::nrrd::{self, Segment};
use haema_io::{ImageFileError, Scan, nifti};
use haema_measure::MeasureError;
use haema_methods::cnn_ds::SegmentError as MethodError;
use thiserror::Error;

use super::Options;
use super::findings::{self, Context, Findings};
use super::gate::{self, Refusal};
use super::job;
use super::names::{Cases, REPORT_FILE};
use crate::html::{self, Pictures};
use crate::input::{self, InputError, Source};
use crate::report::{Report, Settings, Timing, round3};
use crate::segmenter::Segmenter;
use crate::suspicion;

/// Why one input has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaseError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] InputError),
    /// It can be read and cannot be trusted.
    #[error("the scan is refused: {0}")]
    Refused(#[from] Refusal),
    /// The method failed.
    #[error("the method failed: {0}")]
    Method(#[from] MethodError),
    /// The method's answer is not on the scan's grid: a defect of the method.
    #[error("the result cannot be measured: {0}")]
    Measure(#[from] MeasureError),
    /// The result cannot be written.
    #[error("the result cannot be written: {0}")]
    Write(#[from] ImageFileError),
}

impl From<FsError> for CaseError {
    fn from(error: FsError) -> Self {
        Self::Write(error.into())
    }
}

impl CaseError {
    /// What the user can do about it, where haema knows.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read(error) => error.hint(),
            Self::Refused(refusal) => Some(refusal.hint()),
            Self::Method(_) | Self::Measure(_) | Self::Write(_) => None,
        }
    }

    /// The reason in one line and without a path, which may name a person.
    pub fn reason(&self) -> String {
        match self {
            Self::Read(error) => error.reason(),
            Self::Write(error) => {
                format!("the result cannot be written: {}", input::reason_of(error))
            }
            _ => self.to_string(),
        }
    }
}

/// A finished case.
pub(super) enum Finished {
    /// In an earlier run.
    Before(Report),
    /// Now.
    Now(Report),
}

/// One input and what is to be done with it.
pub(super) struct Task<'a> {
    pub(super) source: &'a Source,
    pub(super) out: &'a Path,
    pub(super) options: &'a Options,
    pub(super) settings: &'a Settings,
}

impl Task<'_> {
    /// Does the work, or finds it done.
    pub(super) fn run(
        &self,
        segmenter: &dyn Segmenter,
        cases: &Cases,
    ) -> Result<Finished, CaseError> {
        let job = job::fingerprint(self.source, self.settings, segmenter.model_sha256())
            .map_err(InputError::from)?;
        if let Some(report) = cases.done(&job).filter(|_| !self.options.force) {
            return Ok(Finished::Before(report.clone()));
        }
        let started = Instant::now();
        let (findings, mut report) = self.analyse(segmenter, job)?;
        report.case_id = cases.name_for(&findings.scan.provenance.case_id, &report.receipt.source);
        self.write(&findings, &mut report, started)?;
        Ok(Finished::Now(report))
    }

    /// Everything up to the files.
    fn analyse(
        &self,
        segmenter: &dyn Segmenter,
        job: String,
    ) -> Result<(Findings, Report), CaseError> {
        let reading = Instant::now();
        let scan = input::read(self.source, self.options.series.as_deref())?;
        let gate = gate::check(&scan.ct, self.options.threads)?;
        let read_ms = ms_since(reading);
        let rule = self.settings.mask_rule();
        let segmented = segmenter.segment(&scan.ct, rule, self.options.threads)?;
        let timing = Timing {
            read: round3(read_ms),
            preprocess: round3(segmented.preprocess_ms),
            network: round3(segmented.network_ms),
            restore: round3(segmented.restore_ms),
            ..Timing::default()
        };
        let measuring = Instant::now();
        let findings = Findings::new(scan, segmented.probability, rule);
        let ct = &findings.scan.ct;
        let context = Context {
            whereabouts: suspicion::places(ct, &findings.probability, (rule, self.options.threads)),
            gate,
            error_table: self.options.error_table.as_ref(),
            threads: self.options.threads,
        };
        let mut report = findings.report(segmenter, self.settings, &context)?;
        let places = context.whereabouts.as_ref().ok();
        let score = suspicion::score(&findings.scan.ct, &findings.probability, places)?;
        report.hemorrhage.probability = round3(score);
        report.hemorrhage.network_score = round3(segmented.score);
        report.hemorrhage.chance = findings::chance(segmenter, score, report.volume_soft_ml);
        report.volume_grid_ml = round3(segmented.volume_grid_ml);
        report.receipt.source = self.source.pseudonym();
        report.receipt.job = job;
        report.timing_ms = Timing { measure: round3(ms_since(measuring)), ..timing };
        Ok((findings, report))
    }

    /// Does two things, at once where there is more than one thread.
    fn both(
        &self,
        first: impl FnOnce() -> Result<(), ImageFileError> + Send,
        second: impl FnOnce() -> Result<(), ImageFileError>,
    ) -> Result<(), ImageFileError> {
        if self.options.threads.get() == 1 {
            return first().and_then(|()| second());
        }
        std::thread::scope(|scope| {
            let first = scope.spawn(first);
            let second = second();
            first.join().expect("writing a mask does not panic")?;
            second
        })
    }

    /// Fills the case's folder, the report last: where it stands, all stands.
    fn write(
        &self,
        findings: &Findings,
        report: &mut Report,
        started: Instant,
    ) -> Result<(), CaseError> {
        let writing = Instant::now();
        let Findings { scan: Scan { ct, .. }, probability, mask } = findings;
        let grid = ct.grid();
        fs::write_folder_atomic(&self.out.join(&report.case_id), |folder| {
            let write_masks = || -> Result<(), ImageFileError> {
                nifti::write_mask(&folder.join("mask.nii.gz"), mask, grid)?;
                if !grid.is_evenly_spaced() {
                    nifti::write_slice_positions(&folder.join("mask.json"), grid)?;
                }
                if self.options.save_probability {
                    let path = folder.join("probability.nii.gz");
                    nifti::write_probability(&path, probability, grid)?;
                }
                Ok(())
            };
            let write_page = || -> Result<(), ImageFileError> {
                let page = html::page(report, &Pictures::of(ct, mask, self.options.threads));
                fs::write_atomic(&folder.join("report.html"), page.as_bytes())?;
                let segments = [Segment::bleed()];
                nrrd::write_segmentation(&folder.join("mask.seg.nrrd"), mask, grid, &segments)
            };
            self.both(write_masks, write_page)?;
            report.timing_ms.write = round3(ms_since(writing));
            report.timing_ms.total = round3(ms_since(started));
            fs::write_json(&folder.join(REPORT_FILE), report)?;
            Ok(())
        })
    }
}

fn ms_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}
