//! What a head is made of: labels on a lattice, ready to be varied and scanned.

mod freesurfer;
mod prepare;

use std::fmt;
use std::num::NonZeroUsize;

use haema_volume::CtVolume;
use thiserror::Error;

use crate::lattice::Lattice;

/// What a point of the head is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is named by its name")]
pub enum Tissue {
    Air,
    Skin,
    Fat,
    Muscle,
    Mucosa,
    CorticalBone,
    CancellousBone,
    Dura,
    VenousSinus,
    Artery,
    Csf,
    Ventricle,
    ChoroidPlexus,
    WhiteMatter,
    WhiteMatterLesion,
    Cortex,
    CerebellarCortex,
    CerebellarWhiteMatter,
    BasalGanglia,
    Thalamus,
    Brainstem,
    SpinalCord,
    Eye,
    Sclera,
    Lens,
    OpticNerve,
}

impl Tissue {
    pub(crate) const ALL: [Self; 26] = [
        Self::Air,
        Self::Skin,
        Self::Fat,
        Self::Muscle,
        Self::Mucosa,
        Self::CorticalBone,
        Self::CancellousBone,
        Self::Dura,
        Self::VenousSinus,
        Self::Artery,
        Self::Csf,
        Self::Ventricle,
        Self::ChoroidPlexus,
        Self::WhiteMatter,
        Self::WhiteMatterLesion,
        Self::Cortex,
        Self::CerebellarCortex,
        Self::CerebellarWhiteMatter,
        Self::BasalGanglia,
        Self::Thalamus,
        Self::Brainstem,
        Self::SpinalCord,
        Self::Eye,
        Self::Sclera,
        Self::Lens,
        Self::OpticNerve,
    ];

    /// Brain tissue.
    pub(crate) fn is_brain(self) -> bool {
        matches!(
            self,
            Self::WhiteMatter
                | Self::WhiteMatterLesion
                | Self::Cortex
                | Self::CerebellarCortex
                | Self::CerebellarWhiteMatter
                | Self::BasalGanglia
                | Self::Thalamus
                | Self::Brainstem
        )
    }

    /// Whatever fills the skull, its sinuses apart.
    pub(crate) fn is_in_cavity(self) -> bool {
        self.is_brain() || self.is_ventricle() || matches!(self, Self::Csf | Self::Dura)
    }

    pub(crate) fn is_ventricle(self) -> bool {
        matches!(self, Self::Ventricle | Self::ChoroidPlexus)
    }

    pub(crate) fn is_bone(self) -> bool {
        matches!(self, Self::CorticalBone | Self::CancellousBone)
    }

    /// Tissue that borders on sulci, whose width varies from head to head.
    pub(crate) fn is_folded(self) -> bool {
        matches!(self, Self::Csf | Self::Cortex | Self::CerebellarCortex)
    }
}

/// A head made of labels, prepared once for any number of cases.
#[derive(Debug, Clone)]
pub struct Anatomy {
    pub(crate) lattice: Lattice,
    pub(crate) nodes: Vec<Node>,
    /// Lowest and highest level of the brain.
    pub(crate) brain_z_mm: [f32; 2],
    /// A point in the midline, between the basal ganglia: about the foramina of Monro.
    pub(crate) middle_mm: [f32; 3],
    /// Signed distance to the ventricles, mm, on a lattice of its own.
    pub(crate) ventricles: Lattice,
    pub(crate) to_ventricle_mm: Vec<f32>,
}

/// A node of an [`Anatomy`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) tissue: Tissue,
    /// Of folded tissue, how far outside the brain it lies, see [`DEPTH_STEP_MM`]; 0 elsewhere.
    pub(crate) outside_brain: i8,
}

/// Step of [`Node::outside_brain`].
pub(crate) const DEPTH_STEP_MM: f32 = 0.25;

/// Why a label map is no head that can be scanned.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AnatomyError {
    /// Numbers that are no label we know.
    #[error(
        "labels {found} are unknown: wanted FreeSurfer's brain labels and 500 to 530 around it, \
         as in the label maps of SynthSeg; renumber these labels, or set them to 0 where they are no part of a \
         head"
    )]
    UnknownLabels {
        /// The first of them, in order.
        found: Labels,
    },
    /// A part without which there is no head.
    #[error(
        "{found_ml:.0} mL of {part}: wanted at least {wanted_ml:.0} mL (labels {labels}); take maps of \
         the whole head, or leave them out for heads that haema makes itself"
    )]
    PartMissing {
        /// What is missing.
        part: &'static str,
        /// How much was found.
        found_ml: f64,
        /// How much is needed.
        wanted_ml: f64,
        /// The labels that stand for it.
        labels: &'static str,
    },
    /// The affine turns the head away from what the labels say.
    #[error(
        "the affine puts {part} {found}: wanted {wanted}; correct the orientation in the header"
    )]
    WrongOrientation {
        /// What lies wrong.
        part: &'static str,
        /// Where it lies.
        found: &'static str,
        /// Where it should lie.
        wanted: &'static str,
    },
    /// Voxels too large to show a cortex, or a field too small or too large for a head.
    #[error(
        "voxels of {found_mm:?} mm [z, y, x]: wanted at most {wanted_mm} mm along each axis; resample \
         the map to 1 mm, nearest neighbour"
    )]
    TooCoarse {
        /// Voxel size.
        found_mm: [f64; 3],
        /// The largest that is taken.
        wanted_mm: f64,
    },
}

/// A few numbers of a label map, for a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels(pub Vec<f32>);

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

impl Anatomy {
    /// Prepares a label map with FreeSurfer's labels of the brain and those of SynthSeg around it.
    ///
    /// Directions are those of the map's affine; the labels must agree with them. The result is the same
    /// for any number of threads.
    ///
    /// # Errors
    ///
    /// [`AnatomyError`] where a label is unknown, skull or brain are missing, or the affine turns
    /// the head the wrong way.
    pub fn from_label_map(map: &CtVolume, threads: NonZeroUsize) -> Result<Self, AnatomyError> {
        Ok(prepare::complete(freesurfer::Labelled::read(map, threads)?, threads))
    }

    /// A head that haema makes itself, of ellipsoids and folds of noise: nobody's, and needing no
    /// files. Heads of different seeds differ in their folds; their shape is varied case by case.
    pub fn builtin(seed: u64, threads: NonZeroUsize) -> Self {
        let lattice = Lattice::covering([-98.0, -112.0, -110.0], [98.0, 104.0, 92.0], 1.0);
        prepare::prepare(lattice, &crate::head::anatomy::tissues(seed, &lattice, threads), threads)
    }

    /// The tissue at a point; air outside.
    pub(crate) fn tissue_at(&self, point: [f32; 3]) -> Tissue {
        self.lattice.nearest(point).map_or(Tissue::Air, |node| self.nodes[node].tissue)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::patient::{Head, Looks, Shifts, fill};

    /// A ball of white matter of 60 mm in a shell of bone, with 40 mm of fluid-filled ball on the left.
    pub(crate) fn ball_anatomy() -> Anatomy {
        let lattice = Lattice::covering([-72.0; 3], [72.0; 3], 2.0);
        let node = |offset: usize| {
            let [x, y, z] = lattice.point(lattice.index(offset));
            let from = (x * x + y * y + z * z).sqrt();
            let from_fluid = ((x - 30.0).powi(2) + y * y + z * z).sqrt();
            let tissue = match () {
                () if from > 68.0 => Tissue::Air,
                () if from > 60.0 => Tissue::CorticalBone,
                () if from_fluid < 20.0 => Tissue::Ventricle,
                () => Tissue::WhiteMatter,
            };
            Node { tissue, outside_brain: 0 }
        };
        let nodes: Vec<Node> = (0..lattice.len()).map(node).collect();
        let to_ventricle_mm = vec![60.0; lattice.len()];
        Anatomy {
            lattice,
            nodes,
            brain_z_mm: [-60.0, 60.0],
            middle_mm: [0.0; 3],
            ventricles: lattice,
            to_ventricle_mm,
        }
    }

    /// [`ball_anatomy`] as a head, undeformed.
    pub(crate) fn ball_head() -> (Anatomy, Head) {
        use rand::SeedableRng as _;
        let anatomy = ball_anatomy();
        let looks = Looks::draw(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0));
        let one = NonZeroUsize::MIN;
        let shifts = Shifts::tabulate(&anatomy.lattice, one, |point| point);
        let head = fill(&anatomy, &looks, &shifts, anatomy.lattice, one);
        (anatomy, head)
    }
}
