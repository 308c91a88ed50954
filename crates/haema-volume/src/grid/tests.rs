use super::*;

fn stack(positions_mm: &[f64]) -> Grid {
    let origins = positions_mm.iter().map(|&z| [0.0, 0.0, z]).collect();
    Grid::from_slices([4, 4], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0], origins, 5.0).unwrap()
}

#[test]
fn uneven_slices_share_the_whole_extent() {
    let grid = stack(&[0.0, 5.0, 10.0, 20.0]);

    let thickness_mm: Vec<f64> = (0..4).map(|z| grid.slice_thickness_mm(z)).collect();

    assert_eq!(thickness_mm, [5.0, 5.0, 7.5, 10.0]);
    assert!(!grid.is_evenly_spaced());
    assert_eq!(grid.spacing_mm(), [5.0, 0.5, 0.5]);
}

#[test]
fn two_slices_are_as_thick_as_they_are_apart() {
    let grid = stack(&[1.0, 4.0]);

    assert_eq!([grid.slice_thickness_mm(0), grid.slice_thickness_mm(1)], [3.0, 3.0]);
}

#[test]
fn an_end_slice_is_no_thicker_for_the_loss_beside_it() {
    // A slice at 5 mm is missing: the first stands for its own 5 mm and half of the loss.
    let grid = stack(&[0.0, 10.0, 15.0, 20.0]).with_outwards_mm([2.5, 2.5]);

    let thickness_mm: Vec<f64> = (0..4).map(|z| grid.slice_thickness_mm(z)).collect();

    assert_eq!(thickness_mm, [7.5, 7.5, 5.0, 5.0]);
    assert_eq!(grid.slice_reach_mm(0), [2.5, 5.0]);
}

#[test]
fn slices_of_two_thicknesses_end_where_they_touch() {
    // 2 mm up to 5 mm, 4 mm above; the last two leave something between them.
    let grid = stack(&[2.0, 4.0, 7.0, 11.0, 17.0]);

    let grid = grid.with_thickness_mm(&[2.0, 2.0, 4.0, 4.0, 2.0]);

    let thickness_mm: Vec<f64> = (0..5).map(|z| grid.slice_thickness_mm(z)).collect();
    assert_eq!(thickness_mm, [2.0, 2.0, 4.0, 5.0, 6.0]);
    assert_eq!(grid.slice_reach_mm(1), [1.0, 1.0]);
    assert_eq!(grid.slice_reach_mm(2), [2.0, 2.0]);
}

#[test]
fn a_lone_slice_has_the_thickness_that_it_was_given() {
    let grid = stack(&[3.0]);

    assert_eq!((grid.slice_thickness_mm(0), grid.slice_reach_mm(0)), (5.0, [2.5, 2.5]));
    assert_eq!(grid.spacing_mm(), [5.0, 0.5, 0.5]);
}

#[test]
fn tilt_shears_and_keeps_the_volume() {
    let tilt = 18.5_f64.to_radians();
    let step = [0.0, 5.0 * tilt.tan(), 5.0];
    let affine = Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.5, 0.0], step, [0.0; 3]);
    let grid = Grid::from_affine([10, 4, 4], &affine).unwrap();

    assert!((grid.tilt_deg() - 18.5).abs() < 1e-9);
    assert!((grid.voxel_volume_mm3(3) - 1.25).abs() < 1e-12);
}

#[test]
fn a_left_handed_affine_still_has_ascending_positions() {
    let affine = Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, -5.0], [0.0; 3]);
    let grid = Grid::from_affine([3, 4, 4], &affine).unwrap();

    assert!(grid.slice_position_mm(1) > grid.slice_position_mm(0));
    assert_eq!(grid.slice_thickness_mm(1), 5.0);
}

#[test]
fn nan_and_flat_geometry_are_refused() {
    let flat = Affine::from_steps([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0; 3]);
    let mut nan = flat;
    nan.rows[2][3] = f64::NAN;

    assert!(matches!(Grid::from_affine([1, 1, 1], &flat), Err(GridError::Flat { .. })));
    assert!(matches!(Grid::from_affine([1, 1, 1], &nan), Err(GridError::NotFinite { .. })));
}
