//! Signs on a scan without contrast that a bleed may grow: each with the value that was measured.
//!
//! Readers see these signs; here each is a rule with a number, so that it is the same every time and
//! can be checked. The rules are those of the papers as far as papers give numbers.

mod island;
mod regions;

use haema_volume::{CtVolume, Volume, bounding_box};
use serde::{Deserialize, Serialize};

use crate::{MeasureError, check_size};
use regions::Region;

/// One sign and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpansionSign {
    /// Which.
    pub id: SignId,
    /// Whether it is there; none where the sign is a figure without a threshold.
    pub is_present: Option<bool>,
    /// What was measured: see `what`; none where nothing of the kind was found.
    pub measured: Option<f64>,
    /// What the figure is, and its unit.
    pub what: String,
    /// What the sign asks for.
    pub rule: String,
    /// Who described it.
    pub source: String,
    /// The slice where it was seen, zero-based, as the scan is stored.
    pub slice: Option<usize>,
}

/// The signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named by its name and told in its rule")]
pub enum SignId {
    Blend,
    BlackHole,
    Swirl,
    Hypodensity,
    FluidLevel,
    Island,
    Satellite,
    DensityVariation,
}

/// A smaller bleed has no inside to speak of.
pub const SIGNS_LEAST_ML: f64 = 1.0;

/// Steps of density.
const BLEND_HU: f64 = 18.0;
const BLACK_HOLE_HU: f64 = 28.0;
/// Below this a darker region is noise and beam hardening.
const HYPODENSITY_HU: f64 = 10.0;
/// At least so much of the step of a blend lies within 3 mm of the border between both parts.
const SHARP: f64 = 0.6;
/// A darker part this small is not "next to" the rest.
const BLEND_SHARE: f64 = 0.1;
/// Brain as dark as this, and what is darker, is isodense or hypodense.
const BRAIN_HU: f64 = 38.0;

/// The signs of one bleed; none where there is no such label. A fluid level is looked for as it lies in
/// a patient on the back.
///
/// * `labels`, `label` — the bleed; other labels are the other bleeds of the scan.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the labels are not on the scan's grid.
pub fn expansion_signs(
    ct: &CtVolume,
    labels: &Volume<u32>,
    label: u32,
) -> Result<Vec<ExpansionSign>, MeasureError> {
    check_size(labels.size(), ct.grid())?;
    let mask = labels.map(|&found| u8::from(found == label));
    let Some([slices, ..]) = bounding_box(&mask) else { return Ok(Vec::new()) };
    let mut regions = Vec::new();
    let mut cores = regions::Core::default();
    for z in slices {
        regions.extend(regions::of_slice(ct, &mask, z, &mut cores));
    }
    let island = island::of(ct.grid(), labels, label);
    Ok(vec![
        blend(&regions),
        enclosed(&regions, SignId::BlackHole),
        swirl(&regions),
        enclosed(&regions, SignId::Hypodensity),
        fluid_level(&regions),
        island.island_sign(),
        island.satellite_sign(),
        sign(SignId::DensityVariation, (None, cores.variation_percent(), None)),
    ])
}

/// A sign, with its words: whether it is there, what was measured, where.
pub(crate) fn sign(
    id: SignId,
    (is_present, measured, slice): (Option<bool>, Option<f64>, Option<usize>),
) -> ExpansionSign {
    let [what, rule, source] = words(id).map(str::to_owned);
    ExpansionSign { id, is_present, measured, what, rule, source, slice }
}

fn words(id: SignId) -> [&'static str; 3] {
    match id {
        SignId::Blend => [
            "step between both parts, HU",
            "a darker part that is not enclosed, 18 HU or more darker, with a sharp border",
            "Li 2015",
        ],
        SignId::BlackHole => [
            "step from the bleed to its darkest enclosed part, HU",
            "an enclosed part 28 HU or more darker",
            "Li 2016",
        ],
        SignId::Swirl => [
            "density of the darkest enclosed part, HU",
            "an enclosed part no denser than brain (38 HU)",
            "Selariu 2012",
        ],
        SignId::Hypodensity => [
            "step from the bleed to its darkest enclosed part, HU",
            "any enclosed darker part (10 HU or more darker)",
            "Boulouis 2016",
        ],
        SignId::FluidLevel => [
            "step across the level, HU",
            "a darker part above a denser one with a level border, the patient on the back",
            "Almarzouqi 2013",
        ],
        SignId::Island => [
            "small bleeds apart from the largest",
            "3 or more small bleeds apart from the largest; those that hang on it are not counted",
            "Li 2017",
        ],
        SignId::Satellite => [
            "small bleeds 1 to 20 mm from the largest on a slice",
            "a bleed of less than 10 mm, 1 to 20 mm from the largest",
            "Shimoda 2017",
        ],
        SignId::DensityVariation => [
            "standard deviation over mean of the density, %",
            "no threshold: the more, the likelier",
            "Barras 2009",
        ],
    }
}

/// The region with the largest figure, and that figure.
fn most<'a>(
    regions: impl Iterator<Item = &'a Region>,
    figure: impl Fn(&Region) -> f64,
) -> Option<(&'a Region, f64)> {
    regions.map(|region| (region, figure(region))).max_by(|a, b| a.1.total_cmp(&b.1))
}

fn blend(regions: &[Region]) -> ExpansionSign {
    let beside = regions.iter().filter(|region| {
        !region.is_enclosed
            && region.share >= BLEND_SHARE
            && region.step_at_border_hu >= SHARP * region.step_hu
    });
    let found = most(beside, |region| region.step_hu);
    let is_present = found.is_some_and(|(_, step)| step >= BLEND_HU);
    sign(SignId::Blend, (Some(is_present), found.map(|f| f.1), found.map(|f| f.0.slice)))
}

fn enclosed(regions: &[Region], id: SignId) -> ExpansionSign {
    let bar = if id == SignId::BlackHole { BLACK_HOLE_HU } else { HYPODENSITY_HU };
    let found = most(regions.iter().filter(|region| region.is_enclosed), |region| region.step_hu);
    let is_present = found.is_some_and(|(_, step)| step >= bar);
    sign(id, (Some(is_present), found.map(|f| f.1), found.map(|f| f.0.slice)))
}

fn swirl(regions: &[Region]) -> ExpansionSign {
    let inside = regions.iter().filter(|region| region.is_enclosed);
    let found = most(inside, |region| -region.mean_hu);
    let is_present = found
        .is_some_and(|(region, _)| region.mean_hu <= BRAIN_HU && region.step_hu >= HYPODENSITY_HU);
    let measured = found.map(|(region, _)| region.mean_hu);
    sign(SignId::Swirl, (Some(is_present), measured, found.map(|f| f.0.slice)))
}

fn fluid_level(regions: &[Region]) -> ExpansionSign {
    let found = most(regions.iter().filter(|region| region.is_level), |region| region.step_hu);
    let is_present = found.is_some_and(|(_, step)| step >= HYPODENSITY_HU);
    sign(SignId::FluidLevel, (Some(is_present), found.map(|f| f.1), found.map(|f| f.0.slice)))
}
