//! The network forward and backward, for training.

use haema_kernels::Door;
use serde::{Deserialize, Serialize};

use crate::conv::{Conv, GradParts, Machine};
use crate::node::{Node, Step};
use crate::parallel;
use crate::params::{ParamInfo, Parameters};
use crate::spec::{NetSpec, SpecError};
use crate::step_times::{self, StepTimes};
use crate::tensor::{InputTensor, Slots, Tensor};
use crate::train_plan::TrainPlan;
use crate::wires::shapes;

/// Whether a pass forward trains, and what it drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropoutSeed {
    /// Nothing: validation. Batch normalisation takes its running statistics.
    Off,
    /// What this seed draws. Batch normalisation takes the tensor's own statistics and moves the
    /// running ones towards them.
    Seed(u64),
}

/// How a trainer keeps values for the way back. Parameters, moments, sums and gradients have 32 bits
/// in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingPrecision {
    /// 32 bits.
    #[default]
    F32,
    /// bfloat16, and outputs made again from them: about half the memory.
    Bf16,
}

/// A network with everything that its gradient needs. A small reverse mode: blocks run in order,
/// and back in reverse.
#[derive(Debug)]
pub struct Trainer {
    spec: NetSpec,
    precision: TrainingPrecision,
    machine: Machine,
    params: Parameters,
    gradient: Parameters,
    input: InputTensor,
    nodes: Vec<Node>,
    slots: Slots,
    logits: Vec<f32>,
    grad_parts: GradParts,
    /// Of the last forward pass.
    dropout: DropoutSeed,
    times: StepTimes,
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
        Self::with_precision(spec, params, size, (threads, TrainingPrecision::F32))
    }

    /// As [`Trainer::new`], with a precision.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the network does not take that size.
    pub fn with_precision(
        spec: NetSpec,
        params: Parameters,
        size: [usize; 3],
        (threads, precision): (usize, TrainingPrecision),
    ) -> Result<Self, SpecError> {
        let plan = TrainPlan::new(&spec, &shapes(&spec, size)?, precision);
        let nodes = plan.nodes.into_iter().enumerate();
        let nodes = nodes.map(|(i, plan)| Node::new(i, plan, &spec));
        let nodes = nodes.collect();
        let mut slots = Slots::default();
        slots.reshape(&plan.slots);
        let times = StepTimes::new(spec.blocks.iter().map(|block| &block.name));
        let mut trainer = Self {
            gradient: Parameters::zeros(&spec),
            machine: Machine { door: Door::best(), threads },
            input: InputTensor::zeros(size),
            logits: vec![0.0; size.iter().product()],
            spec,
            precision,
            params,
            nodes,
            slots,
            grad_parts: GradParts::default(),
            dropout: DropoutSeed::Off,
            times,
        };
        trainer.pack();
        Ok(trainer)
    }

    /// Bytes that a trainer takes for inputs of `size` `[z, y, x]`, found without making one: values
    /// for the way back, gradients, packed weights, parameters. The optimiser's state is not the
    /// trainer's, and threads take up to some hundred kilobytes each.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the network does not take that size.
    pub fn bytes(
        spec: &NetSpec,
        size: [usize; 3],
        precision: TrainingPrecision,
    ) -> Result<usize, SpecError> {
        let plan = TrainPlan::new(spec, &shapes(spec, size)?, precision);
        let convs: Vec<Conv> =
            spec.blocks.iter().filter_map(|block| Conv::of(spec, block)).collect();
        let weights: usize = convs.iter().map(Conv::bytes).sum();
        let parts = convs.iter().map(Conv::part_bytes).max().unwrap_or(0);
        // Parameters and their gradient; input with its halo, and logits.
        let input = InputTensor::len(size) + size.iter().product::<usize>();
        let parameters: usize = spec.parameters().iter().map(ParamInfo::len).sum();
        let plain = (2 * parameters + input) * size_of::<f32>();
        Ok(plan.bytes() + weights + parts + plain)
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

    /// Time of each part of the last step.
    pub fn times(&self) -> &StepTimes {
        &self.times
    }

    /// Changes the parameters.
    pub fn update(&mut self, change: impl FnOnce(&mut [f32], &[f32])) {
        let (values, gradient) = (self.params.values_mut(), self.gradient.values());
        step_times::time(&mut self.times.update, || change(values, gradient));
        let mut times = std::mem::take(&mut self.times.pack);
        step_times::time(&mut times, || self.pack());
        self.times.pack = times;
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
        let plan = TrainPlan::new(&self.spec, &shapes(&self.spec, size)?, self.precision);
        self.input = InputTensor::zeros(size);
        self.slots.reshape(&plan.slots);
        for (node, plan) in self.nodes.iter_mut().zip(plan.nodes) {
            node.replan(plan);
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
        let mut step = Step {
            machine: self.machine,
            slots: &mut self.slots,
            input: &self.input,
            params: &self.params,
            dropout,
        };
        for (i, block) in self.spec.blocks.iter().enumerate() {
            let (before, rest) = self.nodes.split_at_mut(i);
            let place = &mut self.times.blocks[i].forward;
            step_times::time(place, || rest[0].forward(&mut step, before, block));
        }
        if dropout != DropoutSeed::Off {
            self.update_running();
        }
        let last = self.nodes.last().and_then(|node| node.plan.out);
        let last = self.slots.get(last.expect("the last block has an output"));
        self.logits.resize(last.shape.voxels(), 0.0);
        let channels = self.spec.out_channels();
        let plane = last.shape.size[1] * last.shape.size[2];
        parallel::chunks(self.machine.threads, &mut self.logits, plane, |z, plane| {
            last.read_logits(z, channels, plane);
        });
        &self.logits
    }

    /// Moves running statistics towards those of the last pass forward.
    fn update_running(&mut self) {
        for (node, block) in self.nodes.iter().zip(&self.spec.blocks) {
            let momentum = block.op.momentum();
            if let (Some(momentum), Some(moments)) = (momentum, &node.moments) {
                self.params.update_running(&block.name, momentum, moments);
            }
        }
    }

    /// Runs back from the gradient of the logits of the last [`Trainer::forward`], whose values it
    /// uses up; [`Trainer::gradient`] then holds the gradient of the parameters.
    ///
    /// # Panics
    ///
    /// Where `logit_grad` has another length than the logits.
    pub fn backward(&mut self, logit_grad: &[f32]) {
        assert_eq!(logit_grad.len(), self.logits.len(), "trainer: gradient does not fit");
        self.gradient.values_mut().fill(0.0);
        let last = self.nodes.last().and_then(|node| node.plan.back.as_ref());
        let slot = last.expect("the last block has a gradient").grad;
        let mut grad = self.slots.take(slot);
        let (shape, channels) = (grad.shape, self.spec.out_channels());
        let plane = shape.size[1] * shape.size[2];
        let threads = self.machine.threads;
        parallel::chunks(threads, grad.elements_mut(), shape.slab_len(), |z, slab| {
            let plane = &logit_grad[z * plane..(z + 1) * plane];
            Tensor::write_logit_grad(shape, channels, plane, slab);
        });
        self.slots.put(slot, grad);
        let mut step = Step {
            machine: self.machine,
            slots: &mut self.slots,
            input: &self.input,
            params: &self.params,
            dropout: self.dropout,
        };
        for i in (0..self.nodes.len()).rev() {
            let (before, rest) = self.nodes.split_at_mut(i);
            rest[0].backward(
                &mut step,
                (before, &self.spec.blocks),
                (&mut self.gradient, &mut self.grad_parts),
                &mut self.times.blocks[i],
            );
        }
    }
}
