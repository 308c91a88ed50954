//! Methods of segmentation: how a scan becomes a network's input, and how the answer comes back.

mod calibration;
pub mod cnn_ds;
pub mod frame;
#[cfg(test)]
mod generator;
mod keras;
pub mod unet;

pub use calibration::{CALIBRATION_SCHEMA, Calibration, LeftOut};
pub use keras::KerasError;
