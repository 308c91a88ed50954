//! Which bleed of the second scan is which of the first, and what has become of it.

use haema_volume::{Grid, Locator, LpsMap, Vec3, Volume, add, norm, scale, sub};
use serde::{Deserialize, Serialize};

/// What has become of a bleed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Not in the first scan.
    New,
    /// Larger by more than the error of measurement.
    Grown,
    /// Smaller by more than that.
    Shrunk,
    /// Neither.
    Stable,
    /// Several became one.
    Merged,
    /// One became several.
    Split,
    /// No longer there.
    Resolved,
}

/// Bleeds of the two scans that belong together, by their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    /// In the first scan.
    pub baseline: Vec<u32>,
    /// In the second.
    pub followup: Vec<u32>,
}

impl Kin {
    /// What has become of them.
    ///
    /// * `change_ml` — of all of them together.
    /// * `smallest_real_change_ml` — less is error of measurement.
    pub fn fate(&self, change_ml: f64, smallest_real_change_ml: f64) -> Fate {
        match (self.baseline.len(), self.followup.len()) {
            (0, _) => Fate::New,
            (_, 0) => Fate::Resolved,
            (before, now) if before > now => Fate::Merged,
            (before, now) if before < now => Fate::Split,
            _ if change_ml > smallest_real_change_ml => Fate::Grown,
            _ if change_ml < -smallest_real_change_ml => Fate::Shrunk,
            _ => Fate::Stable,
        }
    }
}

/// A bleed is the same where it lies within this of the other: registration and outlines err.
const REACH_MM: f64 = 2.5;
/// And where at least this share of the smaller of the two does.
const LEAST_SHARE: f64 = 0.1;

/// Bleeds without a counterpart are the same where their middles lie within this: a bleed that grows
/// pushes others aside, with the brain around them.
const PUSHED_MM: f64 = 12.0;
/// And where the larger is no more than so many times the smaller.
const PUSHED_RATIO: f64 = 3.0;

/// Puts together the bleeds that lie in the same place, in the order of the first scan's labels; those
/// that are new come last. Of those that are left, the nearest are the same if they are alike.
///
/// * `baseline`, `followup` — maps of labels from 1, each on its own grid.
pub fn kin(
    baseline: (&Volume<u32>, &Grid),
    followup: (&Volume<u32>, &Grid),
    baseline_from_followup: &LpsMap,
) -> Vec<Kin> {
    let count = |labels: &Volume<u32>| labels.as_slice().iter().max().map_or(0, |&n| n as usize);
    let (before, now) = (count(baseline.0), count(followup.0));
    let shared = shared_voxels(baseline, followup, baseline_from_followup, [before, now]);
    let (before_mm3, before_mm) = sizes_and_middles(baseline, before, &LpsMap::IDENTITY);
    let (now_mm3, now_mm) = sizes_and_middles(followup, now, baseline_from_followup);
    // Families, by the smallest label of the joint count: first scan, then second.
    let mut family: Vec<usize> = (0..before + now).collect();
    for b in 1..=before {
        for f in 1..=now {
            let least = LEAST_SHARE * before_mm3[b].min(now_mm3[f]);
            if shared[b * (now + 1) + f] > 0.0 && shared[b * (now + 1) + f] >= least {
                let (one, other) = (family[b - 1], family[before + f - 1]);
                let (keep, drop) = (one.min(other), one.max(other));
                family.iter_mut().filter(|of| **of == drop).for_each(|of| *of = keep);
            }
        }
    }
    let mut all: Vec<Kin> = Vec::new();
    for root in 0..before + now {
        let of = |from: usize, count: usize, mm3: &[f64]| -> Vec<u32> {
            (1..=count)
                .filter(|&label| family[from + label - 1] == root && mm3[label] > 0.0)
                .map(|label| label as u32)
                .collect()
        };
        let (baseline, followup) = (of(0, before, &before_mm3), of(before, now, &now_mm3));
        if !(baseline.is_empty() && followup.is_empty()) {
            all.push(Kin { baseline, followup });
        }
    }
    find_pushed(&mut all, (&before_mm3, &before_mm), (&now_mm3, &now_mm));
    all
}

/// Volume of each bleed, and its middle in the first scan's frame, by label.
fn sizes_and_middles(
    (labels, grid): (&Volume<u32>, &Grid),
    count: usize,
    baseline_from_here: &LpsMap,
) -> (Vec<f64>, Vec<Vec3>) {
    let mut mm3 = vec![0.0; count + 1];
    let mut middles = vec![[0.0; 3]; count + 1];
    let columns = grid.size()[2];
    for z in 0..grid.size()[0] {
        let voxel_mm3 = grid.voxel_volume_mm3(z);
        for (offset, &label) in labels.plane(z).iter().enumerate().filter(|(_, l)| **l > 0) {
            let [y, x] = [(offset / columns) as f64, (offset % columns) as f64];
            let label = label as usize;
            mm3[label] += voxel_mm3;
            middles[label] = add(middles[label], scale(grid.point_lps_mm(z, y, x), voxel_mm3));
        }
    }
    for (middle, mm3) in middles.iter_mut().zip(&mm3) {
        *middle = baseline_from_here.apply(scale(*middle, 1.0 / mm3.max(f64::MIN_POSITIVE)));
    }
    (mm3, middles)
}

/// Puts together bleeds that have no counterpart and lie near to each other, the nearest first.
fn find_pushed(
    all: &mut Vec<Kin>,
    (before_mm3, before_mm): (&[f64], &[Vec3]),
    (now_mm3, now_mm): (&[f64], &[Vec3]),
) {
    loop {
        let mut nearest: Option<(f64, usize, usize)> = None;
        for (i, gone) in all.iter().enumerate() {
            let ([b], []) = (gone.baseline.as_slice(), gone.followup.as_slice()) else { continue };
            for (j, new) in all.iter().enumerate() {
                let ([], [f]) = (new.baseline.as_slice(), new.followup.as_slice()) else {
                    continue;
                };
                let [b, f] = [*b as usize, *f as usize];
                let ratio = before_mm3[b] / now_mm3[f];
                let far_mm = norm(sub(before_mm[b], now_mm[f]));
                let is_alike = (1.0 / PUSHED_RATIO..=PUSHED_RATIO).contains(&ratio);
                let is_nearer = nearest.is_none_or(|(mm, ..)| far_mm < mm);
                if is_alike && far_mm <= PUSHED_MM && is_nearer {
                    nearest = Some((far_mm, i, j));
                }
            }
        }
        let Some((_, gone, new)) = nearest else { return };
        all[gone].followup = std::mem::take(&mut all[new].followup);
        all.remove(new);
    }
}

/// Volume of each bleed of the second scan that lies in reach of each of the first, mm³.
fn shared_voxels(
    (baseline, baseline_grid): (&Volume<u32>, &Grid),
    (followup, followup_grid): (&Volume<u32>, &Grid),
    baseline_from_followup: &LpsMap,
    [before, now]: [usize; 2],
) -> Vec<f64> {
    let locator = Locator::of(baseline_grid);
    let columns = followup_grid.size()[2];
    let around: Vec<Vec3> = std::iter::once([0.0; 3])
        .chain((0..6).map(|i| {
            let mut way = [0.0; 3];
            way[i / 2] = if i % 2 == 0 { REACH_MM } else { -REACH_MM };
            way
        }))
        .collect();
    let mut shared = vec![0.0; (before + 1) * (now + 1)];
    let mut seen: Vec<u32> = Vec::new();
    for z in 0..followup_grid.size()[0] {
        let mm3 = followup_grid.voxel_volume_mm3(z);
        for (offset, &label) in followup.plane(z).iter().enumerate().filter(|(_, l)| **l > 0) {
            let [y, x] = [offset / columns, offset % columns];
            let there =
                baseline_from_followup.apply(followup_grid.point_lps_mm(z, y as f64, x as f64));
            seen.clear();
            for &way in &around {
                let found = locator.nearest(add(there, way)).map_or(0, |index| baseline[index]);
                if found > 0 && !seen.contains(&found) {
                    seen.push(found);
                }
            }
            for &found in &seen {
                shared[found as usize * (now + 1) + label as usize] += mm3;
            }
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use haema_volume::{Affine, Components, Connectivity};

    use super::*;

    fn grid() -> Grid {
        let affine =
            Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 4.0], [0.0; 3]);
        Grid::from_affine([6, 60, 60], &affine).unwrap()
    }

    /// Balls at `x`, of a radius.
    fn labels(balls: &[(f64, f64)]) -> Volume<u32> {
        let mask = Volume::from_fn([6, 60, 60], |[z, y, x]| {
            u8::from(balls.iter().any(|(at, radius)| {
                let way = [x as f64 - at, y as f64 - 30.0, 4.0 * z as f64 - 10.0];
                way.iter().map(|mm| mm * mm).sum::<f64>() < radius * radius
            }))
        });
        Components::of(&mask, Connectivity::Corners).labels().clone()
    }

    fn families(before: &[(f64, f64)], now: &[(f64, f64)], shift_mm: f64) -> Vec<[usize; 2]> {
        let map = LpsMap::rigid([0.0; 3], [-shift_mm, 0.0, 0.0], [0.0; 3]);
        let found = kin((&labels(before), &grid()), (&labels(now), &grid()), &map);
        found.iter().map(|kin| [kin.baseline.len(), kin.followup.len()]).collect()
    }

    #[test]
    fn bleeds_are_found_again_where_they_were() {
        assert_eq!(families(&[(20.0, 6.0)], &[(20.0, 9.0)], 0.0), [[1, 1]]);
        // The head lies 15 mm further to the left.
        assert_eq!(families(&[(20.0, 6.0)], &[(35.0, 6.0)], 15.0), [[1, 1]]);
        assert_eq!(families(&[(20.0, 6.0)], &[(35.0, 6.0)], 0.0), [[1, 0], [0, 1]]);
    }

    #[test]
    fn a_bleed_that_a_larger_one_pushes_aside_is_found_again() {
        // The small one moves from 40 to 50 as the large one grows.
        let before = [(18.0, 5.0), (40.0, 3.0)];
        assert_eq!(families(&before, &[(18.0, 9.0), (50.0, 3.0)], 0.0), [[1, 1], [1, 1]]);
        // One of another size, or further away, is another one.
        assert_eq!(families(&[(20.0, 2.5)], &[(31.5, 6.0)], 0.0), [[1, 0], [0, 1]]);
        assert_eq!(families(&[(20.0, 3.0)], &[(33.0, 3.0)], 0.0), [[1, 0], [0, 1]]);
    }

    #[test]
    fn merged_and_split_bleeds_are_one_family() {
        let two = [(20.0, 5.0), (34.0, 5.0)];
        let one = [(20.0, 5.0), (27.0, 7.0), (34.0, 5.0)];

        assert_eq!(families(&two, &one, 0.0), [[2, 1]]);
        assert_eq!(families(&one, &two, 0.0), [[1, 2]]);
    }

    #[test]
    fn fates_follow_from_families_and_the_error_of_measurement() {
        let kin = |before: u32, now: u32| Kin {
            baseline: (1..=before).collect(),
            followup: (1..=now).collect(),
        };

        assert_eq!(kin(1, 1).fate(3.0, 2.0), Fate::Grown);
        assert_eq!(kin(1, 1).fate(-3.0, 2.0), Fate::Shrunk);
        assert_eq!(kin(1, 1).fate(1.9, 2.0), Fate::Stable);
        assert_eq!(kin(0, 1).fate(1.0, 0.1), Fate::New);
        assert_eq!(kin(1, 0).fate(-1.0, 0.1), Fate::Resolved);
        assert_eq!(kin(2, 1).fate(5.0, 2.0), Fate::Merged);
        assert_eq!(kin(1, 2).fate(5.0, 2.0), Fate::Split);
    }
}
