//! The network forward only: buffers planned once and shared, everything in place.

use std::collections::HashMap;

use haema_kernels::norm::{self as kernel, Activation};
use haema_kernels::{ChannelStats, Door, Shape, View, resize};

use crate::conv::{Conv, Inputs, Machine};
use crate::logistic::sigmoid;
use crate::node::{self, Finish};
use crate::norm::{self, Moments};
use crate::parallel;
use crate::params::Parameters;
use crate::spec::{INPUT, NetSpec, Op, SpecError};
use crate::sum_up;
use crate::tensor::{InputTensor, Tensor};

/// Runs a network on volumes of one size.
#[derive(Debug)]
pub struct Executor {
    spec: NetSpec,
    params: Parameters,
    machine: Machine,
    input: InputTensor,
    steps: Vec<Step>,
    /// Tensors, shared by steps whose results are not needed at the same time.
    slots: Vec<Tensor>,
    stats: Vec<ChannelStats>,
}

#[derive(Debug)]
struct Step {
    conv: Option<Conv>,
    /// Slots that it reads; `None` is the network's input.
    inputs: Vec<Option<usize>>,
    residual: Option<usize>,
    /// Slot that it writes; never one that it reads.
    slot: usize,
}

impl Executor {
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
        let (steps, shapes) = plan(&spec, size)?;
        let machine = Machine { door: Door::best(), threads };
        let slots = shapes.into_iter().map(Tensor::zeros).collect();
        let input = InputTensor::zeros(size);
        let mut executor = Self { spec, params, machine, input, steps, slots, stats: Vec::new() };
        executor.pack();
        Ok(executor)
    }

    fn pack(&mut self) {
        let params = &self.params;
        let jobs = self.steps.iter_mut().zip(&self.spec.blocks);
        parallel::run(
            self.machine.threads,
            jobs,
            || (),
            |(step, block), ()| {
                if let Some(conv) = &mut step.conv {
                    conv.pack(params.get(&format!("{}.conv.weight", block.name)));
                }
            },
        );
    }

    /// Changes the instruction set that kernels use.
    #[must_use]
    pub fn with_door(mut self, door: Door) -> Self {
        self.machine.door = door;
        self
    }

    /// Size `[z, y, x]` of the volumes that it takes.
    pub fn size(&self) -> [usize; 3] {
        self.input.shape.size
    }

    /// Bytes of all activations.
    pub fn activation_bytes(&self) -> usize {
        let blocks: usize = self.slots.iter().map(|slot| slot.shape.len()).sum();
        blocks * size_of::<haema_kernels::ChannelBlock>() + self.input.data.len() * size_of::<f32>()
    }

    /// Probabilities of one volume, both plain `[z, y, x]`.
    ///
    /// # Panics
    ///
    /// Where `input` does not fill the size that the executor was made for.
    pub fn probabilities(&mut self, input: &[f32]) -> Vec<f32> {
        assert_eq!(
            input.len(),
            self.input.shape.voxels(),
            "executor: input does not fill the size"
        );
        self.input.set(input);
        for i in 0..self.steps.len() {
            self.step(i);
        }
        let last = &self.slots[self.steps.last().expect("a network has blocks").slot];
        let mut out = vec![0.0; last.shape.voxels()];
        let channels = self.spec.out_channels();
        let plane = last.shape.size[1] * last.shape.size[2];
        parallel::chunks(self.machine.threads, &mut out, plane, |z, plane| {
            last.read_logits(z, channels, plane);
            for value in plane {
                *value = sigmoid(*value);
            }
        });
        out
    }

    fn step(&mut self, i: usize) {
        let block = &self.spec.blocks[i];
        let step = &self.steps[i];
        // Taken out, because a step reads other slots while it writes its own.
        let mut out = std::mem::replace(
            &mut self.slots[step.slot],
            Tensor::zeros(Shape { size: [0; 3], blocks: 0 }),
        );
        let views: Vec<View<'_>> =
            step.inputs.iter().flatten().map(|&slot| self.slots[slot].view()).collect();
        let (machine, shape) = (self.machine, out.shape);
        let slab = shape.slab_len();
        match &block.op {
            Op::Conv(_) => {
                let inputs = Inputs::of(&views, &self.input);
                let conv = step.conv.as_ref().expect("a convolution block has a convolution");
                conv.forward(machine, &inputs, shape, out.elements_mut(), &mut self.stats);
            }
            Op::Norm(_) => {
                out.elements_mut().copy_from_slice(views[0].data);
                node::sums(machine, &out, &mut self.stats);
            }
            Op::MaxPool2 => {
                parallel::chunks(machine.threads, out.elements_mut(), slab, |z, out| {
                    resize::max_pool_plane(views[0], shape, z, out);
                });
            }
            Op::Trilinear2 => {
                parallel::chunks(machine.threads, out.elements_mut(), slab, |z, out| {
                    resize::trilinear_plane(views[0], shape, z, out);
                });
            }
            Op::SumUp => sum_up::forward(machine, &views, shape, out.elements_mut()),
        }
        if let Some(end) = Finish::of(&block.op) {
            let residual = step.residual.map(|slot| &self.slots[slot]);
            let params = end.params(&self.params, block);
            finish(machine, (end, params), &self.stats, (residual, &mut out));
        }
        self.slots[step.slot] = out;
    }
}

/// Normalisation, activation and residual sum, in place.
fn finish(
    machine: Machine,
    (end, params): (Finish, norm::NormParams<'_>),
    stats: &[ChannelStats],
    (residual, out): (Option<&Tensor>, &mut Tensor),
) {
    let shape = out.shape;
    let moments = end.norm.map(|norm| {
        let total = norm::reduce(stats, shape.blocks);
        Moments::new(&total, params.channels(), shape.voxels(), norm)
    });
    let maps = norm::maps(moments.as_ref(), params, |_| 1.0);
    let activation = Activation { maps: &maps, slope: end.slope };
    parallel::chunks(machine.threads, out.elements_mut(), shape.slab_len(), |z, out| {
        let residual = residual.map(|tensor| tensor.slab(z));
        kernel::forward_in_place(machine.door, shape, activation, residual, out);
    });
}

/// Gives every block a slot: a free one of the same shape, else a new one. A slot is free after the
/// last block that reads it.
fn plan(spec: &NetSpec, size: [usize; 3]) -> Result<(Vec<Step>, Vec<Shape>), SpecError> {
    let shapes = spec.shapes(size)?;
    let index: HashMap<&str, usize> =
        spec.blocks.iter().enumerate().map(|(i, block)| (block.name.as_str(), i)).collect();
    let reads = |block: usize| {
        let block = &spec.blocks[block];
        let residual = match &block.op {
            Op::Conv(conv) => conv.residual.as_ref(),
            _ => None,
        };
        block.inputs.iter().chain(residual).filter_map(|name| index.get(name.as_str()).copied())
    };
    let mut last_read: Vec<usize> = (0..spec.blocks.len()).collect();
    for block in 0..spec.blocks.len() {
        for read in reads(block) {
            last_read[read] = block;
        }
    }
    let (mut slots, mut owners): (Vec<Shape>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut slot_of = Vec::new();
    let mut steps = Vec::new();
    for (i, (block, &[c, z, y, x])) in spec.blocks.iter().zip(&shapes).enumerate() {
        let shape = Shape::new([z, y, x], c);
        let is_free = |slot: usize| last_read[owners[slot]] < i && slots[slot] == shape;
        let slot = (0..slots.len()).find(|&slot| is_free(slot)).unwrap_or_else(|| {
            slots.push(shape);
            owners.push(i);
            slots.len() - 1
        });
        owners[slot] = i;
        slot_of.push(slot);
        let place = |name: &String| (name != INPUT).then(|| slot_of[index[name.as_str()]]);
        let inputs: Vec<_> = block.inputs.iter().map(place).collect();
        let conv = Conv::of(spec, block);
        let residual = match &block.op {
            Op::Conv(conv) => conv.residual.as_ref().and_then(place),
            _ => None,
        };
        steps.push(Step { conv, inputs, residual, slot });
    }
    Ok((steps, slots))
}
