//! The inner loops of the network, forward and backward: the only crate that may hold `unsafe`.
//!
//! Activations are channel-blocked: sixteen channels of one voxel lie side by side in a
//! [`ChannelBlock`], so that one register holds one voxel's block and a convolution is a chain of
//! broadcast-multiply-adds ([`layout`] has the picture). Each kernel is one lane-wise body, generic
//! over [`isa::Isa`], compiled once for each [`Door`]; a test holds every door against a slow
//! reference in `f64`.
//!
//! | module | what |
//! |---|---|
//! | [`geometry`] | the convolutions and pools, and what they do to the grid |
//! | [`pack`] | their channels |
//! | [`fast`] | every convolution, its data gradient and its weight gradient, with fewer products than its definition |
//! | [`stem`] | the first convolution, from one channel |
//! | [`pool`] | max pooling |
//! | [`resize`] | trilinear upsampling |
//! | [`peak`] | multiply-adds on registers alone: what the machine can do at best |
//! | [`norm`] | instance normalisation, leaky `ReLU`, residual sum, channel dropout |
//! | [`norm_grad`] | their gradients |
//! | [`element`] | what tensors are made of, in either width |
//! | [`half`] | activations of the training kept in half the width |
//! | [`logits`] | one number for each voxel off a tensor |
//! | [`buffer`] | memory for tensors |
//! | [`helpers`] | threads that wait for work |
//!
//! **Invariants.** No public function here is `unsafe`. No kernel allocates, starts a thread or
//! knows what a model is; threads live in [`helpers`] alone. Wrong lengths panic before any work. A
//! kernel's result does not depend on how the caller splits work over threads.

#![expect(
    clippy::inline_always,
    reason = "kernel bodies must be compiled inside each door's target features"
)]

pub mod buffer;
pub mod element;
pub mod fast;
pub mod geometry;
pub mod half;
pub mod helpers;
pub mod isa;
pub mod layout;
pub mod logits;
pub mod norm;
pub mod norm_grad;
pub mod pack;
pub mod peak;
pub mod pool;
pub mod resize;
pub mod stem;
mod store;

#[cfg(test)]
mod reference;

pub use element::Element;
pub use isa::Door;
pub use layout::{ChannelBlock, ChannelStats, HalfBlock, LANES, Shape, View};
