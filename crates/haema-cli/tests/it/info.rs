//! `haema info` through the program.

use haema_io::dicom::tags;
use haema_io::dicom::write::SeriesOptions;
use insta::assert_snapshot;

use crate::stand::{Stand, shared};

#[test]
fn a_series_among_others_is_chosen_with_reasons() {
    let stand = Stand::new();
    stand.write_dicom("study/a", |_, _| {});
    let scout = SeriesOptions {
        seed: "scout".to_owned(),
        image_type: r"ORIGINAL\PRIMARY\LOCALIZER".to_owned(),
        ..SeriesOptions::default()
    };
    stand.write_slices("study/b", &scout, |_, _| {});
    let mr = SeriesOptions { seed: "mr".to_owned(), ..SeriesOptions::default() };
    stand.write_slices("study/c", &mr, |_, slice| {
        slice.text(tags::MODALITY, "MR");
    });

    let ended = stand.run("info study");

    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_snapshot!(ended.out, @"
    study
      taken     ct-96d179c4: CT, original/primary/axial, 96 × 96, kernel STANDARD, 10 mm, 16 images
                the best CT found: 16 slices over 160 mm, axial, soft kernel
      left      ct-19be3d0e: CT, original/primary/localizer, 96 × 96, kernel STANDARD, 10 mm, 16 images
                a scout view (localizer), not slices
      left      mr-963aa83a: MR, original/primary/axial, 96 × 96, kernel STANDARD, 10 mm, 16 images
                modality MR: only CT is read
      size      16 slices of 96 × 96 pixels of 2.396 × 2.396 mm
      gaps      15 × 10 mm
      from      -73 to 77 mm along the slices' normal
      tilt      0.0°
      range     -1016 to 999 HU
      usable as ct-96d179c4
    ");
}

#[test]
fn the_same_as_json() {
    let stand = Stand::new();
    stand.write_dicom("study", |_, _| {});

    let ended = stand.run("info study --json");

    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["schema"], "haema.info/1");
    assert_eq!(found["usable"], true);
    assert_eq!(found["scan"]["size"], serde_json::json!([16, 96, 96]));
    assert_eq!(found["scan"]["slice_pitches"][0]["pitch_mm"], 10.0);
}

#[test]
fn what_cannot_be_used_ends_with_1_and_what_is_not_there_with_2() {
    let stand = Stand::new();
    stand.write_dicom("mr", |_, slice| {
        slice.text(tags::MODALITY, "MR");
    });

    let refused = stand.run("info mr");
    assert_eq!((refused.code, refused.err.as_str()), (1, ""));
    assert!(refused.out.contains("modality MR: only CT is read"), "{}", refused.out);

    let missing = stand.run("info nothing-here");
    assert_eq!((missing.code, missing.out.as_str()), (2, ""));
    assert!(missing.err.ends_with("hint: check the path\n"), "{}", missing.err);
}

#[test]
fn a_real_tilted_series_of_two_pitches_is_read_as_it_lies() {
    let Some(path) = shared("dicom/ge-head-tilt18-uneven") else { return };
    let stand = Stand::new();

    let ended = stand.run(&format!("info --json {}", path.display()));

    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let tilt_deg = found["scan"]["gantry_tilt_deg"].as_f64().unwrap();
    assert!((tilt_deg.abs() - 18.5).abs() < 0.05, "{tilt_deg}");
    let pitches: Vec<f64> = found["scan"]["slice_pitches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["pitch_mm"].as_f64().unwrap())
        .collect();
    assert_eq!(pitches.len(), 3, "{pitches:?}");
    assert!((pitches[0] - 4.0).abs() < 0.01 && (pitches[2] - 7.0).abs() < 0.01, "{pitches:?}");
}

#[test]
fn of_a_real_study_scouts_and_dose_sheets_are_left_with_reasons() {
    let Some(path) = shared("dicom/philips-phantom") else { return };

    let ended = Stand::new().run(&format!("info {} --json", path.display()));

    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let series = found["series"].as_array().unwrap();
    assert_eq!(series.iter().filter(|series| series["taken"] == true).count(), 1);
    let left = |word: &str| {
        let is_left = |series: &&serde_json::Value| {
            series["taken"] == false && series["reason"].as_str().unwrap().contains(word)
        };
        series.iter().filter(is_left).count()
    };
    assert_eq!((left("scout"), left("colour"), left("has more slices")), (2, 1, 1), "{series:?}");
}
