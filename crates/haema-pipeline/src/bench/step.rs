//! A step of training.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use haema_nn::{
    Adam, AdamConfig, BlockTimes, Door, DropoutSeed, Loss, StepTimes, Trainer, TrainingPrecision,
};
use haema_volume::Volume;
use serde::{Deserialize, Serialize};

use super::{BenchError, Spread, Subject};

/// A step of training part by part, medians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepParts {
    /// The blocks in their order.
    pub blocks: Vec<StepBlock>,
    /// The loss and its slope, ms.
    pub loss_ms: f64,
    /// The optimiser's change of the weights, ms.
    pub update_ms: f64,
    /// Weights laid out anew for the kernels, ms.
    pub pack_ms: f64,
}

/// A block's part of a step of training, ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepBlock {
    /// Name of the block.
    pub name: String,
    /// The way forward.
    pub forward_ms: f64,
    /// The way back through residual sum, dropout, activation and normalisation.
    pub finish_ms: f64,
    /// Gradient of the weights.
    pub weights_ms: f64,
    /// Gradient of what comes in.
    pub data_ms: f64,
}

/// A network that learns from one volume, ready to be timed: forward with dropout, Dice loss,
/// backward, Adam.
#[derive(Debug)]
pub struct TrainingStep {
    trainer: Trainer,
    adam: Adam,
    input: Volume<f32>,
    target: Vec<f32>,
    slope: Vec<f32>,
    bytes: usize,
    losses: Vec<f64>,
    runs: Vec<(Duration, StepTimes)>,
}

/// Small, so that steps of a trained network do not leave it.
const LEARNING_RATE: f64 = 1e-4;
/// What is brighter than that stands for a bleed: no time depends on what is learned.
const BRIGHT: f32 = 0.5;

impl TrainingStep {
    /// Prepares a network to learn from an input.
    ///
    /// # Errors
    ///
    /// [`BenchError::Size`].
    pub fn new(
        subject: Subject,
        input: Volume<f32>,
        (threads, precision): (NonZeroUsize, TrainingPrecision),
    ) -> Result<Self, BenchError> {
        let (Subject { spec, params, .. }, size) = (subject, input.size());
        let bytes = Trainer::bytes(&spec, size, precision)?;
        let adam = Adam::new(AdamConfig::default(), params.values().len());
        let trainer = Trainer::with_precision(spec, params, size, (threads.get(), precision))?;
        let target = input.as_slice().iter().map(|&v| f32::from(u8::from(v > BRIGHT))).collect();
        let slope = vec![0.0; input.as_slice().len()];
        let (losses, runs) = (Vec::new(), Vec::new());
        Ok(Self { trainer, adam, input, target, slope, bytes, losses, runs })
    }

    /// Changes the instruction set that kernels use.
    #[must_use]
    pub fn with_door(self, door: Door) -> Self {
        Self { trainer: self.trainer.with_door(door), ..self }
    }

    /// Bytes that the network holds while it learns, without the optimiser's state.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Size of the input `[z, y, x]`.
    pub fn size(&self) -> [usize; 3] {
        self.input.size()
    }

    /// Loss of each step so far, those that warmed up among them.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Times steps, after one to warm up.
    pub fn time(&mut self, repeat: NonZeroUsize) -> Spread {
        self.step();
        self.runs.clear();
        Spread::of((0..repeat.get()).map(|_| self.step()))
    }

    fn step(&mut self) -> f64 {
        let start = Instant::now();
        let seed = DropoutSeed::Seed(self.losses.len() as u64);
        let logits = self.trainer.forward(self.input.as_slice(), seed);
        let before_loss = Instant::now();
        let value = Loss::Dice.value_and_grad(logits, &self.target, &mut self.slope);
        let loss_time = before_loss.elapsed();
        self.trainer.backward(&self.slope);
        let adam = &mut self.adam;
        self.trainer.update(|values, gradient| adam.update(LEARNING_RATE, gradient, values));
        let ms = super::ms_since(start);
        self.losses.push(value.loss);
        self.runs.push((loss_time, self.trainer.times().clone()));
        ms
    }

    /// Medians of the parts of the steps timed last.
    ///
    /// # Panics
    ///
    /// Where none was timed.
    pub fn parts(&self) -> StepParts {
        let median = |of: &dyn Fn(&(Duration, StepTimes)) -> Duration| {
            Spread::of(self.runs.iter().map(|run| of(run).as_secs_f64() * 1e3)).median
        };
        let names = self.trainer.spec().blocks.iter().map(|block| &block.name);
        let blocks = names.enumerate().map(|(i, name)| {
            let part = |of: fn(&BlockTimes) -> Duration| median(&|(_, times)| of(&times.blocks[i]));
            StepBlock {
                name: name.clone(),
                forward_ms: part(|block| block.forward),
                finish_ms: part(|block| block.finish),
                weights_ms: part(|block| block.weights),
                data_ms: part(|block| block.data),
            }
        });
        StepParts {
            blocks: blocks.collect(),
            loss_ms: median(&|(loss, _)| *loss),
            update_ms: median(&|(_, times)| times.update),
            pack_ms: median(&|(_, times)| times.pack),
        }
    }
}
