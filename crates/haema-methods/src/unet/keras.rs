//! Weights of U-Nets that Keras made.
//!
//! Those of patches are made of `conv3d_N` and `conv3d_transpose_N`, those of slices of `conv2d_N`
//! and `conv2d_transpose_N`, both with `batch_normalization_N` where they normalise;
//! [`crate::keras`] says how they become ours.

use std::collections::BTreeMap;

use haema_nn::{Parameters, tensors};

use super::{Family, UNet};
use crate::keras::{KerasError, Layers, Names, counts};

const BATCH_NORM_PARTS: &[(&str, &str)] = &[
    ("gamma", "gamma"),
    ("beta", "beta"),
    ("moving_mean", "mean"),
    ("moving_variance", "variance"),
];

/// The parameters of a U-Net from a safetensors file with Keras' tensors.
///
/// # Errors
///
/// [`KerasError`] with what was found and what was wanted.
pub fn parameters_from_keras(bytes: &[u8], unet: &UNet) -> Result<Parameters, KerasError> {
    let (convolution, transposed) = match unet.family {
        Family::Patch => ("conv3d", "conv3d_transpose"),
        Family::Slice => ("conv2d", "conv2d_transpose"),
    };
    let names = Names {
        convolution,
        transposed: Some(transposed),
        normalisation: "batch_normalization",
        normalisation_parts: BATCH_NORM_PARTS,
    };
    let layers = Layers::of(tensors::from_bytes(bytes)?, &names)?;
    let spec = unet.spec();
    let wanted = counts(&spec);
    let [convolutions, ups, normalisations] =
        [&layers.convolutions, &layers.transposed, &layers.normalisations].map(BTreeMap::len);
    if [convolutions, ups, normalisations] != wanted {
        let [plain, transposed, norms] = wanted;
        return Err(KerasError::Count {
            convolutions: convolutions + ups,
            normalisations,
            wanted: format!(
                "{plain} {convolution}, {transposed} transposed and {norms} normalisations"
            ),
        });
    }
    layers.parameters(&spec, &names)
}

#[cfg(test)]
mod tests {
    use haema_nn::Executor;
    use haema_nn::tensors::{NamedTensor, from_bytes, to_bytes};

    use super::*;
    use crate::generator::numbers;
    use crate::unet::UpMode;

    const SIZE: [usize; 3] = [8, 16, 12];
    const PATCH: &[u8] = include_bytes!("../../testdata/keras/patch_unet.safetensors");
    const SLICE: &[u8] = include_bytes!("../../testdata/keras/slice_unet.safetensors");

    fn patch() -> UNet {
        UNet { base: 2, levels: 3, up_bias: true, ..UNet::patch() }
    }

    fn slice() -> UNet {
        UNet { base: 3, levels: 3, up: UpMode::Transposed, head_channels: Some(2), ..UNet::slice() }
    }

    #[test]
    fn keras_and_our_executor_agree_on_its_own_weights() {
        let golden: std::collections::BTreeMap<String, Vec<f64>> =
            serde_json::from_str(include_str!("../../testdata/keras/unets.json")).unwrap();
        let n = SIZE.iter().product();
        let input: Vec<f32> = numbers(1000, n).iter().map(|v| f32::midpoint(*v, 1.0)).collect();

        for (unet, name, bytes) in [(patch(), "patch_unet", PATCH), (slice(), "slice_unet", SLICE)]
        {
            let params = parameters_from_keras(bytes, &unet).unwrap();
            let found = Executor::new(unet.spec(), params, SIZE, 1).unwrap().probabilities(&input);

            let wanted = &golden[name];
            assert_eq!(wanted.len(), found.len().div_ceil(7), "{name}");
            for (found, wanted) in found.iter().step_by(7).zip(wanted) {
                assert!(
                    (f64::from(*found) - wanted).abs() < 2e-5,
                    "{name}: {found}, Keras {wanted}"
                );
            }
            let spread = wanted.iter().fold([1.0_f64, 0.0], |[a, b], &p| [a.min(p), b.max(p)]);
            assert!(spread[1] - spread[0] > 0.05, "{name}: {spread:?} tells nothing");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_was_found_and_wanted() {
        let changed = |change: &dyn Fn(&mut Vec<NamedTensor>)| {
            let mut tensors = from_bytes(SLICE).unwrap();
            change(&mut tensors);
            parameters_from_keras(&to_bytes(&tensors).unwrap(), &slice()).unwrap_err().to_string()
        };
        let renamed = changed(&|t| t[0].name = "conv3d_1/kernel".into());
        let statistics = changed(&|t| t.retain(|t| t.name != "batch_normalization_3/moving_mean"));
        let layer = changed(&|t| t.retain(|t| !t.name.starts_with("conv2d_transpose_2/")));
        let turned = changed(&|t| {
            let up = t.iter_mut().find(|t| t.name == "conv2d_transpose_1/kernel");
            up.unwrap().shape.swap(2, 3);
        });

        assert!(
            renamed.starts_with("tensor conv3d_1/kernel: wanted conv2d_N/kernel, conv2d_N/bias, "),
            "{renamed}"
        );
        assert!(renamed.ends_with(" or batch_normalization_N/moving_variance"), "{renamed}");
        assert_eq!(statistics, "batch_normalization_3 has no moving_mean");
        assert_eq!(
            layer,
            "13 convolutions and 10 normalisations: wanted 12 conv2d, 2 transposed and 10 \
             normalisations"
        );
        assert_eq!(
            turned,
            "conv2d_transpose_1/kernel is [2, 2, 12, 6], wanted [2, 2, 6, 12] for dec1.up"
        );
    }
}
