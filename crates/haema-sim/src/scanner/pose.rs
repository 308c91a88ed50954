//! How a head lies in the scanner.

use haema_volume::{Vec3, add, dot, sub};

/// A turn and a shift, from the head's frame to the scanner's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pose {
    /// Columns are the head's axes in the scanner.
    rows: [Vec3; 3],
    offset_lps_mm: Vec3,
}

impl Pose {
    /// Turns about the axis to the left (nodding), to the back (tilting), to the top (turning).
    pub(crate) fn new(turn_deg: Vec3, offset_lps_mm: Vec3) -> Self {
        let [(sx, cx), (sy, cy), (sz, cz)] = turn_deg.map(|deg| deg.to_radians().sin_cos());
        let rows = [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ];
        Self { rows, offset_lps_mm }
    }

    /// The point of the head at a point of the scanner.
    pub(crate) fn to_head(self, point: Vec3) -> Vec3 {
        self.turn_to_head(sub(point, self.offset_lps_mm))
    }

    /// The direction in the head of a direction in the scanner.
    pub(crate) fn turn_to_head(self, way: Vec3) -> Vec3 {
        std::array::from_fn(|i| (0..3).map(|j| self.rows[j][i] * way[j]).sum())
    }

    /// The point of the scanner at a point of the head.
    pub(crate) fn to_scanner(self, point: Vec3) -> Vec3 {
        add(self.rows.map(|row| dot(row, point)), self.offset_lps_mm)
    }

    /// The same, moved further.
    #[must_use]
    pub(crate) fn moved(self, by_mm: Vec3) -> Self {
        Self { offset_lps_mm: add(self.offset_lps_mm, by_mm), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same_place() {
        let pose = Pose::new([11.0, -7.0, 30.0], [1.0, 2.0, 3.0]);
        let point = [30.0, -40.0, 55.0];

        let back = pose.to_head(pose.to_scanner(point));

        assert!(back.iter().zip(point).all(|(a, b)| (a - b).abs() < 1e-9));
        let upwards = Pose::new([0.0, 0.0, 90.0], [0.0; 3]).to_scanner([1.0, 0.0, 0.0]);
        assert!((upwards[1] - 1.0).abs() < 1e-12, "x turns towards y: {upwards:?}");
    }
}
