//! What haema says about a scan: the contents of `report.json`.

mod clinical;
mod gate;

pub use clinical::{AboveGate, Bedside, Clinical, IchScoreImaging, VolumeInterval};
pub(crate) use clinical::{LEAST_IVH_ML, in_brain};
pub use gate::{Check, CheckOutcome, Gate, Verdict};
pub use haema_measure::{
    Compartment, Doubt, Extent, Lesion, Location, Place, Share, Side, SliceRange, Whereabouts,
};
use haema_methods::MaskRule;
use haema_nn::InferencePrecision;
use serde::{Deserialize, Serialize};

use crate::suspicion::is_explained_otherwise;

/// The format of `report.json`. The number grows when a field changes its meaning or goes.
pub const REPORT_SCHEMA: &str = "haema.report/1";

/// Stands in every report.
pub const RESEARCH_USE: &str = "Research software. Not a medical device, and not for clinical \
    decisions without a qualified reader. An empty mask does not exclude a bleed.";

/// Everything that haema found in one scan, and how.
///
/// Lengths are in mm, volumes in mL, triples of sizes and spacings in the order `[z, y, x]`, points
/// in LPS. It holds no name, no path and no identifier of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`REPORT_SCHEMA`] of the version that wrote it.
    pub schema: String,
    /// Name of the case, and of its folder.
    pub case_id: String,
    /// [`RESEARCH_USE`].
    pub research_use: String,
    /// What was read.
    pub input: Input,
    /// The method, such as `cnn-ds`.
    pub method: String,
    /// The weights.
    pub model: Model,
    /// Whether there is a bleed.
    pub hemorrhage: Hemorrhage,
    /// Volume of the mask on the scan's own grid: the area on each slice times the thickness of that
    /// slice.
    pub volume_ml: f64,
    /// Volume on the network's own grid, before anything goes back to the scan: the definition of
    /// Arab et al. 2020.
    pub volume_grid_ml: f64,
    /// Sum of probability times voxel volume, without a threshold.
    pub volume_soft_ml: f64,
    /// Connected parts of the mask, the largest first.
    pub lesions: Vec<Lesion>,
    /// Whether the scan can be trusted.
    pub gate: Gate,
    /// What follows from the mask and is asked for at the bedside.
    pub clinical: Clinical,
    /// How the scan lies on the atlas, from which the lesions' places come.
    pub atlas: AtlasMatch,
    /// Where the time went.
    pub timing_ms: Timing,
    /// What it takes to get the same result again.
    pub receipt: Receipt,
}

impl Report {
    /// Whether something is marked, and something else than a bleed explains every part of it.
    pub fn is_all_doubted(&self) -> bool {
        !self.lesions.is_empty() && self.lesions.iter().all(is_explained_otherwise)
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `dicom`, `nifti`, `nrrd`, `metaimage` or `simulated`.
    pub kind: String,
    /// How many files make up the scan.
    pub files: usize,
    /// Every series found, taken or left, with the reason.
    pub series: Vec<Series>,
    /// Number of voxels along `[z, y, x]` as stored; `z` counts slices.
    pub size: [usize; 3],
    /// Voxel size along `[z, y, x]`; along `z` the median distance between slices.
    pub spacing_mm: [f64; 3],
    /// Place of each slice along the normal of the slices, in the order of the mask's slices.
    pub slice_positions_mm: Vec<f64>,
    /// Stretches of slices at one distance from each other, in order: one entry where the stack is
    /// even.
    pub slice_pitches: Vec<SlicePitch>,
    /// Angle between the way from the first slice to the last and the normal of the slices, 0 to
    /// 90; which way it leans is in the slices' positions. Makers sign their own tag as they like.
    pub gantry_tilt_deg: f64,
    /// What a reader of the result must know.
    pub warnings: Vec<String>,
}

/// One series of the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Pseudonym.
    pub id: String,
    /// What it is.
    pub description: String,
    /// How many images it has.
    pub images: usize,
    /// Whether the scan was made from it.
    pub taken: bool,
    /// Why it was taken or left.
    pub reason: String,
}

/// A stretch of slices at one distance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlicePitch {
    /// Distance from one slice to the next.
    pub pitch_mm: f64,
    /// How many such distances follow each other.
    pub gaps: usize,
}

/// The weights that were used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name of the weights.
    pub name: String,
    /// SHA-256 of the weights, hexadecimal.
    pub sha256: String,
}

/// Whether there is a bleed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hemorrhage {
    /// Whether any voxel belongs to it.
    pub present: bool,
    /// Score of the whole scan in 0..1: the mean of the highest probabilities over 0.2 mL, without parts
    /// that are explained by the falx, the tentorium, the choroid plexus, an edge of bone, a streak or
    /// smooth brightening. It ranks scans; it is not calibrated to be the chance of a bleed.
    pub probability: f64,
    /// The same by the network alone, on its own grid, with every part.
    pub network_score: f64,
    /// The chance of a bleed, where the model is calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
}

/// The chance of a bleed, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    /// The chance, 0 to 1, for scans among which bleeds are as frequent as among those cases.
    pub value: f64,
    /// How many cases it was fitted on.
    pub cases: u64,
    /// How many of them have a bleed.
    pub with_bleed: u64,
}

/// How well a scan matches the atlas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtlasMatch {
    /// Why no place is known, where none is; then the lesions have no `location`.
    pub unknown_because: Option<String>,
    /// Mutual information as a share of what scan and atlas hold, 0 to 1.
    pub shared_information: Option<f64>,
    /// Dice of bone in both.
    pub bone_dice: Option<f64>,
}

impl AtlasMatch {
    pub(crate) fn of(whereabouts: &Result<Whereabouts, String>) -> Self {
        let quality = whereabouts.as_ref().ok().map(Whereabouts::quality);
        Self {
            unknown_because: whereabouts.as_ref().err().cloned(),
            shared_information: quality.map(|quality| round3(quality.shared_information)),
            bone_dice: quality.map(|quality| round3(quality.bone_dice)),
        }
    }
}

/// Where the time went, in milliseconds of the clock on the wall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// From files to Hounsfield units.
    pub read: f64,
    /// From Hounsfield units to the network's input.
    pub preprocess: f64,
    /// The network.
    pub network: f64,
    /// From the network's output to the scan's own grid.
    pub restore: f64,
    /// Threshold, connected parts, volumes.
    pub measure: f64,
    /// Writing masks and pages, up to this report.
    pub write: f64,
    /// All of it.
    pub total: f64,
}

/// What it takes to get the same result again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of haema.
    pub haema_version: String,
    /// SHA-256 of the scan's voxels and geometry, wherever its files lie.
    pub input_sha256: String,
    /// SHA-256 of the weights.
    pub weights_sha256: String,
    /// SHA-256 of the mask's voxels in the order of the scan: two runs that agree on it found the
    /// same bleed.
    pub mask_sha256: String,
    /// What was asked for.
    pub settings: Settings,
    /// Fingerprint of the place of the input, from which the place cannot be read.
    pub source: String,
    /// Fingerprint of the input as it lay there, the settings, the weights and the version: where a
    /// second run finds it again, there is nothing to do.
    pub job: String,
}

/// What was asked for, as far as it changes the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The method, such as `cnn-ds`.
    pub method: String,
    /// A voxel may belong to the bleed above this probability.
    pub threshold: f32,
    /// A part belongs to the bleed where a voxel of it is above this probability.
    pub seed_threshold: f32,
    /// Whether `probability.nii.gz` is written too.
    pub save_probability: bool,
    /// Fingerprint of the series that was asked for by its UID, where one was.
    pub series: Option<String>,
    /// Fingerprint of the table that volume intervals come from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_table: Option<String>,
    /// What the network ran on, where that was not the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// How the network keeps its tensors; not written where in 32 bits.
    #[serde(default, skip_serializing_if = "is_fp32")]
    pub precision: InferencePrecision,
    /// Fingerprint of how the score became a chance, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<String>,
}

impl Settings {
    /// Which voxels belong to the bleed.
    pub fn mask_rule(&self) -> MaskRule {
        MaskRule { threshold: self.threshold, seed_threshold: self.seed_threshold }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_fp32(precision: &InferencePrecision) -> bool {
    *precision == InferencePrecision::Fp32
}

/// Rounds to 3 decimals: a mm³ of volume, a µm of place. More would be noise in a file for people.
pub(crate) fn round3(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
pub(crate) mod tests;
