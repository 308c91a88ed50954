//! NIfTI-1 and NIfTI-2: scans in, masks and probabilities out.
//!
//! NIfTI keeps voxels with the first axis fastest and a right-handed RAS affine; here that is
//! `[z, y, x]` with `x` fastest, and LPS. Both have the same bytes in the same order, so only the
//! affine changes sign at the door, and a mask is written with exactly the numbers that its scan
//! was read with.

mod header;
mod qform;
mod read;
mod sidecar;
mod write;

use thiserror::Error;

use crate::voxels::VoxelError;
pub(crate) use read::GZIP_MAGIC;
pub use read::{read, read_label};
pub use sidecar::write_slice_positions;
pub use write::{Voxel, write, write_described_mask, write_mask, write_probability, write_shifted};

/// Why bytes are not a NIfTI file that haema can use, or a volume cannot be written as one.
///
/// No variant carries the path: the caller adds it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NiftiError {
    /// Too short for a header.
    #[error("{found} bytes are too few for a NIfTI header: wanted at least {wanted}")]
    TooShort {
        /// Length of what was read.
        found: usize,
        /// Length of the header.
        wanted: usize,
    },
    /// The first number is no header size, in either byte order.
    #[error("not NIfTI: the header size is {found}, wanted 348 (NIfTI-1) or 540 (NIfTI-2)")]
    NotNifti {
        /// The first four bytes, as a little-endian number.
        found: i32,
    },
    /// The header says that the voxels lie in another file.
    #[error(
        "a header whose voxels lie in a separate .img file (magic {found:?}): wanted one file, .nii or .nii.gz"
    )]
    TwoFiles {
        /// The magic bytes.
        found: String,
    },
    /// The magic bytes are neither NIfTI's nor those of a pair of files.
    #[error("the magic bytes are {found:?}: wanted \"n+1\" or \"n+2\"")]
    BadMagic {
        /// The magic bytes.
        found: String,
    },
    /// Voxels of a kind that are no Hounsfield units.
    #[error("voxels are {found}: wanted whole or real numbers, one per voxel")]
    UnsupportedType {
        /// The kind's name, or its code where it is unknown.
        found: String,
    },
    /// Not one three-dimensional volume.
    #[error("the axes have {found:?} voxels [x, y, z, ...]: wanted one volume of three axes")]
    BadShape {
        /// Sizes of all axes.
        found: Vec<i64>,
    },
    /// The voxels begin inside the header or nowhere near it.
    #[error("the voxels begin at byte {found}: wanted {wanted} to {limit}")]
    BadOffset {
        /// Where the header says they begin.
        found: f64,
        /// The end of the header.
        wanted: u64,
        /// The most that is skipped.
        limit: u64,
    },
    /// A slope without an intercept.
    #[error("voxels are to be scaled by {slope} with intercept {intercept}: wanted two numbers")]
    BadRescale {
        /// The slope.
        slope: f64,
        /// The intercept, which is not finite.
        intercept: f64,
    },
    /// The quaternion of the only orientation is no rotation.
    #[error("the qform's quaternion has length² {found} before its last part: wanted at most 1")]
    BadQuaternion {
        /// Sum of the squares of b, c and d.
        found: f64,
    },
    /// The voxels cannot be read.
    #[error(transparent)]
    Voxels(#[from] VoxelError),
    /// The geometry is not usable.
    #[error(transparent)]
    Grid(#[from] haema_volume::GridError),
    /// Voxels and grid differ in size.
    #[error(transparent)]
    Volume(#[from] haema_volume::VolumeError),
    /// NIfTI-1 stores sizes as 16-bit numbers.
    #[error("size {found:?} [z, y, x]: NIfTI-1 holds at most 32767 voxels along an axis")]
    AxisTooLong {
        /// The size.
        found: [usize; 3],
    },
}

#[cfg(test)]
mod tests;
