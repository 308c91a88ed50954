//! What preprocessing does, as data: stored with the weights of every model.

use serde::{Deserialize, Serialize};

use super::PreprocessError;

/// How a scan becomes a network's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// What of the plane the network sees.
    pub crop: Crop,
    /// Whether HU are clamped before or after resampling.
    pub order: ClampOrder,
    /// How the image is made smaller.
    pub antialias: Antialias,
    /// How a mask is made smaller.
    pub label_resize: LabelResize,
    /// HU that become 0 and 1.
    pub window_hu: [f32; 2],
    /// Rows and columns of the network's grid, `[y, x]`.
    pub in_plane: [usize; 2],
    /// Its planes.
    pub planes: Planes,
}

/// What of the plane the network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// All of it.
    None,
    /// The head and 5 % on each side.
    Head,
}

/// Whether HU are clamped before or after resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClampOrder {
    /// As the paper's text has it. Bone mixed into brain at the skull reads as blood.
    ResizeThenClamp,
    /// Bone counts as the window's top before it is mixed: a thinner false rim.
    ClampThenResize,
}

/// How the image is made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Antialias {
    /// Linear interpolation between two voxels an axis; the others are not looked at.
    None,
    /// Mean over the footprint of the new voxel: less noise.
    Box,
}

/// How a mask is made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelResize {
    /// The voxel at the new voxel's centre.
    Nearest,
    /// The share of the new voxel that is foreground.
    Area,
}

/// The planes of the network's grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Planes {
    /// The whole stack in this many planes, whatever its length.
    Fixed {
        /// How many.
        count: usize,
    },
    /// Each slice of the scan, as many as there are.
    Slices,
    /// Slabs of one thickness from the first slice upwards; each is the mean of the slices that it
    /// meets, weighted by overlap. Air is added above, to a number that suits the network. Of a
    /// stack that is too long the top of the head downwards is kept.
    Slabs {
        /// Thickness of a slab.
        pitch_mm: f64,
        /// The number of planes is a multiple of this.
        multiple_of: usize,
        /// Fewest planes.
        at_least: usize,
        /// Most planes.
        at_most: usize,
    },
}

/// More planes, rows or columns than this is no grid that a network was trained on, but a slip.
const LARGEST_AXIS: usize = 4096;

impl Preprocessing {
    /// As the paper has it: the whole volume in 64×128×128, resampled linearly, then clamped to 0
    /// to 100 HU.
    ///
    /// # Source
    ///
    /// Arab et al., _Scientific Reports_ 10:19389, 2020, _Data preparation_.
    pub fn paper() -> Self {
        Self {
            crop: Crop::None,
            order: ClampOrder::ResizeThenClamp,
            antialias: Antialias::None,
            label_resize: LabelResize::Nearest,
            window_hu: [0.0, 100.0],
            in_plane: [128, 128],
            planes: Planes::Fixed { count: 64 },
        }
    }

    /// What we recommend: the head alone, 160 rows by 128 columns (a head is longer than wide),
    /// 5 mm slabs as routine scans have them, clamped first, averaged.
    pub fn recommended() -> Self {
        Self {
            crop: Crop::Head,
            order: ClampOrder::ClampThenResize,
            antialias: Antialias::Box,
            label_resize: LabelResize::Area,
            window_hu: [0.0, 100.0],
            in_plane: [160, 128],
            planes: Planes::Slabs { pitch_mm: 5.0, multiple_of: 8, at_least: 16, at_most: 48 },
        }
    }

    /// The slice-based U-Net's: each slice in `side` × `side` pixels.
    ///
    /// # Source
    ///
    /// methods.md C2.
    pub fn slices(side: usize, window_hu: [f32; 2]) -> Self {
        Self {
            crop: Crop::None,
            order: ClampOrder::ClampThenResize,
            antialias: Antialias::Box,
            label_resize: LabelResize::Area,
            window_hu,
            in_plane: [side, side],
            planes: Planes::Slices,
        }
    }

    pub(super) fn check(&self) -> Result<(), PreprocessError> {
        let refuse =
            |name, found: String, wanted| Err(PreprocessError::Setting { name, found, wanted });
        let [low, high] = self.window_hu;
        if !(low.is_finite() && high.is_finite() && low < high) {
            let found = format!("[{low}, {high}]");
            return refuse("window_hu", found, "two finite numbers, the smaller first");
        }
        let is_axis = |len: usize| (1..=LARGEST_AXIS).contains(&len);
        if !self.in_plane.into_iter().all(is_axis) {
            return refuse(
                "in_plane",
                format!("{:?}", self.in_plane),
                "rows and columns, 1 to 4096",
            );
        }
        match self.planes {
            Planes::Fixed { count } if !is_axis(count) => {
                refuse("planes.count", count.to_string(), "1 to 4096")
            }
            Planes::Slabs { pitch_mm, .. } if !(0.01..=1000.0).contains(&pitch_mm) => {
                refuse("planes.pitch_mm", pitch_mm.to_string(), "0.01 to 1000 mm")
            }
            Planes::Slabs { at_most, .. } if !is_axis(at_most) => {
                refuse("planes.at_most", at_most.to_string(), "1 to 4096")
            }
            Planes::Slabs { multiple_of, at_most, .. }
                if multiple_of == 0 || at_most % multiple_of != 0 =>
            {
                refuse("planes.multiple_of", multiple_of.to_string(), "a divisor of at_most")
            }
            Planes::Slabs { at_least, at_most, .. } if at_least > at_most => {
                refuse("planes.at_least", at_least.to_string(), "no more than at_most")
            }
            _ => Ok(()),
        }
    }
}
