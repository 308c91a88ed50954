//! Training cases, varied as heads and scanners vary.

use rand::{Rng as _, RngCore};
use serde::{Deserialize, Serialize};

mod shading;

/// How far training cases are varied. Each variation is drawn anew for each case and epoch, from 0
/// to the number given, and each group is used with probability `probability`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Probability of each group.
    pub probability: f32,
    /// Mirror left and right, half of the time.
    pub flip: bool,
    /// Rotation in the plane, degrees either way.
    pub rotate_deg: f32,
    /// Relative change of size, either way, apart for rows and columns.
    pub scale: f32,
    /// Shift, as a share of the field of view, either way.
    pub shift: f32,
    /// Standard deviation of the displacements of an 8 × 8 grid of control points, in voxels.
    pub elastic_voxels: f32,
    /// Largest standard deviation of added noise, HU.
    pub noise_hu: f32,
    /// Exponent between `1 − gamma` and `1 + gamma` of the windowed intensity.
    pub gamma: f32,
    /// Relative change of contrast, either way.
    pub contrast: f32,
    /// Shift of intensity, HU, either way.
    pub brightness_hu: f32,
    /// Blur (or sharpening, half as far) in the plane, as the share of a 3 × 3 binomial mean.
    pub blur: f32,
    /// Mixing with the planes above and below, as thicker slices do.
    pub thickness: f32,
    /// Rise of tissue with bone all around it, HU; nearer to half of it beside a skull, and up to a
    /// third of it downwards. Hardened beams make cortex under thick bone as bright as blood.
    #[serde(default)]
    pub shading_hu: f32,
    /// Standard deviation of slow drifts of density through the head, HU.
    #[serde(default)]
    pub drift_hu: f32,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            probability: 0.5,
            flip: true,
            rotate_deg: 15.0,
            scale: 0.15,
            shift: 0.05,
            elastic_voxels: 2.0,
            noise_hu: 4.0,
            gamma: 0.15,
            contrast: 0.1,
            brightness_hu: 4.0,
            blur: 0.8,
            thickness: 0.3,
            shading_hu: 40.0,
            drift_hu: 3.0,
        }
    }
}

/// HU of the window that intensities 0..=1 stand for.
const WINDOW_HU: f32 = 100.0;
/// Half the width of the widest mean that shading is made with, pixels: 4 mm on the usual grid.
const MOST_REACH: u32 = 3;
/// Control points of the elastic displacement along each axis.
const CONTROL: usize = 8;

/// A case as the network sees it: `[z, y, x]`, intensities and targets in 0..=1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    pub(crate) size: [usize; 3],
    pub(crate) image: Vec<f32>,
    pub(crate) target: Vec<f32>,
}

impl Augment {
    /// A varied copy.
    pub(crate) fn apply(&self, pair: &Pair, rng: &mut impl RngCore) -> Pair {
        let mut varied = match self.draw_map(pair.size, rng) {
            Some(map) => Pair {
                size: pair.size,
                image: warp(pair.size, &pair.image, &map),
                target: warp(pair.size, &pair.target, &map),
            },
            None => pair.clone(),
        };
        self.vary_intensity(&mut varied, rng);
        varied
    }

    fn is_used(&self, rng: &mut impl RngCore) -> bool {
        rng.random::<f32>() < self.probability
    }

    /// Where each voxel of a plane comes from, `[y, x]` in voxels; the same for all planes. `None`
    /// where nothing moves.
    fn draw_map(
        &self,
        [_, rows, columns]: [usize; 3],
        rng: &mut impl RngCore,
    ) -> Option<Vec<[f32; 2]>> {
        let either = |rng: &mut dyn RngCore, most: f32| most * (2.0 * rng.random::<f32>() - 1.0);
        let mirror = if self.flip && rng.random::<bool>() { -1.0 } else { 1.0 };
        let mut angle = 0.0;
        let (mut scale, mut shift) = ([1.0, 1.0], [0.0, 0.0]);
        if self.is_used(rng) {
            angle = either(rng, self.rotate_deg).to_radians();
        }
        if self.is_used(rng) {
            scale = [1.0 + either(rng, self.scale), 1.0 + either(rng, self.scale)];
        }
        if self.is_used(rng) {
            let extent = [rows as f32, columns as f32];
            shift = extent.map(|n| either(rng, self.shift) * n);
        }
        let elastic = self.is_used(rng).then(|| {
            let mut draw = || self.elastic_voxels * normal(rng);
            (0..CONTROL * CONTROL).map(|_| [draw(), draw()]).collect::<Vec<_>>()
        });
        let is_still = mirror > 0.0 && angle == 0.0 && scale == [1.0; 2] && shift == [0.0; 2];
        if is_still && elastic.is_none() {
            return None;
        }
        let centre = [(rows as f32 - 1.0) / 2.0, (columns as f32 - 1.0) / 2.0];
        let (sin, cos) = angle.sin_cos();
        let map = (0..rows * columns).map(|i| {
            let at = [(i / columns) as f32 - centre[0], (i % columns) as f32 - centre[1]];
            let turned = [cos * at[0] + sin * at[1], (cos * at[1] - sin * at[0]) * mirror];
            let moved = elastic.as_ref().map_or([0.0; 2], |points| {
                displacement(points, [at[0] / rows as f32 + 0.5, at[1] / columns as f32 + 0.5])
            });
            std::array::from_fn(|axis| {
                turned[axis] / scale[axis] + centre[axis] + shift[axis] + moved[axis]
            })
        });
        Some(map.collect())
    }

    fn vary_intensity(&self, pair: &mut Pair, rng: &mut impl RngCore) {
        let either = |rng: &mut dyn RngCore, most: f32| most * (2.0 * rng.random::<f32>() - 1.0);
        if self.is_used(rng) {
            let share = self.blur * (1.5 * rng.random::<f32>() - 0.5);
            blur_planes(pair, share);
        }
        if self.is_used(rng) {
            thicken(pair, self.thickness * rng.random::<f32>());
        }
        if self.shading_hu > 0.0 && self.is_used(rng) {
            let rise_hu = self.shading_hu * (4.0 * rng.random::<f32>() - 1.0) / 3.0;
            let reach = 1 + (rng.next_u32() % MOST_REACH) as usize;
            shading::beside_bone(pair, rise_hu / WINDOW_HU, reach);
        }
        if self.drift_hu > 0.0 && self.is_used(rng) {
            let points = std::array::from_fn(|_| self.drift_hu / WINDOW_HU * normal(rng));
            shading::drift(pair, &points);
        }
        let gamma = if self.is_used(rng) { 1.0 + either(rng, self.gamma) } else { 1.0 };
        let contrast = if self.is_used(rng) { 1.0 + either(rng, self.contrast) } else { 1.0 };
        let shift =
            if self.is_used(rng) { either(rng, self.brightness_hu) / WINDOW_HU } else { 0.0 };
        let noise =
            if self.is_used(rng) { self.noise_hu * rng.random::<f32>() / WINDOW_HU } else { 0.0 };
        for value in &mut pair.image {
            // Air and bone stay at the ends of the window, as they do in a real scan.
            if *value > 0.0 && *value < 1.0 {
                let mut varied = (*value).powf(gamma);
                varied = (varied - 0.35) * contrast + 0.35 + shift;
                if noise > 0.0 {
                    varied += noise * normal(rng);
                }
                *value = varied.clamp(0.0, 1.0);
            }
        }
    }
}

/// A standard normal number, from twelve uniform ones (Irwin–Hall): no tail beyond six deviations.
fn normal(rng: &mut impl RngCore) -> f32 {
    // Two draws of 64 bits give twelve 10-bit numbers.
    let mut sum = 0_u32;
    for _ in 0..2 {
        let bits = rng.next_u64();
        for part in 0..6 {
            sum += (bits >> (10 * part)) as u32 & 1023;
        }
    }
    (sum as f32 - 6.0 * 1023.0) / 1024.0
}

/// Bilinear interpolation between control points; `at` in 0..=1.
fn displacement(points: &[[f32; 2]], at: [f32; 2]) -> [f32; 2] {
    let [y, x] = at.map(|a| a.clamp(0.0, 1.0) * (CONTROL - 1) as f32);
    let (y0, x0) = ((y as usize).min(CONTROL - 2), (x as usize).min(CONTROL - 2));
    let (v, u) = (y - y0 as f32, x - x0 as f32);
    let point = |dy: usize, dx: usize| points[(y0 + dy) * CONTROL + x0 + dx];
    std::array::from_fn(|axis| {
        (1.0 - v) * ((1.0 - u) * point(0, 0)[axis] + u * point(0, 1)[axis])
            + v * ((1.0 - u) * point(1, 0)[axis] + u * point(1, 1)[axis])
    })
}

/// Each plane by bilinear interpolation at `map`; 0 outside.
fn warp([_, rows, columns]: [usize; 3], values: &[f32], map: &[[f32; 2]]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    let planes = values.chunks(rows * columns).zip(out.chunks_mut(rows * columns));
    for (plane, out) in planes {
        for (out, &[y, x]) in out.iter_mut().zip(map) {
            let (y0, x0) = (y.floor(), x.floor());
            let inside = y0 >= 0.0 && x0 >= 0.0;
            let (yi, xi) = (y0 as usize, x0 as usize);
            if inside && yi + 1 < rows && xi + 1 < columns {
                let (v, u) = (y - y0, x - x0);
                let at = yi * columns + xi;
                let top = (1.0 - u) * plane[at] + u * plane[at + 1];
                let bottom = (1.0 - u) * plane[at + columns] + u * plane[at + columns + 1];
                *out = (1.0 - v) * top + v * bottom;
            }
        }
    }
    out
}

/// Mixes each plane with its 3 × 3 binomial mean; a negative share sharpens.
fn blur_planes(pair: &mut Pair, share: f32) {
    let [_, rows, columns] = pair.size;
    let mut before = vec![0.0; rows * columns];
    for plane in pair.image.chunks_mut(rows * columns) {
        before.copy_from_slice(plane);
        for y in 1..rows - 1 {
            let row = |dy: usize, x: usize| {
                let at = (y + dy - 1) * columns + x;
                (before[at - 1] + 2.0 * before[at] + before[at + 1]) / 4.0
            };
            for x in 1..columns - 1 {
                let mean = (row(0, x) + 2.0 * row(1, x) + row(2, x)) / 4.0;
                let old = before[y * columns + x];
                plane[y * columns + x] = (old + share * (mean - old)).clamp(0.0, 1.0);
            }
        }
    }
}

/// Mixes each plane with its neighbours. The target mixes too: a voxel that is half blood now says so.
fn thicken(pair: &mut Pair, share: f32) {
    let plane = pair.size[1] * pair.size[2];
    for values in [&mut pair.image, &mut pair.target] {
        let before = values.clone();
        for (i, value) in values.iter_mut().enumerate() {
            let below = if i >= plane { before[i - plane] } else { before[i] };
            let above = before.get(i + plane).copied().unwrap_or(before[i]);
            *value = (1.0 - share) * before[i] + share / 2.0 * (below + above);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn pair() -> Pair {
        let size = [3, 20, 16];
        let image = (0..960).map(|i| (i % 37) as f32 / 37.0).collect();
        let target = (0..960).map(|i| f32::from(u8::from(i % 320 > 150 && i % 16 > 8))).collect();
        Pair { size, image, target }
    }

    #[test]
    fn the_same_seed_gives_the_same_case() {
        let vary = |seed| Augment::default().apply(&pair(), &mut ChaCha8Rng::seed_from_u64(seed));

        assert_eq!(vary(4), vary(4));
        assert_ne!(vary(4), vary(5));
    }

    #[test]
    fn values_stay_in_their_range() {
        for seed in 0..20 {
            let varied = Augment::default().apply(&pair(), &mut ChaCha8Rng::seed_from_u64(seed));
            for value in varied.image.iter().chain(&varied.target) {
                assert!((0.0..=1.0).contains(value), "{value}");
            }
        }
    }

    #[test]
    fn without_any_variation_a_case_is_itself_or_its_mirror() {
        let still = Augment { probability: 0.0, ..Augment::default() };
        let near =
            |a: &Pair, b: &Pair| a.image.iter().zip(&b.image).all(|(a, b)| (a - b).abs() < 1e-5);
        let mut mirrored = 0;
        for seed in 0..20 {
            let varied = still.apply(&pair(), &mut ChaCha8Rng::seed_from_u64(seed));
            if !near(&varied, &pair()) {
                mirrored += 1;
                assert!((varied.image[5] - pair().image[10]).abs() < 1e-5);
                assert_eq!(varied.target[200], pair().target[192 + 7]);
            }
        }

        assert!((4..17).contains(&mirrored), "{mirrored} of 20 mirrored");
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws: Vec<f64> = (0..20_000).map(|_| f64::from(normal(&mut rng))).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 20_000.0;

        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
