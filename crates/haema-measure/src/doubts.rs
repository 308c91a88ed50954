//! Why a part of a mask may be no bleed: what else looks like one, each with what was measured.
//!
//! Nothing is dropped for these reasons: which of them part false from true must be shown on scans that
//! were held aside, for each model anew. They tell a reader where to look first.

use haema_volume::{CtVolume, norm};
use serde::{Deserialize, Serialize};

use crate::lesions::Lesion;
use crate::whereabouts::Whereabouts;

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
/// Blood stands out against the brain beside it; smooth brightening does not, however large it is. Of 30
/// bleeds of 1 mL and more in 34 scans of CT-ICH 7 were as faint, none of them larger than 5.3 mL.
const BRIGHT_HU: f64 = 50.0;
const STEP_HU: f64 = 10.0;
const BRIGHTENING_ML: f64 = 6.0;
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
    let seen = Seen::of(ct, voxels, lesion);
    let mut doubts = Vec::new();
    let mut add = |id, measured: f64, is_doubt: bool, words: [&str; 2]| {
        if is_doubt {
            let [what, rule] = words.map(str::to_owned);
            doubts.push(Doubt { id, measured, what, rule });
        }
    };
    let ml = lesion.volume_ml;
    add(DoubtId::TooSmall, ml, ml < SMALL_ML, ["volume, mL", "less than 0.1 mL"]);
    let peak = f64::from(seen.peak_hu);
    let words = ["95th percentile of the density, HU", "more than 100 HU: calcification"];
    add(DoubtId::Calcification, peak, seen.peak_hu > CALCIUM_HU, words);
    let words = ["share within 2 mm of bone on its slice", "half or more, and thin"];
    let is_edge = seen.beside_bone >= BONE_SHARE && seen.thickness_mm < THIN_MM;
    add(DoubtId::BoneEdge, seen.beside_bone, is_edge, words);
    let words = ["share of its surroundings darker than −10 HU", "0.1 or more"];
    add(DoubtId::Streak, seen.beside_streak, seen.beside_streak >= STREAK_SHARE, words);
    if let Some(step) = seen.step_hu(ct, is_own, lesion) {
        let is_smooth = ml >= BRIGHTENING_ML && lesion.mean_hu < BRIGHT_HU && step < STEP_HU;
        let words = [
            "step of the density against the brain 6 mm around, HU",
            "less than 10 HU, with a mean below 50 HU and 6 mL or more: brightening towards bone",
        ];
        add(DoubtId::Brightening, step, is_smooth, words);
    }
    if let Some(whereabouts) = whereabouts.filter(|_| seen.thickness_mm < THIN_MM) {
        let [falx, tentorium] = seen.sheets(ct, whereabouts);
        let words = ["share within 4 mm of the middle of the head", "0.7 or more, and thin"];
        add(DoubtId::Falx, falx, falx >= SHEET_SHARE, words);
        let words = ["share within 4 mm of the border of the cerebellum", "0.7 or more, and thin"];
        add(DoubtId::Tentorium, tentorium, tentorium >= SHEET_SHARE, words);
    }
    doubts
}

/// What is looked up of a bleed.
struct Seen {
    voxels: Vec<[usize; 3]>,
    peak_hu: f32,
    beside_bone: f64,
    beside_streak: f64,
    thickness_mm: f64,
}

/// More voxels than these are looked at one in two, in three, …
const MOST_LOOKED_AT: usize = 4000;

impl Seen {
    fn of(ct: &CtVolume, all: &[[u32; 3]], lesion: &Lesion) -> Self {
        let step = all.len().div_ceil(MOST_LOOKED_AT).max(1);
        let voxels: Vec<[usize; 3]> =
            all.iter().step_by(step).map(|index| index.map(|i| i as usize)).collect();
        let mut hu: Vec<f32> = voxels.iter().map(|&index| ct.voxels_hu()[index]).collect();
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
            peak_hu: hu.get(at).copied().unwrap_or(0.0),
            beside_bone: bone / count,
            beside_streak: dark / f64::max(around, 1.0),
            thickness_mm: lesion.thickness_mm,
            voxels,
        }
    }

    /// How much denser it is than the brain around it; none where there is none.
    fn step_hu(
        &self,
        ct: &CtVolume,
        is_own: &dyn Fn([usize; 3]) -> bool,
        lesion: &Lesion,
    ) -> Option<f64> {
        let around = self.voxels.iter().flat_map(|&index| ring(ct, index, AROUND_MM));
        let (mut sum, mut count) = (0.0, 0.0);
        for index in around.filter(|index| !is_own(*index)) {
            let hu = ct.voxels_hu()[index];
            if BRAIN_HU.contains(&hu) {
                sum += f64::from(hu);
                count += 1.0;
            }
        }
        (count > 0.0).then(|| lesion.mean_hu - sum / count)
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
