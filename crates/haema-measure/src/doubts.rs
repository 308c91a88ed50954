//! Why a part of a mask may be no bleed: what else looks like one, each with what was measured.
//!
//! Nothing is dropped for these reasons: which of them part false from true must be shown on scans that
//! were held aside, for each model anew. They tell a reader where to look first.

use haema_volume::{CtVolume, norm};
use serde::{Deserialize, Serialize};

use crate::atlas::Place;
use crate::lesions::Lesion;
use crate::whereabouts::{Location, Whereabouts};

/// A reason to doubt a bleed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doubt {
    /// What it may be instead.
    pub id: DoubtId,
    /// What was measured: see `what`.
    pub measured: f64,
    /// What the figure is, and its unit.
    pub what: String,
    /// From which figure on it is a doubt.
    pub rule: String,
}

/// What looks like a bleed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtId {
    /// Too little to tell from noise.
    TooSmall,
    /// Denser than blood.
    Calcification,
    /// Bone that fills a voxel in part.
    BoneEdge,
    /// The falx, or the sinus in it.
    Falx,
    /// The tentorium.
    Tentorium,
    /// Streaks beside bone or metal.
    Streak,
    /// Brain that brightens smoothly, as beam hardening makes it under the vertex and along the base.
    Brightening,
    /// The choroid plexus, which is as dense as blood.
    ChoroidPlexus,
}

/// Raters do not agree on less.
const SMALL_ML: f64 = 0.1;
/// Clots have 90 HU at most, 100 with a high hematocrit.
const CALCIUM_HU: f32 = 100.0;
/// Bone, and the edge of it.
const BONE_HU: f32 = 250.0;
/// Fluid is no darker than this, fat and streaks are.
const STREAK_HU: f32 = -10.0;
const AIR_HU: f32 = -150.0;
/// Bone edges and streaks lie this near.
const BESIDE_BONE_MM: f64 = 2.0;
const BESIDE_STREAK_MM: f64 = 6.0;
/// Shares from which a reason is told.
const BONE_SHARE: f64 = 0.5;
const STREAK_SHARE: f64 = 0.1;
const SHEET_SHARE: f64 = 0.7;
/// Blood stands out against the brain around it and has a border; smooth brightening has neither. Of the
/// bleeds of 6 mL and more in CT-ICH, drawn or found, those with a step below 13 HU have a border of 7 HU
/// or more, and those with a border below 6 HU a step of 15 HU or more.
const STEP_HU: f64 = 13.0;
const BORDER_HU: f64 = 6.0;
const BRIGHTENING_ML: f64 = 6.0;
/// Bone blurs into what lies this near.
const CLEAR_OF_BONE_MM: [f64; 2] = [1.5, 3.0];
/// As far across the border of a part it is compared with the brain.
const BORDER_MM: f64 = 2.0;
/// The choroid plexus lies wholly in a lateral ventricle, and is no larger.
const PLEXUS_SHARE: f64 = 0.8;
const PLEXUS_ML: f64 = 0.5;
/// Beyond the blurred edge of a bleed, and what is brain there.
const AROUND_MM: f64 = 6.0;
const BRAIN_HU: std::ops::RangeInclusive<f32> = 5.0..=70.0;
/// The falx of an atlas that was laid on by its bones lies this near to the middle, the tentorium to the
/// border between cerebellum and cerebrum.
const SHEET_MM: f64 = 4.0;
/// Twice the volume over the surface: falx and tentorium are thinner, clots are thicker.
const THIN_MM: f64 = 4.5;

/// The reasons to doubt a bleed, from its voxels `[z, y, x]`.
///
/// * `is_own` — whether a voxel belongs to it.
pub(crate) fn doubts(
    (ct, is_own): (&CtVolume, &dyn Fn([usize; 3]) -> bool),
    voxels: &[[u32; 3]],
    lesion: &Lesion,
    whereabouts: Option<&Whereabouts>,
) -> Vec<Doubt> {
    let seen = Seen::of((ct, is_own), voxels, lesion);
    let mut doubts = Vec::new();
    let mut add = |id, measured: f64, is_doubt: bool, words: [&str; 2]| {
        if is_doubt {
            let [what, rule] = words.map(str::to_owned);
            doubts.push(Doubt { id, measured, what, rule });
        }
    };
    let ml = lesion.volume_ml;
    add(DoubtId::TooSmall, ml, ml < SMALL_ML, ["volume, mL", "less than 0.1 mL"]);
    if let Some(peak) = seen.peak_hu {
        let words = ["95th percentile of the density, HU", "more than 100 HU: calcification"];
        add(DoubtId::Calcification, f64::from(peak), peak > CALCIUM_HU, words);
    }
    let words = ["share within 2 mm of bone on its slice", "half or more, and thin"];
    let is_edge = seen.beside_bone >= BONE_SHARE && seen.thickness_mm < THIN_MM;
    add(DoubtId::BoneEdge, seen.beside_bone, is_edge, words);
    let words = ["share of its surroundings darker than −10 HU", "0.1 or more"];
    add(DoubtId::Streak, seen.beside_streak, seen.beside_streak >= STREAK_SHARE, words);
    let steps = (ml >= BRIGHTENING_ML).then(|| seen.steps(ct, is_own)).flatten();
    if let Some(steps) = steps {
        let is_smooth = steps.around_hu < STEP_HU && steps.border_hu < BORDER_HU;
        let words = [
            "step of the density across its border, HU",
            "less than 6 HU, and less than 13 HU against the brain 6 mm around: brightening towards bone",
        ];
        add(DoubtId::Brightening, steps.border_hu, is_smooth, words);
    }
    let in_lateral = lesion.location.as_ref().map_or(0.0, lateral_share);
    let words = ["share in a lateral ventricle", "0.8 or more, of a part of 0.5 mL at most"];
    let is_plexus = in_lateral >= PLEXUS_SHARE && ml <= PLEXUS_ML;
    add(DoubtId::ChoroidPlexus, in_lateral, is_plexus, words);
    if let Some(whereabouts) = whereabouts.filter(|_| seen.thickness_mm < THIN_MM) {
        let [falx, tentorium] = seen.sheets(ct, whereabouts);
        let words = ["share within 4 mm of the middle of the head", "0.7 or more, and thin"];
        add(DoubtId::Falx, falx, falx >= SHEET_SHARE, words);
        let words = ["share within 4 mm of the border of the cerebellum", "0.7 or more, and thin"];
        add(DoubtId::Tentorium, tentorium, tentorium >= SHEET_SHARE, words);
    }
    doubts
}

/// What of a bleed the atlas has in the lateral ventricles.
fn lateral_share(location: &Location) -> f64 {
    let shares = location.shares.iter();
    shares.filter(|share| share.place == Place::LateralVentricle).map(|share| share.share).sum()
}

/// How much denser a part is than the brain around it, and than that right across its border. What bone
/// blurs into is left out on both sides.
struct Steps {
    around_hu: f64,
    border_hu: f64,
}

/// The mean of what is added.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.count += 1.0;
    }

    fn get(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// What is looked up of a bleed.
struct Seen {
    voxels: Vec<[usize; 3]>,
    /// The 95th percentile of what bone does not blur into; none where there is nothing of that.
    peak_hu: Option<f32>,
    beside_bone: f64,
    beside_streak: f64,
    thickness_mm: f64,
}

/// More voxels than these are looked at one in two, in three, …
const MOST_LOOKED_AT: usize = 4000;

impl Seen {
    fn of(
        (ct, is_own): (&CtVolume, &dyn Fn([usize; 3]) -> bool),
        all: &[[u32; 3]],
        lesion: &Lesion,
    ) -> Self {
        let step = all.len().div_ceil(MOST_LOOKED_AT).max(1);
        let voxels: Vec<[usize; 3]> =
            all.iter().step_by(step).map(|index| index.map(|i| i as usize)).collect();
        // A calcification may be as dense as bone, and then is a part of its own.
        let is_clear = |index: &&[usize; 3]| is_clear_of_bone(ct, is_own, **index);
        let mut hu: Vec<f32> =
            voxels.iter().filter(is_clear).map(|&index| ct.voxels_hu()[index]).collect();
        hu.sort_by(f32::total_cmp);
        let at = hu.len() * 95 / 100;
        let (mut bone, mut dark, mut around) = (0.0, 0.0, 0.0);
        for &index in &voxels {
            let (mut near_bone, mut seen_dark, mut seen) = (false, 0.0, 0.0);
            let hu_at = |index: [usize; 3]| ct.voxels_hu()[index];
            for hu in ring(ct, index, BESIDE_BONE_MM).map(hu_at) {
                near_bone |= hu > BONE_HU;
            }
            for hu in ring(ct, index, BESIDE_STREAK_MM).map(hu_at) {
                seen += 1.0;
                seen_dark += f64::from(u8::from((AIR_HU..STREAK_HU).contains(&hu)));
            }
            bone += f64::from(u8::from(near_bone));
            dark += seen_dark;
            around += seen;
        }
        let count = voxels.len().max(1) as f64;
        Self {
            peak_hu: hu.get(at).copied(),
            beside_bone: bone / count,
            beside_streak: dark / f64::max(around, 1.0),
            thickness_mm: lesion.thickness_mm,
            voxels,
        }
    }

    /// How it stands out; none where there is nothing to compare.
    fn steps(&self, ct: &CtVolume, is_own: &dyn Fn([usize; 3]) -> bool) -> Option<Steps> {
        let hu_at = |index: [usize; 3]| ct.voxels_hu()[index];
        let is_brain = |index: &[usize; 3]| {
            !is_own(*index)
                && BRAIN_HU.contains(&hu_at(*index))
                && is_clear_of_bone(ct, &|_| false, *index)
        };
        let (mut all, mut around) = (Mean::default(), Mean::default());
        let (mut inner, mut outer) = (Mean::default(), Mean::default());
        for &index in &self.voxels {
            let hu = hu_at(index);
            for index in ring(ct, index, AROUND_MM).filter(is_brain) {
                around.add(hu_at(index));
            }
            if hu > CALCIUM_HU || !is_clear_of_bone(ct, &|_| false, index) {
                continue;
            }
            all.add(hu);
            let mut is_border = false;
            for index in ring(ct, index, BORDER_MM).filter(is_brain) {
                is_border = true;
                outer.add(hu_at(index));
            }
            if is_border {
                inner.add(hu);
            }
        }
        Some(Steps {
            around_hu: all.get()? - around.get()?,
            border_hu: inner.get()? - outer.get()?,
        })
    }

    /// Shares at the falx and at the tentorium.
    fn sheets(&self, ct: &CtVolume, whereabouts: &Whereabouts) -> [f64; 2] {
        let mut counts = [0.0; 2];
        for &[z, y, x] in &self.voxels {
            let point = ct.grid().point_lps_mm(z, y as f64, x as f64);
            let there = whereabouts.atlas_from_scan().apply(point);
            let is_below = |mm: f64| {
                let spot = whereabouts.atlas().spot([there[0], there[1], there[2] + mm]);
                spot.map(|spot| spot.place.is_infratentorial())
            };
            let is_border =
                matches!((is_below(-SHEET_MM), is_below(SHEET_MM)), (Some(true), Some(false)));
            counts[0] += f64::from(u8::from(there[0].abs() <= SHEET_MM));
            counts[1] += f64::from(u8::from(is_border));
        }
        counts.map(|count| count / self.voxels.len().max(1) as f64)
    }
}

/// Whether no bone blurs into a voxel on its slice; what is the part's own is no bone.
fn is_clear_of_bone(ct: &CtVolume, is_own: &dyn Fn([usize; 3]) -> bool, index: [usize; 3]) -> bool {
    let mut near = CLEAR_OF_BONE_MM.into_iter().flat_map(|mm| ring(ct, index, mm));
    !near.any(|index| ct.voxels_hu()[index] > BONE_HU && !is_own(index))
}

/// Eight pixels around a voxel on its slice, as far as there are.
pub(crate) fn ring(
    ct: &CtVolume,
    [z, y, x]: [usize; 3],
    radius_mm: f64,
) -> impl Iterator<Item = [usize; 3]> {
    let grid = ct.grid();
    let pixels = |mm: f64| (radius_mm / mm).round().max(1.0) as isize;
    let (dy, dx) = (pixels(norm(grid.y_step_lps_mm())), pixels(norm(grid.x_step_lps_mm())));
    let [_, rows, columns] = grid.size();
    let steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)];
    steps.into_iter().filter_map(move |(down, right)| {
        let y = y.checked_add_signed(down * dy).filter(|y| *y < rows)?;
        let x = x.checked_add_signed(right * dx).filter(|x| *x < columns)?;
        Some([z, y, x])
    })
}
