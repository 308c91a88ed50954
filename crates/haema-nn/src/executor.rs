//! The network forward only: memory planned once, nothing allocated while it runs.

mod arena;
mod pass;
mod plan;

use std::time::{Duration, Instant};

use haema_kernels::{ChannelBlock, Door, HalfBlock};
use serde::{Deserialize, Serialize};

use crate::conv::Machine;
use crate::logistic::sigmoid;
use crate::parallel;
use crate::params::Parameters;
use crate::spec::{LayerRow, NetSpec, SpecError};
use crate::tensor::InputTensor;
use arena::Memory;
use pass::Pass;
use plan::{Plan, Work};

/// How an executor keeps the tensors between blocks. Weights, arithmetic, sums and logits have 32
/// bits in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InferencePrecision {
    /// 32 bits.
    #[default]
    Fp32,
    /// bfloat16: half the memory. Raw values are rounded before they are normalised, by factors that
    /// come from them as they were before; so does a trainer in bfloat16.
    Bf16,
}

impl InferencePrecision {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Fp32, Self::Bf16];

    /// Its name, as users give it and files hold it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of sixteen channels of a voxel.
    fn element_bytes(self) -> usize {
        match self {
            Self::Fp32 => size_of::<ChannelBlock>(),
            Self::Bf16 => size_of::<HalfBlock>(),
        }
    }
}

/// Runs a network on volumes of one size.
///
/// A convolution leaves its result as it is and counts its sums; who reads it normalises and
/// activates as it reads. Only where a residual is added, or a reader cannot do so, is there a pass of
/// its own.
#[derive(Debug)]
pub struct Executor {
    pass: Pass,
    memory: Memory,
    precision: InferencePrecision,
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
    /// What it has to read and write at least, 10⁶ bytes.
    pub megabytes: f64,
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
        Self::with_precision(spec, params, size, (threads, InferencePrecision::Fp32))
    }

    /// As [`Executor::new`], in a precision of choice.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the network does not take that size.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "taken, so that no copy of the weights stays beside the packed ones"
    )]
    pub fn with_precision(
        spec: NetSpec,
        params: Parameters,
        size: [usize; 3],
        (threads, precision): (usize, InferencePrecision),
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
            memory: Memory::new(precision, plan.arena_len),
            precision,
            layers: spec.table(size)?,
            times: vec![Duration::ZERO; plan.steps.len() + 2],
            pass: Pass {
                machine: Machine { door: Door::best(), threads },
                input: InputTensor::zeros(size),
                stats: Vec::with_capacity(most_stats.unwrap_or(0)),
                plan,
            },
        })
    }

    /// Changes the instruction set that kernels use.
    #[must_use]
    pub fn with_door(mut self, door: Door) -> Self {
        self.pass.machine.door = door;
        self
    }

    /// Size `[z, y, x]` of the volumes that it takes.
    pub fn size(&self) -> [usize; 3] {
        self.input().shape.size
    }

    fn input(&self) -> &InputTensor {
        &self.pass.input
    }

    /// Bytes that it holds while it runs, known beforehand: activations, packed weights and every
    /// thread's scratch.
    pub fn bytes(&self) -> usize {
        let steps = &self.pass.plan.steps;
        let convs = || {
            steps.iter().filter_map(|step| match &step.work {
                Work::Conv(conv) => Some(conv),
                _ => None,
            })
        };
        let weights: usize = convs().map(|conv| conv.weight_len()).sum();
        let scratch = convs().map(|conv| conv.scratch_len()).max().unwrap_or(0);
        let blocks = weights + self.pass.machine.threads * scratch;
        let logits = steps.iter().filter_map(|step| step.logits.as_ref());
        let floats =
            self.input().data.len() + logits.map(|logits| logits.values.len()).sum::<usize>();
        self.memory.bytes() + blocks * size_of::<ChannelBlock>() + floats * size_of::<f32>()
    }

    /// Bytes of all activations.
    pub fn activation_bytes(&self) -> usize {
        self.memory.bytes() + self.input().data.len() * size_of::<f32>()
    }

    /// Probabilities of one volume, both plain `[z, y, x]`.
    ///
    /// # Panics
    ///
    /// Where `input` does not fill the size that the executor was made for.
    pub fn probabilities(&mut self, input: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.input().shape.voxels()];
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
        let voxels = self.input().shape.voxels();
        assert_eq!(input.len(), voxels, "executor: input does not fill the size");
        assert_eq!(out.len(), voxels, "executor: output does not fill the size");
        let mut last = Instant::now();
        let mut lap = || {
            let now = Instant::now();
            now - std::mem::replace(&mut last, now)
        };
        self.pass.input.set(input);
        self.times[0] = lap();
        for i in 0..self.pass.plan.steps.len() {
            match &mut self.memory {
                Memory::Full(arena) => self.pass.step(arena, i),
                Memory::Half(arena) => self.pass.step(arena, i),
            }
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
            megabytes: 2.0 * (self.input().shape.voxels() * size_of::<f32>()) as f64 / 1e6,
        };
        let mut rows = vec![row("input", self.times[0])];
        let steps = &self.pass.plan.steps;
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
                megabytes: ((read + written) * self.precision.element_bytes()) as f64 / 1e6,
                ..row(&layer.name, time)
            });
        }
        rows.push(row("output", self.times[steps.len() + 1]));
        rows
    }

    /// Sums the parts of the output, coarse to fine, each voxel repeated, and gives probabilities.
    fn output(&self, out: &mut [f32]) {
        let [_, height, width] = self.input().shape.size;
        let steps = &self.pass.plan.steps;
        parallel::chunks(self.pass.machine.threads, out, height * width, |z, plane| {
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
