//! ABC/2 of bodies that a ruler, or a closed form, measures.

use std::f64::consts::{FRAC_PI_6, PI};

use haema_measure::{Abc2, Abc2Width, MeasureError, abc2, abc2_total};
use haema_volume::{Affine, Grid, Volume};
use proptest::prelude::*;

fn grid(size: [usize; 3], [z_mm, y_mm, x_mm]: [f64; 3]) -> Grid {
    let steps = ([x_mm, 0.0, 0.0], [0.0, y_mm, 0.0], [0.0, 0.0, z_mm]);
    Grid::from_affine(size, &Affine::from_steps(steps.0, steps.1, steps.2, [7.0; 3])).unwrap()
}

fn one(mask: &Volume<u8>, grid: &Grid, width: Abc2Width) -> Abc2 {
    let found = abc2(mask, grid, width).unwrap();
    assert_eq!(found.len(), 1);
    found[0]
}

fn near(found: f64, wanted: f64, part: f64) {
    assert!((found / wanted - 1.0).abs() <= part, "{found}, wanted {wanted}");
}

/// Half axes `[z, y, x]` in mm around the middle of the grid, as a mask.
fn ellipsoid(grid: &Grid, half_mm: [f64; 3]) -> Volume<u8> {
    let (size, spacing) = (grid.size(), grid.spacing_mm());
    Volume::from_fn(size, |at| {
        let away =
            |i: usize| (at[i] as f64 - 0.5 * (size[i] as f64 - 1.0)) * spacing[i] / half_mm[i];
        u8::from((0..3).map(|i| away(i).powi(2)).sum::<f64>() <= 1.0)
    })
}

#[test]
fn a_block_is_measured_as_with_a_ruler() {
    // 6 × 8 pixels of 1 mm in three slices of 5 mm.
    let grid = grid([5, 20, 20], [5.0, 1.0, 1.0]);
    let block = Volume::from_fn([5, 20, 20], |[z, y, x]| {
        u8::from((1..4).contains(&z) && (5..11).contains(&y) && (4..12).contains(&x))
    });

    let found = one(&block, &grid, Abc2Width::Projection);

    assert_eq!((found.a_mm, found.c_mm, found.c_weighted_mm, found.slice), (10.0, 15.0, 15.0, 2));
    // The other diagonal, seen across this one: 2 · 6 · 8 / 10.
    near(found.b_mm, 9.6, 1e-12);
    let volumes = found.volumes;
    near(volumes.simple_ml, 10.0 * 9.6 * 15.0 / 2.0 / 1000.0, 1e-12);
    near(volumes.weighted_ml, volumes.simple_ml, 1e-12);
    near(volumes.abc3_ml, volumes.simple_ml * 2.0 / 3.0, 1e-12);
    near(volumes.tada_ml, volumes.simple_ml * 2.0 * FRAC_PI_6, 1e-12);
    near(volumes.two_thirds_sh_ml, 2.0 / 3.0 * 48.0 * 15.0 / 1000.0, 1e-12);
    near(volumes.xyz2_ml, 8.0 * 6.0 * 15.0 / 2.0 / 1000.0, 1e-12);
    near(volumes.planimetry_ml, 0.72, 1e-12);
    near(found.solidity, 1.0, 1e-12);
    // Through the middle of the diagonal: 6 mm up at a slope of 8 to 6.
    near(one(&block, &grid, Abc2Width::Midpoint).b_mm, 7.5, 1e-12);
}

#[test]
fn slices_count_by_their_area() {
    // Areas 100, 76, 75, 25, 24 % of the largest: weights 1, 1, ½, ½, 0.
    let columns = [24, 76, 100, 75, 25];
    let grid = grid([5, 10, 100], [3.0, 1.0, 1.0]);
    let steps = Volume::from_fn([5, 10, 100], |[z, _, x]| u8::from(x < columns[z]));

    let found = one(&steps, &grid, Abc2Width::LongestChord);

    assert_eq!((found.c_mm, found.c_weighted_mm, found.slice), (15.0, 9.0, 2));
}

#[test]
fn uneven_slices_count_by_their_own_thickness() {
    let origins = [0.0, 2.0, 4.0, 9.0].map(|z| [0.0, 0.0, z]).to_vec();
    let grid = Grid::from_slices([12, 12], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], origins, 2.0).unwrap();
    let column = Volume::from_fn([4, 12, 12], |[_, y, x]| u8::from(y < 10 && x < 10));

    let found = one(&column, &grid, Abc2Width::LongestChord);

    // 1 + 2 + 2, then half of 5 on either side of the border, and as much outwards.
    assert_eq!(found.c_mm, 2.0 + 2.0 + 3.5 + 5.0);
    near(found.volumes.planimetry_ml, 100.0 * found.c_mm / 1000.0, 1e-12);
}

#[test]
fn an_ellipsoid_comes_out_as_its_closed_form_says() {
    let grid = grid([60, 120, 120], [1.0, 0.5, 0.5]);
    let half_mm = [20.0, 15.0, 25.0];
    let volume_ml = 4.0 / 3.0 * PI * half_mm.iter().product::<f64>() / 1000.0;

    let found = one(&ellipsoid(&grid, half_mm), &grid, Abc2Width::LongestChord);

    near(found.volumes.planimetry_ml, volume_ml, 0.01);
    near(found.volumes.tada_ml, volume_ml, 0.05);
    near(found.volumes.two_thirds_sh_ml, volume_ml, 0.02);
    near(found.volumes.simple_ml, volume_ml * 3.0 / PI, 0.05);
    // Areas are 1 − z² of the largest: half of the height counts whole, 36.6 % half.
    near(found.volumes.weighted_ml, volume_ml * 0.3415 / FRAC_PI_6, 0.05);
    assert!(!found.is_irregular());
}

#[test]
fn an_irregular_slice_is_known_by_its_hull() {
    // A cross of two arms, 4 wide and 20 long: 144 pixels.
    let grid = grid([2, 24, 24], [5.0, 1.0, 1.0]);
    let arm = |i: usize| (8..12).contains(&i);
    let cross =
        Volume::from_fn([2, 24, 24], |[_, y, x]| u8::from(y < 20 && x < 20 && (arm(y) || arm(x))));

    let found = one(&cross, &grid, Abc2Width::LongestChord);

    // The hull is the square less four corners of 8 × 8 / 2.
    near(found.solidity, 144.0 / (400.0 - 128.0), 1e-12);
    assert!(found.is_irregular());
}

#[test]
fn parts_are_measured_apart_and_specks_not_at_all() {
    let grid = grid([3, 40, 40], [5.0, 1.0, 1.0]);
    let mut mask = Volume::from_fn([3, 40, 40], |[z, y, x]| {
        u8::from(z < 2 && ((y < 10 && x < 10) || (y > 20 && x > 20)))
    });
    mask[[2, 15, 15]] = 1;

    let parts = abc2(&mask, &grid, Abc2Width::LongestChord).unwrap();

    assert_eq!(parts.len(), 2, "5 mm³ are no bleed");
    assert!(parts[0].volumes.planimetry_ml > parts[1].volumes.planimetry_ml);
    let total = abc2_total(&parts);
    near(total.planimetry_ml, (100.0 + 361.0) * 10.0 / 1000.0, 1e-12);
    near(total.simple_ml, parts[0].volumes.simple_ml + parts[1].volumes.simple_ml, 1e-12);
}

#[test]
fn nothing_and_the_wrong_grid_are_answered() {
    let grid = grid([2, 4, 4], [5.0, 1.0, 1.0]);

    let empty = abc2(&Volume::filled([2, 4, 4], 0), &grid, Abc2Width::Midpoint);
    let wrong = abc2(&Volume::filled([1, 4, 4], 0), &grid, Abc2Width::Midpoint);

    assert_eq!(empty, Ok(vec![]));
    assert_eq!(wrong, Err(MeasureError::SizesDiffer { found: [1, 4, 4], wanted: [2, 4, 4] }));
    assert_eq!(abc2_total(&[]).simple_ml, 0.0);
}

#[test]
fn one_voxel_has_the_diameters_of_its_corners() {
    let grid = grid([1, 3, 3], [10.0, 3.0, 4.0]);
    let mut mask = Volume::filled([1, 3, 3], 0);
    mask[[0, 1, 1]] = 1;

    let found = one(&mask, &grid, Abc2Width::Projection);

    assert_eq!((found.a_mm, found.c_mm), (5.0, 10.0));
    near(found.b_mm, 4.8, 1e-12);
}

proptest! {
    #[test]
    fn diameters_keep_to_their_order(voxels in proptest::collection::vec(0..4_u8, 2 * 8 * 9)) {
        let grid = grid([2, 8, 9], [10.0, 3.0, 2.0]);
        let mask = Volume::new([2, 8, 9], voxels.iter().map(|v| u8::from(*v < 2)).collect()).unwrap();
        let of = |width| abc2(&mask, &grid, width).unwrap();

        let widest = of(Abc2Width::Projection);
        for (chord, widest) in of(Abc2Width::LongestChord).iter().zip(&widest) {
            prop_assert!(chord.b_mm <= widest.b_mm + 1e-9);
            prop_assert!(widest.b_mm <= widest.a_mm + 1e-9, "A is the greatest diameter");
            prop_assert!(chord.c_weighted_mm <= chord.c_mm && chord.solidity <= 1.0 + 1e-12);
        }
        for middle in of(Abc2Width::Midpoint) {
            prop_assert!(middle.b_mm <= middle.a_mm + 1e-9);
        }
    }

    #[test]
    fn turning_the_slice_turns_nothing_else(voxels in proptest::collection::vec(0..4_u8, 81)) {
        let grid = grid([1, 9, 9], [10.0, 2.0, 2.0]);
        let mask = Volume::new([1, 9, 9], voxels.iter().map(|v| u8::from(*v > 0)).collect()).unwrap();
        let turned = Volume::from_fn([1, 9, 9], |[z, y, x]| mask[[z, x, 8 - y]]);

        let (here, there) = (abc2(&mask, &grid, Abc2Width::Projection).unwrap(), abc2(&turned, &grid, Abc2Width::Projection).unwrap());

        prop_assert_eq!(here.len(), there.len());
        for (here, there) in here.iter().zip(&there) {
            prop_assert!((here.a_mm - there.a_mm).abs() < 1e-9);
            prop_assert!((here.volumes.planimetry_ml - there.volumes.planimetry_ml).abs() < 1e-9);
        }
    }
}
