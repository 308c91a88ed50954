//! Activation tensors.

use haema_kernels::stem::ScalarView;
use haema_kernels::{ChannelBlock, HalfBlock, Shape, View};

/// A channel-blocked tensor with a halo of zeros, which kernels never write.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) shape: Shape,
    /// At least [`Shape::len`] elements.
    data: Vec<ChannelBlock>,
}

impl Tensor {
    pub(crate) fn zeros(shape: Shape) -> Self {
        Self { shape, data: vec![ChannelBlock::default(); shape.len()] }
    }

    /// Of no size.
    pub(crate) fn empty() -> Self {
        Self::zeros(Shape { size: [0; 3], blocks: 0 })
    }

    /// Takes another size. Keeps its memory, whose halo is zero, where only the depth changes and
    /// fits; starts from zeros otherwise.
    pub(crate) fn reshape(&mut self, shape: Shape) {
        if self.shape.slab_len() != shape.slab_len()
            || self.shape.size[1..] != shape.size[1..]
            || shape.len() > self.data.len()
        {
            self.data = Vec::new();
            self.data = vec![ChannelBlock::default(); shape.len()];
        }
        self.shape = shape;
    }

    pub(crate) fn view(&self) -> View<'_> {
        View::new(self.shape, self.elements())
    }

    pub(crate) fn elements(&self) -> &[ChannelBlock] {
        &self.data[..self.shape.len()]
    }

    pub(crate) fn elements_mut(&mut self) -> &mut [ChannelBlock] {
        &mut self.data[..self.shape.len()]
    }

    pub(crate) fn slab(&self, z: usize) -> &[ChannelBlock] {
        let len = self.shape.slab_len();
        &self.data[z * len..(z + 1) * len]
    }

    /// Reads the logit of the bleed of plane `z` into plain `[y][x]` order: channel 0, or, of a
    /// softmax over background and bleed, channel 1 less channel 0, which gives the same
    /// probability.
    pub(crate) fn read_logits(&self, z: usize, channels: usize, into: &mut [f32]) {
        let slab = self.slab(z);
        for (y, out) in into.chunks_mut(self.shape.size[2]).enumerate() {
            let row = &slab[self.shape.offset_in_slab(0, y, 0)..];
            for (value, block) in out.iter_mut().zip(row) {
                *value = if channels == 2 { block.0[1] - block.0[0] } else { block.0[0] };
            }
        }
    }

    /// Writes the gradient of what [`Tensor::read_logits`] reads of one plane, over all lanes of its
    /// slab.
    pub(crate) fn write_logit_grad(
        shape: Shape,
        channels: usize,
        from: &[f32],
        slab: &mut [ChannelBlock],
    ) {
        for (y, values) in from.chunks(shape.size[2]).enumerate() {
            let row = &mut slab[shape.offset_in_slab(0, y, 0)..];
            for (&value, block) in values.iter().zip(row) {
                *block = ChannelBlock::default();
                if channels == 2 {
                    block.0[0] = -value;
                    block.0[1] = value;
                } else {
                    block.0[0] = value;
                }
            }
        }
    }
}

/// A tensor in half the width, laid out as a [`Tensor`]; its halo is never read.
#[derive(Debug, Clone, Default)]
pub(crate) struct HalfTensor {
    data: Vec<HalfBlock>,
}

impl HalfTensor {
    /// Takes a size; what it held is lost.
    pub(crate) fn reshape(&mut self, shape: Shape) {
        if shape.len() > self.data.len() {
            self.data = vec![HalfBlock::default(); shape.len()];
        }
    }

    pub(crate) fn elements(&self, shape: Shape) -> &[HalfBlock] {
        &self.data[..shape.len()]
    }

    pub(crate) fn elements_mut(&mut self, shape: Shape) -> &mut [HalfBlock] {
        &mut self.data[..shape.len()]
    }
}

/// Tensors that blocks share.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<Tensor>);

impl Slots {
    /// Gives each slot its shape; memory that fits stays.
    pub(crate) fn reshape(&mut self, shapes: &[Shape]) {
        self.0.resize_with(shapes.len(), Tensor::empty);
        for (tensor, &shape) in self.0.iter_mut().zip(shapes) {
            tensor.reshape(shape);
        }
    }

    pub(crate) fn get(&self, slot: usize) -> &Tensor {
        &self.0[slot]
    }

    /// Takes a tensor out, to write it while others are read. [`Slots::put`] brings it back.
    pub(crate) fn take(&mut self, slot: usize) -> Tensor {
        std::mem::replace(&mut self.0[slot], Tensor::empty())
    }

    pub(crate) fn put(&mut self, slot: usize, tensor: Tensor) {
        self.0[slot] = tensor;
    }
}

/// The network's input: one plain channel with the halo and padding that the first convolution
/// wants.
#[derive(Debug, Clone)]
pub(crate) struct InputTensor {
    pub(crate) shape: Shape,
    pub(crate) data: Vec<f32>,
}

impl InputTensor {
    pub(crate) fn zeros(size: [usize; 3]) -> Self {
        let shape = Shape { size, blocks: 1 };
        Self { shape, data: vec![0.0; size[0] * shape.plane_len()] }
    }

    /// Values that one of `size` holds, halo included.
    pub(crate) fn len(size: [usize; 3]) -> usize {
        size[0] * Shape { size, blocks: 1 }.plane_len()
    }

    pub(crate) fn view(&self) -> ScalarView<'_> {
        ScalarView::new(self.shape, &self.data)
    }

    /// Copies plain `[z][y][x]` values in.
    pub(crate) fn set(&mut self, values: &[f32]) {
        let [_, height, width] = self.shape.size;
        for (row, values) in values.chunks(width).enumerate() {
            let start = row / height * self.shape.plane_len()
                + self.shape.offset_in_slab(0, row % height, 0);
            self.data[start..start + width].copy_from_slice(values);
        }
    }
}
