//! One patient: an anatomy with a shape, an age and Hounsfield units of its own.

use std::num::NonZeroUsize;

use rand::{Rng as _, RngCore};

use crate::anatomy::{Anatomy, DEPTH_STEP_MM, Node, Tissue};
use crate::lattice::{Lattice, each_plane, smooth_step};
use crate::smooth_noise::SmoothNoise;

/// Hounsfield units of each tissue, and how far a brain has shrunk.
#[derive(Debug, Clone)]
pub(crate) struct Looks {
    pub(crate) hu: [f32; Tissue::ALL.len()],
    /// How far sulci are narrower (positive) or wider than in the label map, on either side, mm.
    pub(crate) swelling_mm: f32,
    /// How far the walls of the ventricles are moved outwards, mm.
    pub(crate) widening_mm: f32,
}

/// Mean and spread over patients of each tissue's Hounsfield units at 120 kV.
///
/// # Source
///
/// Brain and fluid: set so that scans show what those of CT-ICH show (docs/simulator). The rest:
/// textbook values.
const HU: [(Tissue, f32, f32); Tissue::ALL.len()] = [
    (Tissue::Air, -1000.0, 0.0),
    (Tissue::Skin, 32.0, 8.0),
    (Tissue::Fat, -96.0, 8.0),
    (Tissue::Muscle, 54.0, 6.0),
    (Tissue::Mucosa, 38.0, 6.0),
    (Tissue::CorticalBone, 1350.0, 180.0),
    (Tissue::CancellousBone, 620.0, 150.0),
    (Tissue::Dura, 48.0, 5.0),
    (Tissue::VenousSinus, 52.0, 5.0),
    (Tissue::Artery, 42.0, 4.0),
    (Tissue::Csf, 9.0, 3.0),
    (Tissue::Ventricle, 7.0, 2.0),
    (Tissue::ChoroidPlexus, 20.0, 8.0),
    (Tissue::WhiteMatter, 29.5, 1.5),
    (Tissue::WhiteMatterLesion, 25.0, 2.0),
    (Tissue::Cortex, 41.8, 1.5),
    (Tissue::CerebellarCortex, 41.0, 1.5),
    (Tissue::CerebellarWhiteMatter, 33.0, 1.5),
    (Tissue::BasalGanglia, 41.8, 1.5),
    (Tissue::Thalamus, 39.5, 1.5),
    (Tissue::Brainstem, 33.5, 1.5),
    (Tissue::SpinalCord, 32.0, 2.0),
    (Tissue::Eye, 10.0, 3.0),
    (Tissue::Sclera, 52.0, 5.0),
    (Tissue::Lens, 78.0, 8.0),
    (Tissue::OpticNerve, 34.0, 3.0),
];

impl Looks {
    pub(crate) fn draw(rng: &mut impl RngCore) -> Self {
        let mut hu = [0.0; Tissue::ALL.len()];
        // Calibration and beam differ from scanner to scanner: all of the brain moves together.
        let brain_shift = spread(1.6, rng);
        for (tissue, mean, sd) in HU {
            let own = spread(if tissue.is_brain() { 0.5 } else { sd }, rng);
            let shift = if tissue.is_brain() { brain_shift } else { 0.0 };
            hu[tissue as usize] = mean + shift + own;
        }
        let age = rng.random::<f32>();
        let swelling_mm = 1.7 - 2.1 * age + spread(0.35, rng);
        let widening_mm = -1.6 + 4.2 * age * age + spread(0.6, rng);
        Self { hu, swelling_mm, widening_mm }
    }
}

/// Nearly normal: the sum of three uniform numbers.
pub(crate) fn spread(sd: f32, rng: &mut impl RngCore) -> f32 {
    let sum: f32 = (0..3).map(|_| 2.0 * rng.random::<f32>() - 1.0).sum();
    sd * sum
}

/// The map from the patient to the label map.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Rows of the affine part.
    rows: [[f32; 3]; 3],
    bends: [(f32, [SmoothNoise; 3]); 2],
    widening_mm: f32,
}

impl Shape {
    pub(crate) fn draw(looks: &Looks, rng: &mut impl RngCore) -> Self {
        let size = 1.0 + spread(0.025, rng);
        let mut rows = [[0.0; 3]; 3];
        for (axis, row) in rows.iter_mut().enumerate() {
            for (other, value) in row.iter_mut().enumerate() {
                *value = if axis == other { size + spread(0.025, rng) } else { spread(0.012, rng) };
            }
        }
        let mut bend = |sd_mm: f32, pitch_mm: f32| {
            (sd_mm, std::array::from_fn(|_| SmoothNoise::new(pitch_mm, rng)))
        };
        let bends = [bend(4.0, 60.0), bend(1.3, 26.0)];
        Self { rows, bends, widening_mm: looks.widening_mm }
    }

    /// Where in the label map the tissue at a point of the patient comes from.
    pub(crate) fn source(&self, anatomy: &Anatomy, point: [f32; 3]) -> [f32; 3] {
        let mut place = self.rows.map(|row| dot(row, point));
        for (sd_mm, noises) in &self.bends {
            for (value, noise) in place.iter_mut().zip(noises) {
                *value += sd_mm * noise.at(point);
            }
        }
        let to_mm = anatomy.ventricles.sample(&anatomy.to_ventricle_mm, place).unwrap_or(60.0);
        let felt = if to_mm > 0.0 {
            (-(to_mm / 14.0).powi(2)).exp()
        } else {
            (1.0 + to_mm / 6.0).max(0.0)
        };
        if felt < 0.01 {
            return place;
        }
        let away = anatomy.ventricles.slope(&anatomy.to_ventricle_mm, place);
        std::array::from_fn(|axis| place[axis] - self.widening_mm * felt * away[axis])
    }

    /// The point of the patient whose tissue comes from here: the map undone, step by step.
    pub(crate) fn patient_point(&self, anatomy: &Anatomy, source: [f32; 3]) -> [f32; 3] {
        let mut point = source;
        for _ in 0..12 {
            let found = self.source(anatomy, point);
            point = std::array::from_fn(|axis| point[axis] + source[axis] - found[axis]);
        }
        point
    }
}

pub(crate) fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// What of a node is CSF outside the ventricles, ventricle, brain, and within the skull; as whole numbers up to 255.
pub(crate) type Shares = [u8; 4];
pub(crate) const CSF: usize = 0;
pub(crate) const VENTRICLE: usize = 1;
pub(crate) const BRAIN: usize = 2;
pub(crate) const CAVITY: usize = 3;

/// A head on a lattice: Hounsfield units, and what they are made of.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) lattice: Lattice,
    pub(crate) hu: Vec<f32>,
    pub(crate) shares: Vec<Shares>,
}

impl Head {
    pub(crate) fn share(&self, node: usize, of: usize) -> f32 {
        f32::from(self.shares[node][of]) / 255.0
    }
}

/// What each kind of node is worth: Hounsfield units, then the four shares.
type Worth = [f32; 5];
const DEPTH_CODES: usize = 64;

fn depth_code(node: Node) -> usize {
    (i32::from(node.outside_brain).clamp(-32, 31) + 32) as usize
}

/// The worth of every tissue at every depth.
fn worth_table(looks: &Looks) -> Vec<Worth> {
    let mut table = Vec::with_capacity(Tissue::ALL.len() * DEPTH_CODES);
    for tissue in Tissue::ALL {
        let own_hu = looks.hu[tissue as usize];
        for code in 0..DEPTH_CODES {
            let is = |yes: bool| f32::from(u8::from(yes));
            if !tissue.is_folded() {
                table.push([
                    own_hu,
                    0.0,
                    is(tissue.is_ventricle()),
                    is(tissue.is_brain()),
                    is(tissue.is_in_cavity()),
                ]);
                continue;
            }
            let outside_mm = DEPTH_STEP_MM * (code as f32 - 32.0);
            let csf = (0.5 + outside_mm - looks.swelling_mm).clamp(0.0, 1.0);
            let cortex = if tissue == Tissue::CerebellarCortex { tissue } else { Tissue::Cortex };
            let hu = csf * looks.hu[Tissue::Csf as usize] + (1.0 - csf) * looks.hu[cortex as usize];
            table.push([hu, csf, 0.0, 1.0 - csf, 1.0]);
        }
    }
    table
}

/// A field of displacements, mm: where a point's tissue comes from, minus the point.
#[derive(Debug, Clone)]
pub(crate) struct Shifts {
    pub(crate) lattice: Lattice,
    pub(crate) mm: Vec<[f32; 3]>,
}

/// Pitch of [`Shifts`]: all displacements are smooth over this length.
const SHIFT_PITCH_MM: f32 = 4.0;

impl Shifts {
    /// Tabulates a map over a box.
    pub(crate) fn tabulate(
        over: &Lattice,
        threads: NonZeroUsize,
        source: impl Fn([f32; 3]) -> [f32; 3] + Sync,
    ) -> Self {
        let lattice = Lattice::covering(over.origin_mm, over.end_mm(), SHIFT_PITCH_MM);
        let mut mm = vec![[0.0; 3]; lattice.len()];
        each_plane(&mut mm, lattice.plane_len(), threads, |z, plane| {
            for (offset, shift) in plane.iter_mut().enumerate() {
                let columns = lattice.size[2];
                let point = lattice.point([z, offset / columns, offset % columns]);
                let place = source(point);
                *shift = std::array::from_fn(|axis| place[axis] - point[axis]);
            }
        });
        Self { lattice, mm }
    }

    /// The shifts along a row of nodes of another lattice, linear between our own.
    fn along_row(&self, of: &Lattice, z: usize, y: usize, row: &mut Vec<[f32; 3]>) {
        row.clear();
        let mut point = of.point([z, y, 0]);
        for _ in 0..of.size[2] {
            row.push(self.lattice.sample3(&self.mm, point));
            point[0] += of.pitch_mm;
        }
    }
}

/// Fills a lattice with the tissue that the displacements bring there.
pub(crate) fn fill(
    anatomy: &Anatomy,
    looks: &Looks,
    shifts: &Shifts,
    lattice: Lattice,
    threads: NonZeroUsize,
) -> Head {
    let table = worth_table(looks);
    let mut nodes: Vec<(f32, Shares)> = vec![(0.0, [0; 4]); lattice.len()];
    each_plane(&mut nodes, lattice.plane_len(), threads, |z, plane| {
        let mut row = Vec::new();
        for (y, line) in plane.chunks_exact_mut(lattice.size[2]).enumerate() {
            shifts.along_row(&lattice, z, y, &mut row);
            for (x, (node, shift)) in line.iter_mut().zip(&row).enumerate() {
                let point = lattice.point([z, y, x]);
                let place = std::array::from_fn(|axis| point[axis] + shift[axis]);
                let [hu, shares @ ..] = worth_at(anatomy, &table, place);
                *node = (hu, shares.map(|share| (255.0 * share + 0.5) as u8));
            }
        }
    });
    let (hu, shares) = nodes.into_iter().unzip();
    Head { lattice, hu, shares }
}

#[inline]
fn worth_at(anatomy: &Anatomy, table: &[Worth], place: [f32; 3]) -> Worth {
    let lattice = &anatomy.lattice;
    let air = [-1000.0, 0.0, 0.0, 0.0, 0.0];
    let Some(cell) = lattice.cell(place) else { return air };
    let mut sum = [0.0; 5];
    for (node, weight) in lattice.corners(cell) {
        let node = anatomy.nodes[node];
        let worth = &table[node.tissue as usize * DEPTH_CODES + depth_code(node)];
        for (sum, worth) in sum.iter_mut().zip(worth) {
            *sum += weight * worth;
        }
    }
    sum
}

/// Lets brain and bone vary from place to place.
pub(crate) fn roughen(head: &mut Head, threads: NonZeroUsize, rng: &mut impl RngCore) {
    let broad = SmoothNoise::new(14.0, rng);
    let fine = SmoothNoise::new(3.5, rng);
    let lattice = head.lattice;
    let shares = &head.shares;
    each_plane(&mut head.hu, lattice.plane_len(), threads, |z, plane| {
        for (offset, hu) in plane.iter_mut().enumerate() {
            let node = z * lattice.plane_len() + offset;
            let is_brain = shares[node][BRAIN] > 127;
            let is_bone = *hu > 250.0;
            if !is_brain && !is_bone {
                continue;
            }
            let point = lattice.point(lattice.index(node));
            let (broad, fine) = (broad.at(point), fine.at(point));
            *hu += if is_bone {
                smooth_step(250.0, 900.0, *hu) * (90.0 * broad + 160.0 * fine)
            } else {
                1.3 * broad + 1.0 * fine
            };
        }
    });
}
