//! One convolution: its packed weights and which kernel runs it.

mod grad;

pub(crate) use grad::GradParts;

use haema_kernels::fast::{self, Fast};
use haema_kernels::geometry::ConvKind;
use haema_kernels::layout::Write;
use haema_kernels::pack::Channels;
use haema_kernels::stem::{self, ScalarView};
use haema_kernels::{ChannelBlock, ChannelStats, Door, Element, Shape, View};

use crate::parallel::{self, Scratch};
use crate::spec::{BlockSpec, INPUT, NetSpec, Op};
use crate::tensor::InputTensor;

/// Where and how much in parallel kernels run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) door: Door,
    pub(crate) threads: usize,
}

/// What a convolution reads.
pub(crate) enum Inputs<'a, E = ChannelBlock> {
    /// The network's input, one plain channel.
    Scalar(ScalarView<'a>),
    /// Earlier tensors, side by side in channels.
    Blocked(&'a [View<'a, E>]),
}

/// Results above this many bytes are streamed past the caches, which they would only empty: half of
/// what a server's two cores share, all that a laptop's do.
const CACHE_BYTES: usize = 16 << 20;

/// A convolution with packed weights.
#[derive(Debug, Clone)]
pub(crate) struct Conv {
    kind: ConvKind,
    in_channels: Vec<usize>,
    out_channels: usize,
    is_stem: bool,
    weights: Vec<ChannelBlock>,
    /// Weights of the data gradient, for each input tensor.
    back_weights: Vec<Vec<ChannelBlock>>,
}

impl<'a, E> Inputs<'a, E> {
    /// Earlier tensors; where there is none, the network's input.
    pub(crate) fn of(views: &'a [View<'a, E>], input: &'a InputTensor) -> Self {
        if views.is_empty() { Self::Scalar(input.view()) } else { Self::Blocked(views) }
    }
}

impl Conv {
    /// The convolution of a block, where it is one.
    pub(crate) fn of(spec: &NetSpec, block: &BlockSpec) -> Option<Self> {
        let Op::Conv(conv) = &block.op else { return None };
        let kind = conv.kind().expect("`shapes` refuses kernels that are not ours");
        let is_stem = block.inputs[0] == INPUT;
        Some(Self::new(kind, spec.inputs_of(block), conv.out_channels, is_stem))
    }

    fn new(
        kind: ConvKind,
        in_channels: Vec<usize>,
        out_channels: usize,
        reads_network_input: bool,
    ) -> Self {
        Self {
            kind,
            is_stem: reads_network_input,
            in_channels,
            out_channels,
            weights: Vec::new(),
            back_weights: Vec::new(),
        }
    }

    fn channels(&self) -> Channels<'_> {
        Channels { inputs: &self.in_channels, output: self.out_channels }
    }

    /// Packs logical weights `[out][in][kernel]` for the forward pass.
    pub(crate) fn pack(&mut self, weights: &[f32]) {
        let kernel = self.kind.kernel_len();
        let inputs: usize = self.in_channels.iter().sum();
        let weight = |o: usize, i: usize, k: usize| weights[(o * inputs + i) * kernel + k];
        let mut packed = std::mem::take(&mut self.weights);
        packed.resize(self.weight_len(), ChannelBlock::default());
        let channels = self.channels();
        if self.is_stem {
            stem::pack_weights(self.kind, self.out_channels, |o, k| weight(o, 0, k), &mut packed);
        } else {
            fast::pack_weights(self.kind, channels, weight, &mut packed);
        }
        self.weights = packed;
    }

    /// Convolves into `out`, and leaves each plane's sums in `stats`, `[z][block]`.
    pub(crate) fn forward<E: Element>(
        &self,
        machine: Machine,
        inputs: &Inputs<'_, E>,
        out_shape: Shape,
        out: &mut [E],
        stats: &mut Vec<ChannelStats>,
    ) {
        let write = first_write(out_shape);
        match inputs {
            Inputs::Scalar(input) => {
                clear(stats, out_shape.size[0] * out_shape.blocks);
                let slabs = out.chunks_mut(out_shape.slab_len());
                let jobs = slabs.zip(stats.chunks_mut(out_shape.blocks)).enumerate();
                let weights = self.weights.as_slice();
                parallel::run(
                    machine.threads,
                    jobs,
                    || (),
                    |(z, pair), ()| {
                        let out = (out_shape, write);
                        stem::plane(machine.door, self.kind, (*input, weights), out, z, pair);
                    },
                );
            }
            Inputs::Blocked(inputs) => {
                let (walk, weights) = (self.kind.into(), self.weights.as_slice());
                let job = Fast { walk, inputs, weights, out_shape, write };
                run_fast(machine, &job, out, Some(stats));
            }
        }
    }

    /// Elements of its packed weights, and of the sums of their gradient.
    pub(crate) fn weight_len(&self) -> usize {
        if self.is_stem {
            return stem::weight_len(self.kind, self.out_channels);
        }
        fast::weight_len(self.kind, self.channels())
    }

    /// Operations of the products that [`Conv::forward`] takes for an output of this shape.
    pub(crate) fn flop(&self, out_shape: Shape) -> f64 {
        if self.is_stem {
            return (2 * self.out_channels * self.kind.kernel_len() * out_shape.voxels()) as f64;
        }
        fast::flop(self.kind, self.channels(), out_shape.size)
    }

    /// Elements of scratch that a thread needs for [`Conv::forward`].
    pub(crate) fn scratch_len(&self) -> usize {
        let channels = self.channels();
        if self.is_stem {
            return 0;
        }
        fast::scratch_len(self.kind, channels.in_blocks(), channels.out_blocks())
    }
}

/// How a tensor is written that is read later.
pub(crate) fn first_write(shape: Shape) -> Write {
    let is_large = shape.len() * size_of::<ChannelBlock>() > CACHE_BYTES;
    if is_large { Write::Stream } else { Write::Set }
}

/// So many sums, all zero, in memory that is kept.
fn clear(stats: &mut Vec<ChannelStats>, len: usize) {
    stats.clear();
    stats.resize(len, ChannelStats::default());
}

/// Runs a convolution or its data gradient; `stats` takes the sums of a convolution.
fn run_fast<E: Element>(
    machine: Machine,
    job: &Fast<'_, E>,
    out: &mut [E],
    stats: Option<&mut Vec<ChannelStats>>,
) {
    let (shape, planes) = (job.out_shape, fast::layer_planes(job.walk));
    let in_blocks = job.inputs.iter().map(|view| view.shape.blocks).sum();
    let len = fast::scratch_len(job.walk, in_blocks, shape.blocks);
    let slabs = out.chunks_mut(planes * shape.slab_len());
    let scratch = || Scratch::of(len);
    if let Some(stats) = stats {
        // One entry for each plane, as of every tensor; those of a layer's other planes stay zero.
        clear(stats, shape.size[0] * shape.blocks);
        let jobs = slabs.zip(stats.chunks_mut(shape.blocks)).enumerate();
        parallel::run(machine.threads, jobs, scratch, |(layer, pair), scratch| {
            fast::layer(machine.door, job, layer, pair, scratch);
        });
    } else {
        parallel::run(machine.threads, slabs.enumerate(), scratch, |(layer, out), scratch| {
            fast::layer(machine.door, job, layer, (out, &mut []), scratch);
        });
    }
}
