//! Why two scans cannot be compared, and what to do about it.

use haema_io::ImageFileError;
use haema_io::fs::FsError;
use haema_measure::MeasureError;
use haema_methods::cnn_ds::SegmentError as MethodError;
use haema_volume::RegistrationError;
use thiserror::Error;

use crate::input::InputError;
use crate::segment::Refusal;

/// Why two scans cannot be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// One cannot be read.
    #[error("the {which} scan cannot be read: {cause}")]
    Read {
        /// `baseline` or `follow-up`.
        which: &'static str,
        /// Why.
        cause: InputError,
    },
    /// One can be read and cannot be trusted.
    #[error("the {which} scan is refused: {cause}")]
    Refused {
        /// `baseline` or `follow-up`.
        which: &'static str,
        /// Why.
        cause: Refusal,
    },
    /// A mask that was given is not on its scan's grid.
    #[error(
        "the mask of the {which} scan has {found:?} [z, y, x] voxels: wanted {wanted:?}, as its scan"
    )]
    OtherGrid {
        /// `baseline` or `follow-up`.
        which: &'static str,
        /// Size of the mask.
        found: [usize; 3],
        /// Size of the scan.
        wanted: [usize; 3],
    },
    /// The headers name two patients.
    #[error("the headers name two patients (Patient ID, name or date of birth differ)")]
    TwoPatients,
    /// The second scan was made before the first.
    #[error(
        "the follow-up was made {hours_before:.1} h before the baseline, by their headers: wanted the \
         earlier scan first"
    )]
    OrderOfTime {
        /// How much earlier.
        hours_before: f64,
    },
    /// The heads do not lie on each other.
    #[error("{0}; are these two scans of one patient?")]
    NoMatch(#[from] RegistrationError),
    /// The method failed.
    #[error("the method failed: {0}")]
    Method(#[from] MethodError),
    /// The result cannot be measured.
    #[error("the result cannot be measured: {0}")]
    Measure(#[from] MeasureError),
    /// A mask cannot be read, or the result not written.
    #[error(transparent)]
    File(#[from] ImageFileError),
}

impl CompareError {
    /// What the user can do about it, where haema knows.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { cause, .. } => cause.hint(),
            Self::Refused { cause, .. } => Some(cause.hint()),
            Self::TwoPatients => Some(
                "if both are one patient under two pseudonyms, say --any-patient; scans of two heads \
                 are told by their bones all the same",
            ),
            Self::OrderOfTime { .. } => {
                Some("exchange the two, or say the hours with --hours if a clock was wrong")
            }
            _ => None,
        }
    }
}

impl From<FsError> for CompareError {
    fn from(error: FsError) -> Self {
        Self::File(error.into())
    }
}
