//! A head in a few coarse, even grids along the patient's axes: what registration looks at.

use std::num::NonZeroUsize;

use super::RegistrationError;
use crate::affine::{Vec3, add, scale};
use crate::components::{Components, Connectivity};
use crate::grid::{Grid, Locator};
use crate::volume::Volume;
use crate::{CtVolume, parallel};

/// Pitch of the finest grid; the others have twice and four times as much.
pub(super) const FINEST_MM: f64 = 2.0;
pub(super) const LEVELS: usize = 3;
/// No head, with whatever lies about it, is longer than this.
const LONGEST_MM: f64 = 1000.0;

/// Hounsfield units and their grey, 0 to 1: tissue has most of the scale, the skull enough to be
/// told from it, and whatever is denser than bone nothing more.
const GREY: [(f32, f32); 7] = [
    (-1000.0, 0.0),
    (-200.0, 0.1),
    (0.0, 0.3),
    (80.0, 0.6),
    (200.0, 0.75),
    (700.0, 0.95),
    (1500.0, 1.0),
];
/// What is brighter than this on a coarse grid is bone.
pub(super) const BONE_GREY: f32 = 0.75;

pub(super) fn grey(hu: f32) -> f32 {
    let above = GREY.partition_point(|&(from, _)| from <= hu);
    match above {
        // NaN ends here too: it is no tissue.
        0 => 0.0,
        n if n == GREY.len() => 1.0,
        n => {
            let ((low_hu, low), (high_hu, high)) = (GREY[n - 1], GREY[n]);
            low + (high - low) * (hu - low_hu) / (high_hu - low_hu)
        }
    }
}

/// The grey of whole Hounsfield units: a scan has millions of voxels.
struct Greys(Vec<f32>);

/// Grey does not change below and above these.
const LOWEST_HU: f32 = -1000.0;
const HIGHEST_HU: f32 = 1500.0;

impl Greys {
    fn new() -> Self {
        let count = (HIGHEST_HU - LOWEST_HU) as usize + 1;
        Self((0..count).map(|i| grey(LOWEST_HU + i as f32)).collect())
    }

    /// NaN becomes the least.
    fn of(&self, hu: f32) -> f32 {
        self.0[(hu.clamp(LOWEST_HU, HIGHEST_HU) - LOWEST_HU + 0.5) as usize]
    }
}

/// One grid along the patient's axes; grey is NaN where the scan has not been.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) pitch_mm: f64,
    pub(super) origin_lps_mm: Vec3,
    pub(super) grey: Volume<f32>,
}

impl Level {
    pub(super) fn point(&self, [z, y, x]: [usize; 3]) -> Vec3 {
        add(self.origin_lps_mm, scale([x as f64, y as f64, z as f64], self.pitch_mm))
    }

    /// Twice as coarse: the mean of eight, NaN where less than half of them is there.
    fn halved(&self, threads: NonZeroUsize) -> Self {
        let [depth, rows, columns] = self.grey.size();
        let size = self.grey.size().map(|n| n.div_ceil(2));
        let planes = parallel::map(0..size[0], threads, |_, z| {
            let mut plane = vec![f32::NAN; size[1] * size[2]];
            for (y, out) in plane.chunks_exact_mut(size[2]).enumerate() {
                let mut sums = vec![(0.0_f32, 0_u8); size[2]];
                for from_z in 2 * z..(2 * z + 2).min(depth) {
                    for from_y in 2 * y..(2 * y + 2).min(rows) {
                        let row = &self.grey.plane(from_z)[from_y * columns..][..columns];
                        for (sum, pair) in sums.iter_mut().zip(row.chunks(2)) {
                            for voxel in pair.iter().filter(|voxel| !voxel.is_nan()) {
                                sum.0 += voxel;
                                sum.1 += 1;
                            }
                        }
                    }
                }
                for (out, (sum, count)) in out.iter_mut().zip(sums).filter(|(_, sum)| sum.1 >= 4) {
                    *out = sum / f32::from(count);
                }
            }
            plane
        });
        let shift = 0.5 * self.pitch_mm;
        Self {
            pitch_mm: 2.0 * self.pitch_mm,
            origin_lps_mm: add(self.origin_lps_mm, [shift; 3]),
            grey: Volume::from_counted(size, planes.concat()),
        }
    }
}

/// A head, made ready to be registered; see [`crate::register`].
#[derive(Debug, Clone)]
pub struct HeadPyramid {
    /// From the finest to the coarsest.
    pub(super) levels: Vec<Level>,
    /// On the middle level: 1 within a centimetre of the skull and all it holds.
    pub(super) head: Volume<u8>,
    /// Centre of the head.
    pub(super) centre_lps_mm: Vec3,
    /// Top of the head.
    pub(super) top_mm: f64,
    /// How much of the largest piece of bone there is, and what is mixed with it.
    pub(super) skull_ml: f64,
}

impl HeadPyramid {
    /// Prepares a scan. The result is the same for any number of threads.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`] where the scan is too large for a head, or holds no head.
    pub fn of(ct: &CtVolume, threads: NonZeroUsize) -> Result<Self, RegistrationError> {
        let stack = coarse_stack(ct, threads);
        let finest = finest(&stack, threads)?;
        let mut levels = vec![finest];
        for i in 1..LEVELS {
            levels.push(levels[i - 1].halved(threads));
        }
        let middle = &levels[1];
        let voxel_ml = middle.pitch_mm.powi(3) / 1000.0;
        let (head, skull_voxels) = head_of(middle);
        let mut sum = [0.0; 3];
        let (mut count, mut top_mm) = (0_usize, f64::NEG_INFINITY);
        let [_, rows, columns] = head.size();
        for (offset, _) in head.as_slice().iter().enumerate().filter(|(_, voxel)| **voxel != 0) {
            let row = offset / columns;
            let point = middle.point([row / rows, row % rows, offset % columns]);
            sum = add(sum, point);
            top_mm = top_mm.max(point[2]);
            count += 1;
        }
        let found_ml = count as f64 * voxel_ml;
        if found_ml < SMALLEST_HEAD_ML {
            return Err(RegistrationError::NoHead { found_ml, wanted_ml: SMALLEST_HEAD_ML });
        }
        let centre_lps_mm = scale(sum, 1.0 / count as f64);
        let skull_ml = skull_voxels as f64 * voxel_ml;
        Ok(Self { levels, head, centre_lps_mm, top_mm, skull_ml })
    }
}

impl HeadPyramid {
    /// Centres of the voxels of bone on the finest grid: the skull as far as it was scanned.
    pub fn bone_points_lps_mm(&self) -> Vec<Vec3> {
        let finest = &self.levels[0];
        let [_, rows, columns] = finest.grey.size();
        let bone = finest.grey.as_slice().iter().enumerate().filter(|(_, g)| **g > BONE_GREY);
        let index =
            |offset: usize| [offset / columns / rows, offset / columns % rows, offset % columns];
        bone.map(|(offset, _)| finest.point(index(offset))).collect()
    }
}

/// Less than this, about a slice of a child's head, has no shape to go by.
const SMALLEST_HEAD_ML: f64 = 100.0;

/// The scan in grey, with pixels, and slices where these are thin, put together until they are about
/// as large as voxels of the finest grid: grey is taken before the mean, so that bone does not drown
/// what lies beside it.
fn coarse_stack(ct: &CtVolume, threads: NonZeroUsize) -> CtVolume {
    let [z_mm, y_mm, x_mm] = ct.grid().spacing_mm();
    let [depth, rows, columns] = ct.grid().size();
    let share = |mm: f64, n: usize| ((FINEST_MM / mm).round().max(1.0) as usize).min(n);
    let together = [share(1.25 * z_mm, depth), share(y_mm, rows), share(x_mm, columns)];
    let grid = ct.grid().coarsened(together);
    let [_, out_rows, out_columns] = grid.size();
    let [dz, dy, dx] = together;
    let greys = Greys::new();
    let planes = parallel::map(0..grid.size()[0], threads, |_, z| {
        let mut sums = vec![0.0_f32; out_rows * out_columns];
        for plane in z * dz..(z + 1) * dz {
            let voxels = ct.voxels_hu().plane(plane).chunks_exact(columns);
            for (y, row) in voxels.enumerate().take(out_rows * dy) {
                let sums = &mut sums[y / dy * out_columns..][..out_columns];
                for (sum, pixels) in sums.iter_mut().zip(row.chunks_exact(dx)) {
                    *sum += pixels.iter().map(|&hu| greys.of(hu)).sum::<f32>();
                }
            }
        }
        let count = (dz * dy * dx) as f32;
        for sum in &mut sums {
            *sum /= count;
        }
        sums
    });
    let voxels = Volume::from_counted(grid.size(), planes.concat());
    CtVolume::new(voxels, grid).expect("planes of the grid's own size were made")
}

/// Linear interpolation in the stack at every node of an even grid that covers it.
fn finest(stack: &CtVolume, threads: NonZeroUsize) -> Result<Level, RegistrationError> {
    let [low, high] = corners(stack.grid());
    let longest_mm = (0..3).map(|axis| high[axis] - low[axis]).fold(0.0, f64::max);
    if longest_mm.is_nan() || longest_mm > LONGEST_MM {
        return Err(RegistrationError::TooLarge { found_mm: longest_mm, wanted_mm: LONGEST_MM });
    }
    let count = |axis: usize| ((high[axis] - low[axis]) / FINEST_MM).ceil() as usize + 1;
    let size = [count(2), count(1), count(0)];
    let empty = Volume::filled([0, 0, 0], 0.0);
    let mut level = Level { pitch_mm: FINEST_MM, origin_lps_mm: low, grey: empty };
    let locator = Locator::of(stack.grid());
    // Slices that lie level from left to right, tilted or not, have a row at one height.
    let is_level = stack.grid().normal_lps()[0].abs() < 1e-12;
    let planes = parallel::map(0..size[0], threads, |_, z| {
        let mut plane = Vec::with_capacity(size[1] * size[2]);
        for y in 0..size[1] {
            let index_of = |x: usize| locator.index_at(level.point([z, y, x]));
            let (first, second) = (index_of(0), index_of(1));
            let step: [f64; 3] = std::array::from_fn(|axis| second[axis] - first[axis]);
            for x in 0..size[2] {
                let index = if is_level {
                    std::array::from_fn(|axis| first[axis] + x as f64 * step[axis])
                } else {
                    index_of(x)
                };
                plane.push(interpolate(stack.voxels_hu(), index).unwrap_or(f32::NAN));
            }
        }
        plane
    });
    level.grey = Volume::from_counted(size, planes.concat());
    Ok(level)
}

/// The smallest and largest coordinates of voxel centres.
fn corners(grid: &Grid) -> [Vec3; 2] {
    let [depth, rows, columns] = grid.size();
    let mut ends = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
    for z in 0..depth {
        for (y, x) in [(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1)] {
            let point = grid.point_lps_mm(z, y as f64, x as f64);
            for axis in 0..3 {
                ends[0][axis] = ends[0][axis].min(point[axis]);
                ends[1][axis] = ends[1][axis].max(point[axis]);
            }
        }
    }
    ends
}

/// Trilinear; within half a voxel beyond the ends the last voxel is repeated, further out is nothing.
fn interpolate(volume: &Volume<f32>, index: [f64; 3]) -> Option<f32> {
    let size = volume.size();
    let mut lower = [0; 3];
    let mut part = [0.0_f32; 3];
    for axis in 0..3 {
        let last = (size[axis] - 1) as f64;
        if !(index[axis] >= -0.5 && index[axis] <= last + 0.5) {
            return None;
        }
        let at = index[axis].clamp(0.0, last);
        lower[axis] = (at as usize).min(size[axis].saturating_sub(2));
        part[axis] = (at - lower[axis] as f64) as f32;
    }
    let upper: [usize; 3] = std::array::from_fn(|axis| (lower[axis] + 1).min(size[axis] - 1));
    let line = |z: usize, y: usize| {
        let (a, b) = (volume[[z, y, lower[2]]], volume[[z, y, upper[2]]]);
        a + part[2] * (b - a)
    };
    let plane = |z: usize| {
        let (a, b) = (line(z, lower[1]), line(z, upper[1]));
        a + part[1] * (b - a)
    };
    let (a, b) = (plane(lower[0]), plane(upper[0]));
    Some(a + part[0] * (b - a))
}

/// On the coarser grids bone is mixed with what lies beside it.
const MIXED_BONE_GREY: f32 = 0.65;

/// The skull and what it holds, a few millimetres around: what moves as one, without the head holder.
/// Inside is what has bone on both sides, left and right as well as in front and behind: gaps in the
/// bone do not let the inside out. The whole field where there is no bone. And how many voxels of
/// skull there are.
fn head_of(level: &Level) -> (Volume<u8>, usize) {
    let bone = level.grey.map(|&grey| u8::from(grey > MIXED_BONE_GREY));
    let parts = Components::of(&bone, Connectivity::Corners);
    let Some(largest) = parts.largest() else {
        return (level.grey.map(|&grey| u8::from(grey > 0.1)), 0);
    };
    let skull = parts.mask_of(largest);
    let [depth, rows, columns] = skull.size();
    let mut head = Volume::filled(skull.size(), 0);
    for z in 0..depth {
        let plane = skull.plane(z);
        let ends = |mut line: Box<dyn Iterator<Item = bool> + '_>| {
            let first = line.position(|is_bone| is_bone)?;
            let last = line.enumerate().filter(|(_, is_bone)| *is_bone).last();
            Some([first, first + last.map_or(0, |(i, _)| i + 1)])
        };
        let of_rows: Vec<_> = (0..rows)
            .map(|y| ends(Box::new((0..columns).map(move |x| plane[y * columns + x] != 0))))
            .collect();
        let of_columns: Vec<_> = (0..columns)
            .map(|x| ends(Box::new((0..rows).map(move |y| plane[y * columns + x] != 0))))
            .collect();
        let is_between =
            |ends: Option<[usize; 2]>, i: usize| ends.is_some_and(|[a, b]| (a..=b).contains(&i));
        for (offset, voxel) in head.plane_mut(z).iter_mut().enumerate() {
            let (y, x) = (offset / columns, offset % columns);
            *voxel = u8::from(is_between(of_rows[y], x) && is_between(of_columns[x], y));
        }
    }
    (dilated(&head), skull.as_slice().iter().filter(|&&voxel| voxel != 0).count())
}

/// Grows the ones by a voxel, along one axis after the other.
fn dilated(mask: &Volume<u8>) -> Volume<u8> {
    let [depth, rows, columns] = mask.size();
    let mut grown = mask.as_slice().to_vec();
    for (stride, len) in [(rows * columns, depth), (columns, rows), (1, columns)] {
        let before = grown.clone();
        for (offset, voxel) in grown.iter_mut().enumerate() {
            let at = offset / stride % len;
            let lower = if at > 0 { before[offset - stride] } else { 0 };
            let upper = if at + 1 < len { before[offset + stride] } else { 0 };
            *voxel |= lower | upper;
        }
    }
    Volume::from_counted(mask.size(), grown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_rises_from_air_to_bone() {
        let found = [-2000.0, -1000.0, 0.0, 80.0, 1500.0, 3000.0].map(grey);

        assert_eq!(found, [0.0, 0.0, 0.3, 0.6, 1.0, 1.0]);
        assert!((grey(40.0) - 0.45).abs() < 1e-6);
        assert_eq!(grey(f32::NAN), 0.0);
    }

    #[test]
    fn a_scan_without_a_head_is_refused_and_told_so() {
        let affine =
            crate::Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
        let grid = Grid::from_affine([4, 60, 60], &affine).unwrap();
        let air = CtVolume::new(Volume::filled([4, 60, 60], -1000.0), grid).unwrap();

        let error = HeadPyramid::of(&air, NonZeroUsize::MIN).unwrap_err();

        assert!(error.to_string().starts_with("0 mL of head"), "{error}");
    }
}
