//! From a point of the patient to a place in a stack of slices.

use super::Grid;
use crate::affine::{Vec3, add, cross, dot, scale, sub};

/// Finds where points lie in a grid, each slice at its own position.
///
/// Made once for a grid, because the way from a point to an index needs a search among slices.
#[derive(Debug, Clone)]
pub struct Locator {
    size: [usize; 3],
    normal_lps: Vec3,
    /// Slices in the order of the grid, ascending along the normal.
    positions_mm: Vec<f64>,
    origins_lps_mm: Vec<Vec3>,
    /// From the last slice of a stack to where a next one would be, and back before the first.
    end_steps_lps_mm: [Vec3; 2],
    /// Scalar products with these give columns and rows of a way within the plane.
    columns_of: Vec3,
    rows_of: Vec3,
}

impl Locator {
    /// For a grid.
    pub fn of(grid: &Grid) -> Self {
        let size = grid.size();
        let normal_lps = grid.normal_lps();
        let (x_step, y_step) = (grid.x_step_lps_mm(), grid.y_step_lps_mm());
        let (across_y, across_x) = (cross(y_step, normal_lps), cross(x_step, normal_lps));
        let lone = scale(normal_lps, grid.slice_thickness_mm(0));
        let step =
            |from: usize, to: usize| if from == to { lone } else { grid.way_lps_mm(from, to) };
        let last = size[0] - 1;
        Self {
            size,
            normal_lps,
            positions_mm: (0..size[0]).map(|z| grid.slice_position_mm(z)).collect(),
            origins_lps_mm: (0..size[0]).map(|z| grid.slice_origin_lps_mm(z)).collect(),
            end_steps_lps_mm: [step(0, last.min(1)), step(last.saturating_sub(1), last)],
            columns_of: scale(across_y, 1.0 / dot(x_step, across_y)),
            rows_of: scale(across_x, 1.0 / dot(y_step, across_x)),
        }
    }

    /// The fractional index `[z, y, x]` of a point: 1.5 lies half-way between slices 1 and 2, however
    /// far these are apart. Outside the stack the first and the last step go on.
    pub fn index_at(&self, point_lps_mm: Vec3) -> [f64; 3] {
        let at_mm = dot(point_lps_mm, self.normal_lps);
        let above = self.positions_mm.partition_point(|&position_mm| position_mm <= at_mm);
        let last = self.size[0] - 1;
        let (base, step) = match above {
            0 => (0, self.end_steps_lps_mm[0]),
            above if above > last => (last, self.end_steps_lps_mm[1]),
            above => (above - 1, sub(self.origins_lps_mm[above], self.origins_lps_mm[above - 1])),
        };
        let part = (at_mm - self.positions_mm[base]) / dot(step, self.normal_lps);
        let origin = add(self.origins_lps_mm[base], scale(step, part));
        let way = sub(point_lps_mm, origin);
        [base as f64 + part, dot(way, self.rows_of), dot(way, self.columns_of)]
    }

    /// The voxel `[z, y, x]` nearest to a point; `None` where it lies more than half a voxel outside.
    pub fn nearest(&self, point_lps_mm: Vec3) -> Option<[usize; 3]> {
        let index = self.index_at(point_lps_mm).map(f64::round);
        let is_inside =
            (0..3).all(|axis| index[axis] >= 0.0 && index[axis] < self.size[axis] as f64);
        is_inside.then(|| index.map(|i| i as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tilted, unevenly stacked.
    fn stack() -> Grid {
        let origins = vec![[-20.0, 3.0, 0.0], [-20.0, 5.0, 4.0], [-20.0, 9.0, 12.0]];
        Grid::from_slices([40, 50], [0.8, 0.0, 0.1], [0.0, 0.9, 0.2], origins, 4.0).unwrap()
    }

    #[test]
    fn a_voxel_is_found_where_it_is() {
        let grid = stack();
        let locator = Locator::of(&grid);

        for index in [[0, 0, 0], [1, 17, 33], [2, 39, 49]] {
            let [z, y, x] = index;
            let point = grid.point_lps_mm(z, y as f64, x as f64);
            let found = locator.index_at(point);
            assert!((0..3).all(|i| (found[i] - index[i] as f64).abs() < 1e-9), "{found:?}");
            assert_eq!(locator.nearest(point), Some(index));
        }
    }

    #[test]
    fn half_way_between_slices_is_half_an_index() {
        let grid = stack();
        let below = grid.point_lps_mm(1, 10.0, 12.0);
        let above = grid.point_lps_mm(2, 10.0, 12.0);

        let found = Locator::of(&grid).index_at(scale(add(below, above), 0.5));

        assert!((found[0] - 1.5).abs() < 1e-9 && (found[1] - 10.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_point_outside_has_no_voxel() {
        let grid = stack();
        let locator = Locator::of(&grid);

        let above = add(grid.point_lps_mm(2, 5.0, 5.0), scale(grid.normal_lps(), 8.0));

        assert_eq!(locator.nearest(above), None);
        assert!(locator.index_at(above)[0] > 2.9);
    }

    #[test]
    fn a_grid_that_descends_is_found_too() {
        let affine = crate::Affine::from_steps(
            [0.5, 0.0, 0.0],
            [0.0, 0.5, 0.0],
            [0.0, 0.0, -5.0],
            [1.0, 2.0, 3.0],
        );
        let grid = Grid::from_affine([4, 8, 8], &affine).unwrap();

        assert_eq!(Locator::of(&grid).nearest(grid.point_lps_mm(3, 2.0, 7.0)), Some([3, 2, 7]));
    }
}
