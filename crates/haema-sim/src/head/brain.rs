//! What fills the skull.

use super::anatomy::{Matter, part};
use super::cut::{Cut, smooth_step};
use super::noise::Texture;
use crate::anatomy::Tissue;
use crate::body::Ellipsoid;

const CSF_HU: f32 = 7.0;
const WHITE_HU: f32 = 28.0;
const GREY_HU: f32 = 37.0;
const DURA: Matter = (Tissue::Dura, 52.0);
const OEDEMA_HU: f32 = 19.0;
const CALCIUM_HU: f32 = 190.0;

/// Thickness of the cortex.
const CORTEX_MM: f64 = 3.2;
/// How far sulci reach down.
const SULCUS_DEPTH_MM: f64 = 17.0;
/// Size of the folds: sulci are a little closer than this.
const FOLD_MM: f64 = 15.0;
/// How far the bleed has pushed the brain at its edge, and how far out that can be felt.
const PUSH_MM: f64 = 5.0;
const PUSH_REACH_MM: f64 = 42.0;

/// Spaces of CSF within the brain; of the paired ones the left.
const VENTRICLES: [Ellipsoid; 6] = [
    // Lateral ventricle: frontal horn, body, atrium, temporal horn.
    part([9.0, -24.0, 10.0], [4.0, 13.0, 8.0], 16.0),
    part([13.0, 2.0, 18.0], [5.5, 24.0, 5.0], -12.0),
    part([24.0, 32.0, 8.0], [6.0, 13.0, 9.0], -28.0),
    part([31.0, 6.0, -18.0], [2.0, 12.0, 2.5], -10.0),
    // Third and fourth ventricle.
    part([0.0, 0.0, 0.0], [2.2, 13.0, 9.0], 0.0),
    part([0.0, 33.0, -32.0], [6.5, 4.5, 8.0], 0.0),
];

/// Spaces of CSF around the brain: suprasellar, ambient (about the midbrain), quadrigeminal, great,
/// before the pons.
const CISTERNS: [Ellipsoid; 5] = [
    part([0.0, -10.0, -19.0], [13.0, 9.0, 5.0], 0.0),
    part([15.0, 12.0, -15.0], [2.5, 11.0, 9.0], 18.0),
    part([0.0, 25.0, -9.0], [10.0, 3.5, 6.0], 0.0),
    part([0.0, 60.0, -50.0], [9.0, 9.0, 9.0], 0.0),
    part([0.0, -1.0, -32.0], [13.0, 3.0, 12.0], 0.0),
];

/// Grey matter within the brain: caudate, lentiform nucleus.
const NUCLEI: [Ellipsoid; 2] = [
    part([16.0, -21.0, 10.0], [5.0, 10.0, 8.0], 16.0),
    part([26.0, -3.0, 4.0], [7.0, 17.0, 9.0], -14.0),
];
const THALAMUS: Ellipsoid = part([11.0, 11.0, 5.0], [8.0, 14.0, 9.0], 24.0);

/// Choroid plexus and pineal gland.
const CALCIUM: [Ellipsoid; 2] =
    [part([25.0, 33.0, 7.0], [2.0, 3.5, 2.5], -28.0), part([0.0, 22.0, 1.0], [2.0, 2.5, 2.5], 0.0)];
/// Lateral fissure, and the cleft over the insula.
const SYLVIAN: [Ellipsoid; 2] = [
    part([51.0, -15.0, 1.0], [15.0, 2.0, 9.0], 14.0),
    part([38.5, -4.0, 4.0], [1.7, 16.0, 11.0], -8.0),
];
const TENTORIUM: Ellipsoid = part([0.0, 40.0, -28.0], [52.0, 37.0, 28.0], 0.0);
const BRAINSTEM: Ellipsoid = part([0.0, 16.0, -30.0], [15.0, 13.0, 26.0], 0.0);
const CORD: Ellipsoid = part([0.0, 33.0, -74.0], [6.5, 5.5, 40.0], 0.0);

#[derive(Debug)]
pub(super) struct Brain {
    folds: Texture,
    bends: Texture,
    bleed: Option<Ellipsoid>,
}

/// The brain at one `z`.
#[derive(Debug)]
pub(super) struct BrainLevel<'a> {
    brain: &'a Brain,
    z: f64,
    bleed: Option<(Cut, [f64; 2])>,
    ventricles: Vec<Cut>,
    cisterns: Vec<Cut>,
    nuclei: Vec<Cut>,
    thalami: Vec<Cut>,
    calcium: Vec<Cut>,
    sylvian: [Cut; 2],
    tentorium: Cut,
    /// With the spinal cord.
    brainstem: Vec<Cut>,
}

impl Brain {
    pub(super) fn new(seed: u64, bleed: Option<Ellipsoid>) -> Self {
        let folds = Texture::new(seed.wrapping_add(1));
        let bends = Texture::new(seed.wrapping_add(2));
        Self { folds, bends, bleed }
    }

    pub(super) fn level(&self, z: f64) -> BrainLevel<'_> {
        let met = |bodies: &[Ellipsoid]| -> Vec<Cut> {
            bodies.iter().map(|body| Cut::of(body, z)).filter(|cut| cut.is_met(0.0)).collect()
        };
        let bleed = self
            .bleed
            .map(|bleed| (Cut::of(&bleed, z), [bleed.centre_lps_mm[0], bleed.centre_lps_mm[1]]));
        BrainLevel {
            brain: self,
            z,
            bleed,
            ventricles: met(&VENTRICLES),
            cisterns: met(&CISTERNS),
            nuclei: met(&NUCLEI),
            thalami: met(&[THALAMUS]),
            calcium: met(&CALCIUM),
            sylvian: SYLVIAN.map(|part| Cut::of(&part, z)),
            tentorium: Cut::of(&TENTORIUM, z),
            brainstem: met(&[BRAINSTEM, CORD]),
        }
    }
}

impl BrainLevel<'_> {
    /// The tissue at a point that lies this deep below the skull.
    pub(super) fn matter_at(&self, point: [f64; 2], depth_mm: f64) -> Matter {
        if depth_mm < 0.8 {
            return DURA;
        }
        let Some((bleed, centre)) = &self.bleed else { return self.healthy(point, depth_mm) };
        let to_bleed_mm = bleed.surface_mm(point);
        let before = before_the_bleed(point, *centre, to_bleed_mm);
        let (tissue, healthy_hu) = self.healthy(before, depth_mm);
        if !(20.0..45.0).contains(&healthy_hu) {
            return (tissue, healthy_hu);
        }
        // A thin, uneven rim of oedema.
        let reach_mm = 5.0 + 3.0 * self.bend(point, 9.0);
        let rim = smooth_step(reach_mm, 1.0, to_bleed_mm) as f32;
        (tissue, healthy_hu + rim * (OEDEMA_HU - healthy_hu))
    }

    fn bend(&self, [x, y]: [f64; 2], feature_mm: f64) -> f64 {
        self.brain.bends.at([x / feature_mm, y / feature_mm, self.z / feature_mm])
    }

    fn healthy(&self, point: [f64; 2], depth_mm: f64) -> Matter {
        let mirrored = [point[0].abs(), point[1]];
        let [_, y] = point;
        let tentorium_mm = self.tentorium.surface_mm(point);
        if tentorium_mm < 0.0 || self.z < -52.0 {
            return self.below_the_tentorium(point, mirrored, depth_mm);
        }
        if tentorium_mm < 1.2 && self.z < -4.0 && y > 22.0 {
            return DURA;
        }
        if let Some(matter) = self.midline(point, depth_mm) {
            return matter;
        }
        let is_in = |parts: &[Cut]| parts.iter().any(|part| part.holds(mirrored));
        match () {
            () if is_in(&self.calcium) => (Tissue::ChoroidPlexus, CALCIUM_HU),
            () if is_in(&self.brainstem) => (Tissue::Brainstem, 32.0),
            () if is_in(&self.ventricles) => (Tissue::Ventricle, CSF_HU),
            () if is_in(&self.cisterns) => (Tissue::Csf, CSF_HU),
            () if is_in(&self.thalami) => (Tissue::Thalamus, GREY_HU),
            () if is_in(&self.nuclei) => (Tissue::BasalGanglia, GREY_HU),
            () => self.hemisphere(point, mirrored, depth_mm),
        }
    }

    /// The falx between its two films of CSF.
    fn midline(&self, point: [f64; 2], depth_mm: f64) -> Option<Matter> {
        let [x, y] = point;
        // Over the corpus callosum, in front of it and behind it.
        let is_fissure = self.z > 26.0 || y < -40.0 || (y > 44.0 && self.z > -6.0);
        if !is_fissure || x.abs() > 4.0 {
            return None;
        }
        let beside_mm = (x - 0.9 * self.bend([0.0, y], 22.0)).abs();
        if beside_mm < 0.8 && (depth_mm < 30.0 || y > 44.0) {
            return Some(DURA);
        }
        let width_mm = 1.4 + 1.2 * self.bend([5.0, y], 10.0);
        (beside_mm < width_mm).then_some((Tissue::Csf, CSF_HU + 4.0))
    }

    /// Cortex and the white matter under it, folded.
    fn hemisphere(&self, point: [f64; 2], mirrored: [f64; 2], depth_mm: f64) -> Matter {
        let [fissure, cleft] = &self.sylvian;
        let sylvian_mm = fissure.surface_mm(mirrored).min(cleft.surface_mm(mirrored));
        if sylvian_mm < 0.0 {
            return (Tissue::Csf, CSF_HU + 5.0);
        }
        let to_surface_mm = depth_mm.min(sylvian_mm + 1.0).min(mirrored[0] + 1.0);
        if to_surface_mm > SULCUS_DEPTH_MM + CORTEX_MM {
            return (Tissue::WhiteMatter, WHITE_HU);
        }
        let shallow = (1.0 - to_surface_mm / SULCUS_DEPTH_MM).max(0.0);
        let from_sulcus_mm = self.sulcus_distance_mm(point);
        // Sulci taper downwards. The film of CSF under the skull is wider where they open.
        let is_sulcus = from_sulcus_mm < 1.1 * shallow;
        if is_sulcus || depth_mm < 1.5 {
            return (Tissue::Csf, CSF_HU + 5.0);
        }
        let under_sulcus_mm = from_sulcus_mm + (to_surface_mm - SULCUS_DEPTH_MM).max(0.0);
        let cortex_mm = to_surface_mm.min(under_sulcus_mm);
        let white = smooth_step(CORTEX_MM - 0.8, CORTEX_MM + 0.8, cortex_mm) as f32;
        let tissue = if white < 0.5 { Tissue::Cortex } else { Tissue::WhiteMatter };
        (tissue, GREY_HU + white * (WHITE_HU - GREY_HU))
    }

    /// Distance to the nearest sulcus, about: sulci lie where noise, bent by slower noise and drawn
    /// out from top to bottom, is zero. Its mean slope there is about 1 per feature.
    fn sulcus_distance_mm(&self, point: [f64; 2]) -> f64 {
        let bend_mm = 8.0 * self.bend(point, 28.0);
        let [x, y] = point;
        let along = [(x + bend_mm) / FOLD_MM, (y - bend_mm) / FOLD_MM, self.z / (1.4 * FOLD_MM)];
        self.brain.folds.at(along).abs() * FOLD_MM * 0.8
    }

    fn below_the_tentorium(&self, point: [f64; 2], mirrored: [f64; 2], depth_mm: f64) -> Matter {
        let [x, y] = mirrored;
        if self.brainstem.iter().any(|part| part.holds(point)) {
            let is_cord = self.z < -52.0;
            return (if is_cord { Tissue::SpinalCord } else { Tissue::Brainstem }, 31.0);
        }
        if self.ventricles.iter().any(|space| space.holds(mirrored)) {
            return (Tissue::Ventricle, CSF_HU);
        }
        let is_cistern = depth_mm < 1.8 || self.z < -56.0 || (y < 22.0 && x < 22.0);
        if is_cistern || self.cisterns.iter().any(|space| space.holds(mirrored)) {
            return (Tissue::Csf, CSF_HU);
        }
        // Folia lie across; the vermis in the middle is grey.
        let folia = (1.3 * y + 0.9 * self.z + 0.03 * x * x).sin() as f32;
        let cortex_mm = (depth_mm - 2.0).min((x - 6.0).max(0.0));
        let white = smooth_step(4.0, 12.0, cortex_mm) as f32;
        let is_grey = white < 0.5;
        let tissue = if is_grey { Tissue::CerebellarCortex } else { Tissue::CerebellarWhiteMatter };
        (tissue, 36.0 - 7.0 * white + 2.5 * folia * (1.0 - white))
    }
}

/// Where the tissue at a point lay before the bleed pushed it outwards.
fn before_the_bleed(point: [f64; 2], centre: [f64; 2], to_bleed_mm: f64) -> [f64; 2] {
    let push_mm = PUSH_MM * smooth_step(PUSH_REACH_MM, 0.0, to_bleed_mm);
    let away = [point[0] - centre[0], point[1] - centre[1]];
    let share = push_mm / away[0].hypot(away[1]).max(10.0);
    [point[0] - share * away[0], point[1] - share * away[1]]
}
