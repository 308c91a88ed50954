//! The network forward and backward, for training.

use std::collections::HashMap;

use haema_kernels::{Door, Shape};

use crate::conv::{Conv, GradParts, Machine};
use crate::node::Node;
use crate::parallel;
use crate::params::Parameters;
use crate::spec::{INPUT, NetSpec, Op, SpecError};
use crate::tensor::InputTensor;

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
    /// Of the last forward pass.
    dropout: DropoutSeed,
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
            let conv = Conv::of(&spec, block);
            let residual = match &block.op {
                Op::Conv(conv) => conv.residual.as_ref().map(|name| index[name.as_str()]),
                _ => None,
            };
            Node::new(block, inputs, residual, conv, shape)
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
            dropout: DropoutSeed::Off,
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
        let jobs = self.nodes.iter_mut().zip(&self.spec.blocks);
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
            node.reshape(Shape::new([z, y, x], c));
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
        self.dropout = dropout;
        for (i, block) in self.spec.blocks.iter().enumerate() {
            let (before, rest) = self.nodes.split_at_mut(i);
            let from = (&self.input, &*before);
            rest[0].forward(self.machine, from, (block, &self.params), (dropout, i as u64));
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
        for (i, block) in self.spec.blocks.iter().enumerate().rev() {
            let (before, rest) = self.nodes.split_at_mut(i);
            rest[0].backward(
                machine,
                (&self.input, before),
                (block, &self.params, &mut self.gradient),
                (self.dropout, i as u64),
                &mut self.grad_parts,
            );
        }
    }
}
