//! One convolution: its packed weights and which kernel runs it.

use haema_kernels::gather::{self, Gather};
use haema_kernels::geometry::{ConvKind, Geometry};
use haema_kernels::layout::Write;
use haema_kernels::pack::{self, Channels};
use haema_kernels::stem::{self, ScalarView};
use haema_kernels::weight_grad::{self, WeightGrad};
use haema_kernels::winograd::{self, Winograd};
use haema_kernels::winograd_grad;
use haema_kernels::{ChannelBlock, ChannelStats, Door, Shape, View};

use crate::parallel;
use crate::spec::{BlockSpec, INPUT, NetSpec, Op};
use crate::tensor::InputTensor;

/// Where and how much in parallel kernels run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) door: Door,
    pub(crate) threads: usize,
}

/// What a convolution reads.
pub(crate) enum Inputs<'a> {
    /// The network's input, one plain channel.
    Scalar(ScalarView<'a>),
    /// Earlier tensors, side by side in channels.
    Blocked(&'a [View<'a>]),
}

/// Parts of the planes that a weight gradient is summed in. A fixed number, so that the sum does not
/// depend on the number of threads.
const GRAD_PARTS: usize = 4;

/// Memory of a weight gradient's parts, kept from layer to layer.
#[derive(Debug, Default)]
pub(crate) struct GradParts([Vec<ChannelBlock>; GRAD_PARTS]);

/// A convolution with packed weights.
#[derive(Debug, Clone)]
pub(crate) struct Conv {
    kind: ConvKind,
    in_channels: Vec<usize>,
    out_channels: usize,
    is_stem: bool,
    forward: Geometry,
    backward: Geometry,
    weights: Vec<ChannelBlock>,
    /// Weights of the data gradient, for each input tensor.
    back_weights: Vec<Vec<ChannelBlock>>,
}

impl<'a> Inputs<'a> {
    /// Earlier tensors; where there is none, the network's input.
    pub(crate) fn of(views: &'a [View<'a>], input: &'a InputTensor) -> Self {
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
        let forward = Geometry::forward(kind);
        Self {
            kind,
            is_stem: reads_network_input,
            backward: forward.transposed(),
            forward,
            in_channels,
            out_channels,
            weights: Vec::new(),
            back_weights: Vec::new(),
        }
    }

    fn channels(&self) -> Channels<'_> {
        Channels { inputs: &self.in_channels, output: self.out_channels }
    }

    /// Whether Winograd runs it.
    fn is_winograd(&self) -> bool {
        self.kind == ConvKind::Same3 && !self.is_stem
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
            stem::pack_weights(self.out_channels, |o, k| weight(o, 0, k), &mut packed);
        } else if self.is_winograd() {
            winograd::pack_weights(channels, weight, &mut packed);
        } else {
            pack::gather(&self.forward, channels, weight, &mut packed);
        }
        self.weights = packed;
    }

    /// Packs logical weights for the data gradient.
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
            let at = |o: usize, i: usize, k: usize| (i * inputs + first + o) * kernel + k;
            if self.is_winograd() {
                // The adjoint of a same-padded convolution turns the kernel around.
                let weight = |o, i, k| weights[at(o, i, kernel - 1 - k)];
                winograd::pack_weights(channels, weight, packed);
            } else {
                pack::gather(&self.backward, channels, |o, i, k| weights[at(o, i, k)], packed);
            }
            first += own;
        }
        self.back_weights = back;
    }

    /// Convolves into `out`, and leaves each plane's sums in `stats`, `[z][block]`.
    pub(crate) fn forward(
        &self,
        machine: Machine,
        inputs: &Inputs<'_>,
        out_shape: Shape,
        out: &mut [ChannelBlock],
        stats: &mut Vec<ChannelStats>,
    ) {
        stats.clear();
        stats.resize(out_shape.size[0] * out_shape.blocks, ChannelStats::default());
        match inputs {
            Inputs::Scalar(input) => {
                let jobs = out
                    .chunks_mut(out_shape.slab_len())
                    .zip(stats.chunks_mut(out_shape.blocks))
                    .enumerate();
                let weights = self.weights.as_slice();
                parallel::run(
                    machine.threads,
                    jobs,
                    || (),
                    |(z, pair), ()| {
                        stem::plane(machine.door, (*input, weights), out_shape, z, pair);
                    },
                );
            }
            Inputs::Blocked(inputs) => {
                let write = Write::Set;
                if self.is_winograd() {
                    let job = Winograd { inputs, weights: &self.weights, out_shape, write };
                    run_winograd(machine, &job, out, stats);
                } else {
                    let (geometry, weights) = (&self.forward, self.weights.as_slice());
                    let job = Gather { inputs, geometry, weights, out_shape, write };
                    run_gather(machine, &job, out, stats);
                }
            }
        }
    }

    /// Leaves the gradient of input tensor `input` in `grad`.
    pub(crate) fn backward_data(
        &self,
        machine: Machine,
        input: usize,
        out_grad: View<'_>,
        (out_shape, grad, write): (Shape, &mut [ChannelBlock], Write),
    ) {
        let (inputs, weights) = (&[out_grad][..], self.back_weights[input].as_slice());
        if self.is_winograd() {
            run_winograd(machine, &Winograd { inputs, weights, out_shape, write }, grad, &mut []);
        } else {
            let geometry = &self.backward;
            let job = Gather { inputs, geometry, weights, out_shape, write };
            run_gather(machine, &job, grad, &mut []);
        }
    }

    /// Adds the weight gradient to `grad`, `[out][in][kernel]`. `parts` is memory to use again.
    pub(crate) fn backward_weights(
        &self,
        machine: Machine,
        inputs: &Inputs<'_>,
        out_grad: View<'_>,
        (parts, grad): (&mut GradParts, &mut [f32]),
    ) {
        let depth = out_grad.shape.size[0];
        let len = self.weight_len();
        let jobs = parts.0.iter_mut().enumerate();
        let scratch_len = if self.is_winograd() { winograd_grad::SCRATCH_LEN } else { 0 };
        parallel::run(
            machine.threads,
            jobs,
            || vec![ChannelBlock::default(); scratch_len],
            |(part, packed), scratch| {
                packed.clear();
                packed.resize(len, ChannelBlock::default());
                let planes = depth * part / GRAD_PARTS..depth * (part + 1) / GRAD_PARTS;
                match inputs {
                    Inputs::Scalar(input) => {
                        for z in planes {
                            let slab = out_grad.shape.slab_len();
                            let slab = &out_grad.data[z * slab..(z + 1) * slab];
                            let pair = (out_grad.shape, slab);
                            stem::weight_grad_plane(machine.door, *input, pair, z, packed);
                        }
                    }
                    Inputs::Blocked(inputs) => {
                        let job = WeightGrad { inputs, out_grad, geometry: &self.forward };
                        if self.is_winograd() {
                            winograd_grad::planes(machine.door, &job, planes, packed, scratch);
                        } else {
                            weight_grad::planes(machine.door, &job, planes, packed);
                        }
                    }
                }
            },
        );
        let (total, rest) = parts.0.split_first_mut().expect("there is at least one part");
        for part in rest {
            for (sum, value) in total.iter_mut().zip(part) {
                for (sum, value) in sum.0.iter_mut().zip(value.0) {
                    *sum += value;
                }
            }
        }
        self.unpack_gradient(total, grad);
    }

    /// Elements of its packed weights, and of the gradient that is laid out like them.
    fn weight_len(&self) -> usize {
        if self.is_stem {
            stem::weight_len(self.out_channels)
        } else if self.is_winograd() {
            winograd::weight_len(self.channels())
        } else {
            pack::gather_len(&self.forward, self.channels())
        }
    }

    /// Elements of the packed weights of the gradient of input tensor `input`.
    fn back_len(&self, input: usize) -> usize {
        let channels = Channels { inputs: &[self.out_channels], output: self.in_channels[input] };
        if self.is_stem {
            0
        } else if self.is_winograd() {
            winograd::weight_len(channels)
        } else {
            pack::gather_len(&self.backward, channels)
        }
    }

    /// Bytes of its packed weights, forward and back.
    pub(crate) fn bytes(&self) -> usize {
        let back: usize = (0..self.in_channels.len()).map(|input| self.back_len(input)).sum();
        (self.weight_len() + back) * size_of::<ChannelBlock>()
    }

    /// Bytes that its weight gradient takes in [`GradParts`].
    pub(crate) fn part_bytes(&self) -> usize {
        GRAD_PARTS * self.weight_len() * size_of::<ChannelBlock>()
    }

    fn unpack_gradient(&self, packed: &[ChannelBlock], grad: &mut [f32]) {
        let kernel = self.kind.kernel_len();
        if self.is_stem {
            for (i, value) in grad.iter_mut().enumerate() {
                let (o, k) = (i / kernel, i % kernel);
                *value += packed[o / 16 * kernel + k].0[o % 16];
            }
            return;
        }
        let inputs: usize = self.in_channels.iter().sum();
        let add = |o: usize, i: usize, k: usize, value: f32| {
            grad[(o * inputs + i) * kernel + k] += value;
        };
        if self.is_winograd() {
            winograd_grad::unpack_gradient(self.channels(), packed, add);
        } else {
            pack::unpack_gradient(&self.forward, self.channels(), packed, add);
        }
    }
}

fn run_gather(
    machine: Machine,
    job: &Gather<'_>,
    out: &mut [ChannelBlock],
    stats: &mut [ChannelStats],
) {
    let (slab, blocks) = (job.out_shape.slab_len(), job.out_shape.blocks);
    let mut stats = stats.chunks_mut(blocks);
    let jobs =
        out.chunks_mut(slab).enumerate().map(|(z, out)| (z, out, stats.next().unwrap_or_default()));
    parallel::run(
        machine.threads,
        jobs,
        || (),
        |(z, out, stats), ()| {
            gather::plane(machine.door, job, z, out, stats);
        },
    );
}

fn run_winograd(
    machine: Machine,
    job: &Winograd<'_>,
    out: &mut [ChannelBlock],
    stats: &mut [ChannelStats],
) {
    let depth = job.out_shape.size[0];
    // Each range transforms two planes of its neighbours again; two ranges a thread even out load.
    let planes = depth.div_ceil(2 * machine.threads).max(2);
    let mut stats = stats.chunks_mut(planes * job.out_shape.blocks);
    let jobs = out
        .chunks_mut(planes * job.out_shape.slab_len())
        .enumerate()
        .map(|(i, out)| (i * planes, out, stats.next().unwrap_or_default()));
    let in_blocks = job.inputs.iter().map(|view| view.shape.blocks).sum();
    let scratch = || vec![ChannelBlock::default(); winograd::scratch_len(in_blocks)];
    parallel::run(machine.threads, jobs, scratch, |(first, out, stats), scratch| {
        let range = first..(first + planes).min(depth);
        winograd::planes(machine.door, job, range, (out, stats), scratch);
    });
}
