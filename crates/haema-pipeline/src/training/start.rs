//! The parameters that a run begins with.

use haema_nn::{NetSpec, Parameters};

use super::error::TrainError;
use super::run::Job;
use super::samples::Sample;

/// The parameters that a run begins with.
pub(super) fn start_values(
    job: Job<'_>,
    spec: &NetSpec,
    training: &[Sample],
) -> Result<Parameters, TrainError> {
    let config = job.config;
    let Some(wanted) = &config.start_sha256 else {
        let bias = if config.prior_bias { prior_bias(training) } else { 0.0 };
        return Ok(Parameters::init(spec, config.init, bias, config.seed));
    };
    let found = job.start.map_or_else(|| "none".to_owned(), Parameters::sha256);
    match job.start {
        Some(start) if found == *wanted && start.infos() == spec.parameters() => Ok(start.clone()),
        _ => Err(TrainError::OtherStart { found, wanted: wanted.clone() }),
    }
}

/// log(π/(1−π)), π being the share of bleed.
fn prior_bias(samples: &[Sample]) -> f32 {
    let (mut bleed, mut all) = (0.0_f64, 0.0);
    for sample in samples {
        bleed += sample.pair.target.iter().map(|&t| f64::from(t)).sum::<f64>();
        all += sample.pair.target.len() as f64;
    }
    let share = (bleed / all).clamp(1e-6, 0.5);
    (share / (1.0 - share)).ln() as f32
}
