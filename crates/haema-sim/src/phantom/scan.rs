//! What a perfect scanner makes of a phantom.

use std::ops::Range;

use haema_volume::{Grid, Vec3, Volume, add, dot, norm, scale, sub};

use super::{AIR_HU, BODY_HU, Phantom, Stack, WATER_HU};
use crate::body::Body;

/// How many points of a mm³ are looked at in a voxel that a surface cuts. Volumes then come out to
/// 0.2 % of the closed form or 0.003 mL (measured by this crate's tests), five times finer than what a
/// self-test asks for.
const POINTS_PER_MM3: f64 = 200.0;
/// Fewest and most points of a voxel.
const POINTS: [f64; 2] = [50.0, 500.0];

impl Phantom {
    /// Whole Hounsfield units of every voxel: the mean over its pixel and the slice's thickness, so
    /// the share of body in percent.
    ///
    /// A slice sees its thickness along its normal and no more, whatever lies beside it: how far a
    /// slice *stands for* its surroundings is the measurement's affair.
    pub fn scan(&self, stack: &Stack) -> Volume<f32> {
        let grid = &stack.grid;
        let water = self.water.unit_from_lps();
        let [_, rows, columns] = grid.size();
        let mut shares = vec![0.0_f32; rows * columns];
        let mut hu = Volume::filled(grid.size(), AIR_HU);
        for (z, &thickness_mm) in stack.thickness_mm.iter().enumerate() {
            shares.fill(0.0);
            let slab = Slab::new(grid, z, thickness_mm);
            for body in &self.bodies {
                slab.add_shares(body, columns, &mut shares);
            }
            let voxels = hu.plane_mut(z).iter_mut().zip(&shares).enumerate();
            for (offset, (voxel, share)) in voxels {
                let (y, x) = (offset / columns, offset % columns);
                let at = water.map(grid.point_lps_mm(z, y as f64, x as f64));
                if dot(at, at) < 1.0 {
                    *voxel = (WATER_HU + (BODY_HU - WATER_HU) * share).round();
                }
            }
        }
        hu
    }
}

/// What one slice sees.
struct Slab<'a> {
    grid: &'a Grid,
    z: usize,
    thickness_mm: f64,
    normal_lps: Vec3,
    /// Points of a voxel, from its centre.
    points: Vec<Vec3>,
    /// From a voxel's centre to its corner.
    half_diagonal_mm: f64,
}

impl<'a> Slab<'a> {
    fn new(grid: &'a Grid, z: usize, thickness_mm: f64) -> Self {
        let normal_lps = grid.normal_lps();
        let steps = [grid.x_step_lps_mm(), grid.y_step_lps_mm(), scale(normal_lps, thickness_mm)];
        let half_diagonal_mm = 0.5 * steps.iter().map(|step| dot(*step, *step)).sum::<f64>().sqrt();
        Self { grid, z, thickness_mm, normal_lps, points: points_in(steps), half_diagonal_mm }
    }

    /// Adds the share of each voxel that lies in a body.
    fn add_shares(&self, body: &Body, columns: usize, shares: &mut [f32]) {
        let unit_from_lps = body.outer().unit_from_lps();
        let shortest_mm = body.outer().radii_mm.into_iter().fold(f64::INFINITY, f64::min);
        let rows = shares.len() / columns;
        let Some([y_range, x_range]) = self.box_around(body, [rows, columns]) else { return };
        for y in y_range {
            for x in x_range.clone() {
                let centre = self.grid.point_lps_mm(self.z, y as f64, x as f64);
                // The map stretches no way by more than 1 / shortest.
                let beyond_mm = shortest_mm * body.beyond_surface(unit_from_lps.map(centre));
                let share = if beyond_mm >= self.half_diagonal_mm {
                    0.0
                } else if beyond_mm <= -self.half_diagonal_mm {
                    1.0
                } else {
                    let is_inside = |point: &&Vec3| {
                        body.beyond_surface(unit_from_lps.map(add(centre, **point))) < 0.0
                    };
                    let inside = self.points.iter().filter(is_inside).count();
                    inside as f32 / self.points.len() as f32
                };
                shares[y * columns + x] += share;
            }
        }
    }

    /// Rows and columns that a body can touch; `None` where the slice passes it by.
    fn box_around(&self, body: &Body, size: [usize; 2]) -> Option<[Range<usize>; 2]> {
        let outer = body.outer();
        let longest_mm = outer.radii_mm.into_iter().fold(0.0, f64::max);
        let to_centre = sub(outer.centre_lps_mm, self.grid.slice_origin_lps_mm(self.z));
        if dot(to_centre, self.normal_lps).abs() > longest_mm + 0.5 * self.thickness_mm {
            return None;
        }
        let steps = [self.grid.y_step_lps_mm(), self.grid.x_step_lps_mm()];
        Some(std::array::from_fn(|i| {
            let step_mm = norm(steps[i]);
            let middle = dot(to_centre, steps[i]) / (step_mm * step_mm);
            let reach = longest_mm / step_mm + 1.0;
            let end = |at: f64| at.clamp(0.0, size[i] as f64) as usize;
            end((middle - reach).floor())..end((middle + reach).ceil() + 1.0)
        }))
    }
}

/// Points that fill a voxel of these steps evenly, around 0.
///
/// No two share a level along any axis, so that a body which lies flat in the slices is not cut at a
/// few levels only, as a lattice would.
///
/// # Source
///
/// The additive recurrence of the root of `x⁴ = x + 1`: M. Roberts, "The unreasonable effectiveness
/// of quasirandom sequences", 2018.
fn points_in(steps: [Vec3; 3]) -> Vec<Vec3> {
    const ROOT: f64 = 1.220_744_084_605_759_5;
    let volume_mm3: f64 = steps.iter().map(|step| norm(*step)).product();
    let count = (POINTS_PER_MM3 * volume_mm3).ceil().clamp(POINTS[0], POINTS[1]) as i32;
    let point = |i: i32| {
        steps.iter().enumerate().fold([0.0; 3], |point, (axis, step)| {
            let share = (0.5 + f64::from(i) * ROOT.powi(-1 - axis as i32)).fract() - 0.5;
            add(point, scale(*step, share))
        })
    };
    (0..count).map(point).collect()
}
