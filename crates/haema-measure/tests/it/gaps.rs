//! Missing slices.

use haema_measure::share_beside;
use haema_volume::{Grid, Volume};

fn stack(positions_mm: &[f64]) -> Grid {
    let origins = positions_mm.iter().map(|&z| [0.0, 0.0, z]).collect();
    Grid::from_slices([2, 2], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], origins, 5.0).unwrap()
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
