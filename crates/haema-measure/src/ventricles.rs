//! Blood in the ventricles, chamber by chamber, and the scores that readers give it.

use haema_volume::{CtVolume, Locator, Volume};
use serde::{Deserialize, Serialize};

use crate::atlas::{ATLAS_PITCH_MM, Place};
use crate::whereabouts::Whereabouts;
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
    /// # Errors
    ///
    /// [`MeasureError::SizesDiffer`] where the mask is not on the scan's grid.
    pub fn intraventricular_blood(
        &self,
        ct: &CtVolume,
        mask: &Volume<u8>,
    ) -> Result<IntraventricularBlood, MeasureError> {
        check_size(mask.size(), ct.grid())?;
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
            if mask[index] != 0 {
                sums[0] += if is_margin { 0.0 } else { voxel_mm3 };
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
}

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
