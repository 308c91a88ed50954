//! Which buffer holds what at which moment of a training step, decided before the first one.
//!
//! A step goes forward through the blocks and back in reverse. A tensor's buffer is free for others
//! after the last moment that needs it. The first block that adds to a gradient writes it instead,
//! so that nothing is cleared; and where a gradient passes unchanged, its buffer changes hands.

use haema_kernels::{ChannelBlock, HalfBlock, Shape};

use crate::spec::{DropoutKind, NetSpec, Op};
use crate::trainer::TrainingPrecision;
use crate::wires::{SlotPlan, Wires};

/// Where a block's values before normalisation and activation stay until the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Raw {
    /// Nowhere: the gradient does not need them.
    None,
    /// In a buffer of their own.
    Slot(usize),
    /// In half the width, outside the buffers.
    Half,
}

/// Where a block finds what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// In this buffer.
    Slot(usize),
    /// In the raw values of this block: its activation is applied as they are read.
    Raw(usize),
}

/// How a gradient reaches a block that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handover {
    /// It is the reader's gradient, unchanged: the buffer changes hands.
    Same,
    /// First: written.
    Set,
    /// Later: added.
    Add,
}

/// The buffers of one block.
#[derive(Debug, Clone)]
pub(crate) struct NodePlan {
    pub(crate) shape: Shape,
    /// What it makes; `None` where its readers activate its raw values themselves.
    pub(crate) out: Option<usize>,
    pub(crate) raw: Raw,
    /// What it reads on the way forward; `None` is the network's input.
    pub(crate) reads: Vec<Option<Source>>,
    /// The tensor added at its end.
    pub(crate) residual: Option<Source>,
    /// The way back; `None` where nothing that counts depends on the block.
    pub(crate) back: Option<BackPlan>,
}

/// The buffers of one block on the way back.
#[derive(Debug, Clone)]
pub(crate) struct BackPlan {
    /// Gradient of what it made.
    pub(crate) grad: usize,
    /// Gradient of its raw values: `grad`, its raw values' buffer, or one of its own.
    pub(crate) raw_grad: usize,
    /// Blocks whose output is made again from raw values of half the width, and where.
    pub(crate) restores: Vec<(usize, usize)>,
    /// Where its inputs are now; `None` for the network's input, and where they are not needed.
    pub(crate) reads: Vec<Option<Source>>,
    /// How its gradient reaches the residual, and the buffer of the residual's gradient.
    pub(crate) residual: Option<(Handover, usize)>,
    /// The same for each input.
    pub(crate) inputs: Vec<Option<(Handover, usize)>>,
}

/// The buffers of a network.
#[derive(Debug)]
pub(crate) struct TrainPlan {
    pub(crate) nodes: Vec<NodePlan>,
    /// Shape of each buffer.
    pub(crate) slots: Vec<Shape>,
}

impl TrainPlan {
    /// Bytes of all buffers, and of the values in half the width.
    pub(crate) fn bytes(&self) -> usize {
        let full: usize = self.slots.iter().map(Shape::len).sum();
        let halves = self.nodes.iter().filter(|node| node.raw == Raw::Half);
        let half: usize = halves.map(|node| node.shape.len()).sum();
        full * size_of::<ChannelBlock>() + half * size_of::<HalfBlock>()
    }

    pub(crate) fn new(spec: &NetSpec, shapes: &[Shape], precision: TrainingPrecision) -> Self {
        let mut planner = Planner::new(spec, shapes, precision);
        for block in 0..shapes.len() {
            planner.forward(block);
        }
        let last = shapes.len() - 1;
        // Its logits are copied out.
        if planner.last_needed[last].is_none() {
            planner.release_out(last);
        }
        planner.grads[last] = Some(planner.slots.take(shapes[last]));
        for block in (0..shapes.len()).rev() {
            planner.backward(block);
        }
        Self { nodes: planner.nodes, slots: planner.slots.shapes }
    }
}

/// Whether the gradient of a block needs what it reads.
fn needs_inputs(op: &Op) -> bool {
    match op {
        Op::Conv(_) | Op::Norm(_) | Op::MaxPool2 | Op::PlaneMaxPool2 => true,
        Op::Trilinear2 | Op::SumUp => false,
    }
}

struct Planner<'a> {
    spec: &'a NetSpec,
    shapes: &'a [Shape],
    precision: TrainingPrecision,
    wires: Vec<Wires>,
    /// Last block that reads each output on the way forward.
    last_reader: Vec<usize>,
    /// Last block, so the earliest in the network, that needs each output on the way back.
    last_needed: Vec<Option<usize>>,
    nodes: Vec<NodePlan>,
    slots: SlotPlan,
    /// Where each output is now.
    outs: Vec<Option<usize>>,
    /// Where each gradient is now.
    grads: Vec<Option<usize>>,
}

impl<'a> Planner<'a> {
    fn new(spec: &'a NetSpec, shapes: &'a [Shape], precision: TrainingPrecision) -> Self {
        let n = shapes.len();
        let wires = Wires::of(spec);
        let mut last_reader: Vec<usize> = (0..n).collect();
        let mut last_needed = vec![None; n];
        for block in (0..n).rev() {
            let needs_inputs = needs_inputs(&spec.blocks[block].op);
            for read in wires[block].reads() {
                last_reader[read] = last_reader[read].max(block);
            }
            for &read in wires[block].inputs.iter().flatten().filter(|_| needs_inputs) {
                last_needed[read] = Some(block);
            }
        }
        Self {
            spec,
            shapes,
            precision,
            wires,
            last_reader,
            last_needed,
            nodes: Vec::new(),
            slots: SlotPlan::default(),
            outs: vec![None; n],
            grads: vec![None; n],
        }
    }

    fn raw(&mut self, block: usize) -> Raw {
        let is_kept = match &self.spec.blocks[block].op {
            Op::Conv(conv) => {
                let drops_channels =
                    conv.dropout > 0.0 && conv.dropout_kind == DropoutKind::Channel;
                conv.norm.is_some() || conv.slope < 1.0 || drops_channels
            }
            _ => false,
        };
        match self.precision {
            _ if !is_kept => Raw::None,
            TrainingPrecision::F32 => Raw::Slot(self.slots.take(self.shapes[block])),
            TrainingPrecision::Bf16 => Raw::Half,
        }
    }

    /// Whether all readers of a block can activate its raw values as they read them: convolutions,
    /// pools, and the pass that adds a residual. Its own residual or dropped elements would be
    /// missing.
    fn can_stay_pending(&self, block: usize) -> bool {
        let drops_elements = matches!(&self.spec.blocks[block].op, Op::Conv(conv)
            if conv.dropout > 0.0 && conv.dropout_kind == DropoutKind::Element);
        let is_plain = self.wires[block].residual.is_none() && !drops_elements;
        let mut readers = self
            .wires
            .iter()
            .zip(&self.spec.blocks)
            .filter(|(wires, _)| wires.reads().any(|read| read == block));
        is_plain
            && block + 1 < self.shapes.len()
            && readers.all(|(_, reader)| reader.op.activates_as_it_reads())
    }

    /// Whether an output can be made again on the way back. One with a residual cannot, because
    /// that would have to be made again first.
    fn is_restorable(&self, block: usize) -> bool {
        self.nodes[block].raw == Raw::Half && self.wires[block].residual.is_none()
    }

    fn forward(&mut self, block: usize) {
        let wires = self.wires[block].clone();
        let raw = self.raw(block);
        let is_pending = matches!(raw, Raw::Slot(_)) && self.can_stay_pending(block);
        let out = (!is_pending).then(|| self.slots.take(self.shapes[block]));
        self.outs[block] = out;
        let source = |read: usize| self.outs[read].map_or(Source::Raw(read), Source::Slot);
        let reads = wires.inputs.iter().map(|read| read.map(source)).collect();
        let residual = wires.residual.map(source);
        let shape = self.shapes[block];
        self.nodes.push(NodePlan { shape, out, raw, reads, residual, back: None });
        for read in 0..=block {
            let is_last = self.last_reader[read] == block && block + 1 < self.shapes.len();
            let is_needed = self.last_needed[read].is_some() && !self.is_restorable(read);
            if is_last && !is_needed {
                self.release_out(read);
            }
        }
    }

    fn release_out(&mut self, block: usize) {
        if let Some(slot) = self.outs[block].take() {
            self.slots.give_back(slot);
        }
    }

    fn backward(&mut self, block: usize) {
        let op = &self.spec.blocks[block].op;
        let wires = self.wires[block].clone();
        let needs_inputs = needs_inputs(op);
        if let Some(grad) = self.grads[block].take() {
            let is_dropped = matches!(op, Op::Conv(conv)
                if conv.dropout > 0.0 && conv.dropout_kind == DropoutKind::Element);
            let (raw_grad, residual) = self.finish(block, grad, is_dropped);
            let restores = self.restores(&wires, needs_inputs);
            let source = |read: usize| self.outs[read].map_or(Source::Raw(read), Source::Slot);
            let read = |input: &Option<usize>| input.filter(|_| needs_inputs).map(source);
            let reads = wires.inputs.iter().map(read).collect();
            self.release_outs_after(block);
            let inputs = self.hand_over(block, raw_grad);
            let back = BackPlan { grad, raw_grad, restores, reads, residual, inputs };
            self.nodes[block].back = Some(back);
        } else {
            if let Raw::Slot(raw) = self.nodes[block].raw {
                self.slots.give_back(raw);
            }
            self.release_outs_after(block);
        }
    }

    /// Plans the way back to the raw values: their gradient's buffer, and the residual's.
    fn finish(
        &mut self,
        block: usize,
        grad: usize,
        is_dropped: bool,
    ) -> (usize, Option<(Handover, usize)>) {
        let raw = self.nodes[block].raw;
        let residual = self.wires[block].residual.map(|residual| {
            if let Some(slot) = self.grads[residual] {
                return (Handover::Add, slot);
            }
            // Where nothing changes the gradient in place, its buffer changes hands.
            let is_same = raw != Raw::None && !is_dropped;
            let slot = if is_same { grad } else { self.slots.take(self.shapes[residual]) };
            self.grads[residual] = Some(slot);
            (if is_same { Handover::Same } else { Handover::Set }, slot)
        });
        let is_given = residual.is_some_and(|(handover, _)| handover == Handover::Same);
        let raw_grad = match raw {
            Raw::Slot(raw) => raw,
            Raw::Half if is_given => self.slots.take(self.shapes[block]),
            Raw::None | Raw::Half => grad,
        };
        if raw_grad != grad && !is_given {
            self.slots.give_back(grad);
        }
        (raw_grad, residual)
    }

    fn restores(&mut self, wires: &Wires, needs_inputs: bool) -> Vec<(usize, usize)> {
        let mut restores = Vec::new();
        for &read in wires.inputs.iter().flatten().filter(|_| needs_inputs) {
            if self.outs[read].is_none() && self.nodes[read].out.is_some() {
                let slot = self.slots.take(self.shapes[read]);
                self.outs[read] = Some(slot);
                restores.push((read, slot));
            }
        }
        restores
    }

    fn release_outs_after(&mut self, block: usize) {
        for read in 0..=block {
            if self.last_needed[read] == Some(block) {
                self.release_out(read);
            }
        }
    }

    /// Plans how the gradient reaches each input, and gives back its buffer.
    fn hand_over(&mut self, block: usize, raw_grad: usize) -> Vec<Option<(Handover, usize)>> {
        let passes_unchanged = |read: usize| match &self.spec.blocks[block].op {
            Op::Norm(_) => true,
            Op::SumUp => self.shapes[read] == self.shapes[block],
            _ => false,
        };
        let inputs = self.wires[block].inputs.clone();
        let mut is_given = false;
        let plan = inputs.into_iter().map(|read| {
            let read = read?;
            if let Some(slot) = self.grads[read] {
                return Some((Handover::Add, slot));
            }
            let is_same = !is_given && passes_unchanged(read);
            is_given |= is_same;
            let slot = if is_same { raw_grad } else { self.slots.take(self.shapes[read]) };
            self.grads[read] = Some(slot);
            Some((if is_same { Handover::Same } else { Handover::Set }, slot))
        });
        let plan = plan.collect();
        if !is_given {
            self.slots.give_back(raw_grad);
        }
        plan
    }
}
