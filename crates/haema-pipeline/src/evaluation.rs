//! How well a model does on cases with masks: one row a case, and figures with intervals.
//!
//! ```text
//! DIR/cases.csv             every case: the master table of a study, and what the model said
//! DIR/summary.md            figures with intervals, strata, operating points, calibration
//! DIR/strata.csv            the same figures by size and by kind of bleed
//! DIR/roc.csv, .svg         telling scans with a bleed from those without
//! DIR/operating_points.csv  false alarms at each sensitivity
//! DIR/reliability.csv, .svg whether the chance of a bleed means what it says
//! DIR/mask_rules.csv         other ways from the probabilities to a mask
//! DIR/gallery.html          the worst cases, in pictures
//! ```

mod chart;
mod detection;
mod gallery;
mod mask_rules;
mod reliability;
mod summary;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::path::Path;

use haema_eval::{LesionCounts, LesionMatching, OverlapError};
use haema_io::dataset::{Case, Dataset, Subtype};
use haema_io::{ImageFileError, fs};
use haema_measure::{MeasureError, volume_soft_ml};
use haema_methods::SegmentError;
use thiserror::Error;

pub use reliability::{Calibrated, reliability_of};
pub(crate) use reliability::{count as count_chances, error_if_perfect};
pub use summary::{Summary, summarise, summary_markdown};

use crate::segmenter::{Segmented, Segmenter};
use crate::study::case_row::Drawn;
use crate::study::table::cell;
use crate::study::{CaseRow, Table};
use crate::suspicion;
use gallery::Gallery;
use mask_rules::MaskRules;

/// Why a model cannot be scored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// An id that no case has.
    #[error("the dataset has no case {id}")]
    Unknown {
        /// The id.
        id: String,
    },
    /// A case cannot be read.
    #[error("case {id} cannot be read")]
    Read {
        /// Its id.
        id: String,
        /// Why.
        source: Box<ImageFileError>,
    },
    /// A case has no mask.
    #[error("case {id} has no mask to score against: wanted labelsTr/{id}.nii.gz")]
    NoLabel {
        /// Its id.
        id: String,
    },
    /// A case cannot be segmented.
    #[error("case {id} cannot be segmented")]
    Segment {
        /// Its id.
        id: String,
        /// Why.
        source: Box<SegmentError>,
    },
    /// A mask and its scan do not belong together.
    #[error("the mask of case {id} is not on its scan's grid")]
    Overlap {
        /// Its id.
        id: String,
        /// Why.
        source: OverlapError,
    },
    /// A scan has a grid on which nothing can be measured.
    #[error("the scan of case {id} cannot be measured")]
    Measure {
        /// Its id.
        id: String,
        /// Why.
        source: MeasureError,
    },
    /// A table cannot be written.
    #[error("the tables cannot be written")]
    File(#[from] fs::FsError),
}

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseScore {
    /// How its mask agrees with the reference.
    pub row: CaseRow,
    /// What kinds of bleed the dataset says it has.
    pub subtypes: Vec<&'static str>,
    /// Single bleeds, found and missed.
    pub lesions: LesionCounts,
    /// Volume of the probabilities.
    pub soft_ml: f64,
    /// Median distance between slices.
    pub slice_mm: f64,
    /// How much the scan looks as if it had a bleed, in 0..1.
    pub score: f64,
    /// The chance of a bleed, where the model is calibrated.
    pub chance: Option<f64>,
    /// First digits of the SHA-256 of the weights: cases of several folds have several models.
    pub model: String,
}

impl CaseScore {
    /// Whether the reference has a bleed.
    pub fn has_bleed(&self) -> bool {
        self.row.reference_ml > 0.0
    }
}

/// Column of participants.tsv that names the patient; where it is absent, each case is another patient's.
const PATIENT: &str = "patient_id";
/// Digits of a model's SHA-256 in tables.
const SHORT_SHA256: usize = 12;

/// Cases that were scored, by one model or by several, and pictures of the worst.
#[derive(Debug, Default)]
pub struct Evaluation {
    cases: Vec<CaseScore>,
    gallery: Gallery,
    mask_rules: MaskRules,
}

impl Evaluation {
    /// Scores the named cases of a dataset, all of them where none is named, on their own grids. The
    /// cases of several folds, each with the model that never saw them, are added one after the other.
    ///
    /// # Errors
    ///
    /// [`EvalError`], which names the case.
    pub fn add(
        &mut self,
        dataset: &Dataset,
        method: &dyn Segmenter,
        ids: &[String],
        threads: NonZeroUsize,
        progress: &mut dyn FnMut(&CaseScore),
    ) -> Result<(), EvalError> {
        for id in ids {
            if !dataset.cases().iter().any(|case| case.id() == id) {
                return Err(EvalError::Unknown { id: id.clone() });
            }
        }
        let is_named = |case: &&Case| ids.is_empty() || ids.iter().any(|id| id == case.id());
        for case in dataset.cases().iter().filter(is_named) {
            let score = self.score(case, method, threads)?;
            progress(&score);
            self.cases.push(score);
        }
        self.cases.sort_by(|a, b| a.row.case.cmp(&b.row.case));
        Ok(())
    }

    fn score(
        &mut self,
        case: &Case,
        method: &dyn Segmenter,
        threads: NonZeroUsize,
    ) -> Result<CaseScore, EvalError> {
        let id = || case.id().to_owned();
        let read = |source| EvalError::Read { id: id(), source: Box::new(source) };
        let overlap = |source| EvalError::Overlap { id: id(), source };
        let ct = case.read_image().map_err(read)?;
        let reference =
            case.read_label().map_err(read)?.ok_or_else(|| EvalError::NoLabel { id: id() })?;
        let reference = reference.map(|&voxel| u8::from(voxel != 0));
        let rule = method.mask_rule();
        let Segmented { probability, .. } = method
            .segment(&ct, rule, threads)
            .map_err(|source| EvalError::Segment { id: id(), source: Box::new(source) })?;
        let mask = rule.mask(&probability);
        let wanted = Drawn { by: "reference", mask: &reference };
        let found = Drawn { by: method.method(), mask: &mask };
        let patient = case.participant().and_then(|row| row.get(PATIENT)).unwrap_or(case.id());
        let row =
            CaseRow::compare(case.id(), patient, wanted, found, ct.grid()).map_err(overlap)?;
        let matching = LesionMatching::default();
        let lesions =
            LesionCounts::count(&reference, &mask, ct.grid(), matching).map_err(overlap)?;
        let soft_ml = volume_soft_ml(&probability, ct.grid())
            .map_err(|source| EvalError::Measure { id: id(), source })?;
        let places = suspicion::places(&ct, &probability, (rule, threads)).ok();
        let score = suspicion::score(&ct, &probability, places.as_ref())
            .map_err(|source| EvalError::Measure { id: id(), source })?;
        let sha256 = method.model_sha256();
        let scored = CaseScore {
            row,
            subtypes: case
                .participant()
                .map(|row| row.subtypes().into_iter().map(Subtype::column).collect())
                .unwrap_or_default(),
            lesions,
            soft_ml,
            slice_mm: ct.grid().spacing_mm()[0],
            score,
            chance: method.calibration().map(|calibration| calibration.chance(score, soft_ml)),
            model: sha256[..sha256.len().min(SHORT_SHA256)].to_owned(),
        };
        self.gallery.add(&scored, &ct, &reference, &mask);
        self.mask_rules.add(&scored.row.patient, &probability, &reference, ct.grid());
        Ok(scored)
    }

    /// The cases, by their ids.
    pub fn cases(&self) -> &[CaseScore] {
        &self.cases
    }

    /// Every table as text, with what another way to a mask would change.
    pub fn summary_markdown(&self) -> String {
        format!("{}\n{}\n", summary_markdown(&self.cases), self.mask_rules.sentence())
    }

    /// Writes every table, figure and page into a folder.
    ///
    /// # Errors
    ///
    /// [`EvalError::File`], which names the file.
    pub fn write(&self, folder: &Path) -> Result<(), EvalError> {
        fs::create_folder(folder)?;
        let cases = &self.cases;
        let detectors = detection::detectors(cases);
        let calibration = reliability_of(cases);
        let files = [
            ("cases.csv", cases_table(cases).csv()),
            ("summary.md", self.summary_markdown()),
            ("mask_rules.csv", self.mask_rules.table().csv()),
            ("strata.csv", summary::strata(cases).csv()),
            ("roc.csv", detection::roc_table(&detectors).csv()),
            ("roc.svg", detection::roc_svg(&detectors)),
            ("operating_points.csv", detection::operating_points(&detectors).csv()),
            ("reliability.csv", calibration.table().csv()),
            ("reliability.svg", calibration.svg()),
            ("gallery.html", self.gallery.page(cases.len())),
        ];
        for (name, content) in files {
            fs::write_atomic(&folder.join(name), content.as_bytes())?;
        }
        Ok(())
    }
}

/// The master table of a study, and what the model said of each case.
pub fn cases_table(scores: &[CaseScore]) -> Table {
    let rows: Vec<CaseRow> = scores.iter().map(|score| score.row.clone()).collect();
    let column = |of: &dyn Fn(&CaseScore) -> String| scores.iter().map(of).collect::<Vec<_>>();
    CaseRow::table(&rows)
        .with_column("subtypes", column(&|s| s.subtypes.join("+")))
        .with_column("soft_ml", column(&|s| format!("{:.6}", s.soft_ml)))
        .with_column("slice_mm", column(&|s| format!("{:.3}", s.slice_mm)))
        .with_column("score", column(&|s| format!("{:.8}", s.score)))
        .with_column("chance", column(&|s| cell(s.chance, 6)))
        .with_column("bleeds", column(&|s| s.lesions.reference.len().to_string()))
        .with_column("bleeds_found", column(&|s| s.lesions.true_positive().to_string()))
        .with_column("bleeds_invented", column(&|s| s.lesions.false_positive.to_string()))
        .with_column("model", column(&|s| s.model.clone()))
}
