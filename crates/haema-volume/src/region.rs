//! Boxes of voxels, and what thin things are removed by.

use std::ops::{BitOr, Range};

use crate::components::{Components, Connectivity};
use crate::volume::Volume;

/// A box of voxels: a range along each of `[z, y, x]`.
pub type IndexBox = [Range<usize>; 3];

/// The rows along `x` that hold anything but zero, each with its `[z, y]`, in memory order.
///
/// Most rows of a mask are empty, and this passes them many times faster than a search in each.
pub fn occupied_rows<T>(volume: &Volume<T>) -> impl Iterator<Item = ([usize; 2], &[T])>
where
    T: Copy + Default + PartialEq + BitOr<Output = T>,
{
    let [_, rows, columns] = volume.size();
    let all = volume.as_slice().chunks_exact(columns.max(1)).enumerate();
    let occupied = all.filter(|(_, voxels)| !is_all_zero(voxels));
    occupied.map(move |(row, voxels)| ([row / rows, row % rows], voxels))
}

/// Whether there is nothing but zero, without a look at where something is.
pub(crate) fn is_all_zero<T>(voxels: &[T]) -> bool
where
    T: Copy + Default + PartialEq + BitOr<Output = T>,
{
    voxels.iter().fold(T::default(), |all, &voxel| all | voxel) == T::default()
}

/// The smallest box that holds every voxel that is not 0; none where all are.
pub fn bounding_box(mask: &Volume<u8>) -> Option<IndexBox> {
    let mut found: Option<IndexBox> = None;
    for ([z, y], voxels) in occupied_rows(mask) {
        let Some(first) = voxels.iter().position(|&voxel| voxel != 0) else { continue };
        let last = voxels.iter().rposition(|&voxel| voxel != 0).unwrap_or(first);
        let here = [z..z + 1, y..y + 1, first..last + 1];
        found = Some(match found {
            None => here,
            Some(so_far) => std::array::from_fn(|i| {
                so_far[i].start.min(here[i].start)..so_far[i].end.max(here[i].end)
            }),
        });
    }
    found
}

/// The voxels inside a box.
///
/// # Panics
///
/// Where the box reaches outside the volume.
pub fn crop<T: Copy>(volume: &Volume<T>, region: &IndexBox) -> Volume<T> {
    let [z, y, x] = region;
    let mut voxels = Vec::with_capacity(z.len() * y.len() * x.len());
    for plane in z.clone() {
        for row in y.clone() {
            let start = volume.offset([plane, row, 0]);
            assert!(x.end <= volume.size()[2], "box outside the volume");
            voxels.extend_from_slice(&volume.as_slice()[start + x.start..start + x.end]);
        }
    }
    Volume::from_counted([z.len(), y.len(), x.len()], voxels)
}

/// Removes, slice by slice, whatever a square of `2·radius + 1` voxels does not fit into (a
/// morphological opening): a head holder's thin shell, a tube, a blanket. What lies outside the
/// volume counts as background.
pub fn open_in_plane(mask: &Volume<u8>, radius: usize) -> Volume<u8> {
    let mut opened = mask.map(|&voxel| u8::from(voxel != 0));
    for z in 0..mask.size()[0] {
        let [_, rows, columns] = mask.size();
        let plane = opened.plane_mut(z);
        // Erosion of the foreground is dilation of the background, border included.
        let mut background: Vec<u8> = plane.iter().map(|&voxel| 1 - voxel).collect();
        dilate(&mut background, [rows, columns], radius, 1);
        let mut kept: Vec<u8> = background.iter().map(|&voxel| 1 - voxel).collect();
        dilate(&mut kept, [rows, columns], radius, 0);
        plane.copy_from_slice(&kept);
    }
    opened
}

/// Closes, slice by slice, gaps that a disc of `radius` voxels does not fit into. What lies outside the
/// volume counts as background. What is not 0 becomes 1.
pub fn close_in_plane(mask: &Volume<u8>, radius: f64) -> Volume<u8> {
    let reach = radius.clamp(0.0, LARGEST_DISC).floor() as isize;
    let disc: Vec<[isize; 2]> = (-reach..=reach)
        .flat_map(|y| (-reach..=reach).map(move |x| [y, x]))
        .filter(|[y, x]| ((y * y + x * x) as f64) <= radius * radius)
        .collect();
    let mut closed = mask.map(|&voxel| u8::from(voxel != 0));
    let [depth, rows, columns] = mask.size();
    for z in 0..depth {
        let plane = closed.plane_mut(z);
        if plane.iter().all(|&voxel| voxel == 0) {
            continue;
        }
        // Room around the plane, so that what grows beyond it shrinks back.
        let width = columns + 2 * reach as usize;
        let mut grown = vec![0_u8; width * (rows + 2 * reach as usize)];
        let at = |offset: usize, [y, x]: [isize; 2]| {
            let row = (offset / columns) as isize + reach + y;
            row as usize * width + ((offset % columns) as isize + reach + x) as usize
        };
        for (offset, _) in plane.iter().enumerate().filter(|(_, voxel)| **voxel != 0) {
            for &step in &disc {
                grown[at(offset, step)] = 1;
            }
        }
        for (offset, voxel) in plane.iter_mut().enumerate() {
            *voxel = u8::from(disc.iter().all(|&step| grown[at(offset, step)] != 0));
        }
    }
    closed
}

/// No mask needs a larger disc, in voxels.
const LARGEST_DISC: f64 = 100.0;

/// Fills, slice by slice, every hole: background from which no way along faces leads to the border of
/// the slice. What is not 0 becomes 1.
pub fn fill_holes_in_plane(mask: &Volume<u8>) -> Volume<u8> {
    let [depth, rows, columns] = mask.size();
    let mut filled = mask.map(|&voxel| u8::from(voxel != 0));
    for z in 0..depth {
        let background: Vec<u8> = filled.plane(z).iter().map(|&voxel| 1 - voxel).collect();
        let background = Volume::from_counted([1, rows, columns], background);
        let parts = Components::of(&background, Connectivity::Faces);
        let mut is_open = vec![false; parts.voxel_counts().len() + 1];
        for y in 0..rows {
            let is_border_row = y == 0 || y + 1 == rows;
            let step = if is_border_row { 1 } else { columns.saturating_sub(1).max(1) };
            for x in (0..columns).step_by(step) {
                is_open[parts.labels()[[0, y, x]] as usize] = true;
            }
        }
        for (voxel, &label) in filled.plane_mut(z).iter_mut().zip(parts.labels().as_slice()) {
            *voxel = u8::from(label == 0 || !is_open[label as usize]);
        }
    }
    filled
}

/// Grows the ones of a plane by a square of `2·radius + 1`; `outside` is what lies around the plane.
fn dilate(plane: &mut [u8], [rows, columns]: [usize; 2], radius: usize, outside: u8) {
    let mut line = vec![0; columns];
    for row in plane.chunks_exact_mut(columns.max(1)) {
        line.copy_from_slice(row);
        dilate_line(&line, row.iter_mut(), radius, outside);
    }
    let mut line = vec![0; rows];
    for x in 0..columns {
        line.iter_mut().enumerate().for_each(|(y, voxel)| *voxel = plane[y * columns + x]);
        dilate_line(&line, plane[x..].iter_mut().step_by(columns), radius, outside);
    }
}

/// A voxel becomes 1 where one lies within `radius`: counted by a window that slides along.
fn dilate_line<'a>(
    line: &[u8],
    targets: impl Iterator<Item = &'a mut u8>,
    radius: usize,
    outside: u8,
) {
    let at = |i: isize| {
        usize::try_from(i).ok().and_then(|i| line.get(i)).map_or(outside, |&voxel| voxel)
    };
    let radius = radius as isize;
    let mut ones: usize = (-radius..radius).map(|i| usize::from(at(i))).sum();
    for (i, target) in targets.enumerate() {
        let i = i as isize;
        ones += usize::from(at(i + radius));
        *target = u8::from(ones > 0);
        ones -= usize::from(at(i - radius));
    }
}
