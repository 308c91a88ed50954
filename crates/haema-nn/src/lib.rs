//! A network as data, and its readers.
//!
//! [`NetSpec`] is written once for each architecture. [`Executor`] runs it fast with planned buffers;
//! [`Trainer`] runs it forward and backward on the same kernels; [`onnx`] writes it down for other
//! engines; [`NetSpec::parameters`] and [`NetSpec::table`] count it. One set of [`Parameters`], stored
//! as safetensors, serves them all. [`Engine`] is the seam for those who run a network elsewhere than
//! on our kernels.
//!
//! **Invariants.** Nothing here knows what a scan is. Results are the same bits for any number of
//! threads. Randomness comes from seeds that are arguments.

mod adam;
mod checkpoint;
mod conv;
mod dropout;
mod engine;
mod executor;
mod logistic;
mod loss;
mod node;
mod node_grad;
mod norm;
pub mod onnx;
mod parallel;
mod params;
mod peak;
mod schedule;
mod spec;
mod step_times;
mod sum_up;
mod tensor;
pub mod tensors;
mod train_plan;
mod trainer;
mod wires;

#[cfg(test)]
mod tests;

pub use adam::{Adam, AdamConfig};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use dropout::DropoutFactors;
pub use engine::{Cpu, Engine, EngineError, Learner, Predictor};
pub use executor::{BlockTime, Executor, InferencePrecision};
pub use haema_kernels::Door;
pub use loss::{Loss, LossValue};
pub use params::{Init, ParamInfo, Parameters, Precision, WeightsError};
pub use peak::Peak;
pub use schedule::{EarlyStop, Plateau};
pub use spec::{
    BlockSpec, ConvSpec, DropoutKind, INPUT, Kernel, LayerRow, NetSpec, NormActSpec, NormMode,
    NormSpec, Op, SpecError, Statistics, Up,
};
pub use step_times::{BlockTimes, StepTimes};
pub use trainer::{DropoutSeed, Trainer, TrainingPrecision};
