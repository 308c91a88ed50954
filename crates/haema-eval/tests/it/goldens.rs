//! Metrics as scikit-learn and SciPy compute them.
//!
//! `testdata/make_goldens.py` is the recipe, `testdata/MANIFEST.txt` pins tools and checksum.

use haema_eval::{Bootstrap, Overlap, median_absolute_error_ml, roc_auc};
use haema_volume::Volume;

const GOLDENS: &str = include_str!("../../testdata/goldens.txt");

fn golden(name: &str) -> Vec<f64> {
    let line = GOLDENS.lines().find(|line| line.split(' ').next() == Some(name));
    let fields = line.unwrap_or_else(|| panic!("no golden {name}")).split(' ').skip(1);
    fields.map(|value| value.parse().unwrap()).collect()
}

fn mask(name: &str) -> Volume<u8> {
    let voxels: Vec<u8> = golden(name).iter().map(|&value| value as u8).collect();
    Volume::new([1, 1, voxels.len()], voxels).unwrap()
}

#[test]
fn overlap_agrees_with_scikit_learn() {
    for i in 0..3 {
        let wanted = golden(&format!("overlap_{i}"));

        let overlap =
            Overlap::count(&mask(&format!("reference_{i}")), &mask(&format!("predicted_{i}")))
                .unwrap();

        let found = [overlap.dice(), overlap.precision(), overlap.recall()];
        for (found, wanted) in found.into_iter().zip(wanted) {
            assert!((found.unwrap() - wanted).abs() < 1e-15, "{found:?}, wanted {wanted}");
        }
    }
}

#[test]
fn auc_agrees_with_scikit_learn_with_and_without_ties() {
    for i in 0..2 {
        let has_bleed: Vec<bool> =
            golden(&format!("truth_{i}")).iter().map(|&value| value == 1.0).collect();

        let auc = roc_auc(&golden(&format!("scores_{i}")), &has_bleed).unwrap().unwrap();

        let wanted = golden(&format!("auc_{i}"))[0];
        assert!((auc - wanted).abs() < 1e-14, "{auc}, wanted {wanted}");
    }
}

#[test]
fn median_agrees_with_scikit_learn_for_odd_and_even_counts() {
    for i in 0..2 {
        let found = golden(&format!("found_ml_{i}"));
        let pairs: Vec<(f64, f64)> =
            found.into_iter().zip(golden(&format!("wanted_ml_{i}"))).collect();

        let median = median_absolute_error_ml(&pairs).unwrap();

        assert!((median - golden(&format!("median_ml_{i}"))[0]).abs() < 1e-13);
    }
}

#[test]
fn the_interval_agrees_with_scipys_whether_or_not_a_patient_has_two_scans() {
    let sample = golden("sample");
    let wanted = golden("interval");
    // The standard error of a 2.5 % percentile from 20 000 draws is about 0.02 of the width.
    let tolerance = 0.02 * (wanted[1] - wanted[0]);
    let bootstrap = Bootstrap { resamples: 20_000, ..Bootstrap::new(1) };
    for scans in [1, 2] {
        let patients: Vec<usize> = (0..sample.len() * scans).map(|case| case / scans).collect();
        let mean = |cases: &[usize]| {
            let sum: f64 = cases.iter().map(|&case| sample[case / scans]).sum();
            Some(sum / cases.len() as f64)
        };

        let found = bootstrap.interval(&patients, mean).unwrap();

        assert!((found.lower - wanted[0]).abs() < tolerance, "{found:?}, wanted {wanted:?}");
        assert!((found.upper - wanted[1]).abs() < tolerance, "{found:?}, wanted {wanted:?}");
    }
}
