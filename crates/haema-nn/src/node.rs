//! One block of a network in training, on the way forward; [`crate::node_grad`] is the way back.

use haema_kernels::norm::{self as kernel, Activation, ChannelMap};
use haema_kernels::{
    ChannelBlock, ChannelStats, Element, HalfBlock, Shape, View, half, norm_grad, pool, resize,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::conv::{Conv, Inputs, Machine};
use crate::norm::{self, Moments, NormParams};
use crate::parallel;
use crate::params::Parameters;
use crate::spec::{BlockSpec, ConvSpec, DropoutKind, NetSpec, NormSpec, Op, Statistics};
use crate::sum_up;
use crate::tensor::{HalfTensor, InputTensor, Slots, Tensor};
use crate::train_plan::{NodePlan, Raw, Source};
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
            Op::MaxPool2 | Op::PlaneMaxPool2 | Op::Trilinear2 | Op::SumUp => None,
        }
    }

    /// The normalisation, where it takes running statistics unless it trains.
    pub(crate) fn with_running(&self) -> Option<NormSpec> {
        self.norm.filter(|norm| norm.statistics != Statistics::Own)
    }
}

/// The parameters of what follows a block's convolution, or of a normalisation alone.
pub(crate) fn norm_params<'a>(params: &'a Parameters, block: &BlockSpec) -> NormParams<'a> {
    let part = |name: &str| params.find(&format!("{}.{name}", block.name));
    let affine = part("norm.gamma").zip(part("norm.beta"));
    let channels = match &block.op {
        Op::Conv(spec) => spec.out_channels,
        _ => affine.map_or(0, |(gamma, _)| gamma.len()),
    };
    let running = part("norm.mean").zip(part("norm.variance"));
    NormParams { channels, bias: part("conv.bias"), affine, running }
}

/// Sums of a tensor's planes, for a normalisation that no convolution precedes.
pub(crate) fn sums<E: Element>(
    machine: Machine,
    tensor: View<'_, E>,
    stats: &mut Vec<ChannelStats>,
) {
    let shape = tensor.shape;
    stats.clear();
    stats.resize(shape.size[0] * shape.blocks, ChannelStats::default());
    // With an activation that does nothing, Σdz and Σdz·x of dz = x are Σx and Σx².
    let maps = vec![identity(); shape.blocks];
    let nothing = Activation { maps: &maps, slope: 1.0 };
    parallel::chunks(machine.threads, stats, shape.blocks, |z, sums| {
        let slab = &tensor.data[z * shape.slab_len()..][..shape.slab_len()];
        norm_grad::sums(machine.door, shape, nothing, (slab, slab), sums);
    });
}

/// A map that changes nothing.
fn identity() -> ChannelMap {
    let one = ChannelBlock([1.0; haema_kernels::LANES]);
    ChannelMap { scale: one, keep: one, ..ChannelMap::default() }
}

/// What every block of a step needs.
pub(crate) struct Step<'a> {
    pub(crate) machine: Machine,
    pub(crate) slots: &'a mut Slots,
    pub(crate) input: &'a InputTensor,
    pub(crate) params: &'a Parameters,
    pub(crate) dropout: DropoutSeed,
}

/// A block with what its gradient needs, but for the tensors in the slots.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its place in the network, which names it among the streams of dropout.
    pub(crate) index: usize,
    pub(crate) plan: NodePlan,
    pub(crate) conv: Option<Conv>,
    /// Slope of its activation; 1 where there is none.
    pub(crate) slope: f32,
    pub(crate) maps: Vec<ChannelMap>,
    pub(crate) moments: Option<Moments>,
    pub(crate) stats: Vec<ChannelStats>,
    /// Raw values in half the width, where the plan says so.
    pub(crate) half: HalfTensor,
}

impl Node {
    pub(crate) fn new(index: usize, plan: NodePlan, spec: &NetSpec) -> Self {
        let block = &spec.blocks[index];
        let mut node = Self {
            index,
            plan,
            conv: Conv::of(spec, block),
            slope: Finish::of(&block.op).map_or(1.0, |finish| finish.slope),
            maps: Vec::new(),
            moments: None,
            stats: Vec::new(),
            half: HalfTensor::default(),
        };
        node.reserve();
        node
    }

    /// Takes the buffers of another size.
    pub(crate) fn replan(&mut self, plan: NodePlan) {
        self.plan = plan;
        self.reserve();
    }

    fn reserve(&mut self) {
        if self.plan.raw == Raw::Half {
            self.half.reshape(self.plan.shape);
        }
    }

    /// Its raw values, to be activated as they are read.
    fn pending<'a>(&'a self, slots: &'a Slots) -> View<'a> {
        let Raw::Slot(raw) = self.plan.raw else {
            unreachable!("the plan lets only raw values in a buffer stay pending");
        };
        slots.get(raw).view().activated(Activation { maps: &self.maps, slope: self.slope })
    }

    /// Runs the block; `before` are the blocks before it.
    pub(crate) fn forward(&mut self, step: &mut Step<'_>, before: &[Self], block: &BlockSpec) {
        if matches!(block.op, Op::Conv(_)) {
            return self.forward_conv(step, before, block);
        }
        let (machine, shape) = (step.machine, self.plan.shape);
        let slot = self.plan.out.expect("only a convolution's output stays pending");
        let mut out = step.slots.take(slot);
        let slots = &*step.slots;
        let views = views(slots, before, &self.plan.reads);
        let slab = shape.slab_len();
        match &block.op {
            Op::Conv(_) => unreachable!("answered above"),
            Op::Norm(_) => {
                let from = views[0];
                sums(machine, from, &mut self.stats);
                let maps = &mut self.maps;
                self.moments = set_maps((&self.stats, shape), step, (block, self.index), maps);
                let activation = Activation { maps: &self.maps, slope: self.slope };
                parallel::chunks(machine.threads, out.elements_mut(), slab, |z, out| {
                    let from = &from.data[z * slab..(z + 1) * slab];
                    kernel::forward(machine.door, shape, activation, from, (None, z), out);
                });
            }
            Op::MaxPool2 | Op::PlaneMaxPool2 => {
                let kind = block.op.pool().expect("both are pools");
                parallel::chunks(machine.threads, out.elements_mut(), slab, |z, out| {
                    pool::max_plane(machine.door, kind, views[0], (shape, z), out);
                });
            }
            Op::Trilinear2 => {
                parallel::chunks(machine.threads, out.elements_mut(), slab, |z, out| {
                    resize::trilinear_plane(views[0], shape, z, out);
                });
            }
            Op::SumUp => sum_up::forward(machine, &views, shape, out.elements_mut()),
        }
        step.slots.put(slot, out);
    }

    fn forward_conv(&mut self, step: &mut Step<'_>, before: &[Self], block: &BlockSpec) {
        let (machine, shape) = (step.machine, self.plan.shape);
        let (raw_slot, half) = match self.plan.raw {
            Raw::Slot(slot) => (Some(slot), None),
            Raw::None => (None, None),
            Raw::Half => (None, Some(self.half.elements_mut(shape))),
        };
        let mut own_raw = raw_slot.map(|slot| step.slots.take(slot));
        let mut out = self.plan.out.map(|slot| step.slots.take(slot));
        let raw = own_raw.as_mut().or(out.as_mut()).expect("a block has raw values or an output");
        let views = views(step.slots, before, &self.plan.reads);
        let conv = self.conv.as_ref().expect("a convolution block has a convolution");
        let inputs = Inputs::of(&views, step.input);
        conv.forward(machine, &inputs, shape, raw.elements_mut(), &mut self.stats);
        let moments = set_maps((&self.stats, shape), step, (block, self.index), &mut self.maps);
        self.moments = moments;
        if let Some(out) = &mut out {
            let activation = Activation { maps: &self.maps, slope: self.slope };
            let drops = drops_elements(&block.op, step.dropout);
            // What drops single elements must not drop the residual's.
            let residual = self.plan.residual.map(|from| view(step.slots, before, from));
            let with = residual.filter(|_| drops.is_none());
            activate(machine, (activation, with), (own_raw.as_ref(), half), out);
            if let Some((seed, share)) = drops {
                drop_elements(machine, share, (seed, self.index as u64), out);
                if let Some(residual) = residual {
                    add(machine, residual, out);
                }
            }
        }
        for (slot, tensor) in [(raw_slot, own_raw), (self.plan.out, out)] {
            if let (Some(slot), Some(tensor)) = (slot, tensor) {
                step.slots.put(slot, tensor);
            }
        }
    }

    /// Makes the output again from raw values of half the width.
    pub(crate) fn restore(&self, step: &mut Step<'_>, block: &BlockSpec, slot: usize) {
        let (machine, shape) = (step.machine, self.plan.shape);
        let activation = Activation { maps: &self.maps, slope: self.slope };
        let half = self.half.elements(shape);
        let mut out = step.slots.take(slot);
        parallel::chunks(machine.threads, out.elements_mut(), shape.slab_len(), |z, out| {
            let half = &half[z * shape.slab_len()..(z + 1) * shape.slab_len()];
            half::activate(machine.door, shape, activation, None, (out, half));
        });
        if let Some((seed, share)) = drops_elements(&block.op, step.dropout) {
            drop_elements(machine, share, (seed, self.index as u64), &mut out);
        }
        step.slots.put(slot, out);
    }
}

/// The way from raw values to the output, from the sums over the raw values of a block.
fn set_maps(
    (stats, shape): (&[ChannelStats], Shape),
    step: &Step<'_>,
    (block, index): (&BlockSpec, usize),
    maps: &mut Vec<ChannelMap>,
) -> Option<Moments> {
    let finish = Finish::of(&block.op).expect("this block ends in an activation");
    let params = norm_params(step.params, block);
    let running = finish.with_running().filter(|_| step.dropout == DropoutSeed::Off);
    let running = running.and_then(|norm| Moments::running(params, norm));
    let moments = running.or_else(|| {
        let total = norm::reduce(stats, shape.blocks);
        finish.norm.map(|norm| Moments::new(&total, params.channels, shape.voxels(), norm))
    });
    let keep = keep(&block.op, params.channels, (step.dropout, index as u64));
    *maps = norm::maps(moments.as_ref(), params, |channel| keep[channel]);
    moments
}

/// Normalises, activates and adds the residual: from raw values of their own, or in place, where
/// they are then kept in half the width if so wanted.
fn activate(
    machine: Machine,
    (activation, residual): (Activation<'_>, Option<View<'_>>),
    (raw, half): (Option<&Tensor>, Option<&mut [HalfBlock]>),
    out: &mut Tensor,
) {
    let shape = out.shape;
    let len = shape.slab_len();
    match (raw, half) {
        (Some(raw), _) => {
            parallel::chunks(machine.threads, out.elements_mut(), len, |z, out| {
                let residual = (residual, z);
                kernel::forward(machine.door, shape, activation, raw.slab(z), residual, out);
            });
        }
        (None, Some(half)) => {
            let slabs = out.elements_mut().chunks_mut(len).zip(half.chunks_mut(len));
            parallel::run(
                machine.threads,
                slabs.enumerate(),
                || (),
                |(z, pair), ()| {
                    let residual = residual.map(|view| &view.data[z * len..(z + 1) * len]);
                    half::keep_and_activate(machine.door, shape, activation, residual, pair);
                },
            );
        }
        (None, None) => {
            parallel::chunks(machine.threads, out.elements_mut(), len, |z, out| {
                kernel::forward_in_place(machine.door, shape, activation, (residual, z), out);
            });
        }
    }
}

/// Adds one tensor to another, activated if it is not yet.
pub(crate) fn add(machine: Machine, from: View<'_>, to: &mut Tensor) {
    let shape = to.shape;
    let maps = vec![identity(); shape.blocks];
    let nothing = Activation { maps: &maps, slope: 1.0 };
    parallel::chunks(machine.threads, to.elements_mut(), shape.slab_len(), |z, to| {
        kernel::forward_in_place(machine.door, shape, nothing, (Some(from), z), to);
    });
}

/// What a block reads; `before` are the blocks before it.
pub(crate) fn view<'a>(slots: &'a Slots, before: &'a [Node], from: Source) -> View<'a> {
    match from {
        Source::Slot(slot) => slots.get(slot).view(),
        Source::Raw(block) => before[block].pending(slots),
    }
}

pub(crate) fn views<'a>(
    slots: &'a Slots,
    before: &'a [Node],
    reads: &[Option<Source>],
) -> Vec<View<'a>> {
    reads.iter().flatten().map(|&from| view(slots, before, from)).collect()
}

/// What each channel is multiplied by: 1, or 0 and `1/(1−p)` of channel dropout.
pub(crate) fn keep(op: &Op, channels: usize, (dropout, block): (DropoutSeed, u64)) -> Vec<f32> {
    let mut keep = vec![1.0; channels];
    let (Op::Conv(spec), DropoutSeed::Seed(seed)) = (op, dropout) else { return keep };
    if spec.dropout > 0.0 && spec.dropout_kind == DropoutKind::Channel {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(block);
        for value in &mut keep {
            *value =
                if rng.random::<f32>() < spec.dropout { 0.0 } else { 1.0 / (1.0 - spec.dropout) };
        }
    }
    keep
}

/// The seed and the share, where single elements are dropped.
pub(crate) fn drops_elements(op: &Op, dropout: DropoutSeed) -> Option<(u64, f32)> {
    match (op, dropout) {
        (
            Op::Conv(ConvSpec { dropout: share, dropout_kind: DropoutKind::Element, .. }),
            DropoutSeed::Seed(seed),
        ) if *share > 0.0 => Some((seed, *share)),
        _ => None,
    }
}

/// Drops each element by itself: the same ones in values and in gradients, for the seed, the block
/// and the plane name them.
pub(crate) fn drop_elements(
    machine: Machine,
    share: f32,
    (seed, block): (u64, u64),
    tensor: &mut Tensor,
) {
    let slab = tensor.shape.slab_len();
    parallel::chunks(machine.threads, tensor.elements_mut(), slab, |z, slab| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((block << 32) | z as u64);
        for value in slab.iter_mut().flat_map(|element| &mut element.0) {
            *value *= if rng.random::<f32>() < share { 0.0 } else { 1.0 / (1.0 - share) };
        }
    });
}
