//! Which case serves for what.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Case ids, each in one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The network learns from these.
    pub training: Vec<String>,
    /// The learning rate and the choice of the epoch follow these.
    pub validation: Vec<String>,
    /// Never seen by the run: for an honest score afterwards.
    pub held_aside: Vec<String>,
}

/// Why cases cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// An id that no case has.
    #[error("the dataset has no case {id}")]
    Unknown {
        /// The id.
        id: String,
    },
    /// An id in two lists.
    #[error("case {id} is both for validation and held aside")]
    Twice {
        /// The id.
        id: String,
    },
    /// Nothing to learn from.
    #[error("{left} training cases are left: wanted at least 1")]
    NoTraining {
        /// How many are left.
        left: usize,
    },
}

/// A case as far as splitting goes: its id and how many voxels are bleed.
pub type CaseSize = (String, usize);

impl Split {
    /// Takes named cases for validation and aside; the rest is for training.
    ///
    /// # Errors
    ///
    /// [`SplitError`] where an id is not known or named twice, or nothing is left.
    pub fn named(
        ids: &[&str],
        validation: &[String],
        held_aside: &[String],
    ) -> Result<Self, SplitError> {
        for id in validation.iter().chain(held_aside) {
            if !ids.contains(&id.as_str()) {
                return Err(SplitError::Unknown { id: id.clone() });
            }
        }
        if let Some(id) = validation.iter().find(|id| held_aside.contains(id)) {
            return Err(SplitError::Twice { id: id.clone() });
        }
        let is_free =
            |id: &&&str| !validation.iter().chain(held_aside).any(|taken| taken.as_str() == **id);
        let training: Vec<String> = ids.iter().filter(is_free).map(|&id| id.to_owned()).collect();
        if training.is_empty() {
            return Err(SplitError::NoTraining { left: 0 });
        }
        Ok(Self { training, validation: validation.to_vec(), held_aside: held_aside.to_vec() })
    }

    /// Cases in all lists.
    pub(crate) fn len(&self) -> usize {
        self.training.len() + self.validation.len() + self.held_aside.len()
    }

    /// Every `nth` case, stratified: bleeds in order of their size, then cases without in order of
    /// their ids, beginning in the middle of the first `nth`. The same dataset always gives the
    /// same cases.
    pub fn every_nth(cases: &[CaseSize], nth: usize) -> Vec<String> {
        let [bleeds, blanks] = ordered(cases);
        let pick = |cases: Vec<CaseSize>| {
            cases.into_iter().skip(nth / 2).step_by(nth.max(1)).map(|(id, _)| id)
        };
        let mut picked: Vec<String> = pick(bleeds).chain(pick(blanks)).collect();
        picked.sort_unstable();
        picked
    }

    /// The cases that fold `fold` of `0..folds` holds aside, stratified as [`Split::every_nth`]: each
    /// case is in one fold.
    pub fn fold(cases: &[CaseSize], fold: usize, folds: usize) -> Vec<String> {
        let [bleeds, blanks] = ordered(cases);
        // Cases without a bleed are dealt out from the other end, so that folds are of like size.
        let from = |first: usize, cases: Vec<CaseSize>| {
            cases.into_iter().skip(first).step_by(folds.max(1)).map(|(id, _)| id)
        };
        let mut picked: Vec<String> =
            from(fold, bleeds).chain(from(folds.saturating_sub(1 + fold), blanks)).collect();
        picked.sort_unstable();
        picked
    }
}

/// Cases with a bleed in order of its size, then those without in order of their ids.
fn ordered(cases: &[CaseSize]) -> [Vec<CaseSize>; 2] {
    let (mut bleeds, mut blanks): (Vec<_>, Vec<_>) =
        cases.iter().cloned().partition(|&(_, voxels)| voxels > 0);
    bleeds.sort_by(|(a, a_voxels), (b, b_voxels)| (a_voxels, a).cmp(&(b_voxels, b)));
    blanks.sort_unstable();
    [bleeds, blanks]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_in_one_list() {
        let ids = ["a", "b", "c", "d"];
        let split = Split::named(&ids, &["b".into()], &["d".into()]).unwrap();

        assert_eq!(split.training, ["a", "c"]);
    }

    #[test]
    fn unknown_and_doubled_ids_are_refused() {
        let ids = ["a", "b"];

        let unknown = Split::named(&ids, &["x".into()], &[]).unwrap_err();
        let twice = Split::named(&ids, &["a".into()], &["a".into()]).unwrap_err();
        let nothing = Split::named(&ids, &["a".into()], &["b".into()]).unwrap_err();

        assert_eq!(unknown.to_string(), "the dataset has no case x");
        assert_eq!(twice.to_string(), "case a is both for validation and held aside");
        assert_eq!(nothing.to_string(), "0 training cases are left: wanted at least 1");
    }

    #[test]
    fn folds_hold_every_case_aside_once_and_are_of_like_size() {
        let cases: Vec<CaseSize> =
            (0..54).map(|i| (format!("case{i:02}"), if i < 24 { i + 1 } else { 0 })).collect();

        let folds: Vec<Vec<String>> = (0..5).map(|k| Split::fold(&cases, k, 5)).collect();

        let mut all: Vec<&String> = folds.iter().flatten().collect();
        all.sort_unstable();
        assert!(all.iter().zip(&cases).all(|(id, case)| **id == case.0) && all.len() == 54);
        assert!(folds.iter().all(|fold| (10..=11).contains(&fold.len())), "{folds:?}");
    }

    #[test]
    fn every_nth_spans_the_sizes() {
        let cases: Vec<CaseSize> = (0..20)
            .map(|i| (format!("case{i:02}"), if i < 12 { 100 * i + 1 } else { 0 }))
            .collect();

        let picked = Split::every_nth(&cases, 4);

        assert_eq!(picked, ["case02", "case06", "case10", "case14", "case18"]);
    }
}
