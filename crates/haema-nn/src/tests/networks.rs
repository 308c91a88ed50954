//! Small networks that between them have every kind of block.

use crate::{
    BlockSpec, ConvSpec, DropoutKind, Kernel, NetSpec, NormActSpec, NormMode, NormSpec, Op,
    Statistics, Up,
};

fn conv(out_channels: usize, kernel: Kernel, norm: Option<NormSpec>, slope: f32) -> ConvSpec {
    ConvSpec {
        out_channels,
        kernel,
        up: Up::None,
        bias: true,
        norm,
        slope,
        dropout: 0.0,
        dropout_kind: DropoutKind::Channel,
        residual: None,
    }
}

fn bare(out_channels: usize, kernel: Kernel) -> ConvSpec {
    conv(out_channels, kernel, None, 1.0)
}

fn block(name: &str, inputs: &[&str], op: Op) -> BlockSpec {
    BlockSpec { name: name.into(), inputs: inputs.iter().map(|&name| name.into()).collect(), op }
}

fn own(mode: NormMode) -> NormSpec {
    NormSpec { mode, eps: 1e-3, statistics: Statistics::Own }
}

fn running() -> NormSpec {
    let statistics = Statistics::Running { momentum: 0.75 };
    NormSpec { mode: NormMode::Variance, eps: 1e-3, statistics }
}

/// Strides, upsampling, concatenation, residual, sum.
pub(crate) fn small(mode: NormMode, down: Kernel) -> NetSpec {
    let conv = |out_channels, kernel| conv(out_channels, kernel, Some(own(mode)), 0.1);
    let blocks = vec![
        block("a", &["input"], Op::Conv(conv(6, Kernel::Three))),
        block("b", &["a"], Op::Conv(ConvSpec { dropout: 0.4, ..conv(6, Kernel::Three) })),
        block(
            "c",
            &["b"],
            Op::Conv(ConvSpec { residual: Some("a".into()), ..conv(6, Kernel::Three) }),
        ),
        block("d", &["c"], Op::Conv(conv(20, down))),
        block("coarse", &["d"], Op::Conv(bare(1, Kernel::One))),
        block("up", &["d"], Op::Conv(ConvSpec { up: Up::Nearest2, ..conv(6, Kernel::Three) })),
        block("e", &["c", "up"], Op::Conv(conv(9, Kernel::Three))),
        block("f", &["e"], Op::Conv(ConvSpec { norm: None, ..conv(7, Kernel::One) })),
        block("fine", &["f"], Op::Conv(bare(1, Kernel::Three))),
        block("sum", &["coarse", "fine"], Op::SumUp),
    ];
    NetSpec::new("small", 1, blocks)
}

/// Pool, trilinear, transposed, pre-activation, dropout of single voxels.
pub(crate) fn small_variants() -> NetSpec {
    let norm = own(NormMode::Variance);
    let conv = |out_channels, kernel| conv(out_channels, kernel, Some(norm), 0.2);
    let dropped =
        ConvSpec { dropout: 0.3, dropout_kind: DropoutKind::Element, ..conv(5, Kernel::Three) };
    let blocks = vec![
        block("a", &["input"], Op::Conv(conv(6, Kernel::Three))),
        block("b", &["a"], Op::Conv(dropped)),
        block("pool", &["b"], Op::MaxPool2),
        block("pre", &["pool"], Op::Norm(NormActSpec { norm, slope: 0.2 })),
        block("c", &["pre"], Op::Conv(bare(18, Kernel::Three))),
        block("smooth", &["c"], Op::Trilinear2),
        block("sharp", &["c"], Op::Conv(bare(4, Kernel::TwoTransposed))),
        block("d", &["smooth", "sharp", "b"], Op::Conv(conv(6, Kernel::Three))),
        block("out", &["d"], Op::Conv(bare(2, Kernel::One))),
    ];
    NetSpec::new("variants", 1, blocks)
}

/// Batch normalisation in space, before and after a convolution, a pool that activates what it
/// reads, a transposed convolution without a bias.
pub(crate) fn small_batch() -> NetSpec {
    let conv = |out_channels, kernel| conv(out_channels, kernel, Some(running()), 0.0);
    let sharp = ConvSpec { bias: false, ..bare(18, Kernel::TwoTransposed) };
    let blocks = vec![
        block("a", &["input"], Op::Conv(conv(5, Kernel::Three))),
        block("b", &["a"], Op::Conv(conv(6, Kernel::Three))),
        block("pool", &["b"], Op::MaxPool2),
        block("c", &["pool"], Op::Conv(conv(18, Kernel::Three))),
        block("sharp", &["c"], Op::Conv(sharp)),
        block("pre", &["sharp"], Op::Norm(NormActSpec { norm: running(), slope: 0.1 })),
        block("d", &["pre", "b"], Op::Conv(conv(6, Kernel::Three))),
        block("out", &["d"], Op::Conv(bare(1, Kernel::One))),
    ];
    NetSpec::new("batch", 1, blocks)
}

/// Slices, each by itself: kernels, pools and both ways up in the plane.
pub(crate) fn small_planes() -> NetSpec {
    let conv = |out_channels, kernel| conv(out_channels, kernel, Some(running()), 0.0);
    let dropped = ConvSpec {
        dropout: 0.5,
        dropout_kind: DropoutKind::Element,
        ..conv(18, Kernel::PlaneThree)
    };
    let up = ConvSpec { up: Up::PlaneNearest2, norm: None, ..conv(6, Kernel::PlaneTwo) };
    let blocks = vec![
        block("a", &["input"], Op::Conv(conv(5, Kernel::PlaneThree))),
        block("b", &["a"], Op::Conv(conv(6, Kernel::PlaneThree))),
        block("pool", &["b"], Op::PlaneMaxPool2),
        block("c", &["pool"], Op::Conv(dropped)),
        block("sharp", &["c"], Op::Conv(bare(4, Kernel::PlaneTwoTransposed))),
        block("up", &["c"], Op::Conv(up)),
        block("d", &["b", "sharp", "up"], Op::Conv(conv(6, Kernel::PlaneThree))),
        block("out", &["d"], Op::Conv(bare(1, Kernel::One))),
    ];
    NetSpec::new("planes", 1, blocks)
}
