//! Bytes, as they come from and go to a file: packed or not, with text before them or not.

use std::io::{self, BufRead, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::VoxelError;

/// Bytes held at a time; a multiple of every voxel's size.
pub(crate) const PIECE_BYTES: usize = 1 << 16;

/// How the bytes of voxels are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zlib,
}

/// A source of bytes, unpacked on the way, whose errors say how it was packed.
pub(crate) struct Stream<'a> {
    source: Box<dyn Read + 'a>,
    packing: Packing,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(source: impl Read + 'a, packing: Packing) -> Self {
        let source: Box<dyn Read + 'a> = match packing {
            Packing::Plain => Box::new(source),
            Packing::Gzip => Box::new(MultiGzDecoder::new(source)),
            Packing::Zlib => Box::new(ZlibDecoder::new(source)),
        };
        Self { source, packing }
    }

    /// The next `count` bytes, or fewer where the source ends. `count` is never the file's word.
    pub(crate) fn up_to(&mut self, count: usize) -> Result<Vec<u8>, VoxelError> {
        let mut bytes = Vec::with_capacity(count);
        let read = (&mut self.source).take(count as u64).read_to_end(&mut bytes);
        read.map_err(|cause| self.describe(&cause))?;
        Ok(bytes)
    }

    pub(crate) fn skip(&mut self, count: u64) -> Result<(), VoxelError> {
        let skipped = io::copy(&mut (&mut self.source).take(count), &mut io::sink());
        skipped.map(drop).map_err(|cause| self.describe(&cause))
    }

    /// Reads a little past the voxels: packed streams keep their checksum there.
    pub(super) fn check_end(&mut self) -> Result<(), VoxelError> {
        if self.packing == Packing::Plain { Ok(()) } else { self.skip(PIECE_BYTES as u64) }
    }

    fn describe(&self, cause: &io::Error) -> VoxelError {
        let packing = match self.packing {
            Packing::Plain => return VoxelError::Unreadable(cause.to_string()),
            Packing::Gzip => "gzip",
            Packing::Zlib => "zlib",
        };
        if cause.kind() == io::ErrorKind::UnexpectedEof {
            return VoxelError::PackingEndsEarly { packing };
        }
        VoxelError::PackingDamaged { packing, cause: cause.to_string() }
    }
}

/// The most that a text header may be long; a segmentation of a hundred parts takes 50 kB.
const MOST_HEADER_BYTES: usize = 1 << 20;

/// The lines of a text header, read one by one, so that the source stands at the voxels after the
/// last.
pub(crate) struct HeaderLines<R> {
    source: R,
    bytes_left: usize,
}

impl<R: BufRead> HeaderLines<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, bytes_left: MOST_HEADER_BYTES }
    }

    /// The next line without its end, or `None` where the source ends.
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, VoxelError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.source).take(self.bytes_left as u64);
        let read = limited.read_until(b'\n', &mut line);
        self.bytes_left -= read.map_err(|cause| VoxelError::Unreadable(cause.to_string()))?;
        if line.is_empty() && self.bytes_left > 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") && self.bytes_left == 0 {
            return Err(VoxelError::HeaderTooLong { limit: MOST_HEADER_BYTES });
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// The file that a header names for its voxels. It must lie beside the header: a header from
/// elsewhere must not make haema read a file of its choice.
pub(crate) fn data_file_beside(header: &Path, name: &str) -> Result<PathBuf, VoxelError> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if !name.contains(['%', '\\']) => {
            Ok(header.with_file_name(part))
        }
        _ => Err(VoxelError::DataFileElsewhere { found: name.to_owned() }),
    }
}

/// Level 4 of zlib-rs: on head CT hardly larger than 6, and faster.
const COMPRESSION: Compression = Compression::new(4);

/// Packs what is written as gzip, without name or time: the bytes depend on the content alone.
pub(crate) fn gzip_writer<W: Write>(file: W) -> GzEncoder<W> {
    GzBuilder::new().write(file, COMPRESSION)
}
