//! Distances in the plane of a slice.

use haema_volume::{Volume, distances_mm};

/// How far each pixel's centre lies beyond the border of a mask, mm; negative within. The border runs
/// half-way between the centres on its sides; infinite where the mask is empty.
pub(super) fn beyond_border_mm(plane: &Volume<u8>, [y_mm, x_mm]: [f64; 2]) -> Vec<f64> {
    let half_mm = 0.25 * (y_mm + x_mm);
    let places = |count: usize, step_mm: f64| (0..count).map(|i| i as f64 * step_mm).collect();
    let [_, rows, columns] = plane.size();
    let (rows_mm, columns_mm): (Vec<f64>, Vec<f64>) = (places(rows, y_mm), places(columns, x_mm));
    let positions_mm: [&[f64]; 3] = [&[0.0], &rows_mm, &columns_mm];
    let to_mask = distances_mm(plane, positions_mm, |&voxel| voxel != 0).into_voxels();
    let to_rest = distances_mm(plane, positions_mm, |&voxel| voxel == 0).into_voxels();
    let beyond = |(to_mask, to_rest): (f64, f64)| {
        if to_mask > 0.0 { to_mask - half_mm } else { half_mm - to_rest }
    };
    to_mask.into_iter().zip(to_rest).map(beyond).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(columns: usize, pixels: Vec<u8>) -> Volume<u8> {
        Volume::new([1, pixels.len() / columns, columns], pixels).unwrap()
    }

    #[test]
    fn the_border_runs_between_the_pixels() {
        let beyond = beyond_border_mm(&plane(5, vec![0, 0, 1, 1, 0]), [1.0, 1.0]);

        assert_eq!(beyond, [1.5, 0.5, -0.5, -0.5, 0.5]);
        let empty = beyond_border_mm(&plane(2, vec![0; 4]), [1.0, 1.0]);
        assert!(empty.iter().all(|mm| mm.is_infinite()));
    }
}
