//! haema on a GPU: the networks of [`haema_nn::NetSpec`], run and trained by burn.
//!
//! [`open`] gives an [`Engine`](haema_nn::Engine), which everything above takes in place of the
//! CPU's: the same networks, weights files, losses, optimiser and checkpoints.
//!
//! | feature | device | state |
//! |---|---|---|
//! | none | none; [`open`] says so | |
//! | `wgpu` | Vulkan, Metal, Direct3D 12 | tested on Vulkan in software, on no GPU yet |
//! | `cuda` | NVIDIA | never run by us, and its build downloads LLVM: see `docs/adr/0012-gpu.md` |
//! | `autotune` | either | burn times its kernels and keeps the fastest: results may vary from run to run |
//!
//! **Invariants.** No type of burn crosses the interface. A GPU adds in another order than the CPU:
//! results agree within rounding, not bit for bit, so a receipt names the device.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod engine;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod network;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod ops;

use haema_nn::{Engine, EngineError};

/// What counts as a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapters {
    /// Hardware alone.
    Hardware,
    /// Also a driver that computes on the processor, right and slowly: for tests.
    Any,
}

/// The first GPU that can be used: with the feature `cuda` an NVIDIA one, else the one that the
/// graphics API calls the most powerful.
///
/// # Errors
///
/// [`EngineError::NoDevice`] where there is none, or where neither feature was built in.
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda")),
    expect(unused_variables, reason = "there is none to open")
)]
pub fn open(adapters: Adapters) -> Result<Box<dyn Engine>, EngineError> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return Ok(Box::new(engine::Gpu::open(adapters)?));
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    return Err(EngineError::NoDevice {
        reason: "haema-gpu was built without its features wgpu and cuda".to_owned(),
    });
}
