//! What computes networks: the seam between those who use one and those who run it.
//!
//! [`Cpu`] is here. An engine on other hardware implements [`Engine`] in a crate of its own, and
//! everything above takes it: the same networks, parameters, losses, optimiser and checkpoints.

use std::fmt::Debug;

use thiserror::Error;

use crate::executor::{Executor, InferencePrecision};
use crate::params::Parameters;
use crate::spec::{NetSpec, SpecError};
use crate::trainer::{DropoutSeed, Trainer, TrainingPrecision};

/// Runs networks, forward only or for training.
pub trait Engine: Debug + Sync {
    /// What a receipt must name because its results are not those of [`Cpu`] bit for bit, such as
    /// the graphics card; `None` where they are.
    fn device(&self) -> Option<&str>;

    /// Prepares a network to be run on inputs of `size` `[z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`EngineError`] where the network does not take that size or the device fails.
    fn predictor(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
    ) -> Result<Box<dyn Predictor>, EngineError>;

    /// Prepares a network to be trained on inputs of `size` `[z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`EngineError`] where the network does not take that size or the device fails.
    fn learner(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
        precision: TrainingPrecision,
    ) -> Result<Box<dyn Learner>, EngineError>;
}

/// A network that runs forward only.
pub trait Predictor: Debug {
    /// Probabilities of one volume, both plain `[z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`EngineError::Device`] where the device fails.
    ///
    /// # Panics
    ///
    /// Where `input` does not fill the size that the predictor was made for.
    fn probabilities(&mut self, input: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// A network that learns: see [`Trainer`], which is one, for what each method does.
pub trait Learner: Debug {
    /// The network.
    fn spec(&self) -> &NetSpec;

    /// Its parameters.
    fn params(&self) -> &Parameters;

    /// Gradient of the last backward pass, in the parameters' order.
    fn gradient(&self) -> &Parameters;

    /// Changes the parameters, with the gradient beside them.
    fn update(&mut self, change: &mut dyn FnMut(&mut [f32], &[f32]));

    /// Takes inputs of another size `[z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the network does not take that size.
    fn reshape(&mut self, size: [usize; 3]) -> Result<(), SpecError>;

    /// Runs one volume, plain `[z, y, x]`, and gives its logits.
    ///
    /// # Errors
    ///
    /// [`EngineError::Device`] where the device fails.
    ///
    /// # Panics
    ///
    /// Where `input` does not fill the size that the learner was made for.
    fn forward(&mut self, input: &[f32], dropout: DropoutSeed) -> Result<&[f32], EngineError>;

    /// Runs back from the gradient of the logits of the last [`Learner::forward`].
    ///
    /// # Errors
    ///
    /// [`EngineError::Device`] where the device fails.
    ///
    /// # Panics
    ///
    /// Where `logit_grad` has another length than the logits.
    fn backward(&mut self, logit_grad: &[f32]) -> Result<(), EngineError>;
}

/// Why an engine cannot run a network.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The network does not take the size.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The engine lacks a part of the network, or of how it is to be trained.
    #[error("{what} is not on {device} yet, only on the CPU")]
    Missing {
        /// What it was asked for.
        what: String,
        /// Its name.
        device: String,
    },
    /// There is no device to run on.
    #[error("no GPU can be used: {reason}")]
    NoDevice {
        /// What was looked for and what came back.
        reason: String,
    },
    /// The device gave up, for want of memory or a driver's failure.
    #[error("the device {device} failed: {reason}")]
    Device {
        /// Its name.
        device: String,
        /// In its driver's words.
        reason: String,
    },
}

impl EngineError {
    /// What the user can do about it, where haema knows.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Spec(_) => None,
            Self::Missing { .. } | Self::NoDevice { .. } => {
                Some("leave out --device: haema then uses the CPU")
            }
            Self::Device { .. } => {
                Some("close other programs that use the device, or leave out --device")
            }
        }
    }
}

/// Our own kernels. The result is the same bit for bit for any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// How many threads.
    pub threads: usize,
    /// In what width [`Engine::predictor`] keeps its tensors.
    pub precision: InferencePrecision,
}

impl Engine for Cpu {
    fn device(&self) -> Option<&str> {
        None
    }

    fn predictor(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
    ) -> Result<Box<dyn Predictor>, EngineError> {
        let machine = (self.threads, self.precision);
        Ok(Box::new(Executor::with_precision(spec.clone(), params.clone(), size, machine)?))
    }

    fn learner(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
        precision: TrainingPrecision,
    ) -> Result<Box<dyn Learner>, EngineError> {
        let machine = (self.threads, precision);
        Ok(Box::new(Trainer::with_precision(spec.clone(), params.clone(), size, machine)?))
    }
}

impl Predictor for Executor {
    fn probabilities(&mut self, input: &[f32]) -> Result<Vec<f32>, EngineError> {
        Ok(self.probabilities(input))
    }
}

impl Learner for Trainer {
    fn spec(&self) -> &NetSpec {
        self.spec()
    }

    fn params(&self) -> &Parameters {
        self.params()
    }

    fn gradient(&self) -> &Parameters {
        self.gradient()
    }

    fn update(&mut self, change: &mut dyn FnMut(&mut [f32], &[f32])) {
        self.update(change);
    }

    fn reshape(&mut self, size: [usize; 3]) -> Result<(), SpecError> {
        self.reshape(size)
    }

    fn forward(&mut self, input: &[f32], dropout: DropoutSeed) -> Result<&[f32], EngineError> {
        Ok(self.forward(input, dropout))
    }

    fn backward(&mut self, logit_grad: &[f32]) -> Result<(), EngineError> {
        self.backward(logit_grad);
        Ok(())
    }
}
