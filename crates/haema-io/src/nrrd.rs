//! NRRD: scans in and out, and segmentations in and out as 3D Slicer has them.

mod header;
mod segmentation;
mod write;

use std::io::{BufReader, Read};
use std::path::Path;

use haema_volume::{Grid, Volume};
use thiserror::Error;

use crate::image_file::{ImageFileError, scan_of};
use crate::voxels::{FromStored, Image, Packing, Stream, VoxelError, data_file_beside};
use crate::{InputKind, Scan};
use header::{Encoding, Header};
pub use segmentation::{Segment, Segmentation, read_segmentation, write_segmentation};
pub use write::write;

/// Why bytes are not an NRRD file that haema can use. No variant carries the path.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NrrdError {
    /// The first line is not NRRD's.
    #[error("the first line is {found:?}: wanted \"NRRD0001\" to \"NRRD0005\"")]
    NotNrrd {
        /// The line, cut short.
        found: String,
    },
    /// A field that must be there is not.
    #[error("the header has no field {field:?}")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field does not say what haema can use.
    #[error("field {field:?} is {found:?}: wanted {wanted}")]
    BadField {
        /// The field.
        field: String,
        /// What it says.
        found: String,
        /// What it may say.
        wanted: &'static str,
    },
    /// Not one three-dimensional volume.
    #[error("the axes have {found:?} voxels: wanted one volume of three axes")]
    BadShape {
        /// Sizes of all axes, the fastest first.
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

/// Reads a scan from `.nrrd`, or from `.nhdr` with its voxels in a file of the same folder.
///
/// Encodings are raw, gzip and text; spaces are LPS, RAS and LAS. A header without a space is taken
/// as LPS, with a warning.
///
/// # Errors
///
/// [`ImageFileError`] where the file cannot be read, is not NRRD, is packed in another way, is not
/// one volume of numbers, ends early, or has no usable geometry.
pub fn read(path: &Path) -> Result<Scan, ImageFileError> {
    let (image, _) = read_image(path)?;
    scan_of(image, InputKind::Nrrd, path).map_err(|cause| ImageFileError::nrrd(cause.into(), path))
}

/// Reads a label map: whole numbers from 0 to 255, and where they lie.
///
/// # Errors
///
/// As [`read`], and [`VoxelError::BadLabel`] for any other number.
pub fn read_label(path: &Path) -> Result<(Volume<u8>, Grid), ImageFileError> {
    read_image(path).map(|(image, _)| (image.voxels, image.grid))
}

fn read_image<T: FromStored>(path: &Path) -> Result<(Image<T>, Header), ImageFileError> {
    let describe = |cause| ImageFileError::nrrd(cause, path);
    let mut source = BufReader::new(crate::fs::open(path)?);
    let header = Header::read(&mut source).map_err(describe)?;
    let image = match &header.data_file {
        None => header.read_voxels(source),
        Some(name) => {
            let data = data_file_beside(path, name).map_err(|cause| describe(cause.into()))?;
            header.read_voxels(BufReader::new(crate::fs::open(&data)?))
        }
    };
    Ok((image.map_err(describe)?, header))
}

impl Header {
    fn read_voxels<T: FromStored>(&self, source: impl Read) -> Result<Image<T>, NrrdError> {
        let grid = Grid::from_affine(self.layout.size, &self.lps_from_index)?;
        let packing = if self.encoding == Encoding::Gzip { Packing::Gzip } else { Packing::Plain };
        let mut stream = Stream::new(source, packing);
        stream.skip(self.byte_skip)?;
        let mut image = if self.encoding == Encoding::Text {
            Image::read_text(&mut stream, &self.layout, grid)?
        } else {
            Image::read(&mut stream, &self.layout, grid)?
        };
        image.description = format!("NRRD, {}", image.description);
        image.warnings.clone_from(&self.warnings);
        Ok(image)
    }
}

#[cfg(test)]
mod tests;
