//! Bleeds painted into heads that have none, or not enough: for training.
//!
//! A [`HeadMap`] says where the brain of a scan lies and how deep each voxel lies under the skull. A
//! [`Bleed`] is drawn from a seed and painted with its share of each voxel, so that image and target
//! agree also where a voxel is half blood. Works on any grid whose rows, columns and planes are
//! evenly spaced, above all on a network's.
//!
//! # Source
//!
//! Places, forms and HU: methods.md E.3 and the reviews named there. Acute blood 50 to 80 HU,
//! grey matter 37 to 41, CSF 0 to 15.

mod bleed;
mod head_map;
mod transplant;

#[cfg(test)]
mod tests;

pub use bleed::{Bleed, Kind, LookAlike};
pub use head_map::HeadMap;
pub use transplant::Donor;

/// A scan on an evenly spaced grid, being painted on: `[z, y, x]`, x fastest.
#[derive(Debug)]
pub struct Canvas<'a> {
    /// HU, clamped or not.
    pub image_hu: &'a mut [f32],
    /// Share of each voxel that is bleed, 0..=1.
    pub target: &'a mut [f32],
}
