//! Bodies whose volume and centre are known, in every kind of grid.

use std::f64::consts::PI;

use haema_measure::{MeasureError, lesions, volume_ml, volume_soft_ml};
use haema_volume::{Affine, CtVolume, Grid, Orientation, Vec3, Volume};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
struct Ellipsoid {
    centre_lps_mm: Vec3,
    radii_mm: Vec3,
}

impl Ellipsoid {
    fn volume_ml(self) -> f64 {
        4.0 / 3.0 * PI * self.radii_mm.iter().product::<f64>() / 1000.0
    }

    fn holds(self, point: Vec3) -> bool {
        (0..3).map(|i| ((point[i] - self.centre_lps_mm[i]) / self.radii_mm[i]).powi(2)).sum::<f64>()
            < 1.0
    }

    fn mask(self, grid: &Grid) -> Volume<u8> {
        Volume::from_fn(grid.size(), |[z, y, x]| {
            u8::from(self.holds(grid.point_lps_mm(z, y as f64, x as f64)))
        })
    }
}

const SPHERE: Ellipsoid = Ellipsoid { centre_lps_mm: [3.0, -4.0, 2.0], radii_mm: [20.0; 3] };
const LONG: Ellipsoid =
    Ellipsoid { centre_lps_mm: [-6.0, 5.0, -1.0], radii_mm: [14.0, 27.0, 19.0] };

fn affine_grid(x: Vec3, y: Vec3, z: Vec3) -> Grid {
    let size = [30, 90, 90];
    let origin = std::array::from_fn(|i| -44.5 * x[i] - 44.5 * y[i] - 14.5 * z[i]);
    Grid::from_affine(size, &Affine::from_steps(x, y, z, origin)).unwrap()
}

fn uneven_grid(shear: f64) -> Grid {
    let positions = (0..16).map(|i| -35.0 + 2.0 * f64::from(i));
    let positions = positions.chain((0..12).map(|i| -5.0 + 3.5 * f64::from(i + 1)));
    let origins = positions.map(|z| [-35.0, -35.0 + shear * z, z]).collect();
    Grid::from_slices([90, 90], [0.8, 0.0, 0.0], [0.0, 0.8, 0.0], origins, 2.0).unwrap()
}

fn grids() -> Vec<(&'static str, Grid)> {
    let tan = 18.5_f64.to_radians().tan();
    vec![
        ("straight", affine_grid([0.8, 0.0, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, 2.5])),
        ("flipped", affine_grid([-0.8, 0.0, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, -2.5])),
        ("sideways", affine_grid([0.0, 0.8, 0.0], [0.0, 0.0, -0.8], [-2.5, 0.0, 0.0])),
        ("tilted", affine_grid([0.8, 0.0, 0.0], [0.0, 0.8, 0.0], [0.0, -2.5 * tan, 2.5])),
        ("oblique", affine_grid([0.78, 0.18, 0.0], [-0.18, 0.78, 0.0], [0.0, 0.0, 2.5])),
        ("uneven", uneven_grid(0.0)),
        ("uneven and tilted", uneven_grid(tan)),
    ]
}

#[test]
fn volumes_and_centres_hold_in_any_geometry() {
    for (name, grid) in grids() {
        for body in [SPHERE, LONG] {
            let mask = body.mask(&grid);
            let ct = CtVolume::new(Volume::filled(grid.size(), 61.5), grid.clone()).unwrap();

            let found_ml = volume_ml(&mask, &grid).unwrap();
            let table = lesions(&mask, &ct, None).unwrap();

            let error_ml = (found_ml - body.volume_ml()).abs();
            assert!(error_ml < (0.01 * found_ml).max(0.05), "{name}: {error_ml} mL");
            let [lesion] = table.as_slice() else { panic!("{name}: {table:?}") };
            assert!((lesion.volume_ml - found_ml).abs() < 1e-9 * found_ml, "{name}");
            assert!((lesion.mean_hu - 61.5).abs() < 1e-9, "{name}");
            for i in 0..3 {
                let off_mm = lesion.centroid_lps_mm[i] - body.centre_lps_mm[i];
                assert!(off_mm.abs() < 0.25, "{name}: {off_mm} mm along axis {i}");
            }
        }
    }
}

#[test]
fn lesions_are_ordered_by_volume_and_placed_in_slices() {
    let grid = affine_grid([0.8, 0.0, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, 2.5]);
    let small = Ellipsoid { centre_lps_mm: [20.0, 20.0, -26.25], radii_mm: [4.0; 3] };
    let large = Ellipsoid { centre_lps_mm: [-10.0, 0.0, 8.75], radii_mm: [9.0, 12.0, 10.0] };
    let (small_mask, large_mask) = (small.mask(&grid), large.mask(&grid));
    let mask = Volume::from_fn(grid.size(), |at| small_mask[at] | large_mask[at]);
    let hu = Volume::from_fn(grid.size(), |at| if small_mask[at] == 1 { 70.0 } else { 55.0 });
    let ct = CtVolume::new(hu, grid.clone()).unwrap();

    let table = lesions(&mask, &ct, None).unwrap();

    assert_eq!(table.iter().map(|lesion| lesion.id).collect::<Vec<_>>(), [1, 2]);
    assert!((table[0].mean_hu - 55.0).abs() < 1e-9 && (table[1].mean_hu - 70.0).abs() < 1e-9);
    // Slice z lies at 2.5·z − 36.25 mm.
    let slices = table[1].slices;
    assert_eq!([slices.first, slices.last, slices.count, slices.largest], [3, 5, 3, 4]);
    let slices = table[0].slices;
    assert_eq!([slices.first, slices.last, slices.count, slices.largest], [15, 21, 7, 18]);
}

#[test]
fn an_empty_mask_has_no_lesions_and_no_volume() {
    let grid = uneven_grid(0.0);
    let ct = CtVolume::new(Volume::filled(grid.size(), 0.0), grid.clone()).unwrap();
    let empty = Volume::filled(grid.size(), 0);

    assert_eq!(volume_ml(&empty, &grid), Ok(0.0));
    assert_eq!(lesions(&empty, &ct, None), Ok(vec![]));
}

#[test]
fn a_mask_on_another_grid_is_refused() {
    let error = volume_ml(&Volume::filled([28, 90, 89], 1), &uneven_grid(0.0)).unwrap_err();

    let wanted = MeasureError::SizesDiffer { found: [28, 90, 89], wanted: [28, 90, 90] };
    assert_eq!(error, wanted);
}

proptest! {
    #[test]
    fn a_certain_probability_is_a_mask_and_lesions_add_up(
        size in [1..5_usize, 1..6_usize, 1..6_usize],
        seed in proptest::collection::vec(0..3_u8, 180),
        order in 0..48_usize,
    ) {
        let count = size.iter().product::<usize>();
        let voxels = seed[..count].iter().map(|&v| u8::from(v == 0)).collect();
        let mask = Volume::new(size, voxels).unwrap();
        let affine = Affine::from_steps([0.5, 0.1, 0.0], [0.0, 0.6, 0.1], [0.2, 0.0, 4.0], [1.0; 3]);
        let grid = Grid::from_affine(size, &affine).unwrap();
        let ct = CtVolume::new(Volume::filled(size, 50.0), grid.clone()).unwrap();

        let all_ml = volume_ml(&mask, &grid).unwrap();
        let soft_ml = volume_soft_ml(&mask.map(|&v| f32::from(v)), &grid).unwrap();
        let table = lesions(&mask, &ct, None).unwrap();

        prop_assert!((all_ml - soft_ml).abs() < 1e-9);
        let sum_ml: f64 = table.iter().map(|lesion| lesion.volume_ml).sum();
        prop_assert!((all_ml - sum_ml).abs() < 1e-9);
        prop_assert!(table.windows(2).all(|pair| pair[0].volume_ml >= pair[1].volume_ml));
        // Under another storage order the same voxels have the same volume.
        let orientation = Orientation::all()[order];
        let turned = orientation.canonical_from_stored(&mask);
        let turned_grid = orientation.canonical_grid(&grid).unwrap();
        prop_assert!((volume_ml(&turned, &turned_grid).unwrap() - all_ml).abs() < 1e-9);
    }
}
