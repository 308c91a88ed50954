//! What a NIfTI header says, in either version and byte order.

use haema_volume::{Affine, Vec3, scale};

use super::NiftiError;
use crate::voxels::{Layout, NumberType, checked_size};

pub(super) const HEADER_1_BYTES: usize = 348;

/// Every number type that is read, and its code.
const NUMBER_TYPES: [(NumberType, i16); 10] = [
    (NumberType::U8, 2),
    (NumberType::I16, 4),
    (NumberType::I32, 8),
    (NumberType::F32, 16),
    (NumberType::F64, 64),
    (NumberType::I8, 256),
    (NumberType::U16, 512),
    (NumberType::U32, 768),
    (NumberType::I64, 1024),
    (NumberType::U64, 1280),
];

/// The code of a number type.
pub(super) fn code_of(number_type: NumberType) -> i16 {
    let row = NUMBER_TYPES.into_iter().find(|row| row.0 == number_type);
    row.expect("every type has its row").1
}

fn number_type_of(code: i16) -> Result<NumberType, NiftiError> {
    let known = NUMBER_TYPES.into_iter().find(|row| row.1 == code);
    known.map(|row| row.0).ok_or_else(|| NiftiError::UnsupportedType {
        found: match code {
            1 => "single bits".to_owned(),
            32 | 1792 | 2048 => "complex numbers".to_owned(),
            128 => "RGB colours".to_owned(),
            2304 => "RGBA colours".to_owned(),
            1536 => "128-bit floating-point numbers".to_owned(),
            _ => format!("of an unknown kind (datatype {code})"),
        },
    })
}

/// What the reader needs of a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) version: &'static str,
    pub(super) layout: Layout,
    /// Where the voxels begin.
    pub(super) voxel_offset: u64,
    pub(super) ras_from_index: Affine,
    /// What is doubtful about the geometry, in plain words.
    pub(super) warnings: Vec<String>,
}

/// Length of the header that begins with these four bytes.
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
        let is_1 = wanted == HEADER_1_BYTES;
        let raw = if is_1 { fields.raw_1() } else { fields.raw_2() };
        check_magic(raw.magic)?;
        let mut warnings = Vec::new();
        Ok(Self {
            version: if is_1 { "NIfTI-1" } else { "NIfTI-2" },
            layout: Layout {
                number_type: number_type_of(raw.number_type)?,
                size: size_of(raw.dim)?,
                is_big_endian,
                rescale: raw.rescale()?,
            },
            voxel_offset: raw.voxel_offset(wanted as u64)?,
            ras_from_index: raw.ras_from_index(&mut warnings)?,
            warnings,
        })
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
    let sizes = match found.as_slice() {
        [x, y, z, more @ ..] if dim[0] <= 7 && more.iter().all(|&axis| axis == 1) => [*x, *y, *z],
        _ => return Err(NiftiError::BadShape { found }),
    };
    if sizes.iter().any(|&axis| axis < 1) {
        return Err(NiftiError::BadShape { found });
    }
    Ok(checked_size(sizes.map(i64::unsigned_abs))?)
}

/// The fields as they stand, both versions alike.
struct Raw {
    magic: [u8; 4],
    dim: [i64; 8],
    number_type: i16,
    pixdim: [f64; 8],
    voxel_offset: f64,
    slope: f64,
    intercept: f64,
    units: i32,
    qform_code: i32,
    sform_code: i32,
    quaternion_bcd: [f64; 3],
    qoffset: Vec3,
    sform: [[f64; 4]; 3],
}

/// The most that may lie between header and voxels. Extensions hold whole DICOM headers at times.
const MOST_EXTENSION_BYTES: u64 = 64 << 20;

/// How far the quaternion may be over length 1: rounding of three `f32`.
const MOST_OVER_ONE: f64 = 1e-6;

impl Raw {
    fn voxel_offset(&self, header_bytes: u64) -> Result<u64, NiftiError> {
        let wanted = header_bytes + 4;
        let limit = header_bytes + MOST_EXTENSION_BYTES;
        let found = self.voxel_offset;
        if found == 0.0 {
            // Some writers leave it 0 and mean: right after the header and its extension flag.
            return Ok(wanted);
        }
        if !(found >= wanted as f64 && found <= limit as f64) {
            return Err(NiftiError::BadOffset { found, wanted, limit });
        }
        Ok(found as u64)
    }

    /// A slope of 0, or one that is no number, asks for no scaling, as in nibabel.
    fn rescale(&self) -> Result<Option<(f64, f64)>, NiftiError> {
        let (slope, intercept) = (self.slope, self.intercept);
        if slope == 0.0 || !slope.is_finite() {
            return Ok(None);
        }
        if !intercept.is_finite() {
            return Err(NiftiError::BadRescale { slope, intercept });
        }
        Ok(((slope, intercept) != (1.0, 0.0)).then_some((slope, intercept)))
    }

    fn ras_from_index(&self, warnings: &mut Vec<String>) -> Result<Affine, NiftiError> {
        if let Some(unit) = self.odd_unit() {
            warnings.push(format!("the header says lengths are in {unit}: taken as mm"));
        }
        if self.sform_code > 0 {
            return Ok(Affine { rows: self.sform });
        }
        if self.qform_code > 0 {
            return self.affine_from_qform();
        }
        warnings.push(
            "the header gives no orientation (sform and qform codes are 0): axes are taken as \
             right to left, back to front, bottom to top, and left may be right"
                .to_owned(),
        );
        Ok(self.affine_from_voxel_size())
    }

    fn odd_unit(&self) -> Option<&'static str> {
        match self.units & 7 {
            1 => Some("metres"),
            3 => Some("micrometres"),
            _ => None,
        }
    }

    fn voxel_size_mm(&self) -> [f64; 3] {
        [1, 2, 3].map(|axis| self.pixdim[axis].abs())
    }

    /// The middle voxel at the origin, and the first axis running to the left, as in nibabel.
    fn affine_from_voxel_size(&self) -> Affine {
        let [x_mm, y_mm, z_mm] = self.voxel_size_mm();
        let steps = [[-x_mm, 0.0, 0.0], [0.0, y_mm, 0.0], [0.0, 0.0, z_mm]];
        let origin = std::array::from_fn(|i| -0.5 * (self.dim[i + 1] - 1) as f64 * steps[i][i]);
        Affine::from_steps(steps[0], steps[1], steps[2], origin)
    }

    /// # Source
    ///
    /// Method 2 in `nifti1.h`.
    fn affine_from_qform(&self) -> Result<Affine, NiftiError> {
        let [b, c, d] = self.quaternion_bcd;
        let found = b * b + c * c + d * d;
        if found > 1.0 + MOST_OVER_ONE || !found.is_finite() {
            return Err(NiftiError::BadQuaternion { found });
        }
        let a = (1.0 - found).max(0.0).sqrt();
        let rotation_columns = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
            [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
            [2.0 * (b * d + a * c), 2.0 * (c * d - a * b), a * a + d * d - c * c - b * b],
        ];
        let [x_mm, y_mm, z_mm] = self.voxel_size_mm();
        let handedness = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let [x, y, z] = rotation_columns;
        Ok(Affine::from_steps(
            scale(x, x_mm),
            scale(y, y_mm),
            scale(z, z_mm * handedness),
            self.qoffset,
        ))
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
            number_type: self.i16_at(70),
            pixdim: self.f32s_at(76),
            voxel_offset: self.f32s_at::<1>(108)[0],
            slope: self.f32s_at::<1>(112)[0],
            intercept: self.f32s_at::<1>(116)[0],
            units: i32::from(self.bytes[123]),
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
            number_type: self.i16_at(12),
            dim: std::array::from_fn(|i| self.i64_at(16 + 8 * i)),
            pixdim: self.f64s_at(104),
            voxel_offset: self.i64_at(168) as f64,
            slope: self.f64s_at::<1>(176)[0],
            intercept: self.f64s_at::<1>(184)[0],
            units: self.i32_at(500),
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
