//! CNN-DS: the 3D U-Net with deep supervision of Arab et al. 2020.

mod export;
#[cfg(test)]
mod golden;
mod keras;
mod model;
mod network;
#[cfg(test)]
mod tests;

pub use keras::model_from_keras;
pub use model::{BUILT_IN_CALIBRATION, Model, ModelError, Predicted, Prepared, SegmentError};
pub use network::{CnnDs, DeepSupervision, Down, PadMode, Profile, ResidualOrder, UpMode};
