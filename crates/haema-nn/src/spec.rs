//! The network as a list of blocks.

use std::collections::HashMap;

use haema_kernels::geometry::ConvKind;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::params::ParamInfo;

/// Version of the serialised form.
const SCHEMA: u32 = 1;
/// Name of the tensor that goes in.
pub(crate) const INPUT: &str = "input";

/// A network: blocks in the order in which they run, the last one giving the output logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// Version of this form; 1.
    pub schema: u32,
    /// Name of the architecture and its variant.
    pub name: String,
    /// Channels of the tensor `input`.
    pub in_channels: usize,
    /// What runs, in order.
    pub blocks: Vec<BlockSpec>,
}

/// One step and the tensor that it makes, both of one name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockSpec {
    /// Its name, and the prefix of its parameters' names.
    pub name: String,
    /// What comes in: `input` or names of earlier blocks. Several are concatenated in channels by a
    /// convolution, and summed from coarse to fine by [`Op::SumUp`].
    pub inputs: Vec<String>,
    /// What is done.
    pub op: Op,
}

/// What a block does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// Convolution, then normalisation, activation, channel dropout and residual sum, as far as set.
    Conv(ConvSpec),
    /// Instance normalisation, then activation, of one tensor by itself: what comes before a
    /// convolution in pre-activation order.
    Norm(NormActSpec),
    /// Maximum over 2³ voxels.
    MaxPool2,
    /// Trilinear upsampling by 2, half-pixel centres, edges repeated.
    Trilinear2,
    /// Sum of several tensors, each half the size of the next: nearest upsample by 2, add, and so on
    /// to the finest.
    SumUp,
}

/// A convolution and what follows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvSpec {
    /// Channels that go out.
    pub out_channels: usize,
    /// Shape of the kernel and its stride.
    pub kernel: Kernel,
    /// What is done to the grid before it.
    pub up: Up,
    /// Normalisation; none where absent.
    pub norm: Option<NormSpec>,
    /// Slope of leaky `ReLU` for negative values: 0 is `ReLU`, 1 no activation.
    pub slope: f32,
    /// Probability that training drops a channel, or a voxel of a channel.
    pub dropout: f32,
    /// Which of the two it drops.
    #[serde(default, skip_serializing_if = "DropoutKind::is_channel")]
    pub dropout_kind: DropoutKind,
    /// An earlier block of the same shape, added at the end.
    pub residual: Option<String>,
}

/// Normalisation and activation without a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormActSpec {
    /// The normalisation.
    pub norm: NormSpec,
    /// Slope of leaky `ReLU` for negative values.
    pub slope: f32,
}

/// What dropout drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropoutKind {
    /// Whole channels, as Keras' `SpatialDropout3D` does.
    #[default]
    Channel,
    /// Each voxel of each channel by itself.
    Element,
}

impl DropoutKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn is_channel(&self) -> bool {
        *self == Self::Channel
    }
}

/// Shape of a kernel and its stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// 1³.
    One,
    /// 3³.
    Three,
    /// 3³ with stride 2, output voxel `o` centred on input voxel `2 o`.
    ThreeDown,
    /// 3³ with stride 2, output voxel `o` centred on input voxel `2 o + 1`, as TensorFlow pads.
    ThreeDownTfSame,
    /// 2³ transposed with stride 2: each voxel becomes eight.
    TwoTransposed,
}

/// What is done to the grid before a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Up {
    /// Nothing.
    None,
    /// Every voxel is repeated twice along each axis.
    Nearest2,
}

/// Instance normalisation, affine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormSpec {
    /// Where `eps` is added.
    pub mode: NormMode,
    /// Keeps the quotient finite.
    pub eps: f64,
}

/// Where the small number of a normalisation is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormMode {
    /// `(x − μ) / √(σ² + ε)`.
    Variance,
    /// `(x − μ) / (σ + ε)`.
    StandardDeviation,
}

/// Why a list of blocks is not a network.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Written by another version.
    #[error("network schema {found}, this version reads {SCHEMA}")]
    Schema {
        /// The number found.
        found: u32,
    },
    /// No block.
    #[error("the network has no blocks")]
    Empty,
    /// A name stands for two blocks.
    #[error("two blocks are named {name}")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A block reads what is not made before it.
    #[error("block {block} reads {input}, which no earlier block makes")]
    Unknown {
        /// The block.
        block: String,
        /// The missing input.
        input: String,
    },
    /// The kernel and the upsampling have no kernel of ours.
    #[error("block {block}: {kernel:?} after {up:?} is not supported")]
    Unsupported {
        /// The block.
        block: String,
        /// Its kernel.
        kernel: Kernel,
        /// Its upsampling.
        up: Up,
    },
    /// Sizes or channels of joined tensors do not fit.
    #[error("block {block}: {input} is {found:?} [channels, z, y, x] where {wanted:?} was wanted")]
    Shapes {
        /// The block.
        block: String,
        /// The input that does not fit.
        input: String,
        /// Its shape.
        found: [usize; 4],
        /// What would fit.
        wanted: [usize; 4],
    },
    /// A number is out of its range.
    #[error("block {block}: {what}")]
    Range {
        /// The block.
        block: String,
        /// Which number, and its range.
        what: &'static str,
    },
}

/// One row of a layer table.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerRow {
    /// Name of the block.
    pub name: String,
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Size of its output `[z, y, x]`.
    pub size: [usize; 3],
    /// Number of its parameters.
    pub parameters: usize,
    /// Floating-point operations of the convolution as defined, 2 a multiply-add.
    pub flop: f64,
}

impl ConvSpec {
    /// The walk over the grid.
    pub(crate) fn kind(&self) -> Option<ConvKind> {
        match (self.kernel, self.up) {
            (Kernel::One, Up::None) => Some(ConvKind::Pointwise),
            (Kernel::Three, Up::None) => Some(ConvKind::Same3),
            (Kernel::ThreeDown, Up::None) => Some(ConvKind::Down3),
            (Kernel::ThreeDownTfSame, Up::None) => Some(ConvKind::Down3TfSame),
            (Kernel::Three, Up::Nearest2) => Some(ConvKind::Up3),
            (Kernel::TwoTransposed, Up::None) => Some(ConvKind::Transposed2),
            _ => None,
        }
    }

    /// Length of a side of the kernel.
    fn kernel_side(&self) -> usize {
        match self.kernel {
            Kernel::One => 1,
            Kernel::TwoTransposed => 2,
            Kernel::Three | Kernel::ThreeDown | Kernel::ThreeDownTfSame => 3,
        }
    }

    /// Products of one input channel for one output voxel.
    fn products(&self) -> usize {
        if self.kernel == Kernel::TwoTransposed { 1 } else { self.kernel_side().pow(3) }
    }
}

impl NetSpec {
    /// A network of these blocks.
    pub fn new(name: impl Into<String>, in_channels: usize, blocks: Vec<BlockSpec>) -> Self {
        Self { schema: SCHEMA, name: name.into(), in_channels, blocks }
    }

    /// Channels of a tensor by name.
    pub(crate) fn channels(&self) -> HashMap<&str, usize> {
        let mut channels = HashMap::from([(INPUT, self.in_channels)]);
        for block in &self.blocks {
            let out = match &block.op {
                Op::Conv(conv) => conv.out_channels,
                _ => channels.get(block.inputs[0].as_str()).copied().unwrap_or(0),
            };
            channels.insert(&block.name, out);
        }
        channels
    }

    /// Channels of the output.
    pub(crate) fn out_channels(&self) -> usize {
        let last = self.blocks.last().map_or("", |block| block.name.as_str());
        self.channels().get(last).copied().unwrap_or(0)
    }

    /// Channels that come into a block, one entry for each tensor.
    pub(crate) fn inputs_of(&self, block: &BlockSpec) -> Vec<usize> {
        let channels = self.channels();
        block.inputs.iter().map(|name| channels.get(name.as_str()).copied().unwrap_or(0)).collect()
    }

    /// Names and shapes of all parameters, in order.
    pub fn parameters(&self) -> Vec<ParamInfo> {
        let mut infos = Vec::new();
        for block in &self.blocks {
            let inputs = self.inputs_of(block).iter().sum();
            let mut push = |part: &str, shape: Vec<usize>| {
                infos.push(ParamInfo { name: format!("{}.{part}", block.name), shape });
            };
            let normed = match &block.op {
                Op::Conv(conv) => {
                    let side = conv.kernel_side();
                    push("conv.weight", vec![conv.out_channels, inputs, side, side, side]);
                    push("conv.bias", vec![conv.out_channels]);
                    conv.norm.map(|_| conv.out_channels)
                }
                Op::Norm(_) => Some(inputs),
                Op::MaxPool2 | Op::Trilinear2 | Op::SumUp => None,
            };
            if let Some(channels) = normed {
                push("norm.gamma", vec![channels]);
                push("norm.beta", vec![channels]);
            }
        }
        infos
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(ParamInfo::len).sum()
    }

    /// Checks the network for an input of `size` `[z, y, x]` and gives each block's output as
    /// `[channels, z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`SpecError`] where the list is not a network or the size does not go through it.
    pub fn shapes(&self, size: [usize; 3]) -> Result<Vec<[usize; 4]>, SpecError> {
        if self.schema != SCHEMA {
            return Err(SpecError::Schema { found: self.schema });
        }
        if self.blocks.is_empty() {
            return Err(SpecError::Empty);
        }
        let mut known: HashMap<&str, [usize; 4]> =
            HashMap::from([(INPUT, [self.in_channels, size[0], size[1], size[2]])]);
        let mut shapes = Vec::new();
        for block in &self.blocks {
            let shape = block.shape(&known)?;
            if known.insert(&block.name, shape).is_some() {
                return Err(SpecError::Duplicate { name: block.name.clone() });
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// The layers with their parameter and operation counts for an input of `size` `[z, y, x]`.
    ///
    /// # Errors
    ///
    /// As [`NetSpec::shapes`].
    pub fn table(&self, size: [usize; 3]) -> Result<Vec<LayerRow>, SpecError> {
        let shapes = self.shapes(size)?;
        let rows = self.blocks.iter().zip(shapes).map(|(block, [channels, z, y, x])| {
            let inputs = self.inputs_of(block).iter().sum::<usize>();
            let prefix = format!("{}.", block.name);
            let infos = self.parameters();
            let own = infos.iter().filter(|info| info.name.starts_with(&prefix));
            let flop = match &block.op {
                Op::Conv(conv) => {
                    2.0 * (z * y * x) as f64 * (inputs * channels * conv.products()) as f64
                }
                _ => 0.0,
            };
            LayerRow {
                name: block.name.clone(),
                channels: [inputs, channels],
                size: [z, y, x],
                parameters: own.map(ParamInfo::len).sum(),
                flop,
            }
        });
        Ok(rows.collect())
    }
}

impl BlockSpec {
    fn find(&self, known: &HashMap<&str, [usize; 4]>, name: &str) -> Result<[usize; 4], SpecError> {
        known
            .get(name)
            .copied()
            .ok_or_else(|| SpecError::Unknown { block: self.name.clone(), input: name.to_owned() })
    }

    fn shape(&self, known: &HashMap<&str, [usize; 4]>) -> Result<[usize; 4], SpecError> {
        let Some(first) = self.inputs.first() else {
            return Err(self.range("has no input"));
        };
        let mut shape = self.find(known, first)?;
        match &self.op {
            Op::Conv(conv) => self.conv_shape(known, conv, shape),
            _ if first == INPUT => Err(self.range("only a convolution reads the network's input")),
            Op::Norm(spec) if !(0.0..=1.0).contains(&spec.slope) => {
                Err(self.range("slope must be in 0..=1"))
            }
            Op::Norm(_) => Ok(shape),
            Op::MaxPool2 => {
                let [z, y, x] = [1, 2, 3].map(|axis| shape[axis].div_ceil(2));
                Ok([shape[0], z, y, x])
            }
            Op::Trilinear2 => Ok([shape[0], 2 * shape[1], 2 * shape[2], 2 * shape[3]]),
            Op::SumUp => {
                for name in &self.inputs[1..] {
                    let wanted = [shape[0], 2 * shape[1], 2 * shape[2], 2 * shape[3]];
                    self.expect(known, name, wanted)?;
                    shape = wanted;
                }
                Ok(shape)
            }
        }
    }

    fn conv_shape(
        &self,
        known: &HashMap<&str, [usize; 4]>,
        conv: &ConvSpec,
        [_, z, y, x]: [usize; 4],
    ) -> Result<[usize; 4], SpecError> {
        for name in &self.inputs[1..] {
            let channels = self.find(known, name)?[0];
            self.expect(known, name, [channels, z, y, x])?;
        }
        if !(0.0..1.0).contains(&conv.dropout) {
            return Err(self.range("dropout must be at least 0 and below 1"));
        }
        if !(0.0..=1.0).contains(&conv.slope) || conv.out_channels == 0 {
            return Err(self.range("slope must be in 0..=1, and channels go out"));
        }
        let kind = conv.kind().ok_or_else(|| SpecError::Unsupported {
            block: self.name.clone(),
            kernel: conv.kernel,
            up: conv.up,
        })?;
        let [z, y, x] = kind.out_size([z, y, x]);
        let shape = [conv.out_channels, z, y, x];
        if let Some(residual) = &conv.residual {
            self.expect(known, residual, shape)?;
        }
        Ok(shape)
    }

    fn expect(
        &self,
        known: &HashMap<&str, [usize; 4]>,
        name: &str,
        wanted: [usize; 4],
    ) -> Result<(), SpecError> {
        let found = self.find(known, name)?;
        if found == wanted {
            return Ok(());
        }
        Err(SpecError::Shapes { block: self.name.clone(), input: name.to_owned(), found, wanted })
    }

    fn range(&self, what: &'static str) -> SpecError {
        SpecError::Range { block: self.name.clone(), what }
    }
}
