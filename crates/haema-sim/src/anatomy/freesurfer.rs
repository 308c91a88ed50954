//! Label maps with FreeSurfer's numbers, brought to the patient's axes.

use std::num::NonZeroUsize;

use haema_volume::{Affine, CtVolume, Vec3, cross, dot, scale};

use super::{AnatomyError, Labels, Tissue};
use crate::lattice::{Lattice, each_plane};

/// A label map on the patient's axes, its origin in the middle of the brain.
pub(super) struct Labelled {
    pub(super) lattice: Lattice,
    pub(super) tissues: Vec<Tissue>,
    pub(super) parts: Vec<Part>,
}

/// What parts of the brain the falx and the tentorium lie between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Other,
    LeftCerebrum,
    RightCerebrum,
    Cerebellum,
}

/// Pitch of the prepared lattice.
const PITCH_MM: f32 = 1.0;
/// A cortex of 3 mm is lost in larger voxels.
const LARGEST_VOXEL_MM: f64 = 2.0;
/// How far the head is kept around the brain: right, front, below; left, back, above.
const KEPT_MM: [[f32; 3]; 2] = [[-34.0, -58.0, -100.0], [34.0, 34.0, 26.0]];

/// The tissue of a label, and the part of the brain it belongs to.
///
/// # Source
///
/// FreeSurfer's colour table; numbers from 500 on are those of SynthSeg's training maps (Billot et
/// al., _Medical Image Analysis_ 86:102789, 2023). 136, 137, 163 and 164 lie within the lateral
/// ventricles of those maps, as choroid plexus does. Soft tissue outside the skull (507) is divided
/// later and is called fat here.
fn meaning(label: u16) -> Option<(Tissue, Part)> {
    let part = match label {
        2..=5 | 10..=13 | 17 | 18 | 25 | 26 | 28 => Part::LeftCerebrum,
        41..=44 | 49..=54 | 57 | 58 | 60 => Part::RightCerebrum,
        7 | 8 | 46 | 47 => Part::Cerebellum,
        _ => Part::Other,
    };
    let tissue = match label {
        0 => Tissue::Air,
        2 | 41 => Tissue::WhiteMatter,
        3 | 42 | 17 | 18 | 53 | 54 => Tissue::Cortex,
        4 | 5 | 43 | 44 | 14 | 15 | 72 => Tissue::Ventricle,
        7 | 46 => Tissue::CerebellarWhiteMatter,
        8 | 47 => Tissue::CerebellarCortex,
        10 | 49 => Tissue::Thalamus,
        11..=13 | 50..=52 | 26 | 58 => Tissue::BasalGanglia,
        16 | 28 | 60 => Tissue::Brainstem,
        24 => Tissue::Csf,
        25 | 57 | 77 => Tissue::WhiteMatterLesion,
        30 | 62 | 502 => Tissue::Artery,
        31 | 63 | 136 | 137 | 163 | 164 => Tissue::ChoroidPlexus,
        85 | 530 => Tissue::OpticNerve,
        506 => Tissue::Eye,
        507 => Tissue::Fat,
        508 => Tissue::Muscle,
        509 => Tissue::Mucosa,
        511 => Tissue::Skin,
        512 => Tissue::SpinalCord,
        514 => Tissue::VenousSinus,
        515 => Tissue::CorticalBone,
        516 => Tissue::CancellousBone,
        _ => return None,
    };
    Some((tissue, part))
}

impl Labelled {
    pub(super) fn read(map: &CtVolume, threads: NonZeroUsize) -> Result<Self, AnatomyError> {
        let found_mm = map.grid().spacing_mm();
        if found_mm.iter().any(|mm| *mm > LARGEST_VOXEL_MM) {
            return Err(AnatomyError::TooCoarse { found_mm, wanted_mm: LARGEST_VOXEL_MM });
        }
        let voxels = map.voxels_hu().as_slice();
        let labels = labels_of(voxels)?;
        let voxel_ml = map.grid().voxel_volume_mm3(0) / 1000.0;
        check_parts(&labels, voxel_ml)?;
        let lps_from_index = map.grid().lps_from_index();
        let size = map.voxels_hu().size();
        let centres = Centres::of(&labels, size, &lps_from_index);
        centres.check()?;
        Ok(Self::resample((&labels, size), &lps_from_index, &centres, threads))
    }

    /// Takes the label nearest to each node.
    fn resample(
        (labels, size): (&[u16], [usize; 3]),
        affine: &Affine,
        centres: &Centres,
        threads: NonZeroUsize,
    ) -> Self {
        let centre = centres.brain.middle();
        let edge = |end: usize, axis: usize| {
            let brain = [centres.brain_low, centres.brain_high][end][axis] - centre[axis];
            brain as f32 + KEPT_MM[end][axis]
        };
        let [low, high] = [0, 1].map(|end| std::array::from_fn(|axis| edge(end, axis)));
        let lattice = Lattice::covering(low, high, PITCH_MM);
        let index_from_lps = inverse(affine);
        let outside = (Tissue::Air, Part::Other);
        let mut nodes = vec![outside; lattice.len()];
        each_plane(&mut nodes, lattice.plane_len(), threads, |z, plane| {
            for (offset, node) in plane.iter_mut().enumerate() {
                let columns = lattice.size[2];
                let point = lattice.point([z, offset / columns, offset % columns]).map(f64::from);
                let lps: Vec3 = std::array::from_fn(|axis| point[axis] + centre[axis]);
                let [x, y, z] = index_from_lps
                    .rows
                    .map(|row| row[0] * lps[0] + row[1] * lps[1] + row[2] * lps[2] + row[3]);
                let label = voxel_at(size, [z, y, x]).map_or(0, |voxel| labels[voxel]);
                // Every label was found to have a meaning.
                *node = meaning(label).unwrap_or(outside);
            }
        });
        let (tissues, parts) = nodes.into_iter().unzip();
        Self { lattice, tissues, parts }
    }
}

fn voxel_at(size: [usize; 3], place: [f64; 3]) -> Option<usize> {
    let mut offset = 0;
    for (place, count) in place.into_iter().zip(size) {
        let nearest = (place + 0.5).floor();
        if !(nearest >= 0.0 && nearest < count as f64) {
            return None;
        }
        offset = offset * count + nearest as usize;
    }
    Some(offset)
}

/// How many unknown labels a message names.
const MOST_NAMED: usize = 6;

fn labels_of(voxels: &[f32]) -> Result<Vec<u16>, AnatomyError> {
    let mut unknown: Vec<f32> = Vec::new();
    let mut labels = Vec::with_capacity(voxels.len());
    let is_known: Vec<bool> = (0..=u16::MAX).map(|label| meaning(label).is_some()).collect();
    for &voxel in voxels {
        let label = voxel as u16; // negative and too large numbers end at the ends of the range
        if f32::from(label) != voxel || !is_known[usize::from(label)] {
            let is_new = !unknown.iter().any(|known| known.to_bits() == voxel.to_bits());
            if is_new && unknown.len() < MOST_NAMED {
                unknown.push(voxel);
            }
        }
        labels.push(label);
    }
    if unknown.is_empty() {
        return Ok(labels);
    }
    unknown.sort_by(f32::total_cmp);
    Err(AnatomyError::UnknownLabels { found: Labels(unknown) })
}

/// The parts without which there is nothing to scan: half of what the smallest adult has.
fn check_parts(labels: &[u16], voxel_ml: f64) -> Result<(), AnatomyError> {
    type Wanted = (&'static str, &'static str, f64, fn(Tissue) -> bool);
    let wanted: [Wanted; 3] = [
        ("brain", "2 to 18, 41 to 60", 500.0, Tissue::is_brain),
        ("skull", "515, 516", 150.0, Tissue::is_bone),
        ("cerebrospinal fluid", "24", 20.0, |tissue| tissue == Tissue::Csf),
    ];
    let mut counts = vec![0_u32; 1 + usize::from(u16::MAX)];
    for &label in labels {
        counts[usize::from(label)] += 1;
    }
    for (part, names, wanted_ml, is_part) in wanted {
        let is_found = |label: &u16| meaning(*label).is_some_and(|(tissue, _)| is_part(tissue));
        let found = (0..=u16::MAX).filter(is_found).map(|label| counts[usize::from(label)]);
        let found_ml = found.map(f64::from).sum::<f64>() * voxel_ml;
        if found_ml < wanted_ml {
            return Err(AnatomyError::PartMissing { part, found_ml, wanted_ml, labels: names });
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: Vec3,
    count: f64,
}

impl Mean {
    fn add(&mut self, point: Vec3) {
        for (sum, value) in self.sum.iter_mut().zip(point) {
            *sum += value;
        }
        self.count += 1.0;
    }

    fn middle(self) -> Vec3 {
        scale(self.sum, 1.0 / self.count.max(1.0))
    }
}

/// Where the parts lie that tell left, front and top.
#[derive(Debug)]
struct Centres {
    brain: Mean,
    left: Mean,
    right: Mean,
    cerebellum: Mean,
    eyes: Mean,
    brain_low: Vec3,
    brain_high: Vec3,
}

impl Centres {
    fn of(labels: &[u16], [_, rows, columns]: [usize; 3], lps_from_index: &Affine) -> Self {
        let none = Mean::default();
        let mut found = Self {
            brain: none,
            left: none,
            right: none,
            cerebellum: none,
            eyes: none,
            brain_low: [f64::INFINITY; 3],
            brain_high: [f64::NEG_INFINITY; 3],
        };
        for (offset, &label) in labels.iter().enumerate().filter(|(_, label)| **label != 0) {
            let Some((tissue, part)) = meaning(label) else { continue };
            if !tissue.is_brain() && tissue != Tissue::Eye {
                continue;
            }
            let index = [offset / (rows * columns), offset / columns % rows, offset % columns];
            let point = lps_from_index.point_at(index.map(|i| i as f64));
            if tissue == Tissue::Eye {
                found.eyes.add(point);
                continue;
            }
            found.brain.add(point);
            let ends = found.brain_low.iter_mut().zip(&mut found.brain_high);
            for ((low, high), value) in ends.zip(point) {
                *low = low.min(value);
                *high = high.max(value);
            }
            match part {
                Part::LeftCerebrum => found.left.add(point),
                Part::RightCerebrum => found.right.add(point),
                Part::Cerebellum => found.cerebellum.add(point),
                Part::Other => {}
            }
        }
        found
    }

    fn check(&self) -> Result<(), AnatomyError> {
        let wrong =
            |part, found, wanted| Err(AnatomyError::WrongOrientation { part, found, wanted });
        let cerebrum = scale(haema_volume::add(self.left.middle(), self.right.middle()), 0.5);
        let cerebellum = self.cerebellum.middle();
        // The cerebellum lies some 40 mm below and 30 mm behind the middle of the cerebrum.
        if cerebrum[2] - cerebellum[2] < 10.0 {
            return wrong("the cerebellum", "beside or above the cerebrum", "below it");
        }
        let front = if self.eyes.count > 0.0 { self.eyes.middle() } else { cerebrum };
        if cerebellum[1] - front[1] < 5.0 {
            return wrong("the cerebellum", "at the front of the head", "behind the eyes");
        }
        if self.left.middle()[0] - self.right.middle()[0] < 20.0 {
            return wrong("the left half of the brain", "on the right", "on the left");
        }
        Ok(())
    }
}

/// The map back from a point to an index.
fn inverse(affine: &Affine) -> Affine {
    let [a, b, c, origin] = [0, 1, 2, 3].map(|i| affine.column(i));
    let volume = affine.determinant();
    let rows = [cross(b, c), cross(c, a), cross(a, b)].map(|row| scale(row, 1.0 / volume));
    let rows = rows.map(|row| [row[0], row[1], row[2], -dot(row, origin)]);
    Affine { rows }
}
