//! A network that runs again asks the system for no memory.
//!
//! The only test of its program, so that nothing else allocates meanwhile.

use std::alloc::System;

use haema_nn::{
    BlockSpec, ConvSpec, DropoutKind, Executor, InferencePrecision, Init, Kernel, NetSpec,
    NormMode, NormSpec, Op, Parameters, Statistics, Up,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn conv(name: &str, inputs: &[&str], out_channels: usize, kernel: Kernel, up: Up) -> BlockSpec {
    let is_batch = name.starts_with("plane");
    let statistics = if is_batch { Statistics::Running { momentum: 0.9 } } else { Statistics::Own };
    let norm = NormSpec { mode: NormMode::Variance, eps: 1e-5, statistics };
    let norm = (out_channels > 1).then_some(norm);
    let op = Op::Conv(ConvSpec {
        out_channels,
        kernel,
        up,
        bias: true,
        norm,
        slope: if norm.is_some() { 0.01 } else { 1.0 },
        dropout: 0.0,
        dropout_kind: DropoutKind::Channel,
        residual: (name == "sum").then(|| "first".to_owned()),
    });
    BlockSpec { name: name.into(), inputs: inputs.iter().map(|&name| name.into()).collect(), op }
}

fn plain(name: &str, input: &str, op: Op) -> BlockSpec {
    BlockSpec { name: name.into(), inputs: vec![input.into()], op }
}

#[test]
fn a_second_pass_allocates_nothing() {
    let joined = ["sum", "up", "smooth", "plane up", "plane split"];
    let mut blocks = vec![
        conv("first", &["input"], 16, Kernel::Three, Up::None),
        conv("sum", &["first"], 16, Kernel::Three, Up::None),
        conv("down", &["sum"], 32, Kernel::ThreeDown, Up::None),
        conv("coarse", &["down"], 1, Kernel::One, Up::None),
        conv("up", &["down"], 16, Kernel::Three, Up::Nearest2),
        plain("pool", "sum", Op::MaxPool2),
        plain("smooth", "pool", Op::Trilinear2),
        conv("plane", &["sum"], 16, Kernel::PlaneThree, Up::None),
        plain("plane pool", "plane", Op::PlaneMaxPool2),
        conv("plane up", &["plane pool"], 16, Kernel::PlaneTwo, Up::PlaneNearest2),
        conv("plane split", &["plane pool"], 16, Kernel::PlaneTwoTransposed, Up::None),
        conv("joined", &joined, 16, Kernel::Three, Up::None),
        conv("fine", &["joined"], 1, Kernel::One, Up::None),
    ];
    let inputs = vec!["coarse".to_owned(), "fine".to_owned()];
    blocks.push(BlockSpec { name: "out".into(), inputs, op: Op::SumUp });
    let spec = NetSpec::new("test", 1, blocks);
    let params = Parameters::init(&spec, Init::HeNormal, 0.0, 1);
    let size = [8, 24, 32];
    for precision in InferencePrecision::ALL {
        let (spec, params) = (spec.clone(), params.clone());
        let executor = Executor::with_precision(spec, params, size, (3, precision)).unwrap();
        a_pass_allocates_nothing(executor);
    }
}

fn a_pass_allocates_nothing(mut executor: Executor) {
    let input: Vec<f32> = (0..8 * 24 * 32).map(|i| (i % 97) as f32 / 97.0).collect();
    let mut out = vec![0.0; input.len()];
    // Which thread takes which part is chance; after some passes each has had the largest.
    for _ in 0..20 {
        executor.probabilities_into(&input, &mut out);
    }

    let region = Region::new(ALLOCATOR);
    executor.probabilities_into(&input, &mut out);

    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
}
