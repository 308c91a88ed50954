//! What blood looks like: density by haematocrit and age, and how it is arranged.

use rand::{Rng as _, RngCore};

use super::{Site, chance};
use crate::lattice::smooth_step;
use crate::smooth_noise::SmoothNoise;

/// The blood of one bleed.
#[derive(Debug, Clone)]
pub(crate) struct Blood {
    base_hu: f32,
    mottle_hu: f32,
    /// How much paler the outer millimetres are: clot dissolves from its edge.
    fading_hu: f32,
    arrangement: Arrangement,
    broad: SmoothNoise,
    fine: SmoothNoise,
}

/// How denser and paler blood lie beside each other.
///
/// # Source
///
/// Blend, swirl, black-hole and fluid-level signs as in Q. Li et al., _Stroke_ 46:2119 (2015) and
/// 47:1777 (2016), and G. Boulouis et al., _JAMA Neurology_ 73:961 (2016).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Arrangement {
    Even,
    /// A paler part beside a denser one, with a clear border: 18 HU apart at least.
    Blend {
        towards: [f32; 3],
        paler_hu: f32,
    },
    /// Pale streaks where blood still flows.
    Swirl {
        paler_hu: f32,
    },
    /// A round pale spot within: 28 HU apart at least.
    BlackHole {
        offset: [f32; 3],
        radius_mm: f32,
        paler_hu: f32,
    },
    /// Cells have sunk: dense below a level, pale above.
    FluidLevel {
        above_mm: f32,
        paler_hu: f32,
    },
    /// Fresh and old layers of a subdural bleed.
    Layers {
        paler_hu: f32,
    },
}

/// Where a point lies in a bleed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) point: [f32; 3],
    /// From the centre of the bleed.
    pub(crate) way: [f32; 3],
    pub(crate) depth_mm: f32,
    /// How far below the centre, along gravity.
    pub(crate) below_mm: f32,
}

impl Blood {
    /// Blood of a site and volume.
    ///
    /// Fresh blood reads about 1.1 HU for each percent of haematocrit; as clot retracts it loses
    /// plasma and gains half as much again. Within two weeks it fades to the brain's density, within
    /// four to that of fluid.
    pub(crate) fn draw(site: Site, volume_ml: f64, rng: &mut impl RngCore) -> Self {
        let haematocrit_percent: f32 = rng.random_range(27.0..47.0);
        let retracted = 1.15 + 0.5 * rng.random::<f32>().sqrt();
        let mut base_hu = (1.1 * haematocrit_percent * retracted).clamp(48.0, 84.0);
        let mut fading_hu = if chance(0.5, rng) { rng.random_range(0.0..12.0) } else { 0.0 };
        match site {
            // Mixed with the fluid that it is in.
            Site::Subarachnoid => base_hu *= rng.random_range(0.92..1.05),
            Site::Subdural if chance(0.25, rng) => {
                base_hu = rng.random_range(14.0..46.0);
                fading_hu = 0.0;
            }
            Site::Deep | Site::Lobar if chance(0.12, rng) => {
                base_hu = rng.random_range(44.0..56.0);
                fading_hu = rng.random_range(8.0..16.0);
            }
            _ => {}
        }
        let radius_mm = (volume_ml * 238.7).cbrt() as f32;
        Self {
            base_hu,
            mottle_hu: rng.random_range(1.0..7.0),
            fading_hu,
            arrangement: Arrangement::draw(site, radius_mm, rng),
            broad: SmoothNoise::new(rng.random_range(9.0..16.0), rng),
            fine: SmoothNoise::new(rng.random_range(3.0..6.0), rng),
        }
    }

    pub(crate) fn hu_at(&self, at: At) -> f32 {
        let (broad, fine) = (self.broad.at(at.point), self.fine.at(at.point));
        let paler = self.arrangement.paler_hu(at, broad, fine);
        let faded = self.fading_hu * smooth_step(4.0, 0.0, at.depth_mm);
        self.base_hu + self.mottle_hu * (0.6 * broad + 0.8 * fine) - paler - faded
    }

    pub(crate) fn texture(&self) -> &'static str {
        match self.arrangement {
            Arrangement::Even => "even",
            Arrangement::Blend { .. } => "blend",
            Arrangement::Swirl { .. } => "swirl",
            Arrangement::BlackHole { .. } => "black-hole",
            Arrangement::FluidLevel { .. } => "fluid-level",
            Arrangement::Layers { .. } => "layers",
        }
    }
}

impl Arrangement {
    fn draw(site: Site, radius_mm: f32, rng: &mut impl RngCore) -> Self {
        if site == Site::Subarachnoid || radius_mm < 6.0 || chance(0.5, rng) {
            return Self::Even;
        }
        let mut towards: [f32; 3] = std::array::from_fn(|_| 2.0 * rng.random::<f32>() - 1.0);
        let length = towards.iter().map(|v| v * v).sum::<f32>().sqrt().max(0.1);
        towards = towards.map(|v| v / length);
        let kind = rng.random::<f32>();
        match site {
            Site::Subdural if kind < 0.5 => Self::Layers { paler_hu: rng.random_range(14.0..34.0) },
            Site::Subdural | Site::Intraventricular => Self::FluidLevel {
                above_mm: radius_mm * rng.random_range(-0.4..0.4),
                paler_hu: rng.random_range(18.0..34.0),
            },
            Site::Epidural => Self::Swirl { paler_hu: rng.random_range(16.0..34.0) },
            _ if kind < 0.35 => Self::Blend { towards, paler_hu: rng.random_range(18.0..28.0) },
            _ if kind < 0.6 => Self::Swirl { paler_hu: rng.random_range(14.0..30.0) },
            _ if kind < 0.85 => Self::BlackHole {
                offset: towards.map(|v| 0.4 * radius_mm * v),
                radius_mm: radius_mm * rng.random_range(0.18..0.34),
                paler_hu: rng.random_range(28.0..38.0),
            },
            _ => Self::FluidLevel {
                above_mm: radius_mm * rng.random_range(-0.3..0.3),
                paler_hu: rng.random_range(18.0..34.0),
            },
        }
    }

    fn paler_hu(self, at: At, broad: f32, fine: f32) -> f32 {
        match self {
            Self::Even => 0.0,
            Self::Blend { towards, paler_hu } => {
                let along = crate::patient::dot(at.way, towards) + 5.0 * broad;
                paler_hu * smooth_step(0.5, 2.0, along)
            }
            Self::Swirl { paler_hu } => {
                let streak = smooth_step(0.2, 0.0, (fine + 0.5 * broad).abs());
                paler_hu
                    * streak
                    * smooth_step(-0.1, 0.3, broad)
                    * smooth_step(0.5, 3.0, at.depth_mm)
            }
            Self::BlackHole { offset, radius_mm, paler_hu } => {
                let way: [f32; 3] = std::array::from_fn(|axis| at.way[axis] - offset[axis]);
                let from = crate::patient::dot(way, way).sqrt() + 1.5 * fine;
                paler_hu * smooth_step(radius_mm + 0.7, radius_mm - 0.7, from)
            }
            Self::FluidLevel { above_mm, paler_hu } => {
                paler_hu * smooth_step(-0.8, 0.8, above_mm - at.below_mm)
            }
            Self::Layers { paler_hu } => paler_hu * smooth_step(-0.15, 0.25, broad + 0.3 * fine),
        }
    }
}
