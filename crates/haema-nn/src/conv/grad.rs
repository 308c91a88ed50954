//! Gradients of a convolution.

use haema_kernels::fast::grad::{self, FastGrad};
use haema_kernels::fast::{self, Fast, Walk};
use haema_kernels::layout::Write;
use haema_kernels::pack::Channels;
use haema_kernels::{ChannelBlock, LANES, Shape, View, stem};

use super::{Conv, Inputs, Machine, first_write, run_fast};
use crate::parallel::{self, Scratch};

/// Most parts that the layers of tiles of a weight gradient are summed in.
const MOST_PARTS: usize = 8;

/// Bytes of sums that more parts must not exceed.
const PART_BYTES: usize = 8 << 20;

/// Blocks of output channels that are summed together: they share the transformed input.
const TOGETHER: usize = 2;

/// Memory of the sums of a weight gradient, kept from layer to layer.
#[derive(Debug, Default)]
pub(crate) struct GradParts(Vec<ChannelBlock>);

impl GradParts {
    /// So many elements, all zero.
    fn clear(&mut self, len: usize) -> &mut [ChannelBlock] {
        self.0.clear();
        self.0.resize(len, ChannelBlock::default());
        &mut self.0
    }
}

impl Conv {
    /// Packs logical weights `[out][in][kernel]` for the data gradient.
    pub(crate) fn pack_backward(&mut self, weights: &[f32]) {
        if self.is_stem {
            return;
        }
        let kernel = self.kind.kernel_len();
        let inputs: usize = self.in_channels.iter().sum();
        let mut back = std::mem::take(&mut self.back_weights);
        back.resize(self.in_channels.len(), Vec::new());
        let mut first = 0;
        for (input, (packed, &own)) in back.iter_mut().zip(&self.in_channels).enumerate() {
            packed.resize(self.back_len(input), ChannelBlock::default());
            let channels = Channels { inputs: &[self.out_channels], output: own };
            let weight = |o, i, k| weights[(i * inputs + first + o) * kernel + k];
            fast::pack_weights(Walk::Back(self.kind), channels, weight, packed);
            first += own;
        }
        self.back_weights = back;
    }

    /// Leaves the gradient of input tensor `input` in `grad`: added to it or instead of it.
    pub(crate) fn backward_data(
        &self,
        machine: Machine,
        input: usize,
        out_grad: View<'_>,
        (out_shape, grad, is_first): (Shape, &mut [ChannelBlock], bool),
    ) {
        let write = if is_first { first_write(out_shape) } else { Write::Add };
        let (inputs, weights) = (&[out_grad][..], self.back_weights[input].as_slice());
        let job = Fast { walk: Walk::Back(self.kind), inputs, weights, out_shape, write };
        run_fast(machine, &job, grad, None);
    }

    /// Leaves the weight gradient in `grad`, `[out][in][kernel]`. `parts` is memory to use again.
    pub(crate) fn backward_weights(
        &self,
        machine: Machine,
        inputs: &Inputs<'_>,
        out_grad: View<'_>,
        (parts, grad): (&mut GradParts, &mut [f32]),
    ) {
        match inputs {
            Inputs::Scalar(input) => {
                let len = self.weight_len();
                let depth = out_grad.shape.size[0];
                let sums = parts.clear(MOST_PARTS * len);
                let jobs = sums.chunks_mut(len).enumerate();
                parallel::run(
                    machine.threads,
                    jobs,
                    || (),
                    |(part, sums), ()| {
                        for z in depth * part / MOST_PARTS..depth * (part + 1) / MOST_PARTS {
                            let slab = out_grad.shape.slab_len();
                            let slab = &out_grad.data[z * slab..(z + 1) * slab];
                            let pair = (out_grad.shape, slab);
                            stem::weight_grad_plane(machine.door, self.kind, *input, pair, z, sums);
                        }
                    },
                );
                add_up(sums, len);
                let kernel = self.kind.kernel_len();
                for (i, value) in grad.iter_mut().enumerate() {
                    let (o, k) = (i / kernel, i % kernel);
                    *value = sums[o / LANES * kernel + k].0[o % LANES];
                }
            }
            Inputs::Blocked(inputs) => {
                let job = FastGrad { kind: self.kind, inputs, out_grad };
                self.fast_weights(machine, &job, (parts, grad));
            }
        }
    }

    fn fast_weights(
        &self,
        machine: Machine,
        job: &FastGrad<'_>,
        (parts, grad): (&mut GradParts, &mut [f32]),
    ) {
        let (in_blocks, out_blocks) = (self.channels().in_blocks(), self.channels().out_blocks());
        let layers = job.out_grad.shape.size[0].div_ceil(fast::layer_planes(self.kind));
        let count = self.grad_parts().min(layers);
        // `[pair of blocks][part of the layers][sums]`, the last pair perhaps a single block.
        let block_len = grad::sums_len(self.kind, in_blocks, 1);
        let sums = parts.clear(count * out_blocks * block_len);
        let pairs = sums.chunks_mut(count * TOGETHER * block_len).enumerate();
        let jobs = pairs.flat_map(|(pair, sums)| {
            let len = sums.len() / count;
            sums.chunks_mut(len).enumerate().map(move |(part, sums)| (pair, part, sums))
        });
        let scratch = || Scratch::of(grad::scratch_len(self.kind, in_blocks, TOGETHER));
        parallel::run(machine.threads, jobs, scratch, |(pair, part, sums), scratch| {
            let range = layers * part / count..layers * (part + 1) / count;
            let first = pair * TOGETHER;
            let blocks = first..(first + TOGETHER).min(out_blocks);
            grad::layers(machine.door, job, (range, blocks), sums, scratch);
        });
        let per_channel = self.in_channels.iter().sum::<usize>() * self.kind.kernel_len();
        let grads = grad.chunks_mut(TOGETHER * LANES * per_channel);
        let jobs = sums.chunks_mut(count * TOGETHER * block_len).zip(grads);
        parallel::run(
            machine.threads,
            jobs,
            || (),
            |(sums, grad), ()| {
                let len = sums.len() / count;
                add_up(sums, len);
                grad::finish(
                    machine.door,
                    job.kind,
                    self.channels_of(grad.len()),
                    &sums[..len],
                    grad,
                );
            },
        );
    }

    /// The channels of some blocks of the output, by the length of their gradient.
    fn channels_of(&self, grad_len: usize) -> Channels<'_> {
        let per_channel = self.in_channels.iter().sum::<usize>() * self.kind.kernel_len();
        Channels { inputs: &self.in_channels, output: grad_len / per_channel }
    }

    /// Parts that the layers of tiles are summed in, where there are so many: decided by the
    /// convolution alone, so that sums do not depend on the number of threads.
    fn grad_parts(&self) -> usize {
        let bytes = self.weight_len() * size_of::<ChannelBlock>();
        (PART_BYTES / bytes).clamp(1, MOST_PARTS)
    }

    /// Elements of the packed weights of the gradient of input tensor `input`.
    fn back_len(&self, input: usize) -> usize {
        if self.is_stem {
            return 0;
        }
        let channels = Channels { inputs: &[self.out_channels], output: self.in_channels[input] };
        fast::weight_len(Walk::Back(self.kind), channels)
    }

    /// Bytes of its packed weights, forward and back.
    pub(crate) fn bytes(&self) -> usize {
        let back: usize = (0..self.in_channels.len()).map(|input| self.back_len(input)).sum();
        (self.weight_len() + back) * size_of::<ChannelBlock>()
    }

    /// Bytes that its weight gradient takes in [`GradParts`].
    pub(crate) fn part_bytes(&self) -> usize {
        let parts = if self.is_stem { MOST_PARTS } else { self.grad_parts() };
        parts * self.weight_len() * size_of::<ChannelBlock>()
    }
}

/// Adds parts of `len` elements to the first, in their order.
fn add_up(parts: &mut [ChannelBlock], len: usize) {
    let (total, rest) = parts.split_at_mut(len);
    for part in rest.chunks(len) {
        for (sum, value) in total.iter_mut().zip(part) {
            for (sum, value) in sum.0.iter_mut().zip(value.0) {
                *sum += value;
            }
        }
    }
}
