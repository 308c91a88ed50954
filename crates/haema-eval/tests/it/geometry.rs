//! Surfaces and bleeds in every kind of grid, and what is said of empty masks.

use haema_eval::{
    EmptyMasks, LesionCounts, LesionMatching, Overlap, OverlapError, SurfaceDistances, SurfaceKind,
};
use haema_volume::{Grid, Volume, norm, sub};
use proptest::prelude::*;

use crate::masks::grid;

const SIZE: [usize; 3] = [4, 6, 5];

/// Slices at uneven places, each also shifted along y, as under a tilted gantry.
fn tilted() -> Grid {
    let places = [0.0, 2.5, 5.0, 10.0];
    let origins = places.map(|z| [100.0, 0.4 * z - 50.0, z]).to_vec();
    Grid::from_slices([6, 5], [0.5, 0.0, 0.0], [0.0, 0.6, 0.0], origins, 2.5).unwrap()
}

fn masks() -> impl Strategy<Value = Volume<u8>> {
    proptest::collection::vec(0..3_u8, 120)
        .prop_map(|voxels| Volume::new(SIZE, voxels.iter().map(|v| v / 2).collect()).unwrap())
}

fn one(at: [usize; 3]) -> Volume<u8> {
    let mut mask = Volume::filled(SIZE, 0);
    mask[at] = 1;
    mask
}

fn figures(reference: &Volume<u8>, predicted: &Volume<u8>, grid: &Grid) -> Vec<Option<f64>> {
    let mut figures = vec![];
    for kind in [SurfaceKind::Patches, SurfaceKind::BorderVoxels] {
        let found = SurfaceDistances::between(reference, predicted, grid, kind).unwrap();
        figures.extend([100.0, 95.0, 50.0].map(|percent| found.hausdorff_mm(percent)));
        figures.push(found.hausdorff_pooled_mm(95.0));
        figures.push(found.average_symmetric_mm());
        figures.extend([0.0, 0.42, 2.0].map(|mm| found.surface_dice(mm)));
    }
    figures
}

proptest! {
    #[test]
    fn no_figure_depends_on_which_mask_is_the_reference(a in masks(), b in masks()) {
        for grid in [tilted(), grid(SIZE, &[5.0, 0.45, 0.45])] {
            let (there, back) = (figures(&a, &b, &grid), figures(&b, &a, &grid));

            for (there, back) in there.iter().zip(&back) {
                prop_assert_eq!(there.is_some(), back.is_some());
                prop_assert!((there.unwrap_or(0.0) - back.unwrap_or(0.0)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn figures_keep_to_their_bounds(a in masks(), b in masks()) {
        for kind in [SurfaceKind::Patches, SurfaceKind::BorderVoxels] {
            let found = SurfaceDistances::between(&a, &b, &tilted(), kind).unwrap();
            let itself = SurfaceDistances::between(&a, &a, &tilted(), kind).unwrap();

            if let (Some(all), Some(most)) = (found.hausdorff_mm(100.0), found.hausdorff_mm(95.0)) {
                prop_assert!(most <= all);
                prop_assert!(found.average_symmetric_mm().unwrap() <= all);
                prop_assert_eq!(found.surface_dice(all), Some(1.0));
            }
            let dice = found.surface_dice(1.0);
            prop_assert!(dice.is_none_or(|dice| (0.0..=1.0).contains(&dice)));
            if itself.areas_mm2().is_some() {
                prop_assert_eq!(itself.hausdorff_mm(100.0), Some(0.0));
            }
        }
    }

    #[test]
    fn two_voxels_are_as_far_apart_as_their_places(
        a in [0..4_usize, 0..6_usize, 0..5_usize],
        b in [0..4_usize, 0..6_usize, 0..5_usize],
    ) {
        let grid = tilted();
        let place = |[z, y, x]: [usize; 3]| grid.point_lps_mm(z, y as f64, x as f64);

        let found =
            SurfaceDistances::between(&one(a), &one(b), &grid, SurfaceKind::BorderVoxels).unwrap();

        let wanted = norm(sub(place(a), place(b)));
        prop_assert!((found.hausdorff_mm(95.0).unwrap() - wanted).abs() < 1e-9);
    }

    #[test]
    fn slices_that_happen_to_be_even_count_as_even_ones(a in masks(), b in masks()) {
        let origins = (0..4).map(|z| [7.0, -3.0, 2.5 * f64::from(z)]).collect();
        let each =
            Grid::from_slices([6, 5], [0.5, 0.0, 0.0], [0.0, 0.6, 0.0], origins, 2.5).unwrap();

        let (each, even) = (figures(&a, &b, &each), figures(&a, &b, &grid(SIZE, &[2.5, 0.6, 0.5])));

        for (each, even) in each.iter().zip(&even) {
            prop_assert!((each.unwrap_or(-1.0) - even.unwrap_or(-1.0)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_bleed_is_found_missed_or_invented(a in masks(), b in masks()) {
        let matching = LesionMatching { least_ml: 0.0, least_iou: 0.0 };
        let found = LesionCounts::count(&a, &b, &tilted(), matching).unwrap();
        let itself = LesionCounts::count(&a, &a, &tilted(), matching).unwrap();

        prop_assert!(found.f1().is_none_or(|f1| (0.0..=1.0).contains(&f1)));
        prop_assert_eq!(itself.f1(), (!itself.reference.is_empty()).then_some(1.0));
        prop_assert_eq!((itself.false_positive, itself.split), (0, 0));
    }
}

/// In a sheared box all sides keep their area along the slices, and the sloping ones grow.
#[test]
fn a_tilted_box_has_the_area_of_its_sides() {
    // Large, so that the edges that marching cubes round off matter little.
    let (size, tan) = ([40, 60, 50], 0.4);
    let origins = (0..40).map(|z| [0.0, tan * f64::from(z), f64::from(z)]).collect();
    let grid = Grid::from_slices([60, 50], [0.5, 0.0, 0.0], [0.0, 0.6, 0.0], origins, 1.0).unwrap();
    let full = Volume::filled(size, 1);

    let found = SurfaceDistances::between(&full, &full, &grid, SurfaceKind::Patches).unwrap();

    let (depth, rows, columns) = (40.0, 36.0, 25.0);
    let slope = f64::hypot(1.0, tan);
    let wanted = 2.0 * (rows * columns + depth * rows + depth * slope * columns);
    let area = found.areas_mm2().unwrap()[0];
    assert!((area / wanted - 1.0).abs() < 0.02, "{area} {wanted}");
}

#[test]
fn where_a_mask_is_empty_there_is_no_distance() {
    let (empty, full) = (Volume::filled(SIZE, 0), one([1, 1, 1]));
    let of = |a: &Volume<u8>, b: &Volume<u8>| {
        SurfaceDistances::between(a, b, &tilted(), SurfaceKind::Patches).unwrap()
    };

    for (lone, dice) in
        [(of(&empty, &full), Some(0.0)), (of(&full, &empty), Some(0.0)), (of(&empty, &empty), None)]
    {
        assert_eq!(lone.hausdorff_mm(95.0), None);
        assert_eq!((lone.average_mm(), lone.average_symmetric_mm()), (None, None));
        assert_eq!((lone.areas_mm2(), lone.surface_dice(1.0)), (None, dice));
    }
}

#[test]
fn empty_masks_are_what_others_say_they_are() {
    let (empty, some) = (Volume::filled(SIZE, 0), one([1, 1, 1]));
    let reloaded = EmptyMasks::MetricsReloaded { worst_mm: 200.0 };
    let instance = EmptyMasks::Instance;
    let count = |a: &Volume<u8>, b: &Volume<u8>| Overlap::count(a, b).unwrap();
    let [both, invented, missed, right] =
        [count(&empty, &empty), count(&empty, &some), count(&some, &empty), count(&some, &some)];

    assert_eq!([both, invented, missed, right].map(|o| reloaded.dice(o)), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!([both, invented, missed].map(|o| reloaded.jaccard(o)), [1.0, 0.0, 0.0]);
    assert_eq!(
        [both, invented, missed].map(|o| reloaded.precision(o)),
        [None, Some(0.0), Some(0.0)]
    );
    assert_eq!([both, invented, missed].map(|o| instance.precision(o)), [None, Some(0.0), None]);
    assert_eq!(
        [both, invented, missed].map(|o| reloaded.distance_mm(None, o)),
        [0.0, 200.0, 200.0]
    );
    assert_eq!(instance.distance_mm(None, both), f64::INFINITY);
    assert_eq!(reloaded.distance_mm(Some(3.0), right), 3.0);
    assert_eq!((instance.dice(both), reloaded.kappa(both)), (1.0, 1.0));
    assert!((instance.dice(missed) - 1e-5).abs() < 1e-9);
}

#[test]
fn masks_and_grids_of_other_sizes_are_refused() {
    let small = Volume::filled([1, 1, 1], 1);
    let kind = SurfaceKind::Patches;

    let masks = SurfaceDistances::between(&small, &one([0; 3]), &tilted(), kind).unwrap_err();
    let grid = SurfaceDistances::between(&small, &small, &tilted(), kind).unwrap_err();

    assert_eq!(masks, OverlapError::SizesDiffer { reference: [1; 3], predicted: SIZE });
    assert!(matches!(grid, OverlapError::SizesDiffer { .. }));
    let lesions = LesionCounts::count(&small, &small, &tilted(), LesionMatching::default());
    assert!(lesions.is_err());
}

/// A row of voxels of 0.1 mL.
fn row(bits: &str) -> (Volume<u8>, Grid) {
    let size = [1, 1, bits.len()];
    let mask = Volume::new(size, bits.bytes().map(|bit| bit - b'0').collect()).unwrap();
    (mask, grid(size, &[10.0, 1.0, 10.0]))
}

#[test]
fn bleeds_are_counted_as_a_reader_would() {
    let count = |reference: &str, predicted: &str, least_iou: f64| {
        let ((reference, grid), (predicted, _)) = (row(reference), row(predicted));
        let matching = LesionMatching { least_ml: 0.15, least_iou };
        let counts = LesionCounts::count(&reference, &predicted, &grid, matching).unwrap();
        [counts.true_positive(), counts.false_negative(), counts.false_positive, counts.split]
    };

    // [found, missed, invented, parts of a found one]
    assert_eq!(count("0111100111", "0011100000", 0.0), [1, 1, 0, 0]);
    assert_eq!(count("0000000000", "0011100000", 0.0), [0, 0, 1, 0]);
    assert_eq!(count("1111111100", "1101111000", 0.0), [1, 0, 0, 1], "two parts of one bleed");
    assert_eq!(count("1101100000", "1111100000", 0.0), [1, 1, 0, 0], "one part over two bleeds");
    assert_eq!(count("0000011000", "1110000100", 0.0), [0, 1, 1, 0], "0.1 mL is no bleed");
    assert_eq!(count("0111100000", "0001111100", 0.5), [0, 1, 1, 0], "too little in common");
    assert_eq!(count("0111100000", "0001111100", 0.25), [1, 0, 0, 0]);
}

#[test]
fn sensitivity_is_told_by_volume() {
    let ((reference, grid), (predicted, _)) = (row("1111001100100"), row("0110000000000"));
    let matching = LesionMatching::default();
    let mut counts = LesionCounts::count(&reference, &predicted, &grid, matching).unwrap();

    assert_eq!(counts.sensitivity(), Some(1.0 / 3.0));
    assert_eq!(counts.sensitivity_of([0.3, 1.0]), Some(1.0));
    assert_eq!(counts.sensitivity_of([0.0, 0.3]), Some(0.0));
    assert_eq!(counts.sensitivity_of([1.0, 5.0]), None);
    counts.merge(counts.clone());
    assert_eq!((counts.true_positive(), counts.false_negative()), (2, 4));
}
