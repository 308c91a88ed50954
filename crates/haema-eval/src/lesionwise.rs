//! Whether each bleed was found, whatever its size.

use std::collections::BTreeMap;

use haema_volume::{Components, Connectivity, Grid, Volume};

use crate::OverlapError;
use crate::overlap::check_sizes;

/// When two bleeds are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LesionMatching {
    /// Parts below this volume are no bleeds, neither found nor missed.
    pub least_ml: f64,
    /// Intersection over union that two must have; 0 for any common voxel.
    pub least_iou: f64,
}

impl Default for LesionMatching {
    /// From 0.05 mL, by any common voxel.
    fn default() -> Self {
        Self { least_ml: 0.05, least_iou: 0.0 }
    }
}

/// A bleed of the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceLesion {
    /// Its volume.
    pub volume_ml: f64,
    /// Intersection over union with the bleed that found it; `None` where none did.
    pub found_iou: Option<f64>,
}

/// Bleeds of one case, or of several, counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LesionCounts {
    /// The reference's, in order of their first voxel.
    pub reference: Vec<ReferenceLesion>,
    /// Predicted ones that are none.
    pub false_positive: u64,
    /// Predicted ones beyond the first that touch a bleed that was found: parts of it, no errors.
    pub split: u64,
}

impl LesionCounts {
    /// Counts the bleeds of one case. Parts that touch at a corner are one. Each bleed of the reference
    /// goes to one predicted bleed at most and the other way round, by descending intersection over union.
    ///
    /// # Errors
    ///
    /// [`OverlapError::SizesDiffer`] where the masks, or their grid, are of different sizes.
    pub fn count(
        reference: &Volume<u8>,
        predicted: &Volume<u8>,
        grid: &Grid,
        matching: LesionMatching,
    ) -> Result<Self, OverlapError> {
        check_sizes(reference.size(), predicted.size())?;
        check_sizes(grid.size(), predicted.size())?;
        let [wanted, found] =
            [reference, predicted].map(|mask| Components::of(mask, Connectivity::Corners));
        let [wanted_ml, found_ml] = [&wanted, &found].map(|parts| volumes_ml(parts, grid));
        let is_bleed = |ml: f64| ml >= matching.least_ml;
        let mut pairs: Vec<(f64, usize, usize)> = common_ml(&wanted, &found, grid)
            .into_iter()
            .filter(|((a, b), _)| is_bleed(wanted_ml[*a]) && is_bleed(found_ml[*b]))
            .map(|((a, b), ml)| (ml / (wanted_ml[a] + found_ml[b] - ml), a, b))
            .filter(|pair| pair.0 >= matching.least_iou)
            .collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut found_iou: Vec<Option<f64>> = vec![None; wanted_ml.len()];
        let mut is_matched = vec![false; found_ml.len()];
        for &(iou, a, b) in &pairs {
            if found_iou[a].is_none() && !is_matched[b] {
                found_iou[a] = Some(iou);
                is_matched[b] = true;
            }
        }
        let mut counts = Self::default();
        for (volume_ml, found_iou) in wanted_ml.iter().copied().zip(&found_iou) {
            if is_bleed(volume_ml) {
                counts.reference.push(ReferenceLesion { volume_ml, found_iou: *found_iou });
            }
        }
        for (b, _) in found_ml.iter().enumerate().filter(|(_, ml)| is_bleed(**ml)) {
            let is_part = pairs.iter().any(|pair| pair.2 == b && found_iou[pair.1].is_some());
            counts.split += u64::from(!is_matched[b] && is_part);
            counts.false_positive += u64::from(!is_matched[b] && !is_part);
        }
        Ok(counts)
    }

    /// Adds the bleeds of another case.
    pub fn merge(&mut self, other: Self) {
        self.reference.extend(other.reference);
        self.false_positive += other.false_positive;
        self.split += other.split;
    }

    /// How many bleeds were found.
    pub fn true_positive(&self) -> u64 {
        self.reference.iter().filter(|lesion| lesion.found_iou.is_some()).count() as u64
    }

    /// How many were missed.
    pub fn false_negative(&self) -> u64 {
        self.reference.len() as u64 - self.true_positive()
    }

    /// `2·TP / (2·TP + FP + FN)`; `None` where there is no bleed on either side.
    pub fn f1(&self) -> Option<f64> {
        let found = 2 * self.true_positive();
        let all = found + self.false_positive + self.false_negative();
        (all > 0).then(|| found as f64 / all as f64)
    }

    /// Share of the bleeds that were found; `None` where there are none.
    pub fn sensitivity(&self) -> Option<f64> {
        self.sensitivity_of([0.0, f64::INFINITY])
    }

    /// Share found of the bleeds from the first volume to below the second, mL; `None` where there are
    /// none.
    pub fn sensitivity_of(&self, [from_ml, below_ml]: [f64; 2]) -> Option<f64> {
        let wanted = self.reference.iter().filter(|l| (from_ml..below_ml).contains(&l.volume_ml));
        let found: Vec<bool> = wanted.map(|lesion| lesion.found_iou.is_some()).collect();
        let hits = found.iter().filter(|&&is_found| is_found).count();
        (!found.is_empty()).then(|| hits as f64 / found.len() as f64)
    }
}

fn volumes_ml(parts: &Components, grid: &Grid) -> Vec<f64> {
    let mut mm3 = vec![0.0; parts.voxel_counts().len() + 1];
    for z in 0..grid.size()[0] {
        let voxel_mm3 = grid.voxel_volume_mm3(z);
        parts.labels().plane(z).iter().for_each(|&label| mm3[label as usize] += voxel_mm3);
    }
    mm3.into_iter().skip(1).map(|mm3| mm3 / 1000.0).collect()
}

/// What parts have in common, by their places.
fn common_ml(a: &Components, b: &Components, grid: &Grid) -> BTreeMap<(usize, usize), f64> {
    let mut common = BTreeMap::new();
    for z in 0..grid.size()[0] {
        let voxel_ml = grid.voxel_volume_mm3(z) / 1000.0;
        for (&here, &there) in a.labels().plane(z).iter().zip(b.labels().plane(z)) {
            if here > 0 && there > 0 {
                *common.entry((here as usize - 1, there as usize - 1)).or_default() += voxel_ml;
            }
        }
    }
    common
}
