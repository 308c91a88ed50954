//! How well a method does on cases with masks: one row a case, and figures with intervals.

use std::num::NonZeroUsize;
use std::path::Path;

use haema_eval::{Bootstrap, Interval, Overlap, median_absolute_error_ml, roc_auc};
use haema_io::dataset::{Case, Dataset, Subtype};
use haema_io::{ImageFileError, fs};
use haema_measure::{MeasureError, volume_ml, volume_soft_ml};
use haema_methods::SegmentError;
use thiserror::Error;

use crate::segmenter::{Segmented, Segmenter};

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
    /// Its id.
    pub id: String,
    /// What kinds of bleed the dataset says it has.
    pub subtypes: Vec<&'static str>,
    /// Volume of the reference mask.
    pub reference_ml: f64,
    /// Volume of the predicted mask.
    pub predicted_ml: f64,
    /// Volume of the probabilities.
    pub soft_ml: f64,
    /// Median distance between slices.
    pub slice_mm: f64,
    /// How likely the scan has a bleed.
    pub score: f64,
    /// Overlap; its Dice is undefined where both masks are empty.
    pub overlap: Overlap,
}

/// Figures over cases, each with its number of cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// What is counted.
    pub name: &'static str,
    /// Of how many cases.
    pub cases: usize,
    /// The figure, where it exists.
    pub value: Option<f64>,
    /// 95 % bootstrap interval by patient.
    pub interval: Option<Interval>,
}

/// Seed of the bootstrap.
const SEED: u64 = 1;

/// Scores the named cases of a dataset, all of them where none is named, on their own grids.
///
/// # Errors
///
/// [`EvalError`], which names the case.
pub fn evaluate(
    dataset: &Dataset,
    method: &dyn Segmenter,
    ids: &[String],
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(&CaseScore),
) -> Result<Vec<CaseScore>, EvalError> {
    for id in ids {
        if !dataset.cases().iter().any(|case| case.id() == id) {
            return Err(EvalError::Unknown { id: id.clone() });
        }
    }
    let is_named = |case: &&Case| ids.is_empty() || ids.iter().any(|id| id == case.id());
    let mut scores = Vec::new();
    for case in dataset.cases().iter().filter(is_named) {
        let score = score(case, method, threads)?;
        progress(&score);
        scores.push(score);
    }
    Ok(scores)
}

fn score(
    case: &Case,
    method: &dyn Segmenter,
    threads: NonZeroUsize,
) -> Result<CaseScore, EvalError> {
    let id = || case.id().to_owned();
    let read = |source| EvalError::Read { id: id(), source: Box::new(source) };
    let segment = |source: SegmentError| EvalError::Segment { id: id(), source: Box::new(source) };
    let measure = |source| EvalError::Measure { id: id(), source };
    let ct = case.read_image().map_err(read)?;
    let reference =
        case.read_label().map_err(read)?.ok_or_else(|| EvalError::NoLabel { id: id() })?;
    let reference = reference.map(|&voxel| u8::from(voxel != 0));
    let threshold = method.default_threshold();
    let Segmented { probability, score, .. } =
        method.segment(&ct, threshold, threads).map_err(segment)?;
    let mask = probability.map(|&p| u8::from(p > threshold));
    let overlap = Overlap::count(&reference, &mask)
        .expect("both masks are on the scan's grid, which measuring has checked");
    let subtypes = Subtype::ALL
        .into_iter()
        .map(Subtype::column)
        .filter(|column| case.participant().and_then(|row| row.flag(column)) == Some(true));
    Ok(CaseScore {
        id: id(),
        subtypes: subtypes.collect(),
        reference_ml: volume_ml(&reference, ct.grid()).map_err(measure)?,
        predicted_ml: volume_ml(&mask, ct.grid()).map_err(measure)?,
        soft_ml: volume_soft_ml(&probability, ct.grid()).map_err(measure)?,
        slice_mm: ct.grid().spacing_mm()[0],
        score,
        overlap,
    })
}

/// The figures that a reader asks for first.
pub fn summarise(scores: &[CaseScore]) -> Vec<Summary> {
    let over = |name, least_ml: f64, figure: fn(&CaseScore) -> Option<f64>| {
        let wanted: Vec<&CaseScore> =
            scores.iter().filter(|s| s.reference_ml > 0.0 && s.reference_ml >= least_ml).collect();
        let mean = |cases: &[usize]| {
            let values: Vec<f64> = cases.iter().filter_map(|&i| figure(wanted[i])).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        summary(name, wanted.len(), mean)
    };
    let volumes = |cases: &[&CaseScore]| -> Vec<(f64, f64)> {
        cases.iter().map(|s| (s.predicted_ml, s.reference_ml)).collect()
    };
    let bleeds: Vec<&CaseScore> = scores.iter().filter(|s| s.reference_ml >= 5.0).collect();
    vec![
        over("mean Dice, cases with a bleed", 0.0, |s| s.overlap.dice()),
        over("mean Dice, bleeds of 5 mL and more", 5.0, |s| s.overlap.dice()),
        over("mean Dice, bleeds of 10 mL and more", 10.0, |s| s.overlap.dice()),
        over("mean precision, cases with a bleed", 0.0, |s| s.overlap.precision()),
        over("mean recall, cases with a bleed", 0.0, |s| s.overlap.recall()),
        summary("AUC of the case score", scores.len(), |cases| {
            let values: Vec<f64> = cases.iter().map(|&i| scores[i].score).collect();
            let truth: Vec<bool> = cases.iter().map(|&i| scores[i].reference_ml > 0.0).collect();
            roc_auc(&values, &truth).ok().flatten()
        }),
        summary("AUC of the soft volume", scores.len(), |cases| {
            let values: Vec<f64> = cases.iter().map(|&i| scores[i].soft_ml).collect();
            let truth: Vec<bool> = cases.iter().map(|&i| scores[i].reference_ml > 0.0).collect();
            roc_auc(&values, &truth).ok().flatten()
        }),
        summary(
            "median absolute volume error, bleeds of 5 mL and more, mL",
            bleeds.len(),
            |cases| {
                let drawn: Vec<&CaseScore> = cases.iter().map(|&i| bleeds[i]).collect();
                median_absolute_error_ml(&volumes(&drawn))
            },
        ),
    ]
}

fn summary(name: &'static str, cases: usize, figure: impl Fn(&[usize]) -> Option<f64>) -> Summary {
    // Each case of a dataset is another patient's.
    let patients: Vec<usize> = (0..cases).collect();
    let value = figure(&patients);
    let interval = Bootstrap::new(SEED).interval(&patients, &figure);
    Summary { name, cases, value, interval }
}

/// Writes `cases.csv` and `summary.md` into a folder.
///
/// # Errors
///
/// [`EvalError::File`], which names the file.
pub fn write_tables(scores: &[CaseScore], folder: &Path) -> Result<(), EvalError> {
    fs::create_folder(folder)?;
    fs::write_atomic(&folder.join("cases.csv"), cases_csv(scores).as_bytes())?;
    fs::write_atomic(&folder.join("summary.md"), summary_markdown(scores).as_bytes())?;
    Ok(())
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.3}"))
}

fn cases_csv(scores: &[CaseScore]) -> String {
    let row = |s: &CaseScore| {
        let figures = [s.overlap.dice(), s.overlap.precision(), s.overlap.recall()].map(number);
        let volumes = [s.reference_ml, s.predicted_ml, s.soft_ml].map(|ml| format!("{ml:.2}"));
        let (volumes, figures) = (volumes.join(","), figures.join(","));
        let subtypes = s.subtypes.join("+");
        format!("{},{subtypes},{volumes},{:.4},{figures},{:.3}", s.id, s.score, s.slice_mm)
    };
    let head =
        "case,subtypes,reference_ml,predicted_ml,soft_ml,score,dice,precision,recall,slice_mm";
    lines(std::iter::once(head.to_owned()).chain(scores.iter().map(row)))
}

/// The summary as a table.
pub fn summary_markdown(scores: &[CaseScore]) -> String {
    let row = |row: &Summary| {
        let interval =
            row.interval.map_or_else(String::new, |i| format!("{:.3} to {:.3}", i.lower, i.upper));
        format!("| {} | {} | {} | {interval} |", row.name, row.cases, number(row.value))
    };
    let head =
        ["| figure | cases | value | 95 % interval (bootstrap by patient) |", "|---|---|---|---|"];
    lines(head.map(str::to_owned).into_iter().chain(summarise(scores).iter().map(row)))
}

fn lines(rows: impl Iterator<Item = String>) -> String {
    rows.flat_map(|row| [row, "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(id: &str, reference_ml: f64, predicted_ml: f64, score: f64) -> CaseScore {
        let overlap = Overlap {
            true_positive: u64::from(reference_ml > 0.0 && predicted_ml > 0.0),
            false_positive: u64::from(predicted_ml > 0.0),
            false_negative: 0,
            true_negative: 10,
        };
        let soft_ml = predicted_ml;
        CaseScore {
            id: id.into(),
            subtypes: vec![],
            reference_ml,
            predicted_ml,
            soft_ml,
            slice_mm: 5.0,
            score,
            overlap,
        }
    }

    #[test]
    fn the_summary_counts_what_it_says() {
        let scores = [
            case("a", 12.0, 10.0, 0.9),
            case("b", 6.0, 0.0, 0.4),
            case("c", 1.0, 1.0, 0.2),
            case("d", 0.0, 0.0, 0.3),
        ];

        let rows = summarise(&scores);

        let value = |name: &str| rows.iter().find(|row| row.name == name).unwrap().value.unwrap();
        let cases = |name: &str| rows.iter().find(|row| row.name == name).unwrap().cases;
        assert_eq!(cases("mean Dice, cases with a bleed"), 3);
        assert_eq!(cases("mean Dice, bleeds of 5 mL and more"), 2);
        assert_eq!(value("mean Dice, bleeds of 10 mL and more"), 2.0 / 3.0);
        assert_eq!(value("AUC of the case score"), 2.0 / 3.0);
    }

    #[test]
    fn two_empty_masks_have_no_dice_in_the_table() {
        let csv = cases_csv(&[case("d", 0.0, 0.0, 0.3)]);

        assert!(
            csv.ends_with("d,,0.00,0.00,0.00,0.3000,undefined,undefined,undefined,5.000\n"),
            "{csv}"
        );
    }
}
