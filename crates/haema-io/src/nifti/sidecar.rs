//! What NIfTI cannot hold: a position for every slice.

use std::path::Path;

use haema_volume::{Grid, Vec3};
use serde::Serialize;

use crate::fs::{self, FsError};

/// The file's content. Lengths in mm, places in LPS, as DICOM has them.
#[derive(Serialize)]
struct SlicePositions {
    schema: &'static str,
    note: &'static str,
    is_evenly_spaced: bool,
    /// `[x, y, z]`, the order of a NIfTI file's axes.
    size: [usize; 3],
    x_step_lps_mm: Vec3,
    y_step_lps_mm: Vec3,
    normal_lps: Vec3,
    slices: Vec<Slice>,
}

#[derive(Serialize)]
struct Slice {
    index: usize,
    /// Centre of the slice's first voxel.
    origin_lps_mm: Vec3,
    /// Along the normal.
    position_mm: f64,
    /// What the slice stands for: half the way to each neighbour.
    thickness_mm: f64,
}

const EVEN: &str = "Slices are evenly spaced, as far as rounding in headers goes: the NIfTI file \
                    beside this one holds the same places.";
const UNEVEN: &str = "Slices are not evenly spaced. NIfTI has one affine for all slices and cannot \
                      say so: the file beside this one keeps their number and order, and the places \
                      of the first and the last. The places and thicknesses here are the true ones; \
                      volumes must be computed from them.";

/// Writes where every slice lies, as JSON, to stand beside a NIfTI file.
///
/// NIfTI has one affine for the whole stack. A stack whose gaps differ does not fit into it, so
/// positions, and thicknesses for volumes, are kept here; the file itself says so.
///
/// # Errors
///
/// [`FsError`] where the disk refuses.
pub fn write_slice_positions(path: &Path, grid: &Grid) -> Result<(), FsError> {
    let [z, y, x] = grid.size();
    let slice = |index| Slice {
        index,
        origin_lps_mm: grid.slice_origin_lps_mm(index),
        position_mm: grid.slice_position_mm(index),
        thickness_mm: grid.slice_thickness_mm(index),
    };
    let positions = SlicePositions {
        schema: "haema.slice-positions/1",
        note: if grid.is_evenly_spaced() { EVEN } else { UNEVEN },
        is_evenly_spaced: grid.is_evenly_spaced(),
        size: [x, y, z],
        x_step_lps_mm: grid.x_step_lps_mm(),
        y_step_lps_mm: grid.y_step_lps_mm(),
        normal_lps: grid.normal_lps(),
        slices: (0..z).map(slice).collect(),
    };
    fs::write_json(path, &positions)
}
