//! A pass of the network, forward.

use std::num::NonZeroUsize;
use std::time::Instant;

use haema_nn::tensors::{self, NamedTensor};
use haema_nn::{BlockTime, Door, Executor, InferencePrecision, Peak};
use haema_volume::Volume;
use serde::{Deserialize, Serialize};

use super::{BenchError, Spread, Subject, ms_since};

/// A pass block by block, against what the machine can do at best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    /// Multiply-adds on registers, all threads together, 10⁹ operations a second.
    pub peak_gflop_per_s: f64,
    /// Copying in memory, all threads together, 10⁹ bytes a second.
    pub peak_gigabytes_per_s: f64,
    /// The blocks in their order.
    pub blocks: Vec<LayerTime>,
}

/// A block's time and its floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerTime {
    /// Name of the block.
    pub name: String,
    /// Milliseconds in the pass.
    pub ms: f64,
    /// The longer of operations over peak and bytes over peak, ms. What lies in a cache can be
    /// read faster than that.
    pub floor_ms: f64,
    /// Operations of the convolution as it is defined, 10⁹.
    pub gflop: f64,
    /// Operations of the products that it takes in fact.
    pub product_gflop: f64,
    /// What must be read and written at least, 10⁶ bytes.
    pub megabytes: f64,
}

/// The network with its input, ready to be timed.
#[derive(Debug)]
pub struct Network {
    executor: Executor,
    input: Volume<f32>,
}

impl Network {
    /// Prepares a network for an input.
    ///
    /// # Errors
    ///
    /// [`BenchError::Size`].
    pub fn new(
        subject: Subject,
        input: Volume<f32>,
        (threads, precision): (NonZeroUsize, InferencePrecision),
    ) -> Result<Self, BenchError> {
        let Subject { spec, params, .. } = subject;
        let machine = (threads.get(), precision);
        let executor = Executor::with_precision(spec, params, input.size(), machine)?;
        Ok(Self { executor, input })
    }

    /// Changes the instruction set that kernels use.
    #[must_use]
    pub fn with_door(self, door: Door) -> Self {
        Self { executor: self.executor.with_door(door), ..self }
    }

    /// Bytes that the network holds while it runs.
    pub fn bytes(&self) -> usize {
        self.executor.bytes()
    }

    /// Times passes, after one to warm up.
    pub fn time(&mut self, repeat: NonZeroUsize) -> Spread {
        self.executor.probabilities(self.input.as_slice());
        Spread::of((0..repeat.get()).map(|_| {
            let start = Instant::now();
            self.executor.probabilities(self.input.as_slice());
            ms_since(start)
        }))
    }

    /// The blocks of the pass that was neither fast nor slow, and their floors. Measures the
    /// machine first, with 256 MB.
    pub fn layers(&mut self, threads: NonZeroUsize, repeat: NonZeroUsize) -> Layers {
        let peak = Peak::measure(Door::best(), threads.get());
        let mut passes: Vec<Vec<BlockTime>> = (0..repeat.get())
            .map(|_| {
                self.executor.probabilities(self.input.as_slice());
                self.executor.profile()
            })
            .collect();
        let total = |pass: &Vec<BlockTime>| pass.iter().map(|block| block.ms).sum::<f64>();
        passes.sort_by(|a, b| total(a).total_cmp(&total(b)));
        let middle = passes.swap_remove(passes.len() / 2);
        let blocks = middle.into_iter().map(|block| LayerTime {
            floor_ms: f64::max(
                1000.0 * block.product_gflop / peak.gflop_per_s,
                block.megabytes / peak.gigabytes_per_s,
            ),
            name: block.name,
            ms: block.ms,
            gflop: block.gflop,
            product_gflop: block.product_gflop,
            megabytes: block.megabytes,
        });
        Layers {
            peak_gflop_per_s: peak.gflop_per_s,
            peak_gigabytes_per_s: peak.gigabytes_per_s,
            blocks: blocks.collect(),
        }
    }

    /// Size of the input `[z, y, x]`.
    pub fn size(&self) -> [usize; 3] {
        self.input.size()
    }

    /// Input and output as a safetensors file, to compare engines: `input` and `probability`, both
    /// `[1, 1, z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`BenchError::Tensors`].
    pub fn tensors(&mut self) -> Result<Vec<u8>, BenchError> {
        let [z, y, x] = self.input.size();
        let probability = self.executor.probabilities(self.input.as_slice());
        let named = |name: &str, values| NamedTensor {
            name: name.to_owned(),
            shape: vec![1, 1, z, y, x],
            values,
        };
        let input = named("input", self.input.as_slice().to_vec());
        Ok(tensors::to_bytes(&[input, named("probability", probability)])?)
    }
}
