//! Which block does what, and where its result lies: settled before anything runs.

use std::ops::Range;

use haema_kernels::geometry::PoolKind;
use haema_kernels::norm::ChannelMap;
use haema_kernels::{ChannelBlock, LANES, Shape};

use crate::conv::Conv;
use crate::node;
use crate::norm::{self, Moments};
use crate::params::Parameters;
use crate::spec::{BlockSpec, Kernel, NetSpec, NormSpec, Op, SpecError, Up};
use crate::wires::{self, Wires};

/// Most tensors that a block may join: views of them are made without allocating.
pub(super) const MOST_INPUTS: usize = 8;

/// What a step does.
#[derive(Debug)]
pub(super) enum Work {
    Conv(Box<Conv>),
    /// Copies and counts, for a normalisation that stands alone.
    Norm,
    MaxPool(PoolKind),
    Trilinear2,
    SumUp,
    /// Nothing of its own: only [`Step::logits`], or what the output does anyway.
    Nothing,
}

/// One block.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) work: Work,
    /// Steps whose results it reads; none for the network's input.
    pub(super) inputs: Vec<usize>,
    pub(super) residual: Option<usize>,
    pub(super) shape: Shape,
    /// Where its result lies in the arena.
    pub(super) place: Range<usize>,
    pub(super) finish: Option<Finish>,
    /// A part of the network's output to compute afterwards.
    pub(super) logits: Option<Logits>,
}

/// Normalisation and activation of a step's result.
#[derive(Debug)]
pub(super) struct Finish {
    /// By statistics of the result; one by running statistics is in `maps` from the beginning.
    pub(super) norm: Option<NormSpec>,
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
    pub(super) slope: f32,
    pub(super) maps: Vec<ChannelMap>,
    /// Whether who reads the result activates it; else it is done in place.
    pub(super) by_readers: bool,
}

/// One summand of the network's output.
#[derive(Debug)]
pub(super) struct Logits {
    /// The step whose result is read.
    pub(super) from: usize,
    pub(super) weights: Vec<ChannelBlock>,
    pub(super) bias: f32,
    pub(super) values: Vec<f32>,
    /// Its size `[z, y, x]`.
    pub(super) size: [usize; 3],
}

/// Everything that a pass does, in order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Elements of the memory that the results share.
    pub(super) arena_len: usize,
}

impl Plan {
    pub(super) fn new(
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
    ) -> Result<Self, SpecError> {
        let shapes = wires::shapes(spec, size)?;
        let graph = Graph::new(spec)?;
        let mut steps = Vec::new();
        for (i, (block, &shape)) in spec.blocks.iter().zip(&shapes).enumerate() {
            let head = graph.is_head(i);
            let work = match &block.op {
                Op::Conv(_) if head => Work::Nothing,
                Op::Conv(_) => Work::Conv(Box::new(
                    Conv::of(spec, block).expect("a convolution block has a convolution"),
                )),
                Op::Norm(_) => Work::Norm,
                Op::MaxPool2 | Op::PlaneMaxPool2 => {
                    Work::MaxPool(block.op.pool().expect("both are pools"))
                }
                Op::Trilinear2 => Work::Trilinear2,
                Op::SumUp if graph.sums_output(i) => Work::Nothing,
                Op::SumUp => Work::SumUp,
            };
            let is_nothing = matches!(work, Work::Nothing);
            steps.push(Step {
                work,
                // The sum that ends the network reads logits, not tensors.
                inputs: if graph.sums_output(i) { Vec::new() } else { graph.inputs[i].clone() },
                residual: graph.residuals[i],
                shape,
                place: 0..0,
                finish: (!is_nothing).then(|| graph.finish(i, params)).flatten(),
                logits: graph.is_output(i).then(|| {
                    let mut logits = logits(spec, block, params, head);
                    logits.from = if head { graph.inputs[i][0] } else { i };
                    logits.size = shape.size;
                    logits.values = vec![0.0; shape.voxels()];
                    logits
                }),
            });
        }
        let arena_len = place(&mut steps);
        Ok(Self { steps, arena_len })
    }
}

/// Who reads whom.
struct Graph<'a> {
    spec: &'a NetSpec,
    inputs: Vec<Vec<usize>>,
    residuals: Vec<Option<usize>>,
    /// Steps that read each step's result.
    readers: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(spec: &'a NetSpec) -> Result<Self, SpecError> {
        let mut graph =
            Self { spec, inputs: Vec::new(), residuals: Vec::new(), readers: Vec::new() };
        graph.readers.resize(spec.blocks.len(), Vec::new());
        for (i, (block, wires)) in spec.blocks.iter().zip(Wires::of(spec)).enumerate() {
            for from in wires.reads() {
                graph.readers[from].push(i);
            }
            let inputs: Vec<usize> = wires.inputs.into_iter().flatten().collect();
            if inputs.len() > MOST_INPUTS {
                let what = "has more than 8 inputs";
                return Err(SpecError::Range { block: block.name.clone(), what });
            }
            graph.inputs.push(inputs);
            graph.residuals.push(wires.residual);
        }
        Ok(graph)
    }

    fn last(&self) -> usize {
        self.spec.blocks.len() - 1
    }

    /// Whether a step is the sum that ends the network.
    fn sums_output(&self, i: usize) -> bool {
        i == self.last() && matches!(self.spec.blocks[i].op, Op::SumUp)
    }

    /// Whether a step's result is a summand of the output.
    fn is_output(&self, i: usize) -> bool {
        if self.sums_output(self.last()) {
            self.inputs[self.last()].contains(&i)
        } else {
            i == self.last()
        }
    }

    /// Whether a step only weighs the channels of one tensor for the output.
    fn is_head(&self, i: usize) -> bool {
        let Op::Conv(conv) = &self.spec.blocks[i].op else { return false };
        let is_bare = conv.norm.is_none() && conv.slope == 1.0 && conv.residual.is_none();
        let is_pointwise = conv.kernel == Kernel::One && conv.up == Up::None;
        let only_output = self.readers[i].iter().all(|&reader| self.sums_output(reader));
        is_bare && is_pointwise && only_output && self.is_output(i) && self.inputs[i].len() == 1
    }

    /// What a convolution or a normalisation ends in.
    fn finish(&self, i: usize, params: &Parameters) -> Option<Finish> {
        let block = &self.spec.blocks[i];
        let finish = node::Finish::of(&block.op)?;
        let own = node::norm_params(params, block);
        let running = finish.with_running().and_then(|norm| Moments::running(own, norm));
        let norm = finish.norm.filter(|_| running.is_none());
        // Those of a normalisation by the tensor's own statistics are filled in when it is made.
        let maps = norm::maps(running.as_ref(), own, |_| 1.0);
        let (gamma, beta) = own.affine.filter(|_| norm.is_some()).unwrap_or_default();
        let activates = |&reader: &usize| {
            self.spec.blocks[reader].op.activates_as_it_reads() || self.sums_output(reader)
        };
        Some(Finish {
            norm,
            gamma: gamma.to_vec(),
            beta: beta.to_vec(),
            slope: finish.slope,
            maps,
            by_readers: self.residuals[i].is_none() && self.readers[i].iter().all(activates),
        })
    }
}

/// The weighted sum that a step adds to the output: its own weights where it is a head, else those
/// that pick the logit of its result. A softmax over background and bleed is the sigmoid of the
/// difference.
fn logits(spec: &NetSpec, block: &BlockSpec, params: &Parameters, is_head: bool) -> Logits {
    let rows: &[(usize, f32)] =
        if spec.out_channels() == 2 { &[(1, 1.0), (0, -1.0)] } else { &[(0, 1.0)] };
    let channels: usize = spec.inputs_of(block).iter().sum();
    let (mut weights, mut bias) = (vec![ChannelBlock::default(); channels.div_ceil(LANES)], 0.0);
    if is_head {
        let own = node::norm_params(params, block);
        let all = params.get(&format!("{}.conv.weight", block.name));
        let row_of = |row: usize| &all[row * channels..][..channels];
        for &(row, sign) in rows {
            bias += sign * own.bias.map_or(0.0, |bias| bias[row]);
            for (channel, &weight) in row_of(row).iter().enumerate() {
                weights[channel / LANES].0[channel % LANES] += sign * weight;
            }
        }
    } else {
        weights =
            vec![ChannelBlock::default(); spec.channels()[block.name.as_str()].div_ceil(LANES)];
        for &(row, sign) in rows {
            weights[0].0[row] = sign;
        }
    }
    Logits { from: 0, weights, bias, values: Vec::new(), size: [0; 3] }
}

/// Gives every result its place: the largest first, each as low as those allow that live at the same
/// time. Gives the length of it all.
fn place(steps: &mut [Step]) -> usize {
    let lives: Vec<(usize, usize)> = (0..steps.len())
        .map(|i| {
            let reads = |step: &Step| {
                let logits = step.logits.as_ref().map(|logits| logits.from);
                step.inputs.contains(&i) || step.residual == Some(i) || logits == Some(i)
            };
            let last = (0..steps.len()).rev().find(|&reader| reads(&steps[reader]));
            (i, last.map_or(i, |last| last.max(i)))
        })
        .collect();
    let len = |step: &Step| if matches!(step.work, Work::Nothing) { 0 } else { step.shape.len() };
    let mut order: Vec<usize> = (0..steps.len()).filter(|&i| len(&steps[i]) > 0).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(len(&steps[i])), i));
    let mut placed: Vec<usize> = Vec::new();
    let mut end = 0;
    for i in order {
        let mut taken: Vec<Range<usize>> = placed
            .iter()
            .filter(|&&other| lives[other].0 <= lives[i].1 && lives[i].0 <= lives[other].1)
            .map(|&other| steps[other].place.clone())
            .collect();
        taken.sort_by_key(|place| place.start);
        let mut start = 0;
        for place in taken {
            if start + len(&steps[i]) <= place.start {
                break;
            }
            start = start.max(place.end);
        }
        steps[i].place = start..start + len(&steps[i]);
        end = end.max(steps[i].place.end);
        placed.push(i);
    }
    end
}
