//! `--device`: what the network runs on.

use clap::ValueEnum;
use haema_nn::{Engine, EngineError};

use crate::CliError;

/// Opens the GPU of a build that has one.
pub type OpenGpu = dyn Fn() -> Result<Box<dyn Engine>, EngineError>;

/// What the network runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    /// The processor's cores: haema's own kernels.
    Cpu,
    /// The graphics card, in a haema that was built with one: gpu/README.md in the repository.
    Gpu,
}

impl Device {
    /// The engine; none for the CPU, which needs nothing to be opened.
    pub(crate) fn open(self, gpu: Option<&OpenGpu>) -> Result<Option<Box<dyn Engine>>, CliError> {
        match (self, gpu) {
            (Self::Cpu, _) => Ok(None),
            (Self::Gpu, Some(open)) => Ok(Some(open()?)),
            (Self::Gpu, None) => Err(CliError::NoGpuBuilt),
        }
    }
}
