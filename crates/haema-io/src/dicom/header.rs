//! What the header of one image says, as far as reading a CT needs it.

use haema_volume::Vec3;

use super::object::Object;
use super::pixels::PixelFormat;
use super::syntax::Syntax;
use super::tags;
use super::values::DataSet;
use crate::identity::Identity;
use crate::limits::FRAMES_MAX;
use crate::phi::{FreeText, Uid};

/// One DICOM object: an image, or several frames of it.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub syntax: Syntax,
    pub study: Uid,
    pub series: Uid,
    pub instance: Uid,
    pub frame_of_reference: Uid,
    pub modality: String,
    pub image_type: Vec<String>,
    /// Absent where the object has no pixels.
    pub pixels: Option<PixelFormat>,
    pub has_modality_lut: bool,
    pub series_description: FreeText,
    pub contrast: Option<Contrast>,
    pub tilt_deg: Option<f64>,
    pub is_lossy: bool,
    /// Values that tell two images at one place apart, in the order in which they are tried.
    pub telltales: [Option<String>; TELLTALES],
    pub frames: Vec<Frame>,
    pub identity: Identity,
}

/// How many attributes tell images at one place apart: see [`Header::telltales`].
pub(crate) const TELLTALES: usize = 7;

/// What the header says of contrast medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contrast {
    /// An agent is named.
    Agent,
    /// The agent's name says that there was none.
    DeniedByName,
}

/// One frame: where it lies and what its numbers mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Frame {
    pub position_lps_mm: Option<Vec3>,
    /// Direction of a row, then of a column.
    pub orientation_lps: Option<[f64; 6]>,
    /// Between rows, then between columns.
    pub spacing_mm: Option<[f64; 2]>,
    pub thickness_mm: Option<f64>,
    pub slope: Option<f64>,
    pub intercept: Option<f64>,
    pub rescale_type: Option<String>,
    pub kernel: Option<String>,
    /// _Frame Type_ or _Image Type_ from its fourth value on.
    pub type_details: Vec<String>,
    /// _Frame Acquisition Number_ and _Temporal Position Index_ of an enhanced object.
    pub pass: [Option<usize>; 2],
}

impl Header {
    /// Collects what an object says. Missing attributes stay missing: what they mean is decided
    /// where the series is judged.
    pub(crate) fn from_object(object: &Object) -> Self {
        let data = object.data_set();
        let uid = |tag| Uid::new(data.text(tag).unwrap_or_default());
        let pixel_bytes = object.pixel_bytes();
        let image_type = data.texts(tags::IMAGE_TYPE);
        let telltales = [
            tags::SERIES_NUMBER,
            tags::KVP,
            tags::FILTER_TYPE,
            tags::ACQUISITION_NUMBER,
            tags::ACQUISITION_DATE_TIME,
            tags::ACQUISITION_TIME,
            tags::SERIES_DESCRIPTION,
        ];
        Self {
            syntax: object.syntax,
            study: uid(tags::STUDY_INSTANCE_UID),
            series: uid(tags::SERIES_INSTANCE_UID),
            instance: uid(tags::SOP_INSTANCE_UID),
            frame_of_reference: uid(tags::FRAME_OF_REFERENCE_UID),
            modality: data.text(tags::MODALITY).unwrap_or_default().to_uppercase(),
            pixels: pixel_bytes.map(|bytes| PixelFormat::from_data_set(&data, bytes)),
            has_modality_lut: data.has(tags::MODALITY_LUT_SEQUENCE),
            series_description: FreeText::new(
                &data.text(tags::SERIES_DESCRIPTION).unwrap_or_default(),
            ),
            contrast: contrast(&data),
            tilt_deg: data.number(tags::GANTRY_DETECTOR_TILT),
            is_lossy: data.text(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01"),
            telltales: telltales.map(|tag| data.text(tag)),
            frames: frames(&data, &image_type),
            identity: identity(&data),
            image_type,
        }
    }
}

fn identity(data: &DataSet<'_>) -> Identity {
    let text = |tag| data.text(tag);
    Identity::of(
        text(tags::PATIENT_ID).as_deref(),
        text(tags::PATIENT_NAME).as_deref(),
        text(tags::PATIENT_BIRTH_DATE).as_deref(),
        &[
            (text(tags::ACQUISITION_DATE_TIME), None),
            (text(tags::ACQUISITION_DATE), text(tags::ACQUISITION_TIME)),
            (text(tags::CONTENT_DATE), text(tags::CONTENT_TIME)),
            (text(tags::SERIES_DATE), text(tags::SERIES_TIME)),
            (text(tags::STUDY_DATE), text(tags::STUDY_TIME)),
        ],
    )
}

fn contrast(data: &DataSet<'_>) -> Option<Contrast> {
    if data.first_item(tags::CONTRAST_BOLUS_AGENT_SEQUENCE).is_some() {
        return Some(Contrast::Agent);
    }
    let agent = data.text(tags::CONTRAST_BOLUS_AGENT)?.to_uppercase();
    let words: Vec<&str> = agent.split(|c: char| !c.is_alphanumeric()).collect();
    let denies = ["NO", "NONE", "NON", "WITHOUT", "NATIVE", "OHNE", "SANS", "SIN", "0"];
    let is_denied = words.iter().any(|word| denies.contains(word)) || agent.contains("W/O");
    Some(if is_denied { Contrast::DeniedByName } else { Contrast::Agent })
}

/// One frame for an ordinary image; for an enhanced one, each frame's own functional groups with
/// the shared ones behind them.
fn frames(data: &DataSet<'_>, image_type: &[String]) -> Vec<Frame> {
    let shared = data.first_item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let mut base = plain_frame(data);
    base.type_details = image_type.get(3..).unwrap_or_default().to_vec();
    if let Some(shared) = &shared {
        base = with_functional_groups(base, shared);
    }
    let own: Vec<Frame> = data
        .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        .take(FRAMES_MAX)
        .map(|groups| with_functional_groups(base.clone(), &groups))
        .collect();
    if own.is_empty() { vec![base] } else { own }
}

fn plain_frame(data: &DataSet<'_>) -> Frame {
    Frame {
        position_lps_mm: data.vector(tags::IMAGE_POSITION_PATIENT),
        orientation_lps: data.vector(tags::IMAGE_ORIENTATION_PATIENT),
        spacing_mm: data.vector(tags::PIXEL_SPACING),
        thickness_mm: thickness_mm(data),
        slope: data.number(tags::RESCALE_SLOPE),
        intercept: data.number(tags::RESCALE_INTERCEPT),
        rescale_type: data.text(tags::RESCALE_TYPE),
        kernel: data.text(tags::CONVOLUTION_KERNEL),
        type_details: Vec::new(),
        pass: [None; 2],
    }
}

fn with_functional_groups(base: Frame, groups: &DataSet<'_>) -> Frame {
    let mut frame = base;
    let set = |sequence, fill: &mut dyn FnMut(DataSet<'_>)| {
        if let Some(item) = groups.first_item(sequence) {
            fill(item);
        }
    };
    set(tags::PLANE_POSITION_SEQUENCE, &mut |item| {
        replace(&mut frame.position_lps_mm, item.vector(tags::IMAGE_POSITION_PATIENT));
    });
    set(tags::PLANE_ORIENTATION_SEQUENCE, &mut |item| {
        replace(&mut frame.orientation_lps, item.vector(tags::IMAGE_ORIENTATION_PATIENT));
    });
    set(tags::PIXEL_MEASURES_SEQUENCE, &mut |item| {
        replace(&mut frame.spacing_mm, item.vector(tags::PIXEL_SPACING));
        replace(&mut frame.thickness_mm, thickness_mm(&item));
    });
    set(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, &mut |item| {
        replace(&mut frame.slope, item.number(tags::RESCALE_SLOPE));
        replace(&mut frame.intercept, item.number(tags::RESCALE_INTERCEPT));
        replace(&mut frame.rescale_type, item.text(tags::RESCALE_TYPE));
    });
    set(tags::CT_RECONSTRUCTION_SEQUENCE, &mut |item| {
        replace(&mut frame.kernel, item.text(tags::CONVOLUTION_KERNEL));
    });
    set(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, &mut |item| {
        frame.type_details = item.texts(tags::FRAME_TYPE).get(2..).unwrap_or_default().to_vec();
    });
    set(tags::FRAME_CONTENT_SEQUENCE, &mut |item| {
        replace(&mut frame.pass[0], item.count(tags::FRAME_ACQUISITION_NUMBER));
        replace(&mut frame.pass[1], item.count(tags::TEMPORAL_POSITION_INDEX));
    });
    frame
}

/// A thickness of 0 is what some writers put where they know none.
fn thickness_mm(data: &DataSet<'_>) -> Option<f64> {
    data.number(tags::SLICE_THICKNESS).filter(|&mm| mm > 0.0)
}

fn replace<T>(value: &mut Option<T>, found: Option<T>) {
    if found.is_some() {
        *value = found;
    }
}
