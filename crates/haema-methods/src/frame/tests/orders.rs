//! The storage order of a scan never shows in the result.

use haema_volume::{Affine, CtVolume, Grid, Orientation};

use super::super::*;
use super::{Beside, Phantom, at_points, bleed_mask, dice, volume_ml};

/// A grid of `size` `[z, y, x]` and spacing in canonical order, around the origin, stored otherwise;
/// `shear` pushes the slices sideways along the patient's front-to-back axis.
fn sheared_in(
    orientation: Orientation,
    canonical_size: [usize; 3],
    spacing_mm: [f64; 3],
    shear: f64,
) -> Grid {
    // RAS: the canonical steps in LPS.
    let steps = [
        [-spacing_mm[2], 0.0, 0.0],
        [0.0, -spacing_mm[1], 0.0],
        [0.0, shear * spacing_mm[0], spacing_mm[0]],
    ];
    let half = |axis: usize| 0.5 * (canonical_size[2 - axis] - 1) as f64;
    let mut origin: [f64; 3] =
        std::array::from_fn(|i| -(0..3).map(|axis| steps[axis][i] * half(axis)).sum::<f64>());
    let mut columns = [[0.0; 3]; 3];
    let mut size = [0; 3];
    for (stored, towards) in orientation.towards().into_iter().enumerate() {
        let canonical = "RASLPI".find(&format!("{towards:?}")[..1]).expect("a direction's letter");
        let (axis, sign) = (canonical % 3, if canonical < 3 { 1.0 } else { -1.0 });
        columns[stored] = steps[axis].map(|component| sign * component);
        size[2 - stored] = canonical_size[2 - axis];
        if canonical >= 3 {
            let last = (canonical_size[2 - axis] - 1) as f64;
            origin = std::array::from_fn(|i| origin[i] + steps[axis][i] * last);
        }
    }
    let affine = Affine::from_steps(columns[0], columns[1], columns[2], origin);
    Grid::from_affine(size, &affine).unwrap()
}

pub(super) fn stored_in(
    orientation: Orientation,
    canonical_size: [usize; 3],
    spacing_mm: [f64; 3],
) -> Grid {
    sheared_in(orientation, canonical_size, spacing_mm, 0.0)
}

/// The same scan in each of the 48 orders: its voxels are those of the canonical one, reordered.
fn check_all_orders(settings: &Preprocessing, shear: f64) {
    let size = [34, 96, 80];
    let spacing_mm = [5.0, 2.1, 2.2];
    let canonical_grid = sheared_in(Orientation::CANONICAL, size, spacing_mm, shear);
    let canonical = Phantom { beside: Beside::Table { gap_mm: 8.0 } }.scan(canonical_grid.clone());
    let canonical_mask = bleed_mask(&canonical_grid);
    let frame = Frame::plan(&canonical, settings).unwrap();
    let wanted_image = frame.image(&canonical).unwrap();
    let wanted_label = frame.label(&canonical_mask).unwrap();
    let wanted_back = frame.into_undo().restore(&wanted_image).unwrap();
    let wanted_ml = volume_ml(&canonical_mask, &canonical_grid);

    for orientation in Orientation::all() {
        let grid = sheared_in(orientation, size, spacing_mm, shear);
        assert_eq!(Orientation::of(&grid), orientation);
        let hu = orientation.stored_from_canonical(canonical.voxels_hu());
        let mask = orientation.stored_from_canonical(&canonical_mask);
        let ct = CtVolume::new(hu, grid.clone()).unwrap();

        let frame = Frame::plan(&ct, settings).unwrap();

        assert_eq!(frame.image(&ct).unwrap(), wanted_image, "{orientation}");
        assert_eq!(frame.label(&mask).unwrap(), wanted_label, "{orientation}");
        let back = frame.into_undo().restore(&wanted_image).unwrap();
        assert_eq!(orientation.canonical_from_stored(&back), wanted_back, "{orientation}");
        if shear == 0.0 || orientation.towards()[2] == haema_volume::Towards::Superior {
            assert!((volume_ml(&mask, &grid) - wanted_ml).abs() < 1e-9 * wanted_ml);
        }
    }
}

#[test]
fn all_48_orders_give_the_same_voxels() {
    check_all_orders(&Preprocessing::recommended(), 0.0);
}

#[test]
fn all_48_orders_give_the_same_voxels_in_the_papers_profile() {
    check_all_orders(&Preprocessing::paper(), 0.0);
}

#[test]
fn all_48_orders_give_the_same_voxels_with_a_tilted_gantry() {
    check_all_orders(&Preprocessing::recommended(), 0.3346);
}

#[test]
fn a_tilted_scan_looks_straight_to_the_network_and_the_answer_is_tilted_back() {
    // An odd number of slices: the middle one, which stays in its place, lies at the origin.
    let size = [35, 220, 200];
    let settings = Preprocessing { crop: Crop::None, ..Preprocessing::recommended() };
    let straight = stored_in(Orientation::CANONICAL, size, [5.0, 1.0, 1.0]);
    for shear in [-0.3346, 0.2493] {
        let tilted = sheared_in(Orientation::CANONICAL, size, [5.0, 1.0, 1.0], shear);
        let scans = [&straight, &tilted].map(|grid| Phantom::bare().scan(grid.clone()));
        let [seen_straight, seen_tilted] = scans
            .each_ref()
            .map(|ct| Frame::plan(ct, &settings).unwrap().label(&bleed_mask(ct.grid())).unwrap());
        let truth = bleed_mask(&tilted);

        let frame = Frame::plan(&scans[1], &settings).unwrap();
        let restored = frame.into_undo().restore(&seen_tilted).unwrap();

        let difference: f32 = seen_straight
            .as_slice()
            .iter()
            .zip(seen_tilted.as_slice())
            .map(|(a, b)| (a - b).abs())
            .sum();
        let total: f32 = seen_straight.as_slice().iter().sum();
        assert!(difference < 0.05 * total, "{difference} of {total}");
        let mask = restored.map(|&p| u8::from(p > 0.5));
        assert!(dice(&mask, &truth) > 0.97, "{}", dice(&mask, &truth));
    }
}

#[test]
fn the_networks_grid_says_where_its_voxels_lie() {
    let grid = stored_in("LIP".parse().unwrap(), [34, 220, 200], [5.0, 1.0, 1.0]);
    let ct = Phantom::bare().scan(grid.clone());
    let frame = Frame::plan(&ct, &Preprocessing::recommended()).unwrap();

    let label = frame.label(&bleed_mask(&grid)).unwrap();
    let mut mass = 0.0;
    let mut moment = [0.0; 3];
    let points = at_points(frame.network_grid(), |point| point);
    for (&share, point) in label.as_slice().iter().zip(points.as_slice()) {
        mass += f64::from(share);
        (0..3).for_each(|i| moment[i] += f64::from(share) * point[i]);
    }

    for (moment, centre_mm) in moment.into_iter().zip(super::BLEED_CENTRE_MM) {
        let found_mm = moment / mass;
        assert!((found_mm - centre_mm).abs() < 0.2, "{found_mm} mm, wanted {centre_mm} mm");
    }
    let body = super::BLEED_RADII_MM.iter().product::<f64>() * 4.0 / 3.0 * std::f64::consts::PI;
    let seen_mm3 = mass * frame.voxel_volume_mm3();
    assert!((seen_mm3 / body - 1.0).abs() < 0.01, "{seen_mm3} of {body} mm³");
}
