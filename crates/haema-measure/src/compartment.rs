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
    pub(crate) outside_brain: f64,
    pub(crate) near_bone: f64,
    pub(crate) to_bone_mm: f64,
    pub(crate) mean_to_bone_mm: f64,
    pub(crate) thickness_mm: f64,
    pub(crate) extent_mm: f64,
    pub(crate) volume_ml: f64,
}

/// The compartment and how sure it is.
///
/// Rules of thumb that a reader would use: what fills a ventricle is in it; a collection that lies
/// along the bone is outside the brain, a thin long one under the dura and a short thick one above; what
/// is thin and away from the bone follows the sulci; the rest is in the brain.
pub(crate) fn judge(signs: &Signs) -> (Compartment, f64) {
    if signs.ventricular >= 0.5 {
        return (Compartment::Intraventricular, if signs.ventricular >= 0.7 { 0.9 } else { 0.7 });
    }
    let lies_at_bone = signs.to_bone_mm <= 4.0 && signs.near_bone >= 0.5;
    if lies_at_bone {
        return at_bone(signs);
    }
    if signs.thickness_mm < 5.0 && signs.outside_brain >= 0.25 {
        return (Compartment::Subarachnoid, 0.6);
    }
    if signs.ventricular >= 0.3 && signs.thickness_mm < 9.0 {
        return (Compartment::Undetermined, 0.5);
    }
    let is_deep = signs.mean_to_bone_mm > 12.0;
    (Compartment::Intraparenchymal, if is_deep { 0.9 } else { 0.7 })
}

fn at_bone(signs: &Signs) -> (Compartment, f64) {
    let slenderness = signs.extent_mm / signs.thickness_mm.max(0.5);
    match () {
        () if signs.volume_ml < 1.0 && signs.thickness_mm < 4.0 => (Compartment::Subarachnoid, 0.5),
        () if slenderness >= 9.0 => (Compartment::Subdural, 0.8),
        () if slenderness >= 6.5 => (Compartment::Subdural, 0.55),
        () if signs.thickness_mm >= 7.0 && signs.near_bone < 0.75 => {
            (Compartment::Undetermined, 0.5)
        }
        () => (Compartment::Epidural, 0.5),
    }
}
