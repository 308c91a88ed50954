//! How large a bleed is.

use haema_volume::{Grid, Volume};

use crate::{MM3_PER_ML, MeasureError, check_size};

/// Volume of a mask: Σ over slices of area × thickness of the slice. Every voxel that is not 0
/// counts.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the mask is not on the grid.
///
/// # Source
///
/// Planimetry: the trapezium rule over slice areas, see [`Grid::slice_thickness_mm`].
///
/// # Examples
///
/// ```
/// use haema_measure::volume_ml;
/// use haema_volume::{Affine, Grid, Volume};
///
/// let affine = Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
/// let grid = Grid::from_affine([2, 20, 20], &affine)?;
/// // 800 voxels of 1.25 mm³.
/// assert_eq!(volume_ml(&Volume::filled([2, 20, 20], 1), &grid)?, 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn volume_ml(mask: &Volume<u8>, grid: &Grid) -> Result<f64, MeasureError> {
    sum_ml(mask, grid, |plane| plane.iter().filter(|&&voxel| voxel != 0).count() as f64)
}

/// Expected volume of a probability: Σ p × voxel volume, without a threshold.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the probability is not on the grid.
pub fn volume_soft_ml(probability: &Volume<f32>, grid: &Grid) -> Result<f64, MeasureError> {
    sum_ml(probability, grid, sum)
}

/// As many sums as fit in a register, so that none waits for another.
fn sum(plane: &[f32]) -> f64 {
    let (groups, rest) = plane.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for group in groups {
        for (sum, &p) in sums.iter_mut().zip(group) {
            *sum += f64::from(p);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&p| f64::from(p)).sum::<f64>()
}

fn sum_ml<T>(
    volume: &Volume<T>,
    grid: &Grid,
    count: impl Fn(&[T]) -> f64,
) -> Result<f64, MeasureError> {
    check_size(volume.size(), grid)?;
    let mm3: f64 =
        (0..grid.size()[0]).map(|z| count(volume.plane(z)) * grid.voxel_volume_mm3(z)).sum();
    Ok(mm3 / MM3_PER_ML)
}

/// A volume for people, without its unit: two decimals; what is less than a tenth of a millilitre,
/// and more than nothing, is `<0.1`, because no reader and no scanner is as exact as that.
///
/// ```
/// use haema_measure::format_ml;
///
/// assert_eq!(format_ml(23.456), "23.46");
/// assert_eq!(format_ml(0.04), "<0.1");
/// assert_eq!(format_ml(0.0), "0.00");
/// ```
pub fn format_ml(volume_ml: f64) -> String {
    if volume_ml > 0.0 && volume_ml < 0.1 {
        return "<0.1".to_owned();
    }
    format!("{volume_ml:.2}")
}

/// A volume that is known about, such as the end of an interval, without its unit: tenths below 10 mL,
/// whole millilitres above. More digits would promise what nobody knows.
///
/// ```
/// use haema_measure::format_about_ml;
///
/// assert_eq!(format_about_ml(415.14), "415");
/// assert_eq!(format_about_ml(9.96), "10");
/// assert_eq!(format_about_ml(0.04), "<0.1");
/// assert_eq!(format_about_ml(0.0), "0");
/// ```
pub fn format_about_ml(volume_ml: f64) -> String {
    match volume_ml {
        ml if ml > 0.0 && ml < 0.1 => "<0.1".to_owned(),
        ml if ml == 0.0 || ml >= 9.95 => format!("{ml:.0}"),
        ml => format!("{ml:.1}"),
    }
}
