//! The network forward and backward, for training.

use std::collections::HashMap;

use haema_kernels::norm::{self as kernel, Activation, ChannelMap};
use haema_kernels::{ChannelStats, Door, Shape, View};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::conv::{Conv, GradParts, Inputs, Machine};
use crate::norm::{self, Moments, NormParams};
use crate::parallel;
use crate::params::Parameters;
use crate::spec::{ConvSpec, INPUT, NetSpec, Op, SpecError};
use crate::sum_up;
use crate::tensor::{InputTensor, Tensor};

/// Which channels a step drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropoutSeed {
    /// None: validation.
    Off,
    /// Those that this seed draws.
    Seed(u64),
}

/// A network with everything that its gradient needs: each block's raw and final values, and their
/// gradient. A small reverse mode: blocks run in order, and back in reverse.
#[derive(Debug)]
pub struct Trainer {
    spec: NetSpec,
    machine: Machine,
    params: Parameters,
    gradient: Parameters,
    input: InputTensor,
    nodes: Vec<Node>,
    logits: Vec<f32>,
    grad_parts: GradParts,
}

#[derive(Debug)]
struct Node {
    /// Blocks that it reads; `None` is the network's input.
    inputs: Vec<Option<usize>>,
    residual: Option<usize>,
    conv: Option<Conv>,
    /// Before normalisation; its gradient after the way back.
    raw: Tensor,
    out: Tensor,
    grad: Tensor,
    maps: Vec<ChannelMap>,
    moments: Option<Moments>,
    stats: Vec<ChannelStats>,
}

impl Trainer {
    /// Prepares a network for inputs of `size` `[z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the network does not take that size.
    pub fn new(
        spec: NetSpec,
        params: Parameters,
        size: [usize; 3],
        threads: usize,
    ) -> Result<Self, SpecError> {
        let shapes = spec.shapes(size)?;
        let index: HashMap<&str, usize> =
            spec.blocks.iter().enumerate().map(|(i, block)| (block.name.as_str(), i)).collect();
        let place = |name: &String| (name != INPUT).then(|| index[name.as_str()]);
        let nodes = spec.blocks.iter().zip(&shapes).map(|(block, &[c, z, y, x])| {
            let shape = Shape::new([z, y, x], c);
            let inputs: Vec<_> = block.inputs.iter().map(place).collect();
            let (conv, residual, raw) = match &block.op {
                Op::Conv(conv) => {
                    let kind = conv.kind().expect("`shapes` refuses kernels that are not ours");
                    let is_stem = inputs[0].is_none();
                    let made = Conv::new(kind, spec.inputs_of(block), conv.out_channels, is_stem);
                    let residual = conv.residual.as_ref().map(|name| index[name.as_str()]);
                    (Some(made), residual, Tensor::zeros(shape))
                }
                Op::SumUp => (None, None, Tensor::zeros(Shape::new([0, 0, 0], 0))),
            };
            Node {
                inputs,
                residual,
                conv,
                raw,
                out: Tensor::zeros(shape),
                grad: Tensor::zeros(shape),
                maps: Vec::new(),
                moments: None,
                stats: Vec::new(),
            }
        });
        let nodes = nodes.collect();
        let gradient = Parameters::zeros(&spec);
        let machine = Machine { door: Door::best(), threads };
        let input = InputTensor::zeros(size);
        let mut trainer = Self {
            spec,
            machine,
            params,
            gradient,
            input,
            nodes,
            logits: Vec::new(),
            grad_parts: GradParts::default(),
        };
        trainer.pack();
        Ok(trainer)
    }

    /// Changes the instruction set that kernels use.
    #[must_use]
    pub fn with_door(mut self, door: Door) -> Self {
        self.machine.door = door;
        self
    }

    /// The network.
    pub fn spec(&self) -> &NetSpec {
        &self.spec
    }

    /// Its parameters.
    pub fn params(&self) -> &Parameters {
        &self.params
    }

    /// Gradient of the last backward pass, in the parameters' order.
    pub fn gradient(&self) -> &Parameters {
        &self.gradient
    }

    /// Changes the parameters.
    pub fn update(&mut self, change: impl FnOnce(&mut [f32], &[f32])) {
        change(self.params.values_mut(), self.gradient.values());
        self.pack();
    }

    fn pack(&mut self) {
        let params = &self.params;
        let jobs = self.nodes.iter_mut().zip(&self.spec.blocks).collect();
        parallel::run(
            self.machine.threads,
            jobs,
            || (),
            |(node, block), ()| {
                if let Some(conv) = &mut node.conv {
                    let weights = params.get(&format!("{}.conv.weight", block.name));
                    conv.pack(weights);
                    conv.pack_backward(weights);
                }
            },
        );
    }

    /// Takes inputs of another size `[z, y, x]`. Cheap where only the depth shrinks, or grows to
    /// what it was before.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the network does not take that size.
    pub fn reshape(&mut self, size: [usize; 3]) -> Result<(), SpecError> {
        if self.input.shape.size == size {
            return Ok(());
        }
        let shapes = self.spec.shapes(size)?;
        self.input = InputTensor::zeros(size);
        for (node, [c, z, y, x]) in self.nodes.iter_mut().zip(shapes) {
            let shape = Shape::new([z, y, x], c);
            if node.conv.is_some() {
                node.raw.reshape(shape);
            }
            node.out.reshape(shape);
            node.grad.reshape(shape);
        }
        Ok(())
    }

    /// Runs one volume, `[z, y, x]` plain, and gives its logits.
    ///
    /// # Panics
    ///
    /// Where `input` does not fill the size that the trainer was made for.
    pub fn forward(&mut self, input: &[f32], dropout: DropoutSeed) -> &[f32] {
        assert_eq!(input.len(), self.input.shape.voxels(), "trainer: input does not fill the size");
        self.input.set(input);
        for i in 0..self.nodes.len() {
            let (before, rest) = self.nodes.split_at_mut(i);
            let node = &mut rest[0];
            let block = &self.spec.blocks[i];
            match &block.op {
                Op::Conv(spec) => {
                    let keep = keep(spec, dropout, i as u64);
                    let params = norm_params(&self.params, &block.name, spec);
                    node.forward(self.machine, (&self.input, before), spec, params, &keep);
                }
                Op::SumUp => {
                    let views = views(before, &node.inputs);
                    let shape = node.out.shape;
                    sum_up::forward(self.machine, &views, shape, node.out.elements_mut());
                }
            }
        }
        let last = &self.nodes.last().expect("a network has blocks").out;
        self.logits.resize(last.shape.voxels(), 0.0);
        last.read_logits(self.spec.out_channels(), &mut self.logits);
        &self.logits
    }

    /// Runs back from the gradient of the logits of the last [`Trainer::forward`], whose raw values
    /// it uses up; [`Trainer::gradient`] then holds the gradient of the parameters.
    ///
    /// # Panics
    ///
    /// Where `logit_grad` has another length than the logits.
    pub fn backward(&mut self, logit_grad: &[f32]) {
        assert_eq!(logit_grad.len(), self.logits.len(), "trainer: gradient does not fit");
        self.gradient.values_mut().fill(0.0);
        let machine = self.machine;
        for node in &mut self.nodes {
            let len = node.grad.shape.slab_len();
            parallel::chunks(machine.threads, node.grad.elements_mut(), len, |_, slab| {
                slab.fill(haema_kernels::ChannelBlock::default());
            });
        }
        let last = self.nodes.last_mut().expect("a network has blocks");
        last.grad.write_logit_grad(self.spec.out_channels(), logit_grad);
        for i in (0..self.nodes.len()).rev() {
            let (before, rest) = self.nodes.split_at_mut(i);
            let node = &mut rest[0];
            let block = &self.spec.blocks[i];
            match &block.op {
                Op::Conv(spec) => {
                    let params = norm_params(&self.params, &block.name, spec);
                    let of_params = node.backward_norm(machine, before, spec, params);
                    self.gradient.add_norm(&block.name, spec, &of_params);
                    let grad = self.gradient.get_mut(&format!("{}.conv.weight", block.name));
                    let grad = (&mut self.grad_parts, grad);
                    node.backward_conv(machine, (&self.input, before), grad);
                }
                Op::SumUp => {
                    for &input in node.inputs.iter().flatten() {
                        let grad = &mut before[input].grad;
                        let shape = grad.shape;
                        sum_up::backward(machine, node.grad.view(), shape, grad.elements_mut());
                    }
                }
            }
        }
    }
}

impl Parameters {
    fn add_norm(&mut self, block: &str, spec: &ConvSpec, of_params: &[[f32; 2]]) {
        let shift = if spec.norm.is_some() { "norm.beta" } else { "conv.bias" };
        for (i, [gamma, beta]) in of_params.iter().enumerate() {
            self.get_mut(&format!("{block}.{shift}"))[i] = *beta;
            if spec.norm.is_some() {
                self.get_mut(&format!("{block}.norm.gamma"))[i] = *gamma;
            }
        }
    }
}

pub(crate) fn norm_params<'a>(
    params: &'a Parameters,
    block: &str,
    spec: &ConvSpec,
) -> NormParams<'a> {
    NormParams {
        bias: params.get(&format!("{block}.conv.bias")),
        affine: spec.norm.map(|_| {
            let part = |name: &str| params.get(&format!("{block}.norm.{name}"));
            (part("gamma"), part("beta"))
        }),
    }
}

/// What each channel is multiplied by: 1, or 0 and `1/(1−p)` of dropout.
fn keep(spec: &ConvSpec, dropout: DropoutSeed, block: u64) -> Vec<f32> {
    let mut keep = vec![1.0; spec.out_channels];
    if let (DropoutSeed::Seed(seed), true) = (dropout, spec.dropout > 0.0) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(block);
        for value in &mut keep {
            *value =
                if rng.random::<f32>() < spec.dropout { 0.0 } else { 1.0 / (1.0 - spec.dropout) };
        }
    }
    keep
}

fn views<'a>(before: &'a [Node], inputs: &[Option<usize>]) -> Vec<View<'a>> {
    inputs.iter().flatten().map(|&i| before[i].out.view()).collect()
}

impl Node {
    fn forward(
        &mut self,
        machine: Machine,
        (input, before): (&InputTensor, &[Self]),
        spec: &ConvSpec,
        params: NormParams<'_>,
        keep: &[f32],
    ) {
        let shape = self.out.shape;
        let views = views(before, &self.inputs);
        let inputs =
            if views.is_empty() { Inputs::Scalar(input.view()) } else { Inputs::Blocked(&views) };
        let conv = self.conv.as_ref().expect("a convolution block has a convolution");
        conv.forward(machine, &inputs, shape, self.raw.elements_mut(), &mut self.stats);
        self.moments = spec.norm.map(|norm| {
            let total = norm::reduce(&self.stats, shape.blocks);
            Moments::new(&total, spec.out_channels, shape.voxels(), norm)
        });
        self.maps = norm::maps(self.moments.as_ref(), params, |channel| keep[channel]);
        let activation = Activation { maps: &self.maps, slope: spec.slope };
        let residual = self.residual.map(|i| &before[i].out);
        let raw = &self.raw;
        let out = self.out.elements_mut();
        parallel::chunks(machine.threads, out, shape.slab_len(), |z, out| {
            let residual = residual.map(|tensor| tensor.slab(z));
            kernel::forward(machine.door, shape, activation, raw.slab(z), residual, out);
        });
    }

    /// Turns `raw` into its gradient, passes the residual's on, and gives the gradients of
    /// `[γ, β or bias]`.
    fn backward_norm(
        &mut self,
        machine: Machine,
        before: &mut [Self],
        spec: &ConvSpec,
        params: NormParams<'_>,
    ) -> Vec<[f32; 2]> {
        let shape = self.out.shape;
        let grad = &self.grad;
        if let Some(residual) = self.residual {
            let to = before[residual].grad.elements_mut();
            parallel::chunks(machine.threads, to, shape.slab_len(), |z, to| {
                kernel::add(shape, grad.slab(z), to);
            });
        }
        let activation = Activation { maps: &self.maps, slope: spec.slope };
        self.stats.fill(ChannelStats::default());
        let raw = &self.raw;
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
        of_params
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
            let inputs = if views.is_empty() {
                Inputs::Scalar(input.view())
            } else {
                Inputs::Blocked(&views)
            };
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
}
