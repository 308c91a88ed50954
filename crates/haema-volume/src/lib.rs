//! Voxel grids, their place in the patient, and pure operations on them.
//!
//! Nothing in this crate opens a file, reads the clock or the environment, or draws a random
//! number: the same input gives the same output, bit for bit. Reading and writing live in
//! `haema-io`.
//!
//! # Conventions
//!
//! | what | convention |
//! |---|---|
//! | patient space | LPS, millimetres (DICOM PS3.3 §C.7.6.2.1.1); NIfTI's RAS is converted at the door |
//! | voxel index | `[z, y, x]`, zero-based |
//! | memory | row-major, `x` fastest |
//! | names | `to_from`: `lps_from_index` maps an index to a point in LPS |
//! | intensity | Hounsfield units as `f32`: −1000 is air, 0 is water |

mod affine;
mod components;
mod distance;
mod grid;
mod lps_map;
mod nearest;
mod orientation;
pub mod parallel;
mod region;
mod registration;
mod resample;
mod volume;

pub use affine::{Affine, Vec3, add, cross, dot, norm, scale, sub};
pub use components::{Components, Connectivity};
pub use distance::distances_mm;
pub use grid::{Grid, GridError, Locator};
pub use lps_map::LpsMap;
pub use nearest::Nearest;
pub use orientation::{Orientation, OrientationError, Towards};
pub use region::{
    IndexBox, bounding_box, close_in_plane, crop, fill_holes_in_plane, occupied_rows, open_in_plane,
};
pub use registration::{Freedom, HeadPyramid, Match, Registration, RegistrationError, register};
pub use resample::{AxisWeights, Interpolation, PlaneResizer, Window, resize};
pub use volume::{Volume, VolumeError};

/// One scan: Hounsfield units and where they lie in the patient.
///
/// Built by `haema-io` and by the simulator. Both fields describe the same `[z, y, x]` grid, which
/// [`CtVolume::new`] checks.
#[derive(Debug, Clone, PartialEq)]
pub struct CtVolume {
    voxels_hu: Volume<f32>,
    grid: Grid,
}

impl CtVolume {
    /// Joins Hounsfield units and their grid.
    ///
    /// # Errors
    ///
    /// [`VolumeError::SizesDiffer`] where the two do not have the same `[z, y, x]` size.
    pub fn new(voxels_hu: Volume<f32>, grid: Grid) -> Result<Self, VolumeError> {
        if voxels_hu.size() != grid.size() {
            return Err(VolumeError::SizesDiffer { found: voxels_hu.size(), wanted: grid.size() });
        }
        Ok(Self { voxels_hu, grid })
    }

    /// The Hounsfield units, `[z, y, x]`.
    pub fn voxels_hu(&self) -> &Volume<f32> {
        &self.voxels_hu
    }

    /// Where the voxels lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Takes the scan apart.
    pub fn into_parts(self) -> (Volume<f32>, Grid) {
        (self.voxels_hu, self.grid)
    }
}
