//! One block of a network in training: its values, its gradient, and how it runs both ways.

use haema_kernels::norm::{self as kernel, Activation, ChannelMap};
use haema_kernels::{ChannelBlock, ChannelStats, Shape, View, resize};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::conv::{Conv, GradParts, Inputs, Machine};
use crate::norm::{self, Moments, NormParams};
use crate::parallel;
use crate::params::Parameters;
use crate::spec::{BlockSpec, ConvSpec, DropoutKind, NormSpec, Op};
use crate::sum_up;
use crate::tensor::{InputTensor, Tensor};
use crate::trainer::DropoutSeed;

/// What follows a convolution, or stands alone as a normalisation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish {
    pub(crate) norm: Option<NormSpec>,
    pub(crate) slope: f32,
}

impl Finish {
    /// Of blocks that end in an activation.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        match op {
            Op::Conv(spec) => Some(Self { norm: spec.norm, slope: spec.slope }),
            Op::Norm(spec) => Some(Self { norm: Some(spec.norm), slope: spec.slope }),
            Op::MaxPool2 | Op::Trilinear2 | Op::SumUp => None,
        }
    }

    /// The parameters of a block that this needs.
    pub(crate) fn params<'a>(&self, params: &'a Parameters, block: &BlockSpec) -> NormParams<'a> {
        let part = |name: &str| params.get(&format!("{}.{name}", block.name));
        NormParams {
            bias: matches!(block.op, Op::Conv(_)).then(|| part("conv.bias")),
            affine: self.norm.map(|_| (part("norm.gamma"), part("norm.beta"))),
        }
    }
}

/// Sums of a tensor's planes, for a normalisation that no convolution precedes.
pub(crate) fn sums(machine: Machine, tensor: View<'_>, stats: &mut Vec<ChannelStats>) {
    let shape = tensor.shape;
    stats.clear();
    stats.resize(shape.size[0] * shape.blocks, ChannelStats::default());
    // With an activation that does nothing, Σdz and Σdz·x of dz = x are Σx and Σx².
    let one = ChannelBlock([1.0; haema_kernels::LANES]);
    let maps = vec![ChannelMap { scale: one, keep: one, ..ChannelMap::default() }; shape.blocks];
    let nothing = Activation { maps: &maps, slope: 1.0 };
    parallel::chunks(machine.threads, stats, shape.blocks, |z, sums| {
        let slab = &tensor.data[z * shape.slab_len()..][..shape.slab_len()];
        kernel::backward_sums(machine.door, shape, nothing, (slab, slab), sums);
    });
}

/// A block with everything that its gradient needs.
#[derive(Debug)]
pub(crate) struct Node {
    /// Blocks that it reads; `None` is the network's input.
    pub(crate) inputs: Vec<Option<usize>>,
    pub(crate) residual: Option<usize>,
    pub(crate) conv: Option<Conv>,
    /// Before normalisation; its gradient after the way back.
    pub(crate) raw: Tensor,
    pub(crate) out: Tensor,
    pub(crate) grad: Tensor,
    maps: Vec<ChannelMap>,
    moments: Option<Moments>,
    stats: Vec<ChannelStats>,
}

impl Node {
    pub(crate) fn new(
        block: &BlockSpec,
        inputs: Vec<Option<usize>>,
        residual: Option<usize>,
        conv: Option<Conv>,
        shape: Shape,
    ) -> Self {
        let has_raw = Finish::of(&block.op).is_some();
        Self {
            inputs,
            residual,
            conv,
            raw: Tensor::zeros(if has_raw { shape } else { Shape { size: [0; 3], blocks: 0 } }),
            out: Tensor::zeros(shape),
            grad: Tensor::zeros(shape),
            maps: Vec::new(),
            moments: None,
            stats: Vec::new(),
        }
    }

    pub(crate) fn reshape(&mut self, shape: Shape) {
        if self.raw.shape.blocks > 0 {
            self.raw.reshape(shape);
        }
        self.out.reshape(shape);
        self.grad.reshape(shape);
    }

    /// Runs the block. `index` names it among the streams of dropout.
    pub(crate) fn forward(
        &mut self,
        machine: Machine,
        (input, before): (&InputTensor, &[Self]),
        (block, params): (&BlockSpec, &Parameters),
        (dropout, index): (DropoutSeed, u64),
    ) {
        let views = views(before, &self.inputs);
        let shape = self.out.shape;
        let slab = shape.slab_len();
        match &block.op {
            Op::Conv(spec) => {
                let inputs = Inputs::of(&views, input);
                let conv = self.conv.as_ref().expect("a convolution block has a convolution");
                conv.forward(machine, &inputs, shape, self.raw.elements_mut(), &mut self.stats);
                self.finish(machine, before, (block, params), &keep(spec, dropout, index));
                if spec.dropout_kind == DropoutKind::Element {
                    drop_elements(machine, spec, (dropout, index), &mut self.out);
                }
            }
            Op::Norm(_) => {
                let from = self.inputs[0].expect("`shapes` refuses a norm of the network's input");
                self.raw.elements_mut().copy_from_slice(before[from].out.elements());
                sums(machine, self.raw.view(), &mut self.stats);
                let keep = vec![1.0; before[from].out.shape.blocks * haema_kernels::LANES];
                self.finish(machine, before, (block, params), &keep);
            }
            Op::MaxPool2 => {
                parallel::chunks(machine.threads, self.out.elements_mut(), slab, |z, out| {
                    resize::max_pool_plane(views[0], shape, z, out);
                });
            }
            Op::Trilinear2 => {
                parallel::chunks(machine.threads, self.out.elements_mut(), slab, |z, out| {
                    resize::trilinear_plane(views[0], shape, z, out);
                });
            }
            Op::SumUp => sum_up::forward(machine, &views, shape, self.out.elements_mut()),
        }
    }

    /// From `raw` to `out`.
    fn finish(
        &mut self,
        machine: Machine,
        before: &[Self],
        (block, params): (&BlockSpec, &Parameters),
        keep: &[f32],
    ) {
        let shape = self.out.shape;
        let finish = Finish::of(&block.op).expect("this block ends in an activation");
        let params = finish.params(params, block);
        self.moments = finish.norm.map(|norm| {
            let total = norm::reduce(&self.stats, shape.blocks);
            Moments::new(&total, params.channels(), shape.voxels(), norm)
        });
        self.maps = norm::maps(self.moments.as_ref(), params, |channel| keep[channel]);
        let activation = Activation { maps: &self.maps, slope: finish.slope };
        let residual = self.residual.map(|i| &before[i].out);
        let raw = &self.raw;
        let out = self.out.elements_mut();
        parallel::chunks(machine.threads, out, shape.slab_len(), |z, out| {
            let residual = residual.map(|tensor| tensor.slab(z));
            kernel::forward(machine.door, shape, activation, raw.slab(z), residual, out);
        });
    }

    /// Runs the block back: adds to the gradients of what it reads and of its parameters. Uses up
    /// `raw`.
    pub(crate) fn backward(
        &mut self,
        machine: Machine,
        (input, before): (&InputTensor, &mut [Self]),
        (block, params, gradient): (&BlockSpec, &Parameters, &mut Parameters),
        (dropout, index): (DropoutSeed, u64),
        parts: &mut GradParts,
    ) {
        match &block.op {
            Op::Conv(spec) => {
                self.backward_residual(machine, before);
                if spec.dropout_kind == DropoutKind::Element {
                    drop_elements(machine, spec, (dropout, index), &mut self.grad);
                }
                self.backward_finish(machine, (block, params, gradient));
                let grad = gradient.get_mut(&format!("{}.conv.weight", block.name));
                self.backward_conv(machine, (input, before), (parts, grad));
            }
            Op::Norm(_) => {
                self.backward_finish(machine, (block, params, gradient));
                for &from in self.inputs.iter().flatten() {
                    add(machine, &self.raw, &mut before[from].grad);
                }
            }
            Op::MaxPool2 => self.backward_pool(machine, before),
            Op::Trilinear2 => {
                for &from in self.inputs.iter().flatten() {
                    let grad = &mut before[from].grad;
                    let shape = grad.shape;
                    resize::trilinear_grad(self.grad.view(), shape, grad.elements_mut());
                }
            }
            Op::SumUp => {
                for &from in self.inputs.iter().flatten() {
                    let grad = &mut before[from].grad;
                    let shape = grad.shape;
                    sum_up::backward(machine, self.grad.view(), shape, grad.elements_mut());
                }
            }
        }
    }

    fn backward_residual(&self, machine: Machine, before: &mut [Self]) {
        if let Some(residual) = self.residual {
            add(machine, &self.grad, &mut before[residual].grad);
        }
    }

    /// Turns `raw` into its gradient, and writes the gradients of the normalisation or the bias.
    fn backward_finish(
        &mut self,
        machine: Machine,
        (block, params, gradient): (&BlockSpec, &Parameters, &mut Parameters),
    ) {
        let shape = self.out.shape;
        let finish = Finish::of(&block.op).expect("this block ends in an activation");
        let params = finish.params(params, block);
        let activation = Activation { maps: &self.maps, slope: finish.slope };
        self.stats.fill(ChannelStats::default());
        let (raw, grad) = (&self.raw, &self.grad);
        parallel::chunks(machine.threads, &mut self.stats, shape.blocks, |z, sums| {
            let pair = (raw.slab(z), grad.slab(z));
            kernel::backward_sums(machine.door, shape, activation, pair, sums);
        });
        let total = norm::reduce(&self.stats, shape.blocks);
        let (grads, of_params) = norm::grads(self.moments.as_ref(), params, &total);
        let raw = self.raw.elements_mut();
        parallel::chunks(machine.threads, raw, shape.slab_len(), |z, raw| {
            let pair = (activation, grads.as_slice());
            kernel::backward_in_place(machine.door, shape, pair, grad.slab(z), raw);
        });
        let names = if finish.norm.is_some() {
            [Some("norm.gamma"), Some("norm.beta")]
        } else {
            [None, Some("conv.bias")]
        };
        for (part, name) in names.into_iter().enumerate() {
            let Some(name) = name else { continue };
            let values = gradient.get_mut(&format!("{}.{name}", block.name));
            for (value, of_param) in values.iter_mut().zip(&of_params) {
                *value = of_param[part];
            }
        }
    }

    fn backward_conv(
        &self,
        machine: Machine,
        (input, before): (&InputTensor, &mut [Self]),
        weight_grad: (&mut GradParts, &mut [f32]),
    ) {
        let conv = self.conv.as_ref().expect("a convolution block has a convolution");
        {
            let views = views(before, &self.inputs);
            let inputs = Inputs::of(&views, input);
            conv.backward_weights(machine, &inputs, self.raw.view(), weight_grad);
        }
        for (i, from) in self.inputs.iter().enumerate() {
            if let Some(from) = *from {
                let grad = &mut before[from].grad;
                let shape = grad.shape;
                conv.backward_data(machine, i, self.raw.view(), (shape, grad.elements_mut()));
            }
        }
    }

    fn backward_pool(&self, machine: Machine, before: &mut [Self]) {
        let Some(from) = self.inputs[0] else { return };
        let Self { out, grad, .. } = &mut before[from];
        let pair = 2 * grad.shape.slab_len();
        let input = out.view();
        parallel::chunks(machine.threads, grad.elements_mut(), pair, |z, slabs| {
            let pooled = (self.out.shape, self.out.slab(z), self.grad.slab(z));
            resize::max_pool_grad_plane(input, pooled, z, slabs);
        });
    }
}

fn add(machine: Machine, from: &Tensor, to: &mut Tensor) {
    let shape = to.shape;
    parallel::chunks(machine.threads, to.elements_mut(), shape.slab_len(), |z, to| {
        kernel::add(shape, from.slab(z), to);
    });
}

fn views<'a>(before: &'a [Node], inputs: &[Option<usize>]) -> Vec<View<'a>> {
    inputs.iter().flatten().map(|&i| before[i].out.view()).collect()
}

/// What each channel is multiplied by: 1, or 0 and `1/(1−p)` of channel dropout.
fn keep(spec: &ConvSpec, dropout: DropoutSeed, block: u64) -> Vec<f32> {
    let mut keep = vec![1.0; spec.out_channels];
    let drops = spec.dropout > 0.0 && spec.dropout_kind == DropoutKind::Channel;
    if let (DropoutSeed::Seed(seed), true) = (dropout, drops) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(block);
        for value in &mut keep {
            *value =
                if rng.random::<f32>() < spec.dropout { 0.0 } else { 1.0 / (1.0 - spec.dropout) };
        }
    }
    keep
}

/// Drops each element by itself: the same ones in values and in gradients, for the seed, the block
/// and the plane name them.
fn drop_elements(
    machine: Machine,
    spec: &ConvSpec,
    (dropout, block): (DropoutSeed, u64),
    tensor: &mut Tensor,
) {
    let DropoutSeed::Seed(seed) = dropout else { return };
    let slab = tensor.shape.slab_len();
    parallel::chunks(machine.threads, tensor.elements_mut(), slab, |z, slab| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((block << 32) | z as u64);
        for value in slab.iter_mut().flat_map(|element| &mut element.0) {
            *value *=
                if rng.random::<f32>() < spec.dropout { 0.0 } else { 1.0 / (1.0 - spec.dropout) };
        }
    });
}
