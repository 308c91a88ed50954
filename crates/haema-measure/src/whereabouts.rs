//! Where in the head a bleed lies: side, place, compartment, and what it touches.

use std::num::NonZeroUsize;

use haema_volume::{
    CtVolume, Grid, HeadPyramid, Locator, LpsMap, Match, Nearest, RegistrationError, Vec3, Volume,
    add, norm, scale, sub,
};
use serde::{Deserialize, Serialize};

use crate::atlas::{Atlas, BRAIN_STEP_MM, Place, Placement, Spot};
use crate::compartment::{Compartment, Signs, judge};
use crate::{MeasureError, check_size};

/// A head of which it is known what lies where: laid on the atlas, with its bone.
#[derive(Debug)]
pub struct Whereabouts {
    atlas: &'static Atlas,
    placement: Placement,
    bone: Nearest,
    /// So many may look for the nearest bone.
    threads: NonZeroUsize,
}

/// Left and right of the patient, not of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named by its name")]
pub enum Side {
    Left,
    Right,
    Bilateral,
}

/// Where a bleed lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The side that holds 70 % of its volume or more; both, where neither does.
    pub side: Side,
    /// The place of the bleed, by its inner half without ventricles: below the tentorium or in a lobe
    /// where half of that is, deep where a third is; none where nothing reaches that.
    pub place: Option<Place>,
    /// Share of the volume, 0 to 1, by place and side, the largest first.
    pub shares: Vec<Share>,
    /// What holds it; `undetermined` where the signs contradict each other.
    pub compartment: Compartment,
    /// How sure that is, 0 to 1: 0.85 where at least nine in ten of simulated bleeds with these signs were
    /// what they are called, 0.55 where another compartment shows the same signs.
    pub compartment_confidence: f64,
    /// From the nearest part of it to bone.
    pub to_skull_mm: f64,
    /// Whether it reaches the surface of the brain: no more than 3 mm, or a slice's pixel, from bone.
    pub reaches_cortex: bool,
    /// Whether it lies in a ventricle of the atlas, or beside fluid of this scan's own in or near one.
    pub touches_ventricle: bool,
}

/// A part of a bleed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Where.
    pub place: Place,
    /// On which side of the midline.
    pub side: Side,
    /// Share of the bleed's volume, 0 to 1.
    pub share: f64,
}

/// A voxel of a bleed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) point_lps_mm: Vec3,
    pub(crate) mm3: f64,
}

/// Neither fat nor brain beside air is as dark.
const AIR_HU: f32 = -300.0;
/// Bone seems thicker on the 2 mm grid than it is, and distances are taken to its voxels' middles.
const BONE_EDGE_MM: f64 = 1.0;
/// Methods.md E.3 of the specification: what lies nearer to bone reaches the surface of the brain.
const CORTEX_MM: f64 = 3.0;
/// Less than this share on the other side leaves a bleed on its side.
const ONE_SIDED: f64 = 0.7;

impl Whereabouts {
    /// Lays a scan on the built-in atlas.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`] where the scan does not match: then nothing is known of places.
    pub fn of(ct: &CtVolume, threads: NonZeroUsize) -> Result<Self, RegistrationError> {
        Self::of_head(&HeadPyramid::of(ct, threads)?, threads)
    }

    /// The same for a head that is ready.
    ///
    /// # Errors
    ///
    /// As [`Whereabouts::of`].
    pub fn of_head(head: &HeadPyramid, threads: NonZeroUsize) -> Result<Self, RegistrationError> {
        let atlas = Atlas::builtin(threads);
        let placement = atlas.locate(head, threads)?;
        let bone = Nearest::of(head.bone_points_lps_mm());
        Ok(Self { atlas, placement, bone, threads })
    }

    pub(crate) fn atlas(&self) -> &'static Atlas {
        self.atlas
    }

    /// Where in the atlas a point of the scan lies.
    pub(crate) fn atlas_from_scan(&self) -> &LpsMap {
        &self.placement.atlas_from_scan
    }

    /// Where in the scan a point of the atlas lies.
    pub(crate) fn scan_from_atlas(&self) -> LpsMap {
        self.atlas_from_scan().inverse().expect("a map whose stretches were checked has a way back")
    }

    /// How well the scan matches the atlas.
    pub fn quality(&self) -> Match {
        self.placement.quality
    }

    /// Air where the atlas has brain, well within it, mL.
    pub fn air_in_brain_ml(&self, ct: &CtVolume) -> f64 {
        let scan_from_atlas = self.scan_from_atlas();
        let locator = Locator::of(ct.grid());
        let points = self.atlas.brain_points();
        let is_air = |point: &&Vec3| {
            let index = locator.nearest(scan_from_atlas.apply(**point));
            index.is_some_and(|index| ct.voxels_hu()[index] < AIR_HU)
        };
        let air = points.iter().filter(is_air).count() as f64;
        let stretch: f64 = scan_from_atlas.stretches().iter().product();
        air * BRAIN_STEP_MM.powi(3) * stretch / crate::MM3_PER_ML
    }

    /// What the atlas has at a point of the scan, and whether that is on the patient's left.
    pub fn spot(&self, point_lps_mm: Vec3) -> (Option<Spot>, bool) {
        let there = self.placement.atlas_from_scan.apply(point_lps_mm);
        (self.atlas.spot(there), there[0] > 0.0)
    }

    /// What of a mask lies in the ventricles of the atlas, mL.
    ///
    /// * `here_from_mask` — from the mask's scan to the one that was laid on the atlas.
    ///
    /// # Errors
    ///
    /// [`MeasureError::SizesDiffer`] where the mask is not on its grid.
    pub fn ventricular_ml(
        &self,
        mask: &Volume<u8>,
        grid: &Grid,
        here_from_mask: &LpsMap,
    ) -> Result<f64, MeasureError> {
        check_size(mask.size(), grid)?;
        let columns = grid.size()[2];
        let mut mm3 = 0.0;
        for z in 0..grid.size()[0] {
            for (offset, _) in mask.plane(z).iter().enumerate().filter(|(_, voxel)| **voxel != 0) {
                let [y, x] = [(offset / columns) as f64, (offset % columns) as f64];
                let (spot, _) = self.spot(here_from_mask.apply(grid.point_lps_mm(z, y, x)));
                if spot.is_some_and(|spot| spot.place.is_ventricle()) {
                    mm3 += grid.voxel_volume_mm3(z);
                }
            }
        }
        Ok(mm3 / crate::MM3_PER_ML)
    }

    /// Where a bleed lies, from its voxels, of which there is at least one.
    ///
    /// * `pixel_mm` — the longer side of a pixel.
    pub(crate) fn location(&self, parts: &[Part], pixel_mm: f64, signs: Shape) -> Location {
        let mut found = Found::default();
        let all_mm3: f64 = parts.iter().map(|part| part.mm3).sum();
        let middle = parts
            .iter()
            .fold([0.0; 3], |sum, part| add(sum, scale(part.point_lps_mm, part.mm3 / all_mm3)));
        let mut to_middle: Vec<f64> =
            parts.iter().map(|part| norm(sub(part.point_lps_mm, middle))).collect();
        let half_way = to_middle.len() / 2;
        let core_mm = *to_middle.select_nth_unstable_by(half_way, f64::total_cmp).1;
        let places_mm: Vec<Vec3> = parts.iter().map(|part| part.point_lps_mm).collect();
        let to_bone_mm = self.bone.distances_mm(&places_mm, self.threads);
        for (part, to_bone_mm) in parts.iter().zip(to_bone_mm) {
            let is_core = norm(sub(part.point_lps_mm, middle)) <= core_mm;
            self.see(&mut found, part, (to_bone_mm - BONE_EDGE_MM).max(0.0), is_core);
        }
        let share = |mm3: f64| mm3 / all_mm3;
        let left = share(found.left_mm3);
        let side = match left {
            _ if left >= ONE_SIDED => Side::Left,
            _ if left <= 1.0 - ONE_SIDED => Side::Right,
            _ => Side::Bilateral,
        };
        let ventricular = share(found.ventricle_mm3);
        let touches_ventricle = found.ventricle_mm3 > 0.0 || signs.fluid_beside >= TOUCHING_FLUID;
        let (compartment, compartment_confidence) = judge(&Signs {
            ventricular,
            near_ventricle: share(found.near_ventricle_mm3),
            fluid_beside: signs.fluid_beside,
            touches_ventricle,
            outside_brain: share(found.outside_mm3),
            near_bone: share(found.near_bone_mm3),
            to_bone_mm: found.nearest_mm,
            mean_to_bone_mm: found.to_bone_mm4 / all_mm3,
            thickness_mm: signs.thickness_mm,
            extent_mm: signs.extent_mm,
            volume_ml: all_mm3 / crate::MM3_PER_ML,
        });
        Location {
            side,
            place: found.place(ventricular),
            shares: found.shares(all_mm3),
            compartment,
            compartment_confidence,
            to_skull_mm: found.nearest_mm,
            reaches_cortex: found.nearest_mm <= CORTEX_MM.max(pixel_mm),
            touches_ventricle,
        }
    }

    /// Where a point of the scan lies from the ventricles of the atlas.
    pub(crate) fn to_ventricle(&self, point_lps_mm: Vec3) -> ToVentricle {
        let there = self.atlas_from_scan().apply(point_lps_mm);
        let is_ventricle =
            |point: Vec3| self.atlas.spot(point).is_some_and(|spot| spot.place.is_ventricle());
        if is_ventricle(there) {
            return ToVentricle::Within;
        }
        let is_near = (0..3).any(|axis| {
            [-NEAR_VENTRICLE_MM, NEAR_VENTRICLE_MM].into_iter().any(|mm| {
                let mut beside = there;
                beside[axis] += mm;
                is_ventricle(beside)
            })
        });
        if is_near { ToVentricle::Near } else { ToVentricle::Away }
    }

    fn see(&self, found: &mut Found, part: &Part, to_bone_mm: f64, is_core: bool) {
        let (spot, is_left) = self.spot(part.point_lps_mm);
        found.nearest_mm = found.nearest_mm.min(to_bone_mm);
        found.to_bone_mm4 += to_bone_mm.min(FAR_MM) * part.mm3;
        found.near_bone_mm3 += if to_bone_mm < NEAR_BONE_MM { part.mm3 } else { 0.0 };
        found.left_mm3 += if is_left { part.mm3 } else { 0.0 };
        let Some(spot) = spot else {
            found.outside_mm3 += part.mm3;
            return;
        };
        found.outside_mm3 += if spot.is_outside_brain { part.mm3 } else { 0.0 };
        match self.to_ventricle(part.point_lps_mm) {
            ToVentricle::Within => {
                found.ventricle_mm3 += part.mm3;
                found.near_ventricle_mm3 += part.mm3;
            }
            ToVentricle::Near => found.near_ventricle_mm3 += part.mm3,
            ToVentricle::Away => {}
        }
        let side = if is_left { Side::Left } else { Side::Right };
        found.add(spot.place, side, part.mm3, is_core);
    }
}

/// How a point lies to the ventricles of the atlas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToVentricle {
    Within,
    /// No more than [`NEAR_VENTRICLE_MM`] from one along an axis.
    Near,
    Away,
}

/// Ventricles of patients lie about so far beside those of an average head.
const NEAR_VENTRICLE_MM: f64 = 4.0;
/// This share of fluid around a bleed is more than noise.
const TOUCHING_FLUID: f64 = 0.05;
/// What lies nearer to bone than this lies at the skull.
const NEAR_BONE_MM: f64 = 8.0;
/// Distances beyond this are all alike.
const FAR_MM: f64 = 60.0;

/// What the shape of a bleed tells about where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Twice its volume over its surface, about.
    pub(crate) thickness_mm: f64,
    /// Its longest side.
    pub(crate) extent_mm: f64,
    /// Share of what lies around it that is fluid in or near a ventricle.
    pub(crate) fluid_beside: f64,
}

/// What is summed up over a bleed.
struct Found {
    left_mm3: f64,
    outside_mm3: f64,
    ventricle_mm3: f64,
    near_ventricle_mm3: f64,
    near_bone_mm3: f64,
    to_bone_mm4: f64,
    nearest_mm: f64,
    /// By place and side: all of it, and the inner half.
    by_place: Vec<(Place, Side, [f64; 2])>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            left_mm3: 0.0,
            outside_mm3: 0.0,
            ventricle_mm3: 0.0,
            near_ventricle_mm3: 0.0,
            near_bone_mm3: 0.0,
            to_bone_mm4: 0.0,
            nearest_mm: f64::INFINITY,
            by_place: Vec::new(),
        }
    }
}

impl Found {
    fn add(&mut self, place: Place, side: Side, mm3: f64, is_core: bool) {
        let core_mm3 = if is_core { mm3 } else { 0.0 };
        match self.by_place.iter_mut().find(|(p, s, _)| (*p, *s) == (place, side)) {
            Some((_, _, sums)) => {
                sums[0] += mm3;
                sums[1] += core_mm3;
            }
            None => self.by_place.push((place, side, [mm3, core_mm3])),
        }
    }

    /// The largest place of the group that holds at least half, ventricles left out unless they hold
    /// nearly all. The inner half of a bleed decides: it began there.
    fn place(&self, ventricular: f64) -> Option<Place> {
        let is_ivh = ventricular >= 0.8;
        let mut sums: Vec<(Place, f64)> = Vec::new();
        for (place, _, [_, core_mm3]) in &self.by_place {
            if place.is_ventricle() != is_ivh {
                continue;
            }
            match sums.iter_mut().find(|(p, _)| p == place) {
                Some((_, sum)) => *sum += core_mm3,
                None => sums.push((*place, *core_mm3)),
            }
        }
        let all: f64 = sums.iter().map(|(_, mm3)| mm3).sum();
        let of_group = |group: Group| -> f64 {
            sums.iter().filter(|(p, _)| Group::of(*p) == group).map(|(_, mm3)| mm3).sum()
        };
        let bars = [
            (Group::Infratentorial, 0.5),
            (Group::Deep, DEEP_SHARE),
            (Group::Lobar, 0.5),
            (Group::Ventricles, 0.5),
        ];
        let is_there = |(group, bar): &(Group, f64)| all > 0.0 && of_group(*group) >= bar * all;
        let (group, _) = bars.into_iter().find(is_there)?;
        let of = sums.iter().filter(|(place, _)| Group::of(*place) == group);
        of.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| *place)
    }

    fn shares(&self, all_mm3: f64) -> Vec<Share> {
        let mut shares: Vec<Share> = self
            .by_place
            .iter()
            .map(|&(place, side, [mm3, _])| Share { place, side, share: mm3 / all_mm3 })
            .filter(|share| share.share >= SMALLEST_SHARE)
            .collect();
        shares.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.place.cmp(&b.place)));
        shares
    }
}

/// A bleed of the deep nuclei soon is larger than they are: this share of its core makes it deep.
const DEEP_SHARE: f64 = 0.35;

/// Shares below this are the edge of the atlas, not of the bleed.
const SMALLEST_SHARE: f64 = 0.02;

/// Where bleeds of one kind begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Infratentorial,
    Deep,
    Lobar,
    Ventricles,
}

impl Group {
    fn of(place: Place) -> Self {
        match place {
            Place::Brainstem | Place::Cerebellum => Self::Infratentorial,
            Place::BasalGanglia | Place::Thalamus => Self::Deep,
            place if place.is_ventricle() => Self::Ventricles,
            _ => Self::Lobar,
        }
    }
}
