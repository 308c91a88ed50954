//! What a reader asks of a bleed: how sure is its volume, what does it press on, may it grow.

use haema_measure::{
    Abc2, Compartment, ExpansionSign, IntraventricularBlood, Lesion, MidlineShift,
};
use serde::{Deserialize, Serialize};

use super::round3;

/// What follows from the mask and is asked for at the bedside. It is measurement, never advice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clinical {
    /// How far the true volume may be from the one that was found.
    pub volume_interval: VolumeInterval,
    /// ABC/2 and its relatives of the largest bleed in the brain.
    pub bedside: Option<Bedside>,
    /// How far the middle of the brain is pushed aside; none where there is no bleed, or it is unknown.
    pub midline_shift: Option<MidlineShift>,
    /// Blood in the ventricles; none where there is no bleed, or places are unknown.
    pub intraventricular: Option<IntraventricularBlood>,
    /// The part of the ICH score that images show; none where there is no bleed.
    pub ich_score_imaging: Option<IchScoreImaging>,
    /// Signs that the largest bleed in the brain may grow.
    pub expansion_signs: Vec<ExpansionSign>,
}

impl Clinical {
    /// Where there is no bleed: only the volume has an interval.
    pub(crate) fn without_bleed(volume_interval: VolumeInterval) -> Self {
        Self {
            volume_interval,
            bedside: None,
            midline_shift: None,
            intraventricular: None,
            ich_score_imaging: None,
            expansion_signs: Vec::new(),
        }
    }

    /// As it goes into a file for people.
    pub(crate) fn rounded(mut self) -> Self {
        if let Some(bedside) = &mut self.bedside {
            bedside.abc2 = rounded_abc2(&bedside.abc2);
        }
        if let Some(shift) = &mut self.midline_shift {
            shift.shift_mm = round3(shift.shift_mm);
            shift.volume_ml = round3(shift.volume_ml);
            shift.agreement = round3(shift.agreement);
        }
        if let Some(ivh) = &mut self.intraventricular {
            ivh.volume_ml = round3(ivh.volume_ml);
            for chamber in &mut ivh.chambers {
                chamber.blood_ml = round3(chamber.blood_ml);
                chamber.filled = round3(chamber.filled);
            }
        }
        for sign in &mut self.expansion_signs {
            sign.measured = sign.measured.map(round3);
        }
        self
    }
}

fn rounded_abc2(abc2: &Abc2) -> Abc2 {
    let mut rounded = *abc2;
    let volumes = &mut rounded.volumes;
    for value in [
        &mut rounded.a_mm,
        &mut rounded.b_mm,
        &mut rounded.c_mm,
        &mut rounded.c_weighted_mm,
        &mut rounded.solidity,
        &mut volumes.simple_ml,
        &mut volumes.weighted_ml,
        &mut volumes.tada_ml,
        &mut volumes.abc3_ml,
        &mut volumes.two_thirds_sh_ml,
        &mut volumes.xyz2_ml,
        &mut volumes.planimetry_ml,
    ] {
        *value = round3(*value);
    }
    rounded
}

/// Where the true volume lies in nine scans of ten that are like this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeInterval {
    /// The share of scans for which it holds: 0.9.
    pub coverage: f64,
    /// Its lower end; none where the interval is unknown.
    pub lower_ml: Option<f64>,
    /// Its upper end.
    pub upper_ml: Option<f64>,
    /// Chances that the true volume is above the usual gates; empty where they are unknown.
    pub chances: Vec<AboveGate>,
    /// The scans that it was learnt from: of this size and slice thickness, where there were enough.
    pub learnt_from: Option<String>,
    /// Why it is unknown, where it is.
    pub unknown_because: Option<String>,
}

/// The chance that a volume is above a gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AboveGate {
    /// The gate.
    pub above_ml: f64,
    /// The chance, 0 to 1.
    pub probability: f64,
}

/// The bedside estimates of a bleed, and why they differ from its volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bedside {
    /// The bleed's number in the table of lesions.
    pub lesion: u32,
    /// Diameters and estimates.
    pub abc2: Abc2,
    /// Why the usual estimate differs from the sum over slices.
    pub reason: String,
}

impl Bedside {
    pub(crate) fn new(lesion: u32, abc2: Abc2) -> Self {
        let percent = 100.0 * (abc2.volumes.simple_ml / abc2.volumes.planimetry_ml - 1.0);
        let weighted = 100.0 * (abc2.volumes.weighted_ml / abc2.volumes.planimetry_ml - 1.0);
        let shape = if abc2.is_irregular() {
            format!(
                "the outline is irregular (it fills {:.0} % of its hull), so that diameters span more \
                 than is there",
                100.0 * abc2.solidity
            )
        } else if percent.abs() <= 10.0 {
            "the bleed is nearly an ellipsoid".to_owned()
        } else {
            let way = if percent > 0.0 { "tapers faster" } else { "tapers less" };
            format!("the outline is smooth, but the bleed {way} than an ellipsoid")
        };
        let reason = format!(
            "A·B·C/2 is {percent:+.0} %: {shape}. Weighted slices give {weighted:+.0} %: outer slices \
             count half or nothing"
        );
        Self { lesion, abc2, reason }
    }
}

/// The part of the ICH score that a scan shows, 3 points of 6. The Glasgow coma scale (0 to 2) and age of
/// 80 and more (1) are for the reader to add.
///
/// # Source
///
/// Hemphill et al., _Stroke_ 32:891–897, 2001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IchScoreImaging {
    /// 30 mL or more in the brain: 1 point.
    pub is_30_ml: bool,
    /// Blood in the ventricles: 1 point; none where places are unknown.
    pub is_intraventricular: Option<bool>,
    /// The largest bleed lies below the tentorium: 1 point; none where its place is unknown.
    pub is_infratentorial: Option<bool>,
    /// Their sum; none where a part is unknown.
    pub points: Option<u8>,
}

/// Less blood in the ventricles is the edge of a bleed beside them.
pub(crate) const LEAST_IVH_ML: f64 = 0.1;

impl IchScoreImaging {
    pub(crate) fn of(lesions: &[Lesion], ivh: Option<&IntraventricularBlood>) -> Option<Self> {
        let largest = in_brain(lesions).next()?;
        let ml: f64 = in_brain(lesions).map(|lesion| lesion.volume_ml).sum();
        let place = largest.location.as_ref().and_then(|location| location.place);
        let is_30_ml = ml >= 30.0;
        let is_intraventricular = ivh.map(|ivh| ivh.volume_ml >= LEAST_IVH_ML);
        let is_infratentorial = place.map(haema_measure::Place::is_infratentorial);
        let points = is_intraventricular
            .zip(is_infratentorial)
            .map(|(ivh, below)| u8::from(is_30_ml) + u8::from(ivh) + u8::from(below));
        Some(Self { is_30_ml, is_intraventricular, is_infratentorial, points })
    }
}

/// The bleeds that may lie in the brain itself: all but those that surely lie about it or in a ventricle.
pub(crate) fn in_brain(lesions: &[Lesion]) -> impl Iterator<Item = &Lesion> {
    lesions.iter().filter(|lesion| {
        lesion.location.as_ref().is_none_or(|location| {
            matches!(
                location.compartment,
                Compartment::Intraparenchymal | Compartment::Undetermined
            )
        })
    })
}
