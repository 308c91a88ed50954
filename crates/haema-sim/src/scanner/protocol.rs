//! How a scan is taken.

use haema_volume::{Grid, GridError, Vec3};
use rand::{Rng as _, RngCore};

use super::beside::Beside;
use super::pose::Pose;
use super::surround::Holder;
use crate::head::SimulationError;
use crate::lesion::chance;
use crate::patient::spread;

/// Settings of a scan, and how the head lies in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    /// Rows and columns of a slice.
    pub pixels: usize,
    /// Side of the field of view.
    pub field_mm: f64,
    /// Thickness of the slices, and distance between them.
    pub slice_mm: f64,
    /// Thickness above the base of the skull, where it is another one.
    pub upper_slice_mm: Option<f64>,
    /// Tilt of the gantry.
    pub tilt_deg: f64,
    /// How far the slices reach below the brain.
    pub below_brain_mm: f64,
    /// How the head is turned: nodding, tilting, turning.
    pub turn_deg: [f64; 3],
    /// How far the head lies from the middle of the field: to the left, to the back.
    pub off_centre_mm: [f64; 2],
    /// Standard deviation of the blur within the plane; 0 for none.
    pub blur_mm: f32,
    /// How much edges are raised, as a share; 0 for a soft kernel.
    pub sharpening: f32,
    /// Whether the slices are made by projections, a polychromatic fan beam and filtered back projection:
    /// ten times slower. Then `hardening` and `grain_mm` do not count: they follow from the rays.
    pub by_projection: bool,
    /// How much of what rays lose in bone is not corrected, as a share of its square; 0 for none.
    pub hardening: f32,
    /// How much of the light that is scattered forwards is not corrected, as a share; 0 for none.
    pub scatter: f32,
    /// Noise in the middle of the head.
    pub noise_hu: f32,
    /// Width of the grain of noise.
    pub grain_mm: f32,
    /// Root of the noise.
    pub noise_seed: u64,
    /// How far the patient moves from slice to slice at most; 0 for lying still.
    pub motion_mm: f64,
    /// How far the patient moves while a slice is taken, in those slices where that happens; 0 for lying
    /// still. It doubles contours and leaves streaks.
    pub jerk_mm: f64,
    /// The head holder; none where it is out of the field.
    pub holder: Option<Holder>,
    /// How far below the middle of the field the table's top lies; none where there is no table.
    pub table_mm: Option<f64>,
    /// What lies beside the head.
    pub beside: Vec<Beside>,
    /// Whether the corners of the field hold no data.
    pub has_circle: bool,
}

impl Default for Protocol {
    /// A routine scan: 512 × 512 over 230 mm, 5 mm slices, a soft kernel.
    fn default() -> Self {
        Self {
            pixels: 512,
            field_mm: 230.0,
            slice_mm: 5.0,
            upper_slice_mm: None,
            tilt_deg: 0.0,
            below_brain_mm: 12.0,
            turn_deg: [ORBITOMEATAL_DEG, 0.0, 0.0],
            off_centre_mm: [0.0, HEAD_BACK_MM],
            blur_mm: 0.35,
            sharpening: 0.0,
            by_projection: false,
            hardening: 0.02,
            scatter: 0.0005,
            noise_hu: 3.2,
            grain_mm: 0.43,
            noise_seed: 0,
            motion_mm: 0.0,
            jerk_mm: 0.0,
            holder: None,
            table_mm: None,
            beside: Vec::new(),
            has_circle: false,
        }
    }
}

impl Protocol {
    /// Draws the settings of a scan as hospitals take them: most with 5 mm slices, some thinner or
    /// thicker, some tilted, some with two thicknesses.
    pub fn draw(rng: &mut impl RngCore) -> Self {
        let slice_mm = match rng.random::<f32>() {
            v if v < 0.55 => 5.0,
            v if v < 0.65 => 4.8,
            v if v < 0.75 => 4.0,
            v if v < 0.85 => 3.0,
            v if v < 0.9 => 2.5,
            v if v < 0.93 => 1.25,
            v if v < 0.945 => 1.0,
            v if v < 0.955 => 0.625,
            v if v < 0.98 => 7.0,
            _ => 10.0,
        };
        let tilt_deg = if chance(0.25, rng) { rng.random_range(-22.0..22.0) } else { 0.0 };
        let is_restless = chance(0.08, rng);
        let back_mm = HEAD_BACK_MM + f64::from(spread(5.0, rng));
        // Doses rise for thin slices, but not as far as their noise.
        let thin = f64::max(2.5 / slice_mm, 1.0).sqrt() as f32;
        let drawn = Self {
            field_mm: rng.random_range(212.0..252.0),
            slice_mm,
            upper_slice_mm: (slice_mm < 5.0 && chance(0.2, rng)).then_some(2.0 * slice_mm),
            tilt_deg,
            below_brain_mm: rng.random_range(2.0..26.0),
            turn_deg: [
                ORBITOMEATAL_DEG + f64::from(spread(5.0, rng)) + tilt_deg,
                f64::from(spread(3.5, rng)),
                f64::from(spread(6.0, rng)),
            ],
            off_centre_mm: [f64::from(spread(4.0, rng)), back_mm],
            blur_mm: rng.random_range(0.2..0.5),
            sharpening: if chance(0.15, rng) { rng.random_range(0.2..0.8) } else { 0.0 },
            hardening: rng.random_range(0.0_f32..0.05),
            scatter: rng.random_range(0.0_f32..0.001),
            noise_hu: thin * rng.random_range(2.5_f32..5.2),
            grain_mm: rng.random_range(0.37..0.49),
            noise_seed: rng.random(),
            motion_mm: if is_restless { rng.random_range(0.4..2.0) } else { 0.0 },
            jerk_mm: if is_restless && chance(0.5, rng) { rng.random_range(0.5..4.0) } else { 0.0 },
            holder: chance(0.55, rng).then(|| Holder::draw(back_mm + HEAD_REACH_MM, rng)),
            table_mm: chance(0.6, rng).then(|| back_mm + rng.random_range(HEAD_REACH_MM..125.0)),
            has_circle: chance(0.3, rng),
            ..Self::default()
        };
        drawn.surrounded(rng)
    }

    /// With what lies around the head; some who were hurt lie with their head turned aside.
    fn surrounded(mut self, rng: &mut impl RngCore) -> Self {
        self.beside = Beside::draw_all(rng);
        if chance(0.2, rng) {
            self.turn_deg[2] += f64::from(spread(14.0, rng));
        }
        // A holder lies on its table.
        if let (Some(holder), Some(table_mm)) = (self.holder, &mut self.table_mm) {
            *table_mm = table_mm.max(holder.bottom_mm + HOLDER_ABOVE_TABLE_MM);
        }
        self
    }

    /// Whether a scanner could be set so.
    ///
    /// # Errors
    ///
    /// [`SimulationError`], which names the setting.
    pub fn check(&self) -> Result<(), SimulationError> {
        let check = SimulationError::check;
        check("matrix", self.pixels as f64, [16.0, 2048.0], "pixels")?;
        check("field of view", self.field_mm, [50.0, 600.0], "mm")?;
        check("slice thickness", self.slice_mm, [0.3, 20.0], "mm")?;
        check("upper slice thickness", self.upper_slice_mm.unwrap_or(5.0), [0.3, 20.0], "mm")?;
        check("noise", f64::from(self.noise_hu), [0.0, 100.0], "HU")?;
        check("blur", f64::from(self.blur_mm), [0.0, 5.0], "mm")?;
        check("movement within a slice", self.jerk_mm, [0.0, 20.0], "mm")?;
        check("scatter", f64::from(self.scatter), [0.0, 0.1], "as a share")?;
        check("gantry tilt", self.tilt_deg, [-35.0, 35.0], "degrees")?;
        check("margin below the brain", self.below_brain_mm, [-100.0, 100.0], "mm")
    }

    fn pose(&self) -> Pose {
        let [left, back] = self.off_centre_mm;
        Pose::new(self.turn_deg, [left, back, 0.0])
    }

    /// How the head lies while slice `z` is taken: before and, where it moves meanwhile, after that.
    pub(super) fn poses_of(&self, z: usize) -> (Pose, Option<Pose>) {
        let seed = (self.noise_seed % 1000) as f64;
        let way = |phase: f64| (1.7 * z as f64 + phase).sin();
        let slow = [way(seed), way(1.3 * seed), 0.4 * way(2.1 * seed)];
        let slow = slow.map(|part| self.motion_mm * part);
        // A number between 0 and 1 for each slice.
        let share = (43.7 * (z as f64 + 0.618 * seed).sin()).rem_euclid(1.0);
        let after = (self.jerk_mm > 0.0 && share < JERKY_SLICES).then(|| {
            let (sin, cos) = (std::f64::consts::TAU * share / JERKY_SLICES).sin_cos();
            let way = [cos, sin, 0.3 * cos * sin].map(|part| self.jerk_mm * part);
            let mut turn_deg = self.turn_deg;
            turn_deg[2] += TURN_DEG_PER_MM * way[0];
            let [left, back] = self.off_centre_mm;
            Pose::new(turn_deg, [left, back, 0.0]).moved(haema_volume::add(slow, way))
        });
        (self.pose().moved(slow), after)
    }

    /// The way that things fall, in the head's frame.
    pub(crate) fn down(&self) -> [f32; 3] {
        self.pose().turn_to_head([0.0, 1.0, 0.0]).map(|v| v as f32)
    }

    /// A point of the scan in the head's frame.
    pub(crate) fn to_head(&self, point: Vec3) -> Vec3 {
        self.pose().to_head(point)
    }

    /// A point of the head in the scan's frame.
    pub(crate) fn to_scan(&self, point: [f64; 3]) -> Vec3 {
        self.pose().to_scanner(point)
    }

    /// The grid of the slices.
    ///
    /// * `brain_z_mm` — lowest and highest level of the brain.
    ///
    /// # Errors
    ///
    /// [`GridError`] where the settings hold no voxels.
    pub(crate) fn grid(&self, brain_z_mm: [f32; 2]) -> Result<Grid, GridError> {
        let (sin, cos) = self.tilt_deg.to_radians().sin_cos();
        let pixel_mm = self.field_mm / self.pixels.max(1) as f64;
        let (x_step, y_step) = ([pixel_mm, 0.0, 0.0], [0.0, pixel_mm * cos, pixel_mm * sin]);
        let half = 0.5 * (self.field_mm - pixel_mm);
        let mut origins = Vec::new();
        let mut level = f64::from(brain_z_mm[0]) - self.below_brain_mm;
        let top = f64::from(brain_z_mm[1]) + ABOVE_BRAIN_MM;
        while level < top {
            origins.push([-half, -half * cos, level - half * sin]);
            let is_upper = level > f64::from(brain_z_mm[0]) + BASE_MM;
            let step_mm = self.upper_slice_mm.filter(|_| is_upper).unwrap_or(self.slice_mm);
            level += step_mm / cos;
        }
        Grid::from_slices([self.pixels; 2], x_step, y_step, origins, self.slice_mm)
    }

    /// The kernel's blur.
    pub(super) fn blur(&self, grid: &Grid, plane: &mut [f32]) {
        let columns = grid.size()[2];
        let pixel_mm = grid.spacing_mm()[2] as f32;
        if self.blur_mm > 0.0 {
            crate::head::blur_plane(plane, columns, &bell_kernel(self.blur_mm / pixel_mm));
        }
    }

    /// The kernel's raised edges.
    pub(super) fn sharpen(&self, grid: &Grid, plane: &mut [f32]) {
        let columns = grid.size()[2];
        let pixel_mm = grid.spacing_mm()[2] as f32;
        if self.sharpening > 0.0 {
            let mut soft = plane.to_vec();
            crate::head::blur_plane(&mut soft, columns, &bell_kernel(0.7 / pixel_mm));
            for (voxel, soft) in plane.iter_mut().zip(&soft) {
                *voxel += self.sharpening * (*voxel - soft);
            }
        }
    }

    /// Whole Hounsfield units within twelve bits, as they are stored.
    pub(super) fn store(&self, grid: &Grid, plane: &mut [f32]) {
        let [_, rows, columns] = grid.size();
        let half = 0.5 * columns as f32;
        for (y, row) in plane.chunks_exact_mut(columns).enumerate() {
            let down = y as f32 + 0.5 - 0.5 * rows as f32;
            for (x, voxel) in row.iter_mut().enumerate() {
                let aside = x as f32 + 0.5 - half;
                let is_outside = self.has_circle && aside * aside + down * down > half * half;
                *voxel = if is_outside { -1024.0 } else { voxel.round().clamp(-1024.0, 3071.0) };
            }
        }
    }
}

/// Slices lie along the line from the eye to the ear; label maps, along the commissures of the brain.
const ORBITOMEATAL_DEG: f64 = 13.0;
/// The face reaches further from the middle of the brain than the back of the head.
const HEAD_BACK_MM: f64 = 12.0;
/// How far slices reach above the brain: through the bone and the scalp.
const ABOVE_BRAIN_MM: f64 = 15.0;
/// Height of the base of the skull above the lowest point of the brain.
const BASE_MM: f64 = 45.0;
/// From the middle of the brain to the pillow, of large heads.
const HEAD_REACH_MM: f64 = 106.0;
/// From the bottom of a head holder to the table's top, at least.
const HOLDER_ABOVE_TABLE_MM: f64 = 8.0;
/// How often a patient who moves while slices are taken does so in a slice.
const JERKY_SLICES: f64 = 0.35;
/// A head turns on its pillow as it moves.
const TURN_DEG_PER_MM: f64 = 0.7;

/// A Gaussian of this width, cut off where it no longer counts, of sum 1.
pub(super) fn bell_kernel(sigma_pixels: f32) -> Vec<f32> {
    let sigma = sigma_pixels.max(0.05);
    let half = (3.0 * sigma).ceil() as i32;
    let taps: Vec<f32> =
        (-half..=half).map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / sum).collect()
}
