//! What looks like a bleed and is none.

use rand::{Rng as _, RngCore};

use crate::anatomy::Tissue;
use crate::lattice::{nodes_around, smooth_step};
use crate::lesion::level::solve;
use crate::lesion::place::{Blob, Ground};
use crate::lesion::{Site, chance};
use crate::patient::{BRAIN, CAVITY, Head, Looks, dot};
use crate::smooth_noise::SmoothNoise;

/// Something that looks like a bleed, or sits where one would, and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mimic {
    /// Calcium in the choroid plexus of both sides.
    ChoroidCalcification,
    /// Calcium in the pineal gland.
    PinealCalcification,
    /// Calcium in the basal ganglia.
    BasalGangliaCalcification,
    /// Plates of calcium in the falx.
    FalxCalcification,
    /// Falx and tentorium that are denser than usual.
    ThickDura,
    /// Venous sinuses that are denser than usual, as with much haematocrit.
    DenseSinus,
    /// Contrast medium in vessels, dura and choroid plexus.
    Contrast,
    /// A crack through the bone, with a swollen scalp over it.
    Fracture,
    /// Brain that died long ago and is fluid now.
    OldInfarct,
    /// A mass a little denser than brain, in swollen white matter.
    Tumour,
    /// The cut around a flap of bone.
    Craniotomy,
    /// The same over a hole in the brain, full of fluid, and of air where the operation was lately.
    ResectionCavity,
    /// A tube from a hole in the bone into a ventricle.
    Shunt,
    /// A clip of metal at the base, with streaks.
    Clip,
}

impl Mimic {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::ChoroidCalcification,
        Self::PinealCalcification,
        Self::BasalGangliaCalcification,
        Self::FalxCalcification,
        Self::ThickDura,
        Self::DenseSinus,
        Self::Contrast,
        Self::Fracture,
        Self::OldInfarct,
        Self::Tumour,
        Self::Craniotomy,
        Self::ResectionCavity,
        Self::Shunt,
        Self::Clip,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChoroidCalcification => "choroid-calcification",
            Self::PinealCalcification => "pineal-calcification",
            Self::BasalGangliaCalcification => "basal-ganglia-calcification",
            Self::FalxCalcification => "falx-calcification",
            Self::ThickDura => "thick-dura",
            Self::DenseSinus => "dense-sinus",
            Self::Contrast => "contrast",
            Self::Fracture => "fracture",
            Self::OldInfarct => "old-infarct",
            Self::Tumour => "tumour",
            Self::Craniotomy => "craniotomy",
            Self::ResectionCavity => "resection-cavity",
            Self::Shunt => "shunt",
            Self::Clip => "clip",
        }
    }

    /// How often it is drawn: calcium as often as in older adults, the rest more often than in a
    /// clinic, because a training set needs to have seen it.
    fn share(self) -> f32 {
        match self {
            Self::ChoroidCalcification | Self::PinealCalcification => 0.5,
            Self::FalxCalcification => 0.12,
            Self::ThickDura | Self::DenseSinus => 0.1,
            Self::Fracture | Self::OldInfarct => 0.08,
            Self::BasalGangliaCalcification => 0.06,
            Self::Tumour => 0.05,
            Self::Contrast | Self::Craniotomy | Self::Shunt => 0.03,
            Self::ResectionCavity | Self::Clip => 0.02,
        }
    }

    pub(crate) fn draw(rng: &mut impl RngCore) -> Vec<Self> {
        Self::ALL.into_iter().filter(|mimic| chance(mimic.share(), rng)).collect()
    }

    /// Those that are a matter of how dense a tissue is.
    pub(crate) fn change(self, looks: &mut Looks, rng: &mut impl RngCore) {
        let mut set = |tissue: Tissue, range: std::ops::Range<f32>| {
            looks.hu[tissue as usize] = rng.random_range(range);
        };
        match self {
            Self::ThickDura => set(Tissue::Dura, 70.0..90.0),
            Self::DenseSinus => {
                set(Tissue::VenousSinus, 62.0..80.0);
                set(Tissue::Artery, 46.0..58.0);
            }
            Self::Contrast => {
                set(Tissue::VenousSinus, 110.0..190.0);
                set(Tissue::Artery, 110.0..200.0);
                set(Tissue::Dura, 75.0..100.0);
                set(Tissue::ChoroidPlexus, 60.0..100.0);
                set(Tissue::Mucosa, 70.0..110.0);
            }
            _ => {}
        }
    }

    /// Those that are a thing in a place.
    pub(crate) fn paint(self, ground: &Ground<'_>, hu: &mut [f32], rng: &mut impl RngCore) {
        let find = |of: fn(Tissue, [f32; 3]) -> bool, rng: &mut _| ground.find(of, rng);
        match self {
            Self::ChoroidCalcification => {
                for is_side in [|x: f32| x > 4.0, |x: f32| x < -4.0] {
                    let place = ground.find(
                        |tissue, [x, y, _]| {
                            tissue == Tissue::ChoroidPlexus && is_side(x) && y > 8.0
                        },
                        rng,
                    );
                    calcify(ground, hu, place, 0.03..0.5, rng);
                }
            }
            Self::PinealCalcification => {
                let place = ground.middle([0.0, 30.0, -2.0]);
                calcify(ground, hu, Some(place), 0.02..0.15, rng);
            }
            Self::BasalGangliaCalcification => {
                for is_left in [true, false] {
                    let place = ground.find(
                        |tissue, [x, _, _]| tissue == Tissue::BasalGanglia && (x > 0.0) == is_left,
                        rng,
                    );
                    calcify(ground, hu, place, 0.05..0.6, rng);
                }
            }
            Self::FalxCalcification => {
                let place = find(
                    |tissue, [x, _, z]| tissue == Tissue::Dura && x.abs() < 5.0 && z > 10.0,
                    rng,
                );
                calcify(ground, hu, place, 0.03..0.4, rng);
            }
            Self::OldInfarct => {
                let hu_inside = rng.random_range(10.0..22.0);
                let place = find(
                    |tissue, _| tissue == Tissue::WhiteMatter || tissue == Tissue::BasalGanglia,
                    rng,
                );
                let volume_ml = (0.2_f64.ln() + rng.random::<f64>() * 300.0_f64.ln()).exp();
                mass(ground, hu, place, (volume_ml, hu_inside, 0.0), rng);
            }
            Self::Tumour => {
                let hu_inside = rng.random_range(41.0..52.0);
                let place = find(|tissue, _| tissue == Tissue::WhiteMatter, rng);
                let volume_ml = rng.random_range(1.0..25.0);
                mass(ground, hu, place, (volume_ml, hu_inside, 14.0), rng);
            }
            Self::Fracture => crack(ground, hu, rng),
            Self::Craniotomy => {
                flap(ground, hu, rng);
            }
            Self::ResectionCavity => hollow(ground, hu, rng),
            Self::Shunt => tube(ground, hu, rng),
            Self::Clip => {
                let place = find(
                    |tissue, [x, y, z]| {
                        tissue == Tissue::Csf && x.abs() < 16.0 && y < 10.0 && z < -12.0
                    },
                    rng,
                );
                if let Some(place) = place {
                    let end = [place[0] + 1.5, place[1] + 5.0, place[2] + 1.0];
                    line(ground.head, hu, (place, end), |from_mm, _| {
                        (from_mm < 1.3).then_some(5000.0)
                    });
                }
            }
            Self::ThickDura | Self::DenseSinus | Self::Contrast => {}
        }
    }
}

/// A crumbly grain of calcium.
fn calcify(
    ground: &Ground<'_>,
    hu: &mut [f32],
    place: Option<[f32; 3]>,
    range_ml: std::ops::Range<f64>,
    rng: &mut impl RngCore,
) {
    let Some(place) = place else { return };
    let volume_ml = rng.random_range(range_ml);
    let inside_hu = rng.random_range(90.0..420.0);
    paint_blob(ground, place, volume_ml, 0.0, rng, |node, share, _| {
        hu[node] += share * (inside_hu - hu[node]).max(0.0);
    });
}

/// A mass of one density, with or without a rim of oedema.
fn mass(
    ground: &Ground<'_>,
    hu: &mut [f32],
    place: Option<[f32; 3]>,
    (volume_ml, inside_hu, oedema_mm): (f64, f32, f32),
    rng: &mut impl RngCore,
) {
    let Some(place) = place else { return };
    let head = ground.head;
    let unevenness = SmoothNoise::new(6.0, rng);
    paint_blob(ground, place, volume_ml, oedema_mm, rng, |node, share, depth_mm| {
        let brain = head.share(node, BRAIN);
        if oedema_mm > 0.0 {
            let swollen = 10.0 * brain * smooth_step(-oedema_mm, 0.0, depth_mm);
            hu[node] -= swollen * smooth_step(42.0, 30.0, hu[node]);
        }
        let point = head.lattice.point(head.lattice.index(node));
        let there_hu = inside_hu + 2.5 * unevenness.at(point);
        hu[node] += share * brain * (there_hu - hu[node]);
    });
}

fn paint_blob(
    ground: &Ground<'_>,
    place: [f32; 3],
    volume_ml: f64,
    rim_mm: f32,
    rng: &mut impl RngCore,
    mut paint: impl FnMut(usize, f32, f32),
) {
    let radius_mm = (238.7 * volume_ml as f32).cbrt();
    let form = Blob::draw(Site::Lobar, radius_mm, rng);
    let spots = ground.blob(place, &form, radius_mm + rim_mm);
    let lattice = ground.head.lattice;
    let range_mm = [0.0, 2.0 * radius_mm];
    let Some(shape) = solve(&lattice, &spots, volume_ml, range_mm, rim_mm) else { return };
    for (own, node) in shape.nodes(lattice) {
        paint(node, shape.shares[own], shape.depths_mm[own]);
    }
}

/// A place on the vault, and the way outwards there.
fn vault(ground: &Ground<'_>, rng: &mut impl RngCore) -> Option<([f32; 3], [f32; 3])> {
    let side = if chance(0.5, rng) { 1.0 } else { -1.0 };
    let raw = [
        side * rng.random_range(0.5_f32..1.0),
        rng.random_range(-0.8..0.8),
        rng.random_range(0.0..0.7),
    ];
    let outwards = raw.map(|v| v / dot(raw, raw).sqrt());
    Some((ground.wall(outwards)?, outwards))
}

/// A crack through the bone; the soft tissue over it swells with blood, outside the skull.
fn crack(ground: &Ground<'_>, hu: &mut [f32], rng: &mut impl RngCore) {
    let Some((place, outwards)) = vault(ground, rng) else { return };
    let turn = rng.random_range(-1.5_f32..1.5);
    let across = [turn.sin() * outwards[1], -turn.sin() * outwards[0], turn.cos()];
    let wander = SmoothNoise::new(14.0, rng);
    let length_mm = rng.random_range(14.0..45.0);
    let swelling_hu = rng.random_range(44.0..66.0);
    let lattice = ground.head.lattice;
    for (node, point) in nodes_around(&ground.head.lattice, place, length_mm) {
        if ground.head.shares[node][CAVITY] > 60 {
            continue;
        }
        let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - place[axis]);
        let from_mm = dot(way, way).sqrt();
        let gap_mm = (dot(way, across) + 2.5 * wander.at(point)).abs();
        let value = &mut hu[node];
        if *value > 200.0 && from_mm < length_mm {
            *value -= smooth_step(0.6 + 0.5 * lattice.pitch_mm, 0.0, gap_mm) * (*value - 45.0);
        } else if *value > -300.0 && *value < 120.0 {
            *value += smooth_step(length_mm, 0.4 * length_mm, from_mm) * (swelling_hu - *value);
        }
    }
}

/// The saw-cut around a round flap of bone; sometimes the flap is left out. Returns its middle on the
/// inner face of the skull, and the way outwards.
fn flap(
    ground: &Ground<'_>,
    hu: &mut [f32],
    rng: &mut impl RngCore,
) -> Option<([f32; 3], [f32; 3])> {
    let (place, outwards) = vault(ground, rng)?;
    let radius_mm = rng.random_range(16.0_f32..38.0);
    let is_left_out = chance(0.3, rng);
    for (node, point) in nodes_around(&ground.head.lattice, place, radius_mm + 18.0) {
        let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - place[axis]);
        let along = dot(way, outwards);
        let aside_mm = (dot(way, way) - along * along).max(0.0).sqrt();
        let cut = smooth_step(1.6, 0.4, (aside_mm - radius_mm).abs());
        let gone = if is_left_out && aside_mm < radius_mm { 1.0 } else { cut };
        if hu[node] > 120.0 && along > -14.0 {
            hu[node] -= gone * (hu[node] - 25.0);
        }
    }
    Some((place, outwards))
}

/// A hole in the brain under a flap: fluid with a little blood in it; air rises to its top.
fn hollow(ground: &Ground<'_>, hu: &mut [f32], rng: &mut impl RngCore) {
    let Some((wall, outwards)) = flap(ground, hu, rng) else { return };
    let volume_ml = rng.random_range(4.0..45.0);
    let radius_mm = (238.7 * volume_ml as f32).cbrt();
    let centre = std::array::from_fn(|axis| wall[axis] - 0.8 * radius_mm * outwards[axis]);
    let fluid_hu = rng.random_range(9.0..20.0);
    // Where the surface of the fluid lies, upwards from the middle; above all of it where there is no air.
    let surface_mm =
        if chance(0.4, rng) { radius_mm * rng.random_range(-0.2..0.8) } else { f32::INFINITY };
    let lattice = ground.head.lattice;
    paint_blob(ground, centre, volume_ml, 0.0, rng, |node, share, _| {
        let point = lattice.point(lattice.index(node));
        let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - centre[axis]);
        let air = smooth_step(-0.5, 0.5, (-dot(way, ground.down) - surface_mm) / lattice.pitch_mm);
        let there_hu = fluid_hu + air * (-1000.0 - fluid_hu);
        hu[node] += share * (there_hu - hu[node]);
    });
}

/// A tube of silicone with barium, from the vault into a ventricle.
fn tube(ground: &Ground<'_>, hu: &mut [f32], rng: &mut impl RngCore) {
    let Some((wall, outwards)) = vault(ground, rng) else { return };
    let tip = ground.find(
        |tissue, [x, _, z]| tissue == Tissue::Ventricle && x * outwards[0] > 0.0 && z > 0.0,
        rng,
    );
    let Some(tip) = tip else { return };
    let entry = std::array::from_fn(|axis| wall[axis] + 14.0 * outwards[axis]);
    let barium_hu = rng.random_range(180.0..420.0);
    line(ground.head, hu, (tip, entry), |from_mm, old_hu| match from_mm {
        _ if from_mm < 0.6 => Some(10.0),
        _ if from_mm < 1.5 => Some(barium_hu),
        _ if from_mm < 5.0 && old_hu > 250.0 => Some(25.0),
        _ => None,
    });
}

/// Nothing further from a line than this is changed.
const LINE_REACH_MM: f32 = 6.0;

/// Changes what lies near a straight line, by its distance.
fn line(
    head: &Head,
    hu: &mut [f32],
    (from, to): ([f32; 3], [f32; 3]),
    change: impl Fn(f32, f32) -> Option<f32>,
) {
    let along: [f32; 3] = std::array::from_fn(|axis| to[axis] - from[axis]);
    let square = dot(along, along);
    let length_mm = square.sqrt();
    let middle = std::array::from_fn(|axis| f32::midpoint(from[axis], to[axis]));
    for (node, point) in nodes_around(&head.lattice, middle, 0.5 * length_mm + LINE_REACH_MM) {
        let hu = &mut hu[node];
        let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - from[axis]);
        let t = (dot(way, along) / square).clamp(0.0, 1.0);
        let rest: [f32; 3] = std::array::from_fn(|axis| way[axis] - t * along[axis]);
        if let Some(new_hu) = change(dot(rest, rest).sqrt(), *hu) {
            *hu = new_hu;
        }
    }
}
