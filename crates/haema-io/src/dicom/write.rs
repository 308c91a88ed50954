//! Writing CT in DICOM: one file a slice, _CT Image Storage_, explicit little endian.
//!
//! For scans that haema makes itself: simulated heads, and the tests of the reader. Every slice is
//! placed by its own position, so tilt and uneven spacing come out as a scanner writes them.

mod attributes;

use std::path::{Path, PathBuf};

use haema_volume::{CtVolume, Grid, Vec3, norm, scale};
use sha2::{Digest as _, Sha256};

pub use attributes::Attributes;

use super::tags::{self, Tag};
use crate::fs::{self, FsError};

const CT_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";

/// How Hounsfield units are stored, and what the header says beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesOptions {
    /// What all identifiers are made from: the same seed gives the same identifiers.
    pub seed: String,
    /// _Rescale Slope_: HU for one stored unit.
    pub slope: f64,
    /// _Rescale Intercept_: HU of the stored 0.
    pub intercept: f64,
    /// Whether stored numbers are two's complement.
    pub is_signed: bool,
    /// Bits in use, 1 to 16.
    pub bits_stored: u16,
    /// The stored number that stands for "outside the scanner's circle", written wherever the scan
    /// has −1024 HU or less.
    pub padding: Option<i32>,
    /// _Image Type_, its values parted by backslashes.
    pub image_type: String,
    /// _Convolution Kernel_.
    pub kernel: String,
    /// _Series Description_.
    pub description: String,
    /// _Series Number_.
    pub series_number: u32,
    /// _Patient Position_: HFS is head first, on the back.
    pub patient_position: String,
}

impl Default for SeriesOptions {
    /// What most scanners write: 12 bits unsigned from −1024 HU in steps of 1.
    fn default() -> Self {
        Self {
            seed: "haema".into(),
            slope: 1.0,
            intercept: -1024.0,
            is_signed: false,
            bits_stored: 12,
            padding: None,
            image_type: r"ORIGINAL\PRIMARY\AXIAL".into(),
            kernel: "STANDARD".into(),
            description: "Head without contrast".into(),
            series_number: 2,
            patient_position: "HFS".into(),
        }
    }
}

/// Writes a scan as a series: `IM00001.dcm` is the slice with index 0.
///
/// # Errors
///
/// [`FsError`] where the folder or a file cannot be written.
pub fn write_series(
    folder: &Path,
    ct: &CtVolume,
    options: &SeriesOptions,
) -> Result<Vec<PathBuf>, FsError> {
    fs::create_folder(folder)?;
    (0..ct.grid().size()[0])
        .map(|z| {
            let path = folder.join(format!("IM{:05}.dcm", z + 1));
            fs::write_atomic(&path, &slice(ct, z, options).to_file())?;
            Ok(path)
        })
        .collect()
}

/// The attributes of one slice, to write or to change first.
///
/// # Panics
///
/// Where the scan has no slice `z`.
pub fn slice(ct: &CtVolume, z: usize, options: &SeriesOptions) -> Attributes {
    let mut attributes = Attributes::default();
    identify(&mut attributes, z, options);
    describe(&mut attributes, z, options);
    place(&mut attributes, ct.grid(), z);
    store(&mut attributes, ct, z, options);
    attributes
}

/// An identifier made from a seed.
///
/// # Source
///
/// UUID-derived identifiers under 2.25: DICOM PS3.5 §B.2.
pub fn uid_from(seed: &str) -> String {
    let digest = Sha256::digest(seed.as_bytes());
    let number =
        digest.iter().take(16).fold(0_u128, |number, &byte| number << 8 | u128::from(byte));
    format!("2.25.{number}")
}

/// Type 2: they must be there, and may be empty. Nobody was scanned.
const EMPTY: [Tag; 11] = [
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_ID,
    tags::POSITION_REFERENCE_INDICATOR,
    tags::ACQUISITION_NUMBER,
];

fn identify(attributes: &mut Attributes, z: usize, options: &SeriesOptions) {
    let uid = |of: String| uid_from(&format!("{}/{of}", options.seed));
    attributes
        .text(tags::SOP_CLASS_UID, CT_IMAGE_STORAGE)
        .text(tags::SOP_INSTANCE_UID, &uid(format!("image/{}/{z}", options.series_number)))
        .text(tags::STUDY_INSTANCE_UID, &uid("study".into()))
        .text(tags::SERIES_INSTANCE_UID, &uid(format!("series/{}", options.series_number)))
        .text(tags::FRAME_OF_REFERENCE_UID, &uid("frame of reference".into()));
    for tag in EMPTY {
        attributes.text(tag, "");
    }
}

fn describe(attributes: &mut Attributes, z: usize, options: &SeriesOptions) {
    attributes
        .text(tags::IMAGE_TYPE, &options.image_type)
        .text(tags::MODALITY, "CT")
        .text(tags::MANUFACTURER, "haema (simulated)")
        .text(tags::SERIES_DESCRIPTION, &options.description)
        .text(tags::BODY_PART_EXAMINED, "HEAD")
        .text(tags::KVP, "120")
        .text(tags::CONVOLUTION_KERNEL, &options.kernel)
        .text(tags::PATIENT_POSITION, &options.patient_position)
        .text(tags::SERIES_NUMBER, &options.series_number.to_string())
        .text(tags::INSTANCE_NUMBER, &(z + 1).to_string());
}

fn place(attributes: &mut Attributes, grid: &Grid, z: usize) {
    let (x_step, y_step) = (grid.x_step_lps_mm(), grid.y_step_lps_mm());
    let unit = |step: Vec3| scale(step, 1.0 / norm(step));
    let cosines = [unit(x_step), unit(y_step)];
    attributes
        .text(tags::IMAGE_POSITION_PATIENT, &decimals(&grid.slice_origin_lps_mm(z)))
        .text(tags::IMAGE_ORIENTATION_PATIENT, &decimals(cosines.as_flattened()))
        .text(tags::PIXEL_SPACING, &decimals(&[norm(y_step), norm(x_step)]))
        .text(tags::SLICE_THICKNESS, &decimals(&[grid.slice_thickness_mm(z)]));
}

fn store(attributes: &mut Attributes, ct: &CtVolume, z: usize, options: &SeriesOptions) {
    let [_, rows, columns] = ct.grid().size();
    let stored: Vec<u8> = ct
        .voxels_hu()
        .plane(z)
        .iter()
        .flat_map(|&hu| stored_value(hu, options).to_le_bytes())
        .collect();
    attributes
        .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .u16(tags::SAMPLES_PER_PIXEL, 1)
        .u16(tags::ROWS, rows as u16)
        .u16(tags::COLUMNS, columns as u16)
        .u16(tags::BITS_ALLOCATED, 16)
        .u16(tags::BITS_STORED, options.bits_stored)
        .u16(tags::HIGH_BIT, options.bits_stored - 1)
        .u16(tags::PIXEL_REPRESENTATION, options.is_signed.into())
        .text(tags::RESCALE_INTERCEPT, &decimals(&[options.intercept]))
        .text(tags::RESCALE_SLOPE, &decimals(&[options.slope]))
        .text(tags::RESCALE_TYPE, "HU")
        .bytes(tags::PIXEL_DATA, *b"OW", stored);
    if let Some(padding) = options.padding {
        let vr = if options.is_signed { *b"SS" } else { *b"US" };
        let raw = (padding as u16).to_le_bytes().to_vec();
        attributes.bytes(tags::PIXEL_PADDING_VALUE, vr, raw);
    }
}

/// Bits above the stored ones are clear, also of a negative number: PS3.5 §8.1.1 lets them be
/// anything, and a reader must not rely on them.
fn stored_value(hu: f32, options: &SeriesOptions) -> u16 {
    if let Some(padding) = options.padding.filter(|_| hu <= -1024.0) {
        return padding as u16;
    }
    let levels = 1_i32 << options.bits_stored;
    let low = if options.is_signed { -levels / 2 } else { 0 };
    let value = ((f64::from(hu) - options.intercept) / options.slope).round();
    let value = value.clamp(f64::from(low), f64::from(low + levels - 1)) as i32;
    (value & (levels - 1)) as u16
}

/// Decimal strings: at most 16 characters each, as exact as these allow.
fn decimals(numbers: &[f64]) -> String {
    numbers.iter().map(|&number| decimal(number)).collect::<Vec<_>>().join("\\")
}

fn decimal(number: f64) -> String {
    const CHARACTERS_MAX: usize = 16;
    let shortest = number.to_string();
    if shortest.len() <= CHARACTERS_MAX {
        return shortest;
    }
    let rounded = (0..CHARACTERS_MAX).rev().map(|places| format!("{number:.places$}"));
    rounded
        .into_iter()
        .find(|text| text.len() <= CHARACTERS_MAX)
        .unwrap_or_else(|| format!("{number:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_fit_in_sixteen_characters() {
        assert_eq!(decimal(0.5), "0.5");
        assert_eq!(decimal(-123.540_456_912_345_67), "-123.54045691235");
        assert_eq!(decimal(-0.317_304_656_405_092), "-0.3173046564051");
        assert_eq!(decimal(1.0 / 3.0), "0.33333333333333");
        for number in [1e-7_f64.sqrt(), -1_234.567_890_123_456, 1e-300, -1.0 / 3.0e-5] {
            assert!(decimal(number).len() <= 16, "{}", decimal(number));
        }
    }

    #[test]
    fn an_identifier_is_a_number_under_2_25() {
        // The first 16 bytes of the SHA-256 of the empty input, as a number (Python's int).
        assert_eq!(uid_from(""), "2.25.302652579918965577886386472538583578916");
    }

    #[test]
    fn negative_numbers_keep_their_unused_bits_clear() {
        let options = SeriesOptions { is_signed: true, intercept: 0.0, ..Default::default() };

        assert_eq!(stored_value(-1.0, &options), 0x0FFF);
        assert_eq!(stored_value(-3000.0, &options), 0x0800);
        let padded = SeriesOptions { padding: Some(-2000), bits_stored: 16, ..options };
        assert_eq!(stored_value(-1024.0, &padded), 63536);
    }
}
