//! Which phantoms are scanned how: a designed plan.
//!
//! The full product of all factors would be over a million scans. The plan has 171, and holds:
//!
//! | factor | levels | met by |
//! |---|---|---|
//! | shape | 6 | every other factor of this table but the order of axes |
//! | slice thickness | 0.5, 1, 2.5, 5, 10 mm | every shape |
//! | pixel | 0.4, 0.5, 0.6 mm | every shape |
//! | tilt | 0, 10, 20, 30°, both ways | every shape |
//! | spacing | even; two thicknesses; a lost slice | every shape |
//! | file | DICOM, NIfTI; NRRD or MetaImage | every shape |
//! | stored as | 12 and 16 bit, signed and unsigned, intercept 0 and −1024 | three shapes or more each |
//! | order of axes | all 48 | one marked ball, in DICOM and in NIfTI |
//!
//! These are held by tests. Combinations beyond two factors are met as they come.

use haema_sim::phantom::{Phantom, Protocol, Shape, Slicing};
use haema_volume::{Orientation, Vec3};
use serde::Serialize;

/// What a line is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Volumes of every shape.
    Volume,
    /// Place, side, order of axes, and whether tilt, uneven steps and lost slices are named.
    Geometry,
}

/// One scan of the plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) part: Part,
    pub(super) content: Content,
    pub(super) protocol: Protocol,
    /// Slices that are not written, counted from 0 at the bottom.
    pub(super) lost: Vec<usize>,
    pub(super) file: FileForm,
    /// In which order voxels are stored; `LPS` is what scanners do.
    pub(super) orientation: Orientation,
}

/// What is scanned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Content {
    Shape(Shape, f64),
    Marker { centre_lps_mm: Vec3, radius_mm: f64 },
}

impl Content {
    pub(super) fn phantom(self) -> Phantom {
        match self {
            Self::Shape(shape, scale) => Phantom::of(shape, scale),
            Self::Marker { centre_lps_mm, radius_mm } => Phantom::marker(centre_lps_mm, radius_mm),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shape(shape, _) => shape.name(),
            Self::Marker { .. } => "ball",
        }
    }
}

/// How numbers are stored in DICOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) bits: u16,
    pub(super) is_signed: bool,
    pub(super) intercept: i16,
}

/// In which files a scan is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FileForm {
    Dicom(Storage),
    /// Hounsfield units as they are.
    NiftiI16,
    /// Unsigned, 1024 too high, with the intercept that says so, packed.
    NiftiU16Shifted,
    NiftiF32,
    Nrrd,
    MetaImage,
}

const PIXELS_MM: [f64; 3] = [0.4, 0.5, 0.6];
const SLICES_MM: [f64; 5] = [0.5, 1.0, 2.5, 5.0, 10.0];
const TILTS_DEG: [f64; 4] = [0.0, 10.0, 20.0, 30.0];
const SCALES: [f64; 3] = [1.0, 0.6, 0.35];
const UNEVEN_MM: [[f64; 2]; 6] =
    [[0.5, 1.0], [1.0, 2.5], [2.5, 5.0], [5.0, 10.0], [0.5, 2.5], [2.5, 7.5]];
/// Thickness of the stacks that lose a slice.
const LOSSY_MM: [f64; 6] = [0.5, 1.0, 2.5, 5.0, 1.0, 2.5];
const NIFTI: [FileForm; 3] = [FileForm::NiftiI16, FileForm::NiftiU16Shifted, FileForm::NiftiF32];
/// Side of the field, and what the slices cover: every shape fits in, however it is tilted.
const FIELD_MM: f64 = 72.0;

/// What most scanners write.
const USUAL: Storage = Storage { bits: 12, is_signed: false, intercept: -1024 };

fn storages() -> [Storage; 8] {
    std::array::from_fn(|i| Storage {
        bits: if i & 1 == 0 { 12 } else { 16 },
        is_signed: i & 2 != 0,
        intercept: if i & 4 == 0 { -1024 } else { 0 },
    })
}

/// The usual order of an axial scan.
pub(super) fn axial() -> Orientation {
    let found = Orientation::all().into_iter().find(|known| known.to_string() == "LPS");
    found.expect("LPS is one of the 48")
}

/// The plan.
pub(super) fn cases() -> Vec<Case> {
    let volumes = [thickness_cases(), spacing_cases(), file_cases()].concat();
    let geometry = [order_cases(), named_cases()].concat();
    let number = |prefix: char| {
        move |(i, case): (usize, Case)| Case { id: format!("{prefix}{:02}", i + 1), ..case }
    };
    let volumes = volumes.into_iter().enumerate().map(number('v'));
    volumes.chain(geometry.into_iter().enumerate().map(number('g'))).collect()
}

fn shape_case(shape: Shape, scale: f64, protocol: Protocol, file: FileForm) -> Case {
    Case {
        id: String::new(),
        part: Part::Volume,
        content: Content::Shape(shape, scale),
        protocol,
        lost: Vec::new(),
        file,
        orientation: axial(),
    }
}

fn protocol(pixel_mm: f64, slicing: Slicing, tilt_deg: f64) -> Protocol {
    let pixels = (FIELD_MM / pixel_mm).round() as usize;
    Protocol { slice_size: [pixels; 2], pixel_mm, slicing, cover_mm: FIELD_MM, tilt_deg }
}

/// Every shape in every thickness.
fn thickness_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (s, shape) in Shape::ALL.into_iter().enumerate() {
        for (t, slice_mm) in SLICES_MM.into_iter().enumerate() {
            let sign = if (s + t) % 2 == 0 { 1.0 } else { -1.0 };
            let tilt_deg = sign * TILTS_DEG[(s + t) % 4];
            let slicing = Slicing::Even { slice_mm };
            let storage = storages()[(3 * s + t) % 8];
            let scan = protocol(PIXELS_MM[(s + 2 * t) % 3], slicing, tilt_deg);
            let scale = SCALES[(s + t + t / 3) % 3];
            cases.push(shape_case(shape, scale, scan, FileForm::Dicom(storage)));
        }
    }
    cases
}

/// Every shape in a stack of two thicknesses, and in one that lost a slice.
fn spacing_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (s, shape) in Shape::ALL.into_iter().enumerate() {
        let [below_mm, above_mm] = UNEVEN_MM[s];
        let slicing = Slicing::Uneven { below_mm, above_mm };
        let scan = protocol(PIXELS_MM[s % 3], slicing, TILTS_DEG[(s + 1) % 4]);
        cases.push(shape_case(shape, 1.0, scan, FileForm::Dicom(storages()[s])));
    }
    for (s, shape) in Shape::ALL.into_iter().enumerate() {
        let slice_mm = LOSSY_MM[s];
        let scan = protocol(PIXELS_MM[(s + 1) % 3], Slicing::Even { slice_mm }, TILTS_DEG[s % 4]);
        // About 7 mm above the middle: through every shape, and not at its widest.
        let middle = (0.5 * FIELD_MM / slice_mm).ceil() as usize;
        let lost = vec![middle + (7.0 / slice_mm) as usize];
        let case = shape_case(shape, 1.0, scan, FileForm::Dicom(storages()[7 - s]));
        cases.push(Case { lost, ..case });
    }
    cases
}

/// Every shape in the other formats. `MetaImage` and NRRD have no tilt: ITK refuses a sheared one.
fn file_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (s, shape) in Shape::ALL.into_iter().enumerate() {
        for k in 0..2 {
            let slicing = Slicing::Even { slice_mm: SLICES_MM[(s + 2 * k) % 5] };
            let scan = protocol(PIXELS_MM[(s + k) % 3], slicing, TILTS_DEG[(s + 2 * k) % 4]);
            cases.push(shape_case(shape, SCALES[(s + k) % 2], scan, NIFTI[(s + k) % 3]));
        }
        let slicing = Slicing::Even { slice_mm: SLICES_MM[(s + 1) % 5] };
        let file = if s % 2 == 0 { FileForm::Nrrd } else { FileForm::MetaImage };
        cases.push(shape_case(shape, 1.0, protocol(PIXELS_MM[s % 3], slicing, 0.0), file));
    }
    cases
}

/// To the left, to the front, and above the middle, each by another distance.
const MARKER: Content = Content::Marker { centre_lps_mm: [3.3, -4.1, 6.2], radius_mm: 6.0 };

fn marker_case(protocol: Protocol, file: FileForm) -> Case {
    let content = MARKER;
    Case { part: Part::Geometry, content, ..shape_case(Shape::Sphere, 1.0, protocol, file) }
}

/// All 48 orders of axes, in DICOM and in NIfTI, in a small field whose sides all differ.
fn order_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for orientation in Orientation::all() {
        for file in [FileForm::Dicom(USUAL), FileForm::NiftiI16] {
            let protocol = Protocol {
                slice_size: [48, 44],
                pixel_mm: 0.6,
                slicing: Slicing::Even { slice_mm: 2.5 },
                cover_mm: 40.0,
                tilt_deg: 0.0,
            };
            cases.push(Case { orientation, ..marker_case(protocol, file) });
        }
    }
    cases
}

/// What must be named: tilt, two thicknesses, lost slices.
fn named_cases() -> Vec<Case> {
    let usual = FileForm::Dicom(USUAL);
    let even = |slice_mm| Slicing::Even { slice_mm };
    let uneven = |below_mm, above_mm| Slicing::Uneven { below_mm, above_mm };
    let mut cases = Vec::new();
    for tilt_deg in [-30.0, -12.5, 4.0, 18.5, 30.0] {
        cases.push(marker_case(protocol(0.6, even(2.5), tilt_deg), usual));
        cases.push(marker_case(protocol(0.6, even(2.5), tilt_deg), FileForm::NiftiI16));
    }
    for (slicing, tilt_deg) in [(uneven(2.5, 5.0), 0.0), (uneven(4.0, 7.0), 18.5)] {
        cases.push(marker_case(protocol(0.6, slicing, tilt_deg), usual));
    }
    // In the ball, beside the lowest slice, and two at once.
    for lost in [vec![17], vec![1], vec![16, 17]] {
        cases.push(Case { lost, ..marker_case(protocol(0.6, even(2.5), 0.0), usual) });
    }
    cases
}
