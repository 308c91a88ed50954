//! How far the volumes of a model were from the truth on scans that it had not seen, and what follows
//! for a new one: split-conformal intervals.
//!
//! # Source
//!
//! [`conformal_bound`]; within groups of scans: V. Vovk, "Conditional validity of inductive conformal
//! predictors", 2012.

use std::path::{Path, PathBuf};

use haema_eval::conformal_bound;
use haema_io::fs::{self, FsError};
use haema_methods::BUILT_IN_VOLUME_ERRORS;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::report::{AboveGate, VolumeInterval, round3};

/// The format of the table. The number grows when a field changes its meaning or goes.
pub const ERROR_TABLE_SCHEMA: &str = "haema.volume_errors/1";

/// The volumes that a model found on held-aside scans, beside the true ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorTable {
    /// [`ERROR_TABLE_SCHEMA`].
    pub schema: String,
    /// SHA-256 of the weights that the table speaks of.
    pub weights_sha256: String,
    /// Where the scans come from, for people.
    pub source: String,
    /// One entry a scan.
    pub cases: Vec<ErrorTableCase>,
}

/// One held-aside scan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorTableCase {
    /// What the model found.
    pub found_ml: f64,
    /// What is true.
    pub true_ml: f64,
    /// Distance between slices.
    pub slice_mm: f64,
}

/// Why a table cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ErrorTableError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// It is no such table.
    #[error("no table of volume errors ({cause}): {path}")]
    Malformed {
        /// What is wrong.
        cause: String,
        /// The file.
        path: PathBuf,
    },
}

/// What an interval shall hold for.
const COVERAGE: f64 = 0.9;
/// Volumes are compared by their logarithm, with so much added to each: near nothing a tenth of a
/// millilitre is no tenfold error.
const OFFSET_ML: f64 = 1.0;
/// Sizes that differ in how well they are measured: found volume, mL.
const SIZES_ML: [f64; 3] = [1.0, 5.0, 20.0];
/// Thin slices and thick ones.
const THICK_MM: f64 = 3.0;
/// A group with fewer scans is put together with its neighbours.
const LEAST_OF_GROUP: usize = 40;
/// Fewer scans have no 5th percentile.
const LEAST: usize = 20;
/// The usual gates.
const GATES_ML: [f64; 3] = [15.0, 30.0, 60.0];
/// A table of a million scans.
const LARGEST: u64 = 1 << 26;

/// How often intervals held the truth when each scan was predicted from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// Of which scans.
    pub of: String,
    /// How many scans had an interval.
    pub scans: usize,
    /// How many of those it held.
    pub held: usize,
    /// Median width of the interval.
    pub median_width_ml: f64,
}

impl ErrorTable {
    /// The table of the model that is built in.
    ///
    /// # Panics
    ///
    /// Never: it is part of the program, and a test reads it.
    pub fn built_in() -> Self {
        serde_json::from_str(BUILT_IN_VOLUME_ERRORS).expect("the built-in table is whole")
    }

    /// The table beside a model, `model.volume-errors.json`; none where there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorTableError`] where it is there and cannot be used.
    pub fn beside(model: &Path) -> Result<Option<Self>, ErrorTableError> {
        let path = model.with_extension("volume-errors.json");
        if fs::stamp(&path).is_err() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path, LARGEST)?;
        let table: Self = serde_json::from_str(&text).map_err(|cause| {
            ErrorTableError::Malformed { cause: cause.to_string(), path: path.clone() }
        })?;
        if table.schema == ERROR_TABLE_SCHEMA {
            return Ok(Some(table));
        }
        let cause = format!("its schema is {:?}: wanted {ERROR_TABLE_SCHEMA:?}", table.schema);
        Err(ErrorTableError::Malformed { cause, path })
    }

    /// From `cases.csv` of `haema eval` on held-aside scans.
    ///
    /// # Errors
    ///
    /// [`ErrorTableError::Malformed`], which names the line.
    pub fn from_cases_csv(
        path: &Path,
        weights_sha256: &str,
        source: &str,
    ) -> Result<Self, ErrorTableError> {
        let text = fs::read_to_string(path, LARGEST)?;
        let malformed = |cause: String| ErrorTableError::Malformed { cause, path: path.to_owned() };
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| {
            let at = head.iter().position(|found| *found == name);
            at.ok_or_else(|| malformed(format!("no column {name}")))
        };
        let columns = [column("found_ml")?, column("reference_ml")?, column("slice_mm")?];
        let case = |(index, line): (usize, &str)| -> Result<ErrorTableCase, ErrorTableError> {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |i: usize| {
                let cell = cells.get(columns[i]).copied().unwrap_or_default();
                let value = cell.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0);
                value.ok_or_else(|| malformed(format!("line {}: {cell:?}", index + 2)))
            };
            let [found_ml, true_ml, slice_mm] = [number(0)?, number(1)?, number(2)?];
            Ok(ErrorTableCase { found_ml, true_ml, slice_mm })
        };
        Ok(Self {
            schema: ERROR_TABLE_SCHEMA.to_owned(),
            weights_sha256: weights_sha256.to_owned(),
            source: source.to_owned(),
            cases: lines.enumerate().map(case).collect::<Result<_, _>>()?,
        })
    }

    /// Writes the table.
    ///
    /// # Errors
    ///
    /// [`ErrorTableError::File`].
    pub fn write(&self, path: &Path) -> Result<(), ErrorTableError> {
        Ok(fs::write_json(path, self)?)
    }

    /// Its fingerprint; none of an empty one, which changes nothing.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let json = serde_json::to_vec(self).expect("a table is plain data");
        (!self.cases.is_empty()).then(|| format!("{:x}", Sha256::digest(&json))[..12].to_owned())
    }

    /// The interval of a volume that was found.
    pub fn interval(&self, found_ml: f64, slice_mm: f64) -> VolumeInterval {
        interval(&self.cases, found_ml, slice_mm)
    }

    /// Each scan's interval from all others: overall, and by found volume.
    pub fn leave_one_out(&self) -> Vec<Coverage> {
        let bounds = |i: usize| [SIZES_ML.get(i.wrapping_sub(1)), SIZES_ML.get(i)];
        let name = |i: usize| match bounds(i) {
            [None, Some(most)] => format!("found less than {most} mL"),
            [Some(least), Some(most)] => format!("found {least} to {most} mL"),
            [least, _] => format!("found {} mL and more", least.unwrap_or(&0.0)),
        };
        let all = Self::coverage("all".to_owned(), &self.cases, |_| true);
        let by_size = (0..=SIZES_ML.len())
            .map(|i| Self::coverage(name(i), &self.cases, |case| size_of(case.found_ml) == i));
        [all].into_iter().chain(by_size).collect()
    }

    fn coverage(
        of: String,
        cases: &[ErrorTableCase],
        is_meant: impl Fn(&ErrorTableCase) -> bool,
    ) -> Coverage {
        let (mut held, mut widths) = (0, Vec::new());
        for (i, case) in cases.iter().enumerate().filter(|(_, case)| is_meant(case)) {
            let mut others = cases.to_vec();
            others.remove(i);
            let found = interval(&others, case.found_ml, case.slice_mm);
            if let (Some(lower), Some(upper)) = (found.lower_ml, found.upper_ml) {
                held += usize::from((lower..=upper).contains(&round3(case.true_ml)));
                widths.push(upper - lower);
            }
        }
        widths.sort_by(f64::total_cmp);
        let median_width_ml = widths.get(widths.len() / 2).copied().unwrap_or(f64::NAN);
        Coverage { of, scans: widths.len(), held, median_width_ml }
    }
}

/// The interval of a volume, from the table of a model where there is one for it.
pub(crate) fn interval_of(
    table: Option<&ErrorTable>,
    weights_sha256: &str,
    (found_ml, slice_mm): (f64, f64),
) -> VolumeInterval {
    match table {
        None => unknown("no held-aside scans were measured with this model".to_owned()),
        Some(table) if table.weights_sha256 != weights_sha256 && !table.cases.is_empty() => {
            unknown("the table beside the model is that of other weights".to_owned())
        }
        Some(table) => table.interval(found_ml, slice_mm),
    }
}

fn unknown(because: String) -> VolumeInterval {
    VolumeInterval {
        coverage: COVERAGE,
        lower_ml: None,
        upper_ml: None,
        chances: Vec::new(),
        learnt_from: None,
        unknown_because: Some(because),
    }
}

fn size_of(found_ml: f64) -> usize {
    SIZES_ML.partition_point(|&ml| ml <= found_ml)
}

/// The scans that are like one: of its size and thickness, of its size, or all.
fn like(cases: &[ErrorTableCase], found_ml: f64, slice_mm: f64) -> (Vec<f64>, &'static str) {
    let is_thick = |mm: f64| mm >= THICK_MM;
    let by_size = |case: &&ErrorTableCase| size_of(case.found_ml) == size_of(found_ml);
    let by_both =
        |case: &&ErrorTableCase| by_size(case) && is_thick(case.slice_mm) == is_thick(slice_mm);
    let log =
        |case: &ErrorTableCase| ((case.true_ml + OFFSET_ML) / (case.found_ml + OFFSET_ML)).ln();
    let both: Vec<f64> = cases.iter().filter(by_both).map(log).collect();
    let size: Vec<f64> = cases.iter().filter(by_size).map(log).collect();
    match () {
        () if both.len() >= LEAST_OF_GROUP => (both, "of this size and slice thickness"),
        () if size.len() >= LEAST_OF_GROUP => (size, "of this size"),
        () => (cases.iter().map(log).collect(), "of all sizes"),
    }
}

fn interval(cases: &[ErrorTableCase], found_ml: f64, slice_mm: f64) -> VolumeInterval {
    let (errors, which) = like(cases, found_ml, slice_mm);
    let n = errors.len();
    if n < LEAST {
        return unknown(match n {
            0 => "no held-aside scans were measured with this model".to_owned(),
            n => format!("only {n} held-aside scans were measured: wanted at least {LEAST}"),
        });
    }
    let volume = |error: f64| ((found_ml + OFFSET_ML) * error.exp() - OFFSET_ML).max(0.0);
    // Half of what may lie outside on either side.
    let outside = 0.5 * (1.0 - COVERAGE);
    let below: Vec<f64> = errors.iter().map(|error| -error).collect();
    let [upper, lower] = [conformal_bound(&errors, outside), -conformal_bound(&below, outside)];
    let chance = |above_ml: f64| {
        let above = errors.iter().filter(|error| volume(**error) > above_ml).count();
        AboveGate { above_ml, probability: round3((above as f64 + 0.5) / (n + 1) as f64) }
    };
    VolumeInterval {
        coverage: COVERAGE,
        lower_ml: Some(round3(volume(lower))),
        upper_ml: Some(round3(volume(upper))),
        chances: GATES_ML.map(chance).to_vec(),
        learnt_from: Some(format!("{n} held-aside scans {which}")),
        unknown_because: None,
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Scans whose found volume is off by a factor that spreads more for small bleeds.
    fn cases(count: usize, seed: u64) -> Vec<ErrorTableCase> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut case = || {
            let true_ml: f64 = rng.random_range(0.0_f64..4.5).exp() - 1.0;
            let spread = if true_ml < 5.0 { 0.8 } else { 0.2 };
            let error: f64 = (0..6).map(|_| rng.random_range(-0.7..0.7)).sum();
            let found_ml = ((true_ml + 1.0) * (spread * error).exp() - 1.0).max(0.0);
            let slice_mm = if rng.random_bool(0.5) { 1.0 } else { 5.0 };
            ErrorTableCase { found_ml, true_ml, slice_mm }
        };
        (0..count).map(|_| case()).collect()
    }

    fn table(cases: Vec<ErrorTableCase>) -> ErrorTable {
        ErrorTable {
            schema: ERROR_TABLE_SCHEMA.to_owned(),
            weights_sha256: "ab".to_owned(),
            source: "made up".to_owned(),
            cases,
        }
    }

    #[test]
    fn nine_of_ten_new_scans_lie_in_their_intervals_whatever_their_size() {
        let table = table(cases(800, 1));
        let fresh = cases(4000, 2);

        for size in 0..=SIZES_ML.len() {
            let of_size: Vec<_> = fresh.iter().filter(|c| size_of(c.found_ml) == size).collect();
            let held = of_size.iter().filter(|case| {
                let found = table.interval(case.found_ml, case.slice_mm);
                (found.lower_ml.unwrap()..=found.upper_ml.unwrap()).contains(&round3(case.true_ml))
            });
            let share = held.count() as f64 / of_size.len() as f64;
            assert!((0.86..0.96).contains(&share), "{size}: {share} of {}", of_size.len());
        }
        let all = &table.leave_one_out()[0];
        let share = all.held as f64 / all.scans as f64;
        assert!(all.scans == 800 && (0.87..0.95).contains(&share), "{all:?}");
    }

    #[test]
    fn ranks_and_chances_are_those_of_the_table() {
        // Errors of −0.19, −0.17, … +0.19: twenty scans.
        let even = |i: i32| ErrorTableCase {
            found_ml: 29.0,
            true_ml: 30.0 * (0.01 * f64::from(2 * i - 19)).exp() - 1.0,
            slice_mm: 5.0,
        };
        let found = table((0..20).map(even).collect()).interval(29.0, 5.0);

        // 5 % of 21 places is 1.05: the first and the last error.
        assert_eq!(found.lower_ml, Some(round3(30.0 * (-0.19_f64).exp() - 1.0)));
        assert_eq!(found.upper_ml, Some(round3(30.0 * 0.19_f64.exp() - 1.0)));
        let chance = |above: f64| found.chances.iter().find(|c| c.above_ml == above).unwrap();
        assert_eq!(chance(15.0).probability, round3(20.5 / 21.0));
        assert_eq!(chance(60.0).probability, round3(0.5 / 21.0));
        // 31 / 30 is an error of 0.033: those of 0.05 and more are above.
        assert_eq!(chance(30.0).probability, round3(8.5 / 21.0));
    }

    fn told(table: Option<&ErrorTable>, sha: &str) -> String {
        interval_of(table, sha, (20.0, 5.0)).unknown_because.unwrap()
    }

    #[test]
    fn without_scans_or_with_those_of_another_model_it_is_unknown() {
        let few = table(cases(19, 1));

        assert!(told(None, "ab").starts_with("no held-aside scans"));
        assert!(told(Some(&table(vec![])), "cd").starts_with("no held-aside scans"));
        assert!(told(Some(&few), "cd").contains("other weights"));
        assert!(told(Some(&few), "ab").starts_with("only 19 held-aside scans"));
        assert!(ErrorTable::built_in().schema == ERROR_TABLE_SCHEMA);
    }

    #[test]
    fn a_table_of_cases_is_read_by_its_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.csv");
        let text = "case,subtypes,reference_ml,found_ml,slice_mm\na,x+y,12.5,11.0,5.0\nb,,0,0,1\n";
        fs::write_atomic(&path, text.as_bytes()).unwrap();

        let table = ErrorTable::from_cases_csv(&path, "ab", "here").unwrap();
        let model = folder.path().join("model.safetensors");
        table.write(&model.with_extension("volume-errors.json")).unwrap();

        assert_eq!(table.cases[0], ErrorTableCase { found_ml: 11.0, true_ml: 12.5, slice_mm: 5.0 });
        assert_eq!(ErrorTable::beside(&model).unwrap(), Some(table));
        assert_eq!(ErrorTable::beside(&folder.path().join("other.safetensors")).unwrap(), None);
        fs::write_atomic(&path, b"case,reference_ml,found_ml,slice_mm\na,1,-2,3\n").unwrap();
        let error = ErrorTable::from_cases_csv(&path, "ab", "here").unwrap_err().to_string();
        assert!(error.starts_with("no table of volume errors (line 2: \"-2\")"), "{error}");
    }
}
