//! Where a training step spends its time.

use std::time::{Duration, Instant};

/// Time of each part of the last step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepTimes {
    /// One entry for each block, in the network's order.
    pub blocks: Vec<BlockTimes>,
    /// The change of the parameters, made by [`crate::Trainer::update`].
    pub update: Duration,
    /// Weights laid out anew for the kernels.
    pub pack: Duration,
}

/// Time of one block.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockTimes {
    /// Its name.
    pub name: String,
    /// The way forward.
    pub forward: Duration,
    /// The way back through residual sum, dropout, activation and normalisation.
    pub finish: Duration,
    /// Gradient of the weights.
    pub weights: Duration,
    /// Gradient of what comes in.
    pub data: Duration,
}

impl StepTimes {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let named = |name: &String| BlockTimes { name: name.clone(), ..BlockTimes::default() };
        Self { blocks: names.map(named).collect(), ..Self::default() }
    }

    /// The sum of all parts.
    pub fn total(&self) -> Duration {
        let blocks = self.blocks.iter().map(|b| b.forward + b.finish + b.weights + b.data);
        blocks.sum::<Duration>() + self.update + self.pack
    }
}

/// Runs `work` and leaves its time in `place`.
pub(crate) fn time<R>(place: &mut Duration, work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = work();
    *place = start.elapsed();
    result
}
