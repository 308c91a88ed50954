//! The attributes that reading a CT needs, with the standard's names and value representations.

use std::fmt;

/// Group and element number of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16, pub u16);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(group, element) = self;
        if let Some(entry) = entry(*self) {
            write!(f, "{} ", entry.name)?;
        }
        write!(f, "({group:04X},{element:04X})")
    }
}

/// A value representation: two letters, as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vr(pub [u8; 2]);

impl Vr {
    /// Unknown: what an implicit file or a forwarding archive gives.
    pub(crate) const UN: Self = Self(*b"UN");
    /// Sequence.
    pub(crate) const SQ: Self = Self(*b"SQ");

    /// Whether an explicit header spends four bytes on the length (PS3.5 §7.1.2).
    pub(crate) fn has_long_length(self) -> bool {
        matches!(
            &self.0,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        )
    }

    /// Whether these bytes can be a value representation at all.
    pub(crate) fn is_plausible(self) -> bool {
        self.0.iter().all(u8::is_ascii_uppercase)
    }
}

struct Entry {
    tag: Tag,
    vr: Vr,
    name: &'static str,
}

macro_rules! attributes {
    ($($constant:ident = ($group:literal, $element:literal) $vr:ident $name:literal;)*) => {
        $(
            #[doc = concat!("_", $name, "_.")]
            pub const $constant: Tag = Tag($group, $element);
        )*

        /// Sorted by tag, which a test checks.
        const DICTIONARY: &[Entry] = &[
            $(Entry { tag: $constant, vr: Vr(vr_bytes(stringify!($vr))), name: $name },)*
        ];
    };
}

const fn vr_bytes(name: &str) -> [u8; 2] {
    [name.as_bytes()[0], name.as_bytes()[1]]
}

attributes! {
    FILE_META_GROUP_LENGTH = (0x0002, 0x0000) UL "File Meta Information Group Length";
    FILE_META_VERSION = (0x0002, 0x0001) OB "File Meta Information Version";
    MEDIA_STORAGE_SOP_CLASS_UID = (0x0002, 0x0002) UI "Media Storage SOP Class UID";
    MEDIA_STORAGE_SOP_INSTANCE_UID = (0x0002, 0x0003) UI "Media Storage SOP Instance UID";
    TRANSFER_SYNTAX_UID = (0x0002, 0x0010) UI "Transfer Syntax UID";
    IMPLEMENTATION_CLASS_UID = (0x0002, 0x0012) UI "Implementation Class UID";
    IMAGE_TYPE = (0x0008, 0x0008) CS "Image Type";
    SOP_CLASS_UID = (0x0008, 0x0016) UI "SOP Class UID";
    SOP_INSTANCE_UID = (0x0008, 0x0018) UI "SOP Instance UID";
    STUDY_DATE = (0x0008, 0x0020) DA "Study Date";
    SERIES_DATE = (0x0008, 0x0021) DA "Series Date";
    ACQUISITION_DATE = (0x0008, 0x0022) DA "Acquisition Date";
    CONTENT_DATE = (0x0008, 0x0023) DA "Content Date";
    ACQUISITION_DATE_TIME = (0x0008, 0x002A) DT "Acquisition DateTime";
    STUDY_TIME = (0x0008, 0x0030) TM "Study Time";
    SERIES_TIME = (0x0008, 0x0031) TM "Series Time";
    ACQUISITION_TIME = (0x0008, 0x0032) TM "Acquisition Time";
    CONTENT_TIME = (0x0008, 0x0033) TM "Content Time";
    ACCESSION_NUMBER = (0x0008, 0x0050) SH "Accession Number";
    MODALITY = (0x0008, 0x0060) CS "Modality";
    MANUFACTURER = (0x0008, 0x0070) LO "Manufacturer";
    REFERRING_PHYSICIAN_NAME = (0x0008, 0x0090) PN "Referring Physician's Name";
    SERIES_DESCRIPTION = (0x0008, 0x103E) LO "Series Description";
    FRAME_TYPE = (0x0008, 0x9007) CS "Frame Type";
    PATIENT_NAME = (0x0010, 0x0010) PN "Patient's Name";
    PATIENT_ID = (0x0010, 0x0020) LO "Patient ID";
    PATIENT_BIRTH_DATE = (0x0010, 0x0030) DA "Patient's Birth Date";
    PATIENT_SEX = (0x0010, 0x0040) CS "Patient's Sex";
    CONTRAST_BOLUS_AGENT = (0x0018, 0x0010) LO "Contrast/Bolus Agent";
    CONTRAST_BOLUS_AGENT_SEQUENCE = (0x0018, 0x0012) SQ "Contrast/Bolus Agent Sequence";
    BODY_PART_EXAMINED = (0x0018, 0x0015) CS "Body Part Examined";
    SLICE_THICKNESS = (0x0018, 0x0050) DS "Slice Thickness";
    KVP = (0x0018, 0x0060) DS "KVP";
    GANTRY_DETECTOR_TILT = (0x0018, 0x1120) DS "Gantry/Detector Tilt";
    FILTER_TYPE = (0x0018, 0x1160) SH "Filter Type";
    CONVOLUTION_KERNEL = (0x0018, 0x1210) SH "Convolution Kernel";
    PATIENT_POSITION = (0x0018, 0x5100) CS "Patient Position";
    CT_RECONSTRUCTION_SEQUENCE = (0x0018, 0x9314) SQ "CT Reconstruction Sequence";
    CT_IMAGE_FRAME_TYPE_SEQUENCE = (0x0018, 0x9329) SQ "CT Image Frame Type Sequence";
    STUDY_INSTANCE_UID = (0x0020, 0x000D) UI "Study Instance UID";
    SERIES_INSTANCE_UID = (0x0020, 0x000E) UI "Series Instance UID";
    STUDY_ID = (0x0020, 0x0010) SH "Study ID";
    SERIES_NUMBER = (0x0020, 0x0011) IS "Series Number";
    ACQUISITION_NUMBER = (0x0020, 0x0012) IS "Acquisition Number";
    INSTANCE_NUMBER = (0x0020, 0x0013) IS "Instance Number";
    IMAGE_POSITION_PATIENT = (0x0020, 0x0032) DS "Image Position (Patient)";
    IMAGE_ORIENTATION_PATIENT = (0x0020, 0x0037) DS "Image Orientation (Patient)";
    FRAME_OF_REFERENCE_UID = (0x0020, 0x0052) UI "Frame of Reference UID";
    POSITION_REFERENCE_INDICATOR = (0x0020, 0x1040) LO "Position Reference Indicator";
    FRAME_CONTENT_SEQUENCE = (0x0020, 0x9111) SQ "Frame Content Sequence";
    PLANE_POSITION_SEQUENCE = (0x0020, 0x9113) SQ "Plane Position Sequence";
    PLANE_ORIENTATION_SEQUENCE = (0x0020, 0x9116) SQ "Plane Orientation Sequence";
    TEMPORAL_POSITION_INDEX = (0x0020, 0x9128) UL "Temporal Position Index";
    FRAME_ACQUISITION_NUMBER = (0x0020, 0x9156) US "Frame Acquisition Number";
    SAMPLES_PER_PIXEL = (0x0028, 0x0002) US "Samples per Pixel";
    PHOTOMETRIC_INTERPRETATION = (0x0028, 0x0004) CS "Photometric Interpretation";
    NUMBER_OF_FRAMES = (0x0028, 0x0008) IS "Number of Frames";
    ROWS = (0x0028, 0x0010) US "Rows";
    COLUMNS = (0x0028, 0x0011) US "Columns";
    PIXEL_SPACING = (0x0028, 0x0030) DS "Pixel Spacing";
    BITS_ALLOCATED = (0x0028, 0x0100) US "Bits Allocated";
    BITS_STORED = (0x0028, 0x0101) US "Bits Stored";
    HIGH_BIT = (0x0028, 0x0102) US "High Bit";
    PIXEL_REPRESENTATION = (0x0028, 0x0103) US "Pixel Representation";
    PIXEL_PADDING_VALUE = (0x0028, 0x0120) US "Pixel Padding Value";
    PIXEL_PADDING_RANGE_LIMIT = (0x0028, 0x0121) US "Pixel Padding Range Limit";
    RESCALE_INTERCEPT = (0x0028, 0x1052) DS "Rescale Intercept";
    RESCALE_SLOPE = (0x0028, 0x1053) DS "Rescale Slope";
    RESCALE_TYPE = (0x0028, 0x1054) LO "Rescale Type";
    LOSSY_IMAGE_COMPRESSION = (0x0028, 0x2110) CS "Lossy Image Compression";
    MODALITY_LUT_SEQUENCE = (0x0028, 0x3000) SQ "Modality LUT Sequence";
    PIXEL_MEASURES_SEQUENCE = (0x0028, 0x9110) SQ "Pixel Measures Sequence";
    PIXEL_VALUE_TRANSFORMATION_SEQUENCE =
        (0x0028, 0x9145) SQ "Pixel Value Transformation Sequence";
    SHARED_FUNCTIONAL_GROUPS_SEQUENCE = (0x5200, 0x9229) SQ "Shared Functional Groups Sequence";
    PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE =
        (0x5200, 0x9230) SQ "Per-Frame Functional Groups Sequence";
    EXTENDED_OFFSET_TABLE = (0x7FE0, 0x0001) OV "Extended Offset Table";
    PIXEL_DATA = (0x7FE0, 0x0010) OW "Pixel Data";
    ITEM = (0xFFFE, 0xE000) UN "Item";
    ITEM_DELIMITATION = (0xFFFE, 0xE00D) UN "Item Delimitation Item";
    SEQUENCE_DELIMITATION = (0xFFFE, 0xE0DD) UN "Sequence Delimitation Item";
}

fn entry(tag: Tag) -> Option<&'static Entry> {
    let at = DICTIONARY.binary_search_by_key(&tag, |entry| entry.tag).ok()?;
    Some(&DICTIONARY[at])
}

/// The value representation that the standard gives to an attribute; `None` where it is not one
/// that we read.
pub(crate) fn dictionary_vr(tag: Tag) -> Option<Vr> {
    entry(tag).map(|entry| entry.vr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_sorted() {
        assert!(DICTIONARY.is_sorted_by_key(|entry| entry.tag));
    }

    #[test]
    fn a_tag_prints_its_name_and_number() {
        assert_eq!(PIXEL_DATA.to_string(), "Pixel Data (7FE0,0010)");
        assert_eq!(Tag(0x0009, 0x10AB).to_string(), "(0009,10AB)");
    }
}
