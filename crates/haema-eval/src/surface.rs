//! How far the surfaces of two masks lie apart.

mod elements;
mod patches;

use std::num::NonZeroUsize;

use haema_volume::{Grid, IndexBox, Nearest, Vec3, Volume, bounding_box, crop};

use crate::OverlapError;
use crate::describe::quantile;
use crate::overlap::check_sizes;
use elements::{border_voxels, patches};

/// What the surface of a mask is taken to be. Figures of the two differ, sometimes by more than two
/// methods do: say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SurfaceKind {
    /// The surface that marching cubes draw between the voxels, in patches that count by their area,
    /// as the package _surface-distance_ and the INSTANCE challenge have it.
    #[default]
    Patches,
    /// The voxels of the mask with a face outside it, each counting one, as `MetricsReloaded`, MONAI and
    /// `medpy` have it. What lies outside the scan is outside the mask.
    BorderVoxels,
}

/// A piece of one surface and how far the other one is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    distance_mm: f64,
    /// Area in mm², or 1 for a voxel.
    weight: f64,
}

/// The distances between the surfaces of two masks, both ways.
///
/// Distances are exact and Euclidean, between places in the patient: each slice lies where the grid has
/// it, tilt included.
///
/// # Source
///
/// S. Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy",
/// _Journal of Medical Internet Research_ 23:e26151, 2021.
///
/// # Examples
///
/// ```
/// use haema_eval::{SurfaceDistances, SurfaceKind};
/// use haema_volume::{Affine, Grid, Volume};
///
/// let affine = Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
/// let grid = Grid::from_affine([3, 9, 9], &affine)?;
/// let here = Volume::from_fn([3, 9, 9], |[_, _, x]| u8::from(x < 4));
/// let there = Volume::from_fn([3, 9, 9], |[_, _, x]| u8::from(x < 6));
///
/// let apart = SurfaceDistances::between(&here, &there, &grid, SurfaceKind::Patches)?;
///
/// assert_eq!(apart.hausdorff_mm(100.0), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceDistances {
    /// Pieces of the reference's surface and how far the prediction's is.
    from_reference: Vec<Piece>,
    from_predicted: Vec<Piece>,
    emptiness: Emptiness,
    kind: SurfaceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    Neither,
    One,
    Both,
}

/// A distance this much above a tolerance is within it: positions in headers are rounded, and two
/// places that are 1 mm apart come out at 1.0000000000000002 mm.
const ROUNDING_MM: f64 = 1e-6;

impl SurfaceDistances {
    /// Measures every piece of both surfaces. Voxels that are not 0 belong to a mask.
    ///
    /// # Errors
    ///
    /// [`OverlapError::SizesDiffer`] where the masks, or their grid, are of different sizes.
    pub fn between(
        reference: &Volume<u8>,
        predicted: &Volume<u8>,
        grid: &Grid,
        kind: SurfaceKind,
    ) -> Result<Self, OverlapError> {
        check_sizes(reference.size(), predicted.size())?;
        check_sizes(grid.size(), predicted.size())?;
        let pieces_of = match kind {
            SurfaceKind::Patches => patches,
            SurfaceKind::BorderVoxels => border_voxels,
        };
        let boxes = [bounding_box(reference), bounding_box(predicted)];
        let around = match &boxes {
            [Some(a), Some(b)] => join(a, b),
            [Some(lone), None] | [None, Some(lone)] => lone.clone(),
            [None, None] => [0..0, 0..0, 0..0],
        };
        let surface = |mask: &Volume<u8>| pieces_of(&crop(mask, &around), grid, &around);
        let emptiness = match &boxes {
            [Some(_), Some(_)] => Emptiness::Neither,
            [None, None] => Emptiness::Both,
            _ => Emptiness::One,
        };
        if emptiness != Emptiness::Neither {
            return Ok(Self { from_reference: vec![], from_predicted: vec![], emptiness, kind });
        }
        let (of_reference, of_predicted) = (surface(reference), surface(predicted));
        Ok(Self {
            from_reference: measure(&of_reference, &of_predicted),
            from_predicted: measure(&of_predicted, &of_reference),
            emptiness,
            kind,
        })
    }

    /// Hausdorff distance at a percentile, mm: 100 for the farthest piece, 95 for HD95. The larger of
    /// the two ways. `None` where a mask is empty.
    ///
    /// For [`SurfaceKind::Patches`] the percentile is the first distance within which that share of the
    /// area lies; for [`SurfaceKind::BorderVoxels`] it is interpolated.
    pub fn hausdorff_mm(&self, percent: f64) -> Option<f64> {
        self.is_defined().then(|| {
            let one_way = |pieces: &[Piece]| self.percentile(pieces.to_vec(), percent);
            one_way(&self.from_reference).max(one_way(&self.from_predicted))
        })
    }

    /// Hausdorff distance at a percentile of the pieces of both surfaces together, mm, as `medpy` has
    /// it. `None` where a mask is empty.
    pub fn hausdorff_pooled_mm(&self, percent: f64) -> Option<f64> {
        self.is_defined().then(|| self.percentile(self.pieces().copied().collect(), percent))
    }

    /// Normalised surface Dice: the share of both surfaces that lies within a tolerance of the other.
    /// `None` where both masks are empty, 0 where one is.
    pub fn surface_dice(&self, tolerance_mm: f64) -> Option<f64> {
        let within = |piece: &&Piece| piece.distance_mm <= tolerance_mm + ROUNDING_MM;
        match self.emptiness {
            Emptiness::Both => None,
            Emptiness::One => Some(0.0),
            Emptiness::Neither => {
                // From 0.0: the sum of nothing is −0.0.
                let close = self.pieces().filter(within).fold(0.0, |sum, p| sum + p.weight);
                Some(close / self.pieces().map(|piece| piece.weight).sum::<f64>())
            }
        }
    }

    /// Mean distance from the reference's surface to the prediction's, and back, mm. `None` where a mask
    /// is empty.
    pub fn average_mm(&self) -> Option<[f64; 2]> {
        self.is_defined()
            .then(|| [&self.from_reference, &self.from_predicted].map(|p| mean(p.iter())))
    }

    /// Average symmetric surface distance, mm: the mean over both surfaces together. `None` where a mask
    /// is empty.
    pub fn average_symmetric_mm(&self) -> Option<f64> {
        self.is_defined().then(|| mean(self.pieces()))
    }

    /// Area of the reference's surface and of the prediction's, mm²; for border voxels their number.
    /// `None` where a mask is empty.
    pub fn areas_mm2(&self) -> Option<[f64; 2]> {
        let area = |pieces: &[Piece]| pieces.iter().map(|piece| piece.weight).sum();
        self.is_defined().then(|| [area(&self.from_reference), area(&self.from_predicted)])
    }

    fn percentile(&self, mut pieces: Vec<Piece>, percent: f64) -> f64 {
        let share = (percent / 100.0).clamp(0.0, 1.0);
        if self.kind == SurfaceKind::BorderVoxels {
            let mut distances_mm: Vec<f64> = pieces.iter().map(|p| p.distance_mm).collect();
            distances_mm.sort_by(f64::total_cmp);
            return quantile(&distances_mm, share).unwrap_or(f64::NAN);
        }
        pieces.sort_by(|a, b| {
            a.distance_mm.total_cmp(&b.distance_mm).then(a.weight.total_cmp(&b.weight))
        });
        let area: f64 = pieces.iter().map(|piece| piece.weight).sum();
        let mut so_far = 0.0;
        let reached = pieces.iter().find(|piece| {
            so_far += piece.weight;
            so_far >= share * area
        });
        reached.or(pieces.last()).map_or(f64::NAN, |piece| piece.distance_mm)
    }

    fn is_defined(&self) -> bool {
        self.emptiness == Emptiness::Neither
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.from_reference.iter().chain(&self.from_predicted)
    }
}

fn join(a: &IndexBox, b: &IndexBox) -> IndexBox {
    std::array::from_fn(|i| a[i].start.min(b[i].start)..a[i].end.max(b[i].end))
}

fn measure(from: &[elements::Element], to: &[elements::Element]) -> Vec<Piece> {
    let nearest = Nearest::of(to.iter().map(|element| element.place_mm).collect());
    let places_mm: Vec<Vec3> = from.iter().map(|element| element.place_mm).collect();
    let distances_mm = nearest.distances_mm(&places_mm, NonZeroUsize::MIN);
    let piece = |(element, distance_mm): (&elements::Element, f64)| Piece {
        distance_mm,
        weight: element.weight,
    };
    from.iter().zip(distances_mm).map(piece).collect()
}

fn mean<'a>(pieces: impl Iterator<Item = &'a Piece>) -> f64 {
    let (sum, weight) = pieces.fold((0.0, 0.0), |(sum, weight), piece| {
        (sum + piece.weight * piece.distance_mm, weight + piece.weight)
    });
    sum / weight
}
