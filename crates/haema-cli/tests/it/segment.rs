//! `haema segment` through the program, with the network that is built in.

use std::path::Path;

use haema_io::{nifti, nrrd};
use serde_json::Value;

use crate::stand::{HEAD, Stand, shared};

fn report(stand: &Stand, case: &str) -> Value {
    serde_json::from_str(&stand.read(&format!("out/{case}/report.json"))).unwrap()
}

#[test]
fn a_series_becomes_a_folder_with_all_its_files() {
    let stand = Stand::new();
    stand.write_dicom("doe^jane", |_, _| {});

    let ended = stand.run("segment doe^jane --out out --save-probability --threads 2");

    assert_eq!(ended.code, 0, "{}", ended.err);
    let case = ended.out.split('\t').next().unwrap();
    assert_eq!(stand.names("out"), [case, "summary.csv", "worklist.csv", "worklist.html"]);
    assert_eq!(
        stand.names(&format!("out/{case}")),
        ["mask.nii.gz", "mask.seg.nrrd", "probability.nii.gz", "report.html", "report.json"]
    );
    let report = report(&stand, case);
    assert_eq!(report["schema"], "haema.report/1");
    assert_eq!(report["input"]["kind"], "dicom");
    assert_eq!(report["input"]["size"], serde_json::json!([16, 96, 96]));
    let (mask, grid) = nifti::read_label(&stand.path(&format!("out/{case}/mask.nii.gz"))).unwrap();
    let (slicer, _) = nrrd::read_label(&stand.path(&format!("out/{case}/mask.seg.nrrd"))).unwrap();
    assert_eq!(mask, slicer);
    let volume_ml = haema_measure::volume_ml(&mask, &grid).unwrap();
    assert!((volume_ml - report["volume_ml"].as_f64().unwrap()).abs() < 1e-3);
    let list = stand.read("out/worklist.csv");
    assert!(list.lines().nth(1).is_some_and(|line| line.contains(case)), "{list}");
    for file in [
        "summary.csv",
        "worklist.csv",
        "worklist.html",
        &format!("{case}/report.json"),
        &format!("{case}/report.html"),
    ] {
        assert!(!stand.read(&format!("out/{file}")).contains("doe^jane"), "{file} holds the path");
    }
}

#[test]
fn a_batch_goes_on_after_a_bad_scan_and_a_second_run_does_nothing_twice() {
    let stand = Stand::new();
    nifti::write(&stand.path("head.nii.gz"), HEAD.voxels_hu(), HEAD.grid()).unwrap();
    stand.write("letter.txt", b"Dear colleague,\n");

    let first = stand.run("segment letter.txt head.nii.gz --out out --json");
    let second = stand.run("segment letter.txt head.nii.gz --out out --json");

    assert_eq!((first.code, second.code), (1, 1));
    assert_eq!(first.out, second.out, "the second run made its own report");
    let lines: Vec<Value> =
        first.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["schema"], "haema.failure/1");
    assert_eq!(lines[0]["input"], 1);
    assert_eq!(lines[1], report(&stand, "head"));
    assert!(first.err.ends_with("1 done, 0 done before, 1 failed: see out/summary.csv\n"));
    assert!(second.err.ends_with("0 done, 1 done before, 1 failed: see out/summary.csv\n"));
}

#[test]
fn half_the_width_marks_nearly_the_same_and_is_told_in_the_report() {
    let stand = Stand::new();
    nifti::write(&stand.path("head.nii.gz"), HEAD.voxels_hu(), HEAD.grid()).unwrap();
    let run = |more: &str| {
        let ended = stand.run(&format!("segment head.nii.gz --out out {more}"));
        assert_eq!(ended.code, 0, "{}", ended.err);
        let path = stand.path("out/head/mask.nii.gz");
        (nifti::read_label(&path).unwrap().0, report(&stand, "head"))
    };

    let (full, of_full) = run("");
    let (half, of_half) = run("--precision bf16");

    // The second run was no repetition of the first, though the folder is the same.
    assert_ne!(of_half["receipt"]["job"], of_full["receipt"]["job"]);
    assert_eq!(of_full["receipt"]["settings"]["precision"], Value::Null);
    assert_eq!(of_half["receipt"]["settings"]["precision"], "bf16");
    assert!(stand.read("out/head/report.html").contains("bf16"));
    let (full, half) = (full.as_slice(), half.as_slice());
    let both = full.iter().zip(half).filter(|&(&a, &b)| a > 0 && b > 0).count();
    let sizes = full.iter().chain(half).filter(|&&v| v > 0).count();
    assert!(sizes > 1000, "no bleed to compare");
    let dice = 2.0 * both as f64 / sizes as f64;
    assert!(dice > 0.99, "Dice {dice}");
}

/// The network's answer must not depend on how many threads compute it.
#[test]
fn any_number_of_threads_gives_the_same_files() {
    let (one, three) = (Stand::new(), Stand::new());
    for (stand, threads) in [(&one, 1), (&three, 3)] {
        nifti::write(&stand.path("head.nii.gz"), HEAD.voxels_hu(), HEAD.grid()).unwrap();
        stand.run(&format!("segment head.nii.gz --out out --save-probability --threads {threads}"));
    }

    for name in ["mask.nii.gz", "mask.seg.nrrd", "probability.nii.gz", "report.html"] {
        let bytes = |stand: &Stand| {
            haema_io::fs::read(&stand.path(&format!("out/head/{name}")), 1 << 26).unwrap()
        };
        assert!(bytes(&one) == bytes(&three), "{name} differs");
    }
}

/// What pydicom says of the real series, kept with its recipe beside the reader's tests.
fn said_by_pydicom(stack: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../haema-io/testdata/real_series/expected.json");
    let text = haema_io::fs::read_to_string(&path, 1 << 20).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["stacks"][stack].take()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn a_real_tilted_uneven_series_keeps_the_place_of_every_slice() {
    let name = "ge-head-tilt18-uneven";
    let Some(path) = shared(&format!("dicom/{name}")) else { return };
    let (stand, wanted) = (Stand::new(), said_by_pydicom(name));

    let ended = stand.run(&format!("segment {} --out out", path.display()));

    let case = ended.out.split('\t').next().unwrap();
    let report = report(&stand, case);
    assert_eq!(report["input"]["size"], wanted["size"]);
    assert_eq!(report["input"]["gantry_tilt_deg"], wanted["tilt_deg"]);
    let places: Value =
        serde_json::from_str(&stand.read(&format!("out/{case}/mask.json"))).unwrap();
    for (z, found_mm) in numbers(&report["input"]["slice_positions_mm"]).into_iter().enumerate() {
        let wanted_mm = wanted["slices"][z]["along_normal_mm"].as_f64().unwrap();
        let beside_mask_mm = places["slices"][z]["position_mm"].as_f64().unwrap();
        assert!((found_mm - wanted_mm).abs() < 1e-3, "slice {z}: {found_mm}, {wanted_mm}");
        assert!((beside_mask_mm - wanted_mm).abs() < 1e-3, "slice {z}: {beside_mask_mm}");
    }
    let (mask, _) = nifti::read_label(&stand.path(&format!("out/{case}/mask.nii.gz"))).unwrap();
    assert_eq!(mask.size(), [28, 512, 512]);
}

#[test]
fn a_real_phantom_is_read_as_it_lies_straight_and_tilted() {
    for name in ["philips-phantom/S21570_S2010", "philips-phantom/S21610_S2010"] {
        let Some(path) = shared(&format!("dicom/{name}")) else { return };
        let wanted = said_by_pydicom(name);

        let ended = Stand::new().run(&format!("info {} --json", path.display()));

        let found: Value = serde_json::from_str(&ended.out).unwrap();
        let scan = &found["scan"];
        assert_eq!(scan["size"], wanted["size"], "{name}");
        let tilt_deg = wanted["tilt_deg"].as_f64().unwrap().abs();
        assert!((scan["gantry_tilt_deg"].as_f64().unwrap() - tilt_deg).abs() < 0.01, "{name}");
        for (z, found_mm) in numbers(&scan["slice_positions_mm"]).into_iter().enumerate() {
            let wanted_mm = wanted["slices"][z]["along_normal_mm"].as_f64().unwrap();
            assert!((found_mm - wanted_mm).abs() < 1e-3, "{name}, slice {z}");
        }
    }
}
