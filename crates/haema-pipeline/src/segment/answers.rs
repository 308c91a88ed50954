//! From the mask to what is asked at the bedside.

use std::num::NonZeroUsize;

use haema_measure::{
    ABC2_LEAST_ML, Abc2Width, Lesion, MeasureError, SIGNS_LEAST_ML, Whereabouts, abc2,
    expansion_signs,
};
use haema_volume::{CtVolume, Volume};

use crate::report::{Bedside, Check, Clinical, IchScoreImaging, VolumeInterval, in_brain};

/// A scan and the bleeds in it.
pub(super) struct Found<'a> {
    pub(super) ct: &'a CtVolume,
    /// The bleeds, and the label of each.
    pub(super) labels: &'a Volume<u32>,
    pub(super) lesions: &'a [Lesion],
    pub(super) order: &'a [u32],
}

/// What follows from the mask. Two parts of it are worked out at once where there are two threads.
pub(super) fn clinical(
    found: &Found<'_>,
    whereabouts: Option<&Whereabouts>,
    interval: VolumeInterval,
    threads: NonZeroUsize,
) -> Result<Clinical, MeasureError> {
    let Found { ct, labels, lesions, .. } = found;
    if lesions.is_empty() {
        return Ok(Clinical::without_bleed(interval));
    }
    let by_place = || match whereabouts {
        None => Ok(None),
        Some(places) => places.intraventricular_blood(ct, labels).map(Some),
    };
    let by_mask = || Ok((found.bedside()?, found.signs()?));
    let (places, shape) = if threads.get() == 1 {
        (by_place(), by_mask())
    } else {
        std::thread::scope(|scope| {
            let places = scope.spawn(by_place);
            let shape = by_mask();
            (places.join().expect("measuring does not panic"), shape)
        })
    };
    let (intraventricular, (bedside, expansion_signs)) = (places?, shape?);
    let clinical = Clinical {
        volume_interval: interval,
        bedside,
        // `Whereabouts::midline_shift` was up to 5 mm off on simulated heads: unknown is safer.
        midline_shift: None,
        ich_score_imaging: IchScoreImaging::of(lesions, intraventricular.as_ref()),
        intraventricular,
        expansion_signs,
    };
    Ok(clinical.rounded())
}

impl Found<'_> {
    /// The largest bleed that may lie in the brain itself, and its label.
    fn largest_in_brain(&self, least_ml: f64) -> Option<(&Lesion, u32)> {
        let largest = in_brain(self.lesions).next().filter(|it| it.volume_ml >= least_ml)?;
        let at = self.lesions.iter().position(|lesion| lesion.id == largest.id)?;
        Some((largest, self.order[at]))
    }

    fn bedside(&self) -> Result<Option<Bedside>, MeasureError> {
        let Some((lesion, label)) = self.largest_in_brain(ABC2_LEAST_ML) else { return Ok(None) };
        let alone = self.labels.map(|&found| u8::from(found == label));
        let parts = abc2(&alone, self.ct.grid(), Abc2Width::LongestChord)?;
        Ok(parts.first().map(|part| Bedside::new(lesion.id, *part)))
    }

    fn signs(&self) -> Result<Vec<haema_measure::ExpansionSign>, MeasureError> {
        match self.largest_in_brain(SIGNS_LEAST_ML) {
            Some((_, label)) => expansion_signs(self.ct, self.labels, label),
            None => Ok(Vec::new()),
        }
    }
}

/// More air than this within the brain came through a hole in the skull.
const MOST_AIR_ML: f64 = 0.5;

/// Air where the brain should be: an operation or a fracture.
pub(super) fn post_operative(ct: &CtVolume, whereabouts: Option<&Whereabouts>) -> Check {
    let Some(whereabouts) = whereabouts else {
        return Check::not_checked(
            "post_operative",
            "air within the skull was not looked for: the scan was not laid on the atlas",
        );
    };
    let air_ml = whereabouts.air_in_brain_ml(ct);
    let is_much = air_ml > MOST_AIR_ML;
    let mut found = format!("{air_ml:.1} mL of air where an average brain lies");
    if is_much {
        found +=
            ": an operation or a fracture; what was found beside it may be no spontaneous bleed";
    }
    Check::new("post_operative", is_much, found)
}
