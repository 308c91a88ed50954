//! A model as a file: one line of JSON for people, then numbers, little end first.

use haema_volume::Volume;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::forest::Forest;
use super::logistic::Logistic;
use super::model::{Learned, Learner, Pitchperfect, Settings};
use super::normal::{self, Normal};
use super::predictors::{NAMES, Ranges};

/// The file's format.
const SCHEMA: &str = "haema.pitchperfect/1";
/// How every such file begins.
const BEGINNING: &[u8] = b"{\"schema\":\"haema.pitchperfect/";
/// No first line is longer.
const LONGEST_LINE: usize = 1 << 16;
/// The template's 2 mm are parted into no more.
const FINEST: usize = 4;

/// Why a file is no model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the file is no model of pitchperfect: {reason}")]
pub struct PitchperfectError {
    reason: String,
}

fn error(reason: impl Into<String>) -> PitchperfectError {
    PitchperfectError { reason: reason.into() }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: String,
    settings: Settings,
    predictors: Vec<String>,
    ranges: Ranges,
    cutoff: f32,
    training_dice: f64,
    healthy_heads: usize,
    /// Size of the images of healthy heads, `[z, y, x]`.
    normal_size: [usize; 3],
    /// Trees and nodes of the forest.
    trees: usize,
    nodes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logistic: Option<Logistic>,
}

impl Pitchperfect {
    /// Whether bytes begin as such a file does.
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(BEGINNING)
    }

    /// The model as a file.
    ///
    /// # Panics
    ///
    /// Never: numbers and names can be written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let none = Forest::default();
        let (forest, logistic) = match &self.learned {
            Learned::Forest(forest) => (forest, None),
            Learned::Logistic(logistic) => (&none, Some(logistic.clone())),
        };
        let header = Header {
            schema: SCHEMA.to_owned(),
            settings: self.settings.clone(),
            predictors: NAMES.map(str::to_owned).to_vec(),
            ranges: self.ranges,
            cutoff: self.cutoff,
            training_dice: self.training_dice,
            healthy_heads: self.healthy_heads,
            normal_size: self.normal.mean.size(),
            trees: forest.roots.len(),
            nodes: forest.predictors.len(),
            logistic,
        };
        let mut bytes = serde_json::to_vec(&header).expect("numbers and names can be written");
        bytes.push(b'\n');
        for image in [&self.normal.mean, &self.normal.sd] {
            image.as_slice().iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        }
        forest.roots.iter().for_each(|root| bytes.extend(root.to_le_bytes()));
        forest.thresholds.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        forest.right.iter().for_each(|right| bytes.extend(right.to_le_bytes()));
        bytes.extend(&forest.predictors);
        bytes
    }

    /// Reads what [`Pitchperfect::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// [`PitchperfectError`], which says what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PitchperfectError> {
        let line = bytes.iter().take(LONGEST_LINE).position(|&byte| byte == b'\n');
        let line = line.ok_or_else(|| error("it has no first line of JSON"))?;
        let header: Header = serde_json::from_slice(&bytes[..line])
            .map_err(|cause| error(format!("its first line: {cause}")))?;
        check(&header)?;
        let mut rest = Words(&bytes[line + 1..]);
        let voxels = header.normal_size.iter().product();
        let mut image = || {
            let values = rest.take(voxels)?.into_iter().map(f32::from_bits).collect::<Vec<f32>>();
            if values.iter().any(|value| !value.is_finite()) {
                return Err(error("an image has a value that is not finite"));
            }
            Volume::new(header.normal_size, values).map_err(|cause| error(cause.to_string()))
        };
        let normal = Normal::new(image()?, image()?);
        let learned = match (header.logistic, header.settings.learner) {
            (Some(logistic), Learner::Logistic) if logistic.is_sound() => {
                Learned::Logistic(logistic)
            }
            (None, Learner::Forest(_)) => {
                let roots = rest.take(header.trees)?;
                let thresholds = rest.take(header.nodes)?.into_iter().map(f32::from_bits).collect();
                let right = rest.take(header.nodes)?;
                let predictors = rest.0.to_vec();
                let forest = Forest { predictors, thresholds, right, roots };
                if forest.predictors.len() != header.nodes || !forest.is_sound() {
                    return Err(error("its trees are damaged"));
                }
                Learned::Forest(forest)
            }
            _ => return Err(error("it holds another learner than its settings say")),
        };
        Ok(Self {
            settings: header.settings,
            ranges: header.ranges,
            normal,
            healthy_heads: header.healthy_heads,
            learned,
            cutoff: header.cutoff,
            training_dice: header.training_dice,
        })
    }
}

fn check(header: &Header) -> Result<(), PitchperfectError> {
    if header.schema != SCHEMA {
        return Err(error(format!("schema {}: wanted {SCHEMA}", header.schema)));
    }
    if header.predictors != NAMES {
        return Err(error("its predictors are not those of this version"));
    }
    if header.normal_size != normal::size() {
        return Err(error("its healthy heads are not on this version's template"));
    }
    if !(1..=FINEST).contains(&header.settings.finer) {
        return Err(error(format!("finer = {}: wanted 1 to {FINEST}", header.settings.finer)));
    }
    if !(header.cutoff >= 0.0 && header.cutoff < 1.0) {
        return Err(error(format!("cutoff {}: wanted 0 to 1", header.cutoff)));
    }
    Ok(())
}

/// Numbers of 32 bits, one after another.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn take(&mut self, count: usize) -> Result<Vec<u32>, PitchperfectError> {
        let wanted = count.checked_mul(4).filter(|&wanted| wanted <= self.0.len());
        let wanted = wanted.ok_or_else(|| error("it ends too early"))?;
        let (own, rest) = self.0.split_at(wanted);
        self.0 = rest;
        let (words, _) = own.as_chunks::<4>();
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }
}
