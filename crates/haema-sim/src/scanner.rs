//! The scanner: slices through a head, as thick and as noisy as asked for.

mod beam;
mod fan;
mod noise;
mod pose;
mod projection;
mod protocol;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use haema_volume::{CtVolume, Grid, Vec3, Volume, VolumeError, add};

pub use protocol::Protocol;

use crate::body::sub_slices;
use crate::lattice::{Lattice, each_plane};
use crate::lesion::level::Shape;
use crate::patient::Head;

/// What a scan shows, and what of it is bleed.
#[derive(Debug, Clone)]
pub(crate) struct Scanned {
    pub(crate) ct: CtVolume,
    /// Share of each voxel that is bleed.
    pub(crate) bleed_shares: Volume<f32>,
    /// The lesion with the largest share of a voxel, from 1; 0 for none.
    pub(crate) lesion_of: Volume<u8>,
    /// Volume of each lesion within the slices.
    pub(crate) lesion_ml: Vec<f64>,
}

/// A voxel on its way through the scanner.
#[derive(Debug, Clone, Copy, Default)]
struct Voxel {
    hu: f32,
    bleed: f32,
    largest: f32,
    lesion: u8,
}

/// Levels within the thickness of a slice lie this close.
const SUB_SLICE_MM: f64 = 1.3;

/// Scans a head.
pub(crate) fn scan(
    (head, shapes): (&Head, &[Shape]),
    grid: &Grid,
    protocol: &Protocol,
    threads: NonZeroUsize,
) -> Result<Scanned, VolumeError> {
    let size = grid.size();
    let mut voxels = vec![Voxel::default(); size.iter().product()];
    let columns = size[2];
    let slice_ml = Mutex::new(vec![vec![0.0_f64; size[0]]; shapes.len()]);
    each_plane(&mut voxels, size[1] * columns, threads, |z, plane| {
        let mut hu = vec![0.0; plane.len()];
        let passes = passes_of(grid, z, protocol);
        for (pass, weight) in &passes {
            pass.add_to(&mut hu, columns, (&head.lattice, &head.hu), *weight, AIR_HU);
        }
        protocol.surround(grid, z, &mut hu);
        if protocol.by_projection {
            projection::scan(&mut hu, grid, protocol, z);
            protocol.sharpen(grid, &mut hu);
        } else {
            beam::harden(&mut hu, grid, protocol.hardening);
            protocol.blur(grid, &mut hu);
            protocol.sharpen(grid, &mut hu);
            noise::add(&mut hu, grid, protocol, z);
        }
        protocol.store(grid, &mut hu);
        for (voxel, hu) in plane.iter_mut().zip(&hu) {
            voxel.hu = *hu;
        }
        let mut share = vec![0.0; plane.len()];
        for (number, shape) in shapes.iter().enumerate() {
            share.fill(0.0);
            for (pass, weight) in &passes {
                pass.add_to(&mut share, columns, (&shape.lattice, &shape.shares), *weight, 0.0);
            }
            let filled: f64 = share.iter().map(|&share| f64::from(share)).sum();
            slice_ml.lock().unwrap_or_else(PoisonError::into_inner)[number][z] =
                filled * grid.voxel_volume_mm3(z) / 1000.0;
            for (voxel, share) in plane.iter_mut().zip(&share) {
                voxel.bleed += share;
                if *share > voxel.largest {
                    (voxel.largest, voxel.lesion) =
                        (*share, u8::try_from(number + 1).unwrap_or(u8::MAX));
                }
            }
        }
    });
    // Slices are added up in their order, whichever came first.
    let slice_ml = slice_ml.into_inner().unwrap_or_else(PoisonError::into_inner);
    let lesion_ml = slice_ml.iter().map(|slices| slices.iter().sum()).collect();
    let field = |of: fn(&Voxel) -> f32| Volume::new(size, voxels.iter().map(of).collect());
    Ok(Scanned {
        ct: CtVolume::new(field(|voxel| voxel.hu)?, grid.clone())?,
        bleed_shares: field(|voxel| voxel.bleed)?,
        lesion_of: Volume::new(size, voxels.iter().map(|voxel| voxel.lesion).collect())?,
        lesion_ml,
    })
}

const AIR_HU: f32 = -1000.0;

/// One level through the head: where its first voxel lies in the head's frame, and the steps from
/// voxel to voxel, all in mm.
#[derive(Debug, Clone, Copy)]
struct Pass {
    start: [f32; 3],
    x_step: [f32; 3],
    y_step: [f32; 3],
}

/// The levels of a slice, and their share of it.
fn passes_of(grid: &Grid, z: usize, protocol: &Protocol) -> Vec<(Pass, f32)> {
    let count = (grid.slice_thickness_mm(z) / SUB_SLICE_MM).ceil().max(1.0) as usize;
    let pose = protocol.pose_of(z);
    let single = |v: Vec3| v.map(|v| v as f32);
    let levels = sub_slices(grid, z, count).into_iter();
    levels
        .map(|(shift, weight)| {
            let pass = Pass {
                start: single(pose.to_head(add(grid.slice_origin_lps_mm(z), shift))),
                x_step: single(pose.turn_to_head(grid.x_step_lps_mm())),
                y_step: single(pose.turn_to_head(grid.y_step_lps_mm())),
            };
            (pass, weight as f32)
        })
        .collect()
}

impl Pass {
    /// Adds a field, times a weight, to a plane of voxels.
    fn add_to(
        &self,
        plane: &mut [f32],
        columns: usize,
        (lattice, values): (&Lattice, &[f32]),
        weight: f32,
        outside: f32,
    ) {
        let to_lattice = |v: [f32; 3]| v.map(|v| v / lattice.pitch_mm);
        let x_step = to_lattice(self.x_step);
        let from_origin = std::array::from_fn(|axis| self.start[axis] - lattice.origin_mm[axis]);
        let start = to_lattice(from_origin);
        let y_step = to_lattice(self.y_step);
        for (y, row) in plane.chunks_exact_mut(columns).enumerate() {
            let first: [f32; 3] = std::array::from_fn(|axis| start[axis] + y as f32 * y_step[axis]);
            let met = met_by(first, x_step, lattice.size, columns);
            if outside != 0.0 {
                let beside = weight * outside;
                row[..met.start].iter_mut().for_each(|voxel| *voxel += beside);
                row[met.end..].iter_mut().for_each(|voxel| *voxel += beside);
            }
            for (x, voxel) in met.clone().zip(&mut row[met]) {
                let place = std::array::from_fn(|axis| first[axis] + x as f32 * x_step[axis]);
                let value = lattice.cell_at(place).map_or(outside, |cell| {
                    let corners = lattice.corners(cell);
                    corners.iter().map(|&(node, share)| share * values[node]).sum()
                });
                *voxel += weight * value;
            }
        }
    }
}

/// Which steps of a line may lie within a lattice.
fn met_by(first: [f32; 3], step: [f32; 3], size: [usize; 3], count: usize) -> Range<usize> {
    let (mut from, mut to) = (0.0_f32, count as f32);
    for axis in 0..3 {
        let last = (size[2 - axis] - 1) as f32;
        if step[axis].abs() < 1e-9 {
            if !(0.0..last).contains(&first[axis]) {
                return 0..0;
            }
            continue;
        }
        let ends = [-first[axis] / step[axis], (last - first[axis]) / step[axis]];
        from = from.max(ends[0].min(ends[1]).floor());
        to = to.min(ends[0].max(ends[1]).ceil() + 1.0);
    }
    if from < to { from as usize..to as usize } else { 0..0 }
}
