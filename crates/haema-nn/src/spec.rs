//! The network as a list of blocks.

mod error;
mod shapes;

use std::collections::HashMap;

use haema_kernels::geometry::{ConvKind, PoolKind};
use serde::{Deserialize, Serialize};

use crate::params::ParamInfo;
pub use error::SpecError;

/// Version of the serialised form.
const SCHEMA: u32 = 1;
/// Name of the tensor that goes in.
pub const INPUT: &str = "input";

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
#[non_exhaustive]
pub enum Op {
    /// Convolution, then normalisation, activation, channel dropout and residual sum, as far as set.
    Conv(ConvSpec),
    /// Normalisation, then activation, of one tensor by itself: what comes before a convolution in
    /// pre-activation order.
    Norm(NormActSpec),
    /// Maximum over 2³ voxels.
    MaxPool2,
    /// Maximum over 2 × 2 voxels in the plane.
    PlaneMaxPool2,
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
    /// Whether a bias is added to its result.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
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

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
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
#[non_exhaustive]
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
#[non_exhaustive]
pub enum Kernel {
    /// 1³.
    One,
    /// 3³.
    Three,
    /// 3 × 3 in the plane.
    PlaneThree,
    /// 2 × 2 in the plane, padded after the end, as TensorFlow pads; only after [`Up::PlaneNearest2`].
    PlaneTwo,
    /// 3³ with stride 2, output voxel `o` centred on input voxel `2 o`.
    ThreeDown,
    /// 3³ with stride 2, output voxel `o` centred on input voxel `2 o + 1`, as TensorFlow pads.
    ThreeDownTfSame,
    /// 2³ transposed with stride 2: each voxel becomes eight.
    TwoTransposed,
    /// 2 × 2 transposed with stride 2 in the plane: each voxel becomes four.
    PlaneTwoTransposed,
}

/// What is done to the grid before a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Up {
    /// Nothing.
    None,
    /// Every voxel is repeated twice along each axis.
    Nearest2,
    /// Every voxel is repeated twice along both axes of its plane.
    PlaneNearest2,
}

/// Normalisation of each channel over all its voxels, affine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormSpec {
    /// Where `eps` is added.
    pub mode: NormMode,
    /// Keeps the quotient finite.
    pub eps: f64,
    /// Whose mean and variance.
    #[serde(default, skip_serializing_if = "Statistics::are_own")]
    pub statistics: Statistics,
}

/// Whose mean and variance a normalisation takes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Statistics {
    /// The tensor's own: instance normalisation. Of a stack of slices, or a batch of one volume, it is
    /// batch normalisation by the batch at hand.
    #[default]
    Own,
    /// In training the tensor's own, else a running mean of those: batch normalisation. The planes of
    /// a tensor are the batch where no kernel reaches from one to the next; else the batch is one.
    Running {
        /// Share of the old mean that a step keeps, as in Keras; `PyTorch`'s is one less this. The
        /// variance is that of a sample, `n / (n − 1)` times the one divided by, as in both.
        momentum: f64,
    },
}

impl Statistics {
    fn are_own(&self) -> bool {
        *self == Self::Own
    }
}

/// Where the small number of a normalisation is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NormMode {
    /// `(x − μ) / √(σ² + ε)`.
    Variance,
    /// `(x − μ) / (σ + ε)`.
    StandardDeviation,
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
            (Kernel::PlaneThree, Up::None) => Some(ConvKind::Plane3),
            (Kernel::PlaneTwoTransposed, Up::None) => Some(ConvKind::PlaneTransposed2),
            (Kernel::PlaneTwo, Up::PlaneNearest2) => Some(ConvKind::PlaneUp2),
            _ => None,
        }
    }

    /// Products of one input channel for one output voxel.
    fn products(&self) -> usize {
        if self.kernel.is_transposed() { 1 } else { self.kernel.size().iter().product() }
    }
}

impl Kernel {
    /// Taps along `[z, y, x]`.
    pub(crate) fn size(self) -> [usize; 3] {
        match self {
            Self::One => [1; 3],
            Self::TwoTransposed => [2; 3],
            Self::PlaneTwo | Self::PlaneTwoTransposed => [1, 2, 2],
            Self::PlaneThree => [1, 3, 3],
            Self::Three | Self::ThreeDown | Self::ThreeDownTfSame => [3; 3],
        }
    }

    /// Whether each output voxel meets one tap.
    pub fn is_transposed(self) -> bool {
        matches!(self, Self::TwoTransposed | Self::PlaneTwoTransposed)
    }
}

impl Op {
    /// The windows of a pool.
    pub(crate) fn pool(&self) -> Option<PoolKind> {
        match self {
            Self::MaxPool2 => Some(PoolKind::Two),
            Self::PlaneMaxPool2 => Some(PoolKind::PlaneTwo),
            _ => None,
        }
    }

    /// Its normalisation.
    pub(crate) fn norm(&self) -> Option<NormSpec> {
        match self {
            Self::Conv(conv) => conv.norm,
            Self::Norm(spec) => Some(spec.norm),
            Self::MaxPool2 | Self::PlaneMaxPool2 | Self::Trilinear2 | Self::SumUp => None,
        }
    }

    /// Share of the old mean that its running statistics keep, where it has such.
    pub(crate) fn momentum(&self) -> Option<f64> {
        match self.norm()?.statistics {
            Statistics::Own => None,
            Statistics::Running { momentum } => Some(momentum),
        }
    }

    /// Whether it can apply an activation to what it reads as it reads.
    pub(crate) fn activates_as_it_reads(&self) -> bool {
        matches!(self, Self::Conv(_) | Self::MaxPool2 | Self::PlaneMaxPool2)
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

    /// Names and shapes of all parameters in order, running statistics among them.
    pub fn parameters(&self) -> Vec<ParamInfo> {
        let mut infos = Vec::new();
        for block in &self.blocks {
            let inputs = self.inputs_of(block).iter().sum();
            let mut push = |part: &str, shape: Vec<usize>| {
                infos.push(ParamInfo { name: format!("{}.{part}", block.name), shape });
            };
            let mut channels = inputs;
            if let Op::Conv(conv) = &block.op {
                channels = conv.out_channels;
                let [z, y, x] = conv.kernel.size();
                push("conv.weight", vec![channels, inputs, z, y, x]);
                if conv.bias {
                    push("conv.bias", vec![channels]);
                }
            }
            if block.op.norm().is_some() {
                push("norm.gamma", vec![channels]);
                push("norm.beta", vec![channels]);
            }
            if block.op.momentum().is_some() {
                push("norm.mean", vec![channels]);
                push("norm.variance", vec![channels]);
            }
        }
        infos
    }

    /// Number of parameters that training changes by their gradient: all but running statistics.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().filter(|info| !info.is_statistic()).map(ParamInfo::len).sum()
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
            let own =
                infos.iter().filter(|info| info.name.starts_with(&prefix) && !info.is_statistic());
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
