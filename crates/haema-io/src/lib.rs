//! Scans in, results out: the only crate that reads and writes files of other people.
//!
//! Every parser stands behind a pre-scan with limits ([`limits`]): foreign bytes never panic and
//! never take memory out of proportion to the file. Identifiers of persons stop here
//! ([`phi`]). No type of a DICOM or image library appears in this crate's interface.

pub mod ct_ich;
pub mod dataset;
pub mod dicom;
pub mod fs;
mod identity;
mod image_file;
mod jpeg;
pub mod jpeg_lossless;
pub mod jpeg_ls;
pub mod limits;
pub mod meta_image;
pub mod nifti;
pub mod nrrd;
pub mod phi;
pub mod plausibility;
mod scan;
mod voxels;

pub use identity::{Identity, SamePatient};
pub use image_file::{ImageFileError, read_image_file, read_label_file};
pub use scan::{InputKind, MissingSlices, Provenance, Scan, SeriesReport};
pub use voxels::VoxelError;
