//! The 20 predictors of a voxel.

use std::num::NonZeroUsize;

use haema_volume::{Volume, parallel};
use serde::{Deserialize, Serialize};

use super::classes::bright_share;
use super::head::{Head, between};
use super::normal::Normal;
use super::smooth::Smoothed;

/// How many there are.
pub(super) const PREDICTORS: usize = 20;
/// The predictors of a voxel, in the order of [`NAMES`].
pub(super) type Row = [f32; PREDICTORS];

/// Their names in the published code.
pub(super) const NAMES: [&str; PREDICTORS] = [
    "moment1",
    "moment2",
    "skew",
    "kurtosis",
    "value",
    "thresh",
    "zscore1",
    "zscore2",
    "zscore3",
    "win_z",
    "pct_thresh",
    "prob_img",
    "pct_zero_neighbor",
    "any_zero_neighbor",
    "dist_centroid",
    "smooth5",
    "smooth10",
    "smooth20",
    "zscore_template",
    "flipped_value",
];

/// What counts as blood, Hounsfield units.
const BLOOD_HU: [f32; 2] = [40.0, 80.0];
/// Candidates have at least, and at most, this.
const CANDIDATE_HU: [f32; 2] = [30.0, 100.0];
/// Standard deviations of the three smoothed images, mm.
const SMOOTHED_MM: [f64; 3] = [5.0, 10.0, 20.0];

/// Of which values of three predictors a voxel may be blood.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ranges {
    /// Against its coronal plane.
    pub(super) zscore2: [f32; 2],
    /// Against its axial plane.
    pub(super) zscore3: [f32; 2],
    /// Share of neighbours that look like blood.
    pub(super) pct_thresh: [f32; 2],
}

impl Ranges {
    /// Those of the published model: 0.5 % and 99.5 % of the voxels of its bleeds.
    ///
    /// # Source
    ///
    /// methods.md C3, 6.
    pub(super) const PUBLISHED: Self = Self {
        zscore2: [-0.449_691, 4.874_273],
        zscore3: [-0.441_858, 5.246_02],
        pct_thresh: [0.037_037, 1.0],
    };

    /// Holds these three of a voxel to the ranges.
    fn hold(&self, [zscore2, zscore3, pct_thresh]: [f32; 3]) -> bool {
        let within = |value: f32, [least, most]: [f32; 2]| value >= least && value <= most;
        within(zscore2, self.zscore2)
            && within(zscore3, self.zscore3)
            && within(pct_thresh, self.pct_thresh)
    }
}

/// A head whose voxels can be described.
pub(super) struct Described<'a> {
    head: &'a Head,
    /// Mean and sample standard deviation of every sagittal, coronal and axial plane.
    planes: [Vec<[f32; 2]>; 3],
    /// Mean and standard deviation of the brain, its darkest and brightest fifth pulled in.
    winsorised: [f32; 2],
    centroid_lps_mm: [f64; 3],
    bright: Volume<f32>,
    smoothed: [Smoothed; 3],
    normal: &'a Normal,
}

impl<'a> Described<'a> {
    pub(super) fn of(head: &'a Head, normal: &'a Normal, threads: NonZeroUsize) -> Self {
        let smoothed = SMOOTHED_MM.map(|sd_mm| Smoothed::of(head, sd_mm));
        Self {
            head,
            planes: plane_moments(head),
            winsorised: winsorised(head),
            centroid_lps_mm: centroid(head),
            bright: bright_share(head, threads),
            smoothed,
            normal,
        }
    }

    /// Voxels that may be blood, by their offsets, in order.
    pub(super) fn candidates(&self, ranges: &Ranges, threads: NonZeroUsize) -> Vec<usize> {
        let [depth, rows, columns] = self.head.value.size();
        let in_plane = |_, z: usize| {
            let first = z * rows * columns;
            let may_be = |&offset: &usize| {
                let value = self.head.value.as_slice()[offset];
                self.head.inner.as_slice()[offset] != 0
                    && (CANDIDATE_HU[0]..=CANDIDATE_HU[1]).contains(&value)
                    && ranges.hold(self.rule(offset))
            };
            (first..first + rows * columns).filter(may_be).collect::<Vec<_>>()
        };
        parallel::map(0..depth, threads, in_plane).concat()
    }

    /// What the rule of candidates looks at: coronal and axial z, and the share of neighbours like blood.
    pub(super) fn rule(&self, offset: usize) -> [f32; 3] {
        let [_, zscore2, zscore3] = self.zscores(offset);
        let like_blood =
            |value: f32| f32::from(u8::from((BLOOD_HU[0]..=BLOOD_HU[1]).contains(&value)));
        let share = self.around(offset).map(like_blood).iter().sum::<f32>() / 27.0;
        [zscore2, zscore3, share]
    }

    fn at(&self, offset: usize) -> [usize; 3] {
        let [_, rows, columns] = self.head.value.size();
        [offset / columns / rows, offset / columns % rows, offset % columns]
    }

    fn zscores(&self, offset: usize) -> [f32; 3] {
        let [z, y, x] = self.at(offset);
        let value = self.head.value.as_slice()[offset];
        let score = |[mean, sd]: [f32; 2]| {
            let z = (value - mean) / sd;
            if z.is_finite() { z } else { 0.0 }
        };
        [score(self.planes[0][x]), score(self.planes[1][y]), score(self.planes[2][z])]
    }

    /// The voxel and its 26 neighbours; 0 outside the inner brain.
    fn around(&self, offset: usize) -> [f32; 27] {
        self.neighbours(offset, |i| {
            if self.head.inner.as_slice()[i] == 0 { 0.0 } else { self.head.value.as_slice()[i] }
        })
    }

    fn neighbours(&self, offset: usize, value: impl Fn(usize) -> f32) -> [f32; 27] {
        let (at, size) = (self.at(offset), self.head.value.size());
        std::array::from_fn(|i| {
            let step = [i / 9, i / 3 % 3, i % 3];
            let mut there = [0; 3];
            for axis in 0..3 {
                let moved = (at[axis] + step[axis]).wrapping_sub(1);
                if moved >= size[axis] {
                    return 0.0;
                }
                there[axis] = moved;
            }
            value(self.head.value.offset(there))
        })
    }

    /// All predictors of a voxel.
    pub(super) fn row(&self, offset: usize) -> Row {
        let value = self.head.value.as_slice()[offset];
        let [mean, variance, skew, kurtosis] = moments(&self.around(offset));
        let [zscore1, zscore2, zscore3] = self.zscores(offset);
        let is_zero = |i: usize| f32::from(u8::from(self.head.value.as_slice()[i] == 0.0));
        let zeros = self.neighbours(offset, is_zero).iter().sum::<f32>() / 27.0;
        let [z, y, x] = self.at(offset);
        let point = self.head.grid.point_lps_mm(z, y as f64, x as f64);
        let away = haema_volume::norm(haema_volume::sub(point, self.centroid_lps_mm)) as f32;
        let [_, _, columns] = self.head.value.size();
        let mirrored = self.head.value[[z, y, columns - 1 - x]];
        let [mean_brain, sd_brain] = self.winsorised;
        let row = [
            mean,
            variance,
            skew,
            kurtosis,
            value,
            f32::from(u8::from((BLOOD_HU[0]..=BLOOD_HU[1]).contains(&value))),
            zscore1,
            zscore2,
            zscore3,
            (value - mean_brain) / sd_brain,
            self.rule(offset)[2],
            self.bright.as_slice()[offset],
            zeros,
            f32::from(u8::from(zeros > 0.0)),
            away,
            self.smoothed[0].at([z, y, x]),
            self.smoothed[1].at([z, y, x]),
            self.smoothed[2].at([z, y, x]),
            self.normal.z_score(value, point),
            value - mirrored,
        ];
        row.map(|value| if value.is_finite() && value.abs() >= 1e-13 { value } else { 0.0 })
    }
}

/// Mean, variance, skewness and kurtosis, all over 27.
fn moments(values: &[f32; 27]) -> [f32; 4] {
    let values = values.map(f64::from);
    let mean = values.iter().sum::<f64>() / 27.0;
    let central = |power: i32| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / 27.0;
    let variance = central(2);
    let (skew, kurtosis) = (central(3) / variance.powf(1.5), central(4) / (variance * variance));
    [mean, variance, skew, kurtosis].map(|value| value as f32)
}

/// Of every plane at right angles to x, y and z, over the inner brain.
fn plane_moments(head: &Head) -> [Vec<[f32; 2]>; 3] {
    let [depth, rows, columns] = head.value.size();
    let mut sums = [columns, rows, depth].map(|n| vec![[0.0_f64; 3]; n]);
    let voxels = head.value.as_slice().iter().zip(head.inner.as_slice());
    for (offset, (&value, _)) in voxels.enumerate().filter(|(_, (_, inner))| **inner != 0) {
        let places = [offset % columns, offset / columns % rows, offset / columns / rows];
        for (sums, place) in sums.iter_mut().zip(places) {
            let value = f64::from(value);
            let sum = &mut sums[place];
            *sum = [sum[0] + 1.0, sum[1] + value, sum[2] + value * value];
        }
    }
    sums.map(|sums| {
        let of_plane = |[n, sum, squares]: [f64; 3]| {
            let mean = sum / n;
            let variance = (squares - sum * mean) / (n - 1.0);
            [mean as f32, variance.max(0.0).sqrt() as f32]
        };
        sums.into_iter().map(of_plane).collect()
    })
}

/// Mean and sample standard deviation with what lies beyond the 20 % and 80 % quantiles pulled to them.
fn winsorised(head: &Head) -> [f32; 2] {
    let voxels = head.value.as_slice().iter().zip(head.inner.as_slice());
    let mut values: Vec<f32> = voxels.filter(|(_, inner)| **inner != 0).map(|(v, _)| *v).collect();
    if values.len() < 2 {
        return [0.0, 1.0];
    }
    values.sort_unstable_by(f32::total_cmp);
    let ends = [0.2, 0.8].map(|part| quantile(&values, part));
    let n = values.len() as f64;
    let pulled = || values.iter().map(|value| f64::from(value.clamp(ends[0], ends[1])));
    let mean = pulled().sum::<f64>() / n;
    let variance = pulled().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    [mean as f32, variance.sqrt().max(1e-6) as f32]
}

/// Of sorted values, by linear interpolation (R's type 7).
pub(super) fn quantile(sorted: &[f32], part: f64) -> f32 {
    let at = part * (sorted.len() - 1) as f64;
    let below = at as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let rest = (at - below as f64) as f32;
    sorted[below] * (1.0 - rest) + sorted[above] * rest
}

fn centroid(head: &Head) -> [f64; 3] {
    let [_, rows, columns] = head.inner.size();
    let (mut sum, mut count) = ([0.0; 3], 0.0_f64);
    for (offset, _) in head.inner.as_slice().iter().enumerate().filter(|(_, v)| **v != 0) {
        let at = [offset / columns / rows, offset / columns % rows, offset % columns];
        (0..3).for_each(|axis| sum[axis] += at[axis] as f64);
        count += 1.0;
    }
    head.grid.lps_from_index().point_at(sum.map(|sum| sum / count.max(1.0)))
}

/// What a healthy head has at a point, by interpolation; none outside.
pub(super) fn at_point(volume: &Volume<f32>, index: [f64; 3]) -> Option<f32> {
    let value = between(volume, index, f32::NAN);
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_textbook() {
        let mut values = [0.0; 27];
        values[..9].fill(3.0);

        let [mean, variance, skew, kurtosis] = moments(&values);

        // A third are 3 and the rest 0: mean 1, variance 2, central moments 2 and 6.
        assert_eq!([mean, variance], [1.0, 2.0]);
        assert!((skew - 2.0 / 2.0_f32.powf(1.5)).abs() < 1e-6 && (kurtosis - 1.5).abs() < 1e-6);
    }

    #[test]
    fn quantiles_are_those_of_r() {
        let values = [1.0, 2.0, 4.0, 8.0];

        assert_eq!([0.0, 0.5, 1.0].map(|part| quantile(&values, part)), [1.0, 3.0, 8.0]);
        assert!((quantile(&values, 0.2) - 1.6).abs() < 1e-6);
    }

    #[test]
    fn every_predictor_has_a_name_of_its_own() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();

        assert_eq!(names.len(), PREDICTORS);
    }
}
