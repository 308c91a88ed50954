//! Blood in the ventricles, chamber by chamber, and the scores that readers give it.

use std::num::NonZeroUsize;

use haema_volume::{CtVolume, Grid, Locator, Nearest, Vec3, Volume, add, norm, scale, sub};
use serde::{Deserialize, Serialize};

use crate::atlas::{ATLAS_PITCH_MM, Place};
use crate::whereabouts::{Part, ToVentricle, Whereabouts};
use crate::{MM3_PER_ML, MeasureError, check_size};

/// What the ventricles hold. Whose they are follows from an average head that is laid on this one, so
/// that all of it is approximate, most of all beside a large bleed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntraventricularBlood {
    /// Blood in all of them.
    pub volume_ml: f64,
    /// Left lateral, right lateral, third and fourth ventricle.
    pub chambers: [Chamber; 4],
    /// 0 to 12: how far each chamber is filled, and whether it is widened.
    ///
    /// # Source
    ///
    /// Graeb et al., _Radiology_ 143:91–96, 1982.
    pub graeb: u8,
    /// Without the 3 points for hydrocephalus, which is for a reader to judge: 0 to 20.
    ///
    /// # Source
    ///
    /// Hallevi et al., _Critical Care Medicine_ 37:969–974, 2009.
    pub ivh_score_without_hydrocephalus: u8,
}

/// One of the ventricles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chamber {
    /// Which.
    pub name: ChamberName,
    /// Blood in it.
    pub blood_ml: f64,
    /// Share of the chamber that is blood and not fluid, 0 to 1.
    pub filled: f64,
    /// Whether it holds half as much again as that of an average head of this size.
    pub is_widened: bool,
}

/// The ventricles by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named by its name")]
pub enum ChamberName {
    LeftLateral,
    RightLateral,
    Third,
    Fourth,
}

/// Less than this is the edge of a bleed beside the ventricle, or noise.
pub(crate) const SMALLEST_IVH_ML: f64 = 0.1;
/// Fluid, with the noise of a scan; brain is denser.
pub(crate) const FLUID_HU: std::ops::RangeInclusive<f32> = -8.0..=19.0;
/// Ventricles of patients lie beside those of an average head by about so many voxels of the atlas.
const MARGIN: i32 = 2;

impl Whereabouts {
    /// Measures the blood in the ventricles.
    ///
    /// A bleed that pushes a ventricle aside comes to lie where the average head has it. So a bleed counts
    /// only where half of it lies in the ventricles; where a fifth does and it is spread out as they are; or
    /// where it follows them far from what of it lies in the brain.
    ///
    /// * `labels` — the bleeds, each with a number of its own; 0 elsewhere.
    ///
    /// # Errors
    ///
    /// [`MeasureError::SizesDiffer`] where the labels are not on the scan's grid.
    pub fn intraventricular_blood(
        &self,
        ct: &CtVolume,
        labels: &Volume<u32>,
    ) -> Result<IntraventricularBlood, MeasureError> {
        check_size(labels.size(), ct.grid())?;
        let is_in = self.bleeds_in_ventricles(ct.grid(), labels);
        let scan_from_atlas = self.scan_from_atlas();
        let locator = Locator::of(ct.grid());
        let voxel_mm3 =
            ATLAS_PITCH_MM.powi(3) * scan_from_atlas.stretches().iter().product::<f64>();
        let names = [
            ChamberName::LeftLateral,
            ChamberName::RightLateral,
            ChamberName::Third,
            ChamberName::Fourth,
        ];
        // Blood, fluid and the average head's own volume, mm³.
        let mut sums = [[0.0; 3]; 4];
        for (point, name, is_margin) in self.atlas().ventricle_points(MARGIN) {
            let sums = &mut sums[name as usize];
            if !is_margin {
                sums[2] += voxel_mm3;
            }
            let Some(index) = locator.nearest(scan_from_atlas.apply(point)) else { continue };
            let label = labels[index] as usize;
            if label > 0 {
                sums[0] += if is_margin || !is_in[label] { 0.0 } else { voxel_mm3 };
            } else if FLUID_HU.contains(&ct.voxels_hu()[index]) {
                sums[1] += voxel_mm3;
            }
        }
        let chambers: [Chamber; 4] = std::array::from_fn(|i| {
            let [blood, fluid, average] = sums[i];
            let has_blood = blood / MM3_PER_ML >= SMALLEST_IVH_ML;
            Chamber {
                name: names[i],
                blood_ml: blood / MM3_PER_ML,
                filled: if has_blood { blood / (blood + fluid) } else { 0.0 },
                is_widened: blood + fluid > 1.5 * average,
            }
        });
        Ok(IntraventricularBlood {
            volume_ml: chambers.iter().map(|chamber| chamber.blood_ml).sum(),
            graeb: chambers.iter().map(Chamber::graeb).sum(),
            ivh_score_without_hydrocephalus: chambers.iter().map(Chamber::ivh_score).sum(),
            chambers,
        })
    }

    /// For each label, whether its blood in the ventricles is there, or only where the average head has
    /// them.
    fn bleeds_in_ventricles(&self, grid: &Grid, labels: &Volume<u32>) -> Vec<bool> {
        let columns = grid.size()[2];
        let mut bleeds: Vec<Vec<Part>> = vec![Vec::new()];
        for z in 0..grid.size()[0] {
            let mm3 = grid.voxel_volume_mm3(z);
            for (offset, &label) in labels.plane(z).iter().enumerate().filter(|(_, l)| **l > 0) {
                let label = label as usize;
                if bleeds.len() <= label {
                    bleeds.resize(label + 1, Vec::new());
                }
                let [y, x] = [offset / columns, offset % columns].map(|i| i as f64);
                let point_lps_mm = grid.point_lps_mm(z, y, x);
                bleeds[label].push(Part { point_lps_mm, mm3 });
            }
        }
        bleeds.iter().map(|parts| self.is_in_ventricles(parts)).collect()
    }

    fn is_in_ventricles(&self, parts: &[Part]) -> bool {
        let stride = parts.len().div_ceil(MOST_LOOKED_AT).max(1);
        let (mut inside, mut body, mut all_mm3, mut inside_mm3) = (vec![], vec![], 0.0, 0.0);
        for part in parts.iter().step_by(stride) {
            all_mm3 += part.mm3;
            match self.to_ventricle(part.point_lps_mm) {
                ToVentricle::Within => {
                    inside_mm3 += part.mm3;
                    inside.push(*part);
                }
                ToVentricle::Near => {}
                ToVentricle::Away => body.push(part.point_lps_mm),
            }
        }
        if inside_mm3 == 0.0 {
            return false;
        }
        let share = inside_mm3 / all_mm3;
        if share >= MOST || (share >= LEAST_SHARE && spread(parts, stride) >= LEAST_SPREAD) {
            return true;
        }
        let places_mm: Vec<Vec3> = inside.iter().map(|it| it.point_lps_mm).collect();
        let to_body_mm = Nearest::of(body).distances_mm(&places_mm, NonZeroUsize::MIN);
        let far = inside.iter().zip(to_body_mm).filter(|(_, mm)| *mm > FAR_FROM_BODY_MM);
        let far_mm3: f64 = far.map(|(part, _)| part.mm3 * stride as f64).sum();
        far_mm3 / MM3_PER_ML >= SMALLEST_IVH_ML
    }
}

/// How far the parts of a bleed lie from its middle (root of the mean square) over the radius of a ball of
/// its volume: 0.77 of a ball.
fn spread(parts: &[Part], stride: usize) -> f64 {
    let looked_at = || parts.iter().step_by(stride);
    let all_mm3: f64 = looked_at().map(|part| part.mm3).sum();
    let middle = looked_at()
        .fold([0.0; 3], |sum, part| add(sum, scale(part.point_lps_mm, part.mm3 / all_mm3)));
    let square = |part: &Part| norm(sub(part.point_lps_mm, middle)).powi(2) * part.mm3 / all_mm3;
    let radius_mm = (0.75 / std::f64::consts::PI * all_mm3 * stride as f64).cbrt();
    looked_at().map(square).sum::<f64>().sqrt() / radius_mm
}

/// Bleeds of the brain beside a ventricle lie in that of the average head with up to 0.24 of themselves,
/// bleeds in the ventricles with 0.21 or more: simulated heads with mass effect.
const LEAST_SHARE: f64 = 0.2;
const MOST: f64 = 0.5;
/// The former have a spread of up to 0.86, the latter of 1.01 or more.
const LEAST_SPREAD: f64 = 0.95;
/// As deep in the average ventricles no bleed of the brain reached, up to 130 mL.
const FAR_FROM_BODY_MM: f64 = 14.0;
/// More voxels of a bleed are looked at one in two, in three, …
const MOST_LOOKED_AT: usize = 8_000;

/// The chamber of a place and side; none of what is no ventricle.
pub(crate) fn chamber_of(place: Place, is_left: bool) -> Option<ChamberName> {
    match place {
        Place::LateralVentricle if is_left => Some(ChamberName::LeftLateral),
        Place::LateralVentricle => Some(ChamberName::RightLateral),
        Place::ThirdVentricle => Some(ChamberName::Third),
        Place::FourthVentricle => Some(ChamberName::Fourth),
        _ => None,
    }
}

impl Chamber {
    fn has_blood(&self) -> bool {
        self.blood_ml >= SMALLEST_IVH_ML
    }

    fn is_lateral(&self) -> bool {
        matches!(self.name, ChamberName::LeftLateral | ChamberName::RightLateral)
    }

    /// Lateral: 1 a trace, 2 less than half, 3 more than half, 4 filled and widened. Third and fourth: 1
    /// blood, 2 filled and widened.
    fn graeb(&self) -> u8 {
        let is_full = self.filled >= 0.9 && self.is_widened;
        match (self.has_blood(), self.is_lateral()) {
            (false, _) => 0,
            (true, true) if is_full => 4,
            (true, true) if self.filled > 0.5 => 3,
            (true, true) if self.filled > 0.15 => 2,
            (true, false) if is_full => 2,
            (true, _) => 1,
        }
    }

    /// Lateral: 3 for each third that is filled; third and fourth: 1.
    fn ivh_score(&self) -> u8 {
        match (self.has_blood(), self.is_lateral()) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) if self.filled > 2.0 / 3.0 => 9,
            (true, true) if self.filled > 1.0 / 3.0 => 6,
            (true, true) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points a millimetre apart in a box of these sides.
    fn block(sides: [u32; 3]) -> Vec<Part> {
        let mut parts = Vec::new();
        for x in 0..sides[0] {
            for y in 0..sides[1] {
                for z in 0..sides[2] {
                    let point_lps_mm = [x, y, z].map(f64::from);
                    parts.push(Part { point_lps_mm, mm3: 1.0 });
                }
            }
        }
        parts
    }

    #[test]
    fn a_cast_is_spread_out_and_a_block_is_not() {
        // A cube of side a: the root of a²/4 over the radius of its ball.
        let cube = 0.5 / (0.75 / std::f64::consts::PI).cbrt();
        assert!((spread(&block([20; 3]), 1) - cube).abs() < 0.01);
        assert!((spread(&block([20; 3]), 7) - cube).abs() < 0.03);
        assert!(spread(&block([40, 8, 5]), 1) > 1.3);
    }

    fn chamber(name: ChamberName, filled: f64, is_widened: bool) -> Chamber {
        Chamber { name, blood_ml: 10.0 * filled, filled, is_widened }
    }

    #[test]
    fn scores_follow_their_papers() {
        let lateral = |filled, is_widened| chamber(ChamberName::LeftLateral, filled, is_widened);
        let third = |filled, is_widened| chamber(ChamberName::Third, filled, is_widened);
        let graeb = |chamber: Chamber| chamber.graeb();

        assert_eq!(
            [0.0, 0.1, 0.4, 0.6, 1.0].map(|filled| graeb(lateral(filled, false))),
            [0, 1, 2, 3, 3]
        );
        assert_eq!((graeb(lateral(1.0, true)), graeb(third(0.5, true))), (4, 1));
        assert_eq!((graeb(third(1.0, true)), graeb(third(0.0, true))), (2, 0));
        assert_eq!([0.0, 0.2, 0.5, 0.9].map(|f| lateral(f, false).ivh_score()), [0, 3, 6, 9]);
        assert_eq!(third(1.0, true).ivh_score(), 1);
    }
}
