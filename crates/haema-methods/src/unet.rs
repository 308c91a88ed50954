//! The U-Nets that CNN-DS is compared with: of patches in space, and of slices in the plane.

#[cfg(test)]
mod golden;
mod keras;

use haema_nn::{
    BlockSpec, ConvSpec, DropoutKind, Kernel, NetSpec, NormMode, NormSpec, Op, Statistics, Up,
};
use serde::{Deserialize, Serialize};

pub use keras::parameters_from_keras;

/// Settings of a U-Net.
///
/// # Source
///
/// methods.md C1 and C2. [`Family::Patch`]: Çiçek et al. 2016. [`Family::Slice`]: Ronneberger et al.
/// 2015, which Ironside et al. 2019 and Hssayeni et al. 2020 build on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNet {
    /// Which of the two.
    pub family: Family,
    /// Encoder levels, the coarsest included.
    pub levels: usize,
    /// Channels of the first convolution; each further level has twice as many.
    pub base: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Logits: 1 for a sigmoid, 2 for a softmax over background and bleed, more for classes.
    pub out_channels: usize,
    /// Normalisation between each convolution and its activation; none where absent.
    pub norm: Option<NormSpec>,
    /// How the grid is doubled.
    pub up: UpMode,
    /// Whether what doubles the grid has a bias.
    pub up_bias: bool,
    /// Probability that training drops a voxel of a channel at the end of the two coarsest levels.
    pub dropout: f32,
    /// Channels of one more convolution before the last, where there is one.
    pub head_channels: Option<usize>,
}

/// Which U-Net.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Of patches: kernels reach in space, the second convolution of an encoder level widens, the way
    /// up keeps the number of channels and comes first in the concatenation.
    Patch,
    /// Of slices, each by itself: kernels reach in the plane, the first convolution of a level widens,
    /// the way up halves the number of channels and comes second.
    Slice,
}

/// How the grid is doubled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpMode {
    /// A transposed convolution of stride 2, with nothing after it.
    Transposed,
    /// Every voxel twice along both axes of the plane, then a 2 × 2 convolution and an activation: of
    /// slices only.
    NearestConv2,
}

/// Levels whose ends are dropped in part.
const DROPPED_LEVELS: usize = 2;

impl UNet {
    /// The patch-wise U-Net, for one channel in and one logit: 19,069,955 parameters as its authors
    /// count them (three channels in, three logits, no normalisation).
    pub fn patch() -> Self {
        Self {
            family: Family::Patch,
            levels: 4,
            base: 32,
            in_channels: 1,
            out_channels: 1,
            norm: Some(batch_norm(0.9)),
            up: UpMode::Transposed,
            up_bias: false,
            dropout: 0.0,
            head_channels: None,
        }
    }

    /// As ellisdg/3DUnetCNN has it, which the paper builds on: no normalisation.
    pub fn patch_ellisdg() -> Self {
        Self { norm: None, up_bias: true, ..Self::patch() }
    }

    /// The slice-based U-Net as the paper describes it.
    pub fn slice() -> Self {
        Self {
            family: Family::Slice,
            levels: 5,
            base: 64,
            norm: Some(batch_norm(0.99)),
            up: UpMode::NearestConv2,
            up_bias: true,
            dropout: 0.5,
            ..Self::patch()
        }
    }

    /// The slice-based U-Net in the released code of Hssayeni et al.: 31,031,685 parameters.
    pub fn slice_hssayeni() -> Self {
        Self { norm: None, head_channels: Some(2), ..Self::slice() }
    }

    /// Names of the presets.
    pub const NAMES: [&str; 8] = [
        "patch-unet",
        "patch-unet-compact",
        "patch-unet-ellisdg",
        "patch-unet-ellisdg-compact",
        "slice-unet",
        "slice-unet-compact",
        "slice-unet-hssayeni",
        "slice-unet-hssayeni-compact",
    ];

    /// A preset by its name, one of [`Self::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        if let Some(full) = name.strip_suffix("-compact") {
            return Self::named(full).map(Self::compact);
        }
        match name {
            "patch-unet" => Some(Self::patch()),
            "patch-unet-ellisdg" => Some(Self::patch_ellisdg()),
            "slice-unet" => Some(Self::slice()),
            "slice-unet-hssayeni" => Some(Self::slice_hssayeni()),
            _ => None,
        }
    }

    /// The size `[z, y, x]` of what it is trained on: a patch of 64³, or a stack of eight slices of 256².
    pub fn training_size(&self) -> [usize; 3] {
        match self.family {
            Family::Patch => [64; 3],
            Family::Slice => [8, 256, 256],
        }
    }

    /// A quarter of the channels, for training on two cores.
    #[must_use]
    pub fn compact(self) -> Self {
        Self { base: (self.base / 4).max(1), ..self }
    }

    /// By what the sides `[z, y, x]` of an input must be divisible.
    pub fn size_divisor(&self) -> [usize; 3] {
        let side = 1 << (self.levels - 1);
        match self.family {
            Family::Patch => [side; 3],
            Family::Slice => [1, side, side],
        }
    }

    /// The network as a list of blocks.
    ///
    /// # Panics
    ///
    /// Where `levels` is below 2.
    pub fn spec(&self) -> NetSpec {
        assert!(self.levels >= 2, "a U-Net has at least two levels");
        let mut blocks = Vec::new();
        for level in 0..self.levels {
            self.encode(level, &mut blocks);
        }
        for level in (0..self.levels - 1).rev() {
            self.decode(level, &mut blocks);
        }
        let mut last = "dec0.conv2";
        if let Some(channels) = self.head_channels {
            let hidden = ConvSpec { norm: None, ..self.conv(channels) };
            blocks.push(block("hidden", vec![last.to_owned()], Op::Conv(hidden)));
            last = "hidden";
        }
        let head = self.bare(self.out_channels, Kernel::One);
        blocks.push(block("head", vec![last.to_owned()], Op::Conv(head)));
        let name = match self.family {
            Family::Patch => "patch-unet",
            Family::Slice => "slice-unet",
        };
        NetSpec::new(name, self.in_channels, blocks)
    }

    /// Channels of the two convolutions of an encoder level.
    fn channels(&self, level: usize) -> [usize; 2] {
        let first = self.base << level;
        match self.family {
            Family::Patch => [first, 2 * first],
            Family::Slice => [first, first],
        }
    }

    fn encode(&self, level: usize, blocks: &mut Vec<BlockSpec>) {
        let mut from = "input".to_owned();
        if level > 0 {
            let pool = format!("enc{level}.pool");
            let op = match self.family {
                Family::Patch => Op::MaxPool2,
                Family::Slice => Op::PlaneMaxPool2,
            };
            blocks.push(block(&pool, vec![format!("enc{}.conv2", level - 1)], op));
            from = pool;
        }
        let [first, second] = self.channels(level);
        let [wide, end] = ["conv1", "conv2"].map(|part| format!("enc{level}.{part}"));
        blocks.push(block(&wide, vec![from], Op::Conv(self.conv(first))));
        let is_dropped = level + DROPPED_LEVELS >= self.levels;
        let dropout = if is_dropped { self.dropout } else { 0.0 };
        blocks.push(block(&end, vec![wide], Op::Conv(ConvSpec { dropout, ..self.conv(second) })));
    }

    fn decode(&self, level: usize, blocks: &mut Vec<BlockSpec>) {
        let from = if level + 2 == self.levels {
            format!("enc{}.conv2", level + 1)
        } else {
            format!("dec{}.conv2", level + 1)
        };
        let ([_, channels], [_, coarse]) = (self.channels(level), self.channels(level + 1));
        let (kernel, up_channels) = match self.family {
            Family::Patch => (Kernel::TwoTransposed, coarse),
            Family::Slice => (Kernel::PlaneTwoTransposed, channels),
        };
        let conv = match self.up {
            UpMode::Transposed => self.bare(up_channels, kernel),
            UpMode::NearestConv2 => ConvSpec {
                up: Up::PlaneNearest2,
                slope: 0.0,
                ..self.bare(up_channels, Kernel::PlaneTwo)
            },
        };
        let up = format!("dec{level}.up");
        blocks.push(block(&up, vec![from], Op::Conv(ConvSpec { bias: self.up_bias, ..conv })));
        let skip = format!("enc{level}.conv2");
        let joined = match self.family {
            Family::Patch => vec![up, skip],
            Family::Slice => vec![skip, up],
        };
        let [first, second] = ["conv1", "conv2"].map(|part| format!("dec{level}.{part}"));
        blocks.push(block(&first, joined, Op::Conv(self.conv(channels))));
        blocks.push(block(&second, vec![first], Op::Conv(self.conv(channels))));
    }

    /// A convolution of width 3, its normalisation and `ReLU`.
    fn conv(&self, out_channels: usize) -> ConvSpec {
        let kernel = match self.family {
            Family::Patch => Kernel::Three,
            Family::Slice => Kernel::PlaneThree,
        };
        ConvSpec { norm: self.norm, slope: 0.0, ..self.bare(out_channels, kernel) }
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
            dropout_kind: DropoutKind::Element,
            residual: None,
        }
    }
}

/// Batch normalisation with the ε of Keras.
fn batch_norm(momentum: f64) -> NormSpec {
    let statistics = Statistics::Running { momentum };
    NormSpec { mode: NormMode::Variance, eps: 1e-3, statistics }
}

fn block(name: &str, inputs: Vec<String>, op: Op) -> BlockSpec {
    BlockSpec { name: name.to_owned(), inputs, op }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original() -> UNet {
        UNet { in_channels: 3, out_channels: 3, norm: None, ..UNet::patch() }
    }

    /// The numbers of methods.md C1 and C2; the first is in Çiçek et al., the last in the summary that
    /// Hssayeni's code prints.
    #[test]
    fn parameter_counts_are_those_of_the_papers() {
        let no_norm = |unet: UNet| UNet { norm: None, ..unet };
        let rows = [
            (original(), 19_069_955),
            (UNet { up_bias: true, ..original() }, 19_070_851),
            (UNet { norm: UNet::patch().norm, ..original() }, 19_069_955 + 4_672),
            (no_norm(UNet::patch()), 19_068_097),
            (UNet::patch_ellisdg(), 19_068_993),
            (no_norm(UNet::slice()), 31_030_593),
            (UNet::slice_hssayeni(), 31_031_685),
        ];
        for (unet, wanted) in rows {
            assert_eq!(unet.spec().parameter_count(), wanted, "{unet:?}");
        }
    }

    /// The operations of methods.md C1 and C2, 10⁹.
    #[test]
    fn operations_are_those_of_the_specification() {
        let rows = [
            (original(), [64; 3], 488.0),
            (UNet::slice(), [1, 512, 512], 437.0),
            (UNet { base: 32, ..UNet::slice() }, [1, 256, 256], 27.4),
        ];
        for (unet, size, wanted) in rows {
            let table = unet.spec().table(size).unwrap();
            let found = table.iter().map(|row| row.flop).sum::<f64>() / 1e9;
            assert!((found / wanted - 1.0).abs() < 0.01, "{unet:?}: {found}, wanted {wanted}");
        }
    }

    #[test]
    fn what_the_divisor_divides_comes_out_as_it_went_in() {
        for unet in [
            UNet::patch(),
            UNet::patch_ellisdg(),
            UNet::slice(),
            UNet::slice_hssayeni(),
            UNet { up: UpMode::Transposed, ..UNet::slice() },
            UNet { levels: 3, ..UNet::patch().compact() },
        ] {
            let [z, y, x] = unet.size_divisor();
            let size = [3 * z, 2 * y, 5 * x];
            let spec = unet.spec();

            let last = *spec.shapes(size).unwrap().last().unwrap();
            assert_eq!(last, [1, size[0], size[1], size[2]], "{unet:?}");
            assert_eq!(haema_nn::onnx::size_divisor(&spec).unwrap(), [z, y, x], "{unet:?}");
            assert!(spec.shapes([3 * z, 2 * y, 5 * x + 1]).is_err(), "{unet:?}");
        }
    }

    #[test]
    fn a_way_up_in_the_plane_does_not_fit_a_patch() {
        let spec = UNet { up: UpMode::NearestConv2, ..UNet::patch() }.spec();

        assert!(spec.shapes([16; 3]).is_err());
    }

    /// What a training run takes with the compact presets, at the sizes they are for.
    #[test]
    fn compact_presets_train_in_little_memory() {
        let precision = haema_nn::TrainingPrecision::F32;
        for (name, most) in
            [("patch-unet-compact", 400_000_000), ("slice-unet-compact", 900_000_000)]
        {
            let unet = UNet::named(name).unwrap();
            let size = unet.training_size();
            let bytes = haema_nn::Trainer::bytes(&unet.spec(), size, precision).unwrap();
            assert!(bytes < most, "{name}: {bytes} bytes");
        }
        assert_eq!(UNet::named("unet-compact"), None);
    }
}
