//! What lies between a scan on the network's grid and the network, and behind it.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::curvature_flow::CurvatureFlow;
use crate::grey_square::{Square, close_then_open};
use crate::view::View;

/// How a network sees a scan that [`crate::frame::Frame`] has brought to its grid, and what is done with
/// its answer. Stored with the weights.
///
/// # Source
///
/// methods.md A.6, C1 and C2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What stands for intensities.
    pub intensity: Intensity,
    /// Smoothing of each slice; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curvature_flow: Option<CurvatureFlow>,
    /// What the network sees at once.
    pub view: View,
    /// Squares by which what was found is closed, then opened, slice by slice; not at all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_then_open: Option<[Square; 2]>,
}

/// What stands for intensities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intensity {
    /// The window as 0 to 1.
    Window,
    /// Less the mean and over the standard deviation of the scan's voxels above the window's lower end,
    /// so that air does not count.
    ZScore,
}

impl Default for Recipe {
    fn default() -> Self {
        Self::whole()
    }
}

impl Recipe {
    /// CNN-DS: the whole volume at once, and mirrored.
    pub fn whole() -> Self {
        Self {
            intensity: Intensity::Window,
            curvature_flow: None,
            view: View::Whole { mirrored: true },
            close_then_open: None,
        }
    }

    /// The patch-wise U-Net: patches of 64³ that overlap by 16.
    pub fn patches() -> Self {
        Self { view: View::Patches { side: 64, overlap: 16 }, ..Self::whole() }
    }

    /// The slice-based U-Net as the paper describes it.
    pub fn slices() -> Self {
        Self {
            intensity: Intensity::ZScore,
            curvature_flow: Some(CurvatureFlow::default()),
            view: View::Slices { at_once: 4, window: None },
            close_then_open: None,
        }
    }

    /// The slice-based U-Net as the code of Hssayeni et al. has it.
    ///
    /// * `side` — of the windows, which lie half of that apart: 160 of the 640 of a slice.
    pub fn windows(side: usize) -> Self {
        let square = |of_160: usize| Square { side: (of_160 * side).div_ceil(160) };
        Self {
            view: View::Slices { at_once: 8, window: Some([side, side / 2]) },
            close_then_open: Some([square(10), square(5)]),
            ..Self::whole()
        }
    }

    /// Brings a volume whose window is 0 to 1 to what the network expects.
    pub fn condition(&self, size: [usize; 3], voxels: &mut [f32], threads: NonZeroUsize) {
        if self.intensity == Intensity::ZScore {
            z_score(voxels);
        }
        if let Some(flow) = &self.curvature_flow {
            flow.smooth_planes(size, voxels, threads);
        }
    }

    /// What is done with probabilities.
    pub(crate) fn finish(&self, size: [usize; 3], probability: &mut [f32], threads: NonZeroUsize) {
        if let Some(squares) = self.close_then_open {
            close_then_open(size, probability, squares, threads);
        }
    }
}

/// Below this, voxels are all alike.
const LEAST_SD: f64 = 1e-6;

fn z_score(voxels: &mut [f32]) {
    let head = || voxels.iter().filter(|&&value| value > 0.0).map(|&value| f64::from(value));
    let count = head().count().max(1) as f64;
    let mean = head().sum::<f64>() / count;
    let variance = head().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let sd = if variance.sqrt() < LEAST_SD { 1.0 } else { variance.sqrt() };
    for value in voxels {
        *value = ((f64::from(*value) - mean) / sd) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z_scores_are_of_what_is_not_air() {
        let mut voxels = [0.0, 0.0, 0.2, 0.4, 0.6];

        z_score(&mut voxels);

        let head = &voxels[2..];
        assert!(head.iter().sum::<f32>().abs() < 1e-6);
        assert!((head.iter().map(|z| z * z).sum::<f32>() / 3.0 - 1.0).abs() < 1e-6);
        assert!((voxels[0] - (-0.4 / (0.08_f32 / 3.0).sqrt())).abs() < 1e-5);
    }

    #[test]
    fn a_flat_scan_has_z_scores_of_0() {
        let mut voxels = [0.5; 8];

        z_score(&mut voxels);

        assert_eq!(voxels, [0.0; 8]);
    }

    #[test]
    fn recipes_are_read_as_they_were_written() {
        for recipe in [Recipe::whole(), Recipe::patches(), Recipe::slices(), Recipe::windows(64)] {
            let text = serde_json::to_string(&recipe).unwrap();

            assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
        }
        assert!(serde_json::from_str::<Recipe>("{\"view\":{\"kind\":\"whole\"}}").is_err());
    }
}
