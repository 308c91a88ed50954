//! What a dataset is, looked at before a run learns from it.
//!
//! A mask that lies elsewhere than its scan, a label nobody named, or one scan under two names teach
//! nonsense, or make a score worthless, and no loss curve shows it. So each case is read and checked
//! first, those that the run never learns from among them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use haema_io::dataset::{Case, Dataset};
use haema_volume::{CtVolume, Grid, Volume, parallel};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::error::TrainError;
use super::split::Split;

/// A case as it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct CaseFacts {
    pub(crate) id: String,
    /// What it serves for.
    role: Role,
    /// `[z, y, x]`.
    size: [usize; 3],
    /// `[z, y, x]`; along z from slice to slice in the median.
    spacing_mm: [f64; 3],
    bleed_ml: f64,
    darkest_hu: f32,
    brightest_hu: f32,
    /// Of the voxels alone: a copy under another name or in another place has the same.
    voxels_sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Training,
    Validation,
    HeldAside,
}

/// All of a run's cases: `fingerprint.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Fingerprint {
    schema: &'static str,
    dataset: String,
    /// Cases with a bleed, of all.
    with_bleed: usize,
    /// Pairs of training cases that are one scan: it counts twice, which may be meant.
    doubled: Vec<[String; 2]>,
    cases: Vec<CaseFacts>,
}

/// The format of `fingerprint.json`.
const SCHEMA: &str = "haema.training-fingerprint/1";
/// Farthest that a mask's corner may lie from its scan's, in voxels: programs that write both round
/// their headers differently.
const MOST_VOXELS_APART: f64 = 0.5;

/// Reads every case of the split and checks it.
///
/// # Errors
///
/// [`TrainError`], which names the case, where a mask is missing, lies elsewhere or has a value that
/// no label has, or where one scan is on two sides of the split.
pub(crate) fn look_at(
    dataset: &Dataset,
    split: &Split,
    threads: NonZeroUsize,
) -> Result<Fingerprint, TrainError> {
    let role = |id: &str| {
        let has = |ids: &[String]| ids.iter().any(|own| own == id);
        let roles = [
            (&split.training, Role::Training),
            (&split.validation, Role::Validation),
            (&split.held_aside, Role::HeldAside),
        ];
        roles.into_iter().find(|(ids, _)| has(ids)).map(|(_, role)| role)
    };
    let used: Vec<(&Case, Role)> =
        dataset.cases().iter().filter_map(|case| Some((case, role(case.id())?))).collect();
    let values = dataset.label_values();
    let look = |_, (case, role): (&Case, Role)| CaseFacts::of(case, role, &values);
    let cases = parallel::map(used.into_iter(), threads, look);
    let cases: Vec<CaseFacts> = cases.into_iter().collect::<Result<_, _>>()?;
    Ok(Fingerprint {
        schema: SCHEMA,
        dataset: dataset.name().to_owned(),
        with_bleed: cases.iter().filter(|case| case.bleed_ml > 0.0).count(),
        doubled: doubled(&cases)?,
        cases,
    })
}

/// Checks one case as [`look_at`] does, and gives the volume of its bleed, mL.
///
/// # Errors
///
/// [`TrainError`], which names the case.
pub(crate) fn check_case(case: &Case, label_values: &[u8]) -> Result<f64, TrainError> {
    CaseFacts::of(case, Role::Training, label_values).map(|facts| facts.bleed_ml)
}

impl CaseFacts {
    fn of(case: &Case, role: Role, values: &[u8]) -> Result<Self, TrainError> {
        let id = case.id().to_owned();
        let read = |source| TrainError::Read { id: id.clone(), source: Box::new(source) };
        let image = case.read_image().map_err(read)?;
        let Some((label, grid)) = case.read_label_and_grid().map_err(read)? else {
            return Err(TrainError::NoLabel { id });
        };
        check_grid(&id, image.grid(), &grid)?;
        check_values(&id, &label, values)?;
        let hu = image.voxels_hu().as_slice();
        Ok(Self {
            id,
            role,
            size: image.grid().size(),
            spacing_mm: image.grid().spacing_mm(),
            bleed_ml: bleed_ml(&image, &label),
            darkest_hu: hu.iter().copied().fold(f32::INFINITY, f32::min),
            brightest_hu: hu.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            voxels_sha256: voxels_sha256(hu),
        })
    }
}

fn bleed_ml(image: &CtVolume, label: &Volume<u8>) -> f64 {
    let mask = label.map(|&voxel| u8::from(voxel != 0));
    haema_measure::volume_ml(&mask, image.grid()).expect("the mask has the scan's size: checked")
}

fn voxels_sha256(hu: &[f32]) -> String {
    let mut hash = Sha256::new();
    for piece in hu.chunks(1 << 14) {
        let bytes: Vec<u8> = piece.iter().flat_map(|value| value.to_le_bytes()).collect();
        hash.update(&bytes);
    }
    format!("{:x}", hash.finalize())
}

fn check_grid(id: &str, image: &Grid, label: &Grid) -> Result<(), TrainError> {
    let differ = |what| TrainError::MaskElsewhere { id: id.to_owned(), what };
    if image.size() != label.size() {
        let (found, wanted) = (label.size(), image.size());
        return Err(differ(format!("has {found:?} voxels, its scan {wanted:?} [z, y, x]")));
    }
    let [z, y, x] = image.size().map(|n| n - 1);
    let corners = [0, z].into_iter().flat_map(|z| {
        [(0.0, 0.0), (0.0, x as f64), (y as f64, 0.0), (y as f64, x as f64)].map(|(y, x)| (z, y, x))
    });
    let apart_mm = corners
        .map(|(z, y, x)| {
            let [a, b] = [image, label].map(|grid| grid.point_lps_mm(z, y, x));
            (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f64>().sqrt()
        })
        .fold(0.0, f64::max);
    let voxel_mm = image.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
    if apart_mm > MOST_VOXELS_APART * voxel_mm {
        return Err(differ(format!("lies up to {apart_mm:.2} mm from its scan")));
    }
    Ok(())
}

fn check_values(id: &str, label: &Volume<u8>, values: &[u8]) -> Result<(), TrainError> {
    let mut seen = [false; 256];
    for &voxel in label.as_slice() {
        seen[usize::from(voxel)] = true;
    }
    let is_unknown = |&value: &u8| seen[usize::from(value)] && !values.contains(&value);
    match (0..=u8::MAX).find(is_unknown) {
        Some(found) => {
            Err(TrainError::UnknownLabel { id: id.to_owned(), found, wanted: values.to_vec() })
        }
        None => Ok(()),
    }
}

/// Pairs of training cases with the same voxels.
///
/// # Errors
///
/// [`TrainError::Leak`] where two with the same voxels serve for different things.
fn doubled(cases: &[CaseFacts]) -> Result<Vec<[String; 2]>, TrainError> {
    let mut first: BTreeMap<&str, &CaseFacts> = BTreeMap::new();
    let mut pairs = Vec::new();
    for case in cases {
        let Some(before) = first.insert(&case.voxels_sha256, case) else { continue };
        let ids = [before.id.clone(), case.id.clone()];
        if before.role != case.role {
            return Err(TrainError::Leak { ids });
        }
        pairs.push(ids);
    }
    Ok(pairs)
}
