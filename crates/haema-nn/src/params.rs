//! Named parameters, their start values and their file.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use half::f16;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::norm::Moments;
use crate::spec::{NetSpec, SpecError};

/// Name and shape of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamInfo {
    /// `block.part`, such as `enc0.in.conv.weight`.
    pub name: String,
    /// Its shape; weights are `[out, in, z, y, x]`.
    pub shape: Vec<usize>,
}

impl ParamInfo {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it is a running mean or variance, which has no gradient.
    pub fn is_statistic(&self) -> bool {
        self.name.ends_with(".norm.mean") || self.name.ends_with(".norm.variance")
    }

    /// The last word of its name.
    fn part(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All parameters of a network, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    infos: Vec<ParamInfo>,
    ranges: HashMap<String, Range<usize>>,
    values: Vec<f32>,
}

/// How weights start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform in ±√(6 / (fan in + fan out)), as Keras does. Source: Glorot and Bengio 2010.
    GlorotUniform,
    /// Normal with variance 2 / fan in. Source: He et al. 2015.
    HeNormal,
}

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits, IEEE half precision.
    F16,
}

/// Why weights cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Not a weights file.
    #[error("not a safetensors file of haema: {reason}")]
    Format {
        /// What is wrong.
        reason: String,
    },
    /// A parameter is not there.
    #[error("parameter {name} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A parameter has another shape.
    #[error("parameter {name} is {found:?}, wanted {wanted:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The network's.
        wanted: Vec<usize>,
    },
    /// A value is NaN or infinite.
    #[error("parameter {name} has a value that is not finite")]
    NotFinite {
        /// Its name.
        name: String,
    },
    /// The network in the file is none.
    #[error("the network in the weights file cannot be used")]
    Spec(#[from] SpecError),
}

impl Parameters {
    /// All zero.
    pub fn zeros(spec: &NetSpec) -> Self {
        let infos = spec.parameters();
        let mut ranges = HashMap::new();
        let mut end = 0;
        for info in &infos {
            ranges.insert(info.name.clone(), end..end + info.len());
            end += info.len();
        }
        Self { infos, ranges, values: vec![0.0; end] }
    }

    /// Start values: weights by `init`, biases, β and running means 0, γ and running variances 1, and
    /// the last bias `output_bias` (0, or
    /// log(π/(1−π)) with the share π of foreground, which spares the first epochs).
    pub fn init(spec: &NetSpec, init: Init, output_bias: f32, seed: u64) -> Self {
        let mut params = Self::zeros(spec);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for info in params.infos.clone() {
            let values = params.get_mut(&info.name);
            if matches!(info.part(), "gamma" | "variance") {
                values.fill(1.0);
            } else if info.part() == "weight" {
                let kernel: usize = info.shape[2..].iter().product();
                let (fan_out, fan_in) = (info.shape[0] * kernel, info.shape[1] * kernel);
                for value in values {
                    *value = init.draw(&mut rng, fan_in, fan_out);
                }
            }
        }
        let last_bias = params.infos.iter().rev().find(|info| info.part() == "bias");
        if let Some(name) = last_bias.map(|info| info.name.clone()) {
            params.get_mut(&name).fill(output_bias);
        }
        params
    }

    /// Names and shapes, in order.
    pub fn infos(&self) -> &[ParamInfo] {
        &self.infos
    }

    /// All values, in order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, to change.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Values of one parameter.
    ///
    /// # Panics
    ///
    /// Where the network has none of that name.
    pub fn get(&self, name: &str) -> &[f32] {
        &self.values[self.ranges[name].clone()]
    }

    /// Values of one parameter, where the network has it.
    pub(crate) fn find(&self, name: &str) -> Option<&[f32]> {
        self.ranges.get(name).map(|range| &self.values[range.clone()])
    }

    /// Values of one parameter, to change.
    ///
    /// # Panics
    ///
    /// Where the network has none of that name.
    pub fn get_mut(&mut self, name: &str) -> &mut [f32] {
        let range = self.ranges[name].clone();
        &mut self.values[range]
    }

    /// Moves the running statistics of a block towards those of a pass.
    pub(crate) fn update_running(&mut self, block: &str, momentum: f64, moments: &Moments) {
        let range = |part: &str| self.ranges.get(&format!("{block}.{part}")).cloned();
        let (bias, mean) = (range("conv.bias"), range("norm.mean"));
        let mean = mean.expect("a block with a momentum has running statistics");
        let (before, rest) = self.values.split_at_mut(mean.start);
        let (means, rest) = rest.split_at_mut(mean.len());
        // The variance follows the mean, and the bias comes before them.
        let variances = &mut rest[..mean.len()];
        moments.update_running(momentum, bias.map(|bias| &before[bias]), (means, variances));
    }

    /// Writes a safetensors file: parameters, and the network and `metadata` beside them.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Format`] where the file cannot be made.
    pub fn to_bytes(
        &self,
        spec: &NetSpec,
        metadata: &BTreeMap<String, String>,
        precision: Precision,
    ) -> Result<Vec<u8>, WeightsError> {
        let format = |reason: String| WeightsError::Format { reason };
        let spec = serde_json::to_string(spec).map_err(|error| format(error.to_string()))?;
        // One entry, because the format keeps its entries in no order: bytes must not vary.
        let metadata = serde_json::to_string(
            &BTreeMap::from([("spec", &spec)])
                .into_iter()
                .chain(metadata.iter().map(|(key, value)| (key.as_str(), value)))
                .collect::<BTreeMap<_, _>>(),
        )
        .map_err(|error| format(error.to_string()))?;
        let bytes: Vec<Vec<u8>> =
            self.infos.iter().map(|info| encode(self.get(&info.name), precision)).collect();
        let dtype = if precision == Precision::F32 { Dtype::F32 } else { Dtype::F16 };
        let mut views = Vec::new();
        for (info, bytes) in self.infos.iter().zip(&bytes) {
            let view = TensorView::new(dtype, info.shape.clone(), bytes)
                .map_err(|error| format(error.to_string()))?;
            views.push((info.name.clone(), view));
        }
        let metadata = HashMap::from([("haema".to_owned(), metadata)]);
        safetensors::serialize(views, Some(metadata)).map_err(|error| format(error.to_string()))
    }

    /// Reads what [`Parameters::to_bytes`] wrote: the network, its parameters, and the metadata.
    ///
    /// # Errors
    ///
    /// [`WeightsError`] where the file is damaged or does not fit its own network.
    pub fn from_bytes(
        bytes: &[u8],
    ) -> Result<(NetSpec, Self, BTreeMap<String, String>), WeightsError> {
        let unreadable = |reason: String| WeightsError::Format { reason };
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|error| unreadable(error.to_string()))?;
        let metadata = header.metadata().as_ref().and_then(|entries| entries.get("haema"));
        let metadata =
            metadata.ok_or_else(|| unreadable("no entry `haema` in its metadata".into()))?;
        let mut metadata: BTreeMap<String, String> =
            serde_json::from_str(metadata).map_err(|error| unreadable(error.to_string()))?;
        let spec = metadata.remove("spec").ok_or_else(|| unreadable("no network in it".into()))?;
        let spec: NetSpec =
            serde_json::from_str(&spec).map_err(|error| unreadable(error.to_string()))?;
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| unreadable(error.to_string()))?;
        let mut params = Self::zeros(&spec);
        for info in params.infos.clone() {
            let tensor = tensors
                .tensor(&info.name)
                .ok()
                .ok_or_else(|| WeightsError::Missing { name: info.name.clone() })?;
            if tensor.shape() != info.shape {
                let (found, wanted) = (tensor.shape().to_vec(), info.shape);
                return Err(WeightsError::Shape { name: info.name, found, wanted });
            }
            decode(&tensor, params.get_mut(&info.name)).map_err(unreadable)?;
            if params.get(&info.name).iter().any(|value| !value.is_finite()) {
                return Err(WeightsError::NotFinite { name: info.name });
            }
            if info.part() == "variance" && params.get(&info.name).iter().any(|&v| v < 0.0) {
                return Err(unreadable(format!("parameter {} has a negative value", info.name)));
            }
        }
        Ok((spec, params, metadata))
    }

    /// SHA-256 of names and values, hexadecimal: which weights these are, however stored.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for info in &self.infos {
            hash.update(info.name.as_bytes());
            for value in self.get(&info.name) {
                hash.update(value.to_le_bytes());
            }
        }
        format!("{:x}", hash.finalize())
    }
}

impl Init {
    fn draw(self, rng: &mut ChaCha8Rng, fan_in: usize, fan_out: usize) -> f32 {
        match self {
            Self::GlorotUniform => {
                let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
                rng.random_range(-limit..limit)
            }
            Self::HeNormal => {
                // Box–Muller; 1 − u is never 0.
                let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
                let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
                (normal * (2.0 / fan_in as f64).sqrt()) as f32
            }
        }
    }
}

pub(crate) fn encode(values: &[f32], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Precision::F16 => {
            values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect()
        }
    }
}

pub(crate) fn decode(tensor: &TensorView<'_>, into: &mut [f32]) -> Result<(), String> {
    match tensor.dtype() {
        Dtype::F32 => {
            for (value, bytes) in into.iter_mut().zip(tensor.data().as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        Dtype::F16 => {
            for (value, bytes) in into.iter_mut().zip(tensor.data().as_chunks::<2>().0) {
                *value = f16::from_le_bytes(*bytes).to_f32();
            }
        }
        other => return Err(format!("values of type {other:?}, wanted F32 or F16")),
    }
    Ok(())
}
