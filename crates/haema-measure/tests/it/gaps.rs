//! Missing slices.

use haema_measure::{missing_slices, share_beside};
use haema_volume::{Grid, Volume};

fn stack(positions_mm: &[f64]) -> Grid {
    let origins = positions_mm.iter().map(|&z| [0.0, 0.0, z]).collect();
    Grid::from_slices([2, 2], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], origins, 5.0).unwrap()
}

#[test]
fn a_lone_wide_gap_is_a_missing_slice() {
    assert_eq!(missing_slices(&stack(&[0.0, 5.0, 10.0, 20.0, 25.0])), [2]);
    assert_eq!(missing_slices(&stack(&[0.0, 10.0, 15.0, 20.0])), [0]);
    assert_eq!(missing_slices(&stack(&[0.0, 5.0, 10.0, 20.0])), [2]);
}

#[test]
fn two_pitches_in_one_stack_are_not() {
    assert_eq!(missing_slices(&stack(&[0.0, 4.2, 8.4, 15.8, 23.2])), [0_usize; 0]);
    assert_eq!(missing_slices(&stack(&[0.0, 5.0])), [0_usize; 0]);
    assert_eq!(missing_slices(&stack(&[0.0])), [0_usize; 0]);
}

#[test]
fn the_slices_beside_count_with_what_they_stand_for() {
    // Thicknesses 5, 5, 7.5, 7.5, 5.
    let grid = stack(&[0.0, 5.0, 10.0, 20.0, 25.0]);

    let share = share_beside(&[2], &Volume::filled([5, 2, 2], 1), &grid).unwrap();

    assert_eq!(share, Some(0.5));
    assert_eq!(share_beside(&[2], &Volume::filled([5, 2, 2], 0), &grid), Ok(None));
    assert_eq!(share_beside(&[], &Volume::filled([5, 2, 2], 1), &grid), Ok(Some(0.0)));
}
