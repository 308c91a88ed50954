//! Bodies of known volume.

use std::f64::consts::PI;

use haema_volume::{Grid, Vec3, Volume, add, dot, norm, scale, sub};

/// An ellipsoid, two of whose axes may be turned about the third, `z`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipsoid {
    /// Its centre.
    pub centre_lps_mm: Vec3,
    /// Its semi-axes, along `x`, `y`, `z` before it is turned.
    pub radii_mm: Vec3,
    /// How far it is turned about `z`, from `x` towards `y`.
    pub turn_deg: f64,
}

impl Ellipsoid {
    /// One whose axes are those of the patient.
    pub fn new(centre_lps_mm: Vec3, radii_mm: Vec3) -> Self {
        Self { centre_lps_mm, radii_mm, turn_deg: 0.0 }
    }

    /// The same, turned about `z`.
    #[must_use]
    pub fn turned(self, turn_deg: f64) -> Self {
        Self { turn_deg, ..self }
    }

    /// The same shape with this volume.
    #[must_use]
    pub fn with_volume_ml(self, volume_ml: f64) -> Self {
        let factor = (volume_ml / self.volume_ml()).cbrt();
        Self { radii_mm: scale(self.radii_mm, factor), ..self }
    }

    /// The same with semi-axes longer by `by_mm`.
    #[must_use]
    pub fn grown(self, by_mm: f64) -> Self {
        Self { radii_mm: self.radii_mm.map(|radius| radius + by_mm), ..self }
    }

    /// Its volume.
    pub fn volume_ml(self) -> f64 {
        4.0 / 3.0 * PI * self.radii_mm.iter().product::<f64>() / 1000.0
    }

    /// The map from patient space to the space in which the ellipsoid is the unit ball.
    pub(crate) fn unit_from_lps(&self) -> UnitFromLps {
        let (sin, cos) = self.turn_deg.to_radians().sin_cos();
        let [radius_x, radius_y, radius_z] = self.radii_mm;
        UnitFromLps {
            centre_lps_mm: self.centre_lps_mm,
            in_plane: [[cos / radius_x, sin / radius_x], [-sin / radius_y, cos / radius_y]],
            along_z: 1.0 / radius_z,
        }
    }
}

/// See [`Ellipsoid::unit_from_lps`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitFromLps {
    centre_lps_mm: Vec3,
    in_plane: [[f64; 2]; 2],
    along_z: f64,
}

impl UnitFromLps {
    pub(crate) fn map(&self, point_lps_mm: Vec3) -> Vec3 {
        let [x, y, z] = sub(point_lps_mm, self.centre_lps_mm);
        let [to_x, to_y] = self.in_plane;
        [to_x[0] * x + to_x[1] * y, to_y[0] * x + to_y[1] * y, self.along_z * z]
    }
}

fn square(v: Vec3) -> f64 {
    dot(v, v)
}

/// A body whose volume is known in closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Body {
    /// An ellipsoid or a ball.
    Ellipsoid(Ellipsoid),
    /// What lies between an ellipsoid and a smaller one of the same shape and centre.
    Shell {
        /// The outer surface.
        outer: Ellipsoid,
        /// Size of the inner surface as a share of the outer, 0 to 1.
        inner_share: f64,
    },
    /// An ellipsoid without the part that a second, shifted one covers: the shape of a subdural
    /// bleed.
    Crescent {
        /// The outer surface.
        outer: Ellipsoid,
        /// Centre of the second in the space in which the first is the unit ball.
        bite_centre: Vec3,
        /// Radius of the second there.
        bite_radius: f64,
    },
    /// All that lies within a distance of an arc: a bent sausage with round ends, open towards `x`.
    /// In the space in which an ellipsoid is the unit ball, the arc lies in the plane `z = 0` around
    /// the centre, as far out as the ball allows.
    CShape {
        /// What the whole ring would touch from within.
        outer: Ellipsoid,
        /// Distance from the arc, below 0.5.
        tube_radius: f64,
        /// Angle between the ends of the arc, below 180°. The round ends must not meet:
        /// `(1 − tube_radius) · sin(gap / 2) ≥ tube_radius`.
        gap_deg: f64,
    },
}

impl Body {
    /// A ball.
    pub fn ball(centre_lps_mm: Vec3, radius_mm: f64) -> Self {
        Self::Ellipsoid(Ellipsoid::new(centre_lps_mm, [radius_mm; 3]))
    }

    /// Its volume in closed form.
    ///
    /// # Source
    ///
    /// Two overlapping balls share a lens of `π(R + r − d)²(d² + 2d(R + r) − 3(R − r)²) / 12d`: two
    /// caps of `πh²(3R − h)/3`. Part of a ring: area of its section times the way of the section's
    /// centre (Pappus); its two round ends make one ball.
    pub fn volume_ml(&self) -> f64 {
        let outer_ml = self.outer().volume_ml();
        match *self {
            Self::Ellipsoid(_) => outer_ml,
            Self::Shell { inner_share, .. } => outer_ml * (1.0 - inner_share.powi(3)),
            Self::Crescent { bite_centre, bite_radius, .. } => {
                let ball = 4.0 / 3.0 * PI;
                outer_ml * (ball - lens(square(bite_centre).sqrt(), bite_radius)) / ball
            }
            Self::CShape { tube_radius, gap_deg, .. } => {
                let way = (2.0 * PI - gap_deg.to_radians()) * (1.0 - tube_radius);
                outer_ml * (0.75 * way * tube_radius.powi(2) + tube_radius.powi(3))
            }
        }
    }

    /// Whether a point, given where the outer surface is the unit ball, lies inside.
    fn holds(&self, unit: Vec3) -> bool {
        let from_centre = square(unit);
        from_centre < 1.0
            && match *self {
                Self::Ellipsoid(_) => true,
                Self::Shell { inner_share, .. } => from_centre >= inner_share * inner_share,
                Self::Crescent { bite_centre, bite_radius, .. } => {
                    square(sub(unit, bite_centre)) >= bite_radius * bite_radius
                }
                Self::CShape { .. } => self.beyond_surface(unit) < 0.0,
            }
    }

    /// How far a point lies outside, negative inside, where the outer surface is the unit ball: 0 on
    /// the surface, and never more than the true distance to it.
    pub(crate) fn beyond_surface(&self, unit: Vec3) -> f64 {
        let from_centre = square(unit).sqrt();
        let beyond_outer = from_centre - 1.0;
        match *self {
            Self::Ellipsoid(_) => beyond_outer,
            Self::Shell { inner_share, .. } => beyond_outer.max(inner_share - from_centre),
            Self::Crescent { bite_centre, bite_radius, .. } => {
                beyond_outer.max(bite_radius - square(sub(unit, bite_centre)).sqrt())
            }
            Self::CShape { tube_radius, gap_deg, .. } => {
                from_arc(unit, 1.0 - tube_radius, 0.5 * gap_deg.to_radians()) - tube_radius
            }
        }
    }

    pub(crate) fn outer(&self) -> &Ellipsoid {
        match self {
            Self::Ellipsoid(outer)
            | Self::Shell { outer, .. }
            | Self::Crescent { outer, .. }
            | Self::CShape { outer, .. } => outer,
        }
    }
}

/// Distance to an arc around the origin in the plane `z = 0` that leaves out the angles up to
/// `half_gap` on either side of `x`.
fn from_arc([x, y, z]: Vec3, radius: f64, half_gap: f64) -> f64 {
    let (sin, cos) = half_gap.sin_cos();
    // By symmetry the nearer end is the one on the point's own side.
    let is_in_gap = x * sin > y.abs() * cos;
    let in_plane = if is_in_gap {
        (x - radius * cos).hypot(y.abs() - radius * sin)
    } else {
        x.hypot(y) - radius
    };
    in_plane.hypot(z)
}

/// What the unit ball shares with a ball of this radius at this distance.
fn lens(distance: f64, radius: f64) -> f64 {
    if distance >= 1.0 + radius {
        return 0.0;
    }
    if distance <= (1.0 - radius).abs() {
        return 4.0 / 3.0 * PI * radius.min(1.0).powi(3);
    }
    let sum = 1.0 + radius;
    let difference = 1.0 - radius;
    let inner = distance * distance + 2.0 * distance * sum - 3.0 * difference * difference;
    PI * (sum - distance).powi(2) * inner / (12.0 * distance)
}

/// The share of each voxel that lies in a body, by `n`³ points in it, `n` along each axis.
///
/// A voxel reaches half-way to its neighbours, as [`Grid::slice_thickness_mm`] has it, so that shares
/// times voxel volumes add up to the body's volume in uneven and tilted stacks too. Only voxels that
/// the body can touch are looked at.
///
/// # Panics
///
/// Where `n` is 0.
pub fn coverage(body: &Body, grid: &Grid, n: usize) -> Volume<f32> {
    assert!(n > 0, "no points to look at");
    let mut shares = Volume::filled(grid.size(), 0.0);
    let unit_from_lps = body.outer().unit_from_lps();
    let reach = reach_of(body, grid).unit_from_lps();
    let [depth, rows, columns] = grid.size();
    let in_voxel: Vec<Vec3> = sub_voxels(grid, n);
    for z in 0..depth {
        let levels = sub_slices(grid, z, n);
        for y in 0..rows {
            for x in 0..columns {
                let centre = grid.point_lps_mm(z, y as f64, x as f64);
                if square(reach.map(centre)) >= 1.0 {
                    continue;
                }
                let mut share = 0.0;
                for (shift, weight) in &levels {
                    let level = add(centre, *shift);
                    let is_inside = |at: &&Vec3| body.holds(unit_from_lps.map(add(level, **at)));
                    share += weight * in_voxel.iter().filter(is_inside).count() as f64;
                }
                shares[[z, y, x]] = (share / in_voxel.len() as f64) as f32;
            }
        }
    }
    shares
}

/// `n`² points of a voxel in its plane, from its centre.
fn sub_voxels(grid: &Grid, n: usize) -> Vec<Vec3> {
    let steps = |n: usize| (0..n).map(move |i| (i as f64 + 0.5) / n as f64 - 0.5);
    let (y_step, x_step) = (grid.y_step_lps_mm(), grid.x_step_lps_mm());
    steps(n).flat_map(|y| steps(n).map(move |x| add(scale(y_step, y), scale(x_step, x)))).collect()
}

/// The body's outer surface, enlarged so far that it holds the centre of every voxel that the body
/// touches: a ball of radius `h` fits into the ellipsoid scaled by `h` over its shortest semi-axis.
fn reach_of(body: &Body, grid: &Grid) -> Ellipsoid {
    let [_, y_mm, x_mm] = grid.spacing_mm();
    let ways = (1..grid.size()[0]).map(|z| norm(grid.way_lps_mm(z - 1, z)));
    let longest_mm = ways.fold(grid.slice_thickness_mm(0), f64::max);
    let half_mm = 0.5 * (y_mm + x_mm + longest_mm);
    let outer = *body.outer();
    let shortest_mm = outer.radii_mm.into_iter().fold(f64::INFINITY, f64::min);
    Ellipsoid { radii_mm: scale(outer.radii_mm, 1.0 + half_mm / shortest_mm), ..outer }
}

/// `n` levels within the thickness that slice `z` stands for: the way to each from the slice, and its
/// share of the thickness. Where the slice does not reach equally far to both sides, half the levels
/// lie on either side and count by how far apart they are.
pub(crate) fn sub_slices(grid: &Grid, z: usize, n: usize) -> Vec<(Vec3, f64)> {
    let [below_mm, above_mm] = grid.slice_reach_mm(z);
    let last = grid.size()[0] - 1;
    // The end slices reach outwards the way they reach inwards.
    let way = |from: usize, reach_mm: f64| {
        if last == 0 {
            return scale(grid.normal_lps(), 2.0 * reach_mm);
        }
        let gap_mm = grid.slice_reach_mm(from)[1] + grid.slice_reach_mm(from + 1)[0];
        scale(grid.way_lps_mm(from, from + 1), 2.0 * reach_mm / gap_mm)
    };
    let upwards = way(z.min(last.saturating_sub(1)), above_mm);
    let downwards = way(z.saturating_sub(1), below_mm);
    let (up_mm, down_mm) = (norm(upwards), norm(downwards));
    let level = |i: usize| {
        let t = (i as f64 + 0.5) / n as f64 - 0.5;
        let share = match t {
            _ if t > 1e-9 => up_mm,
            _ if t < -1e-9 => down_mm,
            _ => 0.5 * (up_mm + down_mm),
        };
        let way = if t > 0.0 { upwards } else { downwards };
        (scale(way, t), 2.0 * share / (up_mm + down_mm) / n as f64)
    };
    (0..n).map(level).collect()
}
