//! The darker parts of a bleed, slice by slice.

use haema_volume::{Components, Connectivity, CtVolume, Volume, norm};

/// A darker part of a bleed on one slice.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) slice: usize,
    /// Whether the bleed lies all around it.
    pub(super) is_enclosed: bool,
    /// Its share of the bleed's inside on the slice.
    pub(super) share: f64,
    pub(super) mean_hu: f64,
    /// How much denser the rest is.
    pub(super) step_hu: f64,
    /// The same within 3 mm of the border between both.
    pub(super) step_at_border_hu: f64,
    /// Whether it lies above the rest, the border level, in a patient on the back.
    pub(super) is_level: bool,
}

/// The density of the inside of a bleed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Core {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Core {
    fn add(&mut self, hu: f32) {
        let hu = f64::from(hu);
        self.count += 1.0;
        self.sum += hu;
        self.squares += hu * hu;
    }

    /// Standard deviation over mean; none where there is no inside.
    pub(super) fn variation_percent(&self) -> Option<f64> {
        let mean = self.sum / self.count;
        let variance = (self.squares / self.count - mean * mean).max(0.0);
        (self.count > 1.0 && mean > 0.0).then(|| 100.0 * variance.sqrt() / mean)
    }
}

/// The outermost of a bleed is mixed with brain.
const EDGE_MM: f64 = 1.5;
/// Noise is taken out by a mean over a square of so many millimetres.
const SMOOTH_MM: f64 = 2.5;
/// A smaller inside, or a smaller part of it, is not looked at.
const LEAST_CORE_MM2: f64 = 60.0;
const LEAST_REGION_MM2: f64 = 12.0;
/// How near to the border between a part and the rest its sharpness is measured.
const BORDER_MM: f64 = 3.0;
/// A level border is at least this wide and bends no more than that.
const LEVEL_WIDTH_MM: f64 = 8.0;
const LEVEL_SD_MM: f64 = 1.5;

/// A slice of a bleed, cut to its box.
struct Cut {
    size: [usize; 2],
    pixel_mm: [f64; 2],
    smooth_hu: Vec<f32>,
    /// The bleed with its holes filled, without its edge.
    core: Vec<u8>,
}

/// The darker parts on a slice.
pub(super) fn of_slice(
    ct: &CtVolume,
    mask: &Volume<u8>,
    z: usize,
    inside: &mut Core,
) -> Vec<Region> {
    let Some(cut) = Cut::of(ct, mask, z, inside) else { return Vec::new() };
    let Some(threshold) = cut.threshold_hu() else { return Vec::new() };
    let pixel_mm2 = cut.pixel_mm[0] * cut.pixel_mm[1];
    let is_dark = |i: usize| cut.core[i] != 0 && cut.smooth_hu[i] < threshold;
    let dark = (0..cut.core.len()).map(|i| u8::from(is_dark(i))).collect();
    let dark = Volume::new([1, cut.size[0], cut.size[1]], dark).expect("one for each pixel");
    let parts = Components::of(&dark, Connectivity::Corners);
    let bright: Vec<usize> =
        (0..cut.core.len()).filter(|&i| cut.core[i] != 0 && !is_dark(i)).collect();
    if bright.is_empty() {
        return Vec::new();
    }
    let bright_hu = mean(bright.iter().map(|&i| cut.smooth_hu[i]));
    let core = cut.core.iter().filter(|&&voxel| voxel != 0).count() as f64;
    let labels = 1..=parts.voxel_counts().len() as u32;
    let large = labels
        .filter(|&l| parts.voxel_counts()[l as usize - 1] as f64 * pixel_mm2 >= LEAST_REGION_MM2);
    let region = |label: u32| {
        let own: Vec<usize> =
            (0..cut.core.len()).filter(|&i| parts.labels().as_slice()[i] == label).collect();
        let mean_hu = darker_half(own.iter().map(|&i| cut.smooth_hu[i]));
        Region {
            slice: z,
            is_enclosed: own.iter().all(|&i| cut.is_inside(i)),
            share: own.len() as f64 / core,
            mean_hu,
            step_hu: bright_hu - mean_hu,
            step_at_border_hu: cut.step_at_border_hu(&own, &bright),
            is_level: cut.is_level(ct, &own, &bright),
        }
    };
    large.map(region).collect()
}

/// The mean of the darker half: the rim of a part is mixed with what lies about it.
fn darker_half(values: impl Iterator<Item = f32>) -> f64 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    mean(values[..values.len().div_ceil(2)].iter().copied())
}

fn mean(values: impl Iterator<Item = f32>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, n), hu| (sum + f64::from(hu), n + 1.0));
    sum / f64::max(count, 1.0)
}

impl Cut {
    fn of(ct: &CtVolume, mask: &Volume<u8>, z: usize, inside: &mut Core) -> Option<Self> {
        let [_, rows, columns] = mask.size();
        let plane = mask.plane(z);
        let seen = |offset: &usize| plane[*offset] != 0;
        let offsets: Vec<usize> = (0..plane.len()).filter(seen).collect();
        let first = *offsets.first()? / columns;
        let last = *offsets.last()? / columns;
        let left = offsets.iter().map(|offset| offset % columns).min()?;
        let right = offsets.iter().map(|offset| offset % columns).max()?;
        // A rim of one pixel, so that what is outside is connected.
        let (top, left) = (first.saturating_sub(1), left.saturating_sub(1));
        let size = [(last + 2).min(rows) - top, (right + 2).min(columns) - left];
        let grid = ct.grid();
        let pixel_mm = [norm(grid.y_step_lps_mm()), norm(grid.x_step_lps_mm())];
        let cut = |i: usize| (top + i / size[1]) * columns + left + i % size[1];
        let hu: Vec<f32> =
            (0..size[0] * size[1]).map(|i| ct.voxels_hu().plane(z)[cut(i)]).collect();
        let own: Vec<u8> = (0..hu.len()).map(|i| u8::from(plane[cut(i)] != 0)).collect();
        let filled = filled(&own, size);
        let edge = pixel_mm.map(|mm| (EDGE_MM / mm).round() as usize);
        let core = eroded(&filled, size, edge);
        let area_mm2 =
            core.iter().filter(|&&voxel| voxel != 0).count() as f64 * pixel_mm[0] * pixel_mm[1];
        if area_mm2 < LEAST_CORE_MM2 {
            return None;
        }
        for (hu, _) in hu.iter().zip(&core).filter(|(_, core)| **core != 0) {
            inside.add(*hu);
        }
        let radius = pixel_mm.map(|mm| (0.5 * SMOOTH_MM / mm).round() as usize);
        let smooth_hu = smoothed(&hu, &filled, size, radius);
        Some(Self { size, pixel_mm, smooth_hu, core })
    }

    /// The threshold between two classes of density that parts them best.
    ///
    /// # Source
    ///
    /// N. Otsu, "A threshold selection method from gray-level histograms", _IEEE Transactions on
    /// Systems, Man, and Cybernetics_ 9:62–66, 1979.
    fn threshold_hu(&self) -> Option<f32> {
        let core = self.core.iter().zip(&self.smooth_hu).filter(|(core, _)| **core != 0);
        let mut hu: Vec<f32> = core.map(|(_, hu)| *hu).collect();
        hu.sort_by(f32::total_cmp);
        let all: f64 = hu.iter().map(|hu| f64::from(*hu)).sum();
        let (mut below, mut best) = (0.0, None);
        for i in 1..hu.len() {
            below += f64::from(hu[i - 1]);
            let (n, m) = (i as f64, (hu.len() - i) as f64);
            let between = n * m * (below / n - (all - below) / m).powi(2);
            if best.is_none_or(|(most, _)| between > most) {
                best = Some((between, 0.5 * (hu[i - 1] + hu[i])));
            }
        }
        best.map(|(_, threshold)| threshold)
    }

    /// Whether all eight neighbours are inside of the bleed too.
    fn is_inside(&self, i: usize) -> bool {
        let [rows, columns] = self.size;
        let (y, x) = (i / columns, i % columns);
        let is_within = y > 0 && x > 0 && y + 1 < rows && x + 1 < columns;
        is_within
            && (y - 1..=y + 1).all(|y| (x - 1..=x + 1).all(|x| self.core[y * columns + x] != 0))
    }

    /// Ways in rows and columns to the pixels within [`BORDER_MM`].
    fn ways_to_border(&self) -> Vec<[isize; 2]> {
        let reach = self.pixel_mm.map(|mm| (BORDER_MM / mm) as isize);
        let near = |y: isize, x: isize| {
            let way_mm = (y as f64 * self.pixel_mm[0]).hypot(x as f64 * self.pixel_mm[1]);
            way_mm <= BORDER_MM
        };
        let row =
            |y: isize| (-reach[1]..=reach[1]).filter(move |&x| near(y, x)).map(move |x| [y, x]);
        (-reach[0]..=reach[0]).flat_map(row).collect()
    }

    /// How much denser the rest is than the part, each within [`BORDER_MM`] of the other.
    fn step_at_border_hu(&self, dark: &[usize], bright: &[usize]) -> f64 {
        let ways = self.ways_to_border();
        let [rows, columns] = self.size;
        let near = |from: &[usize], to: &[usize]| {
            let mut is_there = vec![false; rows * columns];
            for &i in to {
                is_there[i] = true;
            }
            let is_beside = |i: usize| {
                ways.iter().any(|&[down, right]| {
                    let y = (i / columns).checked_add_signed(down).filter(|&y| y < rows);
                    let x = (i % columns).checked_add_signed(right).filter(|&x| x < columns);
                    y.zip(x).is_some_and(|(y, x)| is_there[y * columns + x])
                })
            };
            mean(from.iter().filter(|&&i| is_beside(i)).map(|&i| self.smooth_hu[i]))
        };
        near(bright, dark) - near(dark, bright)
    }

    /// Whether the dark part lies in front of the rest with a border that runs from left to right.
    fn is_level(&self, ct: &CtVolume, dark: &[usize], bright: &[usize]) -> bool {
        let grid = ct.grid();
        // Down is to the back: +y of the patient. Along rows or columns, whichever is nearer to it.
        let (down, across) = (grid.y_step_lps_mm()[1], grid.x_step_lps_mm()[1]);
        let by_rows = down.abs() >= across.abs();
        let columns = self.size[1];
        let place = |i: usize| {
            if by_rows { [i / columns, i % columns] } else { [i % columns, i / columns] }
        };
        let (sign, [deep_mm, wide_mm]) = if by_rows {
            (down.signum(), self.pixel_mm)
        } else {
            (across.signum(), [self.pixel_mm[1], self.pixel_mm[0]])
        };
        let width = if by_rows { columns } else { self.size[0] };
        // In each column the lowest of the dark part and the highest of the rest.
        let extreme = |pixels: &[usize], sign: f64| {
            let mut most = vec![f64::NEG_INFINITY; width];
            for &i in pixels {
                let [at, column] = place(i);
                most[column] = most[column].max(sign * at as f64);
            }
            most
        };
        let lowest_dark = extreme(dark, sign);
        let highest_bright: Vec<f64> = extreme(bright, -sign).iter().map(|at| -at).collect();
        let borders: Vec<f64> = lowest_dark
            .iter()
            .zip(&highest_bright)
            .filter(|(dark, bright)| dark.is_finite() && bright.is_finite() && bright > dark)
            .map(|(dark, bright)| 0.5 * (dark + bright) * deep_mm)
            .collect();
        let both =
            lowest_dark.iter().zip(&highest_bright).filter(|(a, b)| a.is_finite() && b.is_finite());
        let n = borders.len() as f64;
        if n * wide_mm < LEVEL_WIDTH_MM || n < 0.8 * both.count() as f64 {
            return false;
        }
        let middle = borders.iter().sum::<f64>() / n;
        let variance = borders.iter().map(|at| (at - middle).powi(2)).sum::<f64>() / n;
        variance.sqrt() <= LEVEL_SD_MM
    }
}

/// Background that does not reach the rim becomes foreground.
fn filled(mask: &[u8], size: [usize; 2]) -> Vec<u8> {
    let [rows, columns] = size;
    let background = mask.iter().map(|&voxel| 1 - voxel).collect();
    let background = Volume::new([1, rows, columns], background).expect("one for each pixel");
    let parts = Components::of(&background, Connectivity::Faces);
    let labels = parts.labels().as_slice();
    let mut reaches = vec![false; parts.voxel_counts().len() + 1];
    for (i, &label) in labels.iter().enumerate() {
        let (y, x) = (i / columns, i % columns);
        if y == 0 || x == 0 || y + 1 == rows || x + 1 == columns {
            reaches[label as usize] = true;
        }
    }
    labels.iter().map(|&label| u8::from(label == 0 || !reaches[label as usize])).collect()
}

/// What a box of `2·radius + 1` pixels fits into; outside is background.
fn eroded(mask: &[u8], [rows, columns]: [usize; 2], radius: [usize; 2]) -> Vec<u8> {
    let is_whole = |i: usize| {
        let (y, x) = (i / columns, i % columns);
        let is_within =
            y >= radius[0] && x >= radius[1] && y + radius[0] < rows && x + radius[1] < columns;
        is_within
            && (y - radius[0]..=y + radius[0]).all(|y| {
                mask[y * columns + x - radius[1]..=y * columns + x + radius[1]]
                    .iter()
                    .all(|&v| v != 0)
            })
    };
    (0..mask.len()).map(|i| u8::from(mask[i] != 0 && is_whole(i))).collect()
}

/// The mean over a box, of what lies in the mask.
fn smoothed(hu: &[f32], mask: &[u8], [rows, columns]: [usize; 2], radius: [usize; 2]) -> Vec<f32> {
    let at = |i: usize| {
        let (y, x) = (i / columns, i % columns);
        let (mut sum, mut count) = (0.0, 0.0);
        for y in y.saturating_sub(radius[0])..(y + radius[0] + 1).min(rows) {
            for x in x.saturating_sub(radius[1])..(x + radius[1] + 1).min(columns) {
                if mask[y * columns + x] != 0 {
                    sum += hu[y * columns + x];
                    count += 1.0;
                }
            }
        }
        if count > 0.0 { sum / count } else { hu[i] }
    };
    (0..hu.len()).map(at).collect()
}
