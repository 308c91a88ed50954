//! haema's own atlas: what lies where in a head, and a scan laid on it.
//!
//! Made from label maps of 20 adults and their mirror images by `examples/make_atlas.rs`; what that
//! takes and leaves is told in `training/atlas/README.md`. Both volumes are NIfTI files that any
//! viewer opens.

use std::io::Read as _;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use haema_volume::{
    Affine, CtVolume, Freedom, Grid, HeadPyramid, Locator, LpsMap, Match, RegistrationError, Vec3,
    Volume, add, register, scale,
};
use serde::{Deserialize, Serialize};

use crate::ventricles::{ChamberName, chamber_of};

/// Voxels of the atlas are cubes.
pub const ATLAS_PITCH_MM: f64 = 2.0;

/// How far apart points of the brain are looked at.
pub(crate) const BRAIN_STEP_MM: f64 = 4.0;

/// A part of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In front of the central sulcus.
    FrontalLobe,
    /// Behind it.
    ParietalLobe,
    /// Below the Sylvian fissure, hippocampus and amygdala with it.
    TemporalLobe,
    /// Behind the parieto-occipital sulcus.
    OccipitalLobe,
    /// Caudate nucleus, putamen, pallidum, accumbens, with the capsules around them.
    BasalGanglia,
    /// Thalamus.
    Thalamus,
    /// Midbrain, pons, medulla.
    Brainstem,
    /// Cerebellum.
    Cerebellum,
    /// Left or right lateral ventricle.
    LateralVentricle,
    /// Third ventricle.
    ThirdVentricle,
    /// Fourth ventricle.
    FourthVentricle,
}

impl Place {
    const ALL: [Self; 11] = [
        Self::FrontalLobe,
        Self::ParietalLobe,
        Self::TemporalLobe,
        Self::OccipitalLobe,
        Self::BasalGanglia,
        Self::Thalamus,
        Self::Brainstem,
        Self::Cerebellum,
        Self::LateralVentricle,
        Self::ThirdVentricle,
        Self::FourthVentricle,
    ];

    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FrontalLobe => "frontal lobe",
            Self::ParietalLobe => "parietal lobe",
            Self::TemporalLobe => "temporal lobe",
            Self::OccipitalLobe => "occipital lobe",
            Self::BasalGanglia => "basal ganglia",
            Self::Thalamus => "thalamus",
            Self::Brainstem => "brainstem",
            Self::Cerebellum => "cerebellum",
            Self::LateralVentricle => "lateral ventricle",
            Self::ThirdVentricle => "third ventricle",
            Self::FourthVentricle => "fourth ventricle",
        }
    }

    /// Whether it is a part of the ventricles.
    pub fn is_ventricle(self) -> bool {
        matches!(self, Self::LateralVentricle | Self::ThirdVentricle | Self::FourthVentricle)
    }

    /// Whether it lies in the midline and has no side of its own.
    pub fn is_unpaired(self) -> bool {
        matches!(self, Self::Brainstem | Self::ThirdVentricle | Self::FourthVentricle)
    }

    /// Whether it lies below the tentorium.
    pub fn is_infratentorial(self) -> bool {
        matches!(self, Self::Brainstem | Self::Cerebellum | Self::FourthVentricle)
    }
}

/// What the atlas has at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The part of the head; outside the brain that which lies nearest.
    pub place: Place,
    /// Whether it is in the fluid between brain and skull.
    pub is_outside_brain: bool,
}

/// In a code, what lies on the patient's right, and what in the fluid around the brain.
const RIGHT: u8 = 32;
const OUTSIDE: u8 = 16;

/// The number in `places.nii.gz` of a place: from 1 in the order of [`Place`], and more on the right
/// and outside the brain. 0 is outside the skull.
pub fn code_of(place: Place, is_right: bool, is_brain: bool) -> u8 {
    let number = place as u8;
    number + 1 + if is_right { RIGHT } else { 0 } + if is_brain { 0 } else { OUTSIDE }
}

fn spot_of(code: u8) -> Option<Spot> {
    let number = usize::from(code & (OUTSIDE - 1)).checked_sub(1)?;
    let place = *Place::ALL.get(number)?;
    Some(Spot { place, is_outside_brain: code & OUTSIDE != 0 })
}

/// Hounsfield units and their code in `template.nii.gz`, linear between: steps of 1 HU in the brain,
/// and room for bone.
const CODES: [(f32, f32); 6] =
    [(-1000.0, 0.0), (-100.0, 30.0), (0.0, 70.0), (80.0, 160.0), (200.0, 200.0), (1300.0, 255.0)];

/// The code of Hounsfield units in `template.nii.gz`.
pub fn grey_code(hu: f32) -> f32 {
    between(hu, CODES.map(|(hu, code)| (hu, code)))
}

/// Hounsfield units of a code in `template.nii.gz`.
pub fn hu_of_code(code: u8) -> f32 {
    between(f32::from(code), CODES.map(|(hu, code)| (code, hu)))
}

fn between(value: f32, line: [(f32, f32); 6]) -> f32 {
    let above = line.partition_point(|&(from, _)| from <= value).clamp(1, line.len() - 1);
    let ((a, low), (b, high)) = (line[above - 1], line[above]);
    low + (high - low) * ((value - a) / (b - a)).clamp(0.0, 1.0)
}

/// The atlas, ready for scans to be laid on.
#[derive(Debug)]
pub struct Atlas {
    template: CtVolume,
    places: Volume<u8>,
    locator: Locator,
    pyramid: HeadPyramid,
    monro_lps_mm: Vec3,
}

impl Atlas {
    /// The built-in atlas, made ready once, by so many threads: it is the same for any number.
    ///
    /// # Panics
    ///
    /// Never: its files are part of the program, and a test opens them.
    pub fn builtin(threads: NonZeroUsize) -> &'static Self {
        static ATLAS: OnceLock<Atlas> = OnceLock::new();
        ATLAS.get_or_init(|| {
            let (codes, grid) = read_own(include_bytes!("../assets/template.nii.gz"));
            let (places, _) = read_own(include_bytes!("../assets/places.nii.gz"));
            let template = CtVolume::new(codes.map(|&code| hu_of_code(code)), grid)
                .expect("the built-in template has the size of its grid");
            let pyramid =
                HeadPyramid::of(&template, threads).expect("the built-in template is a head");
            let locator = Locator::of(template.grid());
            let monro_lps_mm = monro(&places, template.grid());
            Atlas { template, places, locator, pyramid, monro_lps_mm }
        })
    }

    /// The mean head, as a scanner would see it, in voxels of [`ATLAS_PITCH_MM`]. Its left half mirrors
    /// the right one about `x = 0`.
    pub fn template(&self) -> &CtVolume {
        &self.template
    }

    /// The codes of all places, on the template's grid.
    pub fn places(&self) -> &Volume<u8> {
        &self.places
    }

    /// Lays a scan on the atlas.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`] where the scan does not match: then no place is known.
    pub fn locate(
        &self,
        scan: &HeadPyramid,
        threads: NonZeroUsize,
    ) -> Result<Placement, RegistrationError> {
        let found = register(scan, &self.pyramid, Freedom::Affine, threads)?;
        Ok(Placement { atlas_from_scan: found.moving_from_fixed, quality: found.quality })
    }

    /// A point in the midline between the basal ganglia: about the foramina of Monro.
    pub(crate) fn monro_lps_mm(&self) -> Vec3 {
        self.monro_lps_mm
    }

    /// Hounsfield units at a point; `None` outside the template.
    pub(crate) fn hu_at(&self, atlas_lps_mm: Vec3) -> Option<f32> {
        Some(self.template.voxels_hu()[self.locator.nearest(atlas_lps_mm)?])
    }

    /// Points of the brain, [`BRAIN_STEP_MM`] apart, with brain on all sides for a centimetre: air in
    /// sinuses and ears lies outside that in any head.
    pub(crate) fn brain_points(&self) -> Vec<Vec3> {
        let step = (BRAIN_STEP_MM / ATLAS_PITCH_MM) as usize;
        let reach = 5;
        let [depth, rows, columns] = self.places.size();
        let is_brain = |index: [usize; 3]| {
            spot_of(self.places[index]).is_some_and(|spot| !spot.is_outside_brain)
        };
        let mut points = Vec::new();
        for z in (reach..depth.saturating_sub(reach)).step_by(step) {
            for y in (reach..rows.saturating_sub(reach)).step_by(step) {
                for x in (reach..columns.saturating_sub(reach)).step_by(step) {
                    let around = [
                        [z, y, x],
                        [z - reach, y, x],
                        [z + reach, y, x],
                        [z, y - reach, x],
                        [z, y + reach, x],
                        [z, y, x - reach],
                        [z, y, x + reach],
                    ];
                    if around.into_iter().all(is_brain) {
                        points.push(self.template.grid().point_lps_mm(z, y as f64, x as f64));
                    }
                }
            }
        }
        points
    }

    /// The middles of all voxels of the ventricles, and of those within `margin` voxels of one along an
    /// axis, each with its chamber and whether it lies in that margin.
    pub(crate) fn ventricle_points(&self, margin: i32) -> Vec<(Vec3, ChamberName, bool)> {
        let [depth, rows, columns] = self.places.size();
        let grid = self.template.grid();
        let point = |[z, y, x]: [usize; 3]| grid.point_lps_mm(z, y as f64, x as f64);
        let chamber = |index: [usize; 3]| {
            let spot = spot_of(self.places[index])?;
            chamber_of(spot.place, point(index)[0] > 0.0).filter(|_| !spot.is_outside_brain)
        };
        let mut points = Vec::new();
        let mut margins = std::collections::BTreeMap::new();
        for z in 0..depth {
            for y in 0..rows {
                for x in 0..columns {
                    let Some(name) = chamber([z, y, x]) else { continue };
                    points.push((point([z, y, x]), name, false));
                    for axis in 0..3 {
                        for step in (-margin..=margin).filter(|step| *step != 0) {
                            let mut beside = [z, y, x];
                            let Some(at) = beside[axis].checked_add_signed(step as isize) else {
                                continue;
                            };
                            beside[axis] = at;
                            let is_inside = at < self.places.size()[axis];
                            if is_inside && chamber(beside).is_none() {
                                margins.entry(beside).or_insert(name);
                            }
                        }
                    }
                }
            }
        }
        points.extend(margins.into_iter().map(|(index, name)| (point(index), name, true)));
        points
    }

    /// What lies at a point of the atlas; `None` outside the skull.
    pub fn spot(&self, atlas_lps_mm: Vec3) -> Option<Spot> {
        spot_of(self.places[self.locator.nearest(atlas_lps_mm)?])
    }
}

/// The centre of both basal ganglia.
fn monro(places: &Volume<u8>, grid: &Grid) -> Vec3 {
    let [_, rows, columns] = places.size();
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for (offset, code) in places.as_slice().iter().enumerate() {
        if spot_of(*code).is_some_and(|spot| spot.place == Place::BasalGanglia) {
            let row = offset / columns;
            let [y, x] = [(row % rows) as f64, (offset % columns) as f64];
            sum = add(sum, grid.point_lps_mm(row / rows, y, x));
            count += 1.0;
        }
    }
    scale(sum, 1.0 / count)
}

/// How a scan lies on the atlas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Where in the atlas a point of the scan lies.
    pub atlas_from_scan: LpsMap,
    /// How well they match.
    pub quality: Match,
}

/// Reads a NIfTI file of one byte a voxel that haema wrote itself.
///
/// # Panics
///
/// Where it is anything else: the file is part of the program, and a test opens it.
fn read_own(gzip: &[u8]) -> (Volume<u8>, Grid) {
    let mut bytes = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut bytes).expect("a built-in file is whole");
    let field = |at: usize| -> [u8; 4] { std::array::from_fn(|i| bytes[at + i]) };
    let size = [46, 44, 42].map(|at| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]])));
    let first = f32::from_le_bytes(field(108)) as usize;
    let entry = |i: usize| f64::from(f32::from_le_bytes(field(280 + 4 * i)));
    let ras = Affine { rows: [0, 1, 2].map(|i| [0, 1, 2, 3].map(|j| entry(4 * i + j))) };
    let grid = Grid::from_affine(size, &ras.with_lps_ras_swapped())
        .expect("a built-in file has a geometry");
    let voxels = bytes.split_off(first);
    (Volume::new(size, voxels).expect("a built-in file has all its voxels"), grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        for place in Place::ALL {
            let code = code_of(place, true, false);
            assert_eq!(spot_of(code), Some(Spot { place, is_outside_brain: true }));
        }
        assert_eq!(spot_of(0), None);
        for hu in [-1000.0, -60.0, 8.0, 31.0, 120.0, 900.0] {
            let back = hu_of_code(grey_code(hu).round() as u8);
            assert!((back - hu).abs() < 0.02 * f32::abs(hu) + 3.0, "{hu} {back}");
        }
    }

    #[test]
    fn places_lie_where_anatomy_has_them() {
        let atlas = Atlas::builtin(NonZeroUsize::MIN);
        let middle = |place: Place| {
            let [_, rows, columns] = atlas.places.size();
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for (offset, &code) in atlas.places.as_slice().iter().enumerate() {
                if code == code_of(place, false, true) {
                    let row = offset / columns;
                    let [y, x] = [(row % rows) as f64, (offset % columns) as f64];
                    sum = add(sum, atlas.template.grid().point_lps_mm(row / rows, y, x));
                    count += 1.0;
                }
            }
            let ml = count * ATLAS_PITCH_MM.powi(3) / 1000.0;
            (scale(sum, 1.0 / count), ml)
        };
        // LPS: x to the left, y to the back, z to the top.
        let (frontal, occipital) = (middle(Place::FrontalLobe).0, middle(Place::OccipitalLobe).0);
        let (parietal, temporal) = (middle(Place::ParietalLobe).0, middle(Place::TemporalLobe).0);
        assert!(frontal[0] > 10.0 && temporal[0] > 30.0, "the left is at positive x");
        assert!(occipital[1] - frontal[1] > 70.0);
        assert!(parietal[2] - temporal[2] > 25.0);
        assert!(middle(Place::Cerebellum).0[2] < temporal[2]);
        // Volumes of adults, one side: FreeSurfer's norms, widely; basal ganglia with the capsules.
        for (place, least, most) in [
            (Place::FrontalLobe, 130.0, 300.0),
            (Place::ParietalLobe, 80.0, 220.0),
            (Place::TemporalLobe, 70.0, 180.0),
            (Place::OccipitalLobe, 30.0, 110.0),
            (Place::BasalGanglia, 20.0, 45.0),
            (Place::Thalamus, 4.0, 11.0),
            (Place::Brainstem, 20.0, 50.0),
            (Place::Cerebellum, 50.0, 100.0),
            (Place::LateralVentricle, 4.0, 20.0),
            (Place::ThirdVentricle, 0.5, 4.0),
            (Place::FourthVentricle, 0.5, 5.0),
        ] {
            let ml = middle(place).1;
            assert!((least..most).contains(&ml), "{place:?}: {ml} mL");
        }
    }

    #[test]
    fn the_foramina_lie_in_the_middle_above_the_third_ventricle() {
        let atlas = Atlas::builtin(NonZeroUsize::MIN);
        let monro = atlas.monro_lps_mm();
        let points = atlas.ventricle_points(2);
        let of = |name: ChamberName| points.iter().filter(move |point| point.1 == name && !point.2);

        assert!(monro[0].abs() < 0.5, "{monro:?}");
        assert!(of(ChamberName::Third).all(|(point, ..)| point[0].abs() < 12.0));
        let [left, right] = [ChamberName::LeftLateral, ChamberName::RightLateral];
        assert!(of(left).count().abs_diff(of(right).count()) * 10 < of(left).count());
        let margin = points.iter().filter(|point| point.2).count();
        assert!(margin > points.len() / 4, "{margin} of {}", points.len());
    }

    #[test]
    fn left_mirrors_right() {
        let places = &Atlas::builtin(NonZeroUsize::MIN).places;
        let last = places.size()[2] - 1;
        let differ = (0..places.as_slice().len()).filter(|offset| {
            let x = offset % (last + 1);
            let there = offset - x + last - x;
            spot_of(places.as_slice()[*offset]) != spot_of(places.as_slice()[there])
        });
        assert_eq!(differ.count(), 0);
    }
}
