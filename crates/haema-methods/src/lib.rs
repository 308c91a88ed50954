//! Methods of segmentation: how a scan becomes a network's input, and how the answer comes back.

mod calibration;
pub mod cnn_ds;
mod curvature_flow;
pub mod frame;
#[cfg(test)]
mod generator;
mod grey_square;
mod keras;
mod mask_rule;
mod method;
mod model;
pub mod pitchperfect;
mod recipe;
pub mod unet;
mod view;

pub use calibration::{CALIBRATION_SCHEMA, Calibration, LeftOut};
pub use curvature_flow::CurvatureFlow;
pub use grey_square::Square;
pub use keras::KerasError;
pub use mask_rule::{MaskRule, MaskRuleError};
pub use method::Method;
pub use model::{BUILT_IN_VOLUME_ERRORS, Model, ModelError, Predicted, Prepared, SegmentError};
pub use recipe::{Intensity, Recipe};
pub use view::{Tile, View};
