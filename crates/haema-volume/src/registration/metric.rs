//! Mutual information of two heads under an affine map, with its slope.

use std::num::NonZeroUsize;
use std::ops::Range;

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
/// Samples are summed in parts of this size at least, and in no more than so many, whatever the number
/// of threads: sums are the same, and a few samples are not worth a thread.
const PART: usize = 3000;
const MOST_PARTS: usize = 16;
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
    pub(super) fn of(level: &Level, stride: usize, is_wanted: impl Fn([usize; 3]) -> bool) -> Self {
        let [depth, rows, columns] = level.grey.size();
        let mut samples = Self { points_lps_mm: Vec::new(), grey: Vec::new() };
        let mut count = 0_usize;
        for z in 0..depth {
            for y in 0..rows {
                for x in 0..columns {
                    if !is_wanted([z, y, x]) || level.grey[[z, y, x]].is_nan() {
                        continue;
                    }
                    count += 1;
                    if !count.is_multiple_of(stride) {
                        continue;
                    }
                    let (centre, aside) = (level.point([z, y, x]), aside([x, y, z]));
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

    fn parts(&self) -> impl ExactSizeIterator<Item = Range<usize>> + Send + use<> {
        let len = self.len();
        let count = (len / PART).clamp(1, MOST_PARTS);
        let share = len.div_ceil(count);
        (0..count).map(move |part| (part * share).min(len)..((part + 1) * share).min(len))
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
    /// Information as a share of what the two heads hold: 0 where they have nothing to do with each
    /// other, 1 where each grey of one is one grey of the other.
    pub(super) shared: f64,
    /// Share of the fixed head's samples that fall into the moving scan.
    pub(super) overlap: f64,
    /// Agreement of what is bone in both, of the samples that fall into both.
    pub(super) bone_dice: f64,
}

/// The slope of information by the entries of the map, row by row.
pub(super) type Slope = [f64; ENTRIES];

/// What is counted of a part of the samples.
struct Counts {
    joint: Vec<f64>,
    inside: f64,
    /// Bone in the fixed head, in the moving head, in both.
    bone: [f64; 3],
}

/// A sample that fell into the moving scan: what its pull on the map is computed from.
struct Seen {
    sample: u32,
    /// The first of its four cells of the histogram.
    cell: u32,
    /// Where it lies between the second and the third.
    part: f32,
    /// Slope of grey there, per mm.
    slope: [f32; 3],
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
    let parts = parallel::map(samples.parts(), threads, |_, part| {
        count(samples, part, moving, moving_from_fixed, &mut |_| ())
    });
    Counts::sum(&parts).value(samples.len()).0
}

/// [`information`] and its slope.
pub(super) fn ascent(
    samples: &Samples,
    moving: Moving<'_>,
    moving_from_fixed: &LpsMap,
    threads: NonZeroUsize,
) -> (Value, Slope) {
    let parts = parallel::map(samples.parts(), threads, |_, part| {
        let mut seen = Vec::with_capacity(part.len());
        let counts =
            count(samples, part, moving, moving_from_fixed, &mut |sample| seen.push(sample));
        (counts, seen)
    });
    let (counts, seen): (Vec<Counts>, Vec<Vec<Seen>>) = parts.into_iter().unzip();
    let counts = Counts::sum(&counts);
    let (value, pulls) = counts.value(samples.len());
    let parts = parallel::map(seen.iter(), threads, |_, seen| slope_of(samples, seen, &pulls));
    let mut slope = [0.0; ENTRIES];
    for part in parts {
        slope.iter_mut().zip(part).for_each(|(sum, more)| *sum += more / counts.inside.max(1.0));
    }
    (value, slope)
}

fn count(
    samples: &Samples,
    part: Range<usize>,
    moving: Moving<'_>,
    map: &LpsMap,
    on_seen: &mut impl FnMut(Seen),
) -> Counts {
    let mut counts = Counts::empty();
    for sample in part {
        let fixed_grey = samples.grey[sample];
        let point = map.apply(samples.points_lps_mm[sample]);
        let Some((moving_grey, slope)) = moving.grey_at(point) else { continue };
        counts.inside += 1.0;
        let bones = [fixed_grey > BONE_GREY, moving_grey > BONE_GREY];
        counts.bone[0] += f64::from(u8::from(bones[0]));
        counts.bone[1] += f64::from(u8::from(bones[1]));
        counts.bone[2] += f64::from(u8::from(bones[0] && bones[1]));
        let row = ((fixed_grey * BINS as f32) as usize).min(BINS - 1) * BINS;
        // Two bins are left free at either end for the spline.
        let place = 1.5 + moving_grey.clamp(0.0, 1.0) * SPREAD;
        let first = place as usize;
        let part = place - first as f32;
        let cell = row + first - 1;
        for (sum, weight) in counts.joint[cell..][..4].iter_mut().zip(spline(f64::from(part))) {
            *sum += weight;
        }
        on_seen(Seen { sample: sample as u32, cell: cell as u32, part, slope });
    }
    counts
}

/// What these samples add to the slope: each cell of the histogram pulls by its entry of `pulls`.
fn slope_of(samples: &Samples, seen: &[Seen], pulls: &[f64]) -> Slope {
    let mut sums = [0.0; ENTRIES];
    for Seen { sample, cell, part, slope } in seen {
        let pulls = &pulls[*cell as usize..][..4];
        let rises = spline_rises(f64::from(*part));
        let pull: f64 = rises.iter().zip(pulls).map(|(rise, pull)| rise * pull).sum();
        let [x, y, z] = samples.points_lps_mm[*sample as usize];
        for (sums, along) in sums.chunks_exact_mut(4).zip(slope) {
            let pull = pull * f64::from(SPREAD * along);
            for (sum, value) in sums.iter_mut().zip([x, y, z, 1.0]) {
                *sum += pull * value;
            }
        }
    }
    sums
}

/// The bins of the moving head from no grey to all.
const SPREAD: f32 = BINS as f32 - 4.0;

/// Weights of the four nearest bins, where the place lies `t` above the second.
fn spline(t: f64) -> [f64; 4] {
    let u = 1.0 - t;
    [
        u * u * u / 6.0,
        (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
        (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0,
        t * t * t / 6.0,
    ]
}

/// The slopes of these weights.
fn spline_rises(t: f64) -> [f64; 4] {
    let u = 1.0 - t;
    [-u * u / 2.0, (3.0 * t * t - 4.0 * t) / 2.0, (4.0 * u - 3.0 * u * u) / 2.0, t * t / 2.0]
}

impl Counts {
    fn empty() -> Self {
        Self { joint: vec![0.0; CELLS], inside: 0.0, bone: [0.0; 3] }
    }

    fn sum(parts: &[Self]) -> Self {
        let mut all = Self::empty();
        for part in parts {
            all.inside += part.inside;
            all.bone.iter_mut().zip(part.bone).for_each(|(sum, more)| *sum += more);
            all.joint.iter_mut().zip(&part.joint).for_each(|(sum, more)| *sum += more);
        }
        all
    }

    /// What it is worth, and how much each cell of the histogram adds to it.
    fn value(&self, samples: usize) -> (Value, Vec<f64>) {
        let overlap = self.inside / (samples.max(1) as f64);
        let [fixed_bone, moving_bone, both] = self.bone;
        let bone_dice = if both > 0.0 { 2.0 * both / (fixed_bone + moving_bone) } else { 0.0 };
        let mut pulls = vec![0.0; CELLS];
        if self.inside < FEWEST_SAMPLES {
            return (Value { information: -1.0, shared: 0.0, overlap, bone_dice }, pulls);
        }
        let p = |count: f64| count / self.inside;
        let mut of_fixed = [0.0; BINS];
        let mut of_moving = [0.0; BINS];
        for (cell, &count) in self.joint.iter().enumerate() {
            of_fixed[cell / BINS] += p(count);
            of_moving[cell % BINS] += p(count);
        }
        let mut information = 0.0;
        for (cell, &count) in self.joint.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let (f, m) = (of_fixed[cell / BINS], of_moving[cell % BINS]);
            pulls[cell] = (p(count) / m).ln();
            information += p(count) * (pulls[cell] - f.ln());
        }
        let entropy =
            |of: &[f64; BINS]| of.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum::<f64>();
        let held = 0.5 * (entropy(&of_fixed) + entropy(&of_moving));
        let shared = if held > 0.0 { information / held } else { 0.0 };
        (Value { information, shared, overlap, bone_dice }, pulls)
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
        let at = |map: &LpsMap| ascent(&samples, Moving::of(&level), map, NonZeroUsize::MIN);
        let map = LpsMap::rigid([0.05, -0.03, 0.08], [1.3, -2.1, 0.7], [0.0; 3]);

        let (_, slope) = at(&map);

        for entry in 0..ENTRIES {
            let step = if entry % 4 == 3 { 1e-3 } else { 1e-5 };
            let moved = |by: f64| {
                let mut rows = map.rows();
                rows[entry / 4][entry % 4] += by;
                at(&LpsMap::from_rows(rows)).0.information
            };
            let wanted = (moved(step) - moved(-step)) / (2.0 * step);
            let found = slope[entry];
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
            ascent(&samples, Moving::of(&level), &map, threads)
        };

        assert!(samples.parts().len() > 1);
        let (value, slope) = with(1);
        assert_eq!(value.information.to_bits(), with(3).0.information.to_bits());
        assert_eq!(slope, with(3).1);
        let alone = information(&samples, Moving::of(&level), &map, NonZeroUsize::MIN);
        assert_eq!(value.information.to_bits(), alone.information.to_bits());
    }

    #[test]
    fn weights_of_the_spline_sum_to_one_and_their_slopes_to_nothing() {
        for t in [0.0, 0.2, 0.5, 0.99] {
            let (weights, rises) = (spline(t), spline_rises(t));
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(rises.iter().sum::<f64>().abs() < 1e-12);
        }
    }
}
