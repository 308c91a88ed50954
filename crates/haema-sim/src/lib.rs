//! Head CT with bleeds of exactly known volume.
//!
//! Bodies have a volume in closed form and are drawn into any [`haema_volume::Grid`] with their exact
//! share of each voxel. [`builtin_head`] is a whole head made of such bodies: the sample for those
//! who have no scan at hand, and a known answer for tests. [`phantom`] has bodies in water, scanned as
//! exactly as a computer can, to hold the measurement of volumes to.
//!
//! [`raters`] draws masks as different people would.
//!
//! Random numbers come from seeds alone: the same call gives the same scan, bit for bit.

mod anatomy;
mod body;
mod case;
mod flow;
mod head;
mod lattice;
mod lesion;
mod mimic;
pub mod paint;
mod patient;
pub mod phantom;
pub mod raters;
mod scanner;
mod smooth_noise;

pub use anatomy::{Anatomy, AnatomyError, Tissue};
pub use body::{Body, Ellipsoid, coverage};
pub use case::{
    CaseOptions, SimulatedCase, draw_bleeds, follow_up, grid_around_brain, simulate_case,
    simulate_on_grid,
};
pub use head::{HeadOptions, SimulatedHead, SimulationError, builtin_head, simulate_head};
pub use lesion::{Lesion, Place, Site, Wanted};
pub use mimic::Mimic;
pub use scanner::{Beside, Holder, Object, Protocol};
