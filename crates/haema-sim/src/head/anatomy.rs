//! What lies where in the head, from the skin inwards.
//!
//! Millimetres from a point between the thalami, LPS: `x` to the left, `y` to the back, `z` to the
//! top. Sizes are those of an adult; Hounsfield units are textbook values at 120 kV.

use std::num::NonZeroUsize;

use haema_volume::Vec3;

use super::brain::{Brain, BrainLevel};
use super::cut::{Cut, smooth_step, smooth_union};
use super::noise::Texture;
use crate::anatomy::Tissue;
use crate::body::Ellipsoid;
use crate::lattice::{Lattice, each_plane};

const AIR_HU: f32 = -1000.0;
const FAT_HU: f32 = -85.0;
const MUSCLE_HU: f32 = 52.0;
const SKIN_HU: f32 = 40.0;
const COMPACT_BONE_HU: f32 = 1350.0;
const SPONGY_BONE_HU: f32 = 650.0;
const THIN_BONE: Matter = (Tissue::CorticalBone, 500.0);
const AIR: Matter = (Tissue::Air, AIR_HU);

/// A tissue, and the Hounsfield units that it has at one place.
pub(super) type Matter = (Tissue, f32);

/// An ellipsoid turned about `z`. Of paired parts the left one is given; the right one mirrors it.
pub(super) const fn part(centre_lps_mm: Vec3, radii_mm: Vec3, turn_deg: f64) -> Ellipsoid {
    Ellipsoid { centre_lps_mm, radii_mm, turn_deg }
}

/// The cavity of the skull above its base.
pub(super) const CEREBRUM: Ellipsoid = part([0.0, 0.0, 2.0], [65.0, 82.0, 72.0], 0.0);
const MIDDLE_FOSSA: Ellipsoid = part([37.0, -18.0, -24.0], [23.0, 31.0, 19.0], 12.0);
const POSTERIOR_FOSSA: Ellipsoid = part([0.0, 40.0, -28.0], [53.0, 37.0, 29.0], 0.0);
const CANAL: Ellipsoid = part([0.0, 34.0, -66.0], [13.0, 12.0, 34.0], 0.0);

const SKIN: [Ellipsoid; 4] = [
    part([0.0, 0.0, 2.0], [78.0, 96.0, 86.0], 0.0),
    part([0.0, -20.0, -48.0], [65.0, 71.0, 70.0], 0.0),
    part([0.0, 26.0, -70.0], [61.0, 57.0, 70.0], 0.0),
    part([0.0, -88.0, -50.0], [9.0, 17.0, 23.0], 0.0),
];
const EAR: Ellipsoid = part([78.0, 20.0, -28.0], [3.5, 15.0, 24.0], -25.0);

const EYE: Ellipsoid = part([31.0, -68.0, -27.0], [12.0, 12.0, 12.0], 0.0);
const LENS: Ellipsoid = part([31.0, -77.0, -27.0], [4.5, 2.2, 4.5], 0.0);
const ORBIT: Ellipsoid = part([29.0, -53.0, -27.0], [17.5, 31.0, 16.0], -18.0);

/// Bones other than the shell of the cavity, and their Hounsfield units.
const BONES: [(Ellipsoid, f32); 11] = [
    // Petrous ridge, mastoid, zygoma, ramus of the mandible, wing of the sphenoid.
    (part([36.0, 14.0, -37.0], [27.0, 7.0, 8.0], 38.0), 1500.0),
    (MASTOID, 700.0),
    (part([57.0, -50.0, -46.0], [5.5, 14.0, 7.0], -40.0), 1000.0),
    (part([66.0, -22.0, -48.0], [2.5, 19.0, 4.0], 4.0), 1000.0),
    (part([52.0, -14.0, -76.0], [4.0, 14.0, 24.0], 12.0), 1100.0),
    (part([43.0, -46.0, -20.0], [3.0, 15.0, 16.0], 50.0), 900.0),
    // Pterygoid plates, clivus, frontal bone about its sinus, dens of the axis, teeth.
    (part([14.0, -22.0, -66.0], [2.0, 8.0, 16.0], -12.0), 800.0),
    (part([0.0, 2.0, -46.0], [12.0, 7.0, 16.0], 0.0), 700.0),
    (part([0.0, -83.0, -4.0], [27.0, 6.5, 15.0], 0.0), 900.0),
    (part([0.0, 17.0, -84.0], [7.0, 6.0, 16.0], 0.0), 800.0),
    (part([0.0, -58.0, -84.0], [24.0, 24.0, 9.0], 0.0), 900.0),
];
const MASTOID: Ellipsoid = part([57.0, 31.0, -44.0], [10.0, 13.0, 18.0], 0.0);

/// Spaces filled with air, and the thickness of their bony wall.
const SINUSES: [(Ellipsoid, f64); 5] = [
    // Maxillary, frontal, sphenoid, nose, throat.
    (part([28.0, -50.0, -62.0], [13.0, 17.0, 15.0], 28.0), 1.4),
    (part([9.0, -84.0, -3.0], [8.0, 3.2, 9.0], 0.0), 0.0),
    (part([7.0, -22.0, -38.0], [7.0, 12.0, 9.0], 0.0), 1.6),
    (part([6.0, -62.0, -61.0], [4.5, 24.0, 20.0], 0.0), 0.9),
    (part([0.0, -8.0, -76.0], [14.0, 7.0, 20.0], 0.0), 0.0),
];

/// Everything that decides what lies where.
#[derive(Debug)]
pub(super) struct Anatomy {
    texture: Texture,
    brain: Brain,
}

/// The head at one `z`.
#[derive(Debug)]
pub(super) struct Level<'a> {
    texture: Texture,
    brain: BrainLevel<'a>,
    z: f64,
    skin: Vec<Cut>,
    cerebrum: Cut,
    /// Middle and posterior fossa, canal.
    fossae: Vec<Cut>,
    ear: Cut,
    /// Eye, lens, orbit.
    orbit: [Cut; 3],
    mastoid: Cut,
    bones: Vec<(Cut, f32)>,
    sinuses: Vec<(Cut, f64)>,
}

impl Anatomy {
    /// `bleed`: the bleed in the brain, which presses on what lies around it.
    pub(super) fn new(seed: u64, bleed: Option<Ellipsoid>) -> Self {
        Self { texture: Texture::new(seed), brain: Brain::new(seed, bleed) }
    }

    /// How uneven clot is.
    pub(super) fn mottle_hu(&self, point: Vec3) -> f32 {
        5.0 * self.texture.at(point.map(|v| v / 7.0)) as f32
    }

    pub(super) fn level(&self, z: f64) -> Level<'_> {
        let cut = |body: Ellipsoid| Cut::of(&body, z);
        // Seams between parts are rounded: those a little above or below count too.
        let near = |bodies: &[Ellipsoid]| -> Vec<Cut> {
            bodies.iter().map(|body| cut(*body)).filter(|part| part.is_met(0.3)).collect()
        };
        let bones = BONES.map(|(bone, hu)| (cut(bone), hu));
        let sinuses = SINUSES.map(|(sinus, wall_mm)| (cut(sinus), wall_mm));
        Level {
            texture: self.texture,
            brain: self.brain.level(z),
            z,
            skin: near(&SKIN),
            cerebrum: cut(CEREBRUM),
            fossae: near(&[MIDDLE_FOSSA, POSTERIOR_FOSSA, CANAL]),
            ear: cut(EAR),
            orbit: [EYE, LENS, ORBIT].map(cut),
            mastoid: cut(MASTOID.grown(-2.0)),
            bones: bones.into_iter().filter(|bone| bone.0.is_met(0.0)).collect(),
            sinuses: sinuses.into_iter().filter(|sinus| sinus.0.is_met(0.3)).collect(),
        }
    }
}

/// The tissue at every node of a lattice, for a healthy head.
pub(crate) fn tissues(seed: u64, lattice: &Lattice, threads: NonZeroUsize) -> Vec<Tissue> {
    let anatomy = Anatomy::new(seed, None);
    let mut tissues = vec![Tissue::Air; lattice.len()];
    each_plane(&mut tissues, lattice.plane_len(), threads, |z, plane| {
        let level = anatomy.level(f64::from(lattice.point([z, 0, 0])[2]));
        for (offset, tissue) in plane.iter_mut().enumerate() {
            let columns = lattice.size[2];
            let [x, y, _] = lattice.point([z, offset / columns, offset % columns]).map(f64::from);
            *tissue = level.matter_at([x, y], [level.bend_mm(y), level.bend_mm(x)]).0;
        }
    });
    tissues
}

impl Level<'_> {
    /// How far the head is bent sideways in the row, or column, at this coordinate: no head is
    /// perfectly round or symmetric.
    pub(super) fn bend_mm(&self, along_mm: f64) -> f64 {
        0.8 * (along_mm / 13.0 + self.z / 17.0 + 1.0).sin()
    }

    /// The tissue at a point, and its Hounsfield units.
    ///
    /// * `bend_mm` — [`Level::bend_mm`] of its row and of its column.
    pub(super) fn matter_at(&self, [x, y]: [f64; 2], bend_mm: [f64; 2]) -> Matter {
        let point = [x + bend_mm[0], y + bend_mm[1]];
        let mirrored = [point[0].abs(), point[1]];
        if (point[0] / 84.0).powi(2) + (point[1] / 108.0).powi(2) > 1.0 {
            return (Tissue::Air, self.outside_hu([x, y]));
        }
        let cavity_mm = self.cavity_mm(mirrored);
        if cavity_mm < 0.0 {
            return self.brain.matter_at(point, -cavity_mm);
        }
        let skin_mm = smooth_union(self.skin.iter().map(|part| part.surface_mm(point)), 14.0);
        if skin_mm > 0.0 {
            let is_ear = self.ear.holds(mirrored);
            return if is_ear {
                (Tissue::Skin, SKIN_HU)
            } else {
                (Tissue::Air, self.outside_hu([x, y]))
            };
        }
        self.sinus(mirrored)
            .or_else(|| self.orbit(mirrored))
            .or_else(|| self.bone(point, mirrored, cavity_mm))
            .unwrap_or_else(|| self.soft(point, -skin_mm))
    }

    fn texture(&self, [x, y]: [f64; 2], feature_mm: f64) -> f64 {
        self.texture.at([x / feature_mm, y / feature_mm, self.z / feature_mm])
    }

    /// The head holder: a shell that carries a foam pad.
    fn outside_hu(&self, point: [f64; 2]) -> f32 {
        let [x, y] = point;
        if y < 25.0 {
            return AIR_HU;
        }
        let radius = (x / 96.0).hypot(y / 110.0);
        match radius {
            _ if (1.0..1.022).contains(&radius) => 120.0,
            _ if (0.86..1.0).contains(&radius) && y > 45.0 => {
                -940.0 + 25.0 * self.texture(point, 2.0) as f32
            }
            _ => AIR_HU,
        }
    }

    /// Distance to the inner face of the skull, negative inside: about right near the surface.
    fn cavity_mm(&self, mirrored: [f64; 2]) -> f64 {
        let cerebrum_mm = self.cerebrum.surface_mm(mirrored).max(floor_mm(mirrored) - self.z);
        let fossae_mm = self.fossae.iter().map(|part| part.surface_mm(mirrored));
        smooth_union(std::iter::once(cerebrum_mm).chain(fossae_mm), 4.0)
    }

    fn sinus(&self, mirrored: [f64; 2]) -> Option<Matter> {
        let [x, y] = mirrored;
        let is_ethmoid =
            x < 13.0 && (-68.0..-34.0).contains(&y) && (-44.0..-16.0).contains(&self.z);
        if is_ethmoid {
            let septa = self.texture(mirrored, 7.0).abs();
            let is_wall = septa < 0.07 || !(0.7..12.0).contains(&x);
            return Some(if is_wall { (Tissue::CorticalBone, 250.0) } else { AIR });
        }
        if self.mastoid.holds(mirrored) && self.texture(mirrored, 4.0) > 0.05 {
            return Some(AIR);
        }
        // The outer ear canal.
        if x > 50.0 && (y - 13.0).hypot(self.z + 37.0) < 3.2 {
            return Some(AIR);
        }
        self.sinuses.iter().find_map(|(sinus, wall_mm)| {
            let depth_mm = sinus.surface_mm(mirrored);
            match depth_mm {
                _ if depth_mm < 0.0 => Some(AIR),
                _ if depth_mm < *wall_mm => Some(THIN_BONE),
                _ => None,
            }
        })
    }

    fn orbit(&self, mirrored: [f64; 2]) -> Option<Matter> {
        let [eye, lens, orbit] = &self.orbit;
        let eye_mm = eye.surface_mm(mirrored);
        if eye_mm < 0.0 {
            return Some(match eye_mm {
                _ if lens.holds(mirrored) => (Tissue::Lens, 78.0),
                depth if depth > -1.0 => (Tissue::Sclera, 45.0),
                _ => (Tissue::Eye, 9.0),
            });
        }
        let [x, y] = mirrored;
        let wall_mm = orbit.surface_mm(mirrored);
        if wall_mm >= 0.0 {
            return (wall_mm < 1.8 && y > -66.0).then_some(THIN_BONE);
        }
        // Optic nerve and the muscles beside it run from the eye to the apex of the orbit.
        let along = ((y + 56.0) / 32.0).clamp(0.0, 1.0);
        let height_mm = self.z + 27.0;
        let axis_x = 31.0 - 17.0 * along;
        let beside_mm = ((x - axis_x).abs() - (10.5 * (1.0 - along) + 3.0)).abs();
        let is_muscle = beside_mm < 1.8 && height_mm.abs() < 4.5;
        let is_nerve = (x - axis_x).hypot(height_mm) < 2.2;
        let beside = if is_muscle { (Tissue::Muscle, 42.0) } else { (Tissue::Fat, FAT_HU) };
        Some(if is_nerve { (Tissue::OpticNerve, 42.0) } else { beside })
    }

    fn bone(&self, point: [f64; 2], mirrored: [f64; 2], cavity_mm: f64) -> Option<Matter> {
        let thickness_mm = self.vault_thickness_mm(mirrored);
        if cavity_mm < thickness_mm {
            let from_middle = (2.0 * cavity_mm / thickness_mm - 1.0).abs();
            if from_middle > 0.45 || thickness_mm < 4.0 {
                return Some((Tissue::CorticalBone, COMPACT_BONE_HU));
            }
            let hu = SPONGY_BONE_HU + 150.0 * self.texture(point, 3.0) as f32;
            return Some((Tissue::CancellousBone, hu));
        }
        // Arch of the atlas.
        let around_mm = mirrored[0].hypot(mirrored[1] - 34.0);
        if (-74.0..-64.0).contains(&self.z) && (14.0..19.0).contains(&around_mm) {
            return Some((Tissue::CorticalBone, 900.0));
        }
        let found = self.bones.iter().find(|(bone, _)| bone.holds(mirrored));
        found.map(|bone| (Tissue::CorticalBone, bone.1))
    }

    /// Thick at the back, thin at the base and over the orbits.
    fn vault_thickness_mm(&self, [x, y]: [f64; 2]) -> f64 {
        let vault_mm = 5.2 + 2.2 * smooth_step(20.0, 80.0, y) + 1.5 * smooth_step(-50.0, -80.0, y);
        let base_mm = if y > 45.0 {
            6.5
        } else {
            1.8 + 3.0 * smooth_step(45.0, 60.0, x) * smooth_step(-40.0, -20.0, self.z)
        };
        let above = smooth_step(-26.0, -4.0, self.z) * smooth_step(-30.0, 30.0, self.z + 60.0);
        base_mm + (vault_mm - base_mm) * above
    }

    /// Skin, the fat of the scalp, muscle where the head has some, and fat with strands between.
    fn soft(&self, point: [f64; 2], below_skin_mm: f64) -> Matter {
        let [x, y] = [point[0].abs(), point[1]];
        match below_skin_mm {
            depth if depth < 2.3 => return (Tissue::Skin, SKIN_HU),
            depth if depth < 4.3 => return (Tissue::Fat, FAT_HU),
            _ => {}
        }
        let is_temple = x > 50.0 && (-48.0..14.0).contains(&y) && (-40.0..26.0).contains(&self.z);
        if is_temple {
            return (Tissue::Muscle, MUSCLE_HU);
        }
        let strands = self.texture.at([point[0] / 11.0, y / 11.0, self.z / 26.0]);
        if self.z > 0.0 {
            return (Tissue::Fat, FAT_HU + 20.0 * strands as f32);
        }
        // Neck and face: muscles parted by planes of fat, which lie where noise is zero; drawn out
        // into arcs about the spine.
        let (radius_mm, angle) = (point[0].hypot(y - 34.0), point[0].atan2(y - 34.0));
        let layers = self.texture.at([radius_mm / 10.0, 2.0 * angle, self.z / 40.0]);
        let fat = smooth_step(0.13, 0.02, layers.abs()) as f32;
        let tissue = if fat > 0.5 { Tissue::Fat } else { Tissue::Muscle };
        (tissue, MUSCLE_HU + 10.0 * strands as f32 - 75.0 * fat)
    }
}

/// Height of the skull's base: the roof of the orbits on both sides of the sieve bone, then the
/// sella, then behind it.
fn floor_mm([x, y]: [f64; 2]) -> f64 {
    let roof = 9.0 * smooth_step(4.0, 28.0, x) * smooth_step(62.0, 40.0, x);
    let front_mm = -16.0 + roof + 17.0 * smooth_step(-36.0, -84.0, y);
    front_mm + (-27.0 - front_mm) * smooth_step(-40.0, -20.0, y) - 10.0 * smooth_step(-4.0, 10.0, y)
}
