//! What tensors are made of: sixteen channels of one voxel, in 32 bits each or in half of that.
//!
//! Only what lies in memory has a width. Whatever is loaded has 32 bits, and so has all arithmetic.
//! In half the width a value is rounded to nearest as it is stored: by at most 2⁻⁸ of itself, the unit
//! roundoff of bfloat16's eight bits of precision (Higham, _Accuracy and Stability of Numerical
//! Algorithms_, 2nd ed., §2.1), so long as it is no subnormal number.

use std::fmt::Debug;

use crate::isa::Isa;
use crate::layout::{ChannelBlock, HalfBlock};
use sealed::Joined;

/// An element of a tensor.
pub trait Element: Joined + Copy + Default + Debug + PartialEq + Send + Sync + 'static {
    /// Loads it.
    fn load<I: Isa>(&self, isa: I) -> I::V;
    /// Stores a value in it. Values must be finite.
    fn store<I: Isa>(&mut self, isa: I, value: I::V);
    /// As [`Element::store`], past the caches where that pays.
    fn stream<I: Isa>(&mut self, isa: I, value: I::V);
}

impl Element for ChannelBlock {
    #[inline(always)]
    fn load<I: Isa>(&self, isa: I) -> I::V {
        isa.load(self)
    }

    #[inline(always)]
    fn store<I: Isa>(&mut self, isa: I, value: I::V) {
        isa.store(value, self);
    }

    #[inline(always)]
    fn stream<I: Isa>(&mut self, isa: I, value: I::V) {
        isa.stream(value, self);
    }
}

impl Element for HalfBlock {
    #[inline(always)]
    fn load<I: Isa>(&self, isa: I) -> I::V {
        isa.load_half(self)
    }

    #[inline(always)]
    fn store<I: Isa>(&mut self, isa: I, value: I::V) {
        isa.store_half(value, self);
    }

    // An element is half a cache line, and kernels leave neighbours far apart in time: lines would
    // go to memory in halves.
    #[inline(always)]
    fn stream<I: Isa>(&mut self, isa: I, value: I::V) {
        self.store(isa, value);
    }
}

/// Nobody else makes elements: kernels know both.
pub(crate) mod sealed {
    use crate::layout::{ChannelBlock, HalfBlock, View};

    /// What a convolution reads and writes, in either width. So its products, most of its code, are
    /// compiled once for both.
    #[derive(Debug)]
    pub enum Tensors<'a> {
        Full { inputs: &'a [View<'a>], out: &'a mut [ChannelBlock] },
        Half { inputs: &'a [View<'a, HalfBlock>], out: &'a mut [HalfBlock] },
    }

    pub trait Joined: Sized + 'static {
        fn join<'a>(inputs: &'a [View<'a, Self>], out: &'a mut [Self]) -> Tensors<'a>;
    }

    impl Joined for ChannelBlock {
        fn join<'a>(inputs: &'a [View<'a>], out: &'a mut [Self]) -> Tensors<'a> {
            Tensors::Full { inputs, out }
        }
    }

    impl Joined for HalfBlock {
        fn join<'a>(inputs: &'a [View<'a, Self>], out: &'a mut [Self]) -> Tensors<'a> {
            Tensors::Half { inputs, out }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
