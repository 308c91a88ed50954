//! Real scans in `../shared`, read by pydicom and by us.
//!
//! `testdata/real_series/make_real_series.py` is the recipe, `MANIFEST.txt` beside it has the
//! versions. Regenerate on purpose, never to make a test pass.

use std::path::PathBuf;

use haema_io::dicom::{self, ReadOptions};
use haema_io::{Scan, fs};
use serde_json::Value;

use crate::phantom::{replace, write};

fn expected() -> Value {
    serde_json::from_str(include_str!("../../testdata/real_series/expected.json")).unwrap()
}

/// The folder of real scans; `None`, said on stderr, where it is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/dicom").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: ../shared/data/dicom/{name} is not here");
    None
}

fn read(path: &std::path::Path) -> Scan {
    dicom::read(path, &ReadOptions::default()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn assert_near(found: &[f64], wanted: &[f64], what: &str) {
    let is_near =
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(is_near, "{what}: found {found:?}, pydicom has {wanted:?}");
}

/// Sum, sum of squares, least and largest: exact, since all are whole numbers.
fn sums(plane: &[f32]) -> [i64; 4] {
    plane.iter().fold([0, 0, i64::MAX, i64::MIN], |[sum, squares, low, high], &hu| {
        assert_eq!(hu.fract(), 0.0);
        let hu = hu as i64;
        [sum + hu, squares + hu * hu, low.min(hu), high.max(hu)]
    })
}

fn expected_sums(value: &Value) -> [i64; 4] {
    ["sum", "sum_of_squares", "least", "largest"].map(|name| value[name].as_i64().unwrap())
}

fn assert_agrees_with_pydicom(scan: &Scan, name: &str) {
    let expected = &expected()["stacks"][name];
    let grid = scan.ct.grid();
    let size: Vec<f64> = grid.size().iter().map(|&axis| axis as f64).collect();
    assert_eq!(size, numbers(&expected["size"]));
    assert_near(&grid.x_step_lps_mm(), &numbers(&expected["x_step_lps_mm"]), "x step");
    assert_near(&grid.y_step_lps_mm(), &numbers(&expected["y_step_lps_mm"]), "y step");
    assert_eq!(scan.provenance.header_tilt_deg, expected["tilt_deg"].as_f64());
    for (z, slice) in expected["slices"].as_array().unwrap().iter().enumerate() {
        let position = numbers(&slice["position_lps_mm"]);
        assert_near(&grid.slice_origin_lps_mm(z), &position, "position");
        let along = slice["along_normal_mm"].as_f64().unwrap();
        assert_near(&[grid.slice_position_mm(z)], &[along], "position along the normal");
        let plane = scan.ct.voxels_hu().plane(z);
        assert_eq!(sums(plane), expected_sums(slice), "Hounsfield units of slice {z}");
    }
}

#[test]
fn a_tilted_uneven_head_agrees_with_pydicom_and_says_so() {
    let Some(path) = shared("ge-head-tilt18-uneven") else { return };

    let scan = read(&path);

    assert_agrees_with_pydicom(&scan, "ge-head-tilt18-uneven");
    assert!((scan.ct.grid().tilt_deg().abs() - 18.5).abs() < 0.01);
    assert!(scan.provenance.missing_slices.is_empty());
    assert_eq!(scan.provenance.file_count, 28);
    insta::assert_snapshot!(scan.provenance.warnings.join("\n"), @"
    1 file is not DICOM; it played no part
    slices are unevenly spaced: 13 gaps of 4.00 mm (4.22 mm along the table), 1 gap of 1.08 mm (1.14 mm along the table), 13 gaps of 7.00 mm (7.38 mm along the table); each counts with its own thickness
    the gantry was tilted by 18.5°: the stack is sheared, which changes no volume
    ");
}

#[test]
fn a_straight_and_a_tilted_phantom_agree_with_pydicom() {
    for name in ["philips-phantom/S21570_S2010", "philips-phantom/S21610_S2010"] {
        let Some(path) = shared(name) else { return };

        assert_agrees_with_pydicom(&read(&path), name);
    }
}

#[test]
fn scouts_and_dose_sheets_are_left_with_their_reasons() {
    let Some(path) = shared("philips-phantom") else { return };

    let found = dicom::inspect(&path).unwrap();

    let told = found.series.iter().map(|series| {
        let mark = if series.is_taken { "taken" } else { "left" };
        format!("{mark}: {} images, {}: {}", series.image_count, series.description, series.reason)
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @"
    taken: 54 images, CT, original/primary/axial, 512 × 512, kernel UB, 2.5 mm: the best CT found: 54 slices over 128 mm, axial, soft kernel
    left: 28 images, CT, original/primary/axial, 512 × 512, kernel UB, 5 mm: could be used, but ct-e8fbd284 has more slices
    left: 3 images, CT, derived/secondary/ref_surview, 512 × 256, 0.625 mm: a scout view (localizer), not slices
    left: 3 images, CT, derived/secondary/dose_info, 650 × 512: a colour picture (RGB): only grey CT numbers are read
    left: 1 images, CT, original/primary/localizer, 512 × 256, 0.625 mm: a scout view (localizer), not slices
    ");
}

#[test]
fn a_series_can_be_asked_for_by_its_short_name() {
    let Some(path) = shared("philips-phantom") else { return };
    let options = ReadOptions { series: Some("ct-34c687fd".into()), ..ReadOptions::default() };

    let scan = dicom::read(&path, &options).unwrap();

    assert_agrees_with_pydicom(&scan, "philips-phantom/S21570_S2010");
    assert_eq!(scan.provenance.case_id, "ct-34c687fd");
}

#[test]
fn seven_codecs_give_the_pixels_of_the_raw_slice() {
    let Some(folder) = shared("nema-head-slice-7-codecs") else { return };
    for (name, expected) in expected()["codecs"].as_object().unwrap() {
        let bytes = fs::read(&folder.join(name), 1 << 20).unwrap();
        let stacked = tempfile::tempdir().unwrap();
        let position = expected["position"].as_str().unwrap();
        let (in_plane, _) = position.rsplit_once('\\').unwrap();
        for z in 0..12 {
            let moved = format!("{in_plane}\\{:<1$}", 10 * z, position.len() - in_plane.len() - 1);
            write(stacked.path(), &format!("IM{z}"), &replace(&bytes, position, &moved));
        }

        let scan = read(stacked.path());

        let first = scan.ct.voxels_hu().plane(0).to_vec();
        assert!((1..12).all(|z| scan.ct.voxels_hu().plane(z) == first), "{name}");
        assert_eq!(sums(&first), expected_sums(expected), "{name}");
        let is_lossy = expected["largest_difference_from_raw"] != 0;
        let says_lossy = scan.provenance.warnings.iter().any(|w| w.contains("with loss"));
        assert_eq!(is_lossy, says_lossy, "{name}");
    }
}
