//! Affine maps of patient space onto itself: how a head moved, or how one head fits another.

use crate::affine::{Vec3, add, cross, dot, norm, scale, sub};

/// An affine map from points to points, both in LPS millimetres.
///
/// Named `to_from` as every map: `moving_from_fixed.apply(point_of_fixed)` is the point of `moving`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LpsMap {
    rows: [[f64; 4]; 3],
}

impl LpsMap {
    /// Every point stays.
    pub const IDENTITY: Self =
        Self { rows: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]] };

    /// From the rows of its matrix, the last column of which is added.
    pub fn from_rows(rows: [[f64; 4]; 3]) -> Self {
        Self { rows }
    }

    /// Turns about a point, then shifts.
    ///
    /// * `turn_rad` — axis of the turn, as long as its angle.
    pub fn rigid(turn_rad: Vec3, shift_mm: Vec3, about_lps_mm: Vec3) -> Self {
        let turned = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
            .map(|axis| turn_vector(turn_rad, axis));
        let linear: [Vec3; 3] = std::array::from_fn(|i| turned.map(|column| column[i]));
        Self::about(linear, shift_mm, about_lps_mm)
    }

    /// A linear map about a point, then a shift.
    pub(crate) fn about(linear: [Vec3; 3], shift_mm: Vec3, about_lps_mm: Vec3) -> Self {
        let moved = linear.map(|row| dot(row, about_lps_mm));
        let offset = add(sub(about_lps_mm, moved), shift_mm);
        Self {
            rows: std::array::from_fn(|i| [linear[i][0], linear[i][1], linear[i][2], offset[i]]),
        }
    }

    /// The rows of the matrix, the last column of which is added.
    pub fn rows(&self) -> [[f64; 4]; 3] {
        self.rows
    }

    /// Where a point goes.
    #[inline]
    pub fn apply(&self, [x, y, z]: Vec3) -> Vec3 {
        self.rows.map(|row| row[0] * x + row[1] * y + row[2] * z + row[3])
    }

    /// `first`, then this.
    #[must_use]
    pub fn after(&self, first: &Self) -> Self {
        let rows = self.rows.map(|row| {
            std::array::from_fn(|j| {
                let own = if j == 3 { row[3] } else { 0.0 };
                (0..3).map(|k| row[k] * first.rows[k][j]).sum::<f64>() + own
            })
        });
        Self { rows }
    }

    /// The way back; `None` where the map flattens space.
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c] = self.linear();
        let det = dot(a, cross(b, c));
        if det.is_nan() || det.abs() <= 1e-12 {
            return None;
        }
        // The rows of the matrix are a, b, c: cross products of two are columns of its inverse.
        let columns = [cross(b, c), cross(c, a), cross(a, b)].map(|v| scale(v, 1.0 / det));
        let linear: [Vec3; 3] = std::array::from_fn(|i| columns.map(|column| column[i]));
        let offset = self.rows.map(|row| row[3]);
        let rows = linear.map(|row| [row[0], row[1], row[2], -dot(row, offset)]);
        Some(Self { rows })
    }

    fn linear(&self) -> [Vec3; 3] {
        self.rows.map(|[x, y, z, _]| [x, y, z])
    }

    /// By how much a volume grows; negative where left and right are exchanged.
    pub fn determinant(&self) -> f64 {
        let [a, b, c] = self.linear();
        dot(a, cross(b, c))
    }

    /// How much the three axes of patient space are stretched.
    pub fn stretches(&self) -> Vec3 {
        let rows = self.linear();
        std::array::from_fn(|axis| norm(rows.map(|row| row[axis])))
    }

    /// Angle by which a rigid map turns, degrees.
    pub fn turn_deg(&self) -> f64 {
        let trace: f64 = (0..3).map(|i| self.rows[i][i]).sum();
        ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos().to_degrees()
    }
}

/// Rodrigues' formula.
fn turn_vector(turn_rad: Vec3, v: Vec3) -> Vec3 {
    let angle = norm(turn_rad);
    if angle < 1e-12 {
        return add(v, cross(turn_rad, v));
    }
    let axis = scale(turn_rad, 1.0 / angle);
    let (sin, cos) = angle.sin_cos();
    let along = scale(axis, dot(axis, v) * (1.0 - cos));
    add(add(scale(v, cos), scale(cross(axis, v), sin)), along)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same_place() {
        let map = LpsMap::from_rows([
            [1.1, 0.2, -0.1, 5.0],
            [-0.1, 0.9, 0.3, -7.0],
            [0.05, -0.2, 1.2, 11.0],
        ]);
        let point = [31.0, -44.0, 58.0];

        let back = map.inverse().unwrap().apply(map.apply(point));
        let twice = map.after(&map).apply(point);

        assert!(norm(sub(back, point)) < 1e-9);
        assert!(norm(sub(twice, map.apply(map.apply(point)))) < 1e-9);
    }

    #[test]
    fn a_turn_about_a_point_leaves_it_and_has_its_angle() {
        let about = [10.0, -20.0, 30.0];
        let map = LpsMap::rigid([0.0, 0.0, 30_f64.to_radians()], [0.0; 3], about);

        assert!(norm(sub(map.apply(about), about)) < 1e-12);
        assert!((map.turn_deg() - 30.0).abs() < 1e-9);
        assert!((map.determinant() - 1.0).abs() < 1e-12);
        // x turns towards y.
        let turned = sub(map.apply(add(about, [1.0, 0.0, 0.0])), about);
        assert!((turned[1] - 0.5).abs() < 1e-12, "{turned:?}");
    }

    #[test]
    fn a_flat_map_has_no_way_back() {
        let flat = LpsMap::from_rows([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0; 4]]);

        assert_eq!(flat.inverse(), None);
    }
}
