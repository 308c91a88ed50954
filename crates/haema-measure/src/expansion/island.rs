//! Small bleeds about a large one.

use haema_volume::{Grid, Nearest, Vec3, Volume, norm, occupied_rows, sub};

use super::{ExpansionSign, SignId, sign};

/// A bleed that is larger than this share of the largest is a bleed of its own.
const SMALL_SHARE: f64 = 0.1;
/// Less is a speck of noise.
const LEAST_ML: f64 = 0.03;
const ISLANDS: usize = 3;
const SATELLITE_MM: f64 = 10.0;
const SATELLITE_AWAY_MM: std::ops::RangeInclusive<f64> = 1.0..=20.0;

/// The bleeds beside one.
pub(super) struct Others {
    small: usize,
    satellites: usize,
    slice: Option<usize>,
}

/// Looks at all other bleeds of the scan.
pub(super) fn of(grid: &Grid, labels: &Volume<u32>, label: u32) -> Others {
    let count = labels.as_slice().iter().max().map_or(0, |&most| most as usize);
    let mut points: Vec<Vec<(usize, Vec3)>> = vec![Vec::new(); count + 1];
    let mut mm3 = vec![0.0; count + 1];
    for ([z, y], row) in occupied_rows(labels) {
        for (x, &found) in row.iter().enumerate().filter(|(_, found)| **found > 0) {
            points[found as usize].push((z, grid.point_lps_mm(z, y as f64, x as f64)));
            mm3[found as usize] += grid.voxel_volume_mm3(z);
        }
    }
    let own = label as usize;
    let mut others = Others { small: 0, satellites: 0, slice: None };
    let is_small =
        |i: &usize| *i != own && mm3[*i] >= 1000.0 * LEAST_ML && mm3[*i] <= SMALL_SHARE * mm3[own];
    for i in (1..=count).filter(is_small) {
        others.small += 1;
        if let Some(slice) = satellite_on(&points[i], &points[own]) {
            others.satellites += 1;
            others.slice.get_or_insert(slice);
        }
    }
    others
}

/// The first slice on which a bleed is small and near to another.
fn satellite_on(small: &[(usize, Vec3)], large: &[(usize, Vec3)]) -> Option<usize> {
    let on = |points: &[(usize, Vec3)], z: usize| -> Vec<Vec3> {
        points.iter().filter(|(slice, _)| *slice == z).map(|(_, point)| *point).collect()
    };
    let mut slices: Vec<usize> = small.iter().map(|(slice, _)| *slice).collect();
    slices.dedup();
    slices.into_iter().find(|&z| {
        let here = on(small, z);
        let first = here[0];
        // Twice the way from any point to the farthest is no less than the diameter.
        let reach_mm = here.iter().map(|point| norm(sub(*point, first))).fold(0.0, f64::max);
        let diameter_mm = if 2.0 * reach_mm < SATELLITE_MM {
            reach_mm
        } else {
            let from = |a: &Vec3| here.iter().map(|b| norm(sub(*a, *b))).fold(0.0, f64::max);
            here.iter().map(from).fold(0.0, f64::max)
        };
        let tree = Nearest::of(on(large, z));
        let away = here.iter().filter_map(|point| tree.distance_mm(*point)).reduce(f64::min);
        diameter_mm < SATELLITE_MM && away.is_some_and(|mm| SATELLITE_AWAY_MM.contains(&mm))
    })
}

impl Others {
    pub(super) fn island_sign(&self) -> ExpansionSign {
        let is_present = Some(self.small >= ISLANDS);
        sign(SignId::Island, (is_present, Some(self.small as f64), None))
    }

    pub(super) fn satellite_sign(&self) -> ExpansionSign {
        let is_present = Some(self.satellites > 0);
        sign(SignId::Satellite, (is_present, Some(self.satellites as f64), self.slice))
    }
}
