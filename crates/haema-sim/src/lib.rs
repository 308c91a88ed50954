//! Head CT with bleeds of exactly known volume.
//!
//! Bodies have a volume in closed form and are drawn into any [`haema_volume::Grid`] with their exact
//! share of each voxel. [`builtin_head`] is a whole head made of such bodies: the sample for those
//! who have no scan at hand, and a known answer for tests.
//!
//! Random numbers come from seeds alone: the same call gives the same scan, bit for bit.

mod body;
mod head;
pub mod paint;

pub use body::{Body, Ellipsoid, coverage};
pub use head::{HeadOptions, SimulatedHead, SimulationError, builtin_head, simulate_head};
