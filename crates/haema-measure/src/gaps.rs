//! What hangs on slices that are missing.

use haema_volume::{Grid, Volume};

use crate::{MM3_PER_ML, MeasureError, check_size, volume_ml};

/// The share of a mask's volume, 0 to 1, that lies in the slices on both sides of missing ones, which
/// stand for more than they show; `None` where the mask is empty.
///
/// * `after` — the slices after which one or more are missing, as reading found them.
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
