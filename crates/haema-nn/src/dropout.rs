//! What dropout multiplies a block's values by, for engines that do not share our layout.

use haema_kernels::{ChannelBlock, Door, LANES, Shape};

use crate::conv::Machine;
use crate::node;
use crate::spec::Op;
use crate::tensor::Tensor;
use crate::trainer::DropoutSeed;

/// Factors of one block in one step: 0 for what is dropped, else `1/(1−p)`. They apply to its activated
/// values, before the residual sum.
///
/// They depend on the seed, the block's place in the network and the shape alone, so every engine
/// drops the same.
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutFactors {
    /// The factors, plain.
    pub values: Vec<f32>,
    /// Their shape `[channels, z, y, x]`: three times 1 where whole channels are dropped.
    pub shape: [usize; 4],
}

impl DropoutFactors {
    /// Of block number `index` with an output of `size` `[z, y, x]`; none where nothing is dropped.
    pub fn new(op: &Op, dropout: DropoutSeed, index: usize, size: [usize; 3]) -> Option<Self> {
        let Op::Conv(spec) = op else { return None };
        if spec.dropout == 0.0 || dropout == DropoutSeed::Off {
            return None;
        }
        let (channels, index) = (spec.out_channels, index as u64);
        if let Some((seed, share)) = node::drops_elements(op, dropout) {
            let [z, y, x] = size;
            let values = elements((channels, share), (seed, index), size);
            return Some(Self { values, shape: [channels, z, y, x] });
        }
        let values = node::keep(op, channels, (dropout, index));
        Some(Self { values, shape: [channels, 1, 1, 1] })
    }
}

/// Drops from a tensor of ones, so that each voxel draws its own number in our layout.
fn elements((channels, share): (usize, f32), draw: (u64, u64), size: [usize; 3]) -> Vec<f32> {
    let shape = Shape::new(size, channels);
    let mut tensor = Tensor::zeros(shape);
    tensor.elements_mut().fill(ChannelBlock([1.0; LANES]));
    node::drop_elements(Machine { door: Door::best(), threads: 1 }, share, draw, &mut tensor);
    let [depth, height, width] = size;
    let mut factors = Vec::with_capacity(channels * shape.voxels());
    for channel in 0..channels {
        for z in 0..depth {
            for y in 0..height {
                let start = shape.offset_in_slab(channel / LANES, y, 0);
                let row = &tensor.slab(z)[start..start + width];
                factors.extend(row.iter().map(|block| block.0[channel % LANES]));
            }
        }
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockSpec, ConvSpec, DropoutKind, Kernel, NetSpec, Parameters, Trainer, Up};

    const SIZE: [usize; 3] = [3, 5, 4];

    /// A layer that gives 1 wherever nothing is dropped.
    fn ones(dropout: f32, dropout_kind: DropoutKind) -> Op {
        Op::Conv(ConvSpec {
            out_channels: 1,
            kernel: Kernel::Three,
            up: Up::None,
            bias: true,
            norm: None,
            slope: 1.0,
            dropout,
            dropout_kind,
            residual: None,
        })
    }

    fn logits(op: &Op, dropout: DropoutSeed) -> Vec<f32> {
        let inputs = vec![crate::INPUT.into()];
        let block = BlockSpec { name: "a".into(), inputs, op: op.clone() };
        let spec = NetSpec::new("ones", 1, vec![block]);
        let mut params = Parameters::zeros(&spec);
        params.get_mut("a.conv.bias").fill(1.0);
        Trainer::new(spec, params, SIZE, 1).unwrap().forward(&[0.0; 60], dropout).to_vec()
    }

    #[test]
    fn the_factors_are_those_of_our_own_trainer() {
        for seed in (0..8).map(DropoutSeed::Seed) {
            let elements = ones(0.5, DropoutKind::Element);
            let found = DropoutFactors::new(&elements, seed, 0, SIZE).unwrap();
            assert_eq!(
                found,
                DropoutFactors { values: logits(&elements, seed), shape: [1, 3, 5, 4] }
            );

            let channels = ones(0.5, DropoutKind::Channel);
            let found = DropoutFactors::new(&channels, seed, 0, SIZE).unwrap();
            assert_eq!(found.shape, [1; 4]);
            assert_eq!(vec![found.values[0]; 60], logits(&channels, seed));
        }
    }

    #[test]
    fn nothing_is_dropped_where_nothing_is_asked_for() {
        let (often, never) = (ones(0.5, DropoutKind::Channel), ones(0.0, DropoutKind::Element));

        assert_eq!(DropoutFactors::new(&often, DropoutSeed::Off, 0, SIZE), None);
        assert_eq!(DropoutFactors::new(&never, DropoutSeed::Seed(1), 0, SIZE), None);
        assert_eq!(DropoutFactors::new(&Op::SumUp, DropoutSeed::Seed(1), 0, SIZE), None);
    }
}
