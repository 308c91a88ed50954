//! Where the voxels of a scan lie in the patient.

mod coarse;
mod locate;

use thiserror::Error;

use crate::affine::{Affine, Vec3, add, cross, dot, norm, scale, sub};
pub use locate::Locator;

/// The size of a scan and the place of every one of its slices.
///
/// A scan is a stack of slices along `z`. All slices share their in-plane steps; each keeps its own
/// position, because head CT is often stacked unevenly (thin at the base, thick at the vertex) and
/// sheared by gantry tilt. So the volume of a voxel depends on its slice:
/// [`Grid::voxel_volume_mm3`].
///
/// The only place where an affine is made from slices is [`Grid::lps_from_index`].
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    size: [usize; 3],
    x_step_lps_mm: Vec3,
    y_step_lps_mm: Vec3,
    slices: Slices,
}

#[derive(Debug, Clone, PartialEq)]
enum Slices {
    /// Evenly stacked: slice `z` starts at `origin + z · step`.
    Even { origin_lps_mm: Vec3, step_lps_mm: Vec3 },
    /// Each slice where its header says, and how far it reaches below and above itself.
    Each { origins_lps_mm: Vec<Vec3>, reaches_mm: Vec<[f64; 2]> },
}

/// Why steps and positions do not make a grid.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum GridError {
    /// A step or position is NaN or infinite.
    #[error("the geometry has a value that is not finite: {found}")]
    NotFinite {
        /// The value.
        found: f64,
    },
    /// The three steps do not span space: a voxel would have no volume.
    #[error(
        "the voxel axes span no volume ({volume_mm3} mm³): wanted three independent directions"
    )]
    Flat {
        /// The volume that they span.
        volume_mm3: f64,
    },
    /// No voxels.
    #[error("size {size:?} [z, y, x] holds no voxels")]
    Empty {
        /// The size.
        size: [usize; 3],
    },
    /// Two slices at one place, or out of order along the normal.
    #[error(
        "slice {after} and the next are {gap_mm} mm apart along the normal: wanted more than 0"
    )]
    NotAscending {
        /// Index of the lower slice.
        after: usize,
        /// Signed distance to the next.
        gap_mm: f64,
    },
}

impl Grid {
    /// An evenly stacked grid from an affine, as NIfTI, NRRD and `MetaImage` have it.
    ///
    /// # Errors
    ///
    /// [`GridError`] where a value is not finite, the size is empty, or the axes span no volume.
    pub fn from_affine(size: [usize; 3], lps_from_index: &Affine) -> Result<Self, GridError> {
        if size.contains(&0) {
            return Err(GridError::Empty { size });
        }
        check_finite(lps_from_index.rows.iter().flatten().copied())?;
        check_volume(lps_from_index.determinant())?;
        Ok(Self {
            size,
            x_step_lps_mm: lps_from_index.column(0),
            y_step_lps_mm: lps_from_index.column(1),
            slices: Slices::Even {
                origin_lps_mm: lps_from_index.column(3),
                step_lps_mm: lps_from_index.column(2),
            },
        })
    }

    /// A stack of slices, each where its header says.
    ///
    /// * `slice_size` — rows and columns: `[y, x]`.
    /// * `x_step_lps_mm`, `y_step_lps_mm` — from one column, and one row, to the next.
    /// * `origins_lps_mm` — centre of voxel `[z, 0, 0]` of each slice, ascending along
    ///   `x_step × y_step`.
    /// * `lone_thickness_mm` — thickness of a stack of one slice; unused otherwise.
    ///
    /// # Errors
    ///
    /// [`GridError`] where a value is not finite, nothing is there, the axes span no volume, or the
    /// slices do not ascend.
    pub fn from_slices(
        slice_size: [usize; 2],
        x_step_lps_mm: Vec3,
        y_step_lps_mm: Vec3,
        origins_lps_mm: Vec<Vec3>,
        lone_thickness_mm: f64,
    ) -> Result<Self, GridError> {
        let size = [origins_lps_mm.len(), slice_size[0], slice_size[1]];
        if size.contains(&0) {
            return Err(GridError::Empty { size });
        }
        let values =
            x_step_lps_mm.iter().chain(&y_step_lps_mm).chain(origins_lps_mm.iter().flatten());
        check_finite(values.copied().chain([lone_thickness_mm]))?;
        check_volume(norm(cross(x_step_lps_mm, y_step_lps_mm)) * lone_thickness_mm.max(1.0))?;
        let reaches_mm = vec![[0.5 * lone_thickness_mm; 2]; size[0]];
        let slices = Slices::Each { origins_lps_mm, reaches_mm };
        let grid = Self { size, x_step_lps_mm, y_step_lps_mm, slices };
        let gaps_mm = grid.gaps_mm();
        if let Some(after) = gaps_mm.iter().position(|&gap_mm| gap_mm <= 0.0) {
            return Err(GridError::NotAscending { after, gap_mm: gaps_mm[after] });
        }
        let half_way: Vec<f64> = gaps_mm.iter().map(|gap_mm| 0.5 * gap_mm).collect();
        Ok(grid.with_borders_mm(&half_way))
    }

    /// The same slices, as thick as their headers say: where two neighbours of different thickness
    /// touch, one ends and the other begins there, and not half-way between their middles. Elsewhere
    /// the border stays half-way: slices that overlap or leave something between them say nothing
    /// about it.
    ///
    /// Evenly stacked slices are all of one thickness: they stay as they are.
    ///
    /// # Panics
    ///
    /// Where there are more or fewer numbers than slices.
    #[must_use]
    pub fn with_thickness_mm(self, thickness_mm: &[f64]) -> Self {
        assert_eq!(thickness_mm.len(), self.size[0], "one thickness for each slice");
        let gaps_mm = self.gaps_mm();
        let borders_mm: Vec<f64> = gaps_mm
            .iter()
            .zip(thickness_mm.windows(2))
            .map(|(gap_mm, pair)| {
                let touching_mm = 0.5 * (pair[0] + pair[1]);
                let is_touching = (gap_mm - touching_mm).abs() <= Self::tolerance_mm(touching_mm);
                let share = if is_touching { pair[0] / (pair[0] + pair[1]) } else { 0.5 };
                share * gap_mm
            })
            .collect();
        self.with_borders_mm(&borders_mm)
    }

    /// The same slices, where the first and the last reach this far out of the stack, mm along the
    /// normal, instead of as far as they reach inwards: where a slice is missing beside them, how far
    /// they reach inwards says nothing about how thick they are.
    ///
    /// Evenly stacked slices miss nothing: they stay as they are.
    #[must_use]
    pub fn with_outwards_mm(mut self, [below_mm, above_mm]: [f64; 2]) -> Self {
        if let Slices::Each { reaches_mm, .. } = &mut self.slices {
            if let Some(first) = reaches_mm.first_mut() {
                first[0] = below_mm;
            }
            if let Some(last) = reaches_mm.last_mut() {
                last[1] = above_mm;
            }
        }
        self
    }

    /// Sets where each slice ends and the next begins: so far above its middle. The end slices reach
    /// as far outwards as inwards.
    fn with_borders_mm(mut self, above_mm: &[f64]) -> Self {
        let gaps_mm = self.gaps_mm();
        if let Slices::Each { reaches_mm, .. } = &mut self.slices {
            for (z, (gap_mm, above_mm)) in gaps_mm.iter().zip(above_mm).enumerate() {
                reaches_mm[z][1] = *above_mm;
                reaches_mm[z + 1][0] = gap_mm - above_mm;
            }
            if let ([first, .., last], false) = (reaches_mm.as_mut_slice(), gaps_mm.is_empty()) {
                first[0] = first[1];
                last[1] = last[0];
            }
        }
        self
    }

    /// The same slices, turned over or not, with reaches that another grid's slices had.
    pub(crate) fn with_reaches_mm(mut self, wanted_mm: Vec<[f64; 2]>) -> Self {
        if let Slices::Each { reaches_mm, .. } = &mut self.slices {
            *reaches_mm = wanted_mm;
        }
        self
    }

    /// Number of voxels along `[z, y, x]`.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Whether the slices follow one step, as an affine has it, rather than each its own position.
    pub(crate) fn has_even_steps(&self) -> bool {
        matches!(self.slices, Slices::Even { .. })
    }

    /// From one column to the next, mm.
    pub fn x_step_lps_mm(&self) -> Vec3 {
        self.x_step_lps_mm
    }

    /// From one row to the next, mm.
    pub fn y_step_lps_mm(&self) -> Vec3 {
        self.y_step_lps_mm
    }

    /// Centre of voxel `[z, 0, 0]`, mm.
    ///
    /// # Panics
    ///
    /// Where `z` is outside a grid whose slices have each their own position.
    pub fn slice_origin_lps_mm(&self, z: usize) -> Vec3 {
        match &self.slices {
            Slices::Even { origin_lps_mm, step_lps_mm } => {
                add(*origin_lps_mm, scale(*step_lps_mm, z as f64))
            }
            Slices::Each { origins_lps_mm, .. } => origins_lps_mm[z],
        }
    }

    /// The way from slice `from` to slice `to`, mm. Unlike the difference of two origins it does not
    /// depend on where the stack lies, to the last bit, where the slices follow one step.
    ///
    /// # Panics
    ///
    /// Where either is outside a grid whose slices have each their own position.
    pub fn way_lps_mm(&self, from: usize, to: usize) -> Vec3 {
        match &self.slices {
            Slices::Even { step_lps_mm, .. } => scale(*step_lps_mm, to as f64 - from as f64),
            Slices::Each { origins_lps_mm, .. } => sub(origins_lps_mm[to], origins_lps_mm[from]),
        }
    }

    /// Unit vector across the slices, pointing the way `z` grows.
    pub fn normal_lps(&self) -> Vec3 {
        let across = cross(self.x_step_lps_mm, self.y_step_lps_mm);
        let unit = scale(across, 1.0 / norm(across));
        match &self.slices {
            Slices::Even { step_lps_mm, .. } if dot(unit, *step_lps_mm) < 0.0 => scale(unit, -1.0),
            _ => unit,
        }
    }

    /// Position of slice `z` along [`Grid::normal_lps`], mm. Grows with `z`.
    pub fn slice_position_mm(&self, z: usize) -> f64 {
        dot(self.slice_origin_lps_mm(z), self.normal_lps())
    }

    /// How far slice `z` reaches below and above itself, mm along the normal: half the gap on either
    /// side, and the first and the last as far outwards as inwards, unless
    /// [`Grid::with_thickness_mm`] or [`Grid::with_outwards_mm`] said otherwise.
    ///
    /// # Panics
    ///
    /// Where `z` is outside a grid whose slices have each their own position.
    pub fn slice_reach_mm(&self, z: usize) -> [f64; 2] {
        match &self.slices {
            Slices::Even { step_lps_mm, .. } => [0.5 * dot(*step_lps_mm, self.normal_lps()); 2],
            Slices::Each { reaches_mm, .. } => reaches_mm[z],
        }
    }

    /// Thickness that slice `z` stands for, mm: all of its [`Grid::slice_reach_mm`].
    ///
    /// # Panics
    ///
    /// As [`Grid::slice_reach_mm`].
    ///
    /// # Source
    ///
    /// The trapezium rule over slice areas, as in planimetry.
    pub fn slice_thickness_mm(&self, z: usize) -> f64 {
        let [below_mm, above_mm] = self.slice_reach_mm(z);
        below_mm + above_mm
    }

    /// Volume of one voxel of slice `z`, mm³. Gantry tilt shears a voxel and changes no volume.
    pub fn voxel_volume_mm3(&self, z: usize) -> f64 {
        norm(cross(self.x_step_lps_mm, self.y_step_lps_mm)) * self.slice_thickness_mm(z)
    }

    /// Voxel size `[z, y, x]`, mm: in-plane steps, and the median distance between slices along the
    /// normal (the thickness, where there is but one slice).
    pub fn spacing_mm(&self) -> [f64; 3] {
        [self.median_gap_mm(), norm(self.y_step_lps_mm), norm(self.x_step_lps_mm)]
    }

    fn median_gap_mm(&self) -> f64 {
        let mut gaps_mm = self.gaps_mm();
        if gaps_mm.is_empty() {
            return self.slice_thickness_mm(0);
        }
        gaps_mm.sort_by(f64::total_cmp);
        gaps_mm[gaps_mm.len() / 2]
    }

    /// Distance from each slice to the next along the normal, mm: one fewer than there are slices.
    pub fn gaps_mm(&self) -> Vec<f64> {
        (1..self.size[0])
            .map(|z| self.slice_position_mm(z) - self.slice_position_mm(z - 1))
            .collect()
    }

    /// How far positions in headers may be off by rounding.
    fn tolerance_mm(gap_mm: f64) -> f64 {
        (0.01 * gap_mm).max(0.05)
    }

    /// Whether every gap is the median gap to within `max(1 %, 0.05 mm)`, the tolerance below which
    /// rounding of positions in headers is not told apart from a real difference.
    pub fn is_evenly_spaced(&self) -> bool {
        if matches!(self.slices, Slices::Even { .. }) {
            return true;
        }
        let median_mm = self.median_gap_mm();
        let tolerance_mm = Self::tolerance_mm(median_mm);
        self.gaps_mm().iter().all(|gap_mm| (gap_mm - median_mm).abs() <= tolerance_mm)
    }

    /// Angle between the way from the first slice to the last and the normal, degrees: the gantry
    /// tilt, from geometry alone. The sign follows the component along the rows (`y_step`).
    pub fn tilt_deg(&self) -> f64 {
        let way = self.mean_z_step_lps_mm();
        let along = dot(way, self.normal_lps());
        let sideways = sub(way, scale(self.normal_lps(), along));
        let angle_deg = norm(sideways).atan2(along).to_degrees();
        if dot(sideways, self.y_step_lps_mm) < 0.0 { -angle_deg } else { angle_deg }
    }

    fn mean_z_step_lps_mm(&self) -> Vec3 {
        match &self.slices {
            Slices::Even { step_lps_mm, .. } => *step_lps_mm,
            Slices::Each { origins_lps_mm, .. } => match origins_lps_mm.as_slice() {
                [first, .., last] => {
                    scale(sub(*last, *first), 1.0 / (origins_lps_mm.len() - 1) as f64)
                }
                _ => scale(self.normal_lps(), self.slice_thickness_mm(0)),
            },
        }
    }

    /// The affine map from voxel index to LPS: exact where slices are evenly stacked; otherwise the
    /// mean step from the first slice to the last, which keeps both ends in place.
    pub fn lps_from_index(&self) -> Affine {
        Affine::from_steps(
            self.x_step_lps_mm,
            self.y_step_lps_mm,
            self.mean_z_step_lps_mm(),
            self.slice_origin_lps_mm(0),
        )
    }

    /// The point at `[z, y, x]`, from the slice's own position.
    ///
    /// # Panics
    ///
    /// Where `z` is outside a grid whose slices have each their own position.
    pub fn point_lps_mm(&self, z: usize, y: f64, x: f64) -> Vec3 {
        let in_plane = add(scale(self.y_step_lps_mm, y), scale(self.x_step_lps_mm, x));
        add(self.slice_origin_lps_mm(z), in_plane)
    }
}

fn check_finite(values: impl Iterator<Item = f64>) -> Result<(), GridError> {
    let found = values.into_iter().find(|value| !value.is_finite());
    found.map_or(Ok(()), |found| Err(GridError::NotFinite { found }))
}

/// Less than this is no voxel of a scanner: a cubic micrometre.
const SMALLEST_VOXEL_MM3: f64 = 1e-9;

fn check_volume(volume_mm3: f64) -> Result<(), GridError> {
    if volume_mm3.abs() < SMALLEST_VOXEL_MM3 {
        return Err(GridError::Flat { volume_mm3 });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
