//! Methods of segmentation: how a scan becomes a network's input, and how the answer comes back.

pub mod cnn_ds;
pub mod frame;
#[cfg(test)]
mod generator;
mod keras;
pub mod unet;

pub use keras::KerasError;
