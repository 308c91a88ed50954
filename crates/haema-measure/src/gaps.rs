//! Slices that are missing, and what hangs on them.

use haema_volume::{Grid, Volume};

use crate::{MM3_PER_ML, MeasureError, check_size, volume_ml};

/// A gap this much larger than both gaps beside it is a missing slice. Two pitches in one stack, as
/// many head protocols have them, do not count: there one neighbour is as large.
const MISSING_RATIO: f64 = 1.5;

/// The slices after which one or more seem to be missing.
///
/// The first and last gap have one neighbour and are judged by that.
pub fn missing_slices(grid: &Grid) -> Vec<usize> {
    let gaps_mm = grid.gaps_mm();
    let is_missing = |z: &usize| {
        let before = z.checked_sub(1).and_then(|i| gaps_mm.get(i));
        let beside = before.into_iter().chain(gaps_mm.get(z + 1));
        let widest = beside.copied().fold(f64::NAN, f64::max);
        gaps_mm[*z] > MISSING_RATIO * widest
    };
    (0..gaps_mm.len()).filter(is_missing).collect()
}

/// The share of a mask's volume, 0 to 1, that lies in the slices on both sides of missing ones, which
/// stand for more than they show; `None` where the mask is empty.
///
/// * `after` — the slices after which one is missing, as [`missing_slices`] finds them.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the mask is not on the grid.
pub fn share_beside(
    after: &[usize],
    mask: &Volume<u8>,
    grid: &Grid,
) -> Result<Option<f64>, MeasureError> {
    check_size(mask.size(), grid)?;
    let all_ml = volume_ml(mask, grid)?;
    let is_beside = |z: &usize| after.iter().any(|&slice| *z == slice || *z == slice + 1);
    let beside_mm3: f64 = (0..grid.size()[0])
        .filter(is_beside)
        .map(|z| {
            let voxels = mask.plane(z).iter().filter(|&&voxel| voxel != 0).count();
            voxels as f64 * grid.voxel_volume_mm3(z)
        })
        .sum();
    Ok((all_ml > 0.0).then(|| beside_mm3 / MM3_PER_ML / all_ml))
}
