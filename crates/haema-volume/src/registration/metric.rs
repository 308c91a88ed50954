//! Mutual information of two heads under an affine map, with its slope.

use std::num::NonZeroUsize;

use super::pyramid::{BONE_GREY, Level};
use crate::affine::Vec3;
use crate::lps_map::LpsMap;
use crate::parallel;
use crate::volume::Volume;

/// Bins of grey in either head.
const BINS: usize = 32;
/// Cells of the joint histogram, and entries of the map that each has a slope by.
const CELLS: usize = BINS * BINS;
const ENTRIES: usize = 12;
/// Samples are summed in so many parts whatever the number of threads, so that sums are the same.
const PARTS: usize = 16;
/// Fewer samples than this say nothing.
const FEWEST_SAMPLES: f64 = 300.0;

/// Points of the fixed head and their grey.
#[derive(Debug)]
pub(super) struct Samples {
    points_lps_mm: Vec<Vec3>,
    grey: Vec<f32>,
}

impl Samples {
    /// One point in each of every `stride`th voxel of the level where `is_wanted`, off its middle by a
    /// share of the voxel that its index decides: points in step with the other head's voxels would
    /// draw the result to whole voxels.
    pub(super) fn of(level: &Level, stride: usize, is_wanted: impl Fn(Vec3) -> bool) -> Self {
        let [depth, rows, columns] = level.grey.size();
        let mut samples = Self { points_lps_mm: Vec::new(), grey: Vec::new() };
        let mut count = 0_usize;
        for z in 0..depth {
            for y in 0..rows {
                for x in 0..columns {
                    let centre = level.point([z, y, x]);
                    if level.grey[[z, y, x]].is_nan() || !is_wanted(centre) {
                        continue;
                    }
                    count += 1;
                    if !count.is_multiple_of(stride) {
                        continue;
                    }
                    let aside = aside([x, y, z]);
                    let point =
                        std::array::from_fn(|axis| centre[axis] + level.pitch_mm * aside[axis]);
                    if let Some((grey, _)) = Moving::of(level).grey_at(point) {
                        samples.points_lps_mm.push(point);
                        samples.grey.push(grey);
                    }
                }
            }
        }
        samples
    }

    pub(super) fn len(&self) -> usize {
        self.grey.len()
    }
}

/// Shares of a voxel in ±0.5, spread evenly: multiples of the powers of the plastic number's inverse.
///
/// # Source
///
/// M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018 (R₃).
fn aside(index: [usize; 3]) -> Vec3 {
    let [x, y, z] = index.map(|i| i as f64);
    let seed = x + 61.0 * y + 3_779.0 * z;
    [0.819_172_513_396_164_5, 0.671_043_606_703_789_3, 0.549_700_477_901_970_7]
        .map(|step| (seed * step).fract() - 0.5)
}

/// A head to be looked up at any point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moving<'a> {
    grey: &'a Volume<f32>,
    origin_lps_mm: Vec3,
    per_mm: f64,
}

impl<'a> Moving<'a> {
    pub(super) fn of(level: &'a Level) -> Self {
        Self { grey: &level.grey, origin_lps_mm: level.origin_lps_mm, per_mm: 1.0 / level.pitch_mm }
    }

    /// Grey at a point and its slope, per mm; `None` where the scan has not been.
    #[inline]
    fn grey_at(&self, point: Vec3) -> Option<(f32, [f32; 3])> {
        let size = self.grey.size();
        let mut base = [0; 3];
        let mut part = [0.0_f32; 3];
        for axis in 0..3 {
            let at = (point[axis] - self.origin_lps_mm[axis]) * self.per_mm;
            let lower = at.floor();
            if !(lower >= 0.0 && (lower as usize) + 1 < size[2 - axis]) {
                return None;
            }
            base[axis] = lower as usize;
            part[axis] = (at - lower) as f32;
        }
        let [_, rows, columns] = size;
        let first = (base[2] * rows + base[1]) * columns + base[0];
        let voxels = self.grey.as_slice();
        let pair = |offset: usize| {
            let (a, b) = (voxels[first + offset], voxels[first + offset + 1]);
            (a + part[0] * (b - a), b - a)
        };
        let square = |offset: usize| {
            let ((a, a_x), (b, b_x)) = (pair(offset), pair(offset + columns));
            (a + part[1] * (b - a), a_x + part[1] * (b_x - a_x), b - a)
        };
        let (low, low_x, low_y) = square(0);
        let (high, high_x, high_y) = square(rows * columns);
        let value = low + part[2] * (high - low);
        if value.is_nan() {
            return None;
        }
        let per_mm = self.per_mm as f32;
        let slope =
            [low_x + part[2] * (high_x - low_x), low_y + part[2] * (high_y - low_y), high - low];
        Some((value, slope.map(|s| s * per_mm)))
    }
}

/// What a map is worth.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// Mutual information, nats; less than nothing where the heads hardly meet.
    pub(super) information: f64,
    /// Its slope by the entries of the map, row by row.
    pub(super) slope: [f64; ENTRIES],
    /// Information as a share of what the two heads hold: 0 where they have nothing to do with each
    /// other, 1 where each grey of one is one grey of the other.
    pub(super) shared: f64,
    /// Share of the fixed head's samples that fall into the moving scan.
    pub(super) overlap: f64,
    /// Agreement of what is bone in both, of the samples that fall into both.
    pub(super) bone_dice: f64,
}

/// What is counted of a part of the samples.
struct Counts {
    joint: Vec<f64>,
    slopes: Vec<[f64; ENTRIES]>,
    inside: f64,
    /// Bone in the fixed head, in the moving head, in both.
    bone: [f64; 3],
}

/// Mattes' mutual information: grey of the fixed head falls into one bin, grey of the moving head
/// spreads over four by a cubic B-spline, so that information has a slope.
///
/// # Source
///
/// D. Mattes et al., "PET-CT image registration in the chest using free-form deformations", _IEEE
/// Transactions on Medical Imaging_ 22:120–128, 2003.
pub(super) fn information(
    samples: &Samples,
    moving: Moving<'_>,
    moving_from_fixed: &LpsMap,
    threads: NonZeroUsize,
) -> Value {
    let share = samples.len().div_ceil(PARTS).max(1);
    let points = samples.points_lps_mm.chunks(share);
    let parts = parallel::map(points, threads, |part, points| {
        let grey = &samples.grey[part * share..][..points.len()];
        count(points, grey, moving, moving_from_fixed)
    });
    let mut all = Counts::empty();
    for part in &parts {
        all.add(part);
    }
    all.value(samples.len())
}

fn count(points: &[Vec3], grey: &[f32], moving: Moving<'_>, map: &LpsMap) -> Counts {
    let mut counts = Counts::empty();
    for (&point, &fixed_grey) in points.iter().zip(grey) {
        let Some((moving_grey, slope)) = moving.grey_at(map.apply(point)) else { continue };
        counts.inside += 1.0;
        let bones = [fixed_grey > BONE_GREY, moving_grey > BONE_GREY];
        counts.bone[0] += f64::from(u8::from(bones[0]));
        counts.bone[1] += f64::from(u8::from(bones[1]));
        counts.bone[2] += f64::from(u8::from(bones[0] && bones[1]));
        let row = ((fixed_grey * BINS as f32) as usize).min(BINS - 1) * BINS;
        // Two bins are left free at either end for the spline.
        let place = 1.5 + moving_grey.clamp(0.0, 1.0) * (BINS as f32 - 4.0);
        let first = place as usize;
        let (weights, rises) = spline(f64::from(place - first as f32));
        let along = [point[0], point[1], point[2], 1.0];
        let mut by_entry = [0.0; ENTRIES];
        for (entry, value) in by_entry.iter_mut().enumerate() {
            *value = f64::from(slope[entry / 4]) * (BINS as f64 - 4.0) * along[entry % 4];
        }
        for k in 0..4 {
            let cell = row + first - 1 + k;
            counts.joint[cell] += weights[k];
            for (sum, value) in counts.slopes[cell].iter_mut().zip(by_entry) {
                *sum += rises[k] * value;
            }
        }
    }
    counts
}

/// Weights of the four nearest bins and their slopes, where the place lies `t` above the second.
fn spline(t: f64) -> ([f64; 4], [f64; 4]) {
    let u = 1.0 - t;
    let weights = [
        u * u * u / 6.0,
        (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
        (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0,
        t * t * t / 6.0,
    ];
    let rises =
        [-u * u / 2.0, (3.0 * t * t - 4.0 * t) / 2.0, (4.0 * u - 3.0 * u * u) / 2.0, t * t / 2.0];
    (weights, rises)
}

impl Counts {
    fn empty() -> Self {
        Self {
            joint: vec![0.0; CELLS],
            slopes: vec![[0.0; ENTRIES]; CELLS],
            inside: 0.0,
            bone: [0.0; 3],
        }
    }

    fn add(&mut self, other: &Self) {
        self.inside += other.inside;
        self.bone.iter_mut().zip(other.bone).for_each(|(sum, more)| *sum += more);
        self.joint.iter_mut().zip(&other.joint).for_each(|(sum, more)| *sum += more);
        for (sums, more) in self.slopes.iter_mut().zip(&other.slopes) {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }

    fn value(&self, samples: usize) -> Value {
        let overlap = self.inside / (samples.max(1) as f64);
        let [fixed_bone, moving_bone, both] = self.bone;
        let bone_dice = if both > 0.0 { 2.0 * both / (fixed_bone + moving_bone) } else { 0.0 };
        if self.inside < FEWEST_SAMPLES {
            let slope = [0.0; ENTRIES];
            return Value { information: -1.0, slope, shared: 0.0, overlap, bone_dice };
        }
        let p = |count: f64| count / self.inside;
        let mut of_fixed = [0.0; BINS];
        let mut of_moving = [0.0; BINS];
        for (cell, &count) in self.joint.iter().enumerate() {
            of_fixed[cell / BINS] += p(count);
            of_moving[cell % BINS] += p(count);
        }
        let mut information = 0.0;
        let mut slope = [0.0; ENTRIES];
        for (cell, &count) in self.joint.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let (f, m) = (of_fixed[cell / BINS], of_moving[cell % BINS]);
            information += p(count) * (p(count) / (f * m)).ln();
            let by_moving = (p(count) / m).ln();
            for (sum, of_cell) in slope.iter_mut().zip(self.slopes[cell]) {
                *sum += by_moving * p(of_cell);
            }
        }
        let entropy =
            |of: &[f64; BINS]| of.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum::<f64>();
        let held = 0.5 * (entropy(&of_fixed) + entropy(&of_moving));
        let shared = if held > 0.0 { information / held } else { 0.0 };
        Value { information, slope, shared, overlap, bone_dice }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball with a smaller one in it, off its middle.
    fn level() -> Level {
        let origin_lps_mm = [-40.0; 3];
        let level = Level { pitch_mm: 4.0, origin_lps_mm, grey: Volume::filled([20; 3], 0.0) };
        let ball = |point: Vec3, centre: Vec3, radius: f64| {
            let way = crate::affine::sub(point, centre);
            (1.0 / (1.0 + ((crate::affine::norm(way) - radius) / 3.0).exp())) as f32
        };
        let grey = Volume::from_fn([20; 3], |index| {
            let point = level.point(index);
            0.5 * ball(point, [0.0; 3], 28.0) + 0.4 * ball(point, [9.0, -6.0, 4.0], 9.0)
        });
        Level { grey, ..level }
    }

    #[test]
    fn the_slope_is_that_of_small_differences() {
        let level = level();
        let samples = Samples::of(&level, 1, |_| true);
        let at = |map: &LpsMap| information(&samples, Moving::of(&level), map, NonZeroUsize::MIN);
        let map = LpsMap::rigid([0.05, -0.03, 0.08], [1.3, -2.1, 0.7], [0.0; 3]);

        let value = at(&map);

        for entry in 0..ENTRIES {
            let step = if entry % 4 == 3 { 1e-3 } else { 1e-5 };
            let moved = |by: f64| {
                let mut rows = map.rows();
                rows[entry / 4][entry % 4] += by;
                at(&LpsMap::from_rows(rows)).information
            };
            let wanted = (moved(step) - moved(-step)) / (2.0 * step);
            let found = value.slope[entry];
            assert!(
                (found - wanted).abs() < 0.03 * wanted.abs() + 2e-3,
                "{entry}: {found} {wanted}"
            );
        }
    }

    #[test]
    fn heads_share_most_where_they_lie_on_each_other() {
        let level = level();
        let samples = Samples::of(&level, 1, |_| true);
        let at = |x_mm: f64| {
            let map = LpsMap::rigid([0.0; 3], [x_mm, 0.0, 0.0], [0.0; 3]);
            information(&samples, Moving::of(&level), &map, NonZeroUsize::MIN)
        };

        assert!(at(0.0).shared > 1.3 * at(6.0).shared, "{} {}", at(0.0).shared, at(6.0).shared);
        assert!(at(0.0).information > at(2.0).information);
        assert!(at(2.0).information > at(6.0).information);
        assert_eq!(at(500.0).overlap, 0.0);
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let level = level();
        let samples = Samples::of(&level, 1, |_| true);
        let map = LpsMap::rigid([0.1, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0; 3]);
        let with = |n| {
            let threads = NonZeroUsize::new(n).unwrap();
            information(&samples, Moving::of(&level), &map, threads)
        };

        assert_eq!(with(1).information.to_bits(), with(3).information.to_bits());
        assert_eq!(with(1).slope, with(3).slope);
    }

    #[test]
    fn weights_of_the_spline_sum_to_one_and_their_slopes_to_nothing() {
        for t in [0.0, 0.2, 0.5, 0.99] {
            let (weights, rises) = spline(t);
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(rises.iter().sum::<f64>().abs() < 1e-12);
        }
    }
}
