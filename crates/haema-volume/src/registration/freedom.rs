//! What a head may do, as numbers that each move its edge by about as many millimetres.

use super::pyramid::LEVELS;
use crate::affine::Vec3;
use crate::lps_map::LpsMap;

/// How freely one head is laid on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freedom {
    /// Turned and shifted: two scans of one patient.
    Rigid,
    /// Stretched and sheared too: two heads.
    Affine,
}

/// What a result must reach to be trusted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) shared_information: f64,
    pub(super) overlap: f64,
    pub(super) bone_dice: f64,
    pub(super) stretch: [f64; 2],
}

/// How closely to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Every how manieth voxel of a level is looked at.
    pub(super) strides: [usize; LEVELS],
    /// A step shorter than this share of a level's pitch ends the climb.
    pub(super) shortest: f64,
}

impl Freedom {
    /// How many parameters are free, climb after climb, on a level: what shows on a coarse grid first.
    pub(super) fn steps(self, level: usize) -> &'static [usize] {
        match (self, level) {
            (Self::Rigid, _) => &[RIGID],
            // Heads of other sizes lie on each other only when they may be stretched.
            (Self::Affine, 2) => &[STRETCHED],
            (Self::Affine, _) => &[PARAMETERS],
        }
    }

    /// How closely each level is looked at. Two scans of a patient are laid on each other to a fraction
    /// of a voxel; no two heads are that much alike, and an atlas must be quick.
    pub(super) fn effort(self) -> Effort {
        match self {
            Self::Rigid => Effort { strides: [4, 1, 1], shortest: 0.004 },
            Self::Affine => Effort { strides: [24, 5, 1], shortest: 0.015 },
        }
    }

    pub(super) fn limits(self) -> Limits {
        match self {
            Self::Rigid => Limits {
                shared_information: 0.25,
                overlap: 0.5,
                bone_dice: 0.5,
                stretch: [0.999, 1.001],
            },
            Self::Affine => Limits {
                shared_information: 0.1,
                overlap: 0.4,
                bone_dice: 0.3,
                stretch: [0.8, 1.25],
            },
        }
    }
}

/// Turn and shift; these and stretches; these and shears.
pub(super) const RIGID: usize = 6;
const STRETCHED: usize = 9;
const PARAMETERS: usize = 12;
/// Distance from the middle of a head to its edge.
const RADIUS_MM: f64 = 100.0;

/// Turn, shift, stretch along the axes, shear: each in mm at the edge of the head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose([f64; PARAMETERS]);

impl Pose {
    pub(super) fn new(place: &[f64]) -> Self {
        Self(std::array::from_fn(|i| place[i]))
    }

    pub(super) fn rigid(turn_rad: Vec3, shift_mm: Vec3) -> Self {
        let mut pose = Self([0.0; PARAMETERS]);
        for axis in 0..3 {
            pose.0[axis] = turn_rad[axis] * RADIUS_MM;
            pose.0[3 + axis] = shift_mm[axis];
        }
        pose
    }

    pub(super) fn place(&self) -> Vec<f64> {
        self.0.to_vec()
    }

    /// Stretched and sheared about the middle of the fixed head, turned, shifted.
    pub(super) fn map(&self, centre_lps_mm: Vec3) -> LpsMap {
        let three = |from: usize| std::array::from_fn(|i| self.0[from + i]);
        let [turn_mm, shift_mm, stretch_mm, shear_mm]: [Vec3; 4] = [0, 3, 6, 9].map(three);
        let [xx, yy, zz] = stretch_mm.map(|mm| (mm / RADIUS_MM).exp());
        let [xy, xz, yz] = shear_mm.map(|mm| mm / RADIUS_MM);
        let form =
            LpsMap::about([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]], [0.0; 3], centre_lps_mm);
        LpsMap::rigid(turn_mm.map(|mm| mm / RADIUS_MM), shift_mm, centre_lps_mm).after(&form)
    }

    /// How the entries of the map, row by row, change with each parameter. By small differences: the
    /// map is a closed form of its parameters, so these are good to nine digits.
    pub(super) fn jacobian(place: &[f64], centre_lps_mm: Vec3) -> [[f64; 12]; PARAMETERS] {
        const STEP: f64 = 1e-4;
        std::array::from_fn(|parameter| {
            let moved = |by: f64| {
                let mut pose = Self::new(place);
                pose.0[parameter] += by;
                pose.map(centre_lps_mm).rows()
            };
            let (ahead, back) = (moved(STEP), moved(-STEP));
            std::array::from_fn(|entry| {
                let (i, j) = (entry / 4, entry % 4);
                (ahead[i][j] - back[i][j]) / (2.0 * STEP)
            })
        })
    }
}
