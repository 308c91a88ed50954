//! The network forward only: memory planned once, nothing allocated while it runs.

mod arena;
mod plan;

use std::time::{Duration, Instant};

use haema_kernels::logits::{self, Logits};
use haema_kernels::norm::{self as kernel, Activation};
use haema_kernels::{ChannelBlock, ChannelStats, Door, Shape, View, pool, resize};

use crate::conv::{Inputs, Machine};
use crate::logistic::sigmoid;
use crate::params::Parameters;
use crate::spec::{LayerRow, NetSpec, SpecError};
use crate::tensor::InputTensor;
use crate::{norm, parallel, sum_up};
use arena::{Arena, Rest};
use plan::{MOST_INPUTS, Plan, Step, Work};

/// Runs a network on volumes of one size.
///
/// A convolution leaves its result as it is and counts its sums; who reads it normalises and
/// activates as it reads. Only where a residual is added, or a reader cannot do so, is there a pass of
/// its own.
#[derive(Debug)]
pub struct Executor {
    machine: Machine,
    input: InputTensor,
    plan: Plan,
    arena: Arena,
    stats: Vec<ChannelStats>,
    layers: Vec<LayerRow>,
    times: Vec<Duration>,
}

/// What one block cost in the last pass.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockTime {
    /// Name of the block; `input` and `output` are the copies at both ends.
    pub name: String,
    /// How long it took, ms.
    pub ms: f64,
    /// Operations of the convolution as defined, 10⁹, a multiply-add being two.
    pub gflop: f64,
    /// Operations of the products that it takes in fact, 10⁹.
    pub product_gflop: f64,
    /// What it has to read and write at least, in 32-bit floats, 10⁶ bytes.
    pub megabytes: f64,
}

impl Executor {
    /// Prepares a network for inputs of `size` `[z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the network does not take that size.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "taken, so that no copy of the weights stays beside the packed ones"
    )]
    pub fn new(
        spec: NetSpec,
        params: Parameters,
        size: [usize; 3],
        threads: usize,
    ) -> Result<Self, SpecError> {
        let mut plan = Plan::new(&spec, &params, size)?;
        let jobs = plan.steps.iter_mut().zip(&spec.blocks);
        parallel::run(
            threads,
            jobs,
            || (),
            |(step, block), ()| {
                if let Work::Conv(conv) = &mut step.work {
                    conv.pack(params.get(&format!("{}.conv.weight", block.name)));
                }
            },
        );
        let most_stats = plan.steps.iter().map(|step| step.shape.size[0] * step.shape.blocks).max();
        Ok(Self {
            machine: Machine { door: Door::best(), threads },
            input: InputTensor::zeros(size),
            arena: Arena::new(plan.arena_len),
            stats: Vec::with_capacity(most_stats.unwrap_or(0)),
            layers: spec.table(size)?,
            times: vec![Duration::ZERO; plan.steps.len() + 2],
            plan,
        })
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

    /// Bytes that it holds while it runs, known beforehand: activations, packed weights and every
    /// thread's scratch.
    pub fn bytes(&self) -> usize {
        let steps = &self.plan.steps;
        let convs = || {
            steps.iter().filter_map(|step| match &step.work {
                Work::Conv(conv) => Some(conv),
                _ => None,
            })
        };
        let weights: usize = convs().map(|conv| conv.weight_len()).sum();
        let scratch = convs().map(|conv| conv.scratch_len()).max().unwrap_or(0);
        let blocks = self.plan.arena_len + weights + self.machine.threads * scratch;
        let logits = steps.iter().filter_map(|step| step.logits.as_ref());
        let floats =
            self.input.data.len() + logits.map(|logits| logits.values.len()).sum::<usize>();
        blocks * size_of::<ChannelBlock>() + floats * size_of::<f32>()
    }

    /// Bytes of all activations.
    pub fn activation_bytes(&self) -> usize {
        self.plan.arena_len * size_of::<ChannelBlock>() + self.input.data.len() * size_of::<f32>()
    }

    /// Probabilities of one volume, both plain `[z, y, x]`.
    ///
    /// # Panics
    ///
    /// Where `input` does not fill the size that the executor was made for.
    pub fn probabilities(&mut self, input: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.input.shape.voxels()];
        self.probabilities_into(input, &mut out);
        out
    }

    /// As [`Executor::probabilities`], into memory of the caller's. After the first pass this
    /// allocates nothing.
    ///
    /// # Panics
    ///
    /// Where `input` or `out` does not fill the size that the executor was made for.
    pub fn probabilities_into(&mut self, input: &[f32], out: &mut [f32]) {
        let voxels = self.input.shape.voxels();
        assert_eq!(input.len(), voxels, "executor: input does not fill the size");
        assert_eq!(out.len(), voxels, "executor: output does not fill the size");
        let mut last = Instant::now();
        let mut lap = || {
            let now = Instant::now();
            now - std::mem::replace(&mut last, now)
        };
        self.input.set(input);
        self.times[0] = lap();
        for i in 0..self.plan.steps.len() {
            self.step(i);
            self.times[i + 1] = lap();
        }
        self.output(out);
        *self.times.last_mut().expect("there are two times more than steps") = lap();
    }

    /// What each block cost in the last pass.
    pub fn profile(&self) -> Vec<BlockTime> {
        let row = |name: &str, time: Duration| BlockTime {
            name: name.to_owned(),
            ms: time.as_secs_f64() * 1e3,
            gflop: 0.0,
            product_gflop: 0.0,
            megabytes: 2.0 * (self.input.shape.voxels() * size_of::<f32>()) as f64 / 1e6,
        };
        let mut rows = vec![row("input", self.times[0])];
        let steps = &self.plan.steps;
        for ((step, layer), &time) in steps.iter().zip(&self.layers).zip(&self.times[1..]) {
            let reads = step.inputs.iter().chain(&step.residual);
            let read: usize =
                reads.map(|&from| steps[from].shape.voxels() * steps[from].shape.blocks).sum();
            let written = match step.work {
                Work::Nothing => 0,
                _ => step.shape.voxels() * step.shape.blocks,
            };
            let product_gflop = match &step.work {
                Work::Conv(conv) => conv.flop(step.shape) / 1e9,
                _ => 0.0,
            };
            rows.push(BlockTime {
                gflop: layer.flop / 1e9,
                product_gflop,
                megabytes: ((read + written) * size_of::<ChannelBlock>()) as f64 / 1e6,
                ..row(&layer.name, time)
            });
        }
        rows.push(row("output", self.times[steps.len() + 1]));
        rows
    }

    fn step(&mut self, i: usize) {
        let (machine, shape) = (self.machine, self.plan.steps[i].shape);
        let (rest, out) = self.arena.split(self.plan.steps[i].place.clone());
        let steps = &self.plan.steps;
        let nothing = View::new(Shape { size: [0; 3], blocks: 0 }, &[]);
        let inputs = &steps[i].inputs;
        let views: [View<'_>; MOST_INPUTS] =
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
        self.finish(i);
        self.logits(i);
    }

    /// Normalisation, activation and residual: as maps for those who read, or in place.
    fn finish(&mut self, i: usize) {
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
        let (rest, out) = self.arena.split(steps[i].place.clone());
        let residual = steps[i].residual.map(|from| steps[from].view(&rest));
        let activation = Activation { maps: &finish.maps, slope: finish.slope };
        parallel::chunks(machine.threads, out, shape.slab_len(), |z, out| {
            kernel::forward_in_place(machine.door, shape, activation, (residual, z), out);
        });
    }

    /// The summand of the output that a step brings, where it does.
    fn logits(&mut self, i: usize) {
        let Some(mut summand) = self.plan.steps[i].logits.take() else { return };
        let (rest, _) = self.arena.split(0..0);
        let input = self.plan.steps[summand.from].view(&rest);
        let job = Logits { input, weights: &summand.weights, bias: summand.bias };
        let plane = summand.size[1] * summand.size[2];
        parallel::chunks(self.machine.threads, &mut summand.values, plane, |z, out| {
            logits::plane(self.machine.door, &job, z, out);
        });
        self.plan.steps[i].logits = Some(summand);
    }

    /// Sums the parts of the output, coarse to fine, each voxel repeated, and gives probabilities.
    fn output(&self, out: &mut [f32]) {
        let [_, height, width] = self.input.shape.size;
        let steps = &self.plan.steps;
        parallel::chunks(self.machine.threads, out, height * width, |z, plane| {
            plane.fill(0.0);
            for part in steps.iter().filter_map(|step| step.logits.as_ref()) {
                let scale = width / part.size[2];
                for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                    let start = (z / scale * part.size[1] + y / scale) * part.size[2];
                    let values = &part.values[start..start + part.size[2]];
                    for (run, &value) in row.chunks_exact_mut(scale).zip(values) {
                        for sum in run {
                            *sum += value;
                        }
                    }
                }
            }
            for value in plane {
                *value = sigmoid(*value);
            }
        });
    }
}

impl Step {
    /// Its result, to be activated by who reads it where that is so agreed.
    fn view<'a>(&'a self, rest: &Rest<'a>) -> View<'a> {
        let view = View::new(self.shape, rest.get(self.place.clone()));
        match self.finish.as_ref().filter(|finish| finish.by_readers) {
            Some(finish) => view.activated(Activation { maps: &finish.maps, slope: finish.slope }),
            None => view,
        }
    }
}
