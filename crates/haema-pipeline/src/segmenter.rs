//! What finds a bleed: the seam between the pipeline and the methods.

use std::num::NonZeroUsize;
use std::time::Instant;

use haema_methods::pitchperfect::Pitchperfect;
use haema_methods::{Calibration, MaskRule, Method, Model, SegmentError};
use haema_nn::{Cpu, Engine, InferencePrecision};
use haema_volume::{CtVolume, Volume};

/// A method with its weights: a scan goes in, a probability on the scan's own grid comes out.
///
/// The same scan gives the same answer, bit for bit, for any number of threads.
pub trait Segmenter {
    /// The method, such as `cnn-ds`.
    fn method(&self) -> &str;

    /// Name of the weights.
    fn model_name(&self) -> &str;

    /// SHA-256 of the weights, hexadecimal.
    fn model_sha256(&self) -> &str;

    /// What the network runs on, where that is not the CPU: its results differ in the last bits.
    fn device(&self) -> Option<&str> {
        None
    }

    /// How the network keeps its tensors, where there is one.
    fn precision(&self) -> InferencePrecision {
        InferencePrecision::Fp32
    }

    /// Which voxels belong to the bleed, where nobody asks for another rule.
    fn mask_rule(&self) -> MaskRule {
        MaskRule::default()
    }

    /// How the score of a scan becomes the chance of a bleed, where that was fitted.
    fn calibration(&self) -> Option<&Calibration> {
        None
    }

    /// Gives each voxel its probability of being bleed.
    ///
    /// * `rule` — only for [`Segmented::volume_grid_ml`].
    ///
    /// # Errors
    ///
    /// [`SegmentError`] where the scan cannot be brought to the network's grid, or back.
    fn segment(
        &self,
        ct: &CtVolume,
        rule: MaskRule,
        threads: NonZeroUsize,
    ) -> Result<Segmented, SegmentError>;
}

/// What a method says about a scan.
#[derive(Debug, Clone)]
pub struct Segmented {
    /// Probability in 0..1 of each voxel of the scan, on the scan's own grid and in its order.
    pub probability: Volume<f32>,
    /// How much the whole scan looks as if it had a bleed, in 0..1.
    pub score: f64,
    /// Volume of the mask on the network's own grid.
    pub volume_grid_ml: f64,
    /// Milliseconds from Hounsfield units to the network's input.
    pub preprocess_ms: f64,
    /// Milliseconds in the network.
    pub network_ms: f64,
    /// Milliseconds from the network's output to the scan's own grid.
    pub restore_ms: f64,
}

impl Segmenter for Model {
    fn method(&self) -> &str {
        Model::method(self).name()
    }

    fn model_name(&self) -> &str {
        self.name()
    }

    fn model_sha256(&self) -> &str {
        self.sha256()
    }

    fn precision(&self) -> InferencePrecision {
        self.precision()
    }

    fn mask_rule(&self) -> MaskRule {
        Self::mask_rule(self)
    }

    fn calibration(&self) -> Option<&Calibration> {
        Self::calibration(self)
    }

    fn segment(
        &self,
        ct: &CtVolume,
        rule: MaskRule,
        threads: NonZeroUsize,
    ) -> Result<Segmented, SegmentError> {
        let cpu = Cpu { threads: threads.get(), precision: self.precision() };
        segment_on(self, ct, (rule, threads), &cpu)
    }
}

/// A model whose network runs on a given engine, such as a GPU.
#[derive(Debug)]
pub struct OnEngine<'a> {
    /// The model.
    pub model: &'a Model,
    /// What runs its network.
    pub engine: &'a dyn Engine,
}

impl Segmenter for OnEngine<'_> {
    fn method(&self) -> &str {
        Segmenter::method(self.model)
    }

    fn model_name(&self) -> &str {
        self.model.model_name()
    }

    fn model_sha256(&self) -> &str {
        self.model.model_sha256()
    }

    fn device(&self) -> Option<&str> {
        self.engine.device()
    }

    fn mask_rule(&self) -> MaskRule {
        self.model.mask_rule()
    }

    fn calibration(&self) -> Option<&Calibration> {
        self.model.calibration()
    }

    fn segment(
        &self,
        ct: &CtVolume,
        rule: MaskRule,
        threads: NonZeroUsize,
    ) -> Result<Segmented, SegmentError> {
        segment_on(self.model, ct, (rule, threads), self.engine)
    }
}

/// A model of `PItcHPERFeCT`, with the checksum of its file.
#[derive(Debug, Clone)]
pub struct PitchperfectModel {
    /// The model.
    pub model: Pitchperfect,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
}

impl Segmenter for PitchperfectModel {
    fn method(&self) -> &str {
        Method::Pitchperfect.name()
    }

    fn model_name(&self) -> &str {
        Method::Pitchperfect.name()
    }

    fn model_sha256(&self) -> &str {
        &self.sha256
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::above(self.model.cutoff())
    }

    fn segment(
        &self,
        ct: &CtVolume,
        _: MaskRule,
        threads: NonZeroUsize,
    ) -> Result<Segmented, SegmentError> {
        let found = self.model.segment(ct, threads)?;
        Ok(Segmented {
            probability: found.probability,
            score: found.score,
            volume_grid_ml: found.volume_grid_ml,
            preprocess_ms: found.preprocess_ms,
            network_ms: found.vote_ms,
            restore_ms: found.restore_ms,
        })
    }
}

fn segment_on(
    model: &Model,
    ct: &CtVolume,
    (rule, threads): (MaskRule, NonZeroUsize),
    engine: &dyn Engine,
) -> Result<Segmented, SegmentError> {
    let start = Instant::now();
    let prepared = model.prepare(ct, threads)?;
    let prepared_at = Instant::now();
    let predicted = model.predict_on(prepared, engine, threads)?;
    let predicted_at = Instant::now();
    let (score, volume_grid_ml) = (predicted.score(), predicted.grid_ml(rule));
    let probability = predicted.restore()?;
    let ms = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1000.0;
    Ok(Segmented {
        probability,
        score,
        volume_grid_ml,
        preprocess_ms: ms(start, prepared_at),
        network_ms: ms(prepared_at, predicted_at),
        restore_ms: ms(predicted_at, Instant::now()),
    })
}
