//! Weights that Keras made: from its layers, in the order of their numbers, to our blocks.
//!
//! Keras names layers by kind and counts them as they are made: `conv3d_1`, `conv3d_2`, …. That is the
//! order of our blocks, so the n-th layer of a kind is that of our n-th block with one.
//!
//! | tensor | shape | parameter |
//! |---|---|---|
//! | `conv3d_N/kernel` | `[kz, ky, kx, in, out]` | `BLOCK.conv.weight`, `[out, in, kz, ky, kx]` |
//! | `conv2d_N/kernel` | `[ky, kx, in, out]` | the same, with one plane |
//! | `conv3d_transpose_N/kernel` | `[kz, ky, kx, out, in]` | likewise |
//! | `conv2d_transpose_N/kernel` | `[ky, kx, out, in]` | likewise |
//! | `…/bias` | `[out]` | `BLOCK.conv.bias` |
//! | `instance_normalization_N/gamma`, `beta` | `[out]` | `BLOCK.norm.gamma`, `BLOCK.norm.beta` |
//! | `batch_normalization_N/gamma`, `beta` | `[out]` | the same |
//! | `batch_normalization_N/moving_mean`, `moving_variance` | `[out]` | `BLOCK.norm.mean`, `BLOCK.norm.variance` |
//!
//! A `:0` at a name's end and folders before the layer's are passed over, as is `.` in place of `/`.

use std::collections::BTreeMap;

use haema_nn::tensors::NamedTensor;
use haema_nn::{NetSpec, Op, Parameters, WeightsError};
use thiserror::Error;

/// Why tensors are no network of a code family.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KerasError {
    /// The file cannot be read, or the model not be made.
    #[error(transparent)]
    File(#[from] WeightsError),
    /// A name that is none of that code's.
    #[error("tensor {found}: wanted {wanted}")]
    Name {
        /// The name.
        found: String,
        /// Names that would do.
        wanted: String,
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
    #[error("{convolutions} convolutions and {normalisations} normalisations: wanted {wanted}")]
    Count {
        /// Convolutions found.
        convolutions: usize,
        /// Normalisations found.
        normalisations: usize,
        /// Numbers that would do.
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

/// The layers that a code family has, by Keras' names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) convolution: &'static str,
    pub(crate) transposed: Option<&'static str>,
    pub(crate) normalisation: &'static str,
    /// Parts of a normalisation, and ours of the same meaning.
    pub(crate) normalisation_parts: &'static [(&'static str, &'static str)],
}

/// Parts of a convolution, and ours of the same meaning.
const CONVOLUTION_PARTS: [(&str, &str); 2] = [("kernel", "weight"), ("bias", "bias")];

/// What a layer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Convolution,
    Transposed,
    Normalisation,
}

/// A layer with its tensors by part.
#[derive(Debug)]
pub(crate) struct Layer {
    name: String,
    pub(crate) parts: BTreeMap<String, NamedTensor>,
}

/// Layers in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) convolutions: BTreeMap<u64, Layer>,
    pub(crate) transposed: BTreeMap<u64, Layer>,
    pub(crate) normalisations: BTreeMap<u64, Layer>,
}

/// A tensor of the file with the parameter that it becomes.
struct Match<'a> {
    tensor: &'a NamedTensor,
    parameter: String,
    /// Channels in and out and whether the kernel is transposed, of a kernel.
    kernel: Option<([usize; 2], bool)>,
}

impl Names {
    /// Every name that a tensor may have, for people.
    fn wanted(&self) -> String {
        let convolutions = [Some(self.convolution), self.transposed].into_iter().flatten();
        let of_convolutions = convolutions
            .flat_map(|kind| CONVOLUTION_PARTS.map(|(part, _)| format!("{kind}_N/{part}")));
        let of_normalisations = self
            .normalisation_parts
            .iter()
            .map(|(part, _)| format!("{}_N/{part}", self.normalisation));
        let mut names: Vec<String> = of_convolutions.chain(of_normalisations).collect();
        let last = names.pop().unwrap_or_default();
        format!("{} or {last}", names.join(", "))
    }

    /// What a name's layer does, its number, its name and the tensor's part.
    pub(crate) fn parse(&self, name: &str) -> Option<(Kind, u64, String, String)> {
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
        let (kind, parts) = if kind == self.convolution {
            (Kind::Convolution, &CONVOLUTION_PARTS[..])
        } else if Some(kind) == self.transposed {
            (Kind::Transposed, &CONVOLUTION_PARTS[..])
        } else if kind == self.normalisation {
            (Kind::Normalisation, self.normalisation_parts)
        } else {
            return None;
        };
        let is_known = parts.iter().any(|(known, _)| *known == part);
        is_known.then(|| (kind, number, layer.to_owned(), part.to_owned()))
    }
}

impl Layers {
    pub(crate) fn of(tensors: Vec<NamedTensor>, names: &Names) -> Result<Self, KerasError> {
        let mut layers = Self::default();
        for tensor in tensors {
            let Some((kind, number, layer, part)) = names.parse(&tensor.name) else {
                return Err(KerasError::Name { found: tensor.name, wanted: names.wanted() });
            };
            let kind = match kind {
                Kind::Convolution => &mut layers.convolutions,
                Kind::Transposed => &mut layers.transposed,
                Kind::Normalisation => &mut layers.normalisations,
            };
            let new = || Layer { name: layer.clone(), parts: BTreeMap::new() };
            let parts = &mut kind.entry(number).or_insert_with(new).parts;
            if parts.insert(part.clone(), tensor).is_some() {
                return Err(KerasError::Duplicate { layer, part });
            }
        }
        Ok(layers)
    }

    /// The parameters of a network that has as many layers.
    pub(crate) fn parameters(
        &self,
        spec: &NetSpec,
        names: &Names,
    ) -> Result<Parameters, KerasError> {
        // Every shape is looked at before anything of the network's size is made.
        let matches = self.match_to(spec, names)?;
        let mut params = Parameters::zeros(spec);
        for Match { tensor, parameter, kernel } in &matches {
            let values = params.get_mut(parameter);
            match *kernel {
                Some((channels, is_transposed)) => {
                    turn(&tensor.values, channels, is_transposed, values);
                }
                None => values.copy_from_slice(&tensor.values),
            }
        }
        Ok(params)
    }

    /// Every tensor with its parameter; all parameters have one.
    fn match_to(&self, spec: &NetSpec, names: &Names) -> Result<Vec<Match<'_>>, KerasError> {
        let shapes: BTreeMap<String, Vec<usize>> =
            spec.parameters().into_iter().map(|info| (info.name, info.shape)).collect();
        let mut convolutions = self.convolutions.values();
        let mut transposed = self.transposed.values();
        let mut normalisations = self.normalisations.values();
        let mut matches = Vec::new();
        for block in &spec.blocks {
            let Op::Conv(conv) = &block.op else { continue };
            let is_transposed = conv.kernel.is_transposed();
            let layer = if is_transposed { transposed.next() } else { convolutions.next() };
            let norm = conv.norm.and_then(|_| normalisations.next());
            let norm = norm.map(|layer| (layer, names.normalisation_parts, "norm"));
            let layer = layer.map(|layer| (layer, &CONVOLUTION_PARTS[..], "conv"));
            for (layer, parts, prefix) in layer.into_iter().chain(norm) {
                for &(part, ours) in parts {
                    let parameter = format!("{}.{prefix}.{ours}", block.name);
                    // A convolution may have no bias.
                    let Some(shape) = shapes.get(&parameter) else { continue };
                    let kernel = (part == "kernel").then(|| ([shape[1], shape[0]], is_transposed));
                    let is_flat = names.convolution == "conv2d";
                    let wanted = keras_shape(shape, is_transposed, is_flat);
                    let tensor = layer.part(part, wanted, &block.name)?;
                    matches.push(Match { tensor, parameter, kernel });
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

/// Convolutions, transposed ones and normalisations of a network.
pub(crate) fn counts(spec: &NetSpec) -> [usize; 3] {
    let convs = spec.blocks.iter().filter_map(|block| match &block.op {
        Op::Conv(conv) => Some(conv),
        _ => None,
    });
    let transposed = convs.clone().filter(|conv| conv.kernel.is_transposed()).count();
    let normalised = convs.clone().filter(|conv| conv.norm.is_some()).count();
    [convs.count() - transposed, transposed, normalised]
}

/// From `[k][in][out]`, or `[k][out][in]` of a transposed kernel, to `[out][in][k]`.
fn turn(from: &[f32], [into, out]: [usize; 2], is_transposed: bool, to: &mut [f32]) {
    let taps = from.len() / (into * out);
    for (i, value) in to.iter_mut().enumerate() {
        let (o, c, k) = (i / taps / into, i / taps % into, i % taps);
        *value =
            from[if is_transposed { (k * out + o) * into + c } else { (k * into + c) * out + o }];
    }
}

/// Our shape as Keras has it; kernels of a flat network have no z.
fn keras_shape(ours: &[usize], is_transposed: bool, is_flat: bool) -> Vec<usize> {
    match *ours {
        [out, into, z, y, x] => {
            let channels = if is_transposed { [out, into] } else { [into, out] };
            let kernel = if is_flat { vec![y, x] } else { vec![z, y, x] };
            kernel.into_iter().chain(channels).collect()
        }
        _ => ours.to_vec(),
    }
}
