//! Each convolution forward, through every door, on one thread: `cargo bench -p haema-kernels`.
//!
//! Inputs and weights are all ones, so that each output far from the border is the number of taps
//! times that of input channels: an answer known beforehand. It is checked before anything is timed.

#![expect(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use haema_kernels::fast::{self, Fast};
use haema_kernels::geometry::ConvKind;
use haema_kernels::layout::Write;
use haema_kernels::pack::Channels;
use haema_kernels::{ChannelBlock, Door, LANES, Shape, View};

const CHANNELS: usize = 32;
const SIZE: [usize; 3] = [16, 32, 32];

const KINDS: [(&str, ConvKind); 8] = [
    ("3x3x3", ConvKind::Same3),
    ("3x3", ConvKind::Plane3),
    ("3x3x3, stride 2", ConvKind::Down3),
    ("upsample, 3x3x3", ConvKind::Up3),
    ("1x1x1", ConvKind::Pointwise),
    ("transposed 2x2x2", ConvKind::Transposed2),
    ("transposed 2x2", ConvKind::PlaneTransposed2),
    ("upsample in the plane, 2x2", ConvKind::PlaneUp2),
];

/// Ones everywhere but in the margin, which must stay zero.
fn ones(shape: Shape) -> Vec<ChannelBlock> {
    let mut data = vec![ChannelBlock::default(); shape.len()];
    let [planes, rows, columns] = shape.size;
    for z in 0..planes {
        for block in 0..shape.blocks {
            for y in 0..rows {
                for x in 0..columns {
                    let at = z * shape.slab_len() + shape.offset_in_slab(block, y, x);
                    data[at] = ChannelBlock([1.0; LANES]);
                }
            }
        }
    }
    data
}

fn convolutions(criterion: &mut Criterion) {
    let channels = Channels { inputs: &[CHANNELS], output: CHANNELS };
    let in_shape = Shape::new(SIZE, CHANNELS);
    let input = ones(in_shape);
    let inputs = [View::new(in_shape, &input)];
    for (name, kind) in KINDS {
        let mut weights = vec![ChannelBlock::default(); fast::weight_len(kind, channels)];
        fast::pack_weights(kind, channels, |_, _, _| 1.0, &mut weights);
        let out_shape = Shape::new(kind.out_size(SIZE), CHANNELS);
        let convolution = Fast {
            walk: kind.into(),
            inputs: &inputs,
            weights: &weights,
            out_shape,
            write: Write::Set,
        };
        let mut out = vec![ChannelBlock::default(); out_shape.len()];
        let blocks = CHANNELS / LANES;
        let mut scratch = vec![ChannelBlock::default(); fast::scratch_len(kind, blocks, blocks)];
        let layer_len = fast::layer_planes(kind) * out_shape.slab_len();
        let mut run = |door: Door, out: &mut [ChannelBlock]| {
            for (layer, slabs) in out.chunks_mut(layer_len).enumerate() {
                fast::layer(door, &convolution, layer, (slabs, &mut []), &mut scratch);
            }
        };
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(out_shape.voxels() as u64));
        for door in Door::all() {
            run(door, &mut out);
            check(kind, out_shape, &out);
            group.bench_function(BenchmarkId::from_parameter(door.name()), |bencher| {
                bencher.iter(|| run(door, black_box(&mut out)));
            });
        }
        group.finish();
    }
}

fn check(kind: ConvKind, shape: Shape, out: &[ChannelBlock]) {
    let taps: usize = match kind {
        // Every output of a transposed convolution sees one input.
        ConvKind::Transposed2 | ConvKind::PlaneTransposed2 => 1,
        _ => kind.kernel_size().iter().product(),
    };
    let wanted = (taps * CHANNELS) as f32;
    let [z, y, x] = shape.size.map(|len| len / 2);
    let found = out[z * shape.slab_len() + shape.offset_in_slab(1, y, x)];
    let is_right = found.0.iter().all(|value| (value - wanted).abs() < 1e-3 * wanted);
    assert!(is_right, "{kind:?} gives {:?}: wanted {wanted}", found.0);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(500));
    targets = convolutions
}
criterion_main!(benches);
