//! How much a whole scan looks as if it had a bleed.

use std::num::NonZeroUsize;

use haema_measure::{DoubtId, Lesion, MeasureError, Whereabouts, labelled_lesions};
use haema_methods::MaskRule;
use haema_volume::{Components, Connectivity, CtVolume, Grid, Volume};

/// Voxels above this probability hang together as one part, which is doubted or not.
const SUSPECT: f32 = 0.2;
/// A scan counts as suspect as its most suspect voxels of this volume.
const SUSPECT_MM3: f64 = 200.0;
/// Voxels below do not change the score.
const NEGLIGIBLE: f32 = 0.01;

/// The scan on the atlas, where anything in it is suspect or in the mask; otherwise why it is not laid
/// there.
pub(crate) fn places(
    ct: &CtVolume,
    probability: &Volume<f32>,
    (rule, threads): (MaskRule, NonZeroUsize),
) -> Result<Whereabouts, String> {
    let least = rule.threshold.min(SUSPECT);
    if !probability.as_slice().iter().any(|&p| p > least) {
        return Err("there is no bleed to be placed".to_owned());
    }
    Whereabouts::of(ct, threads).map_err(|error| error.to_string())
}

/// The mean probability of the most suspect 0.2 mL, in 0..=1, without the parts that something else
/// explains: the falx, the tentorium, the choroid plexus, an edge of bone, a streak, smooth brightening.
///
/// No mask is changed by it. What is denser than blood counts: clots beside bone are.
///
/// # Source
///
/// `docs/built-in-model`: on patients that the model had not seen none of 25 true bleeds was explained so, and
/// 17 of 28 false ones were.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the probability is not on the scan's grid.
pub(crate) fn score(
    ct: &CtVolume,
    probability: &Volume<f32>,
    places: Option<&Whereabouts>,
) -> Result<f64, MeasureError> {
    let suspect = probability.map(|&p| u8::from(p > SUSPECT));
    let parts = Components::of(&suspect, Connectivity::Corners);
    let (lesions, labels) = labelled_lesions(parts.labels(), ct, places)?;
    let mut is_explained = vec![false; labels.len() + 1];
    for (lesion, &label) in lesions.iter().zip(&labels) {
        is_explained[label as usize] = is_explained_otherwise(lesion);
    }
    let counts = |label: u32| !is_explained[label as usize];
    Ok(highest_mean(probability, ct.grid(), |offset| counts(parts.labels().as_slice()[offset])))
}

/// Whether something else than a bleed explains a part.
pub(crate) fn is_explained_otherwise(lesion: &Lesion) -> bool {
    lesion.doubts.iter().any(|doubt| match doubt.id {
        DoubtId::Falx
        | DoubtId::Tentorium
        | DoubtId::ChoroidPlexus
        | DoubtId::BoneEdge
        | DoubtId::Streak
        | DoubtId::Brightening => true,
        DoubtId::TooSmall | DoubtId::Calcification => false,
    })
}

/// The mean of the highest probabilities that count, by volume.
fn highest_mean(probability: &Volume<f32>, grid: &Grid, counts: impl Fn(usize) -> bool) -> f64 {
    let mut highest: Vec<(f32, f64)> = Vec::new();
    let plane = probability.size()[1] * probability.size()[2];
    for z in 0..probability.size()[0] {
        let voxel_mm3 = grid.voxel_volume_mm3(z);
        for (i, &p) in probability.plane(z).iter().enumerate().filter(|(_, p)| **p > NEGLIGIBLE) {
            if counts(z * plane + i) {
                highest.push((p, voxel_mm3));
            }
        }
    }
    highest.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let (mut sum, mut left_mm3) = (0.0, SUSPECT_MM3);
    for (p, voxel_mm3) in highest {
        let taken_mm3 = voxel_mm3.min(left_mm3);
        sum += f64::from(p) * taken_mm3;
        left_mm3 -= taken_mm3;
        if left_mm3 <= 0.0 {
            break;
        }
    }
    sum / SUSPECT_MM3
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    /// 2 × 2 × 25 mm: 100 mm³ a voxel.
    fn scan(probability: &Volume<f32>, hu: impl FnMut([usize; 3]) -> f32) -> CtVolume {
        let affine =
            Affine::from_steps([2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 25.0], [0.0; 3]);
        let size = probability.size();
        let grid = Grid::from_affine(size, &affine).unwrap();
        CtVolume::new(Volume::from_fn(size, hu), grid).unwrap()
    }

    #[test]
    fn the_most_suspect_fifth_of_a_millilitre_counts() {
        let mut probability = Volume::filled([2, 20, 20], 0.0);
        probability[[0, 10, 10]] = 0.9;
        let ct = scan(&probability, |_| 35.0);
        // Half of it is not there.
        assert!((score(&ct, &probability, None).unwrap() - 0.45).abs() < 1e-6);

        probability[[1, 3, 3]] = 0.7;
        probability[[1, 3, 12]] = 0.6;
        assert!((score(&ct, &probability, None).unwrap() - 0.8).abs() < 1e-6);
    }

    #[test]
    fn a_part_that_is_explained_does_not_count() {
        // A bright line along bone: half of its surroundings are bone, and it is thin.
        let mut probability = Volume::filled([1, 20, 20], 0.0);
        for y in 2..18 {
            probability[[0, y, 2]] = 0.9;
        }
        probability[[0, 10, 15]] = 0.5;
        let alike = scan(&probability, |[_, _, x]| if x < 2 { 900.0 } else { 35.0 });
        let plain = scan(&probability, |_| 35.0);

        assert!((score(&plain, &probability, None).unwrap() - 0.9).abs() < 1e-6);
        assert!((score(&alike, &probability, None).unwrap() - 0.25).abs() < 1e-6);
    }

    #[test]
    fn nothing_suspect_is_laid_on_no_atlas() {
        let probability = Volume::filled([1, 4, 4], 0.1);
        let ct = scan(&probability, |_| 35.0);

        let none = places(&ct, &probability, (MaskRule::default(), NonZeroUsize::MIN));

        assert_eq!(none.unwrap_err(), "there is no bleed to be placed");
        assert!((score(&ct, &probability, None).unwrap() - 0.1).abs() < 1e-6);
    }
}
