//! What networks do to tensors, `[1, channel, z, y, x]`, each step by itself.

use burn_tensor::Tensor;
use burn_tensor::module::{conv_transpose3d, conv3d};
use burn_tensor::ops::{ConvOptions, ConvTransposeOptions, PadMode};
use haema_nn::{Kernel, NormMode, NormSpec};

/// A tensor of a network.
pub(crate) type Activations = Tensor<5>;

/// Where z, y and x stand among the axes.
const SPACE: [usize; 3] = [2, 3, 4];

/// Convolves, where the kernel is known here; weights are `[out, in, z, y, x]`, transposed or not.
pub(crate) fn convolve(
    x: Activations,
    kernel: Kernel,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
) -> Option<Activations> {
    let options = |stride, padding| ConvOptions::new([stride; 3], [padding; 3], [1; 3], 1);
    Some(match kernel {
        Kernel::One => conv3d(x, weight, bias, options(1, 0)),
        Kernel::Three => conv3d(x, weight, bias, options(1, 1)),
        Kernel::ThreeDown => conv3d(x, weight, bias, options(2, 1)),
        Kernel::ThreeDownTfSame => {
            // Output voxel `o` reads `2 o .. 2 o + 2`: one voxel past the end of an even size, two
            // past that of an odd one.
            let padding = SPACE.map(|axis| (0, 1 + x.dims()[axis] % 2));
            conv3d(x.pad(padding, PadMode::Constant(0.0)), weight, bias, options(2, 0))
        }
        Kernel::TwoTransposed => {
            let options = ConvTransposeOptions::new([2; 3], [0; 3], [0; 3], [1; 3], 1);
            conv_transpose3d(x, weight.swap_dims(0, 1), bias, options)
        }
        _ => return None,
    })
}

/// Instance normalisation, where its mode is known here; `gamma` and `beta` are `[1, channel, 1, 1, 1]`.
pub(crate) fn normalise(
    x: Activations,
    spec: NormSpec,
    gamma: Activations,
    beta: Activations,
) -> Option<Activations> {
    let NormSpec { mode, eps, .. } = spec;
    let mean = x.clone().mean_dims(&SPACE);
    let centred = x - mean;
    let variance = centred.clone().square().mean_dims(&SPACE);
    let divisor = match mode {
        NormMode::Variance => (variance + eps).sqrt(),
        // The root of 0 has no slope; a constant channel has no direction to change in.
        NormMode::StandardDeviation => variance.clamp_min(f32::MIN_POSITIVE).sqrt() + eps,
        _ => return None,
    };
    Some(centred * (gamma / divisor) + beta)
}

/// Leaky `ReLU`. At 0 its gradient is the slope, as on the CPU: dropped channels stand there.
pub(crate) fn leaky_relu(x: Activations, slope: f32) -> Activations {
    let negative = x.clone().lower_equal_scalar(0.0);
    let small = x.clone() * slope;
    x.mask_where(negative, small)
}

/// Every voxel twice along each axis.
pub(crate) fn repeat2(x: Activations) -> Activations {
    let [batch, channels, depth, height, width] = x.dims();
    x.reshape([batch, channels, depth, 1, height, 1, width, 1])
        .expand([batch, channels, depth, 2, height, 2, width, 2])
        .reshape([batch, channels, 2 * depth, 2 * height, 2 * width])
}

/// Maximum over 2³ voxels; at the end of an odd size over those that are there.
pub(crate) fn max_pool2(x: Activations) -> Activations {
    let padding = SPACE.map(|axis| (0, x.dims()[axis] % 2));
    let x = x.pad(padding, PadMode::Constant(f32::MIN));
    let [batch, channels, depth, height, width] = x.dims();
    let [depth, height, width] = [depth / 2, height / 2, width / 2];
    x.reshape([batch * channels, depth, 2, height, 2, width, 2])
        .permute([0, 1, 3, 5, 2, 4, 6])
        .reshape([batch * channels, depth * height * width, 8])
        .max_dim(2)
        .reshape([batch, channels, depth, height, width])
}

/// Trilinear upsampling by 2, half-pixel centres, edges repeated: one axis after the other.
pub(crate) fn trilinear2(x: Activations) -> Activations {
    SPACE.into_iter().fold(x, |x, axis| {
        let n = x.dims()[axis];
        let padding = SPACE.map(|other| if other == axis { (1, 1) } else { (0, 0) });
        let padded = x.clone().pad(padding, PadMode::Edge);
        let (before, after) = (padded.clone().narrow(axis, 0, n), padded.narrow(axis, 2, n));
        let near = x.clone() * 0.75;
        let pair = vec![near.clone() + before * 0.25, near + after * 0.25];
        let mut fine = x.dims();
        fine[axis] *= 2;
        Tensor::stack::<6>(pair, axis + 1).reshape(fine)
    })
}
