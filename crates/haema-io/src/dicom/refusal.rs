//! Why a series is left.

use std::fmt;

use super::error::PixelError;
use super::hounsfield::Rescale;

/// Fewest slices of a head CT.
pub(crate) const SLICES_MIN: usize = 10;

/// Why a series cannot be used, or is not used unless asked for.
#[derive(Debug)]
pub(crate) enum Refusal {
    NotCt { modality: String },
    NoPixels,
    Localizer,
    Colour { photometric: String },
    Bits { allocated: usize, stored: usize },
    Codec { name: &'static str },
    ModalityLut,
    NoRescale,
    OtherUnit { unit: String },
    BadRescale { rescale: Rescale },
    NoPosition { count: usize },
    NoSpacing,
    BadPlane,
    Frames { said: usize, described: usize },
    TooFewSlices { found: usize },
    TooManyVoxels { found: usize, limit: usize },
    Conflict { places: String },
    Derived { word: &'static str },
    Contrast { sign: String },
}

impl Refusal {
    /// Whether it gives way to a user who asks for the series by name.
    pub(crate) fn yields_to_user(&self) -> bool {
        matches!(self, Self::Derived { .. } | Self::Contrast { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCt { modality } if modality.is_empty() => {
                f.write_str("no modality is given: only CT is read")
            }
            Self::NotCt { modality } => write!(f, "modality {modality}: only CT is read"),
            Self::NoPixels => f.write_str("it holds no images"),
            Self::Localizer => f.write_str("a scout view (localizer), not slices"),
            Self::Colour { photometric } => {
                write!(f, "a colour picture ({photometric}): only grey CT numbers are read")
            }
            Self::Bits { allocated, stored } => {
                write!(f, "{allocated} bits a pixel, {stored} in use: up to 16 are read")
            }
            // The sentence of the pixel error, so that both doors say the same.
            Self::Codec { name } => write!(f, "{}", PixelError::Unsupported { name }),
            Self::ModalityLut => f.write_str(
                "its numbers go through a table (Modality LUT Sequence), which is not read: \
                 export it with Rescale Slope and Intercept",
            ),
            Self::NoRescale => f.write_str(
                "no Rescale Slope and Intercept: its numbers are not known to be Hounsfield units",
            ),
            Self::OtherUnit { unit } => {
                write!(f, "its numbers are in {unit} (Rescale Type): wanted Hounsfield units, HU")
            }
            Self::BadRescale { rescale: Rescale { slope, intercept } } => write!(
                f,
                "Rescale Slope {slope} and Intercept {intercept} cannot be a CT's: wanted a slope \
                 in (0, 10] and an intercept within ±10000"
            ),
            Self::NoPosition { count } => write!(
                f,
                "{count} images do not say where they lie (Image Position or Image Orientation \
                 (Patient) is missing): positions are not guessed"
            ),
            Self::NoSpacing => {
                f.write_str("no Pixel Spacing: without millimetres there is no volume")
            }
            Self::BadPlane => f.write_str(
                "Image Orientation (Patient) or Pixel Spacing is not a plane: wanted two unit \
                 vectors at right angles and distances above 0",
            ),
            Self::Frames { said, described } => write!(
                f,
                "the header says {said} frames and describes {described} of them: positions are \
                 not guessed"
            ),
            Self::TooFewSlices { found: 1 } => {
                write!(f, "a single slice: a head CT has at least {SLICES_MIN}")
            }
            Self::TooFewSlices { found } => {
                write!(f, "{found} slices: a head CT has at least {SLICES_MIN}")
            }
            Self::TooManyVoxels { found, limit } => {
                write!(f, "{found} voxels: at most {limit} are read")
            }
            Self::Conflict { places } => write!(
                f,
                "more than one image, with different pixels, lies at {places}, and nothing in the \
                 header tells them apart: export one reconstruction at a time"
            ),
            Self::Derived { word } => write!(
                f,
                "made from other images ({word}), not scanned; ask for it by its name to read it \
                 all the same"
            ),
            Self::Contrast { sign } => {
                write!(f, "contrast medium: {sign}; ask for it by its name to read it all the same")
            }
        }
    }
}
