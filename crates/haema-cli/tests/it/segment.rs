//! `haema segment` through the program, with the network that is built in.

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
    assert_eq!(stand.names("out"), [case, "summary.csv"]);
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
    for file in ["summary.csv", &format!("{case}/report.json"), &format!("{case}/report.html")] {
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

#[test]
fn a_real_tilted_uneven_series_keeps_the_place_of_every_slice() {
    let Some(path) = shared("dicom/ge-head-tilt18-uneven") else { return };
    let stand = Stand::new();

    let ended = stand.run(&format!("segment {} --out out", path.display()));

    let case = ended.out.split('\t').next().unwrap();
    let report = report(&stand, case);
    let positions = report["input"]["slice_positions_mm"].as_array().unwrap();
    assert_eq!(positions.len(), 28);
    let places: Value =
        serde_json::from_str(&stand.read(&format!("out/{case}/mask.json"))).unwrap();
    for (z, position) in positions.iter().enumerate() {
        let place = places["slices"][z]["position_mm"].as_f64().unwrap();
        assert!((place - position.as_f64().unwrap()).abs() < 1e-3, "slice {z}");
    }
    let (mask, _) = nifti::read_label(&stand.path(&format!("out/{case}/mask.nii.gz"))).unwrap();
    assert_eq!(mask.size(), [28, 512, 512]);
}
