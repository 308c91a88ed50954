//! What holds a bleed: brain, ventricle, or one of the spaces around the brain.

use serde::{Deserialize, Serialize};

/// The compartments of the head that bleeds are named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compartment {
    /// In the brain.
    Intraparenchymal,
    /// In the ventricles.
    Intraventricular,
    /// In the fluid on the brain's surface.
    Subarachnoid,
    /// Between dura and brain.
    Subdural,
    /// Between skull and dura.
    Epidural,
    /// The signs contradict each other.
    Undetermined,
}

impl Compartment {
    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intraparenchymal => "intraparenchymal",
            Self::Intraventricular => "intraventricular",
            Self::Subarachnoid => "subarachnoid",
            Self::Subdural => "subdural",
            Self::Epidural => "epidural",
            Self::Undetermined => "undetermined",
        }
    }
}

/// What is seen of a bleed, shares of its volume from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signs {
    pub(crate) ventricular: f64,
    /// In or close to a ventricle of the atlas.
    pub(crate) near_ventricle: f64,
    /// Share of what lies around it that is fluid of a ventricle.
    pub(crate) fluid_beside: f64,
    /// Whether a part of it lies in a ventricle of the atlas, or fluid of one beside it.
    pub(crate) touches_ventricle: bool,
    pub(crate) outside_brain: f64,
    pub(crate) near_bone: f64,
    pub(crate) to_bone_mm: f64,
    pub(crate) mean_to_bone_mm: f64,
    pub(crate) thickness_mm: f64,
    pub(crate) extent_mm: f64,
    pub(crate) volume_ml: f64,
}

/// Nine in ten that are called so are so.
const LIKELY: f64 = 0.85;
/// The nearest other compartment shows the same signs now and then.
const POSSIBLE: f64 = 0.55;
/// A ball has 3, a bleed in the brain up to 7.5; what fills clefts, sulci or ventricles has more.
const COMPACT: f64 = 7.6;
/// Lenses under the bone have from 8 to 15, sheets under the dura more.
const LENS: f64 = 8.0;
const LONG_LENS: f64 = 14.0;
const SHEET: f64 = 18.0;
/// Found masks of lenses look like sheets up to here, and no sheet below 10 mL is told from them.
const LONG_SHEET: f64 = 20.0;
const LARGE_ML: f64 = 10.0;
/// A clot that fills a horn of a ventricle is as compact as one of the brain, and no larger than this.
const HORN_ML: f64 = 5.0;
/// Twice the volume over the surface of what lies in sulci is less.
const THIN_MM: f64 = 3.0;
/// Below this volume the shape says little.
const SMALL_ML: f64 = 1.0;

/// The compartment and how sure it is.
///
/// Rules of thumb that a reader would use: what fills a ventricle is in it; a sheet along the bone is
/// under the dura and a lens above it; what is compact is in the brain; what is thin and branched
/// follows the sulci. Thresholds are those between the sites of simulated bleeds, and what is called
/// likely must also be right for the masks that models find in CT-ICH; where two sites meet, nothing is
/// called likely. No sign tells a lens under the dura from one above it for sure, and none tells a small
/// bleed that touches a ventricle from one in it.
pub(crate) fn judge(signs: &Signs) -> (Compartment, f64) {
    let slenderness = signs.extent_mm / signs.thickness_mm.max(0.5);
    if signs.ventricular >= 0.5 {
        let is_ball = slenderness < 6.0 && signs.volume_ml > SMALL_ML;
        // A speck in a ventricle is the choroid plexus as often as blood.
        let is_speck = signs.volume_ml < 0.5 * SMALL_ML;
        let is_sure =
            signs.ventricular >= 0.7 && signs.near_ventricle >= 0.95 && !is_ball && !is_speck;
        return (Compartment::Intraventricular, if is_sure { LIKELY } else { POSSIBLE });
    }
    let lies_at_bone = signs.near_bone >= 0.5 || (signs.near_bone >= 0.4 && slenderness >= LENS);
    if signs.to_bone_mm <= 4.0 && lies_at_bone {
        return at_bone(signs, slenderness);
    }
    let is_cast = signs.ventricular >= 0.2 && slenderness >= LENS;
    let is_layer = signs.fluid_beside >= 0.15 && signs.ventricular >= 0.05;
    if signs.near_ventricle >= 0.5 && (is_cast || is_layer) {
        return (Compartment::Intraventricular, POSSIBLE);
    }
    if signs.touches_ventricle && signs.volume_ml < HORN_ML {
        return (Compartment::Undetermined, POSSIBLE);
    }
    if slenderness < LENS {
        return compact(signs, slenderness);
    }
    match () {
        () if signs.thickness_mm >= THIN_MM && slenderness < LONG_LENS => {
            (Compartment::Intraparenchymal, POSSIBLE)
        }
        () if signs.thickness_mm >= THIN_MM => (Compartment::Undetermined, POSSIBLE),
        () if signs.outside_brain >= 0.25 || signs.volume_ml < SMALL_ML => {
            (Compartment::Subarachnoid, POSSIBLE)
        }
        () => (Compartment::Undetermined, POSSIBLE),
    }
}

/// What is compact and does not lie along the bone.
fn compact(signs: &Signs, slenderness: f64) -> (Compartment, f64) {
    if signs.volume_ml < 0.5 * SMALL_ML {
        let is_outside = signs.outside_brain >= 0.5;
        let compartment =
            if is_outside { Compartment::Subarachnoid } else { Compartment::Undetermined };
        return (compartment, POSSIBLE);
    }
    let is_sure = slenderness < COMPACT
        && signs.thickness_mm > THIN_MM
        && signs.near_ventricle < 0.5
        && !signs.touches_ventricle
        && signs.outside_brain < 0.25;
    (Compartment::Intraparenchymal, if is_sure { LIKELY } else { POSSIBLE })
}

fn at_bone(signs: &Signs, slenderness: f64) -> (Compartment, f64) {
    let hugs_bone = signs.near_bone >= 0.9 && signs.mean_to_bone_mm <= 3.6;
    match () {
        () if signs.volume_ml < SMALL_ML => (Compartment::Subarachnoid, POSSIBLE),
        () if slenderness >= LONG_SHEET && hugs_bone && signs.volume_ml >= LARGE_ML => {
            (Compartment::Subdural, LIKELY)
        }
        () if slenderness >= SHEET && signs.mean_to_bone_mm <= 5.0 => {
            (Compartment::Subdural, POSSIBLE)
        }
        () if slenderness >= LENS && signs.thickness_mm < THIN_MM => {
            (Compartment::Subarachnoid, POSSIBLE)
        }
        () if (LENS..LONG_LENS).contains(&slenderness) => (Compartment::Epidural, POSSIBLE),
        () if slenderness < LENS && signs.near_bone < 0.75 => {
            (Compartment::Intraparenchymal, POSSIBLE)
        }
        () => (Compartment::Undetermined, POSSIBLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bleed of 10 mL deep in the brain.
    const DEEP: Signs = Signs {
        ventricular: 0.0,
        near_ventricle: 0.1,
        fluid_beside: 0.0,
        touches_ventricle: false,
        outside_brain: 0.0,
        near_bone: 0.0,
        to_bone_mm: 12.0,
        mean_to_bone_mm: 23.0,
        thickness_mm: 5.5,
        extent_mm: 32.0,
        volume_ml: 10.5,
    };

    fn is_likely(signs: &Signs) -> (Compartment, bool) {
        let (compartment, confidence) = judge(signs);
        (compartment, confidence >= 0.7)
    }

    #[test]
    fn clear_signs_are_called_likely() {
        assert_eq!(is_likely(&DEEP), (Compartment::Intraparenchymal, true));
        let cast = Signs { ventricular: 0.9, near_ventricle: 1.0, extent_mm: 50.0, ..DEEP };
        assert_eq!(is_likely(&cast), (Compartment::Intraventricular, true));
        let sheet = Signs {
            near_bone: 1.0,
            to_bone_mm: 0.0,
            mean_to_bone_mm: 1.5,
            thickness_mm: 2.6,
            extent_mm: 90.0,
            ..DEEP
        };
        assert_eq!(is_likely(&sheet), (Compartment::Subdural, true));
    }

    #[test]
    fn what_touches_a_ventricle_is_never_likely_in_the_brain() {
        let large = Signs { touches_ventricle: true, ..DEEP };
        assert_eq!(is_likely(&large), (Compartment::Intraparenchymal, false));
        // A horn of ctich-080 that is full of blood, as the built-in model marks it.
        let horn = Signs { volume_ml: 2.2, thickness_mm: 3.3, extent_mm: 20.0, ..large };
        assert_eq!(is_likely(&horn), (Compartment::Undetermined, false));
    }

    #[test]
    fn a_speck_in_a_ventricle_and_a_small_sheet_are_not_likely() {
        let plexus = Signs {
            ventricular: 1.0,
            near_ventricle: 1.0,
            touches_ventricle: true,
            thickness_mm: 1.6,
            extent_mm: 10.0,
            volume_ml: 0.4,
            ..DEEP
        };
        assert_eq!(is_likely(&plexus), (Compartment::Intraventricular, false));
        // The epidural of ctich-097, as a model finds it.
        let lens = Signs {
            near_bone: 1.0,
            to_bone_mm: 0.0,
            mean_to_bone_mm: 3.0,
            thickness_mm: 2.5,
            extent_mm: 45.3,
            volume_ml: 4.7,
            ..DEEP
        };
        assert_eq!(is_likely(&lens), (Compartment::Subdural, false));
    }

    #[test]
    fn where_two_compartments_meet_nothing_is_likely() {
        // A lens of 79 mL at the bone, 8 mm thick: above the dura, and not for sure.
        let lens = Signs {
            near_bone: 0.61,
            to_bone_mm: 0.0,
            mean_to_bone_mm: 7.3,
            thickness_mm: 8.2,
            extent_mm: 85.0,
            volume_ml: 79.0,
            ..DEEP
        };
        assert_eq!(is_likely(&lens), (Compartment::Epidural, false));
        // A layer at the bottom of an occipital horn that the atlas has elsewhere.
        let layer = Signs {
            ventricular: 0.1,
            near_ventricle: 0.8,
            fluid_beside: 0.3,
            thickness_mm: 2.5,
            extent_mm: 18.0,
            volume_ml: 1.5,
            ..DEEP
        };
        assert_eq!(is_likely(&layer), (Compartment::Intraventricular, false));
        let speck = Signs { volume_ml: 0.2, thickness_mm: 1.6, extent_mm: 7.0, ..DEEP };
        assert_eq!(is_likely(&speck), (Compartment::Undetermined, false));
    }
}
