//! Test objects: bodies of known volume in water, scanned without noise or blur.
//!
//! What is measured on such a scan can be held to a closed form: nothing stands between the two but
//! voxels, slices, geometry and files.

mod scan;
mod stack;

use haema_volume::{Vec3, add};

use crate::body::{Body, Ellipsoid};
pub use stack::{Protocol, Slicing, Stack};

/// The body.
pub const BODY_HU: f32 = 100.0;
/// What it lies in: so the share of a voxel that is body is its value in percent.
pub const WATER_HU: f32 = 0.0;
/// What lies around the water.
pub const AIR_HU: f32 = -1000.0;

/// What a phantom holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A ball.
    Sphere,
    /// Three unequal axes, turned in the axial plane.
    Ellipsoid,
    /// An ellipsoid with another bitten out of it, as a subdural bleed lies on the brain.
    Crescent,
    /// A bent sausage, as blood lies around the midbrain.
    CShape,
    /// A hollow ellipsoid.
    Shell,
    /// 24 balls of 1.5 to 3.5 mm.
    Spheres,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Sphere, Self::Ellipsoid, Self::Crescent, Self::CShape, Self::Shell, Self::Spheres];

    /// Its name in tables and of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sphere => "sphere",
            Self::Ellipsoid => "ellipsoid",
            Self::Crescent => "crescent",
            Self::CShape => "c-shape",
            Self::Shell => "shell",
            Self::Spheres => "spheres",
        }
    }
}

/// Bodies in a ball of water.
#[derive(Debug, Clone, PartialEq)]
pub struct Phantom {
    bodies: Vec<Body>,
    water: Ellipsoid,
}

/// Where the shapes lie: on no voxel's centre or edge, so that no symmetry helps.
const CENTRE_LPS_MM: Vec3 = [1.3, -2.1, 0.7];
/// Radius of the water: 150 mL, more than the gate of a head wants, and air around it.
const WATER_MM: f64 = 33.0;

impl Phantom {
    /// A shape, at full size (within 23 mm of its centre) where `scale` is 1.
    pub fn of(shape: Shape, scale: f64) -> Self {
        let ellipsoid = |radii_mm: Vec3| {
            Ellipsoid::new(CENTRE_LPS_MM, radii_mm.map(|radius| radius * scale)).turned(25.0)
        };
        let bodies = match shape {
            Shape::Sphere => vec![Body::Ellipsoid(ellipsoid([20.0; 3]))],
            Shape::Ellipsoid => vec![Body::Ellipsoid(ellipsoid([14.0, 22.0, 17.0]))],
            Shape::Crescent => vec![Body::Crescent {
                outer: ellipsoid([18.0, 22.0, 20.0]),
                bite_centre: [0.35, 0.1, -0.15],
                bite_radius: 0.95,
            }],
            Shape::CShape => vec![Body::CShape {
                outer: ellipsoid([20.0, 22.0, 26.0]),
                tube_radius: 0.22,
                gap_deg: 80.0,
            }],
            Shape::Shell => {
                vec![Body::Shell { outer: ellipsoid([18.0, 21.0, 20.0]), inner_share: 0.82 }]
            }
            Shape::Spheres => balls(scale),
        };
        Self::with(bodies)
    }

    /// One marked ball, off the middle in every direction: at the patient's left, to the front and
    /// above the middle, each by another distance.
    pub fn marker(centre_lps_mm: Vec3, radius_mm: f64) -> Self {
        Self::with(vec![Body::ball(centre_lps_mm, radius_mm)])
    }

    /// Bodies that share no point, in the usual water.
    fn with(bodies: Vec<Body>) -> Self {
        Self { bodies, water: Ellipsoid::new([0.0; 3], [WATER_MM; 3]) }
    }

    /// Volume of all bodies in closed form.
    pub fn truth_ml(&self) -> f64 {
        self.bodies.iter().map(Body::volume_ml).sum()
    }
}

/// Balls on a lattice wide enough that none meets another.
fn balls(scale: f64) -> Vec<Body> {
    let radii_mm = [3.5, 1.5, 2.5, 2.0, 3.0];
    let place = |i: usize| {
        let at = [i % 3, (i / 3) % 4, i / 12].map(|k| k as f64);
        let shift = [at[0] - 1.0, at[1] - 1.5, 1.6 * (at[2] - 0.5)].map(|k| 9.7 * scale * k);
        add(CENTRE_LPS_MM, shift)
    };
    (0..24).map(|i| Body::ball(place(i), scale * radii_mm[i % radii_mm.len()])).collect()
}
