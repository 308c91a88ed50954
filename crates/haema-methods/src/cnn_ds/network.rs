//! The architecture, with a switch wherever the paper leaves a choice.

use haema_nn::{
    BlockSpec, ConvSpec, DropoutKind, Kernel, NetSpec, NormActSpec, NormMode, NormSpec, Op,
    Statistics, Up,
};
use serde::{Deserialize, Serialize};

/// Settings of the network.
///
/// # Source
///
/// methods.md A.2 (layers) and A.3 (what each source says). Lineage: `isensee2017.py` of
/// ellisdg/3DUnetCNN, whose layer names these are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CnnDs {
    /// Encoder levels, the bottleneck included.
    pub depth: usize,
    /// Channels of the first level; each further level has twice as many.
    pub base: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Logits: 1 for a sigmoid, 2 for a softmax over background and bleed, more for classes.
    pub out_channels: usize,
    /// Slope of leaky `ReLU` for negative values; 0 is `ReLU`.
    pub act_slope: f32,
    /// Instance normalisation; none where absent.
    pub norm: Option<NormSpec>,
    /// Whether a block is convolution, normalisation, activation, or the last two come first.
    pub residual_order: ResidualOrder,
    /// Probability that training drops a channel between a level's two context convolutions.
    pub dropout: f32,
    /// Whether that drops whole channels or single voxels.
    pub dropout_kind: DropoutKind,
    /// How the grid is halved.
    pub down: Down,
    /// How a convolution of stride 2 is padded.
    pub pad_mode: PadMode,
    /// How the grid is doubled.
    pub up: UpMode,
    /// Kernel of the segmentation layers: 1 or 3.
    pub seg_kernel: u8,
    /// Whether a 1³ convolution follows the one after upsampling.
    pub up_extra_1x1: bool,
    /// Whether coarse segmentation layers join the output.
    pub deep_supervision: DeepSupervision,
}

/// How the grid is halved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// A 3³ convolution of stride 2.
    Stride,
    /// The maximum over 2³ voxels, then a 3³ convolution.
    Maxpool,
}

/// How the grid is doubled, before a 3³ convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpMode {
    /// Every voxel twice along each axis.
    Nearest,
    /// Trilinear interpolation.
    Trilinear,
    /// A transposed 2³ convolution of stride 2.
    Deconv2,
}

/// Order within a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidualOrder {
    /// Convolution, normalisation, activation: as the code family has it.
    Post,
    /// Normalisation, activation, convolution: as Isensee's `BraTS` network has it. The first
    /// convolution of all has nothing before it.
    Pre,
}

/// How a convolution of stride 2 is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// One voxel on each side.
    Symmetric,
    /// After the end only, as TensorFlow's `same` does on even sizes.
    TfSame,
}

/// Whether coarse segmentation layers join the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeepSupervision {
    /// The three finest levels are summed, coarse to fine.
    Sum,
    /// The finest level alone: the paper's ablation.
    None,
}

/// Two complete sets of choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The closest reading of the paper.
    Paper,
    /// What we believe works best.
    Recommended,
}

/// Levels whose segmentation layers are summed, in the code that the paper builds on.
const SEGMENTATION_LEVELS: usize = 3;

impl CnnDs {
    /// The network of a profile.
    pub fn profile(profile: Profile) -> Self {
        let shared = Self {
            depth: 4,
            base: 16,
            in_channels: 1,
            out_channels: 1,
            act_slope: 0.01,
            norm: Some(NormSpec {
                mode: NormMode::Variance,
                eps: 1e-5,
                statistics: Statistics::Own,
            }),
            residual_order: ResidualOrder::Post,
            dropout: 0.3,
            dropout_kind: DropoutKind::Channel,
            up: UpMode::Nearest,
            down: Down::Stride,
            pad_mode: PadMode::Symmetric,
            seg_kernel: 1,
            up_extra_1x1: false,
            deep_supervision: DeepSupervision::Sum,
        };
        match profile {
            Profile::Recommended => shared,
            Profile::Paper => Self {
                act_slope: 0.3,
                norm: Some(NormSpec {
                    mode: NormMode::StandardDeviation,
                    eps: 1e-3,
                    statistics: Statistics::Own,
                }),
                pad_mode: PadMode::TfSame,
                seg_kernel: 3,
                ..shared
            },
        }
    }

    /// By what the input's size must be divisible along every axis.
    pub fn size_divisor(&self) -> usize {
        1 << (self.depth - 1)
    }

    /// The network as a list of blocks.
    ///
    /// # Panics
    ///
    /// Where `depth` is below 2.
    pub fn spec(&self) -> NetSpec {
        assert!(self.depth >= 2, "CNN-DS has at least two levels");
        let mut blocks = Vec::new();
        for level in 0..self.depth {
            self.encode(level, &mut blocks);
        }
        let coarsest = SEGMENTATION_LEVELS.min(self.depth - 1);
        let levels = match self.deep_supervision {
            DeepSupervision::Sum => coarsest,
            DeepSupervision::None => 1,
        };
        for level in (0..self.depth - 1).rev() {
            self.decode(level, &mut blocks);
            if level < levels {
                let kernel = if self.seg_kernel == 1 { Kernel::One } else { Kernel::Three };
                let op = self.bare(self.out_channels, kernel);
                blocks.push(block(format!("seg{level}"), vec![format!("dec{level}.loc2")], op));
            }
        }
        if levels > 1 {
            let inputs = (0..levels).rev().map(|level| format!("seg{level}")).collect();
            blocks.push(BlockSpec { name: "ds.sum".into(), inputs, op: Op::SumUp });
        }
        NetSpec::new("cnn-ds", self.in_channels, blocks)
    }

    fn channels(&self, level: usize) -> usize {
        self.base << level
    }

    fn encode(&self, level: usize, blocks: &mut Vec<BlockSpec>) {
        let channels = self.channels(level);
        let [first, second, sum] = ["in", "ctx1", "ctx2"].map(|part| format!("enc{level}.{part}"));
        let (mut from, mut kernel) = ("input".to_owned(), Kernel::Three);
        if level > 0 {
            from = format!("enc{}.ctx2", level - 1);
            match (self.down, self.pad_mode) {
                (Down::Stride, PadMode::Symmetric) => kernel = Kernel::ThreeDown,
                (Down::Stride, PadMode::TfSame) => kernel = Kernel::ThreeDownTfSame,
                (Down::Maxpool, _) => {
                    let pool = format!("enc{level}.pool");
                    blocks.push(BlockSpec {
                        name: pool.clone(),
                        inputs: vec![from],
                        op: Op::MaxPool2,
                    });
                    from = pool;
                }
            }
        }
        self.push(blocks, &first, vec![from], self.conv(channels, kernel));
        let dropped = ConvSpec {
            dropout: self.dropout,
            dropout_kind: self.dropout_kind,
            ..self.conv(channels, Kernel::Three)
        };
        self.push(blocks, &second, vec![first.clone()], dropped);
        let summed = ConvSpec { residual: Some(first), ..self.conv(channels, Kernel::Three) };
        self.push(blocks, &sum, vec![second], summed);
    }

    fn decode(&self, level: usize, blocks: &mut Vec<BlockSpec>) {
        let channels = self.channels(level);
        let mut from = if level == self.depth - 2 {
            format!("enc{}.ctx2", level + 1)
        } else {
            format!("dec{}.loc2", level + 1)
        };
        let mut up = Up::None;
        let doubled = format!("dec{level}.up");
        match self.up {
            UpMode::Nearest => up = Up::Nearest2,
            UpMode::Trilinear => {
                let inputs = vec![std::mem::replace(&mut from, doubled.clone())];
                blocks.push(BlockSpec { name: doubled, inputs, op: Op::Trilinear2 });
            }
            UpMode::Deconv2 => {
                let inputs = vec![std::mem::replace(&mut from, doubled.clone())];
                let op = self.bare(self.channels(level + 1), Kernel::TwoTransposed);
                blocks.push(block(doubled, inputs, op));
            }
        }
        let mut upsampled = format!("dec{level}.upconv");
        let conv = ConvSpec { up, ..self.conv(channels, Kernel::Three) };
        self.push(blocks, &upsampled, vec![from], conv);
        if self.up_extra_1x1 {
            let extra = format!("dec{level}.upconv1");
            self.push(blocks, &extra, vec![upsampled], self.conv(channels, Kernel::One));
            upsampled = extra;
        }
        let skip = format!("enc{level}.ctx2");
        let [wide, narrow] = ["loc1", "loc2"].map(|part| format!("dec{level}.{part}"));
        self.push(blocks, &wide, vec![skip, upsampled], self.conv(channels, Kernel::Three));
        self.push(blocks, &narrow, vec![wide], self.conv(channels, Kernel::One));
    }

    /// Adds a convolution block in the order that is set.
    fn push(&self, blocks: &mut Vec<BlockSpec>, name: &str, inputs: Vec<String>, conv: ConvSpec) {
        let (Some(norm), ResidualOrder::Pre) = (conv.norm, self.residual_order) else {
            blocks.push(block(name.to_owned(), inputs, conv));
            return;
        };
        let activated = inputs.iter().enumerate().map(|(i, input)| {
            if input == "input" {
                return input.clone();
            }
            let before = format!("{name}.pre{i}");
            let op = Op::Norm(NormActSpec { norm, slope: conv.slope });
            blocks.push(BlockSpec { name: before.clone(), inputs: vec![input.clone()], op });
            before
        });
        let inputs = activated.collect();
        blocks.push(block(name.to_owned(), inputs, ConvSpec { norm: None, slope: 1.0, ..conv }));
    }

    fn conv(&self, out_channels: usize, kernel: Kernel) -> ConvSpec {
        ConvSpec { norm: self.norm, slope: self.act_slope, ..self.bare(out_channels, kernel) }
    }

    /// A convolution with nothing after it.
    #[expect(clippy::unused_self, reason = "reads like its neighbours")]
    fn bare(&self, out_channels: usize, kernel: Kernel) -> ConvSpec {
        ConvSpec {
            out_channels,
            kernel,
            up: Up::None,
            bias: true,
            norm: None,
            slope: 1.0,
            dropout: 0.0,
            dropout_kind: DropoutKind::Channel,
            residual: None,
        }
    }
}

fn block(name: String, inputs: Vec<String>, conv: ConvSpec) -> BlockSpec {
    BlockSpec { name, inputs, op: Op::Conv(conv) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recommended() -> CnnDs {
        CnnDs::profile(Profile::Recommended)
    }

    /// Every row of the variant table in methods.md A.2: parameters, and GFLOP for 64×128×128.
    #[test]
    fn the_variant_table_comes_back() {
        let no_ds = DeepSupervision::None;
        let rows = [
            (recommended(), 2_055_043, 164.06),
            (CnnDs { deep_supervision: no_ds, ..recommended() }, 2_054_945, 164.05),
            (CnnDs { norm: None, ..recommended() }, 2_052_931, 164.06),
            (CnnDs { seg_kernel: 3, ..recommended() }, 2_057_955, 165.20),
            (CnnDs { seg_kernel: 3, up_extra_1x1: true, ..recommended() }, 2_063_667, 166.14),
            (CnnDs { out_channels: 2, ..recommended() }, 2_055_158, 164.10),
            (CnnDs { base: 8, ..recommended() }, 514_691, 41.25),
            (CnnDs { base: 32, ..recommended() }, 8_212_739, 654.33),
            (CnnDs { depth: 3, ..recommended() }, 500_866, 144.9),
            (CnnDs { depth: 5, ..recommended() }, 8_268_035, 173.6),
            (CnnDs { depth: 6, ..recommended() }, 33_113_091, 178.4),
            (CnnDs::profile(Profile::Paper), 2_057_955, 165.20),
        ];
        for (config, parameters, gflop) in rows {
            let spec = config.spec();
            let table = spec.table([64, 128, 128]).unwrap();
            let sum: f64 = table.iter().map(|row| row.flop).sum::<f64>() / 1e9;

            assert_eq!(spec.parameter_count(), parameters, "{config:?}");
            assert!((sum - gflop).abs() < 0.06, "{config:?}: {sum} GFLOP, wanted {gflop}");
            assert_eq!(table.iter().map(|row| row.parameters).sum::<usize>(), parameters);
        }
    }

    #[test]
    fn the_brats_like_variant_has_its_parameters() {
        let spec = CnnDs { depth: 5, out_channels: 3, ..recommended() }.spec();

        assert_eq!(spec.parameter_count(), 8_268_265);
        let table = spec.table([128, 128, 128]).unwrap();
        let gflop = table.iter().map(|row| row.flop).sum::<f64>() / 1e9;
        assert!((gflop - 347.5).abs() < 0.1, "{gflop}");
    }

    #[test]
    fn every_switch_gives_a_network() {
        let all = [
            CnnDs { down: Down::Maxpool, ..recommended() },
            CnnDs { up: UpMode::Trilinear, ..recommended() },
            CnnDs { up: UpMode::Deconv2, ..recommended() },
            CnnDs { residual_order: ResidualOrder::Pre, ..recommended() },
            CnnDs { dropout_kind: DropoutKind::Element, ..recommended() },
            CnnDs { act_slope: 0.0, pad_mode: PadMode::TfSame, ..recommended() },
        ];
        for config in all {
            let shapes = config.spec().shapes([8, 16, 24]).unwrap();

            assert_eq!(shapes.last(), Some(&[1, 8, 16, 24]), "{config:?}");
        }
    }

    #[test]
    fn any_size_divisible_by_the_divisor_comes_out_as_it_went_in() {
        for (config, size) in [
            (recommended(), [8, 16, 24]),
            (CnnDs { depth: 2, ..recommended() }, [2, 6, 10]),
            (CnnDs { depth: 5, ..recommended() }, [16, 32, 48]),
        ] {
            assert!(size.iter().all(|n| n % config.size_divisor() == 0));
            let last = *config.spec().shapes(size).unwrap().last().unwrap();
            assert_eq!(last, [1, size[0], size[1], size[2]]);
        }
    }

    #[test]
    fn a_size_that_does_not_go_through_is_refused_and_named() {
        let error = recommended().spec().shapes([8, 16, 20]).unwrap_err();

        assert_eq!(
            error.to_string(),
            "block dec2.loc1: dec2.upconv is [64, 2, 4, 6] [channels, z, y, x] where \
             [64, 2, 4, 5] was wanted"
        );
    }
}
