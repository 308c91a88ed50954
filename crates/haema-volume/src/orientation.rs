//! Which way the axes of a stored array point in the patient, and the one order that haema computes
//! in.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::affine::{Affine, Vec3, add, norm, scale};
use crate::grid::{Grid, GridError};
use crate::volume::Volume;

/// A direction in the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Towards {
    /// Patient's right.
    Right,
    /// Patient's left.
    Left,
    /// Front.
    Anterior,
    /// Back.
    Posterior,
    /// Top of the head.
    Superior,
    /// Feet.
    Inferior,
}

impl Towards {
    /// Each line is an axis of the canonical order: its own direction, then the opposite.
    const BY_AXIS: [[Self; 2]; 3] = [
        [Self::Right, Self::Left],
        [Self::Anterior, Self::Posterior],
        [Self::Superior, Self::Inferior],
    ];

    /// The signs of the canonical directions in LPS.
    const LPS_SIGN: [f64; 3] = [-1.0, -1.0, 1.0];

    fn letter(self) -> char {
        match self {
            Self::Right => 'R',
            Self::Left => 'L',
            Self::Anterior => 'A',
            Self::Posterior => 'P',
            Self::Superior => 'S',
            Self::Inferior => 'I',
        }
    }

    /// The canonical axis that it lies on (0 is `x`), and whether it runs against it.
    fn axis(self) -> (usize, bool) {
        match self {
            Self::Right => (0, false),
            Self::Left => (0, true),
            Self::Anterior => (1, false),
            Self::Posterior => (1, true),
            Self::Superior => (2, false),
            Self::Inferior => (2, true),
        }
    }
}

/// The directions in which the stored axes `x`, `y`, `z` grow, each to the nearest patient axis: one
/// of 48.
///
/// Written as three letters, the fastest axis first, each naming where the axis goes *towards*: the
/// usual axial DICOM series is `LPS`. This is nibabel's reading of such a code; some programs name
/// where an axis comes *from*.
///
/// haema computes in one order, the canonical one, `RAS`: `x` grows towards the patient's right, `y`
/// to the front, `z` to the top. What goes in through [`Orientation::canonical_from_stored`] comes
/// back through [`Orientation::stored_from_canonical`], exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Orientation {
    /// For stored `x`, `y`, `z`.
    towards: [Towards; 3],
}

/// Why a text is not an orientation, or a grid has no canonical form.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OrientationError {
    /// Not three letters that span space.
    #[error(
        "{found:?} is no orientation: wanted one letter each of R or L, A or P, S or I, such as LPS"
    )]
    NotACode {
        /// The text.
        found: String,
    },
    /// Slices at uneven positions, stacked sideways or front to back.
    #[error(
        "the slices are stacked unevenly along {along:?}: uneven stacks are supported along the \
         body's axis only; resample the scan to even slices, or give its axial series"
    )]
    UnevenSideways {
        /// The direction of the stack.
        along: Towards,
    },
    /// The reordered axes make no grid.
    #[error(transparent)]
    Grid(#[from] GridError),
}

impl Orientation {
    /// The order that haema computes in: `RAS`.
    pub const CANONICAL: Self =
        Self { towards: [Towards::Right, Towards::Anterior, Towards::Superior] };

    /// All 48, the canonical one first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::with_capacity(48);
        for axes in AXIS_ORDERS {
            for flips in 0..8_usize {
                let towards = std::array::from_fn(|i| Towards::BY_AXIS[axes[i]][(flips >> i) & 1]);
                all.push(Self { towards });
            }
        }
        all
    }

    /// The orientation nearest to a grid's axes: the assignment of stored to patient axes with the
    /// largest sum of absolute cosines.
    pub fn of(grid: &Grid) -> Self {
        let affine = grid.lps_from_index();
        let cosines: [Vec3; 3] = std::array::from_fn(|i| {
            let step = affine.column(i);
            let length = norm(step);
            std::array::from_fn(|axis| step[axis] * Towards::LPS_SIGN[axis] / length)
        });
        let fit = |axes: [usize; 3]| -> f64 { (0..3).map(|i| cosines[i][axes[i]].abs()).sum() };
        let mut best = AXIS_ORDERS[0];
        for axes in AXIS_ORDERS {
            if fit(axes) > fit(best) {
                best = axes;
            }
        }
        let towards = std::array::from_fn(|i| {
            Towards::BY_AXIS[best[i]][usize::from(cosines[i][best[i]] < 0.0)]
        });
        Self { towards }
    }

    /// The directions of the stored axes `x`, `y`, `z`.
    pub fn towards(self) -> [Towards; 3] {
        self.towards
    }

    /// The size `[z, y, x]` that a stored array has in canonical order.
    pub fn canonical_size(self, stored_size: [usize; 3]) -> [usize; 3] {
        let source = self.source();
        // Both sizes are `[z, y, x]`, axes are numbered from `x`.
        std::array::from_fn(|i| stored_size[2 - source[2 - i].0])
    }

    /// A stored array in canonical order.
    pub fn canonical_from_stored<T: Copy>(self, stored: &Volume<T>) -> Volume<T> {
        let size = self.canonical_size(stored.size());
        let walk = self.walk(stored.size());
        let voxels = stored.as_slice();
        let mut canonical = Vec::with_capacity(voxels.len());
        for z in 0..size[0] {
            for y in 0..size[1] {
                walk.read_row(voxels, z, y, &mut canonical);
            }
        }
        Volume::from_counted(size, canonical)
    }

    /// A canonical array in stored order: the exact inverse of
    /// [`Orientation::canonical_from_stored`].
    pub fn stored_from_canonical<T: Copy>(self, canonical: &Volume<T>) -> Volume<T> {
        self.inverse().canonical_from_stored(canonical)
    }

    /// Copies plane `z` of the canonical order out of a stored array, `[y, x]`.
    ///
    /// # Panics
    ///
    /// Where `z` is outside the canonical size.
    pub fn read_canonical_plane<T: Copy>(self, stored: &Volume<T>, z: usize, plane: &mut Vec<T>) {
        let [depth, rows, _] = self.canonical_size(stored.size());
        assert!(z < depth, "plane {z} of {depth}");
        let walk = self.walk(stored.size());
        plane.clear();
        for y in 0..rows {
            walk.read_row(stored.as_slice(), z, y, plane);
        }
    }

    /// Copies plane `z` of the canonical order, `[y, x]`, into a stored array.
    ///
    /// # Panics
    ///
    /// Where `z` is outside the canonical size, or the plane is not as large as the array's.
    pub fn write_canonical_plane<T: Copy>(self, plane: &[T], z: usize, stored: &mut Volume<T>) {
        let [depth, rows, columns] = self.canonical_size(stored.size());
        assert!(z < depth, "plane {z} of {depth}");
        assert_eq!(plane.len(), rows * columns, "plane of another size");
        let walk = self.walk(stored.size());
        for (y, row) in plane.chunks_exact(columns.max(1)).enumerate() {
            walk.write_row(stored.as_mut_slice(), z, y, row);
        }
    }

    /// The grid of a stored array in canonical order: the same points under other indices.
    ///
    /// # Errors
    ///
    /// [`OrientationError::UnevenSideways`] where slices each have their own position, unevenly, and
    /// are not stacked along the body's axis.
    pub fn canonical_grid(self, stored: &Grid) -> Result<Grid, OrientationError> {
        let size = self.canonical_size(stored.size());
        let affine = stored.lps_from_index();
        let source = self.source();
        let [x_step, y_step, z_step] = source
            .map(|(axis, flipped)| scale(affine.column(axis), if flipped { -1.0 } else { 1.0 }));
        // An axis that is read backwards begins at its stored end.
        let begin = source.map(|(axis, flipped)| {
            let last = (stored.size()[2 - axis] - 1) as f64;
            scale(affine.column(axis), if flipped { last } else { 0.0 })
        });
        let in_plane_begin = add(begin[0], begin[1]);
        let (stack_axis, is_reversed) = source[2];
        if stored.has_even_steps() || stack_axis != 2 {
            if !stored.is_evenly_spaced() {
                return Err(OrientationError::UnevenSideways { along: self.towards[2] });
            }
            let origin = add(affine.column(3), add(in_plane_begin, begin[2]));
            let canonical = Affine::from_steps(x_step, y_step, z_step, origin);
            return Ok(Grid::from_affine(size, &canonical)?);
        }
        let mut origins: Vec<Vec3> =
            (0..size[0]).map(|z| add(stored.slice_origin_lps_mm(z), in_plane_begin)).collect();
        let mut reaches_mm: Vec<[f64; 2]> =
            (0..size[0]).map(|z| stored.slice_reach_mm(z)).collect();
        if is_reversed {
            origins.reverse();
            reaches_mm.reverse();
            for reach_mm in &mut reaches_mm {
                reach_mm.reverse();
            }
        }
        let lone_thickness_mm = stored.slice_thickness_mm(0);
        let grid =
            Grid::from_slices([size[1], size[2]], x_step, y_step, origins, lone_thickness_mm)?;
        Ok(grid.with_reaches_mm(reaches_mm))
    }

    /// The grid of a canonical array in stored order: the inverse of
    /// [`Orientation::canonical_grid`].
    ///
    /// # Errors
    ///
    /// [`OrientationError`] where slices are not evenly stacked and stored order turns their stack.
    pub fn stored_grid(self, canonical: &Grid) -> Result<Grid, OrientationError> {
        self.inverse().canonical_grid(canonical)
    }

    /// For each canonical axis (0 is `x`), the stored axis that it comes from and whether it is
    /// read backwards.
    fn source(self) -> [(usize, bool); 3] {
        let mut source = [(0, false); 3];
        for (stored, towards) in self.towards.into_iter().enumerate() {
            let (canonical, flipped) = towards.axis();
            source[canonical] = (stored, flipped);
        }
        source
    }

    fn inverse(self) -> Self {
        let source = self.source();
        let towards =
            std::array::from_fn(|i| Towards::BY_AXIS[source[i].0][usize::from(source[i].1)]);
        Self { towards }
    }

    fn walk(self, stored_size: [usize; 3]) -> Walk {
        let [z_len, y_len, x_len] = stored_size;
        let lengths = [x_len, y_len, z_len];
        let pitches = [1, x_len, x_len * y_len];
        let source = self.source();
        let mut first = 0;
        for (axis, flipped) in source {
            if flipped {
                first += pitches[axis] * lengths[axis].saturating_sub(1);
            }
        }
        let step = |canonical: usize| {
            let (axis, flipped) = source[canonical];
            let pitch = pitches[axis] as isize;
            if flipped { -pitch } else { pitch }
        };
        Walk { first, steps: [step(2), step(1), step(0)], columns: lengths[source[0].0] }
    }
}

/// The ways to assign stored `x`, `y`, `z` to the patient's axes.
const AXIS_ORDERS: [[usize; 3]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Where canonical voxels lie in stored memory.
struct Walk {
    /// Offset of canonical voxel `[0, 0, 0]`.
    first: usize,
    /// From one voxel to the next along canonical `[z, y, x]`.
    steps: [isize; 3],
    columns: usize,
}

impl Walk {
    fn row_start(&self, z: usize, y: usize) -> usize {
        let shift = z as isize * self.steps[0] + y as isize * self.steps[1];
        self.first.wrapping_add_signed(shift)
    }

    /// Appends one canonical row.
    fn read_row<T: Copy>(&self, stored: &[T], z: usize, y: usize, rows: &mut Vec<T>) {
        if self.columns == 0 {
            return;
        }
        let (at, pitch) = (self.row_start(z, y), self.steps[2].unsigned_abs());
        let reach = pitch * (self.columns - 1);
        // Rows that lie together are copied as such: four times as fast as one by one.
        match self.steps[2] {
            1 => rows.extend_from_slice(&stored[at..=at + reach]),
            -1 => rows.extend(stored[at - reach..=at].iter().rev()),
            step if step > 0 => rows.extend(stored[at..=at + reach].iter().step_by(pitch)),
            _ => rows.extend(stored[at - reach..=at].iter().rev().step_by(pitch)),
        }
    }

    fn write_row<T: Copy>(&self, stored: &mut [T], z: usize, y: usize, row: &[T]) {
        let (at, pitch) = (self.row_start(z, y), self.steps[2].unsigned_abs());
        let reach = pitch * (self.columns - 1);
        if self.steps[2] > 0 {
            let targets = stored[at..=at + reach].iter_mut().step_by(pitch);
            targets.zip(row).for_each(|(target, &voxel)| *target = voxel);
        } else {
            let targets = stored[at - reach..=at].iter_mut().rev().step_by(pitch);
            targets.zip(row).for_each(|(target, &voxel)| *target = voxel);
        }
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.towards.iter().try_for_each(|towards| write!(f, "{}", towards.letter()))
    }
}

impl FromStr for Orientation {
    type Err = OrientationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::all().into_iter().find(|known| known.to_string() == text);
        found.ok_or_else(|| OrientationError::NotACode { found: text.chars().take(16).collect() })
    }
}
