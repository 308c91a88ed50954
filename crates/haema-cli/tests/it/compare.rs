//! `haema compare` through the program: whose scans, when, and what the masks say.

use haema_io::dicom::tags;
use haema_io::nifti;
use haema_volume::Volume;
use serde_json::Value;

use crate::stand::{HEAD, Stand};

/// A stand with two series of the same head, of these patients and times, and a mask of each.
fn stand(patients: [&str; 2], times: [&str; 2]) -> Stand {
    let stand = Stand::new();
    for (folder, (patient, time)) in ["first", "second"].iter().zip(patients.iter().zip(times)) {
        stand.write_dicom(folder, |_, slice| {
            slice.text(tags::PATIENT_ID, patient);
            slice.text(tags::ACQUISITION_DATE, "20261122");
            slice.text(tags::ACQUISITION_TIME, time);
        });
    }
    for (name, rows) in [("first.nii.gz", 40..50), ("second.nii.gz", 40..60)] {
        let mask = Volume::from_fn(HEAD.grid().size(), |[z, y, x]| {
            u8::from((6..10).contains(&z) && rows.contains(&y) && (50..60).contains(&x))
        });
        nifti::write_mask(&stand.path(name), &mask, HEAD.grid()).unwrap();
    }
    stand
}

const LINE: &str = "compare first second --out out --threads 2 \
                    --baseline-mask first.nii.gz --followup-mask second.nii.gz";

fn compared(stand: &Stand) -> Value {
    serde_json::from_str(&stand.read("out/compare.json")).unwrap()
}

#[test]
fn the_hours_come_from_the_headers_and_no_date_and_no_name_comes_out() {
    let stand = stand(["doe-4711", "doe-4711"], ["060000", "083000"]);

    let ended = stand.run(LINE);

    assert_eq!(ended.code, 0, "{}", ended.err);
    let found = compared(&stand);
    assert_eq!(found["same_patient"], "yes");
    assert_eq!(found["hours"], 2.5);
    let growth = &found["growth"];
    let per_hour = growth["change_ml"].as_f64().unwrap() / 2.5;
    assert!((growth["change_ml_per_h"].as_f64().unwrap() - per_hour).abs() < 1e-9, "{growth}");
    assert_eq!(
        stand.names("out"),
        ["change.nii.gz", "change.seg.nrrd", "compare.html", "compare.json"]
    );
    for name in ["out/compare.json", "out/compare.html"] {
        let text = stand.read(name);
        assert!(!text.contains("4711") && !text.contains("20261122"), "{name}");
    }
}

#[test]
fn two_patients_are_refused_unless_it_is_asked_for() {
    let stand = stand(["doe-4711", "roe-0815"], ["060000", "083000"]);

    let refused = stand.run(LINE);
    let asked = stand.run(&format!("{LINE} --any-patient"));

    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("the headers name two patients"), "{}", refused.err);
    assert!(refused.err.contains("hint: ") && refused.err.contains("--any-patient"));
    assert!(!refused.err.contains("4711"), "{}", refused.err);
    assert_eq!(asked.code, 0, "{}", asked.err);
    assert!(asked.err.contains("warning: the headers name two patients"), "{}", asked.err);
    assert_eq!(compared(&stand)["same_patient"], "no");
}

#[test]
fn scans_in_the_wrong_order_are_refused_unless_the_hours_are_given() {
    let stand = stand(["doe-4711", "doe-4711"], ["083000", "060000"]);

    let refused = stand.run(LINE);
    let asked = stand.run(&format!("{LINE} --hours 4"));

    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("made 2.5 h before the baseline"), "{}", refused.err);
    assert_eq!(asked.code, 0, "{}", asked.err);
    assert_eq!(compared(&stand)["hours"], 4.0);
}

#[test]
fn files_without_a_header_leave_the_patient_and_the_hours_open() {
    let stand = stand(["", ""], ["", ""]);
    for name in ["first.nii", "second.nii"] {
        nifti::write(&stand.path(name), HEAD.voxels_hu(), HEAD.grid()).unwrap();
    }

    let ended = stand.run(&LINE.replace("first second", "first.nii second.nii"));

    assert_eq!(ended.code, 0, "{}", ended.err);
    let found = compared(&stand);
    assert_eq!(found["same_patient"], "unknown");
    assert_eq!(found["hours"], Value::Null);
    assert_eq!(found["growth"]["change_ml_per_h"], Value::Null);
}
