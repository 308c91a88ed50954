//! Ellipsoids as one level of the head sees them, and smooth steps between tissues.

use crate::body::Ellipsoid;

/// An ellipsoid at a fixed `z`: what depends on `z` and on its turn is worked out once for all points
/// of the level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    centre: [f64; 2],
    /// Rows give the unit ball's `x` and `y`.
    unit_from_offset: [[f64; 2]; 2],
    /// Square of the unit ball's `z`, and of the distance to the centre along `z`.
    z_squared: [f64; 2],
    shortest_mm: f64,
}

impl Cut {
    pub(super) fn of(body: &Ellipsoid, z: f64) -> Self {
        let [radius_x, radius_y, radius_z] = body.radii_mm;
        let (sin, cos) = body.turn_deg.to_radians().sin_cos();
        let dz = z - body.centre_lps_mm[2];
        Self {
            centre: [body.centre_lps_mm[0], body.centre_lps_mm[1]],
            unit_from_offset: [[cos / radius_x, sin / radius_x], [-sin / radius_y, cos / radius_y]],
            z_squared: [(dz / radius_z).powi(2), dz * dz],
            shortest_mm: radius_x.min(radius_y).min(radius_z),
        }
    }

    /// Whether the level passes through the body, or by within a share of its height.
    pub(super) fn is_met(&self, share: f64) -> bool {
        self.z_squared[0] < (1.0 + share).powi(2)
    }

    #[inline]
    fn squares(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let [x_row, y_row] = self.unit_from_offset;
        let (u, v) = (x_row[0] * dx + x_row[1] * dy, y_row[0] * dx + y_row[1] * dy);
        [u * u + v * v + self.z_squared[0], dx * dx + dy * dy + self.z_squared[1]]
    }

    #[inline]
    pub(super) fn holds(&self, point: [f64; 2]) -> bool {
        self.squares(point)[0] < 1.0
    }

    /// Distance to the surface along the ray from the centre, negative inside.
    #[inline]
    pub(super) fn surface_mm(&self, point: [f64; 2]) -> f64 {
        let [share_squared, from_centre_squared] = self.squares(point);
        if share_squared < 1e-9 {
            return -self.shortest_mm;
        }
        from_centre_squared.sqrt() * (1.0 - 1.0 / share_squared.sqrt())
    }
}

/// The smallest of distances, seams rounded over `blend_mm`; infinite where there are none.
pub(super) fn smooth_union(distances_mm: impl Iterator<Item = f64>, blend_mm: f64) -> f64 {
    distances_mm.fold(f64::INFINITY, |nearest, next| {
        let overlap = (blend_mm - (nearest - next).abs()).max(0.0) / blend_mm;
        nearest.min(next) - overlap * overlap * blend_mm * 0.25
    })
}

/// 0 at `from`, 1 at `to`, smooth between, in either direction.
pub(super) fn smooth_step(from: f64, to: f64, value: f64) -> f64 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
