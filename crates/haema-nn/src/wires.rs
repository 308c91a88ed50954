//! Which block reads which, by index; and buffers that tensors share.

use std::collections::HashMap;

use haema_kernels::Shape;

use crate::spec::{INPUT, NetSpec, Op, SpecError};

/// What one block reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wires {
    /// Earlier blocks; `None` is the network's input.
    pub(crate) inputs: Vec<Option<usize>>,
    /// The block that is added at the end.
    pub(crate) residual: Option<usize>,
}

impl Wires {
    /// Of every block. The network must have passed [`NetSpec::shapes`].
    pub(crate) fn of(spec: &NetSpec) -> Vec<Self> {
        let index: HashMap<&str, usize> =
            spec.blocks.iter().enumerate().map(|(i, block)| (block.name.as_str(), i)).collect();
        let place = |name: &String| (name != INPUT).then(|| index[name.as_str()]);
        let wires = spec.blocks.iter().map(|block| Self {
            inputs: block.inputs.iter().map(place).collect(),
            residual: match &block.op {
                Op::Conv(conv) => conv.residual.as_ref().and_then(place),
                _ => None,
            },
        });
        wires.collect()
    }

    /// All blocks that it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().flatten().chain(&self.residual).copied()
    }
}

/// Shape of each block's output for an input of `size` `[z, y, x]`, of a network that can be run.
pub(crate) fn shapes(spec: &NetSpec, size: [usize; 3]) -> Result<Vec<Shape>, SpecError> {
    let shapes = spec.shapes(size)?;
    if spec.in_channels != 1 {
        return Err(SpecError::InputChannels { found: spec.in_channels });
    }
    Ok(shapes.into_iter().map(|[c, z, y, x]| Shape::new([z, y, x], c)).collect())
}

/// Buffers given out and taken back while the steps of a network are gone through on paper.
#[derive(Debug, Default)]
pub(crate) struct SlotPlan {
    pub(crate) shapes: Vec<Shape>,
    is_free: Vec<bool>,
}

impl SlotPlan {
    /// A free buffer of that shape, else a new one.
    pub(crate) fn take(&mut self, shape: Shape) -> usize {
        let fits = |&slot: &usize| self.is_free[slot] && self.shapes[slot] == shape;
        let slot = (0..self.shapes.len()).find(fits).unwrap_or_else(|| {
            self.shapes.push(shape);
            self.is_free.push(true);
            self.shapes.len() - 1
        });
        self.is_free[slot] = false;
        slot
    }

    /// Its tensor is not needed any more.
    pub(crate) fn give_back(&mut self, slot: usize) {
        debug_assert!(!self.is_free[slot], "slot {slot} given back twice");
        self.is_free[slot] = true;
    }
}
