use proptest::prelude::*;

use super::*;

fn grid_of(orientation: Orientation, size: [usize; 3]) -> Grid {
    let column = |i: usize| {
        let (axis, flipped) = orientation.towards[i].axis();
        let mut step = [0.1, -0.2, 0.3];
        step[axis] = Towards::LPS_SIGN[axis] * if flipped { -2.5 } else { 2.5 };
        step
    };
    let affine = Affine::from_steps(column(0), column(1), column(2), [3.0, -7.0, 11.0]);
    Grid::from_affine(size, &affine).unwrap()
}

#[test]
fn codes_name_where_the_axes_go() {
    let axial_dicom = Affine::from_steps(
        [0.5, 0.0, 0.0],
        [0.0, 0.5, 0.0],
        [0.0, 0.0, 5.0],
        [-120.0, -120.0, 0.0],
    );
    let grid = Grid::from_affine([30, 512, 512], &axial_dicom).unwrap();

    assert_eq!(Orientation::of(&grid).to_string(), "LPS");
    assert_eq!(Orientation::CANONICAL.to_string(), "RAS");
}

#[test]
fn there_are_48_and_each_reads_its_own_name() {
    let all = Orientation::all();

    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 48);
    assert_eq!(all[0], Orientation::CANONICAL);
    for orientation in all {
        assert_eq!(orientation.to_string().parse(), Ok(orientation));
        assert_eq!(Orientation::of(&grid_of(orientation, [2, 3, 4])), orientation);
    }
}

#[test]
fn other_letters_are_refused_and_shown() {
    let error = "LPX".parse::<Orientation>().unwrap_err();

    assert!(error.to_string().starts_with("\"LPX\" is no orientation"), "{error}");
    assert!("LLS".parse::<Orientation>().is_err());
    assert!("LP".parse::<Orientation>().is_err());
}

#[test]
fn lps_is_turned_in_the_plane() {
    let stored = Volume::new([1, 2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();

    let canonical = "LPS".parse::<Orientation>().unwrap().canonical_from_stored(&stored);

    assert_eq!(canonical.as_slice(), [6, 5, 4, 3, 2, 1]);
}

#[test]
fn an_uneven_stack_may_be_turned_over_but_not_stacked_sideways() {
    let origins = vec![[0.0, 0.0, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 13.0]];
    let axial = Grid::from_slices([4, 6], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0], origins, 5.0).unwrap();
    let sideways = vec![[0.0; 3], [5.0, 0.0, 0.0], [13.0, 0.0, 0.0]];
    let sagittal =
        Grid::from_slices([4, 6], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5], sideways, 5.0).unwrap();

    let canonical = Orientation::of(&axial).canonical_grid(&axial).unwrap();
    let refused = Orientation::of(&sagittal).canonical_grid(&sagittal);

    assert_eq!(canonical.point_lps_mm(2, 0.0, 0.0), [2.5, 1.5, 13.0]);
    assert_eq!(canonical.gaps_mm(), [5.0, 8.0]);
    assert_eq!(refused, Err(OrientationError::UnevenSideways { along: Towards::Left }));
}

#[test]
fn what_the_end_slices_stand_for_turns_over_with_the_stack() {
    let origins = vec![[0.0, 0.0, 0.0], [0.0, 0.0, -5.0], [0.0, 0.0, -15.0]];
    let downwards = Grid::from_slices([4, 6], [0.0, 0.5, 0.0], [0.5, 0.0, 0.0], origins, 5.0);
    let stored = downwards.unwrap().with_outwards_mm([2.5, 1.0]);

    let canonical = Orientation::of(&stored).canonical_grid(&stored).unwrap();

    let reaches_mm = [0, 1, 2].map(|z| canonical.slice_reach_mm(z));
    assert_eq!(reaches_mm, [[1.0, 5.0], [5.0, 2.5], [2.5, 2.5]]);
}

#[test]
fn a_grid_is_stored_in_each_of_the_48_orders_and_named_by_it() {
    let steps = ([-0.5, 0.0, 0.0], [0.0, -0.6, 0.0], [0.0, 0.0, 2.5]);
    let affine = Affine::from_steps(steps.0, steps.1, steps.2, [9.0, 8.0, -7.0]);
    let canonical = Grid::from_affine([3, 4, 5], &affine).unwrap();

    for orientation in Orientation::all() {
        let stored = orientation.stored_grid(&canonical).unwrap();

        assert_eq!(Orientation::of(&stored), orientation);
        let back = orientation.canonical_grid(&stored).unwrap();
        for (row, wanted) in back.lps_from_index().rows.iter().zip(affine.rows) {
            let off = row.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-12, "{orientation}: {off}");
        }
    }
}

proptest! {
    #[test]
    fn there_and_back_is_exact_and_every_voxel_keeps_its_place(
        which in 0..48_usize,
        size in [1..5_usize, 1..5_usize, 1..5_usize],
    ) {
        let orientation = Orientation::all()[which];
        let stored = Volume::from_fn(size, |index| index);
        let grid = grid_of(orientation, size);

        let canonical = orientation.canonical_from_stored(&stored);
        let canonical_grid = orientation.canonical_grid(&grid).unwrap();

        prop_assert_eq!(canonical.size(), orientation.canonical_size(size));
        prop_assert_eq!(Orientation::of(&canonical_grid), Orientation::CANONICAL);
        prop_assert_eq!(&orientation.stored_from_canonical(&canonical), &stored);
        let [depth, rows, columns] = canonical.size();
        for (z, y, x) in (0..depth).flat_map(|z| {
            (0..rows).flat_map(move |y| (0..columns).map(move |x| (z, y, x)))
        }) {
            let [old_z, old_y, old_x] = canonical[[z, y, x]];
            let here = canonical_grid.point_lps_mm(z, y as f64, x as f64);
            let there = grid.point_lps_mm(old_z, old_y as f64, old_x as f64);
            for axis in 0..3 {
                prop_assert!((here[axis] - there[axis]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn planes_are_those_of_the_canonical_volume(
        which in 0..48_usize,
        size in [1..5_usize, 1..5_usize, 1..5_usize],
    ) {
        let orientation = Orientation::all()[which];
        let stored = Volume::from_fn(size, |[z, y, x]| 100 * z + 10 * y + x);
        let canonical = orientation.canonical_from_stored(&stored);

        let mut copy = Volume::filled(size, 0);
        let mut plane = vec![];
        for z in 0..canonical.size()[0] {
            orientation.read_canonical_plane(&stored, z, &mut plane);
            prop_assert_eq!(&plane[..], canonical.plane(z));
            orientation.write_canonical_plane(&plane, z, &mut copy);
        }

        prop_assert_eq!(copy, stored);
    }
}
