//! The scanner: slices through a head, as thick and as noisy as asked for.

mod beam;
mod beside;
mod calibration;
mod coarse;
mod fan;
mod motion;
mod noise;
mod pose;
mod projection;
mod protocol;
mod scatter;
mod surround;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use haema_volume::{CtVolume, Grid, Vec3, Volume, VolumeError, add};

pub use beside::{Beside, Object};
use pose::Pose;
pub use protocol::Protocol;
pub use surround::Holder;

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

/// A voxel that has been scanned: small, because a scan of thin slices has many.
#[derive(Debug, Clone, Copy, Default)]
struct Voxel {
    bleed: f32,
    hu: i16,
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
    let gain = gain(head, grid, protocol);
    let slice_ml = Mutex::new(vec![vec![0.0_f64; size[0]]; shapes.len()]);
    each_plane(&mut voxels, size[1] * columns, threads, |z, plane| {
        let hu = picture(head, grid, (protocol, gain), z);
        for (voxel, hu) in plane.iter_mut().zip(&hu) {
            // Stored are whole Hounsfield units of twelve bits.
            voxel.hu = *hu as i16;
        }
        let passes = passes_of(grid, z, protocol.poses_of(z));
        let mut largest = vec![0.0; plane.len()];
        for (number, shape) in shapes.iter().enumerate() {
            let share = seen(&passes, (&shape.lattice, &shape.shares), grid, 0.0);
            let filled: f64 = share.iter().map(|&share| f64::from(share)).sum();
            slice_ml.lock().unwrap_or_else(PoisonError::into_inner)[number][z] =
                filled * grid.voxel_volume_mm3(z) / 1000.0;
            for ((voxel, largest), share) in plane.iter_mut().zip(&mut largest).zip(&share) {
                voxel.bleed += share;
                if *share > *largest {
                    (*largest, voxel.lesion) =
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
        ct: CtVolume::new(field(|voxel| f32::from(voxel.hu))?, grid.clone())?,
        bleed_shares: field(|voxel| voxel.bleed)?,
        lesion_of: Volume::new(size, voxels.iter().map(|voxel| voxel.lesion).collect())?,
        lesion_ml,
    })
}

const AIR_HU: f32 = -1000.0;

/// The slice by which the scale is set, as a share of all from below: through the ventricles.
const SCALE_SLICE: f64 = 0.6;

/// The factor on attenuation that a scanner's calibration comes to.
fn gain(head: &Head, grid: &Grid, protocol: &Protocol) -> f32 {
    let z = (SCALE_SLICE * grid.size()[0] as f64) as usize;
    let (pose, _) = protocol.poses_of(z);
    let true_hu = taken(head, grid, (protocol, pose), z);
    let mut seen_hu = true_hu.clone();
    expose((&mut seen_hu, None), grid, protocol, z);
    calibration::gain(&true_hu, &seen_hu)
}

/// The picture of a slice, as it is stored.
fn picture(head: &Head, grid: &Grid, (protocol, gain): (&Protocol, f32), z: usize) -> Vec<f32> {
    let (before, after) = protocol.poses_of(z);
    let mut hu = taken(head, grid, (protocol, before), z);
    let moved = after.map(|pose| taken(head, grid, (protocol, pose), z));
    expose((&mut hu, moved.as_deref()), grid, protocol, z);
    calibration::apply(&mut hu, gain);
    if protocol.by_projection {
        protocol.sharpen(grid, &mut hu);
    } else {
        protocol.blur(grid, &mut hu);
        protocol.sharpen(grid, &mut hu);
        noise::add(&mut hu, grid, protocol, z);
    }
    protocol.store(grid, &mut hu);
    hu
}

/// What lies in a slice, averaged over its thickness.
fn taken(head: &Head, grid: &Grid, (protocol, pose): (&Protocol, Pose), z: usize) -> Vec<f32> {
    let passes = passes_of(grid, z, (pose, None));
    let mut hu = seen(&passes, (&head.lattice, &head.hu), grid, AIR_HU);
    beside::draw(&protocol.beside, grid, z, &mut hu);
    surround::draw(protocol, grid, z, &mut hu);
    hu
}

/// What rays make of a slice. By projections, that is all there is to it but for the kernel's edges.
///
/// * `moved` — what lies in it after the head has moved, where it does.
fn expose((hu, moved): (&mut [f32], Option<&[f32]>), grid: &Grid, protocol: &Protocol, z: usize) {
    if protocol.by_projection {
        projection::scan((hu, moved), grid, protocol, z);
        return;
    }
    if let Some(moved) = moved {
        motion::mix(hu, moved, grid);
    }
    beam::harden(hu, grid, protocol.hardening);
    scatter::cup(hu, grid, protocol.scatter);
}

/// A field, averaged over the levels of a slice.
fn seen(passes: &[(Pass, f32)], field: (&Lattice, &[f32]), grid: &Grid, outside: f32) -> Vec<f32> {
    let [_, rows, columns] = grid.size();
    let mut plane = vec![0.0; rows * columns];
    for (pass, weight) in passes {
        pass.add_to(&mut plane, columns, field, *weight, outside);
    }
    plane
}

/// One level through the head: where its first voxel lies in the head's frame, and the steps from
/// voxel to voxel, all in mm.
#[derive(Debug, Clone, Copy)]
struct Pass {
    start: [f32; 3],
    x_step: [f32; 3],
    y_step: [f32; 3],
}

/// The levels of a slice, and their share of it: half of each pose, where the head moves.
fn passes_of(grid: &Grid, z: usize, (before, after): (Pose, Option<Pose>)) -> Vec<(Pass, f32)> {
    let count = (grid.slice_thickness_mm(z) / SUB_SLICE_MM).ceil().max(1.0) as usize;
    let single = |v: Vec3| v.map(|v| v as f32);
    let share = if after.is_some() { 0.5 } else { 1.0 };
    let poses = std::iter::once(before).chain(after);
    let levels = |pose: Pose| {
        let levels = sub_slices(grid, z, count).into_iter();
        levels.map(move |(shift, weight)| {
            let pass = Pass {
                start: single(pose.to_head(add(grid.slice_origin_lps_mm(z), shift))),
                x_step: single(pose.turn_to_head(grid.x_step_lps_mm())),
                y_step: single(pose.turn_to_head(grid.y_step_lps_mm())),
            };
            (pass, share * weight as f32)
        })
    };
    poses.flat_map(levels).collect()
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
