//! A network as steps on tensors.

use std::collections::HashMap;
use std::fmt::Debug;

use burn_tensor::{Device, Tensor, TensorData};
use haema_nn::{
    BlockSpec, ConvSpec, DropoutFactors, DropoutSeed, INPUT, NetSpec, NormSpec, Op, Parameters,
    SpecError, Up,
};
use serde_json::Value;

use crate::ops::{self, Activations};

/// A network for inputs of one size.
#[derive(Debug)]
pub(crate) struct Network {
    spec: NetSpec,
    /// Output of each block, `[channels, z, y, x]`.
    shapes: Vec<[usize; 4]>,
    /// The last block that reads each block, by number: after it the values are let go.
    last_read: Vec<usize>,
}

/// A part of a network that is not here, in words.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

/// The fields of blocks that are heeded here.
const FIELDS: [&str; 14] = [
    "name",
    "inputs",
    "op",
    "conv",
    "norm",
    "out_channels",
    "kernel",
    "up",
    "slope",
    "dropout",
    "dropout_kind",
    "residual",
    "mode",
    "eps",
];

impl Missing {
    /// The first field that is not heeded. A new field is left out of a network's written form where
    /// it stands for what was always done; where it is there, it asks for something else.
    pub(crate) fn find(spec: &NetSpec) -> Option<Self> {
        spec.blocks.iter().find_map(|block| {
            let written = serde_json::to_value(block).expect("blocks are plain data");
            unknown(&written).map(|name| Self(format!("block {}: {name}", block.name)))
        })
    }

    fn new(block: &BlockSpec, part: impl Debug) -> Self {
        Self(format!("block {}: {part:?}", block.name))
    }
}

fn unknown(value: &Value) -> Option<&str> {
    value.as_object()?.iter().find_map(|(name, value)| {
        if FIELDS.contains(&name.as_str()) { unknown(value) } else { Some(name) }
    })
}

/// Parameters on a device, in their order.
#[derive(Debug)]
pub(crate) struct Weights {
    shapes: HashMap<String, (usize, Vec<usize>)>,
    /// Flat, each the root of its gradient.
    pub(crate) tensors: Vec<Tensor<1>>,
}

impl Weights {
    /// Copies parameters to a device, which tells whether gradients are wanted.
    pub(crate) fn upload(params: &Parameters, device: &Device) -> Self {
        let (mut shapes, mut tensors) = (HashMap::new(), Vec::new());
        for (i, info) in params.infos().iter().enumerate() {
            shapes.insert(info.name.clone(), (i, info.shape.clone()));
            let data = TensorData::new(params.get(&info.name).to_vec(), [info.len()]);
            let tensor = Tensor::<1>::from_data(data, device);
            tensors.push(if device.is_autodiff() { tensor.require_grad() } else { tensor });
        }
        Self { shapes, tensors }
    }

    fn flat(&self, block: &BlockSpec, part: &str) -> Tensor<1> {
        self.tensors[self.shapes[&format!("{}.{part}", block.name)].0].clone()
    }

    /// Weights of a convolution, `[out, in, z, y, x]`; none where they have other axes.
    fn kernel(&self, block: &BlockSpec) -> Option<Tensor<5>> {
        let (_, shape) = &self.shapes[&format!("{}.conv.weight", block.name)];
        let shape: [usize; 5] = shape.as_slice().try_into().ok()?;
        Some(self.flat(block, "conv.weight").reshape(shape))
    }

    /// One value for each channel, `[1, channel, 1, 1, 1]`.
    fn channels(&self, block: &BlockSpec, part: &str) -> Activations {
        self.flat(block, part).reshape([1, -1, 1, 1, 1])
    }
}

impl Network {
    /// Checks that the network takes inputs of `size`.
    pub(crate) fn new(spec: NetSpec, size: [usize; 3]) -> Result<Self, SpecError> {
        let shapes = spec.shapes(size)?;
        let mut last_read: Vec<usize> = (0..spec.blocks.len()).collect();
        for (i, block) in spec.blocks.iter().enumerate() {
            for name in reads(block) {
                if let Some(from) = spec.blocks.iter().position(|block| block.name == *name) {
                    last_read[from] = i;
                }
            }
        }
        Ok(Self { spec, shapes, last_read })
    }

    pub(crate) fn spec(&self) -> &NetSpec {
        &self.spec
    }

    /// Number of logits.
    pub(crate) fn logit_count(&self) -> usize {
        let [_, z, y, x] = *self.shapes.last().expect("`shapes` refuses a network without blocks");
        z * y * x
    }

    /// From the input to the logit of the bleed, `[1, 1, z, y, x]`.
    pub(crate) fn forward(
        &self,
        weights: &Weights,
        input: Activations,
        dropout: DropoutSeed,
    ) -> Result<Activations, Missing> {
        let mut values: HashMap<&str, Activations> = HashMap::from([(INPUT, input)]);
        let mut logits = None;
        for (i, block) in self.spec.blocks.iter().enumerate() {
            let [_, z, y, x] = self.shapes[i];
            let factors = DropoutFactors::new(&block.op, dropout, i, [z, y, x]);
            let out = run(block, weights, &values, factors)?;
            values.insert(&block.name, out.clone());
            for (from, read) in self.spec.blocks.iter().zip(&self.last_read) {
                if *read == i {
                    values.remove(from.name.as_str());
                }
            }
            logits = Some(out);
        }
        Ok(bleed(logits.expect("`shapes` refuses a network without blocks")))
    }
}

/// Names of all that a block reads.
fn reads(block: &BlockSpec) -> impl Iterator<Item = &String> {
    let residual = match &block.op {
        Op::Conv(conv) => conv.residual.as_ref(),
        _ => None,
    };
    block.inputs.iter().chain(residual)
}

/// One block.
fn run(
    block: &BlockSpec,
    weights: &Weights,
    values: &HashMap<&str, Activations>,
    factors: Option<DropoutFactors>,
) -> Result<Activations, Missing> {
    let mut inputs = block.inputs.iter().map(|name| values[name.as_str()].clone());
    let first = inputs.next().expect("`shapes` refuses a block without inputs");
    match &block.op {
        Op::Conv(spec) => {
            let joined = match inputs.len() {
                0 => first,
                _ => Tensor::cat(std::iter::once(first).chain(inputs).collect(), 1),
            };
            let x = convolution(block, spec, weights, joined, factors)?;
            Ok(match &spec.residual {
                Some(name) => x + values[name.as_str()].clone(),
                None => x,
            })
        }
        Op::Norm(spec) => finish(first, block, weights, (Some(spec.norm), spec.slope)),
        Op::MaxPool2 => Ok(ops::max_pool2(first)),
        Op::Trilinear2 => Ok(ops::trilinear2(first)),
        Op::SumUp => Ok(inputs.fold(first, |coarse, fine| ops::repeat2(coarse) + fine)),
        other => Err(Missing::new(block, other)),
    }
}

/// A convolution, what comes before it on the grid and what follows it.
fn convolution(
    block: &BlockSpec,
    spec: &ConvSpec,
    weights: &Weights,
    x: Activations,
    factors: Option<DropoutFactors>,
) -> Result<Activations, Missing> {
    let x = match spec.up {
        Up::None => x,
        Up::Nearest2 => ops::repeat2(x),
        other => return Err(Missing::new(block, other)),
    };
    // A bias before a normalisation has no effect and is left out.
    let bias = spec.norm.is_none().then(|| weights.flat(block, "conv.bias"));
    let x = weights.kernel(block).and_then(|weight| ops::convolve(x, spec.kernel, weight, bias));
    let x = x.ok_or_else(|| Missing::new(block, spec.kernel))?;
    let x = finish(x, block, weights, (spec.norm, spec.slope))?;
    Ok(match factors {
        Some(DropoutFactors { values, shape: [channels, depth, height, width] }) => {
            let shape = [1, channels, depth, height, width];
            let factors = Tensor::from_data(TensorData::new(values, shape), &x.device());
            x * factors
        }
        None => x,
    })
}

/// Normalisation and activation, as far as set.
fn finish(
    x: Activations,
    block: &BlockSpec,
    weights: &Weights,
    (norm, slope): (Option<NormSpec>, f32),
) -> Result<Activations, Missing> {
    let x = match norm {
        Some(norm) => {
            let part = |part: &str| weights.channels(block, part);
            let x = ops::normalise(x, norm, part("norm.gamma"), part("norm.beta"));
            x.ok_or_else(|| Missing::new(block, norm.mode))?
        }
        None => x,
    };
    Ok(if slope == 1.0 { x } else { ops::leaky_relu(x, slope) })
}

/// The logit of the bleed: channel 0, or, of a softmax over background and bleed, channel 1 less
/// channel 0, which gives the same probability.
fn bleed(out: Activations) -> Activations {
    match out.dims()[1] {
        2 => out.clone().narrow(1, 1, 1) - out.narrow(1, 0, 1),
        _ => out.narrow(1, 0, 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_is_not_heeded_is_found() {
        let norm = json!({ "mode": "variance", "eps": 1e-5 });
        let conv = json!({ "out_channels": 4, "kernel": "three", "up": "none", "norm": norm });
        let mut block = json!({ "name": "a", "inputs": ["input"], "op": { "conv": conv } });
        assert_eq!(unknown(&block), None);

        block["op"]["conv"]["norm"]["statistics"] = json!("running");

        assert_eq!(unknown(&block), Some("statistics"));
    }
}
