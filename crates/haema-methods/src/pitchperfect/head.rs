//! A head on the grid of haema's template: laid there, and stripped of its skull.

use std::num::NonZeroUsize;

use haema_measure::{ATLAS_PITCH_MM, Atlas};
use haema_volume::{
    Affine, Components, Connectivity, CtVolume, Grid, HeadPyramid, Locator, LpsMap,
    RegistrationError, Volume, distances_mm, fill_holes_in_plane, parallel,
};

/// A scan on the template's grid.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// From the scan to the template.
    pub(super) template_from_scan: LpsMap,
    pub(super) grid: Grid,
    /// Hounsfield units of the brain; 0 outside, and where they are not 0 to 100.
    pub(super) value: Volume<f32>,
    /// 1 in the brain.
    pub(super) brain: Volume<u8>,
    /// The same, a voxel smaller all round in the plane.
    pub(super) inner: Volume<u8>,
}

/// What may be brain, Hounsfield units. Source: methods.md C4.2.
const SOFT_HU: [f32; 2] = [0.0, 100.0];
/// What joins brain and other tissue is thinner than twice this.
const ERODED_MM: f64 = 4.0;
/// And back, with a little more for what the erosion rounds off.
const GROWN_MM: f64 = 6.0;
/// So far beyond the template's skull a brain may reach.
const BEYOND_MM: f64 = 4.0;
/// What lies beyond the scan is air.
const AIR_HU: f32 = -1000.0;

/// The template and what lies where in it.
pub(super) fn atlas() -> &'static Atlas {
    Atlas::builtin(NonZeroUsize::MIN)
}

/// The template's grid, each voxel parted into `finer` along every axis.
pub(super) fn grid(finer: usize) -> Grid {
    let template = atlas().template().grid();
    let affine = template.lps_from_index();
    let part = 1.0 / finer as f64;
    let shift = 0.5 * part - 0.5;
    let step = |column: usize| haema_volume::scale(affine.column(column), part);
    let origin = affine.point_at([shift; 3]);
    let finer_affine = Affine::from_steps(step(0), step(1), step(2), origin);
    Grid::from_affine(template.size().map(|n| n * finer), &finer_affine)
        .expect("parts of a grid's voxels are a grid")
}

impl Head {
    /// Lays a scan on the template and strips its skull.
    pub(super) fn of(
        ct: &CtVolume,
        finer: usize,
        threads: NonZeroUsize,
    ) -> Result<Self, RegistrationError> {
        let placed = Atlas::builtin(threads).locate(&HeadPyramid::of(ct, threads)?, threads)?;
        let template_from_scan = placed.atlas_from_scan;
        let no_way = || RegistrationError::NoMatch { reason: "the map flattens space".to_owned() };
        let scan_from_template = template_from_scan.inverse().ok_or_else(no_way)?;
        let grid = grid(finer);
        let hu = sampled(ct, &grid, &scan_from_template, threads);
        let brain = strip(&hu, finer);
        let mut value = hu;
        for (value, &is_brain) in value.as_mut_slice().iter_mut().zip(brain.as_slice()) {
            let is_kept = is_brain != 0 && (SOFT_HU[0]..=SOFT_HU[1]).contains(value);
            *value = if is_kept { *value } else { 0.0 };
        }
        let inner = eroded_in_plane(&brain);
        Ok(Self { template_from_scan, grid, value, brain, inner })
    }

    /// A mask of the scan on the template's grid.
    pub(super) fn mask(
        &self,
        mask: &Volume<u8>,
        scan: &Grid,
        threads: NonZeroUsize,
    ) -> Result<Volume<u8>, RegistrationError> {
        let no_way = || RegistrationError::NoMatch { reason: "the map flattens space".to_owned() };
        let scan_from_template = self.template_from_scan.inverse().ok_or_else(no_way)?;
        let locator = Locator::of(scan);
        let voxel = |point| -> u8 {
            locator.nearest(scan_from_template.apply(point)).map_or(0, |at| u8::from(mask[at] != 0))
        };
        Ok(over(&self.grid, threads, voxel))
    }

    /// Values on the template's grid brought to the scan's own.
    pub(super) fn restore(
        &self,
        probability: &Volume<f32>,
        scan: &Grid,
        threads: NonZeroUsize,
    ) -> Volume<f32> {
        let locator = Locator::of(&self.grid);
        let value = |point| {
            between(probability, locator.index_at(self.template_from_scan.apply(point)), 0.0)
        };
        over(scan, threads, value)
    }
}

/// A value for each voxel of a grid, by its place.
fn over<T: Copy + Send>(
    grid: &Grid,
    threads: NonZeroUsize,
    value: impl Fn([f64; 3]) -> T + Sync,
) -> Volume<T> {
    let [depth, rows, columns] = grid.size();
    let planes = parallel::map(0..depth, threads, |_, z| {
        let row = |y: usize| (0..columns).map(move |x| (y, x));
        (0..rows)
            .flat_map(row)
            .map(|(y, x)| value(grid.point_lps_mm(z, y as f64, x as f64)))
            .collect::<Vec<T>>()
    });
    Volume::new([depth, rows, columns], planes.concat()).expect("a value for each voxel")
}

fn sampled(
    ct: &CtVolume,
    grid: &Grid,
    scan_from_template: &LpsMap,
    threads: NonZeroUsize,
) -> Volume<f32> {
    let locator = Locator::of(ct.grid());
    let hu = ct.voxels_hu();
    over(grid, threads, |point| {
        between(hu, locator.index_at(scan_from_template.apply(point)), AIR_HU)
    })
}

/// Linear interpolation at a fractional index; `outside` beyond half a voxel outside.
pub(super) fn between(volume: &Volume<f32>, index: [f64; 3], outside: f32) -> f32 {
    let size = volume.size();
    let mut first = [0; 3];
    let mut part = [0.0_f32; 3];
    for axis in 0..3 {
        let last = size[axis] as f64 - 1.0;
        if !(index[axis] > -0.5 && index[axis] < last + 0.5) {
            return outside;
        }
        let at = index[axis].clamp(0.0, last);
        first[axis] = (at as usize).min(size[axis].saturating_sub(2));
        part[axis] = (at - first[axis] as f64) as f32;
    }
    let voxels = volume.as_slice();
    let next: [usize; 3] = std::array::from_fn(|axis| usize::from(first[axis] + 1 < size[axis]));
    let row = |dz: usize, dy: usize| {
        let at = volume.offset([first[0] + dz, first[1] + dy, first[2]]);
        voxels[at] * (1.0 - part[2]) + voxels[at + next[2]] * part[2]
    };
    let plane = |dz: usize| row(dz, 0) * (1.0 - part[1]) + row(dz, next[1]) * part[1];
    plane(0) * (1.0 - part[0]) + plane(next[0]) * part[0]
}

/// The brain: what is soft, lies within the template's skull, and holds together when thin bridges are cut.
///
/// The bridges are cut on the template's own grid, whatever the finer one.
fn strip(hu: &Volume<f32>, finer: usize) -> Volume<u8> {
    let soft = hu.map(|hu| u8::from((SOFT_HU[0]..=SOFT_HU[1]).contains(hu)));
    let atlas = atlas();
    let size = atlas.places().size();
    let coarse = Volume::from_fn(size, |at| {
        let mut count = 0;
        for i in 0..finer.pow(3) {
            let step = [i / finer / finer, i / finer % finer, i % finer];
            count += usize::from(soft[std::array::from_fn(|axis| at[axis] * finer + step[axis])]);
        }
        u8::from(2 * count > finer.pow(3))
    });
    let positions: [Vec<f64>; 3] =
        std::array::from_fn(|axis| (0..size[axis]).map(|i| i as f64 * ATLAS_PITCH_MM).collect());
    let positions = [&positions[0][..], &positions[1][..], &positions[2][..]];
    let to_skull = distances_mm(atlas.places(), positions, |&place| place != 0);
    let mut near = coarse;
    for (voxel, &mm) in near.as_mut_slice().iter_mut().zip(to_skull.as_slice()) {
        *voxel &= u8::from(mm <= BEYOND_MM);
    }
    let inwards = distances_mm(&near, positions, |&voxel| voxel == 0);
    let core = inwards.map(|&mm| u8::from(mm > ERODED_MM));
    let parts = Components::of(&core, Connectivity::Faces);
    let Some(largest) = parts.largest() else { return Volume::filled(hu.size(), 0) };
    let outwards = distances_mm(parts.labels(), positions, |&label| label == largest);
    let mut brain = soft;
    let [_, rows, columns] = brain.size();
    for (offset, voxel) in brain.as_mut_slice().iter_mut().enumerate() {
        let at = [offset / columns / rows, offset / columns % rows, offset % columns];
        *voxel &= u8::from(outwards[at.map(|i| i / finer)] <= GROWN_MM);
    }
    fill_holes_in_plane(&brain)
}

/// Voxels whose eight neighbours in the plane are in the mask too.
fn eroded_in_plane(mask: &Volume<u8>) -> Volume<u8> {
    let [_, rows, columns] = mask.size();
    let mut inner = mask.map(|_| 0_u8);
    for z in 0..mask.size()[0] {
        let plane = mask.plane(z);
        let whole = |y: usize, x: usize| {
            (y - 1..=y + 1)
                .all(|y| plane[y * columns + x - 1..=y * columns + x + 1].iter().all(|&v| v != 0))
        };
        let target = inner.plane_mut(z);
        for y in 1..rows.saturating_sub(1) {
            for x in 1..columns.saturating_sub(1) {
                target[y * columns + x] = u8::from(whole(y, x));
            }
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finer_grid_covers_the_same_head() {
        let template = atlas().template().grid();
        let fine = grid(2);

        assert_eq!(fine.size(), template.size().map(|n| 2 * n));
        let middle = |grid: &Grid| {
            let last = grid.size().map(|n| (n - 1) as f64 / 2.0);
            grid.lps_from_index().point_at(last)
        };
        let apart = haema_volume::norm(haema_volume::sub(middle(template), middle(&fine)));
        assert!(apart < 1e-9 && (fine.spacing_mm()[0] - 1.0).abs() < 1e-9);
        assert_eq!(
            &grid(1),
            &Grid::from_affine(template.size(), &template.lps_from_index()).unwrap()
        );
    }

    #[test]
    fn values_between_voxels_are_linear() {
        let ramp = Volume::from_fn([3, 4, 5], |[z, y, x]| (100 * z + 10 * y + x) as f32);

        assert_eq!(between(&ramp, [0.5, 1.5, 2.25], -1.0), 67.25);
        assert_eq!(between(&ramp, [2.0, 3.0, 4.0], -1.0), 234.0);
        assert_eq!(between(&ramp, [2.4, 3.0, 4.0], -1.0), 234.0);
        assert_eq!(between(&ramp, [2.6, 3.0, 4.0], -1.0), -1.0);
    }

    #[test]
    fn the_template_itself_is_stripped_to_a_brain_of_its_size() {
        let atlas = atlas();
        let brain = strip(atlas.template().voxels_hu(), 1);
        let count = |mask: &Volume<u8>| mask.as_slice().iter().filter(|&&v| v != 0).count() as f64;
        let wanted = count(&atlas.places().map(|&place| u8::from(place != 0)));

        let share = count(&brain) / wanted;
        assert!((0.85..1.1).contains(&share), "{share} of what the skull holds");
    }
}
