//! Voxels as NIfTI, NRRD and `MetaImage` store them: numbers one after the other, `x` fastest.
//!
//! A header's word allocates nothing: memory grows with the bytes that really come, four for each
//! voxel, and never beyond [`MOST_VOXELS`].

mod stream;

use std::fmt;
use std::io::{self, Write};

use haema_volume::{Grid, Volume, VolumeError};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::nifti::Voxel;
pub(crate) use stream::{HeaderLines, PIECE_BYTES, Packing, Stream, data_file_beside, gzip_writer};

/// Why the voxels of a file, or the text before them, cannot be read.
///
/// No variant carries the path: the caller adds it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum VoxelError {
    /// More voxels than a head CT can have.
    #[error("{found:?} voxels [x, y, z] are more than the {limit} of the largest scan taken")]
    TooLarge {
        /// Sizes of the three axes.
        found: [u64; 3],
        /// The most voxels taken.
        limit: u64,
    },
    /// The file ends before its last voxel.
    #[error("the file ends after {found} of {wanted} voxels: it is truncated")]
    Truncated {
        /// Whole voxels that were there.
        found: usize,
        /// Voxels that the header promises.
        wanted: usize,
    },
    /// The compressed stream ends early.
    #[error("the {packing} stream ends early: the file is truncated")]
    PackingEndsEarly {
        /// `gzip` or `zlib`.
        packing: &'static str,
    },
    /// The compressed stream is broken, or its checksum does not fit.
    #[error("the {packing} stream is damaged ({cause})")]
    PackingDamaged {
        /// `gzip` or `zlib`.
        packing: &'static str,
        /// What the decompressor said.
        cause: String,
    },
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
    /// A voxel written as text that is no number.
    #[error("voxel {index} is {found:?}: wanted a number")]
    BadNumber {
        /// The text.
        found: String,
        /// Which voxel, counted in file order.
        index: usize,
    },
    /// A text header that does not end.
    #[error("the header does not end within {limit} bytes")]
    HeaderTooLong {
        /// The longest header taken.
        limit: usize,
    },
    /// The voxels are said to lie in a file elsewhere.
    #[error("the voxels are in {found:?}: wanted one file in the same folder")]
    DataFileElsewhere {
        /// What the header names.
        found: String,
    },
    /// Voxels do not fill their size.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

/// The most voxels taken: 1024 slices of 512 × 512. As `f32` that is 1 GiB.
pub(crate) const MOST_VOXELS: u64 = 1 << 28;

/// `[x, y, z]` as `[z, y, x]`, if it is no larger than [`MOST_VOXELS`]. No axis may be 0.
pub(crate) fn checked_size(found: [u64; 3]) -> Result<[usize; 3], VoxelError> {
    let count = found.iter().try_fold(1_u64, |n, &axis| n.checked_mul(axis));
    if count.is_none_or(|count| count > MOST_VOXELS) {
        return Err(VoxelError::TooLarge { found, limit: MOST_VOXELS });
    }
    let [x, y, z] = found.map(|axis| axis as usize); // at most MOST_VOXELS
    Ok([z, y, x])
}

/// How one voxel is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum NumberType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl NumberType {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

impl fmt::Display for NumberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => "unsigned",
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => "signed",
            Self::F32 | Self::F64 => "floating-point",
        };
        write!(f, "{}-bit {kind} numbers", 8 * self.bytes())
    }
}

/// Writes the voxels of a volume, little-endian, slice by slice.
pub(crate) fn write_planes<T: Voxel>(
    file: &mut (impl Write + ?Sized),
    volume: &Volume<T>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    for z in 0..volume.size()[0] {
        bytes.clear();
        for &voxel in volume.plane(z) {
            voxel.append_to(&mut bytes);
        }
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// How all voxels of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Layout {
    /// `[z, y, x]`, from [`checked_size`].
    pub(crate) size: [usize; 3],
    pub(crate) number_type: NumberType,
    pub(crate) is_big_endian: bool,
    /// Slope and intercept, where the file asks for them.
    pub(crate) rescale: Option<(f64, f64)>,
}

/// What a file holds, in the voxel type wanted.
#[derive(Debug)]
pub(crate) struct Image<T> {
    pub(crate) voxels: Volume<T>,
    pub(crate) grid: Grid,
    /// Checksum of geometry and stored voxels, hexadecimal.
    pub(crate) sha256: String,
    /// Format and number type, for people.
    pub(crate) description: String,
    /// What is doubtful, in plain words.
    pub(crate) warnings: Vec<String>,
}

impl<T: FromStored> Image<T> {
    /// Reads the voxels of a grid, the next in the stream.
    pub(crate) fn read(
        stream: &mut Stream<'_>,
        layout: &Layout,
        grid: Grid,
    ) -> Result<Self, VoxelError> {
        let mut checksum = Checksum::new(&grid);
        checksum.add(format!("{:?} {:?}", layout.number_type, layout.rescale).as_bytes());
        let voxels = read_voxels(stream, layout, &mut checksum)?;
        stream.check_end()?;
        Self::new(voxels, layout, grid, checksum)
    }

    /// Reads voxels that are written as text, one after another.
    pub(crate) fn read_text(
        stream: &mut Stream<'_>,
        layout: &Layout,
        grid: Grid,
    ) -> Result<Self, VoxelError> {
        let mut checksum = Checksum::new(&grid);
        let voxels = read_text_voxels(stream, layout, &mut checksum)?;
        Self::new(voxels, layout, grid, checksum)
    }

    fn new(
        voxels: Vec<T>,
        layout: &Layout,
        grid: Grid,
        checksum: Checksum,
    ) -> Result<Self, VoxelError> {
        Ok(Self {
            voxels: Volume::new(layout.size, voxels)?,
            grid,
            sha256: checksum.finish(),
            description: layout.number_type.to_string(),
            warnings: vec![],
        })
    }
}

/// Checksum of a scan: its geometry and its voxels as they were stored.
struct Checksum(Sha256);

impl Checksum {
    fn new(grid: &Grid) -> Self {
        let mut sum = Sha256::new();
        for axis in grid.size() {
            sum.update((axis as u64).to_le_bytes());
        }
        for value in grid.lps_from_index().rows.as_flattened() {
            sum.update(value.to_le_bytes());
        }
        Self(sum)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

fn read_voxels<T: FromStored>(
    stream: &mut Stream<'_>,
    layout: &Layout,
    checksum: &mut Checksum,
) -> Result<Vec<T>, VoxelError> {
    let wanted = layout.size.iter().product();
    let voxel_bytes = layout.number_type.bytes();
    let mut voxels = Vec::new();
    while voxels.len() < wanted {
        let mut bytes = stream.up_to(PIECE_BYTES.min((wanted - voxels.len()) * voxel_bytes))?;
        checksum.add(&bytes);
        let whole = bytes.len() / voxel_bytes;
        if bytes.is_empty() || bytes.len() % voxel_bytes != 0 {
            return Err(VoxelError::Truncated { found: voxels.len() + whole, wanted });
        }
        // Twice as much each time, as a Vec does, but never more than is wanted.
        if voxels.capacity() < voxels.len() + whole {
            let capacity = (2 * voxels.capacity()).clamp(voxels.len() + whole, wanted);
            voxels.reserve_exact(capacity - voxels.len());
        }
        if layout.is_big_endian {
            bytes.chunks_exact_mut(voxel_bytes).for_each(<[u8]>::reverse);
        }
        append_voxels(&mut voxels, &bytes, layout)?;
    }
    Ok(voxels)
}

/// Converts little-endian voxels of the layout's type.
fn append_voxels<T: FromStored>(
    voxels: &mut Vec<T>,
    bytes: &[u8],
    layout: &Layout,
) -> Result<(), VoxelError> {
    macro_rules! append {
        ($type:ty) => {
            append!($type, f64::from)
        };
        ($type:ty, $to_f64:expr) => {{
            let (chunks, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
            for &chunk in chunks {
                let stored = $to_f64(<$type>::from_le_bytes(chunk));
                let value = layout.rescale.map_or(stored, |(slope, at_0)| stored * slope + at_0);
                push(voxels, value)?;
            }
        }};
    }
    match layout.number_type {
        NumberType::U8 => append!(u8),
        NumberType::I8 => append!(i8),
        NumberType::U16 => append!(u16),
        NumberType::I16 => append!(i16),
        NumberType::U32 => append!(u32),
        NumberType::I32 => append!(i32),
        NumberType::U64 => append!(u64, |value| value as f64),
        NumberType::I64 => append!(i64, |value| value as f64),
        NumberType::F32 => append!(f32),
        NumberType::F64 => append!(f64),
    }
    Ok(())
}

fn push<T: FromStored>(voxels: &mut Vec<T>, value: f64) -> Result<(), VoxelError> {
    let voxel = T::from_stored(value);
    let voxel = voxel.ok_or(VoxelError::BadLabel { found: value, index: voxels.len() })?;
    voxels.push(voxel);
    Ok(())
}

/// The longest number written as text; a `f64` needs 24 characters.
const LONGEST_NUMBER: usize = 64;

fn read_text_voxels<T: FromStored>(
    stream: &mut Stream<'_>,
    layout: &Layout,
    checksum: &mut Checksum,
) -> Result<Vec<T>, VoxelError> {
    let wanted = layout.size.iter().product();
    let mut voxels = Vec::new();
    let mut word = Vec::new();
    while voxels.len() < wanted {
        let bytes = stream.up_to(PIECE_BYTES)?;
        let is_end = bytes.is_empty();
        // The end closes the last word as a blank does.
        for byte in bytes.into_iter().chain(is_end.then_some(b' ')) {
            if !byte.is_ascii_whitespace() && word.len() <= LONGEST_NUMBER {
                word.push(byte);
            } else if !word.is_empty() && voxels.len() < wanted {
                let value = number_of(&word, voxels.len())?;
                checksum.add(&value.to_le_bytes());
                push(&mut voxels, value)?;
                word.clear();
            }
        }
        if is_end && voxels.len() < wanted {
            return Err(VoxelError::Truncated { found: voxels.len(), wanted });
        }
    }
    Ok(voxels)
}

fn number_of(word: &[u8], index: usize) -> Result<f64, VoxelError> {
    let text = String::from_utf8_lossy(word);
    let number = text.parse().ok().filter(|_| word.len() <= LONGEST_NUMBER);
    number.ok_or_else(|| VoxelError::BadNumber { found: text.into_owned(), index })
}

/// A voxel made from a stored and rescaled number, or `None` where it cannot hold it.
pub(crate) trait FromStored: Sized {
    fn from_stored(value: f64) -> Option<Self>;
}

impl FromStored for f32 {
    fn from_stored(value: f64) -> Option<Self> {
        Some(value as Self)
    }
}

impl FromStored for u8 {
    fn from_stored(value: f64) -> Option<Self> {
        let label = value as Self; // saturates; NaN gives 0
        (f64::from(label) == value).then_some(label)
    }
}
