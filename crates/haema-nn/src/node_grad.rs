//! One block of a network in training, on the way back.

use haema_kernels::layout::Write;
use haema_kernels::norm::Activation;
use haema_kernels::norm_grad::{self, ChannelGrad};
use haema_kernels::{ChannelStats, Element, Shape, pool, resize};

use crate::conv::{GradParts, Inputs, Machine};
use crate::node::{self, Finish, Node, Step};
use crate::norm;
use crate::parallel;
use crate::params::Parameters;
use crate::spec::{BlockSpec, Op};
use crate::step_times::{BlockTimes, time};
use crate::sum_up;
use crate::tensor::{Slots, Tensor};
use crate::train_plan::{BackPlan, Handover, Raw};

impl Node {
    /// Runs the block back: leaves the gradients of what it reads and of its parameters. `before` are
    /// the blocks before it.
    pub(crate) fn backward(
        &mut self,
        step: &mut Step<'_>,
        (before, specs): (&[Self], &[BlockSpec]),
        (gradient, parts): (&mut Parameters, &mut GradParts),
        times: &mut BlockTimes,
    ) {
        let Some(back) = self.plan.back.take() else { return };
        let block = &specs[self.index];
        time(&mut times.finish, || {
            for &(read, slot) in &back.restores {
                before[read].restore(step, &specs[read], slot);
            }
            if Finish::of(&block.op).is_some() {
                self.backward_finish(step, (before, &back), block, gradient);
            }
        });
        if matches!(block.op, Op::Conv(_)) {
            let grad = gradient.get_mut(&format!("{}.conv.weight", block.name));
            time(&mut times.weights, || {
                self.backward_weights(step, (before, &back), (parts, grad));
            });
        }
        time(&mut times.data, || {
            for (input, plan) in back.inputs.iter().enumerate() {
                if let Some((handover, slot)) = *plan {
                    self.backward_input(step, before, (block, &back), (input, handover, slot));
                }
            }
        });
        self.plan.back = Some(back);
    }

    /// To the gradient of the raw values, and those of the normalisation or the bias.
    fn backward_finish(
        &mut self,
        step: &mut Step<'_>,
        (before, back): (&[Self], &BackPlan),
        block: &BlockSpec,
        gradient: &mut Parameters,
    ) {
        let (machine, shape) = (step.machine, self.plan.shape);
        if let Some((handover, slot)) = back.residual {
            pass_on(machine, step.slots, back.grad, (handover, slot));
        }
        let mut grad = step.slots.take(back.grad);
        if let Some((seed, share)) = node::drops_elements(&block.op, step.dropout) {
            node::drop_elements(machine, share, (seed, self.index as u64), &mut grad);
        }
        let finish = Finish::of(&block.op).expect("this block ends in an activation");
        let params = node::norm_params(step.params, block);
        let activation = Activation { maps: &self.maps, slope: finish.slope };
        let sums = Sums { machine, shape, activation, stats: &mut self.stats };
        let moments = self.moments.as_ref();
        let of_params = match (self.plan.raw, &block.op) {
            (Raw::Slot(slot), _) => {
                let mut raw = step.slots.take(slot);
                let total = sums.of(|z| raw.slab(z), &grad);
                let (grads, of_params) = norm::grads(moments, params, &total);
                let len = shape.slab_len();
                parallel::chunks(machine.threads, raw.elements_mut(), len, |z, raw| {
                    let maps = (activation, grads.as_slice());
                    norm_grad::over_raw(machine.door, shape, maps, grad.slab(z), raw);
                });
                step.slots.put(slot, raw);
                of_params
            }
            (Raw::Half, _) => {
                let half = self.half.elements(shape);
                let raw = |z: usize| &half[z * shape.slab_len()..(z + 1) * shape.slab_len()];
                let total = sums.of(raw, &grad);
                let (grads, of_params) = norm::grads(moments, params, &total);
                let maps = (activation, grads.as_slice());
                if back.raw_grad == back.grad {
                    in_place(machine, maps, raw, &mut grad);
                } else {
                    let mut raw_grad = step.slots.take(back.raw_grad);
                    let len = shape.slab_len();
                    parallel::chunks(machine.threads, raw_grad.elements_mut(), len, |z, to| {
                        norm_grad::apart(machine.door, shape, maps, (raw(z), grad.slab(z)), to);
                    });
                    step.slots.put(back.raw_grad, raw_grad);
                }
                of_params
            }
            (Raw::None, Op::Norm(_)) => {
                let read = back.reads[0].expect("only a convolution reads the network's input");
                let read = node::view(step.slots, before, read).data;
                let raw = |z: usize| &read[z * shape.slab_len()..(z + 1) * shape.slab_len()];
                let total = sums.of(raw, &grad);
                let (grads, of_params) = norm::grads(moments, params, &total);
                in_place(machine, (activation, &grads), raw, &mut grad);
                of_params
            }
            (Raw::None, _) => {
                // No normalisation, no activation: only the bias' gradient, Σdz, is wanted.
                let total = sums.of(|z| grad.slab(z), &grad);
                norm::grads(moments, params, &total).1
            }
        };
        step.slots.put(back.grad, grad);
        let has = [params.affine.is_some(), params.affine.is_some(), params.bias.is_some()];
        let names = ["norm.gamma", "norm.beta", "conv.bias"].into_iter().enumerate();
        for (part, name) in names.filter(|&(part, _)| has[part]) {
            let values = gradient.get_mut(&format!("{}.{name}", block.name));
            for (value, of_param) in values.iter_mut().zip(&of_params) {
                *value = of_param[part];
            }
        }
    }

    fn backward_weights(
        &self,
        step: &Step<'_>,
        (before, back): (&[Self], &BackPlan),
        weight_grad: (&mut GradParts, &mut [f32]),
    ) {
        let conv = self.conv.as_ref().expect("a convolution block has a convolution");
        let views = node::views(step.slots, before, &back.reads);
        let inputs = Inputs::of(&views, step.input);
        let raw_grad = step.slots.get(back.raw_grad).view();
        conv.backward_weights(step.machine, &inputs, raw_grad, weight_grad);
    }

    /// Hands the gradient on to one input.
    fn backward_input(
        &self,
        step: &mut Step<'_>,
        before: &[Self],
        (block, back): (&BlockSpec, &BackPlan),
        (input, handover, slot): (usize, Handover, usize),
    ) {
        let machine = step.machine;
        if handover == Handover::Same {
            return;
        }
        let write = if handover == Handover::Set { Write::Set } else { Write::Add };
        let mut grad = step.slots.take(slot);
        let from = step.slots.get(back.raw_grad);
        let shape = grad.shape;
        let place = grad.elements_mut();
        match &block.op {
            Op::Conv(_) => {
                let conv = self.conv.as_ref().expect("a convolution block has a convolution");
                let is_first = handover == Handover::Set;
                conv.backward_data(machine, input, from.view(), (shape, place, is_first));
            }
            Op::Norm(_) => node::add(machine, from.view(), &mut grad),
            Op::MaxPool2 | Op::PlaneMaxPool2 => {
                let kind = block.op.pool().expect("both are pools");
                let read = back.reads[0].expect("only a convolution reads the network's input");
                let read = node::view(step.slots, before, read);
                let len = kind.window()[0] * shape.slab_len();
                parallel::chunks(machine.threads, place, len, |z, slabs| {
                    let from = (from.view(), z);
                    pool::max_grad_plane(machine.door, kind, read, from, (slabs, write));
                });
            }
            Op::Trilinear2 => resize::trilinear_grad(from.view(), shape, (place, write)),
            Op::SumUp => sum_up::backward(machine, from.view(), shape, (place, write)),
        }
        step.slots.put(slot, grad);
    }
}

/// Adds up what the gradient of a normalisation needs.
struct Sums<'a> {
    machine: Machine,
    shape: Shape,
    activation: Activation<'a>,
    stats: &'a mut Vec<ChannelStats>,
}

impl Sums<'_> {
    /// Over all planes, in their order.
    fn of<'b, E: Element>(
        self,
        raw: impl Fn(usize) -> &'b [E] + Sync + 'b,
        grad: &Tensor,
    ) -> Vec<ChannelStats> {
        let Self { machine, shape, activation, stats } = self;
        stats.clear();
        stats.resize(shape.size[0] * shape.blocks, ChannelStats::default());
        parallel::chunks(machine.threads, stats, shape.blocks, |z, sums| {
            norm_grad::sums(machine.door, shape, activation, (raw(z), grad.slab(z)), sums);
        });
        norm::reduce(stats, shape.blocks)
    }
}

fn in_place<'a, E: Element>(
    machine: Machine,
    maps: (Activation<'_>, &[ChannelGrad]),
    raw: impl Fn(usize) -> &'a [E] + Sync,
    grad: &mut Tensor,
) {
    let shape = grad.shape;
    parallel::chunks(machine.threads, grad.elements_mut(), shape.slab_len(), |z, grad| {
        norm_grad::in_place(machine.door, shape, maps, raw(z), grad);
    });
}

/// Passes a gradient on unchanged.
fn pass_on(machine: Machine, slots: &mut Slots, from: usize, (handover, to): (Handover, usize)) {
    match handover {
        Handover::Same => {}
        Handover::Set => {
            let mut place = slots.take(to);
            let from = slots.get(from);
            let len = place.shape.slab_len();
            parallel::chunks(machine.threads, place.elements_mut(), len, |z, place| {
                place.copy_from_slice(from.slab(z));
            });
            slots.put(to, place);
        }
        Handover::Add => {
            let mut place = slots.take(to);
            node::add(machine, slots.get(from).view(), &mut place);
            slots.put(to, place);
        }
    }
}
