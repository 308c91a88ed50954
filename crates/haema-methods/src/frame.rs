//! The way from a scan to a network's grid, and the only way back.
//!
//! ```text
//! CtVolume ── Frame::plan ──▶ Frame ── image, label ──▶ network
//!                               └── into_undo ──▶ Undo ── restore ──▶ the scan's own grid
//! ```
//!
//! A [`Frame`] is planned once per scan. It brings any of the 48 storage orders to the canonical one,
//! takes gantry tilt out, crops to the head where asked, and resamples. [`Undo`] holds the same plan
//! and nothing of the scan; it is used up by the way back.

mod head;
mod settings;
mod stack;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use haema_volume::{
    Affine, AxisWeights, CtVolume, Grid, GridError, Orientation, OrientationError, PlaneResizer,
    Volume, Window, add, parallel, scale,
};
use thiserror::Error;

pub use settings::{Antialias, ClampOrder, Crop, LabelResize, Planes, Preprocessing};

use stack::{PlaneMap, Stack};

/// Why a scan cannot be brought to a network's grid, or an array does not belong to it.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A setting makes no sense.
    #[error("preprocessing setting {name} = {found}: wanted {wanted}")]
    Setting {
        /// Its name in the settings file.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        wanted: &'static str,
    },
    /// The scan's axes have no canonical order.
    #[error(transparent)]
    Orientation(#[from] OrientationError),
    /// The network's grid is none.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// `crop = "head"`, and there is no head.
    #[error(
        "no head found: the largest body above −300 HU measures {found_mm:.0?} mm [y, x] in the \
         plane; wanted at least {wanted_mm} mm each way. Is this a head CT in Hounsfield units?"
    )]
    NoHead {
        /// Size of the largest body, `[y, x]`.
        found_mm: [f64; 2],
        /// The smallest head.
        wanted_mm: f64,
    },
    /// An array of another size than the scan's, or the network's.
    #[error("{what} has {found:?} [z, y, x] voxels: wanted {wanted:?}")]
    SizesDiffer {
        /// Which array.
        what: &'static str,
        /// Its size.
        found: [usize; 3],
        /// The size that the plan is for.
        wanted: [usize; 3],
    },
}

/// The plan by which one scan becomes a network's input.
#[derive(Debug, Clone)]
pub struct Frame {
    mapping: Mapping,
    settings: Preprocessing,
    planes: PlaneMap,
    network_grid: Grid,
}

/// The way back from a network's grid to the scan's own, used up by [`Undo::restore`].
#[derive(Debug)]
pub struct Undo {
    mapping: Mapping,
    slice_from_planes: AxisWeights,
}

/// What a 12-bit scanner can state. Padding below and metal above would otherwise weigh on the voxels
/// that they are mixed into, where HU are clamped last.
const SCANNER_HU: [f32; 2] = [-1024.0, 3071.0];

/// What both ways share.
#[derive(Debug, Clone)]
struct Mapping {
    orientation: Orientation,
    stored_size: [usize; 3],
    canonical_size: [usize; 3],
    network_size: [usize; 3],
    /// What of the plane is resampled, `[y, x]`, in voxels of the middle slice.
    crop: [Window; 2],
    /// How far each slice lies from where the middle slice lies, `[y, x]`, voxels: gantry tilt.
    shifts: Vec<[f64; 2]>,
    threads: NonZeroUsize,
}

impl Frame {
    /// Plans the way from a scan's grid to a network's.
    ///
    /// # Errors
    ///
    /// [`PreprocessError`] where the settings make no sense, the scan's slices are stacked unevenly
    /// other than along the body, or no head is found.
    pub fn plan(ct: &CtVolume, settings: &Preprocessing) -> Result<Self, PreprocessError> {
        settings.check()?;
        let orientation = Orientation::of(ct.grid());
        let grid = orientation.canonical_grid(ct.grid())?;
        let stack = Stack::of(&grid);
        let [_, rows, columns] = grid.size();
        let (crop, top_mm) = match settings.crop {
            Crop::None => {
                ([Window::whole(rows), Window::whole(columns)], stack.edges_mm[stack.len()])
            }
            Crop::Head => {
                let head = head::find(ct.voxels_hu(), orientation, &grid, &stack)?;
                (head.crop, head.top_mm)
            }
        };
        let planes = PlaneMap::plan(&stack, settings, top_mm);
        let [network_rows, network_columns] = settings.in_plane;
        let mapping = Mapping {
            orientation,
            stored_size: ct.grid().size(),
            canonical_size: grid.size(),
            network_size: [planes.count(), network_rows, network_columns],
            crop,
            shifts: stack.shifts.clone(),
            threads: NonZeroUsize::MIN,
        };
        let network_grid = mapping.network_grid(&grid, &stack, &planes)?;
        Ok(Self { mapping, settings: settings.clone(), planes, network_grid })
    }

    /// Resamples on several threads, and so does the way back. The result is the same, bit for bit.
    #[must_use]
    pub fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.mapping.threads = threads;
        self
    }

    /// Size `[z, y, x]` of the network's input.
    pub fn network_size(&self) -> [usize; 3] {
        self.mapping.network_size
    }

    /// Where the network's voxels lie in the patient, tilt taken out: for a viewer.
    pub fn network_grid(&self) -> &Grid {
        &self.network_grid
    }

    /// Volume of one voxel of the network's grid.
    pub fn voxel_volume_mm3(&self) -> f64 {
        self.network_grid.voxel_volume_mm3(0)
    }

    /// The scan in the network's grid: the HU window as 0 to 1, NaN as 0.
    ///
    /// # Errors
    ///
    /// [`PreprocessError::SizesDiffer`] where this is not the scan that was planned for.
    pub fn image(&self, ct: &CtVolume) -> Result<Volume<f32>, PreprocessError> {
        check_size("the scan", ct.grid().size(), self.mapping.stored_size)?;
        let [low, high] = self.settings.window_hu;
        let normalise = |voxels: &mut [f32]| {
            for voxel in voxels {
                *voxel = (limited(*voxel, [low, high]) - low) / (high - low);
            }
        };
        let clamps_first = self.settings.order == ClampOrder::ClampThenResize;
        let is_averaged = self.settings.antialias == Antialias::Box;
        let in_plane = |input_len: usize, window: Window, output_len: usize| {
            // A footprint smaller than a voxel has nothing to average.
            let shrinks = window.len > output_len as f64;
            let make = if is_averaged && shrinks { AxisWeights::mean } else { AxisWeights::linear };
            make(input_len, window, output_len)
        };
        let prepare = |hu: &[f32], plane: &mut Vec<f32>| {
            plane.extend_from_slice(hu);
            if clamps_first {
                normalise(plane);
            } else {
                // NaN would spread to every voxel that it is mixed into.
                for voxel in plane.iter_mut() {
                    *voxel = limited(*voxel, SCANNER_HU);
                }
            }
        };
        let mut image =
            self.mapping.resample(ct.voxels_hu(), &self.planes.image, in_plane, prepare);
        if !clamps_first {
            normalise(image.as_mut_slice());
            for z in 0..self.planes.count() {
                if self.planes.image.taps(z).1.is_empty() {
                    image.plane_mut(z).fill(0.0);
                }
            }
        }
        Ok(image)
    }

    /// A mask of the scan in the network's grid: 1 where a voxel is foreground, with
    /// [`LabelResize::Area`] the share of it that is. Every mask voxel that is not 0 is foreground.
    ///
    /// # Errors
    ///
    /// [`PreprocessError::SizesDiffer`] where the mask is not on the scan's grid.
    pub fn label(&self, mask: &Volume<u8>) -> Result<Volume<f32>, PreprocessError> {
        check_size("the mask", mask.size(), self.mapping.stored_size)?;
        let in_plane = match self.settings.label_resize {
            LabelResize::Nearest => AxisWeights::nearest,
            LabelResize::Area => AxisWeights::mean,
        };
        let prepare = |labels: &[u8], plane: &mut Vec<f32>| {
            plane.extend(labels.iter().map(|&label| f32::from(u8::from(label != 0))));
        };
        Ok(self.mapping.resample(mask, &self.planes.label, in_plane, prepare))
    }

    /// The way back.
    pub fn into_undo(self) -> Undo {
        Undo { mapping: self.mapping, slice_from_planes: self.planes.back }
    }
}

impl Undo {
    /// Brings a probability from the network's grid to the scan's own, in its own storage order.
    /// Interpolated linearly; 0 outside what the network saw.
    ///
    /// # Errors
    ///
    /// [`PreprocessError::SizesDiffer`] where the probability is not on the network's grid.
    pub fn restore(self, probability: &Volume<f32>) -> Result<Volume<f32>, PreprocessError> {
        check_size("the probability", probability.size(), self.mapping.network_size)?;
        let Mapping { orientation, canonical_size, network_size, .. } = self.mapping;
        let [depth, rows, columns] = canonical_size;
        let mut restored = Volume::filled(self.mapping.stored_size, 0.0);
        let slice = |z: usize| {
            let mut mixed = vec![0.0; network_size[1] * network_size[2]];
            let mut row = vec![0.0; network_size[2]];
            self.slice_from_planes.apply_across_rows(probability.as_slice(), z, &mut mixed);
            let [y_window, x_window] = self.mapping.windows(z);
            let y_axis = way_back(rows, y_window, network_size[1]);
            let x_axis = way_back(columns, x_window, network_size[2]);
            let (seen_x, mut plane) = (seen(columns, x_window), vec![0.0; rows * columns]);
            for y in seen(rows, y_window) {
                y_axis.apply_across_rows(&mixed, y, &mut row);
                let target = &mut plane[y * columns..(y + 1) * columns][seen_x.clone()];
                x_axis.apply_within_row(&row, seen_x.start, target);
            }
            plane
        };
        let is_seen = |z: &usize| !self.slice_from_planes.taps(*z).1.is_empty();
        let seen_slices: Vec<usize> = (0..depth).filter(is_seen).collect();
        // A few at a time, so that no second volume is held.
        for some in seen_slices.chunks(4 * self.mapping.threads.get()) {
            let planes = parallel::map(some.iter(), self.mapping.threads, |_, &z| slice(z));
            for (&z, plane) in some.iter().zip(&planes) {
                orientation.write_canonical_plane(plane, z, &mut restored);
            }
        }
        Ok(restored)
    }
}

impl Mapping {
    /// The crop as slice `z` sees it, `[y, x]`.
    fn windows(&self, z: usize) -> [Window; 2] {
        let shift = self.shifts[z];
        std::array::from_fn(|i| Window {
            start: self.crop[i].start - shift[i],
            len: self.crop[i].len,
        })
    }

    /// Resamples a stored array: each slice in its plane, then the slices to planes.
    fn resample<T: Copy + Sync>(
        &self,
        stored: &Volume<T>,
        planes: &AxisWeights,
        in_plane: impl Fn(usize, Window, usize) -> AxisWeights + Sync,
        prepare: impl Fn(&[T], &mut Vec<f32>) + Sync,
    ) -> Volume<f32> {
        let [depth, rows, columns] = self.canonical_size;
        let [_, network_rows, network_columns] = self.network_size;
        let mut reduced = Volume::filled([depth, network_rows, network_columns], 0.0);
        let slices = reduced.as_mut_slice().chunks_exact_mut(network_rows * network_columns);
        parallel::map(slices, self.threads, |z, reduced| {
            if !planes.uses(z) {
                return;
            }
            let (mut raw, mut plane) = (vec![], vec![]);
            self.orientation.read_canonical_plane(stored, z, &mut raw);
            prepare(&raw, &mut plane);
            let [y_window, x_window] = self.windows(z);
            let y_axis = in_plane(rows, y_window, network_rows);
            let x_axis = in_plane(columns, x_window, network_columns);
            PlaneResizer::default().resize(&plane, &y_axis, &x_axis, reduced);
        });
        let mut network = Volume::filled(self.network_size, 0.0);
        for z in 0..self.network_size[0] {
            planes.apply_across_rows(reduced.as_slice(), z, network.plane_mut(z));
        }
        network
    }

    fn network_grid(
        &self,
        grid: &Grid,
        stack: &Stack,
        planes: &PlaneMap,
    ) -> Result<Grid, PreprocessError> {
        let [y_scale, x_scale] =
            std::array::from_fn(|i| self.crop[i].len / self.network_size[i + 1] as f64);
        let first = |i: usize, voxels: f64| self.crop[i].start + 0.5 * voxels - 0.5;
        let (x_step, y_step) = (grid.x_step_lps_mm(), grid.y_step_lps_mm());
        let normal = grid.normal_lps();
        let middle = stack.middle();
        let up_mm = planes.first_mm + 0.5 * planes.pitch_mm - stack.positions_mm[middle];
        let in_plane = grid.point_lps_mm(middle, first(0, y_scale), first(1, x_scale));
        let affine = Affine::from_steps(
            scale(x_step, x_scale),
            scale(y_step, y_scale),
            scale(normal, planes.pitch_mm),
            add(in_plane, scale(normal, up_mm)),
        );
        Ok(Grid::from_affine(self.network_size, &affine)?)
    }
}

/// Within the limits; NaN becomes the lower one, where `f32::clamp` would keep it.
fn limited(value: f32, [low, high]: [f32; 2]) -> f32 {
    value.max(low).min(high)
}

fn way_back(stored_len: usize, window: Window, network_len: usize) -> AxisWeights {
    AxisWeights::linear(network_len, window.inverse(stored_len, network_len), stored_len)
}

/// The voxels whose centres lie in the window.
fn seen(stored_len: usize, window: Window) -> std::ops::Range<usize> {
    let first_from = |edge: f64| ((edge - 0.5).ceil().max(0.0) as usize).min(stored_len);
    first_from(window.start)..first_from(window.start + window.len)
}

fn check_size(
    what: &'static str,
    found: [usize; 3],
    wanted: [usize; 3],
) -> Result<(), PreprocessError> {
    if found == wanted {
        return Ok(());
    }
    Err(PreprocessError::SizesDiffer { what, found, wanted })
}
