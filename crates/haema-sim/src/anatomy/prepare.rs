//! What label maps lack: falx and tentorium, muscle and fat, coats and lenses of the eyes, and how far it is
//! to the next sulcus.

use std::num::NonZeroUsize;

use haema_volume::{Components, Connectivity, Volume};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::freesurfer::{Labelled, Part};
use super::{Anatomy, DEPTH_STEP_MM, Node, Tissue};
use crate::lattice::{Block, Lattice, each_plane};
use crate::smooth_noise::SmoothNoise;

/// Folds of the dura reach no further than this from the brain on either side.
const DURA_REACH_MM: f32 = 7.0;
/// Nodes around the brain in which distances to it are worked out: more than sulci are wide.
const BRAIN_MARGIN: usize = 12;
/// Half their thickness.
const DURA_HALF_MM: f32 = 0.55;
/// In front of the brainstem there is no tentorium; it begins this far from the midline.
const TENTORIAL_NOTCH_MM: f32 = 16.0;
/// Pitch of the map of distances to the ventricles.
const COARSE_MM: f32 = 2.0;

/// Adds what the labels lack.
pub(super) fn complete(labelled: Labelled, threads: NonZeroUsize) -> Anatomy {
    let Labelled { lattice, mut tissues, parts } = labelled;
    fill_holes(&lattice, &mut tissues);
    raise_dura(&lattice, &mut tissues, &parts, threads);
    divide_soft_tissue(&lattice, &mut tissues, threads);
    divide_eyes(&lattice, &mut tissues);
    prepare(lattice, &tissues, threads)
}

/// Prepares a head of which every tissue is known.
pub(super) fn prepare(lattice: Lattice, tissues: &[Tissue], threads: NonZeroUsize) -> Anatomy {
    let outside_brain = outside_brain(&lattice, tissues, threads);
    let nodes = tissues.iter().zip(outside_brain);
    let nodes: Vec<Node> =
        nodes.map(|(&tissue, outside_brain)| Node { tissue, outside_brain }).collect();
    let (ventricles, to_ventricle_mm) = ventricle_map(&lattice, &nodes, threads);
    let places = |of: fn(Tissue) -> bool| {
        let chosen = nodes.iter().enumerate().filter(move |(_, node)| of(node.tissue));
        chosen.map(|(offset, _)| lattice.point(lattice.index(offset)))
    };
    let levels = places(Tissue::is_brain).map(|[_, _, z]| z);
    let brain_z_mm =
        levels.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], z| [low.min(z), high.max(z)]);
    let deep = || places(|tissue| tissue == Tissue::BasalGanglia);
    let count = deep().count().max(1) as f64;
    let middle_mm = std::array::from_fn(|axis| {
        (deep().map(|point| f64::from(point[axis])).sum::<f64>() / count) as f32
    });
    Anatomy { lattice, nodes, brain_z_mm, middle_mm, ventricles, to_ventricle_mm }
}

/// Pockets without a label among the brain's folds are fluid that the map's makers missed; those among
/// bone are air.
fn fill_holes(lattice: &Lattice, tissues: &mut [Tissue]) {
    let mask = Volume::from_fn(lattice.size, |index| {
        u8::from(tissues[lattice.offset(index)] == Tissue::Air)
    });
    let pockets = Components::of(&mask, Connectivity::Faces);
    let labels = pockets.labels().as_slice();
    // Of each pocket: faces to what fills the skull, and faces to anything else.
    let mut faces = vec![[0_u32; 2]; pockets.voxel_counts().len() + 1];
    for axis_step in [1, lattice.size[2], lattice.plane_len()] {
        for node in 0..lattice.len() - axis_step {
            for (here, there) in [(node, node + axis_step), (node + axis_step, node)] {
                if labels[here] > 0 && labels[there] == 0 {
                    let is_other = usize::from(!tissues[there].is_in_cavity());
                    faces[labels[here] as usize][is_other] += 1;
                }
            }
        }
    }
    for (tissue, label) in tissues.iter_mut().zip(labels) {
        let [cavity, other] = faces[*label as usize];
        if *label > 0 && cavity > other {
            *tissue = Tissue::Csf;
        }
    }
}

/// Falx and tentorium lie in the CSF, half-way between the two sides.
fn raise_dura(lattice: &Lattice, tissues: &mut [Tissue], parts: &[Part], threads: NonZeroUsize) {
    // All folds of the dura lie within reach of the brain.
    let block = Block::around(lattice, BRAIN_MARGIN, |node| parts[node] != Part::Other);
    let to = |part: Part| block.distance_mm(threads, |node| parts[node] == part);
    let [left, right, below] = [Part::LeftCerebrum, Part::RightCerebrum, Part::Cerebellum].map(to);
    for own in 0..block.lattice.len() {
        let node = block.there(own);
        if tissues[node] != Tissue::Csf {
            continue;
        }
        let [x, y, _] = lattice.point(lattice.index(node));
        let is_between =
            |a: f32, b: f32| (a - b).abs() < 2.0 * DURA_HALF_MM && a.max(b) < DURA_REACH_MM;
        let is_falx = is_between(left[own], right[own]);
        let above = left[own].min(right[own]);
        let is_behind = y > TENTORIAL_NOTCH_MM && x.abs() > 0.5 * TENTORIAL_NOTCH_MM;
        let is_tentorium = is_between(above, below[own]) && is_behind;
        if is_falx || is_tentorium {
            tissues[node] = Tissue::Dura;
        }
    }
}

/// Under the skin lies fat; deeper, muscle with planes of fat between.
fn divide_soft_tissue(lattice: &Lattice, tissues: &mut [Tissue], threads: NonZeroUsize) {
    let depth = lattice.distance_mm(threads, |node| tissues[node] == Tissue::Skin);
    // The same in every head: their deformation tells them apart.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let planes = SmoothNoise::new(15.0, &mut rng);
    let strands = SmoothNoise::new(5.5, &mut rng);
    let lobules = SmoothNoise::new(4.0, &mut rng);
    let pads = SmoothNoise::new(30.0, &mut rng);
    each_plane(tissues, lattice.plane_len(), threads, |level, plane| {
        for (offset, tissue) in plane.iter_mut().enumerate() {
            if *tissue != Tissue::Fat {
                continue;
            }
            let node = level * lattice.plane_len() + offset;
            let [x, y, z] = lattice.point(lattice.index(node));
            // Muscles of face and neck run upwards.
            let plane = planes.at([x, y, 0.5 * z]) + 0.35 * strands.at([x, y, 0.3 * z]);
            let thick_mm = 3.5 + 2.5 * pads.at([x, y, z]) + 2.0 * lobules.at([x, y, z]);
            let is_fat = depth[node] < thick_mm || plane.abs() < 0.05 || plane > 0.62;
            if !is_fat {
                *tissue = Tissue::Muscle;
            }
        }
    });
}

/// Half of the lens's width, depth and height.
const LENS_MM: [f32; 3] = [4.6, 2.2, 4.6];
/// From the front of the eye to the middle of its lens.
const LENS_DEPTH_MM: f32 = 5.0;

/// An eye has a coat, and a lens behind its front.
fn divide_eyes(lattice: &Lattice, tissues: &mut [Tissue]) {
    let eyes: Vec<usize> = (0..lattice.len()).filter(|&i| tissues[i] == Tissue::Eye).collect();
    let is_coat = |&&node: &&usize| {
        let steps = [1, lattice.size[2], lattice.plane_len()];
        let is_open = |there: Option<usize>| {
            there.and_then(|there| tissues.get(there)).is_none_or(|t| *t != Tissue::Eye)
        };
        steps.iter().any(|&s| is_open(node.checked_sub(s)) || is_open(node.checked_add(s)))
    };
    let coat: Vec<usize> = eyes.iter().filter(is_coat).copied().collect();
    for &node in &coat {
        tissues[node] = Tissue::Sclera;
    }
    let point_of = |node: &usize| lattice.point(lattice.index(*node));
    let across = eyes.iter().map(|node| point_of(node)[0]).sum::<f32>() / eyes.len().max(1) as f32;
    for is_left in [false, true] {
        let own: Vec<&usize> =
            eyes.iter().filter(|node| (point_of(node)[0] > across) == is_left).collect();
        let middle = |axis: usize| {
            own.iter().map(|node| point_of(node)[axis]).sum::<f32>() / own.len().max(1) as f32
        };
        let front = own.iter().map(|node| point_of(node)[1]).fold(f32::INFINITY, f32::min);
        let lens = [middle(0), front + LENS_DEPTH_MM, middle(2)];
        for &node in own {
            let point = point_of(&node);
            let way = (0..3).map(|axis| ((point[axis] - lens[axis]) / LENS_MM[axis]).powi(2));
            if way.sum::<f32>() < 1.0 {
                tissues[node] = Tissue::Lens;
            }
        }
    }
}

/// How far each node of folded tissue lies outside the brain; negative within.
fn outside_brain(lattice: &Lattice, tissues: &[Tissue], threads: NonZeroUsize) -> Vec<i8> {
    // Further away than the margin all is equally far.
    let block = Block::around(lattice, BRAIN_MARGIN, |node| tissues[node].is_brain());
    let to_brain = block.distance_mm(threads, |node| tissues[node].is_brain());
    let to_csf =
        block.distance_mm(threads, |node| matches!(tissues[node], Tissue::Csf | Tissue::Dura));
    let half = 0.5 * lattice.pitch_mm;
    let folded = |tissue: &Tissue| if tissue.is_folded() { i8::MAX } else { 0 };
    let mut outside: Vec<i8> = tissues.iter().map(folded).collect();
    for own in 0..block.lattice.len() {
        let node = block.there(own);
        if tissues[node].is_folded() {
            let is_brain = tissues[node].is_brain();
            let signed_mm = if is_brain { half - to_csf[own] } else { to_brain[own] - half };
            outside[node] = (signed_mm / DEPTH_STEP_MM).round().clamp(-127.0, 127.0) as i8;
        }
    }
    outside
}

/// Signed distance to the ventricles, negative within, smooth enough to have a slope.
fn ventricle_map(fine: &Lattice, nodes: &[Node], threads: NonZeroUsize) -> (Lattice, Vec<f32>) {
    let lattice = Lattice::covering(fine.origin_mm, fine.end_mm(), COARSE_MM);
    let is_within = |offset: usize| {
        let nearest = fine.nearest(lattice.point(lattice.index(offset)));
        nearest.is_some_and(|node| nodes[node].tissue.is_ventricle())
    };
    let within: Vec<bool> = (0..lattice.len()).map(is_within).collect();
    let outside = lattice.distance_mm(threads, |node| within[node]);
    let inside = lattice.distance_mm(threads, |node| !within[node]);
    let signed = outside.iter().zip(&inside).map(|(out, into)| out - into).collect();
    (lattice, signed)
}
