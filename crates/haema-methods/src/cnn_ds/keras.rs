//! Weights of the Keras code that the paper builds on.
//!
//! Layers of that code (`isensee2017.py` of ellisdg/3DUnetCNN) are `conv3d_N` and
//! `instance_normalization_N`; [`crate::keras`] says how they become ours.
//!
//! What tensors cannot tell is taken from that code: leaky `ReLU` with slope 0.3, ε = 1e-3 added to the
//! deviation, strides padded after the end only. Because of the latter the axes must be ours when the
//! network is *trained*: z towards the head, y towards the back, x towards the patient's left. Turning
//! the kernels of a network trained otherwise would need the padding at the other end.

use std::collections::BTreeMap;

use haema_nn::tensors;
use haema_nn::{Precision, WeightsError};

use super::{CnnDs, DeepSupervision, Profile};
use crate::frame::Preprocessing;
use crate::keras::{KerasError, Layer, Layers, Names, counts};

/// The layers of that code.
const NAMES: Names = Names {
    convolution: "conv3d",
    transposed: None,
    normalisation: "instance_normalization",
    normalisation_parts: &[("gamma", "gamma"), ("beta", "beta")],
};

/// Depths that are tried: the paper's search had 3 to 6.
const DEPTHS: std::ops::RangeInclusive<usize> = 2..=6;

/// A model file from a safetensors file with the tensors of that code. Preprocessing is the paper's.
///
/// # Errors
///
/// [`KerasError`] with what was found and what was wanted.
pub fn model_from_keras(bytes: &[u8], name: &str) -> Result<Vec<u8>, KerasError> {
    let layers = Layers::of(tensors::from_bytes(bytes)?, &NAMES)?;
    let spec = network(&layers)?.spec();
    let params = layers.parameters(&spec, &NAMES)?;
    let preprocessing = serde_json::to_string(&Preprocessing::paper())
        .map_err(|error| WeightsError::Format { reason: error.to_string() })?;
    let metadata = BTreeMap::from(
        [("method", "cnn-ds"), ("name", name), ("preprocessing", &preprocessing)]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    Ok(params.to_bytes(&spec, &metadata, Precision::F32)?)
}

/// The network that has as many layers, of such shapes at its two ends.
fn network(layers: &Layers) -> Result<CnnDs, KerasError> {
    let (convolutions, normalisations) = (layers.convolutions.len(), layers.normalisations.len());
    let paper = CnnDs::profile(Profile::Paper);
    let mut wanted = Vec::new();
    for depth in DEPTHS {
        for deep_supervision in [DeepSupervision::Sum, DeepSupervision::None] {
            let config = CnnDs { depth, deep_supervision, ..paper.clone() };
            let [convs, _, norms] = counts(&config.spec());
            if convs == convolutions && (norms == normalisations || normalisations == 0) {
                let norm = paper.norm.filter(|_| normalisations > 0);
                return ends(layers, &CnnDs { norm, ..config });
            }
            wanted.push(convs);
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Err(KerasError::Count {
        convolutions,
        normalisations,
        wanted: format!(
            "{} convolutions, and one normalisation for each convolution but the segmentation layers, or none",
            wanted.join(", ")
        ),
    })
}

/// What the first and the last kernel tell.
fn ends(layers: &Layers, config: &CnnDs) -> Result<CnnDs, KerasError> {
    let kernel = |layer: Option<&Layer>| {
        let shape = layer.and_then(|layer| layer.parts.get("kernel")).map(|kernel| &kernel.shape);
        // A kernel that is none is found when shapes are matched.
        shape.and_then(|shape| <[usize; 5]>::try_from(shape.as_slice()).ok()).unwrap_or([1; 5])
    };
    let first = kernel(layers.convolutions.values().next());
    let last = kernel(layers.convolutions.values().next_back());
    for (found, place) in [(first[3], "in"), (last[4], "out")] {
        if found != 1 {
            return Err(KerasError::Channels { found, place });
        }
    }
    // More channels than any file could hold the kernels of would overflow before it is refused.
    let base = first[4].min(1 << 16);
    Ok(CnnDs { base, seg_kernel: if last[0] == 1 { 1 } else { 3 }, ..config.clone() })
}

#[cfg(test)]
mod tests;
