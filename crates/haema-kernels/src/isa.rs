//! Instruction sets, as values that prove they are there.
//!
//! A kernel is a struct that implements [`Kernel`]; [`Door::run`] compiles its body inside the
//! target features of each door and enters the one chosen at run time.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

use crate::layout::{ChannelBlock, HalfBlock};

/// Sixteen `f32` lanes and what kernels do with them. A value of a type that implements this is
/// proof that the CPU has its instructions.
pub trait Isa: Copy {
    /// Sixteen lanes in registers.
    type V: Copy;
    /// Whether thirty-two blocks of sixteen lanes fit in registers: decides how many sums a kernel
    /// keeps open.
    const HAS_MANY_REGISTERS: bool;

    /// All lanes `value`.
    fn splat(self, value: f32) -> Self::V;
    /// Loads a block.
    fn load(self, from: &ChannelBlock) -> Self::V;
    /// Stores a block.
    fn store(self, value: Self::V, to: &mut ChannelBlock);
    /// Loads a block of half the width.
    fn load_half(self, from: &HalfBlock) -> Self::V;
    /// Stores a block in half the width, rounded to nearest, ties to even. Values must be finite.
    fn store_half(self, value: Self::V, to: &mut HalfBlock);
    /// Stores a block past the caches. [`Door::run`] makes it seen when it returns.
    fn stream(self, value: Self::V, to: &mut ChannelBlock);
    /// Asks for an element to be brought near, where the instruction set has a way to.
    fn prefetch<T>(self, element: &T);
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a − b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`, fused where the instruction set has it.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of `a` and `b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The sum of all lanes, each with the one eight further on, then four, two, one.
    fn sum(self, a: Self::V) -> f32;
    /// `a` where `x > 0`, else `b`.
    fn select_positive(self, x: Self::V, a: Self::V, b: Self::V) -> Self::V;
}

/// [`Isa::sum`] of lanes in memory.
#[inline(always)]
fn sum_lanes(lanes: &[f32; 16]) -> f32 {
    let mut sums = *lanes;
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

/// A kernel body with its arguments.
pub trait Kernel {
    /// Runs it. Must be `#[inline(always)]`, and so must all that it calls.
    fn run<I: Isa>(self, isa: I);
}

/// A way into the kernels: one for each instruction set.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    /// AVX-512F, sixteen lanes a register.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// AVX2 and FMA, eight lanes a register.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// Plain loops that the compiler vectorises for whatever it builds for.
    Portable(Portable),
}

impl Door {
    /// The fastest door of this CPU.
    pub fn best() -> Self {
        let mut doors = Self::all();
        doors.swap_remove(0)
    }

    /// Every door of this CPU, fastest first.
    pub fn all() -> Vec<Self> {
        let mut doors = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            doors.extend(Avx512::detect().map(Self::Avx512));
            doors.extend(Avx2::detect().map(Self::Avx2));
        }
        doors.push(Self::Portable(Portable));
        doors
    }

    /// Its name, for receipts: results are the same bits on the same door.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            Self::Portable(_) => "portable",
        }
    }

    /// Runs a kernel through this door.
    pub fn run(self, kernel: impl Kernel) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(isa) => isa.enter(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(isa) => isa.enter(kernel),
            Self::Portable(isa) => kernel.run(isa),
        }
    }
}
