//! A trained network of any method, with its preprocessing, ready to segment.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use haema_nn::{Cpu, Engine, EngineError, InferencePrecision, NetSpec, Parameters, WeightsError};
use haema_volume::{CtVolume, RegistrationError, Volume};
use thiserror::Error;

use crate::calibration::Calibration;
use crate::frame::{Frame, PreprocessError, Preprocessing, Undo};
use crate::mask_rule::MaskRule;
use crate::method::Method;
use crate::recipe::Recipe;

/// Trained weights, the network and the preprocessing that belong to them.
#[derive(Debug, Clone)]
pub struct Model {
    method: Method,
    name: String,
    spec: NetSpec,
    params: Parameters,
    preprocessing: Preprocessing,
    recipe: Recipe,
    sha256: String,
    metadata: BTreeMap<String, String>,
    precision: InferencePrecision,
    calibration: Option<Calibration>,
    mask_rule: MaskRule,
}

/// Why a file is not a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The weights cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An entry that a model must have is not there or not understood.
    #[error("the model file's entry {key} is {found}: wanted {wanted}")]
    Entry {
        /// Which entry.
        key: &'static str,
        /// What is there.
        found: String,
        /// What it may be.
        wanted: &'static str,
    },
}

/// Why a scan cannot be segmented.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// It does not come to the network's grid.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// It cannot be laid on the template.
    #[error("the scan cannot be laid on the template")]
    Template(#[from] RegistrationError),
    /// The network cannot be run: a damaged model, or a device that failed.
    #[error("the network cannot be run on this grid: {0}")]
    Network(#[from] EngineError),
}

/// A scan on the network's grid, and the way back.
#[derive(Debug)]
pub struct Prepared {
    input: Volume<f32>,
    undo: Undo,
    voxel_volume_mm3: f64,
}

/// Probabilities on the network's grid, and the way back.
#[derive(Debug)]
pub struct Predicted {
    probability: Volume<f32>,
    undo: Undo,
    voxel_volume_mm3: f64,
}

/// Volume over which the highest probabilities are averaged into the score of a case: about the
/// smallest bleed that is marked in the development set (0.25 mL). Chosen beforehand, not tuned.
const SCORE_ML: f64 = 0.2;

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    ///
    /// [`ModelError`] where the file is damaged or no network of haema.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (spec, params, metadata) = Parameters::from_bytes(bytes)?;
        let entry = |key: &str| metadata.get(key).cloned().unwrap_or_default();
        let found = entry("method");
        let Some(method) = Method::named(&found).filter(|method| method.is_network()) else {
            let wanted = "cnn-ds, cnn, patch-unet, slice-unet or slice-unet-hssayeni";
            return Err(ModelError::Entry { key: "method", found, wanted });
        };
        let settings = entry("preprocessing");
        let Ok(preprocessing) = serde_json::from_str(&settings) else {
            return Err(ModelError::Entry { key: "preprocessing", found: settings, wanted: KNOWN });
        };
        let recipe = match metadata.get("recipe").map(|text| serde_json::from_str(text)) {
            None => Recipe::whole(),
            Some(Ok(recipe)) => recipe,
            Some(Err(_)) => {
                let found = entry("recipe");
                return Err(ModelError::Entry { key: "recipe", found, wanted: KNOWN });
            }
        };
        let calibration =
            metadata.get("calibration").map(|text| read_calibration(text)).transpose()?;
        let mask_rule = metadata.get("mask_rule").map(|text| read_mask_rule(text)).transpose()?;
        let name = metadata.get("name").cloned().unwrap_or_else(|| "unnamed".to_owned());
        let sha256 = params.sha256();
        Ok(Self {
            method,
            name,
            spec,
            params,
            preprocessing,
            recipe,
            sha256,
            metadata,
            precision: InferencePrecision::default(),
            calibration,
            mask_rule: mask_rule.unwrap_or_default(),
        })
    }

    /// The model that comes with haema.
    ///
    /// # Panics
    ///
    /// Never: a test reads the file that is built in.
    pub fn built_in() -> Self {
        let mut model =
            Self::from_bytes(BUILT_IN).expect("a test reads the model that is built in");
        model.metadata.entry("licence".to_owned()).or_insert_with(|| LICENCE.to_owned());
        model
    }

    /// The same, run in another precision than 32 bits.
    #[must_use]
    pub fn with_precision(self, precision: InferencePrecision) -> Self {
        Self { precision, ..self }
    }

    /// In which precision it runs.
    pub fn precision(&self) -> InferencePrecision {
        self.precision
    }

    /// Its method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its parameters, hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its network.
    pub fn spec(&self) -> &NetSpec {
        &self.spec
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.params
    }

    /// How a scan comes to its grid.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// How it sees the scan there.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// How its score becomes the chance of a bleed, where that was fitted.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// How its probabilities become a mask, where nobody asks for another way.
    pub fn mask_rule(&self) -> MaskRule {
        self.mask_rule
    }

    /// What else its file says.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Brings a scan to the network's grid.
    ///
    /// # Errors
    ///
    /// [`PreprocessError`], which says what was found in the scan.
    pub fn prepare(
        &self,
        ct: &CtVolume,
        threads: NonZeroUsize,
    ) -> Result<Prepared, PreprocessError> {
        let frame = Frame::plan(ct, &self.preprocessing)?.with_threads(threads);
        let mut input = frame.image(ct)?;
        self.recipe.condition(input.size(), input.as_mut_slice(), threads);
        let voxel_volume_mm3 = frame.voxel_volume_mm3();
        Ok(Prepared { input, undo: frame.into_undo(), voxel_volume_mm3 })
    }

    /// Runs the network, in as many pieces as its recipe says.
    ///
    /// # Errors
    ///
    /// [`EngineError`] where the network does not take the grid.
    pub fn predict(
        &self,
        prepared: Prepared,
        threads: NonZeroUsize,
    ) -> Result<Predicted, EngineError> {
        let cpu = Cpu { threads: threads.get(), precision: self.precision };
        self.predict_on(prepared, &cpu, threads)
    }

    /// As [`Model::predict`], on other hardware.
    ///
    /// # Errors
    ///
    /// [`EngineError`] where the network does not take the grid, or the engine's device fails.
    ///
    /// # Panics
    ///
    /// Never: an engine gives one value for each voxel.
    pub fn predict_on(
        &self,
        prepared: Prepared,
        engine: &dyn Engine,
        threads: NonZeroUsize,
    ) -> Result<Predicted, EngineError> {
        let Prepared { input, undo, voxel_volume_mm3 } = prepared;
        let size = input.size();
        let network = (&self.spec, &self.params);
        let volume = (size, input.into_voxels());
        let mut probability = self.recipe.view.probabilities(network, volume, engine)?;
        self.recipe.finish(size, &mut probability, threads);
        let probability =
            Volume::new(size, probability).expect("an engine gives one value for each voxel");
        Ok(Predicted { probability, undo, voxel_volume_mm3 })
    }
}

impl Predicted {
    /// How likely the scan has a bleed, in 0..=1: the mean of the highest probabilities over
    /// 0.2 mL.
    pub fn score(&self) -> f64 {
        let n = (SCORE_ML * 1000.0 / self.voxel_volume_mm3).ceil().max(1.0) as usize;
        let mut values = self.probability.as_slice().to_vec();
        let n = n.min(values.len());
        values.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a));
        values.truncate(n);
        // Sorted, so that the sum does not depend on how the selection left them.
        values.sort_unstable_by(f32::total_cmp);
        values.iter().map(|&p| f64::from(p)).sum::<f64>() / n as f64
    }

    /// Volume of the mask on the network's grid, mL: what the paper reports.
    pub fn grid_ml(&self, rule: MaskRule) -> f64 {
        let mask = rule.mask(&self.probability);
        let inside = mask.as_slice().iter().filter(|&&voxel| voxel != 0).count();
        inside as f64 * self.voxel_volume_mm3 / 1000.0
    }

    /// Probabilities on the network's grid.
    pub fn probability(&self) -> &Volume<f32> {
        &self.probability
    }

    /// Probabilities on the scan's own grid.
    ///
    /// # Errors
    ///
    /// [`PreprocessError`] never in practice: the arrays were made for each other.
    pub fn restore(self) -> Result<Volume<f32>, PreprocessError> {
        self.undo.restore(&self.probability)
    }
}

fn read_calibration(text: &str) -> Result<Calibration, ModelError> {
    let read = serde_json::from_str(text).ok().filter(Calibration::is_sound);
    read.ok_or_else(|| ModelError::Entry {
        key: "calibration",
        found: text.to_owned(),
        wanted: "a calibration that this version knows",
    })
}

fn read_mask_rule(text: &str) -> Result<MaskRule, ModelError> {
    let read = serde_json::from_str(text).ok().filter(MaskRule::is_sound);
    read.ok_or_else(|| ModelError::Entry {
        key: "mask_rule",
        found: text.to_owned(),
        wanted: "{\"threshold\":0.25,\"seed_threshold\":0.8}, or other probabilities",
    })
}

/// What an entry may hold.
const KNOWN: &str = "settings that this version knows";
/// The model that comes with haema: training/built-in-model in the repository tells how it was made.
const BUILT_IN: &[u8] = include_bytes!("../weights/cnn-ds.safetensors");
/// The errors of the built-in model's volumes on scans that it had not seen, beside its weights: a table
/// of the format `haema.volume_errors/1`.
pub const BUILT_IN_VOLUME_ERRORS: &str = include_str!("../weights/cnn-ds.volume-errors.json");
/// On what terms it comes, and whose scans it learned from.
const LICENCE: &str =
    "MIT OR Apache-2.0; trained on CT-ICH 1.0.0 (CC BY 4.0, doi:10.13026/w8q8-ky94)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_can_be_read() {
        let model = Model::built_in();

        assert_eq!(model.spec.parameter_count(), 2_055_043);
        assert_eq!(model.preprocessing(), &Preprocessing::recommended());
        assert!(BUILT_IN.len() < 6_000_000, "{} bytes", BUILT_IN.len());
    }

    #[test]
    fn a_calibration_comes_with_the_file_and_a_damaged_one_is_refused() {
        let model = Model::built_in();
        let with = |text: String| {
            let mut metadata = model.metadata.clone();
            metadata.insert("calibration".to_owned(), text);
            let f16 = haema_nn::Precision::F16;
            Model::from_bytes(&model.params.to_bytes(&model.spec, &metadata, f16).unwrap())
        };
        let calibration = crate::calibration::tests::calibration();

        let read = with(serde_json::to_string(&calibration).unwrap()).unwrap();
        assert_eq!(read.calibration(), Some(&calibration));
        assert_eq!(read.sha256(), model.sha256());
        let falling = crate::Calibration { slope_score: -1.0, ..calibration };
        let error = with(serde_json::to_string(&falling).unwrap()).unwrap_err();
        assert!(
            error.to_string().starts_with("the model file's entry calibration is {"),
            "{error}"
        );
    }

    #[test]
    fn a_file_of_another_method_is_refused_and_named() {
        let model = Model::built_in();
        let bytes =
            model.params.to_bytes(&model.spec, &BTreeMap::new(), haema_nn::Precision::F16).unwrap();

        let error = Model::from_bytes(&bytes).unwrap_err();

        assert!(
            error.to_string().starts_with("the model file's entry method is : wanted cnn-ds, ")
        );
    }
}
