//! `MetaImage`, the format of ITK: scans in and out.

mod header;
mod write;

use std::io::{BufReader, Read};
use std::path::Path;

use haema_volume::{Grid, Volume};
use thiserror::Error;

use crate::image_file::{ImageFileError, scan_of};
use crate::voxels::{FromStored, Image, Stream, VoxelError, data_file_beside};
use crate::{InputKind, Scan};
use header::Header;
pub use write::write;

/// Why bytes are not a `MetaImage` file that haema can use. No variant carries the path.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MetaImageError {
    /// A line is not the format's.
    #[error("line {line} is {found:?}: wanted \"Key = Value\"")]
    NotMetaImage {
        /// The line's number, counted from 1.
        line: usize,
        /// The line, cut short.
        found: String,
    },
    /// A key that must be there is not.
    #[error("the header has no key {key:?}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key does not say what haema can use.
    #[error("{key} is {found:?}: wanted {wanted}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        wanted: &'static str,
    },
    /// Not one three-dimensional volume.
    #[error("the axes have {found:?} voxels [x, y, z, ...]: wanted one volume of three axes")]
    BadShape {
        /// Sizes of all axes.
        found: Vec<u64>,
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
}

/// Reads a scan from `.mha`, or from `.mhd` with its voxels in a file of the same folder.
///
/// # Errors
///
/// [`ImageFileError`] where the file cannot be read, is not `MetaImage`, is not one volume of binary
/// numbers, ends early, or has no usable geometry.
pub fn read(path: &Path) -> Result<Scan, ImageFileError> {
    let image = read_image(path)?;
    let scan = scan_of(image, InputKind::MetaImage, path);
    scan.map_err(|cause| ImageFileError::meta_image(cause.into(), path))
}

/// Reads a label map: whole numbers from 0 to 255, and where they lie.
///
/// # Errors
///
/// As [`read`], and [`VoxelError::BadLabel`] for any other number.
pub fn read_label(path: &Path) -> Result<(Volume<u8>, Grid), ImageFileError> {
    read_image(path).map(|image| (image.voxels, image.grid))
}

fn read_image<T: FromStored>(path: &Path) -> Result<Image<T>, ImageFileError> {
    let describe = |cause| ImageFileError::meta_image(cause, path);
    let mut source = BufReader::new(crate::fs::open(path)?);
    let header = Header::read(&mut source).map_err(describe)?;
    let image = match header.data_file.as_str() {
        "LOCAL" => header.read_voxels(source),
        name => {
            let data = data_file_beside(path, name).map_err(|cause| describe(cause.into()))?;
            header.read_voxels(BufReader::new(crate::fs::open(&data)?))
        }
    };
    image.map_err(describe)
}

impl Header {
    fn read_voxels<T: FromStored>(&self, source: impl Read) -> Result<Image<T>, MetaImageError> {
        let grid = Grid::from_affine(self.layout.size, &self.lps_from_index)?;
        let mut stream = Stream::new(source, self.packing);
        stream.skip(self.byte_skip)?;
        let mut image = Image::read(&mut stream, &self.layout, grid)?;
        image.description = format!("MetaImage, {}", image.description);
        image.warnings.clone_from(&self.warnings);
        Ok(image)
    }
}

#[cfg(test)]
mod tests;
