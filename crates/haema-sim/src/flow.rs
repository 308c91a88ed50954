//! Mass effect: blood pushes the brain, the skull stays, and cerebrospinal fluid gives way.
//!
//! Brain tissue keeps its volume. The velocity with which it moves while a bleed grows is therefore
//! free of divergence, except where blood comes (a source) and where CSF leaves (sinks; and a little of
//! the brain's own blood, where CSF is not enough). It is the
//! slope of a potential `φ` with `∇·(κ∇φ) = s` within the skull and no flow through it; falx and
//! tentorium have a small `κ`, brainstem and cerebellum a smaller one than the rest. Following that velocity for one unit of time moves the tissue; followed
//! backwards it tells where the tissue at a point came from.

use std::num::NonZeroUsize;

use haema_volume::{Components, Connectivity, Volume};

use crate::anatomy::{Anatomy, Tissue};
use crate::lattice::{Lattice, smooth_step};
use crate::patient::{BRAIN, CAVITY, CSF, Head, VENTRICLE};

/// Pitch of the potential.
const PITCH_MM: f32 = 4.0;
/// How well a fold of the dura conducts against brain.
const DURA_CONDUCTS: f32 = 0.005;
/// The same of brainstem and cerebellum: nerves, vessels and the narrow fossa hold them.
const HELD_CONDUCTS: f32 = 0.1;
/// No more than this share of the CSF can leave.
const CSF_TO_GIVE: f32 = 0.75;
/// How easily ventricles give way, against sulci.
const VENTRICLES_GIVE: f32 = 2.0;
/// How easily CSF beside the bleed gives way, against that of the other side: a hemisphere moves as one
/// sooner than its folds close. Set so that midlines shift as far as they do in patients, see the table
/// in docs/simulator.
const BESIDE_GIVES: f32 = 0.4;
/// The same of what lies below the tentorium and around the brainstem, against what lies above.
const FOSSA_GIVES: f32 = 0.2;
/// How far that lies below the foramina of Monro.
const ABOVE_FOSSA_MM: f32 = 24.0;
/// At this level all have given all.
const MOST_LEVEL: f32 = 3e4;
/// As wide as this on either side, CSF belongs to neither half.
const MIDDLE_MM: f32 = 6.0;
/// Steps along the velocity.
const STEPS: usize = 6;

/// The velocity of tissue, mm for the whole growth of the bleeds.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    lattice: Lattice,
    velocity_mm: Vec<[f32; 3]>,
}

/// Links of a node to the next along x, y, z, and how well they conduct.
struct Links {
    steps: [usize; 3],
    conduct: Vec<[f32; 3]>,
}

impl Flow {
    /// The flow that bleeds cause.
    ///
    /// * `blood_mm3` — volume of blood that came, at each node of the head.
    /// * `outside_brain` — the share of it that came between brain and skull.
    /// * `source` — the map from the patient to the anatomy, to find folds of the dura.
    pub(crate) fn of(
        head: &Head,
        (blood_mm3, outside_brain): (&[f32], f32),
        anatomy: &Anatomy,
        source: impl Fn([f32; 3]) -> [f32; 3],
    ) -> Self {
        let lattice = Lattice::covering(head.lattice.origin_mm, head.lattice.end_mm(), PITCH_MM);
        let is_within = |offset: usize| {
            let nearest = head.lattice.nearest(lattice.point(lattice.index(offset)));
            nearest.is_some_and(|node| head.share(node, CAVITY) > 0.5)
        };
        let within = largest_part(&lattice, (0..lattice.len()).map(is_within).collect());
        let place_of = |node| source(lattice.point(lattice.index(node)));
        let places: Vec<[f32; 3]> = (0..lattice.len()).map(place_of).collect();
        let fossa_mm = anatomy.middle_mm[2] - ABOVE_FOSSA_MM;
        let gives = Gives::of(outside_brain);
        let sources = sources_mm3(head, blood_mm3, gives, (&lattice, &within), (&places, fossa_mm));
        let links = Links::between(&lattice, &within, |a, b| {
            let tissue = |t: f32| {
                let point = std::array::from_fn(|axis| a[axis] + t * (b[axis] - a[axis]));
                anatomy.tissue_at(source(point))
            };
            let along = [0.2, 0.4, 0.6, 0.8].map(tissue);
            match () {
                () if along.contains(&Tissue::Dura) => DURA_CONDUCTS,
                () if along.iter().any(|tissue| is_held(*tissue)) => HELD_CONDUCTS,
                () => 1.0,
            }
        });
        let potential = links.solve(&sources);
        let to_wall_mm = lattice.distance_mm(NonZeroUsize::MIN, |node| !within[node]);
        let velocity_mm = (0..lattice.len())
            .map(|node| {
                let near_wall = smooth_step(0.0, 2.0 * PITCH_MM, to_wall_mm[node]);
                links.velocity_mm(&potential, node).map(|v| v * near_wall)
            })
            .collect();
        Self { lattice, velocity_mm }
    }

    /// Where the tissue at a point lay before.
    pub(crate) fn before(&self, point: [f32; 3]) -> [f32; 3] {
        self.follow(point, -1.0)
    }

    /// Where the tissue of a point lies afterwards.
    pub(crate) fn after(&self, point: [f32; 3]) -> [f32; 3] {
        self.follow(point, 1.0)
    }

    fn follow(&self, mut point: [f32; 3], time: f32) -> [f32; 3] {
        let step = time / STEPS as f32;
        for _ in 0..STEPS {
            // The velocity half a step ahead: twice as exact as that at the start.
            let here = self.lattice.sample3(&self.velocity_mm, point);
            let ahead = std::array::from_fn(|axis| point[axis] + 0.5 * step * here[axis]);
            let there = self.lattice.sample3(&self.velocity_mm, ahead);
            point = std::array::from_fn(|axis| point[axis] + step * there[axis]);
        }
        point
    }
}

/// The largest connected part. A pocket of its own, such as a hole in the bone, could not pass on
/// what comes or leaves.
fn largest_part(lattice: &Lattice, within: Vec<bool>) -> Vec<bool> {
    let mask = Volume::from_fn(lattice.size, |index| u8::from(within[lattice.offset(index)]));
    let parts = Components::of(&mask, Connectivity::Faces);
    let Some(largest) = parts.largest() else { return within };
    parts.mask_of(largest).as_slice().iter().map(|&voxel| voxel != 0).collect()
}

/// How easily tissue makes room, against CSF far from the bleed.
#[derive(Debug, Clone, Copy)]
struct Gives {
    /// What lies on the bleed's own side.
    beside: f32,
    /// Brain itself, against CSF at the same place.
    brain: f32,
    /// Share of the brain that can leave: blood in its vessels, and some of the fluid that young heads, all
    /// sulci closed, have too little of here.
    vessels: f32,
}

const IN_BRAIN: Gives = Gives { beside: BESIDE_GIVES, brain: 0.002, vessels: 0.05 };
/// Bleeds between brain and skull lie along the whole hemisphere and move it as one: the far side of the
/// brain is pressed empty before the folds beside the bleed close.
const OUTSIDE_BRAIN: Gives = Gives { beside: 0.05, brain: 0.3, vessels: 0.08 };

impl Gives {
    /// * `outside_brain` — the share of the blood that came between brain and skull.
    fn of(outside_brain: f32) -> Self {
        let between = |a: f32, b: f32| a + outside_brain * (b - a);
        Self {
            beside: between(IN_BRAIN.beside, OUTSIDE_BRAIN.beside),
            brain: between(IN_BRAIN.brain, OUTSIDE_BRAIN.brain),
            vessels: between(IN_BRAIN.vessels, OUTSIDE_BRAIN.vessels),
        }
    }
}

/// Blood comes, and as much CSF leaves, or blood from the brain's vessels where that is not enough:
/// mm³ in the volume of each node.
///
/// * `places` — where each node lies in the anatomy.
/// * `fossa_mm` — the height below which the posterior fossa and the cisterns at the base lie.
fn sources_mm3(
    head: &Head,
    blood_mm3: &[f32],
    gives: Gives,
    (lattice, within): (&Lattice, &[bool]),
    (places, fossa_mm): (&[[f32; 3]], f32),
) -> Vec<f32> {
    let [mut blood, mut csf, mut brain] = std::array::from_fn(|_| vec![0.0_f32; lattice.len()]);
    let node_mm3 = head.lattice.node_mm3() as f32;
    for (offset, shares) in head.shares.iter().enumerate() {
        if shares[CAVITY] == 0 {
            continue;
        }
        let point = head.lattice.point(head.lattice.index(offset));
        let Some(node) = lattice.nearest(point).filter(|&node| within[node]) else { continue };
        blood[node] += blood_mm3[offset];
        if blood_mm3[offset] <= 0.5 * node_mm3 {
            // Ventricles give way more easily than sulci: they are further from the bone.
            let spare = head.share(offset, CSF) + VENTRICLES_GIVE * head.share(offset, VENTRICLE);
            csf[node] += node_mm3 * CSF_TO_GIVE * spare;
            brain[node] += node_mm3 * gives.vessels * head.share(offset, BRAIN);
        }
    }
    let total = |part: &[f32]| part.iter().sum::<f32>();
    let of_left = |node: usize| smooth_step(-MIDDLE_MM, MIDDLE_MM, places[node][0]);
    let blood_total = total(&blood);
    let left_mm3: f32 = blood.iter().enumerate().map(|(node, mm3)| of_left(node) * mm3).sum();
    let left_share = left_mm3 / blood_total.max(f32::MIN_POSITIVE);
    let ease = |node: usize| {
        let of_left = of_left(node);
        let beside = left_share * of_left + (1.0 - left_share) * (1.0 - of_left);
        let below = smooth_step(fossa_mm + MIDDLE_MM, fossa_mm - MIDDLE_MM, places[node][2]);
        (1.0 - (1.0 - gives.beside) * beside) * (1.0 - (1.0 - FOSSA_GIVES) * below)
    };
    let ease: Vec<f32> = (0..lattice.len()).map(ease).collect();
    // The far side of the brain gives before the folds beside a bleed do.
    let has: Vec<f32> = csf.into_iter().chain(brain).collect();
    let of_brain = ease.iter().map(|ease| gives.brain * ease);
    let easily: Vec<f32> = ease.iter().copied().chain(of_brain).collect();
    let given = give(&has, &easily, blood_total);
    // Blood that finds no room does not push; what room is given to no blood is a matter of rounding.
    let blood_factor = if blood_total > 0.0 { total(&given) / blood_total } else { 0.0 };
    let (from_csf, from_brain) = given.split_at(lattice.len());
    let sum = |node: usize| blood_factor * blood[node] - from_csf[node] - from_brain[node];
    (0..lattice.len()).map(sum).collect()
}

/// What each node gives so that all together give as much as is wanted, or all they have: in proportion
/// to what it has and how easily it gives, and no more than it has.
fn give(has: &[f32], easily: &[f32], wanted: f32) -> Vec<f32> {
    let at = |level: f32| {
        has.iter().zip(easily).map(move |(has, easily)| has * (level * easily).min(1.0))
    };
    // At the upper end all have given all.
    let (mut low, mut high) = (0.0, MOST_LEVEL);
    // Halving 50 times leaves less than single precision can hold.
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if at(middle).sum::<f32>() < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    at(high).collect()
}

fn is_held(tissue: Tissue) -> bool {
    matches!(
        tissue,
        Tissue::Brainstem
            | Tissue::SpinalCord
            | Tissue::CerebellarCortex
            | Tissue::CerebellarWhiteMatter
    )
}

impl Links {
    fn between(
        lattice: &Lattice,
        within: &[bool],
        conducts: impl Fn([f32; 3], [f32; 3]) -> f32,
    ) -> Self {
        let steps = [1, lattice.size[2], lattice.plane_len()];
        let mut conduct = vec![[0.0; 3]; lattice.len()];
        for offset in (0..lattice.len()).filter(|&offset| within[offset]) {
            let point = lattice.point(lattice.index(offset));
            for axis in 0..3 {
                // The outermost nodes lie outside the head.
                let next = offset + steps[axis];
                if within.get(next) != Some(&true) {
                    continue;
                }
                let mut beside = point;
                beside[axis] += lattice.pitch_mm;
                conduct[offset][axis] = conducts(point, beside);
            }
        }
        Self { steps, conduct }
    }

    /// `−∇·(κ∇φ)` summed over the volume of each node, divided by the pitch.
    fn apply(&self, potential: &[f32], result: &mut [f32]) {
        result.fill(0.0);
        for (node, conduct) in self.conduct.iter().enumerate() {
            for (axis, &conduct) in conduct.iter().enumerate() {
                if conduct > 0.0 {
                    let next = node + self.steps[axis];
                    let flow = conduct * (potential[node] - potential[next]);
                    result[node] += flow;
                    result[next] -= flow;
                }
            }
        }
    }

    /// The potential of sources, by conjugate gradients.
    ///
    /// # Source
    ///
    /// M. Hestenes and E. Stiefel, _Journal of Research of the National Bureau of Standards_
    /// 49:409–436, 1952.
    fn solve(&self, sources_mm3: &[f32]) -> Vec<f32> {
        let product = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let mut potential = vec![0.0_f32; sources_mm3.len()];
        // Flow runs down the potential.
        let mut rest: Vec<f32> = sources_mm3.to_vec();
        let mut way = rest.clone();
        let mut image = vec![0.0; rest.len()];
        let mut square = product(&rest, &rest);
        let enough = 1e-6 * square;
        for _ in 0..MOST_ITERATIONS {
            if square <= enough {
                break;
            }
            self.apply(&way, &mut image);
            let length = (square / product(&way, &image).max(f64::MIN_POSITIVE)) as f32;
            potential.iter_mut().zip(&way).for_each(|(p, w)| *p += length * w);
            rest.iter_mut().zip(&image).for_each(|(r, i)| *r -= length * i);
            let next = product(&rest, &rest);
            let turn = (next / square) as f32;
            way.iter_mut().zip(&rest).for_each(|(w, r)| *w = r + turn * *w);
            square = next;
        }
        potential
    }

    /// Mean flow through the two faces along each axis, per area of a face.
    fn velocity_mm(&self, potential: &[f32], node: usize) -> [f32; 3] {
        let face_mm2 = PITCH_MM * PITCH_MM;
        std::array::from_fn(|axis| {
            let step = self.steps[axis];
            let through = |node: usize| {
                let conduct = self.conduct[node][axis];
                if conduct > 0.0 {
                    conduct * (potential[node] - potential[node + step]) / face_mm2
                } else {
                    0.0
                }
            };
            let before = if node >= step { through(node - step) } else { 0.0 };
            0.5 * (through(node) + before)
        })
    }
}

/// The residual falls by a thousand within about 150 on a head of 4 mm nodes.
const MOST_ITERATIONS: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anatomy::testing::ball_head;

    /// A ball of brain in a skull, with a ball of fluid on its left and blood on its right.
    fn flow() -> (Head, Flow) {
        let (anatomy, head) = ball_head();
        let blood_at = |offset: usize| {
            let [x, y, z] = head.lattice.point(head.lattice.index(offset));
            let from = ((x + 25.0).powi(2) + y * y + z * z).sqrt();
            if from < 15.0 { head.lattice.node_mm3() as f32 } else { 0.0 }
        };
        let blood_mm3: Vec<f32> = (0..head.hu.len()).map(blood_at).collect();
        let flow = Flow::of(&head, (&blood_mm3, 0.0), &anatomy, |point| point);
        (head, flow)
    }

    #[test]
    fn brain_moves_away_from_blood_towards_the_fluid_that_gives_way() {
        let (_, flow) = flow();

        let moved = flow.after([0.0; 3]);

        assert!(moved[0] > 2.0, "to the left: {moved:?}");
        assert!(moved[1].abs() < 0.3 && moved[2].abs() < 0.3, "not aside: {moved:?}");
        let back = flow.before(moved);
        assert!(back.iter().all(|v| v.abs() < 0.1), "back where it was: {back:?}");
    }

    #[test]
    fn what_gives_most_easily_gives_first_and_nothing_gives_more_than_it_has() {
        let (has, easily) = ([10.0, 10.0, 30.0], [1.0, 0.5, 0.1]);

        let part = give(&has, &easily, 9.0);
        assert!(part.iter().zip([5.0, 2.5, 1.5]).all(|(a, b)| (a - b).abs() < 1e-4), "{part:?}");

        let full = give(&has, &easily, 36.0);
        assert!(full[0] == 10.0 && full[1] == 10.0 && (full[2] - 16.0).abs() < 1e-3, "{full:?}");
        let all = give(&has, &easily, 99.0);
        assert!((all.iter().sum::<f32>() - 50.0).abs() < 1e-3, "{all:?}");
        assert!(give(&has, &easily, 0.0).iter().sum::<f32>() < 1e-3);
    }

    #[test]
    fn the_skull_stays() {
        let (_, flow) = flow();

        for wall in [[-65.0, 0.0, 0.0], [0.0, 65.0, 0.0], [0.0, 0.0, -65.0]] {
            assert_eq!(flow.before(wall), wall);
        }
    }

    #[test]
    fn brain_keeps_its_volume() {
        let (_, flow) = flow();
        // Neither in the blood, nor in the fluid, nor next to the wall.
        for point in [[0.0, 0.0, 0.0], [0.0, 25.0, 10.0], [-5.0, -20.0, -20.0], [4.0, 10.0, 30.0]] {
            let side = |axis: usize| {
                let at = |by: f32| {
                    let mut beside: [f32; 3] = point;
                    beside[axis] += by;
                    flow.after(beside).map(f64::from)
                };
                haema_volume::scale(haema_volume::sub(at(4.0), at(-4.0)), 0.125)
            };

            let volume = haema_volume::dot(side(0), haema_volume::cross(side(1), side(2)));

            assert!((volume - 1.0).abs() < 0.06, "{point:?}: {volume}");
        }
    }
}
