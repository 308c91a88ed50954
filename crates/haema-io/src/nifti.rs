//! NIfTI-1 and NIfTI-2: scans in, masks and probabilities out.
//!
//! NIfTI keeps voxels with the first axis fastest and a right-handed RAS affine; here that is
//! `[z, y, x]` with `x` fastest, and LPS. Both have the same bytes in the same order, so only the
//! affine changes sign at the door, and a mask is written with exactly the numbers that its scan
//! was read with.

mod header;
mod read;
mod write;

use thiserror::Error;

pub use read::{read, read_label};
pub use write::{Voxel, write, write_mask, write_probability};

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
        "a NIfTI header whose voxels lie in a separate .img file (magic {found:?}): wanted one file, .nii or .nii.gz"
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
    /// More voxels than a head CT can have.
    #[error("{found:?} voxels [x, y, z] are more than the {limit} of the largest scan taken")]
    TooLarge {
        /// Sizes of the three axes.
        found: [u64; 3],
        /// The most voxels taken.
        limit: u64,
    },
    /// The voxels begin inside the header or nowhere.
    #[error("the voxels begin at byte {found}: wanted {wanted} or later")]
    BadOffset {
        /// Where the header says they begin.
        found: String,
        /// The end of the header.
        wanted: u64,
    },
    /// The file ends before its last voxel.
    #[error("the file ends after {found} of {wanted} voxels: it is truncated")]
    Truncated {
        /// Whole voxels that were there.
        found: usize,
        /// Voxels that the header promises.
        wanted: usize,
    },
    /// The gzip stream is broken or ends early.
    #[error("the gzip stream breaks off or is damaged ({0})")]
    BadGzip(String),
    /// The disk refused.
    #[error("cannot be read to its end ({0})")]
    Unreadable(String),
    /// A label that is no whole number from 0 to 255.
    #[error("label {found} at voxel {index}: wanted whole numbers from 0 to 255")]
    BadLabel {
        /// The value.
        found: f64,
        /// Which voxel, counted in file order.
        index: usize,
    },
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
