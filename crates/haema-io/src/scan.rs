//! What reading gives: a scan, and how it came to be.

use haema_volume::CtVolume;

use crate::Identity;

/// A scan that was read, with everything a report must say about its origin.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Hounsfield units on the scan's own grid.
    pub ct: CtVolume,
    /// Where they came from.
    pub provenance: Provenance,
}

/// In which form the scan came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// DICOM: a folder, a zip, single files or a multi-frame object.
    Dicom,
    /// NIfTI-1 or NIfTI-2.
    Nifti,
    /// NRRD.
    Nrrd,
    /// `MetaImage`.
    MetaImage,
    /// Made by haema itself.
    Simulated,
}

/// What was read, what was chosen and what is doubtful. Holds no identifier of a person.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// In which form the scan came.
    pub kind: InputKind,
    /// Name for folders and tables: the file's name without its endings; for DICOM a short
    /// pseudonym made from the series' identifiers, which cannot be turned back.
    pub case_id: String,
    /// How many files make up the scan.
    pub file_count: usize,
    /// SHA-256 of the voxels as they were stored and of their geometry, hexadecimal: the same scan
    /// gives the same sum wherever it lies.
    pub sha256: String,
    /// Every series found, taken or left, each with its reason. One entry for a single file.
    pub series: Vec<SeriesReport>,
    /// What a reader of the result must know, in plain words.
    pub warnings: Vec<String>,
    /// Where slices are missing from the stack. Slices beside such a gap stand for it, so part of a
    /// volume measured there was never seen: [`MissingSlices::unseen_mm`] says how much.
    pub missing_slices: Vec<MissingSlices>,
    /// _Gantry/Detector Tilt_ (0018,1120), where the header has one. Only reported: the tilt that
    /// counts is [`haema_volume::Grid::tilt_deg`].
    pub header_tilt_deg: Option<f64>,
    /// Whose scan it is and when it was made: to compare two scans by.
    pub identity: Identity,
}

/// A gap in the stack that is a whole number of steps wide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MissingSlices {
    /// Index of the slice below the gap; the one above it is the next.
    pub after: usize,
    /// How many slices would fill it.
    pub count: usize,
    /// Its width across the slices, mm.
    pub gap_mm: f64,
    /// The ordinary step beside it, mm.
    pub pitch_mm: f64,
}

impl MissingSlices {
    /// How much of the gap no slice has seen, mm. Half of it is counted with the slice below and
    /// half with the slice above, as [`haema_volume::Grid::slice_thickness_mm`] has it: with areas
    /// `a` and `b` of a region in these slices, `unseen_mm · (a + b) / 2` of its volume is bridged.
    pub fn unseen_mm(&self) -> f64 {
        self.gap_mm - self.pitch_mm
    }
}

/// One series of a folder, and why it was taken or left.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesReport {
    /// Short pseudonym of the series.
    pub series_id: String,
    /// What it is, without names: modality, image type, size, kernel, thickness.
    pub description: String,
    /// Number of images.
    pub image_count: usize,
    /// Whether the scan was made from it.
    pub is_taken: bool,
    /// Why it was taken or left, in plain words.
    pub reason: String,
}
