//! Masks as different people draw them. **Simulated**: no person drew anything.
//!
//! People who outline the same bleed differ in three ways: where exactly the border runs, how much of a
//! blurred border they take in (so a rater's volumes are larger or smaller throughout), and which small
//! parts they see at all. [`draw`] does the three, slice by slice as people do.
//!
//! [`Rater::EXPERTS`] and [`Rater::METHOD`] are set so that the agreement in Table 2 of Arab et al. 2020
//! (three experts and CNN-DS on ten scans) comes back; a test holds them to its 95 % intervals. Means of
//! four sets of ten simulated bleeds of the paper's sizes, the paper's own in brackets:
//!
//! | raters | κ | slope of volumes | intercept, mL | correlation |
//! |---|---|---|---|---|
//! | E1, E2 | 0.90 (0.88) | 1.16 (1.13) | −2.9 (−2.3) | 0.998 (0.996) |
//! | E1, E3 | 0.86 (0.87) | 1.51 (1.45) | −8.4 (−8.3) | 0.985 (0.977) |
//! | E2, E3 | 0.88 (0.89) | 1.31 (1.29) | −4.7 (−5.6) | 0.989 (0.987) |
//! | E1, M | 0.85 (0.84) | 1.04 (1.05) | −1.1 (−1.2) | 0.989 (0.989) |
//! | E2, M | 0.84 (0.82) | 0.89 (0.93) | 1.5 (1.0) | 0.991 (0.990) |
//! | E3, M | 0.81 (0.82) | 0.68 (0.69) | 5.1 (6.4) | 0.981 (0.958) |
//!
//! Volumes of two experts differ by 9.6 % on average (9 ± 2 %), of the method and an expert by 6.0 %
//! (8 ± 2 %).

mod distance;

use haema_volume::{Components, Connectivity, Grid, Volume, crop};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::head::bell;
use crate::smooth_noise::SmoothNoise;

/// How somebody draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rater {
    /// Standard deviation of the distance from the border that a neutral reader would draw.
    pub border_mm: f64,
    /// Drawn volume as a share of the true one, for a bleed of 36 mL.
    pub gain: f64,
    /// How the share grows with size: with the volume to this power. Above 0 for those who take in the
    /// blurred surroundings of large bleeds and not of small ones.
    pub growth: f64,
    /// Standard deviation of the logarithm of the drawn volume, from scan to scan.
    pub volume_spread: f64,
    /// A part of the bleed of this volume is overlooked once in `e` times (37 %), larger ones less.
    pub overlooked_ml: f64,
}

/// Where [`Rater::gain`] holds: the mean of the paper's experts.
const MIDDLE_ML: f64 = 36.0;

impl Rater {
    /// The three experts of the paper.
    pub const EXPERTS: [Self; 3] = [
        Self { gain: 0.95, growth: -0.02, volume_spread: 0.03, ..Self::TYPICAL },
        Self { gain: 1.0, growth: 0.04, volume_spread: 0.03, ..Self::TYPICAL },
        Self { gain: 1.1, growth: 0.12, volume_spread: 0.12, ..Self::TYPICAL },
    ];

    /// The paper's method, as if it were a fourth.
    pub const METHOD: Self =
        Self { border_mm: 1.9, gain: 0.96, growth: 0.0, volume_spread: 0.07, ..Self::TYPICAL };

    const TYPICAL: Self =
        Self { border_mm: 0.9, gain: 1.0, growth: 0.0, volume_spread: 0.03, overlooked_ml: 0.1 };

    fn volume_ml(&self, true_ml: f64, random: &mut ChaCha8Rng) -> f64 {
        let spread = (self.volume_spread * f64::from(bell(random))).exp();
        true_ml * self.gain * (true_ml / MIDDLE_ML).powf(self.growth) * spread
    }
}

/// Nobody draws further out than this.
const FARTHEST_MM: f64 = 15.0;

/// Draws a bleed as one rater would. The same seed gives the same mask, another seed another day.
///
/// * `truth` — the share of each voxel that is bleed, 0 to 1, on `grid`.
///
/// Only slices that show the bleed (more than half of some voxel) are drawn on; what is overlooked is
/// left out whole. The volume of the result is the rater's to within one voxel, where the slices have
/// room for it.
///
/// # Panics
///
/// Where the truth is not on the grid.
pub fn draw(truth: &Volume<f32>, grid: &Grid, rater: &Rater, seed: u64) -> Volume<u8> {
    assert_eq!(truth.size(), grid.size(), "the truth is not on its grid");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let seen = noticed(truth, grid, rater, &mut random);
    let slice_ml = |z: usize| {
        let voxels = seen.plane(z).iter().filter(|&&voxel| voxel != 0).count();
        voxels as f64 * grid.voxel_volume_mm3(z) / 1000.0
    };
    let seen_ml: f64 = (0..seen.size()[0]).map(slice_ml).sum();
    let wanted_ml = rater.volume_ml(seen_ml, &mut random);
    let mut mask = Volume::filled(truth.size(), 0);
    if seen_ml > 0.0 {
        let border = Border::new(rater.border_mm, &mut random);
        take(&mut mask, candidates(&seen, grid, &border), grid, wanted_ml);
    }
    mask
}

/// The voxels that are more than half bleed, without the parts that are overlooked.
fn noticed(truth: &Volume<f32>, grid: &Grid, rater: &Rater, random: &mut ChaCha8Rng) -> Volume<u8> {
    let mask = truth.map(|&share| u8::from(share > 0.5));
    let parts = Components::of(&mask, Connectivity::Corners);
    let mut part_mm3 = vec![0.0; parts.voxel_counts().len() + 1];
    for z in 0..mask.size()[0] {
        let voxel_mm3 = grid.voxel_volume_mm3(z);
        parts.labels().plane(z).iter().for_each(|&label| part_mm3[label as usize] += voxel_mm3);
    }
    let is_seen: Vec<bool> = part_mm3
        .iter()
        .enumerate()
        .map(|(label, mm3)| {
            let overlooked = (-mm3 / 1000.0 / rater.overlooked_ml.max(f64::MIN_POSITIVE)).exp();
            label > 0 && random.random::<f64>() >= overlooked
        })
        .collect();
    parts.labels().map(|&label| u8::from(is_seen[label as usize]))
}

/// How far a rater draws outwards at each place: smooth in the plane and from slice to slice.
struct Border {
    broad: SmoothNoise,
    fine: SmoothNoise,
    gain_mm: f64,
}

/// Features of a border that is drawn by hand: whole lobes, and the wobble of the line.
const FEATURES_MM: [f32; 2] = [14.0, 5.0];
/// Standard deviation of [`SmoothNoise`]: a third for its values, 0.743 for the blend along each axis.
const NOISE_SD: f64 = 0.37;

impl Border {
    fn new(border_mm: f64, random: &mut ChaCha8Rng) -> Self {
        let [broad, fine] = FEATURES_MM.map(|feature_mm| SmoothNoise::new(feature_mm, random));
        Self { broad, fine, gain_mm: border_mm / NOISE_SD }
    }

    fn outwards_mm(&self, point_lps_mm: [f64; 3]) -> f64 {
        let at = point_lps_mm.map(|v| v as f32);
        // Squares of the weights add up to 1.
        self.gain_mm * f64::from(0.8 * self.broad.at(at) + 0.6 * self.fine.at(at))
    }
}

/// Voxels in slices that show something, with how far outside the rater's border each would lie.
fn candidates(seen: &Volume<u8>, grid: &Grid, border: &Border) -> Vec<(f64, usize)> {
    let [depth, rows, columns] = seen.size();
    let [_, y_mm, x_mm] = grid.spacing_mm();
    let mut found = Vec::new();
    for z in 0..depth {
        if seen.plane(z).iter().all(|&voxel| voxel == 0) {
            continue;
        }
        let plane = crop(seen, &[z..z + 1, 0..rows, 0..columns]);
        let beyond_mm = distance::beyond_border_mm(&plane, [y_mm, x_mm]);
        for (offset, beyond_mm) in beyond_mm.into_iter().enumerate() {
            if beyond_mm < FARTHEST_MM {
                let (y, x) = ((offset / columns) as f64, (offset % columns) as f64);
                let outwards_mm = border.outwards_mm(grid.point_lps_mm(z, y, x));
                found.push((beyond_mm - outwards_mm, z * rows * columns + offset));
            }
        }
    }
    found
}

/// Takes voxels from the innermost on, until the volume is reached.
fn take(mask: &mut Volume<u8>, mut from: Vec<(f64, usize)>, grid: &Grid, wanted_ml: f64) {
    from.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let plane_len = mask.size()[1] * mask.size()[2];
    let mut missing_mm3 = 1000.0 * wanted_ml;
    for (_, offset) in from {
        let voxel_mm3 = grid.voxel_volume_mm3(offset / plane_len);
        if missing_mm3 < 0.5 * voxel_mm3 {
            break;
        }
        mask.as_mut_slice()[offset] = 1;
        missing_mm3 -= voxel_mm3;
    }
}
