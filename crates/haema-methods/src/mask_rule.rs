//! From probabilities to a mask.

use std::fmt;
use std::str::FromStr;

use haema_volume::{Components, Connectivity, Volume, occupied_rows};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which voxels belong to the bleed: those above [`threshold`](Self::threshold) in a connected part that
/// holds a voxel above [`seed_threshold`](Self::seed_threshold) (hysteresis thresholding: Canny 1986).
///
/// The border of a bleed shares its voxels with brain and deserves a low threshold; a part that is
/// nowhere sure is more often no bleed. Where both are equal, this is a plain threshold.
///
/// In a model file it is the entry `mask_rule`, as JSON; on a command line `0.5` or `0.25,0.8`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskRule {
    /// Above this probability a voxel may belong to the bleed, in 0..1.
    pub threshold: f32,
    /// Above this probability a voxel belongs to it with all that hangs on it; no less than the other.
    pub seed_threshold: f32,
}

impl Default for MaskRule {
    fn default() -> Self {
        Self::above(0.5)
    }
}

impl MaskRule {
    /// Every voxel above a threshold.
    pub const fn above(threshold: f32) -> Self {
        Self { threshold, seed_threshold: threshold }
    }

    /// Whether it can be used: 0 ≤ threshold ≤ seed threshold < 1.
    pub fn is_sound(&self) -> bool {
        (0.0..1.0).contains(&self.threshold) && (self.threshold..1.0).contains(&self.seed_threshold)
    }

    /// 1 in the bleed, 0 elsewhere. Parts hang together by faces, edges and corners.
    pub fn mask(&self, probability: &Volume<f32>) -> Volume<u8> {
        let mut mask = probability.map(|&p| u8::from(p > self.threshold));
        if self.seed_threshold <= self.threshold || mask.as_slice().iter().all(|&voxel| voxel == 0)
        {
            return mask;
        }
        let parts = Components::of(&mask, Connectivity::Corners);
        let mut is_sure = vec![false; parts.voxel_counts().len() + 1];
        for ([z, y], row) in occupied_rows(parts.labels()) {
            let start = probability.offset([z, y, 0]);
            for (&label, &p) in row.iter().zip(&probability.as_slice()[start..]) {
                is_sure[label as usize] |= p > self.seed_threshold;
            }
        }
        // Background may lie on such a row, and be above the threshold of a seed nowhere.
        is_sure[0] = false;
        for ([z, y], row) in occupied_rows(parts.labels()) {
            let start = mask.offset([z, y, 0]);
            for (voxel, &label) in mask.as_mut_slice()[start..].iter_mut().zip(row) {
                *voxel = u8::from(is_sure[label as usize]);
            }
        }
        mask
    }
}

impl fmt::Display for MaskRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seed_threshold > self.threshold {
            write!(f, "{},{}", self.threshold, self.seed_threshold)
        } else {
            write!(f, "{}", self.threshold)
        }
    }
}

/// Why a text is no [`MaskRule`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "found '{found}', wanted a probability from 0 to below 1, or two: the threshold of a voxel, and a \
     higher one that its part must pass somewhere, such as 0.25,0.8"
)]
pub struct MaskRuleError {
    /// The text.
    pub found: String,
}

impl FromStr for MaskRule {
    type Err = MaskRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || MaskRuleError { found: text.to_owned() };
        let number = |part: &str| part.trim().parse::<f32>().ok().ok_or_else(error);
        let rule = match text.split_once(',') {
            None => Self::above(number(text)?),
            Some((threshold, seed)) => {
                Self { threshold: number(threshold)?, seed_threshold: number(seed)? }
            }
        };
        if rule.is_sound() { Ok(rule) } else { Err(error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row: a faint part, a sure one with a faint border, and a voxel of just the threshold.
    fn row() -> Volume<f32> {
        let row = [0.3, 0.6, 0.0, 0.3, 0.9, 0.4, 0.0, 0.25];
        Volume::new([1, 1, 8], row.to_vec()).unwrap()
    }

    #[test]
    fn a_part_counts_where_it_is_sure_somewhere_and_then_to_its_faint_border() {
        let rule = MaskRule { threshold: 0.25, seed_threshold: 0.8 };

        assert_eq!(rule.mask(&row()).as_slice(), [0, 0, 0, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn one_threshold_takes_every_voxel_above_it() {
        assert_eq!(MaskRule::above(0.25).mask(&row()).as_slice(), [1, 1, 0, 1, 1, 1, 0, 0]);
        assert_eq!(MaskRule::above(0.95).mask(&row()).as_slice(), [0; 8]);
    }

    #[test]
    fn parts_hang_together_by_corners() {
        let mut probability = Volume::filled([2, 2, 2], 0.0);
        probability[[0, 0, 0]] = 0.9;
        probability[[1, 1, 1]] = 0.3;

        let mask = MaskRule { threshold: 0.25, seed_threshold: 0.8 }.mask(&probability);

        assert_eq!((mask[[0, 0, 0]], mask[[1, 1, 1]], mask[[0, 0, 1]]), (1, 1, 0));
    }

    #[test]
    fn a_rule_is_read_as_it_is_written_and_nonsense_is_refused() {
        for text in ["0.5", "0.25,0.8", "0"] {
            assert_eq!(text.parse::<MaskRule>().unwrap().to_string(), text);
        }
        assert_eq!("0.5,0.5".parse(), Ok(MaskRule::above(0.5)));
        for text in ["", "1", "-0.1", "0.8,0.25", "0.2,1", "nan", "0.2,0.3,0.4", "half"] {
            let error = text.parse::<MaskRule>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("found '{text}', wanted")), "{error}");
        }
    }
}
