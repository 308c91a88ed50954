//! The sum of deep supervision: each tensor is repeated to the size of the finest and added.

use haema_kernels::isa::Portable;
use haema_kernels::layout::Write;
use haema_kernels::{ChannelBlock, Element, Shape, View};

use crate::conv::Machine;
use crate::parallel;

/// Channels that the sum carries: the first block's first lane is enough for one class, but all
/// lanes of all blocks are summed, so that any number of classes works.
fn add(to: &mut ChannelBlock, from: &impl Element) {
    for (to, from) in to.0.iter_mut().zip(from.load(Portable)) {
        *to += from;
    }
}

/// `out[v] = Σ inputs[v / scale]`, each input's scale being the ratio of its size to `out`'s.
pub(crate) fn forward<E: Element>(
    machine: Machine,
    inputs: &[View<'_, E>],
    shape: Shape,
    out: &mut [E],
) {
    let [_, height, width] = shape.size;
    parallel::chunks(machine.threads, out, shape.slab_len(), |z, slab| {
        for block in 0..shape.blocks {
            for y in 0..height {
                let start = shape.offset_in_slab(block, y, 0);
                for x in 0..width {
                    let mut sum = ChannelBlock::default();
                    for input in inputs {
                        let scale = shape.size[1] / input.shape.size[1];
                        let from = z / scale * input.shape.slab_len()
                            + input.shape.offset_in_slab(block, y / scale, x / scale);
                        add(&mut sum, &input.data[from]);
                    }
                    slab[start + x].store(Portable, sum.0);
                }
            }
        }
    });
}

/// Leaves the gradient of one input: each voxel gets the sum over those that repeat it.
pub(crate) fn backward(
    machine: Machine,
    out_grad: View<'_>,
    shape: Shape,
    (grad, write): (&mut [ChannelBlock], Write),
) {
    let scale = out_grad.shape.size[1] / shape.size[1];
    let [_, height, width] = shape.size;
    parallel::chunks(machine.threads, grad, shape.slab_len(), |z, slab| {
        for block in 0..shape.blocks {
            for y in 0..height {
                let start = shape.offset_in_slab(block, y, 0);
                if write == Write::Set {
                    slab[start..start + width].fill(ChannelBlock::default());
                }
                for fine in 0..scale * scale {
                    let (fine_z, fine_y) = (z * scale + fine / scale, y * scale + fine % scale);
                    let from = fine_z * out_grad.shape.slab_len()
                        + out_grad.shape.offset_in_slab(block, fine_y, 0);
                    for x in 0..width * scale {
                        add(&mut slab[start + x / scale], &out_grad.data[from + x]);
                    }
                }
            }
        }
    });
}
