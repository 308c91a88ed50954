//! The second scan on the first one's grid, and what has changed between their masks.

use std::num::NonZeroUsize;

use haema_volume::{CtVolume, Grid, Locator, LpsMap, Volume, parallel};

use super::Visit;

/// In both scans, in the second only, in the first only.
pub(super) const STAYED: u8 = 1;
pub(super) const GAINED: u8 = 2;
pub(super) const LOST: u8 = 3;

/// A scan and its mask on another scan's grid.
pub(crate) struct OnBaseline {
    pub(crate) ct: CtVolume,
    pub(crate) mask: Volume<u8>,
}

/// Looks up the second scan at every voxel of the first one's grid: linear between pixels and slices;
/// of the mask the half and more. Air, where the second scan has not been.
pub(super) fn on_baseline(
    followup: &Visit,
    grid: &Grid,
    followup_from_baseline: &LpsMap,
    threads: NonZeroUsize,
) -> OnBaseline {
    let [depth, rows, columns] = grid.size();
    let locator = Locator::of(followup.ct.grid());
    let (hu, mask) = (followup.ct.voxels_hu(), &followup.mask);
    let planes = parallel::map(0..depth, threads, |_, z| {
        let mut plane = Vec::with_capacity(rows * columns);
        for y in 0..rows {
            for x in 0..columns {
                let point = followup_from_baseline.apply(grid.point_lps_mm(z, y as f64, x as f64));
                plane.push(look_up(hu, mask, locator.index_at(point)));
            }
        }
        plane
    });
    let planes = planes.concat();
    let hu = planes.iter().map(|found| found.0).collect();
    let mask = planes.iter().map(|found| u8::from(found.1 >= 0.5)).collect();
    let hu = Volume::new(grid.size(), hu).expect("every voxel was looked up");
    let mask = Volume::new(grid.size(), mask).expect("every voxel was looked up");
    let ct = CtVolume::new(hu, grid.clone()).expect("every voxel was looked up");
    OnBaseline { ct, mask }
}

fn look_up(hu: &Volume<f32>, mask: &Volume<u8>, index: [f64; 3]) -> (f32, f32) {
    let size = hu.size();
    let mut base = [0; 3];
    let mut part = [0.0_f32; 3];
    for axis in 0..3 {
        let last = (size[axis] - 1) as f64;
        if index[axis] < -0.5 || index[axis] > last + 0.5 {
            return (-1000.0, 0.0);
        }
        let at = index[axis].clamp(0.0, last);
        base[axis] = (at as usize).min(size[axis].saturating_sub(2));
        part[axis] = (at - base[axis] as f64) as f32;
    }
    let mut found = (0.0, 0.0);
    for corner in 0..8 {
        let mut weight = 1.0;
        let mut at = base;
        for axis in 0..3 {
            let is_upper = corner >> axis & 1 == 1;
            weight *= if is_upper { part[axis] } else { 1.0 - part[axis] };
            at[axis] = (at[axis] + usize::from(is_upper)).min(size[axis] - 1);
        }
        found.0 += weight * hu[at];
        found.1 += weight * f32::from(mask[at].min(1));
    }
    found
}

/// What has become of each voxel of the first scan's grid; 0 where no bleed is.
pub(super) fn map(before: &Volume<u8>, now: &Volume<u8>) -> Volume<u8> {
    let pairs = before.as_slice().iter().zip(now.as_slice());
    let voxels = pairs.map(|(before, now)| match (*before != 0, *now != 0) {
        (true, true) => STAYED,
        (false, true) => GAINED,
        (true, false) => LOST,
        (false, false) => 0,
    });
    Volume::new(before.size(), voxels.collect()).expect("both have the first scan's size")
}

/// +1 gained, −1 lost, 0 unchanged.
pub(super) fn signed(map: &Volume<u8>) -> Volume<i16> {
    map.map(|&label| match label {
        GAINED => 1,
        LOST => -1,
        _ => 0,
    })
}
