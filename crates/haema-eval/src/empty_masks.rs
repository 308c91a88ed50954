//! What figures are said to be where a mask is empty.

use crate::{Overlap, SurfaceDistances};

/// Whose answers to take where a figure is 0/0 or a distance has no end.
///
/// The functions of this crate answer `None`, so that such cases are counted and reported apart. Tables that
/// are to be compared with others' take the others' convention, and say so:
///
/// | reference, prediction | figure | `MetricsReloaded` | `Instance` |
/// |---|---|---|---|
/// | empty, empty | Dice, Jaccard, κ, surface Dice | 1 | 1 |
/// | | precision, recall | none | none |
/// | | distances | 0 | infinite |
/// | empty, not | Dice, Jaccard, surface Dice | 0 | nearly 0, 0 |
/// | | precision, recall | 0, none | 0, none |
/// | | distances | the worst | infinite |
/// | not, empty | Dice, Jaccard, surface Dice | 0 | nearly 0, 0 |
/// | | precision, recall | 0, 0 | none, 0 |
/// | | distances | the worst | infinite |
///
/// # Source
///
/// L. Maier-Hein et al., "Metrics reloaded", _Nature Methods_ 21:195–212, 2024, and its code; the evaluation
/// of the INSTANCE 2022 challenge, which adds 10⁻⁵ above and below the line of the Dice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EmptyMasks {
    /// Metrics Reloaded.
    MetricsReloaded {
        /// The worst distance: the diagonal of the scan, mm.
        worst_mm: f64,
    },
    /// The INSTANCE 2022 challenge.
    Instance,
}

/// What the challenge adds to both sides of its fraction.
const SMOOTHING: f64 = 1e-5;

impl EmptyMasks {
    /// Dice.
    pub fn dice(self, overlap: Overlap) -> f64 {
        match self {
            Self::MetricsReloaded { .. } => overlap.dice().unwrap_or(1.0),
            Self::Instance => {
                let twice = 2.0 * overlap.true_positive as f64;
                let wrong = (overlap.false_positive + overlap.false_negative) as f64;
                (twice + SMOOTHING) / (twice + wrong + SMOOTHING)
            }
        }
    }

    /// Jaccard index.
    pub fn jaccard(self, overlap: Overlap) -> f64 {
        overlap.jaccard().unwrap_or(1.0)
    }

    /// κ: 1 where both masks are empty, or both full, which is agreement, though by no merit.
    pub fn kappa(self, overlap: Overlap) -> f64 {
        overlap.kappa().unwrap_or(1.0)
    }

    /// Precision; `None` where neither has a bleed.
    pub fn precision(self, overlap: Overlap) -> Option<f64> {
        let is_missed = overlap.false_negative > 0 && matches!(self, Self::MetricsReloaded { .. });
        overlap.precision().or(is_missed.then_some(0.0))
    }

    /// Surface Dice.
    pub fn surface_dice(self, distances: &SurfaceDistances, tolerance_mm: f64) -> f64 {
        distances.surface_dice(tolerance_mm).unwrap_or(1.0)
    }

    /// A distance, such as HD95, that is `None` where a mask is empty.
    pub fn distance_mm(self, distance_mm: Option<f64>, overlap: Overlap) -> f64 {
        match self {
            Self::Instance => distance_mm.unwrap_or(f64::INFINITY),
            Self::MetricsReloaded { worst_mm } => {
                distance_mm.unwrap_or(if overlap.jaccard().is_none() { 0.0 } else { worst_mm })
            }
        }
    }
}
