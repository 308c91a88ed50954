//! What a NIfTI header says, in either version and byte order.

use haema_volume::{Affine, Vec3, scale};

use super::NiftiError;

pub(super) const HEADER_1_BYTES: usize = 348;

/// The most voxels taken: 1024 slices of 512 × 512. As `f32` that is 1 GiB.
pub(super) const MOST_VOXELS: u64 = 1 << 28;

/// How one voxel is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum DataType {
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

/// Every type that is read, with its code in the header and its size in bits.
const DATA_TYPES: [(DataType, i16, i16); 10] = [
    (DataType::U8, 2, 8),
    (DataType::I16, 4, 16),
    (DataType::I32, 8, 32),
    (DataType::F32, 16, 32),
    (DataType::F64, 64, 64),
    (DataType::I8, 256, 8),
    (DataType::U16, 512, 16),
    (DataType::U32, 768, 32),
    (DataType::I64, 1024, 64),
    (DataType::U64, 1280, 64),
];

impl DataType {
    fn from_code(code: i16) -> Result<Self, NiftiError> {
        let known = DATA_TYPES.iter().find(|(_, known, _)| *known == code);
        known.map(|(data_type, ..)| *data_type).ok_or_else(|| NiftiError::UnsupportedType {
            found: match code {
                1 => "single bits".to_owned(),
                32 | 1792 | 2048 => "complex numbers".to_owned(),
                128 => "RGB colours".to_owned(),
                2304 => "RGBA colours".to_owned(),
                1536 => "128-bit floats".to_owned(),
                _ => format!("of unknown type {code}"),
            },
        })
    }

    fn row(self) -> (Self, i16, i16) {
        DATA_TYPES.into_iter().find(|row| row.0 == self).expect("every type has its row")
    }

    pub(super) fn code(self) -> i16 {
        self.row().1
    }

    pub(super) fn bits(self) -> i16 {
        self.row().2
    }

    pub(super) fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}

/// What the reader needs of a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) is_big_endian: bool,
    /// `[z, y, x]`.
    pub(super) size: [usize; 3],
    pub(super) data_type: DataType,
    /// Where the voxels begin.
    pub(super) voxel_offset: u64,
    /// Slope and intercept, where the file asks for them.
    pub(super) rescale: Option<(f64, f64)>,
    pub(super) ras_from_index: Affine,
    /// What is doubtful about the geometry, in plain words.
    pub(super) warnings: Vec<String>,
}

/// Bytes of the header that begins with these four.
pub(super) fn header_bytes(first: [u8; 4]) -> Result<usize, NiftiError> {
    let found = i32::from_le_bytes(first);
    match found {
        348 | 540 => Ok(found as usize),
        _ if matches!(found.swap_bytes(), 348 | 540) => Ok(found.swap_bytes() as usize),
        _ => Err(NiftiError::NotNifti { found }),
    }
}

impl Header {
    /// Reads a header of [`header_bytes`] bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NiftiError> {
        let too_short = |wanted| NiftiError::TooShort { found: bytes.len(), wanted };
        let first = *bytes.first_chunk().ok_or(too_short(HEADER_1_BYTES))?;
        let wanted = header_bytes(first)?;
        if bytes.len() < wanted {
            return Err(too_short(wanted));
        }
        let is_big_endian = i32::from_le_bytes(first) as usize != wanted;
        let fields = Fields { bytes, is_big_endian };
        let raw = if wanted == HEADER_1_BYTES { fields.raw_1() } else { fields.raw_2() };
        check_magic(raw.magic)?;
        let data_type = DataType::from_code(raw.data_type)?;
        let (ras_from_index, warnings) = raw.ras_from_index();
        Ok(Self {
            is_big_endian,
            size: size_of(raw.dim)?,
            data_type,
            voxel_offset: raw.voxel_offset(wanted as u64)?,
            rescale: raw.rescale(),
            ras_from_index,
            warnings,
        })
    }

    /// Number of voxels.
    pub(super) fn voxel_count(&self) -> usize {
        self.size.iter().product()
    }
}

fn check_magic(magic: [u8; 4]) -> Result<(), NiftiError> {
    let found = String::from_utf8_lossy(&magic).trim_end_matches('\0').to_owned();
    match &magic[..3] {
        b"n+1" | b"n+2" => Ok(()),
        b"ni1" | b"ni2" | b"\0\0\0" => Err(NiftiError::TwoFiles { found }),
        _ => Err(NiftiError::BadMagic { found }),
    }
}

/// `[z, y, x]` of one volume; axes beyond the third may be there with one element each.
fn size_of(dim: [i64; 8]) -> Result<[usize; 3], NiftiError> {
    let found: Vec<i64> = dim[1..].iter().copied().take(dim[0].clamp(0, 7) as usize).collect();
    let bad_shape = || NiftiError::BadShape { found: found.clone() };
    let [x, y, z, more @ ..] = found.as_slice() else { return Err(bad_shape()) };
    if !(3..=7).contains(&dim[0]) || more.iter().any(|&axis| axis != 1) {
        return Err(bad_shape());
    }
    let sizes = [*x, *y, *z].map(|axis| u64::try_from(axis).unwrap_or(0));
    if sizes.contains(&0) {
        return Err(bad_shape());
    }
    let count = sizes.iter().try_fold(1_u64, |n, &axis| n.checked_mul(axis));
    if count.is_none_or(|count| count > MOST_VOXELS) {
        return Err(NiftiError::TooLarge { found: sizes, limit: MOST_VOXELS });
    }
    let [x, y, z] = sizes.map(|axis| axis as usize); // at most MOST_VOXELS
    Ok([z, y, x])
}

/// The fields as they stand, both versions alike.
struct Raw {
    magic: [u8; 4],
    dim: [i64; 8],
    data_type: i16,
    pixdim: [f64; 8],
    voxel_offset: f64,
    slope: f64,
    intercept: f64,
    qform_code: i32,
    sform_code: i32,
    quaternion_bcd: [f64; 3],
    qoffset: Vec3,
    sform: [[f64; 4]; 3],
}

impl Raw {
    fn voxel_offset(&self, header_bytes: u64) -> Result<u64, NiftiError> {
        // Some writers leave the offset 0 and mean "right after header and extension flag".
        let wanted = header_bytes + 4;
        let found = self.voxel_offset;
        if found == 0.0 {
            return Ok(wanted);
        }
        if !(found >= wanted as f64 && found < 1e15) {
            return Err(NiftiError::BadOffset { found: found.to_string(), wanted });
        }
        Ok(found as u64)
    }

    fn rescale(&self) -> Option<(f64, f64)> {
        if self.slope == 0.0 || !self.slope.is_finite() || !self.intercept.is_finite() {
            return None;
        }
        let rescale = (self.slope, self.intercept);
        (rescale != (1.0, 0.0)).then_some(rescale)
    }

    fn ras_from_index(&self) -> (Affine, Vec<String>) {
        if self.sform_code > 0 {
            return (Affine { rows: self.sform }, vec![]);
        }
        if self.qform_code > 0 {
            return (self.affine_from_qform(), vec![]);
        }
        let [_, x, y, z, ..] = self.pixdim.map(f64::abs);
        let affine = Affine::from_steps([-x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z], [0.0; 3]);
        let warning = "the NIfTI header gives no orientation (sform and qform codes are 0): \
                       left and right are assumed and the position in the scanner is unknown";
        (affine, vec![warning.to_owned()])
    }

    /// # Source
    ///
    /// Method 2 in `nifti1.h`.
    fn affine_from_qform(&self) -> Affine {
        let [b, c, d] = self.quaternion_bcd;
        let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
        let rotation_columns = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
            [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
            [2.0 * (b * d + a * c), 2.0 * (c * d - a * b), a * a + d * d - c * c - b * b],
        ];
        let handedness = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let steps_mm = [self.pixdim[1], self.pixdim[2], self.pixdim[3] * handedness];
        let [x, y, z] = [0, 1, 2].map(|i| scale(rotation_columns[i], steps_mm[i]));
        Affine::from_steps(x, y, z, self.qoffset)
    }
}

/// A header's bytes and their order. Offsets are those of `nifti1.h` and `nifti2.h`; all lie
/// within the length that [`Header::parse`] has checked.
struct Fields<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

impl Fields<'_> {
    fn raw_1(&self) -> Raw {
        Raw {
            magic: self.bytes_at(344),
            dim: std::array::from_fn(|i| i64::from(self.i16_at(40 + 2 * i))),
            data_type: self.i16_at(70),
            pixdim: self.f32s_at(76),
            voxel_offset: self.f32s_at::<1>(108)[0],
            slope: self.f32s_at::<1>(112)[0],
            intercept: self.f32s_at::<1>(116)[0],
            qform_code: i32::from(self.i16_at(252)),
            sform_code: i32::from(self.i16_at(254)),
            quaternion_bcd: self.f32s_at(256),
            qoffset: self.f32s_at(268),
            sform: std::array::from_fn(|row| self.f32s_at(280 + 16 * row)),
        }
    }

    fn raw_2(&self) -> Raw {
        Raw {
            magic: self.bytes_at(4),
            data_type: self.i16_at(12),
            dim: std::array::from_fn(|i| self.i64_at(16 + 8 * i)),
            pixdim: self.f64s_at(104),
            voxel_offset: self.i64_at(168) as f64,
            slope: self.f64s_at::<1>(176)[0],
            intercept: self.f64s_at::<1>(184)[0],
            qform_code: self.i32_at(344),
            sform_code: self.i32_at(348),
            quaternion_bcd: self.f64s_at(352),
            qoffset: self.f64s_at(376),
            sform: std::array::from_fn(|row| self.f64s_at(400 + 32 * row)),
        }
    }

    fn bytes_at<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("the header's length was checked")
    }

    fn ordered<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = self.bytes_at(at);
        if self.is_big_endian {
            bytes.reverse();
        }
        bytes
    }

    fn i16_at(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.ordered(at))
    }

    fn i32_at(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.ordered(at))
    }

    fn i64_at(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.ordered(at))
    }

    fn f32s_at<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|i| f64::from(f32::from_le_bytes(self.ordered(at + 4 * i))))
    }

    fn f64s_at<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|i| f64::from_le_bytes(self.ordered(at + 8 * i)))
    }
}
