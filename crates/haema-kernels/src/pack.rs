//! The channels of a convolution.

use crate::layout::LANES;

/// Channels of a convolution. Inputs may be several tensors side by side (a concatenation without a
/// copy); each begins a new block.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a> {
    /// Channels that come in, one entry for each tensor.
    pub inputs: &'a [usize],
    /// Channels that go out.
    pub output: usize,
}

impl Channels<'_> {
    /// Blocks that come in.
    pub fn in_blocks(&self) -> usize {
        self.inputs.iter().map(|n| n.div_ceil(LANES)).sum()
    }

    /// Blocks that go out.
    pub fn out_blocks(&self) -> usize {
        self.output.div_ceil(LANES)
    }

    /// Block and lane of every input channel, in order.
    pub fn input_places(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut first_block = 0;
        self.inputs.iter().flat_map(move |&n| {
            let start = first_block;
            first_block += n.div_ceil(LANES);
            (0..n).map(move |c| (start + c / LANES, c % LANES))
        })
    }
}
