//! Whether a bleed has grown from one scan to the next, and how sure that is.

use haema_volume::{Grid, Volume};
use serde::{Deserialize, Serialize};

use crate::ventricles::SMALLEST_IVH_ML;
use crate::{MM3_PER_ML, MeasureError, check_size};

/// The volume of a mask and how far a second measurement of the same bleed would be from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredVolume {
    /// The volume.
    pub volume_ml: f64,
    /// Standard deviation of repeated measurements.
    pub sd_ml: f64,
}

/// How far the outline of a bleed moves between two measurements of it, all of it one way: readers
/// who measured the same bleeds twice had a smallest detectable change of 5.8 mL at best, which is
/// this displacement of the surface of a bleed of 30 mL.
///
/// # Source
///
/// Rodriguez-Luna et al. 2016, as quoted in the project's list of anchors.
const OUTLINE_SD_MM: f64 = 0.45;
/// Faces of voxels have about so many times the area of the smooth surface that they stand for.
const STAIRS: f64 = 1.5;

impl MeasuredVolume {
    /// Measures a mask. Its uncertainty has two parts: the outline may lie a little further out or in,
    /// and what lies between the middles of slices was not seen.
    ///
    /// # Errors
    ///
    /// [`MeasureError::SizesDiffer`] where the mask is not on the grid.
    pub fn of(mask: &Volume<u8>, grid: &Grid) -> Result<Self, MeasureError> {
        check_size(mask.size(), grid)?;
        let [depth, rows, columns] = mask.size();
        let [_, row_mm, column_mm] = grid.spacing_mm();
        let (mut mm3, mut surface_mm2, mut steps_mm6, mut before_mm2) = (0.0, 0.0, 0.0, 0.0);
        for z in 0..depth {
            let plane = mask.plane(z);
            let thickness_mm = grid.slice_thickness_mm(z);
            let count = plane.iter().filter(|&&voxel| voxel != 0).count() as f64;
            let area_mm2 = count * grid.voxel_volume_mm3(z) / thickness_mm;
            mm3 += area_mm2 * thickness_mm;
            let mut edge_mm = 0.0;
            for y in 0..rows {
                for x in 0..columns {
                    let here = plane[y * columns + x] != 0;
                    edge_mm += if here && x == 0 { row_mm } else { 0.0 };
                    edge_mm += if here && y == 0 { column_mm } else { 0.0 };
                    let beside = x + 1 < columns && plane[y * columns + x + 1] != 0;
                    let below = y + 1 < rows && plane[(y + 1) * columns + x] != 0;
                    edge_mm += if here == beside { 0.0 } else { row_mm };
                    edge_mm += if here == below { 0.0 } else { column_mm };
                }
            }
            let step_mm2: f64 = area_mm2 - before_mm2;
            surface_mm2 += edge_mm * thickness_mm + step_mm2.abs() * STAIRS;
            steps_mm6 += (step_mm2 * thickness_mm).powi(2) / 12.0;
            before_mm2 = area_mm2;
        }
        let outline_mm3 = OUTLINE_SD_MM * surface_mm2 / STAIRS;
        let sd_ml = (outline_mm3 * outline_mm3 + steps_mm6).sqrt() / MM3_PER_ML;
        Ok(Self { volume_ml: mm3 / MM3_PER_ML, sd_ml })
    }
}

/// How far a volume that the method measured lies from the truth beyond that, per scan: so much, and this
/// share of the volume. Part of a method's error is the same in both scans of a patient and is not in here.
///
/// Fitted to the built-in model on simulated pairs: `docs/answers`.
const METHOD_SD_ML: f64 = 1.2;
const METHOD_SHARE: f64 = 0.2;

impl MeasuredVolume {
    /// The same volume, where a method drew the mask and not a reader: it misses bleeds and takes other
    /// things for one.
    #[must_use]
    pub fn by_method(self) -> Self {
        let method_ml = METHOD_SD_ML + METHOD_SHARE * self.volume_ml;
        Self { sd_ml: self.sd_ml.hypot(method_ml), ..self }
    }
}

/// What has become of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// At the first scan.
    pub baseline: MeasuredVolume,
    /// At the second.
    pub followup: MeasuredVolume,
    /// The difference.
    pub change_ml: f64,
    /// The difference as a share of the first volume, per cent; none where there was no bleed.
    pub change_percent: Option<f64>,
    /// The difference for each hour between the scans; none where the time is not known.
    pub change_ml_per_h: Option<f64>,
    /// The smallest change of this very pair that is not within the error of measurement, 95 %.
    pub smallest_real_change_ml: f64,
    /// Chance that the bleed has truly grown by 6 mL or more, 0 to 1.
    pub probability_of_6_ml: f64,
    /// Volume in the ventricles at either scan; none where places are not known.
    pub intraventricular_ml: Option<[f64; 2]>,
    /// Every published definition of expansion, and whether it is met.
    pub definitions: Vec<Definition>,
}

/// A definition of expansion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its short name.
    pub id: String,
    /// What it asks for.
    pub rule: String,
    /// Who uses it.
    pub source: String,
    /// Whether it is met; none where it cannot be told.
    pub is_met: Option<bool>,
}

impl Growth {
    /// Compares two measurements.
    ///
    /// * `hours` — between the scans, where that is known.
    /// * `intraventricular_ml` — in the first and second scan, where places are known.
    pub fn between(
        baseline: MeasuredVolume,
        followup: MeasuredVolume,
        hours: Option<f64>,
        intraventricular_ml: Option<[f64; 2]>,
    ) -> Self {
        let change_ml = followup.volume_ml - baseline.volume_ml;
        let sd_ml = baseline.sd_ml.hypot(followup.sd_ml);
        let share = (baseline.volume_ml > 0.0).then(|| change_ml / baseline.volume_ml);
        Self {
            baseline,
            followup,
            change_ml,
            change_percent: share.map(|share| 100.0 * share),
            change_ml_per_h: hours.filter(|hours| *hours > 0.0).map(|hours| change_ml / hours),
            smallest_real_change_ml: 1.96 * sd_ml,
            probability_of_6_ml: normal_above((6.0 - change_ml) / sd_ml.max(1e-6)),
            intraventricular_ml,
            definitions: definitions(change_ml, share, intraventricular_ml),
        }
    }
}

fn definitions(change_ml: f64, share: Option<f64>, ivh: Option<[f64; 2]>) -> Vec<Definition> {
    // A bleed out of nothing has grown by more than any share.
    let grew = |least: f64| share.map_or(change_ml > 0.0, |share| share > least);
    let standard = change_ml >= 6.0 || share.map_or(change_ml > 0.0, |share| share >= 0.33);
    let new_ivh = ivh.map(|[a, b]| a < SMALLEST_IVH_ML && b >= SMALLEST_IVH_ML);
    let more_ivh = ivh.map(|[a, b]| b - a >= 1.0);
    // What is met by volume alone is met, whatever is known of the ventricles.
    let or = |other: Option<bool>| if standard { Some(true) } else { other };
    [
        ("standard", "6 mL or more, or 33 % or more", "PREDICT", Some(standard)),
        (
            "strict",
            "more than 12.5 mL, or more than 33 %",
            "trials",
            Some(change_ml > 12.5 || grew(0.33)),
        ),
        ("6 mL", "6 mL or more", "PREDICT, absolute part", Some(change_ml >= 6.0)),
        ("12.5 mL", "more than 12.5 mL", "trials, absolute part", Some(change_ml > 12.5)),
        ("33 %", "more than 33 %", "Brott 1997, Davis 2006", Some(grew(0.33))),
        (
            "revised, new IVH",
            "standard, or new blood in the ventricles",
            "Yogendrakumar 2019",
            or(new_ivh),
        ),
        (
            "revised, IVH 1 mL",
            "standard, or 1 mL more in the ventricles",
            "Yogendrakumar 2019",
            or(more_ivh),
        ),
    ]
    .map(|(id, rule, source, is_met)| Definition {
        id: id.to_owned(),
        rule: rule.to_owned(),
        source: source.to_owned(),
        is_met,
    })
    .to_vec()
}

/// Chance that a standard normal number is above `z`; error below 1.5e-7.
///
/// # Source
///
/// M. Abramowitz, I. Stegun, _Handbook of Mathematical Functions_, 7.1.26.
fn normal_above(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let tail = 0.5 * series.iter().fold(0.0, |sum, c| (sum + c) * t) * (-x * x).exp();
    if z >= 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    fn measured(volume_ml: f64, sd_ml: f64) -> MeasuredVolume {
        MeasuredVolume { volume_ml, sd_ml }
    }

    fn is_met(growth: &Growth, id: &str) -> Option<bool> {
        growth.definitions.iter().find(|definition| definition.id == id).unwrap().is_met
    }

    #[test]
    fn tails_of_the_normal_distribution_are_those_of_scipy() {
        // scipy.stats.norm.sf
        let golden =
            [(0.0, 0.5), (1.0, 0.158_655_253_9), (1.96, 0.024_997_895_1), (-2.5, 0.993_790_334_7)];
        for (z, wanted) in golden {
            assert!((normal_above(z) - wanted).abs() < 2e-7, "{z}");
        }
    }

    #[test]
    fn what_a_method_measured_is_less_sure_the_more_so_the_larger_it_is() {
        let sd_ml = |volume_ml: f64| measured(volume_ml, 0.9).by_method().sd_ml;

        assert!((sd_ml(0.0) - 1.5).abs() < 1e-9, "of 0.9 and 1.2: {}", sd_ml(0.0));
        assert!((sd_ml(34.0) - 8.0_f64.hypot(0.9)).abs() < 1e-9, "{}", sd_ml(34.0));
        // Growth of 4 mL that a reader would be sure of.
        let [before, now] = [measured(10.0, 0.9), measured(14.0, 0.9)];
        let by_reader = Growth::between(before, now, None, None);
        let by_method = Growth::between(before.by_method(), now.by_method(), None, None);
        assert!(by_reader.change_ml > by_reader.smallest_real_change_ml);
        assert!(by_method.change_ml < by_method.smallest_real_change_ml);
    }

    #[test]
    fn growth_is_told_by_every_definition() {
        let growth =
            Growth::between(measured(30.0, 1.5), measured(37.0, 2.0), Some(3.5), Some([0.0, 0.4]));

        assert_eq!(growth.change_ml, 7.0);
        assert_eq!(growth.change_ml_per_h, Some(2.0));
        assert!((growth.smallest_real_change_ml - 4.9).abs() < 1e-9);
        assert!((growth.probability_of_6_ml - 0.655).abs() < 1e-3);
        assert_eq!(is_met(&growth, "standard"), Some(true));
        assert_eq!(is_met(&growth, "33 %"), Some(false));
        assert_eq!(is_met(&growth, "12.5 mL"), Some(false));
        assert_eq!(is_met(&growth, "revised, new IVH"), Some(true));
    }

    #[test]
    fn what_hangs_on_the_ventricles_is_open_where_they_are_not_known() {
        let growth = Growth::between(measured(30.0, 1.0), measured(31.0, 1.0), None, None);

        assert_eq!(is_met(&growth, "revised, new IVH"), None);
        assert_eq!(is_met(&growth, "standard"), Some(false));
        assert_eq!(growth.change_ml_per_h, None);
    }

    #[test]
    fn a_new_bleed_has_no_percentage_and_meets_what_asks_for_one() {
        let growth = Growth::between(measured(0.0, 0.0), measured(2.0, 0.3), None, None);

        assert_eq!(growth.change_percent, None);
        assert_eq!(is_met(&growth, "33 %"), Some(true));
        assert_eq!(is_met(&growth, "6 mL"), Some(false));
    }

    #[test]
    fn thick_slices_measure_worse_than_thin_ones() {
        let sd = |slices: usize| {
            let step_mm = 60.0 / slices as f64;
            let affine =
                Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, step_mm], [0.0; 3]);
            let grid = Grid::from_affine([slices, 60, 60], &affine).unwrap();
            let ball = Volume::from_fn(grid.size(), |[z, y, x]| {
                let at = [(z as f64 + 0.5) * step_mm, y as f64 + 0.5, x as f64 + 0.5];
                u8::from(at.iter().map(|mm| (mm - 30.0).powi(2)).sum::<f64>() < 19.3 * 19.3)
            });
            MeasuredVolume::of(&ball, &grid).unwrap()
        };

        assert!((sd(60).volume_ml - 30.0).abs() < 0.5);
        // Two readings of 30 mL differ by 5.8 mL at 95 %: an SD of 2.1 mL.
        assert!((1.8..2.5).contains(&sd(60).sd_ml), "{:?}", sd(60));
        assert!(sd(6).sd_ml > 1.15 * sd(60).sd_ml, "{:?}", sd(6));
        assert_eq!(
            MeasuredVolume::of(
                &Volume::filled([1, 2, 2], 0),
                &Grid::from_affine(
                    [1, 2, 2],
                    &Affine::from_steps(
                        [1.0, 0.0, 0.0],
                        [0.0, 1.0, 0.0],
                        [0.0, 0.0, 1.0],
                        [0.0; 3]
                    )
                )
                .unwrap()
            )
            .unwrap()
            .sd_ml,
            0.0
        );
    }
}
