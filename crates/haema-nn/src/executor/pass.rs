//! One step of a network after the other, in whatever width tensors are kept.

use haema_kernels::logits::{self, Logits};
use haema_kernels::norm::{self as kernel, Activation};
use haema_kernels::{ChannelStats, Element, Shape, View, pool, resize};

use super::arena::{Arena, Rest};
use super::plan::{MOST_INPUTS, Plan, Step, Work};
use crate::conv::{Inputs, Machine};
use crate::tensor::InputTensor;
use crate::{norm, parallel, sum_up};

/// What a pass needs, but for the memory of its tensors.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) machine: Machine,
    pub(super) input: InputTensor,
    pub(super) plan: Plan,
    pub(super) stats: Vec<ChannelStats>,
}

impl Pass {
    /// Runs step `i`.
    pub(super) fn step<E: Element>(&mut self, arena: &mut Arena<E>, i: usize) {
        let (machine, shape) = (self.machine, self.plan.steps[i].shape);
        let (rest, out) = arena.split(self.plan.steps[i].place.clone());
        let steps = &self.plan.steps;
        let nothing = View::new(Shape { size: [0; 3], blocks: 0 }, &[]);
        let inputs = &steps[i].inputs;
        let views: [View<'_, E>; MOST_INPUTS] =
            std::array::from_fn(|k| inputs.get(k).map_or(nothing, |&from| steps[from].view(&rest)));
        let views = &views[..inputs.len()];
        let slab = shape.slab_len();
        match &steps[i].work {
            Work::Conv(conv) => {
                let inputs = Inputs::of(views, &self.input);
                conv.forward(machine, &inputs, shape, out, &mut self.stats);
            }
            Work::Norm => {
                out.copy_from_slice(views[0].data);
                if steps[i].finish.as_ref().is_some_and(|finish| finish.norm.is_some()) {
                    crate::node::sums(machine, View::new(shape, out), &mut self.stats);
                }
            }
            Work::MaxPool(kind) => parallel::chunks(machine.threads, out, slab, |z, out| {
                pool::max_plane(machine.door, *kind, views[0], (shape, z), out);
            }),
            Work::Trilinear2 => parallel::chunks(machine.threads, out, slab, |z, out| {
                resize::trilinear_plane(views[0], shape, z, out);
            }),
            Work::SumUp => sum_up::forward(machine, views, shape, out),
            Work::Nothing => {}
        }
        self.finish(arena, i);
        self.logits(arena, i);
    }

    /// Normalisation, activation and residual: as maps for those who read, or in place.
    fn finish<E: Element>(&mut self, arena: &mut Arena<E>, i: usize) {
        let (machine, shape) = (self.machine, self.plan.steps[i].shape);
        let Some(finish) = &mut self.plan.steps[i].finish else { return };
        if let Some(spec) = finish.norm {
            let affine = (finish.gamma.as_slice(), finish.beta.as_slice());
            norm::fill_maps(&self.stats, (shape.voxels(), spec), affine, &mut finish.maps);
        }
        let steps = &self.plan.steps;
        let Some(finish) = steps[i].finish.as_ref().filter(|finish| !finish.by_readers) else {
            return;
        };
        let (rest, out) = arena.split(steps[i].place.clone());
        let residual = steps[i].residual.map(|from| steps[from].view(&rest));
        let activation = Activation { maps: &finish.maps, slope: finish.slope };
        parallel::chunks(machine.threads, out, shape.slab_len(), |z, out| {
            kernel::forward_in_place(machine.door, shape, activation, (residual, z), out);
        });
    }

    /// The summand of the output that a step brings, where it does.
    fn logits<E: Element>(&mut self, arena: &mut Arena<E>, i: usize) {
        let Some(mut summand) = self.plan.steps[i].logits.take() else { return };
        let (rest, _) = arena.split(0..0);
        let input = self.plan.steps[summand.from].view(&rest);
        let job = Logits { input, weights: &summand.weights, bias: summand.bias };
        let plane = summand.size[1] * summand.size[2];
        parallel::chunks(self.machine.threads, &mut summand.values, plane, |z, out| {
            logits::plane(self.machine.door, &job, z, out);
        });
        self.plan.steps[i].logits = Some(summand);
    }
}

impl Step {
    /// Its result, to be activated by who reads it where that is so agreed.
    fn view<'a, E: Element>(&'a self, rest: &Rest<'a, E>) -> View<'a, E> {
        let view = View::new(self.shape, rest.get(self.place.clone()));
        match self.finish.as_ref().filter(|finish| finish.by_readers) {
            Some(finish) => view.activated(Activation { maps: &finish.maps, slope: finish.slope }),
            None => view,
        }
    }
}
