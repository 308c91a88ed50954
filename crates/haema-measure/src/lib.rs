//! From masks to clinical quantities.
//!
//! Every volume is the sum over slices of area × the thickness of *that* slice, so that uneven stacks
//! and tilted ones are measured as they are.

mod abc2;
mod atlas;
mod compartment;
mod doubts;
mod expansion;
mod extent;
mod gaps;
mod growth;
mod ledger;
mod lesions;
mod midline;
mod ventricles;
mod volume;
mod whereabouts;

use haema_volume::Grid;
use thiserror::Error;

pub use abc2::{ABC2_LEAST_ML, Abc2, Abc2Volumes, Abc2Width, abc2, abc2_total};
pub use atlas::{ATLAS_PITCH_MM, Atlas, Place, Placement, Spot, code_of, grey_code, hu_of_code};
pub use compartment::Compartment;
pub use doubts::{Doubt, DoubtId};
pub use expansion::{ExpansionSign, SIGNS_LEAST_ML, SignId, expansion_signs};
pub use extent::Extent;
pub use gaps::share_beside;
pub use growth::{Definition, Growth, MeasuredVolume};
pub use ledger::{Fate, Kin, kin};
pub use lesions::{Lesion, SliceRange, labelled_lesions, lesions};
pub use midline::MidlineShift;
pub use ventricles::{Chamber, ChamberName, IntraventricularBlood};
pub use volume::{format_about_ml, format_ml, volume_ml, volume_soft_ml};
pub use whereabouts::{Location, Share, Side, Whereabouts};

/// Why something cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The mask is not on the scan's grid.
    #[error("the mask has {found:?} [z, y, x] voxels and the scan {wanted:?}: wanted one grid")]
    SizesDiffer {
        /// Size of the mask.
        found: [usize; 3],
        /// Size of the scan.
        wanted: [usize; 3],
    },
}

fn check_size(found: [usize; 3], grid: &Grid) -> Result<(), MeasureError> {
    let wanted = grid.size();
    if found == wanted { Ok(()) } else { Err(MeasureError::SizesDiffer { found, wanted }) }
}

/// mm³ in a millilitre.
const MM3_PER_ML: f64 = 1000.0;
