//! A whole head, made by the program itself.

pub(crate) mod anatomy;
mod brain;
mod cut;
pub(crate) mod noise;

use std::num::NonZero;

use haema_volume::{CtVolume, Grid, GridError, Volume, VolumeError, add, scale};

use crate::body::{Body, Ellipsoid, coverage, sub_slices};
use anatomy::Anatomy;
pub(crate) use noise::{bell, blur_plane};
use thiserror::Error;

/// A head CT and the truth about it.
#[derive(Debug, Clone)]
pub struct SimulatedHead {
    /// The scan: whole Hounsfield units, as a scanner stores them.
    pub ct: CtVolume,
    /// 1 in the voxels with the largest share of bleed, as many as make up its volume.
    pub truth: Volume<u8>,
    /// Volume of the bleed in closed form.
    pub truth_ml: f64,
}

/// What head to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadOptions {
    /// Seed of the folds of the brain, of texture and of noise.
    pub seed: u64,
    /// Volume of the bleed in the left basal ganglia; 0 for none.
    pub bleed_ml: f64,
    /// Whether a thin subdural bleed lies over the right hemisphere.
    pub has_subdural: bool,
    /// Rows and columns of the square slices of 230 mm.
    pub pixels: usize,
    /// Number of slices over 160 mm.
    pub slices: usize,
}

/// Why no head can be made.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A setting that no head or scanner has.
    #[error("{what} of {found} {unit}: wanted {} to {} {unit}", range[0], range[1])]
    OutOfRange {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: f64,
        /// The least and the most that are taken.
        range: [f64; 2],
        /// Its unit.
        unit: &'static str,
    },
    /// There is nothing to draw on.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// What was drawn does not fit its grid.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

impl SimulationError {
    pub(crate) fn check(
        what: &'static str,
        found: f64,
        range: [f64; 2],
        unit: &'static str,
    ) -> Result<(), Self> {
        let is_within = (range[0]..=range[1]).contains(&found);
        if is_within { Ok(()) } else { Err(Self::OutOfRange { what, found, range, unit }) }
    }
}

impl Default for HeadOptions {
    /// 512×512×32 of 0.449×0.449×5 mm, a bleed of 24 mL.
    fn default() -> Self {
        Self { seed: 0, bleed_ml: 24.0, has_subdural: false, pixels: 512, slices: 32 }
    }
}

/// The sample head: 512×512×32 voxels of 0.449×0.449×5 mm, with a bleed of exactly 24 mL in the left
/// basal ganglia.
///
/// Made of ellipsoids and noise, not of anybody: it serves to try the program out and to test it, not
/// to judge a method.
///
/// # Panics
///
/// Never: the default size spans volume.
pub fn builtin_head(seed: u64) -> SimulatedHead {
    simulate_head(&HeadOptions { seed, ..HeadOptions::default() })
        .expect("the default size spans volume")
}

/// Side of the field of view.
const FIELD_MM: f64 = 230.0;
/// Lower and upper edge of the stack; the origin lies between the thalami.
const STACK_MM: [f64; 2] = [-78.0, 82.0];
/// Points along the thickness of a slice at which tissue is looked up.
const SUB_SLICES: usize = 3;
/// Blur of a scanner's soft-tissue kernel, in 0.45 mm pixels: σ of about 1 pixel.
const SOFT_KERNEL: [f32; 5] = [0.06, 0.24, 0.4, 0.24, 0.06];
/// Noise of a routine 5 mm slice.
const NOISE_HU: f32 = 3.5;
/// The bleed in the left basal ganglia, before it is given its volume.
const BLEED: Ellipsoid =
    Ellipsoid { centre_lps_mm: [30.0, 4.0, 9.5], radii_mm: [13.0, 22.0, 18.0], turn_deg: -12.0 };
/// Fresh clot.
const BLOOD_HU: f32 = 66.0;

/// Makes a head.
///
/// # Errors
///
/// [`SimulationError`] where there are no pixels or no slices.
pub fn simulate_head(options: &HeadOptions) -> Result<SimulatedHead, SimulationError> {
    let grid = grid_of(options)?;
    let in_brain = (options.bleed_ml > 0.0).then(|| BLEED.with_volume_ml(options.bleed_ml));
    let bleeds: Vec<Body> =
        in_brain.map(Body::Ellipsoid).into_iter().chain(subdural(options)).collect();
    let anatomy = Anatomy::new(options.seed, in_brain);
    let mut hu = draw(&anatomy, &grid);
    let covered = covered_by(&bleeds, &grid);
    mix_in_blood(&mut hu, &covered, &grid, &anatomy);
    for z in 0..grid.size()[0] {
        noise::blur_plane(hu.plane_mut(z), options.pixels, &SOFT_KERNEL);
    }
    noise::add_scanner_noise(&mut hu, NOISE_HU, options.seed);
    let truth_ml = bleeds.iter().map(Body::volume_ml).sum();
    let truth = fullest_voxels(&covered, &grid, truth_ml);
    let hu = hu.map(|voxel| voxel.round().clamp(-1024.0, 3071.0));
    Ok(SimulatedHead { ct: CtVolume::new(hu, grid)?, truth, truth_ml })
}

/// An axial stack as DICOM has it: `x` to the left, `y` to the back, `z` to the top.
fn grid_of(options: &HeadOptions) -> Result<Grid, GridError> {
    let pixel_mm = FIELD_MM / options.pixels.max(1) as f64;
    let slice_mm = (STACK_MM[1] - STACK_MM[0]) / options.slices.max(1) as f64;
    let corner_mm = 0.5 * (pixel_mm - FIELD_MM);
    let origins = (0..options.slices)
        .map(|z| [corner_mm, corner_mm + 4.0, STACK_MM[0] + (z as f64 + 0.5) * slice_mm])
        .collect();
    let size = [options.pixels, options.pixels];
    Grid::from_slices(size, [pixel_mm, 0.0, 0.0], [0.0, pixel_mm, 0.0], origins, slice_mm)
}

/// A cap of about 45° on the right parietal bone, 4 mm thick at its middle: a millimetre under the
/// bone, so that it lies under it wherever the head is bent.
fn subdural(options: &HeadOptions) -> Option<Body> {
    let towards = [-0.86, 0.12, 0.5];
    let (bite_radius, thickness) = (1.14, 0.055);
    options.has_subdural.then(|| Body::Crescent {
        outer: anatomy::CEREBRUM.grown(-1.0),
        bite_centre: scale(towards, -(bite_radius - 1.0 + thickness)),
        bite_radius,
    })
}

/// Draws every slice. Slices do not depend on each other, so the result does not depend on the number
/// of threads.
fn draw(anatomy: &Anatomy, grid: &Grid) -> Volume<f32> {
    let [depth, rows, columns] = grid.size();
    let mut hu = Volume::filled(grid.size(), 0.0_f32);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = depth.div_ceil(threads);
    std::thread::scope(|scope| {
        for (part, planes) in hu.as_mut_slice().chunks_mut(share * rows * columns).enumerate() {
            scope.spawn(move || {
                for (z, plane) in planes.chunks_exact_mut(rows * columns).enumerate() {
                    draw_slice(anatomy, grid, part * share + z, plane);
                }
            });
        }
    });
    hu
}

/// Mean over the thickness of a slice.
fn draw_slice(anatomy: &Anatomy, grid: &Grid, z: usize, plane: &mut [f32]) {
    let columns = grid.size()[2];
    let [_, y_mm, x_mm] = grid.spacing_mm();
    for (shift, weight) in sub_slices(grid, z, SUB_SLICES) {
        let [first_x, first_y, level_z] = add(grid.slice_origin_lps_mm(z), shift);
        let level = anatomy.level(level_z);
        let column: Vec<[f64; 2]> = (0..columns)
            .map(|x| first_x + x as f64 * x_mm)
            .map(|x| [x, level.bend_mm(x)])
            .collect();
        for (y, row) in plane.chunks_exact_mut(columns).enumerate() {
            let y = first_y + y as f64 * y_mm;
            let row_bend_mm = level.bend_mm(y);
            for (voxel, [x, column_bend_mm]) in row.iter_mut().zip(&column) {
                let (_, found_hu) = level.matter_at([*x, y], [row_bend_mm, *column_bend_mm]);
                *voxel += weight as f32 * found_hu;
            }
        }
    }
}

/// The share of each voxel that is bleed.
fn covered_by(bleeds: &[Body], grid: &Grid) -> Volume<f32> {
    let mut covered = Volume::filled(grid.size(), 0.0_f32);
    for bleed in bleeds {
        let shares = coverage(bleed, grid, 4);
        for (voxel, share) in covered.as_mut_slice().iter_mut().zip(shares.as_slice()) {
            *voxel = (*voxel + share).min(1.0);
        }
    }
    covered
}

/// The voxels with the largest shares that together come nearest to a volume. A threshold of one half
/// would not do: of a body that is thin against the slices it keeps 2 % too much.
pub(crate) fn fullest_voxels(shares: &Volume<f32>, grid: &Grid, volume_ml: f64) -> Volume<u8> {
    let touched = shares.as_slice().iter().enumerate().filter(|(_, share)| **share > 0.0);
    let mut touched: Vec<(usize, f32)> = touched.map(|(offset, share)| (offset, *share)).collect();
    touched.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let plane_len = grid.size()[1] * grid.size()[2];
    let mut missing_mm3 = 1000.0 * volume_ml;
    let mut mask = Volume::filled(shares.size(), 0);
    for (offset, _) in touched {
        let voxel_mm3 = grid.voxel_volume_mm3(offset / plane_len);
        if missing_mm3 < 0.5 * voxel_mm3 {
            break;
        }
        mask.as_mut_slice()[offset] = 1;
        missing_mm3 -= voxel_mm3;
    }
    mask
}

fn mix_in_blood(hu: &mut Volume<f32>, covered: &Volume<f32>, grid: &Grid, anatomy: &Anatomy) {
    let columns = grid.size()[2];
    for z in 0..grid.size()[0] {
        for (offset, &share) in covered.plane(z).iter().enumerate().filter(|(_, s)| **s > 0.0) {
            let (y, x) = (offset / columns, offset % columns);
            let point = grid.point_lps_mm(z, y as f64, x as f64);
            let blood_hu = BLOOD_HU + anatomy.mottle_hu(point);
            let voxel = &mut hu.plane_mut(z)[offset];
            *voxel += share * (blood_hu - *voxel);
        }
    }
}
