//! From scores to chances: fitted on cases that the model never saw.
//!
//! A score ranks scans. What chance of a bleed it stands for is learned from cases that were scored by a
//! model that was not trained on them, best by cross-validation, and is kept in the model file. Some fifty
//! cases bear two numbers, at most three, and no claim near 0 or 1.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use haema_eval::Logistic;
use haema_io::fs;
use haema_methods::cnn_ds::{Model, ModelError};
use haema_methods::{CALIBRATION_SCHEMA, Calibration, LeftOut, MaskRule};
use haema_nn::{Parameters, Precision};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::evaluation::{count_chances, error_if_perfect};
use crate::model_file::{ModelFileError, read_model_bytes};

/// Why a model cannot be calibrated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] fs::FsError),
    /// The model file cannot be used.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// The table of cases lacks a column.
    #[error("the table of cases has no column {column}: wanted the cases.csv of haema eval")]
    Column {
        /// The column.
        column: &'static str,
    },
    /// A cell of the table is no number.
    #[error("row {row} of the table of cases has {column} = {found:?}: wanted {wanted}")]
    Cell {
        /// Counted from 1, without the head.
        row: usize,
        /// The column.
        column: &'static str,
        /// What is there.
        found: String,
        /// What may be there.
        wanted: &'static str,
    },
    /// Too few cases to learn from.
    #[error(
        "{with_bleed} cases with a bleed and {without} without, of {patients} patients: wanted \
         {FEWEST} of each kind at least"
    )]
    TooFew {
        /// Cases with a bleed.
        with_bleed: usize,
        /// Cases without one.
        without: usize,
        /// Their patients.
        patients: usize,
    },
}

/// Of fewer cases of a kind than these nothing can be learned that would be worth telling.
const FEWEST: usize = 8;
/// No table is longer: a million cases.
const LONGEST: u64 = 1 << 28;
/// Weight of the squared slopes, per standard deviation of a feature: it only matters where the two kinds
/// can be told apart without fault.
const PENALTY: f64 = 0.1;
/// By so much per case the soft volume must lower the log loss of cases left out to be used beside the
/// score: a third number wants a reason.
const WORTH_IT: f64 = 0.02;

/// A case as far as calibration goes.
#[derive(Debug, Clone, PartialEq)]
struct Case {
    patient: String,
    features: [f64; 2],
    has_bleed: bool,
}

/// Which of the two features are used.
type Used = [bool; 2];

/// Fits a calibration on the `cases.csv` of `haema eval`.
///
/// # Errors
///
/// [`CalibrateError`], which names the column or row, or counts the cases.
pub fn fit(table: &str) -> Result<Calibration, CalibrateError> {
    let cases = read_cases(table)?;
    let with_bleed = cases.iter().filter(|case| case.has_bleed).count();
    let without = cases.len() - with_bleed;
    let patients: BTreeSet<&str> = cases.iter().map(|case| case.patient.as_str()).collect();
    let too_few = CalibrateError::TooFew { with_bleed, without, patients: patients.len() };
    if with_bleed.min(without) < FEWEST {
        return Err(too_few);
    }
    let all: Vec<&Case> = cases.iter().collect();
    let left_out = |used| leave_out(&cases, &patients, used);
    let (Some(plain), Some(both)) = (left_out([true, false]), left_out([true, true])) else {
        return Err(too_few);
    };
    let (used, chances) = if log_loss(&cases, &both) < log_loss(&cases, &plain) - WORTH_IT {
        ([true, true], both)
    } else {
        ([true, false], plain)
    };
    let Some(line) = Line::fit(&all, used) else { return Err(too_few) };
    let truth: Vec<bool> = cases.iter().map(|case| case.has_bleed).collect();
    let reliability = count_chances(&chances, &truth);
    Ok(Calibration {
        schema: CALIBRATION_SCHEMA.to_owned(),
        intercept: short(line.intercept),
        slope_score: short(line.slopes[0]),
        slope_soft_volume: short(line.slopes[1]),
        bounds: line.bounds.map(short),
        cases: cases.len() as u64,
        with_bleed: with_bleed as u64,
        left_out: LeftOut {
            expected_error: figure(reliability.expected_error()),
            expected_error_if_perfect: figure(error_if_perfect(&chances)),
            brier: figure(reliability.brier()),
            log_loss: short(log_loss(&cases, &chances)),
        },
        cases_sha256: format!("{:x}", Sha256::digest(table.as_bytes())),
    })
}

fn figure(value: Option<f64>) -> f64 {
    short(value.expect("there are cases, which have been counted"))
}

/// To 6 decimals: more tells nothing, and a short number is read as it was written.
fn short(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Fits a calibration on a table of cases, where there is one, and writes the model with it, and with a
/// rule for its mask where one is given, into another file. The parameters, and so the model's SHA-256,
/// stay.
///
/// # Errors
///
/// [`CalibrateError`].
pub fn calibrate(
    model: &Path,
    cases: Option<&Path>,
    mask_rule: Option<MaskRule>,
    out: &Path,
) -> Result<Option<Calibration>, CalibrateError> {
    let calibration = match cases {
        Some(cases) => Some(fit(&fs::read_to_string(cases, LONGEST)?)?),
        None => None,
    };
    let bytes = read_model_bytes(model)?;
    let unusable =
        |error: ModelError| CalibrateError::Model(ModelFileError::Model(Box::new(error)));
    Model::from_bytes(&bytes).map_err(unusable)?;
    let weights = |error| unusable(ModelError::Weights(error));
    let (spec, params, mut metadata) = Parameters::from_bytes(&bytes).map_err(weights)?;
    if let Some(calibration) = &calibration {
        metadata.insert("calibration".to_owned(), json_of(calibration));
    }
    if let Some(rule) = mask_rule {
        metadata.insert("mask_rule".to_owned(), json_of(&rule));
    }
    // As wide as they were: four bytes a value do not fit into half precision's file.
    let is_full = bytes.len() >= 4 * params.values().len();
    let precision = if is_full { Precision::F32 } else { Precision::F16 };
    let bytes = params.to_bytes(&spec, &metadata, precision).map_err(weights)?;
    fs::write_atomic(out, &bytes)?;
    Ok(calibration)
}

/// As it stands in a model file.
pub(crate) fn json_of(entry: &impl serde::Serialize) -> String {
    serde_json::to_string(entry).expect("an entry is plain data")
}

/// A fitted line of the two features, and the chances within which it may speak.
struct Line {
    intercept: f64,
    slopes: [f64; 2],
    bounds: [f64; 2],
}

impl Line {
    /// Fits the features that are used. One whose slope would be below 0 is left out: more of it cannot
    /// make a bleed less likely. `None` where a kind is absent.
    fn fit(cases: &[&Case], mut used: Used) -> Option<Self> {
        let truth: Vec<bool> = cases.iter().map(|case| case.has_bleed).collect();
        let scales = [0, 1].map(|i| Scale::of(cases.iter().map(|case| case.features[i])));
        loop {
            let own = |case: &&Case| -> Vec<f64> {
                (0..2).filter(|&i| used[i]).map(|i| scales[i].apply(case.features[i])).collect()
            };
            let features: Vec<Vec<f64>> = cases.iter().map(own).collect();
            let line = Logistic::fit(&features, &truth, PENALTY)?;
            let mut slopes = line.slopes.iter();
            let slopes =
                used.map(|is_used| if is_used { *slopes.next().unwrap_or(&0.0) } else { 0.0 });
            if let Some(falling) = (0..2).find(|&i| slopes[i] < 0.0) {
                used[falling] = false;
                continue;
            }
            let of_unit = [0, 1].map(|i| slopes[i] / scales[i].spread);
            let shift: f64 = (0..2).map(|i| of_unit[i] * scales[i].mean).sum();
            // Laplace's rule: after n cases without exception the next is one with 1 in n + 2.
            let least = 1.0 / (cases.len() as f64 + 2.0);
            return Some(Self {
                intercept: line.intercept - shift,
                slopes: of_unit,
                bounds: [least, 1.0 - least],
            });
        }
    }

    fn chance(&self, features: [f64; 2]) -> f64 {
        let odds = self.intercept + self.slopes[0] * features[0] + self.slopes[1] * features[1];
        (1.0 / (1.0 + (-odds).exp())).clamp(self.bounds[0], self.bounds[1])
    }
}

/// Brings a feature to mean 0 and spread 1.
struct Scale {
    mean: f64,
    spread: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count().max(1) as f64;
        let mean = values.clone().sum::<f64>() / n;
        let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        // A feature that never varies tells nothing, whatever it is divided by.
        let spread = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Self { mean, spread }
    }

    fn apply(&self, value: f64) -> f64 {
        (value - self.mean) / self.spread
    }
}

/// Up to so many patients each is left out alone; of more, groups of them are.
const MOST_GROUPS: usize = 100;

/// The chance of each case by a fit without any scan of its patient; `None` where one cannot be fitted.
fn leave_out(cases: &[Case], patients: &BTreeSet<&str>, used: Used) -> Option<Vec<f64>> {
    let group_of: BTreeMap<&str, usize> =
        patients.iter().enumerate().map(|(i, patient)| (*patient, i % MOST_GROUPS)).collect();
    let groups: Vec<usize> = cases.iter().map(|case| group_of[case.patient.as_str()]).collect();
    let mut chances = vec![0.0; cases.len()];
    for left_out in 0..patients.len().min(MOST_GROUPS) {
        let is_other = |(_, group): &(&Case, &usize)| **group != left_out;
        let others: Vec<&Case> =
            cases.iter().zip(&groups).filter(is_other).map(|(case, _)| case).collect();
        let line = Line::fit(&others, used)?;
        for (i, case) in cases.iter().enumerate().filter(|(i, _)| groups[*i] == left_out) {
            chances[i] = line.chance(case.features);
        }
    }
    Some(chances)
}

/// Mean log loss; chances are never 0 or 1.
fn log_loss(cases: &[Case], chances: &[f64]) -> f64 {
    let loss = |(case, &chance): (&Case, &f64)| {
        if case.has_bleed { -chance.ln() } else { -(1.0 - chance).ln() }
    };
    cases.iter().zip(chances).map(loss).sum::<f64>() / cases.len() as f64
}

fn read_cases(table: &str) -> Result<Vec<Case>, CalibrateError> {
    let mut lines = table.lines();
    let head = fields(lines.next().unwrap_or_default());
    let place = |column: &'static str| {
        head.iter().position(|name| name == column).ok_or(CalibrateError::Column { column })
    };
    let patient = place("patient")?;
    let columns = ["score", "soft_ml", "reference_ml"];
    let places = [place(columns[0])?, place(columns[1])?, place(columns[2])?];
    let read = |(i, line): (usize, &str)| {
        let cells = fields(line);
        let number = |k: usize| {
            let found = cells.get(places[k]).cloned().unwrap_or_default();
            let value = found
                .parse::<f64>()
                .ok()
                .filter(|value| value.is_finite() && *value >= 0.0 && (k > 0 || *value <= 1.0));
            let wanted = if k == 0 { "a number from 0 to 1" } else { "a number of 0 or more" };
            let column = columns[k];
            value.ok_or(CalibrateError::Cell { row: i + 1, column, found, wanted })
        };
        Ok(Case {
            patient: cells.get(patient).cloned().unwrap_or_default(),
            features: Calibration::features(number(0)?, number(1)?),
            has_bleed: number(2)? > 0.0,
        })
    };
    lines.filter(|line| !line.is_empty()).enumerate().map(read).collect()
}

/// The cells of a line of CSV. A line break within quotes, which no id has, is not understood.
fn fields(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = cells.last_mut().expect("there is always a cell");
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                last.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            c => last.push(c),
        }
    }
    cells
}
