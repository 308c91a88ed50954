//! `PItcHPERFeCT`: a forest over 20 predictors of each voxel, after Muschelli et al. 2017.
//!
//! ```text
//! scan → on the template → skull stripped → candidates → 20 predictors → forest → mean of 27 → cutoff
//!      → parts of 100 mm³ and more → the scan's own grid
//! ```
//!
//! What differs from the published pipeline, and why, is told in `docs/adr/0016`.

mod classes;
mod file;
mod forest;
mod head;
mod learn;
mod logistic;
mod model;
mod normal;
mod predictors;
mod smooth;
#[cfg(test)]
mod tests;

pub use file::PitchperfectError;
pub use forest::Growth;
pub use learn::{Gathering, LearnError};
pub use model::{Found, Learner, Pitchperfect, Settings};
