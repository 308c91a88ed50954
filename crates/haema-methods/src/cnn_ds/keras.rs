//! Weights of the Keras code that the paper builds on.
//!
//! Layers of that code (`isensee2017.py` of ellisdg/3DUnetCNN) have the names that Keras gives:
//! `conv3d_1`, `conv3d_2`, …, `instance_normalization_1`, … in the order in which they are made. That
//! is the order of our blocks, so the n-th convolution is that of our n-th block with one, and the
//! n-th normalisation likewise:
//!
//! | tensor | shape | parameter |
//! |---|---|---|
//! | `conv3d_N/kernel` | `[kz, ky, kx, in, out]` | `BLOCK.conv.weight`, `[out, in, kz, ky, kx]` |
//! | `conv3d_N/bias` | `[out]` | `BLOCK.conv.bias` |
//! | `instance_normalization_N/gamma`, `beta` | `[out]` | `BLOCK.norm.gamma`, `BLOCK.norm.beta` |
//!
//! A `:0` at a name's end and folders before the layer's are passed over, as is `.` in place of `/`.
//!
//! What tensors cannot tell is taken from that code: leaky `ReLU` with slope 0.3, ε = 1e-3 added to the
//! deviation, strides padded after the end only. Because of the latter the axes must be ours when the
//! network is *trained*: z towards the head, y towards the back, x towards the patient's left. Turning
//! the kernels of a network trained otherwise would need the padding at the other end.

use std::collections::BTreeMap;

use haema_nn::tensors::{self, NamedTensor};
use haema_nn::{NetSpec, Op, ParamInfo, Parameters, Precision, WeightsError};
use thiserror::Error;

use super::{CnnDs, DeepSupervision, Profile};
use crate::frame::Preprocessing;

/// Depths that are tried: the paper's search had 3 to 6.
const DEPTHS: std::ops::RangeInclusive<usize> = 2..=6;

/// Why tensors are no network of that code.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KerasError {
    /// The file cannot be read, or the model not be made.
    #[error(transparent)]
    File(#[from] WeightsError),
    /// A name that is none of that code's.
    #[error(
        "tensor {found}: wanted conv3d_N/kernel, conv3d_N/bias, instance_normalization_N/gamma or \
         instance_normalization_N/beta"
    )]
    Name {
        /// The name.
        found: String,
    },
    /// Two tensors of one meaning.
    #[error("two tensors are {layer}/{part}")]
    Duplicate {
        /// The layer.
        layer: String,
        /// The part.
        part: String,
    },
    /// The layers are not as many as those of any network of that code.
    #[error(
        "{convolutions} convolutions and {normalisations} normalisations: wanted {wanted}, and one \
         normalisation for each convolution but the segmentation layers, or none"
    )]
    Count {
        /// Convolutions found.
        convolutions: usize,
        /// Normalisations found.
        normalisations: usize,
        /// Numbers of convolutions that would do.
        wanted: String,
    },
    /// A tensor of a layer is not there.
    #[error("{layer} has no {part}")]
    Missing {
        /// The layer.
        layer: String,
        /// The part.
        part: &'static str,
    },
    /// A tensor has another shape.
    #[error("{layer}/{part} is {found:?}, wanted {wanted:?} for {block}")]
    Shape {
        /// The layer.
        layer: String,
        /// The part.
        part: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The network's.
        wanted: Vec<usize>,
        /// The block that it is for.
        block: String,
    },
    /// The network does not map one image to one probability.
    #[error("the network has {found} channels {place}: wanted 1")]
    Channels {
        /// Channels found.
        found: usize,
        /// `in` or `out`.
        place: &'static str,
    },
}

/// A layer with its tensors by part.
#[derive(Debug)]
struct Layer {
    name: String,
    parts: BTreeMap<String, NamedTensor>,
}

/// Layers in the order of their numbers.
#[derive(Debug, Default)]
struct Layers {
    convolutions: BTreeMap<u64, Layer>,
    normalisations: BTreeMap<u64, Layer>,
}

/// A tensor of the file with the parameter that it becomes.
struct Match<'a> {
    tensor: &'a NamedTensor,
    parameter: String,
}

/// A model file from a safetensors file with the tensors of that code. Preprocessing is the paper's.
///
/// # Errors
///
/// [`KerasError`] with what was found and what was wanted.
pub fn model_from_keras(bytes: &[u8], name: &str) -> Result<Vec<u8>, KerasError> {
    let layers = Layers::of(tensors::from_bytes(bytes)?)?;
    let spec = layers.network()?.spec();
    // Every shape is looked at before anything of the network's size is made.
    let matches = layers.match_to(&spec)?;
    let mut params = Parameters::zeros(&spec);
    for Match { tensor, parameter } in &matches {
        let values = params.get_mut(parameter);
        if let [_, _, _, into, out] = tensor.shape[..] {
            transpose(&tensor.values, into, out, values);
        } else {
            values.copy_from_slice(&tensor.values);
        }
    }
    let preprocessing = serde_json::to_string(&Preprocessing::paper())
        .map_err(|error| WeightsError::Format { reason: error.to_string() })?;
    let metadata = BTreeMap::from(
        [("method", "cnn-ds"), ("name", name), ("preprocessing", &preprocessing)]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    Ok(params.to_bytes(&spec, &metadata, Precision::F32)?)
}

/// From `[k][in][out]` to `[out][in][k]`.
fn transpose(from: &[f32], into: usize, out: usize, to: &mut [f32]) {
    let taps = from.len() / (into * out);
    for (i, value) in to.iter_mut().enumerate() {
        let (o, c, k) = (i / taps / into, i / taps % into, i % taps);
        *value = from[(k * into + c) * out + o];
    }
}

impl Layers {
    fn of(tensors: Vec<NamedTensor>) -> Result<Self, KerasError> {
        let mut layers = Self::default();
        for tensor in tensors {
            let Some((is_convolution, number, layer, part)) = parse(&tensor.name) else {
                return Err(KerasError::Name { found: tensor.name });
            };
            let kind =
                if is_convolution { &mut layers.convolutions } else { &mut layers.normalisations };
            let new = || Layer { name: layer.clone(), parts: BTreeMap::new() };
            let parts = &mut kind.entry(number).or_insert_with(new).parts;
            if parts.insert(part.clone(), tensor).is_some() {
                return Err(KerasError::Duplicate { layer, part });
            }
        }
        Ok(layers)
    }

    /// The network that has as many layers, of such shapes at its two ends.
    fn network(&self) -> Result<CnnDs, KerasError> {
        let (convolutions, normalisations) = (self.convolutions.len(), self.normalisations.len());
        let paper = CnnDs::profile(Profile::Paper);
        let mut wanted = Vec::new();
        for depth in DEPTHS {
            for deep_supervision in [DeepSupervision::Sum, DeepSupervision::None] {
                let config = CnnDs { depth, deep_supervision, ..paper.clone() };
                let (convs, norms) = counts(&config.spec());
                if convs == convolutions && (norms == normalisations || normalisations == 0) {
                    let norm = paper.norm.filter(|_| normalisations > 0);
                    return self.ends(&CnnDs { norm, ..config });
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
            wanted: format!("{} convolutions", wanted.join(", ")),
        })
    }

    /// What the first and the last kernel tell.
    fn ends(&self, config: &CnnDs) -> Result<CnnDs, KerasError> {
        let kernel = |layer: Option<&Layer>| {
            let shape =
                layer.and_then(|layer| layer.parts.get("kernel")).map(|kernel| &kernel.shape);
            // A kernel that is none is found when shapes are matched.
            shape.and_then(|shape| <[usize; 5]>::try_from(shape.as_slice()).ok()).unwrap_or([1; 5])
        };
        let first = kernel(self.convolutions.values().next());
        let last = kernel(self.convolutions.values().next_back());
        for (found, place) in [(first[3], "in"), (last[4], "out")] {
            if found != 1 {
                return Err(KerasError::Channels { found, place });
            }
        }
        // More channels than any file could hold the kernels of would overflow before it is refused.
        let base = first[4].min(1 << 16);
        Ok(CnnDs { base, seg_kernel: if last[0] == 1 { 1 } else { 3 }, ..config.clone() })
    }

    /// Every tensor with its parameter; all parameters have one.
    fn match_to(&self, spec: &NetSpec) -> Result<Vec<Match<'_>>, KerasError> {
        let shapes: BTreeMap<String, ParamInfo> =
            spec.parameters().into_iter().map(|info| (info.name.clone(), info)).collect();
        let mut convolutions = self.convolutions.values();
        let mut normalisations = self.normalisations.values();
        let mut matches = Vec::new();
        for block in &spec.blocks {
            let Op::Conv(conv) = &block.op else { continue };
            let layer = convolutions.next().map(|layer| (layer, ["kernel", "bias"], "conv"));
            let norm = conv.norm.and_then(|_| normalisations.next());
            let norm = norm.map(|layer| (layer, ["gamma", "beta"], "norm"));
            for (layer, parts, prefix) in layer.into_iter().chain(norm) {
                for part in parts {
                    let ours = if part == "kernel" { "weight" } else { part };
                    let parameter = format!("{}.{prefix}.{ours}", block.name);
                    let wanted = keras_shape(&shapes[&parameter].shape);
                    let tensor = layer.part(part, wanted, &block.name)?;
                    matches.push(Match { tensor, parameter });
                }
            }
        }
        Ok(matches)
    }
}

impl Layer {
    fn part(
        &self,
        part: &'static str,
        wanted: Vec<usize>,
        block: &str,
    ) -> Result<&NamedTensor, KerasError> {
        let layer = self.name.clone();
        let Some(tensor) = self.parts.get(part) else {
            return Err(KerasError::Missing { layer, part });
        };
        if tensor.shape != wanted {
            let (found, block) = (tensor.shape.clone(), block.to_owned());
            return Err(KerasError::Shape { layer, part, found, wanted, block });
        }
        Ok(tensor)
    }
}

/// Convolutions and normalisations of a network.
fn counts(spec: &NetSpec) -> (usize, usize) {
    let convs = spec.blocks.iter().filter_map(|block| match &block.op {
        Op::Conv(conv) => Some(conv),
        _ => None,
    });
    (convs.clone().count(), convs.filter(|conv| conv.norm.is_some()).count())
}

/// Our shape as that code has it.
fn keras_shape(ours: &[usize]) -> Vec<usize> {
    match *ours {
        [out, into, z, y, x] => vec![z, y, x, into, out],
        _ => ours.to_vec(),
    }
}

/// Whether a name is a convolution's, its number, its layer and its part.
fn parse(name: &str) -> Option<(bool, u64, String, String)> {
    let name = name.strip_suffix(":0").unwrap_or(name);
    let mut words = name.rsplit(['/', '.']);
    let (part, layer) = (words.next()?, words.next()?);
    let (kind, number) = match layer.rsplit_once('_') {
        Some((kind, number)) if number.bytes().all(|c| c.is_ascii_digit()) => {
            (kind, number.parse().ok()?)
        }
        // Keras counts the first of a kind by no number.
        _ => (layer, 0),
    };
    let is_convolution = match (kind, part) {
        ("conv3d", "kernel" | "bias") => true,
        ("instance_normalization", "gamma" | "beta") => false,
        _ => return None,
    };
    Some((is_convolution, number, layer.to_owned(), part.to_owned()))
}

#[cfg(test)]
mod tests;
