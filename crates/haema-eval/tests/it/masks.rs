//! Surfaces as the packages surface-distance and SciPy measure them, fused masks as SimpleITK fuses them.
//!
//! `testdata/make_masks.py` is the recipe, `testdata/MANIFEST.txt` pins tools and checksum.

use std::sync::LazyLock;

use haema_eval::{SurfaceDistances, SurfaceKind, Tie, majority, staple};
use haema_volume::{Affine, Grid, Volume};
use serde_json::Value;

use crate::oracle::{CLOSED, assert_all_close, assert_close, at, number, numbers};

static GOLDENS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../testdata/masks.json")).unwrap());

fn mask(size: [usize; 3], bits: &Value) -> Volume<u8> {
    let voxels = bits.as_str().unwrap().bytes().map(|bit| bit - b'0').collect();
    Volume::new(size, voxels).unwrap()
}

fn size(golden: &Value) -> [usize; 3] {
    serde_json::from_value(golden["size"].clone()).unwrap()
}

/// An even grid with this voxel size `[z, y, x]`, far from the scanner's centre.
pub(crate) fn grid(size: [usize; 3], spacing_mm: &[f64]) -> Grid {
    let affine = Affine::from_steps(
        [spacing_mm[2], 0.0, 0.0],
        [0.0, spacing_mm[1], 0.0],
        [0.0, 0.0, spacing_mm[0]],
        [-1234.567, 8765.432, 1e5 / 3.0],
    );
    Grid::from_affine(size, &affine).unwrap()
}

fn for_each_pair(kind: SurfaceKind, check: impl Fn(&SurfaceDistances, &Value, &str)) {
    for (i, golden) in at(&GOLDENS, "/surfaces").as_array().unwrap().iter().enumerate() {
        let grid = grid(size(golden), &numbers(&golden["spacing"]));
        let [reference, predicted] =
            ["reference", "predicted"].map(|name| mask(size(golden), &golden[name]));

        let found = SurfaceDistances::between(&reference, &predicted, &grid, kind).unwrap();

        check(&found, golden, &format!("pair {i}"));
    }
}

const PERCENTS: [f64; 3] = [100.0, 95.0, 50.0];
const TOLERANCES_MM: [f64; 3] = [0.42, 1.0, 2.0];

#[test]
fn patches_agree_with_surface_distance() {
    for_each_pair(SurfaceKind::Patches, |found, golden, name| {
        let golden = &golden["patches"];
        let hausdorff = PERCENTS.map(|percent| found.hausdorff_mm(percent).unwrap());
        let dice = TOLERANCES_MM.map(|tolerance| found.surface_dice(tolerance).unwrap());

        assert_all_close(&hausdorff, &golden["hd"], CLOSED, name);
        assert_all_close(&dice, &golden["nsd"], CLOSED, name);
        assert_all_close(&found.average_mm().unwrap(), &golden["asd"], CLOSED, name);
        assert_all_close(&found.areas_mm2().unwrap(), &golden["area"], CLOSED, name);
    });
}

#[test]
fn border_voxels_agree_with_scipy() {
    for_each_pair(SurfaceKind::BorderVoxels, |found, golden, name| {
        let golden = &golden["border"];
        let hausdorff = PERCENTS.map(|percent| found.hausdorff_mm(percent).unwrap());
        let pooled = PERCENTS.map(|percent| found.hausdorff_pooled_mm(percent).unwrap());
        let dice = TOLERANCES_MM.map(|tolerance| found.surface_dice(tolerance).unwrap());

        assert_all_close(&hausdorff, &golden["hd"], CLOSED, name);
        assert_all_close(&pooled, &golden["hd_pooled"], CLOSED, name);
        assert_all_close(&dice, &golden["nsd"], CLOSED, name);
        let mean = found.average_symmetric_mm().unwrap();
        assert_close(mean, number(&golden["assd"]), CLOSED, name);
    });
}

/// All 256 neighbourhoods: each as a scan of 2 × 2 × 2 voxels, whose surface is that of its middle and of
/// its rim; the rim's is the same sum for every neighbourhood of its voxels.
#[test]
fn every_neighbourhood_has_the_area_of_surface_distance() {
    for golden in at(&GOLDENS, "/areas").as_array().unwrap() {
        let areas = numbers(&golden["areas"]);
        let grid = grid([2, 2, 2], &numbers(&golden["spacing"]));
        for code in 1..256_usize {
            let voxels = (0..8).map(|bit| (code >> bit & 1) as u8).collect();
            let scan = Volume::new([2, 2, 2], voxels).unwrap();
            // What each of the 27 cubes around the voxels sees.
            let wanted: f64 = (0..27)
                .map(|cube| {
                    let corner = |bit: usize| {
                        let at = [
                            cube / 9 + (bit >> 2),
                            cube / 3 % 3 + (bit >> 1 & 1),
                            cube % 3 + (bit & 1),
                        ];
                        let is_in = at.iter().all(|i| (1..3).contains(i));
                        let voxel = if is_in { scan[at.map(|i| i - 1)] } else { 0 };
                        usize::from(voxel) << bit
                    };
                    areas[(0..8).map(corner).sum::<usize>()]
                })
                .sum();

            let found =
                SurfaceDistances::between(&scan, &scan, &grid, SurfaceKind::Patches).unwrap();

            let area = found.areas_mm2().unwrap()[0];
            assert_close(area, wanted, 1e-12, &format!("{code:08b}"));
        }
    }
}

#[test]
fn staple_and_the_vote_agree_with_simpleitk() {
    for (i, golden) in at(&GOLDENS, "/staple").as_array().unwrap().iter().enumerate() {
        let masks: Vec<Volume<u8>> =
            golden["masks"].as_array().unwrap().iter().map(|m| mask(size(golden), m)).collect();
        let masks: Vec<&Volume<u8>> = masks.iter().collect();

        let found = staple(&masks).unwrap().unwrap();
        let vote = majority(&masks, Tie::Background).unwrap().unwrap();

        assert!(found.has_settled);
        let near = |found: f64, wanted: f64| {
            assert!((found - wanted).abs() < 1e-9, "case {i}: {found}, wanted {wanted}");
        };
        for (quality, name) in
            [(&found.sensitivity, "sensitivity"), (&found.specificity, "specificity")]
        {
            quality.iter().zip(numbers(&golden[name])).for_each(|(q, wanted)| near(*q, wanted));
        }
        for first in golden["probability"].as_array().unwrap() {
            let voxel = first[0].as_u64().unwrap() as usize;
            let chance = f64::from(found.probability.as_slice()[voxel]);
            // It is kept in single precision.
            assert!((chance - number(&first[1])).abs() < 1e-7);
        }
        assert_eq!(vote, mask(size(golden), &golden["majority"]), "case {i}");
    }
}
