//! All that is known of a simulated case.

use haema_sim::{Lesion, Mimic, Place, SimulatedCase, Site};
use serde::{Deserialize, Serialize};

use super::SIMULATION_SCHEMA;

/// The record of a case: `cases/<case>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    /// [`SIMULATION_SCHEMA`].
    pub schema: String,
    /// Name of the case.
    pub case_id: String,
    /// Seed of the patient.
    pub seed: u64,
    /// Voxels along `[z, y, x]`.
    pub size: [usize; 3],
    /// Distance between slices (the median), rows and columns, mm.
    pub spacing_mm: [f64; 3],
    /// Tilt of the gantry.
    pub tilt_deg: f64,
    /// Noise in the middle of the head.
    pub noise_hu: f32,
    /// Volume of all bleeds in the head.
    pub bleed_ml: f64,
    /// What of it lies in the slices.
    pub scanned_ml: f64,
    /// Volume of the mask.
    pub mask_ml: f64,
    /// How far the middle of the brain has moved to the patient's left.
    pub midline_shift_mm: f64,
    /// The bleeds.
    pub lesions: Vec<LesionRecord>,
    /// What looks like a bleed and is none.
    pub look_alikes: Vec<String>,
}

/// One bleed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LesionRecord {
    /// Its number in the patient, the same in every scan, from 1.
    pub lesion: usize,
    /// Where it is.
    pub site: String,
    /// The part of the brain in which it began; `n/a` of bleeds around the brain. Of a lobe it is not
    /// known which.
    pub place: String,
    /// The patient's side that holds 70 % of it: `left`, `right`, or `both` where neither does.
    pub side: String,
    /// What holds it.
    pub compartment: String,
    /// Its value in the map of subtypes.
    pub subtype: u8,
    /// Its volume in the head.
    pub volume_ml: f64,
    /// What of it lies in the slices.
    pub scanned_ml: f64,
    /// Centre of its volume, LPS.
    pub centre_lps_mm: [f64; 3],
    /// Mean density of its blood.
    pub mean_hu: f64,
    /// How its blood is arranged.
    pub texture: String,
}

impl CaseRecord {
    pub(super) fn of(case_id: &str, seed: u64, case: &SimulatedCase) -> Self {
        let grid = case.ct.grid();
        let bleed = case.mask.as_slice().chunks_exact(grid.size()[1] * grid.size()[2]);
        let mask_mm3: f64 = bleed
            .enumerate()
            .map(|(z, plane)| {
                let count = plane.iter().filter(|&&voxel| voxel != 0).count();
                count as f64 * grid.voxel_volume_mm3(z)
            })
            .sum();
        Self {
            schema: SIMULATION_SCHEMA.to_owned(),
            case_id: case_id.to_owned(),
            seed,
            size: grid.size(),
            spacing_mm: grid.spacing_mm(),
            tilt_deg: case.protocol.tilt_deg,
            noise_hu: case.protocol.noise_hu,
            bleed_ml: total(&case.lesions, |lesion| lesion.volume_ml),
            scanned_ml: total(&case.lesions, |lesion| lesion.scanned_ml),
            mask_ml: mask_mm3 / 1000.0,
            midline_shift_mm: case.midline_shift_mm,
            lesions: case.lesions.iter().map(LesionRecord::of).collect(),
            look_alikes: case.mimics.iter().map(|mimic| mimic.name().to_owned()).collect(),
        }
    }

    pub(super) fn has_subtype(&self, subtype: u8) -> bool {
        self.lesions.iter().any(|lesion| lesion.subtype == subtype)
    }

    pub(super) fn has_fracture(&self) -> bool {
        self.look_alikes.iter().any(|name| name == Mimic::Fracture.name())
    }
}

/// From 0 upwards: the sum of nothing would be −0.
fn total(lesions: &[Lesion], of: fn(&Lesion) -> f64) -> f64 {
    lesions.iter().map(of).fold(0.0, |sum, ml| sum + ml)
}

impl LesionRecord {
    fn of(lesion: &Lesion) -> Self {
        let site: Site = lesion.site;
        Self {
            lesion: lesion.number + 1,
            site: site.name().to_owned(),
            place: lesion.place.map_or("n/a", Place::name).to_owned(),
            side: lesion.side().to_owned(),
            compartment: site.compartment().to_owned(),
            subtype: site.subtype(),
            volume_ml: lesion.volume_ml,
            scanned_ml: lesion.scanned_ml,
            centre_lps_mm: lesion.centre_lps_mm,
            mean_hu: lesion.mean_hu,
            texture: lesion.texture.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_without_a_bleed_has_a_volume_of_zero_without_a_sign() {
        assert_eq!(format!("{:.3}", total(&[], |lesion| lesion.volume_ml)), "0.000");
    }
}
