//! The patient's left, however the patient lay in the scanner.

use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_volume::{CtVolume, Orientation};
use serde_json::Value;

use crate::stand::{HEAD, Stand};

/// _Patient Position_, and where rows, columns and slices run to as scanners write it.
const POSITIONS: [(&str, &str); 4] =
    [("HFS", "LPS"), ("HFP", "RAS"), ("FFS", "RPI"), ("FFP", "LAI")];

/// The head with its slices stored in another order.
fn stored_as(code: &str) -> CtVolume {
    let (own, wanted) = (Orientation::of(HEAD.grid()), code.parse::<Orientation>().unwrap());
    let canonical = own.canonical_from_stored(HEAD.voxels_hu());
    let grid = own.canonical_grid(HEAD.grid()).unwrap();
    CtVolume::new(wanted.stored_from_canonical(&canonical), wanted.stored_grid(&grid).unwrap())
        .unwrap()
}

#[test]
fn a_bleed_on_the_left_is_left_head_or_feet_first_on_the_back_or_on_the_face() {
    let stand = Stand::new();
    for (position, code) in POSITIONS {
        let options = SeriesOptions { patient_position: position.into(), ..Default::default() };
        write_series(&stand.path(position), &stored_as(code), &options).unwrap();
        let ended = stand.run(&format!("segment {position} --out out/{position}"));
        assert_eq!(ended.code, 0, "{position}: {}", ended.err);
    }
    let largest = |position: &str| -> Value {
        let folder = stand.path(&format!("out/{position}"));
        let case = stand.names(&format!("out/{position}"));
        let case = case.iter().find(|name| folder.join(name).is_dir()).unwrap();
        let report: Value =
            serde_json::from_str(&stand.read(&format!("out/{position}/{case}/report.json")))
                .unwrap();
        report["lesions"][0].clone()
    };

    let first = largest("HFS");

    assert_eq!(first["location"]["side"], "left", "{first}");
    assert!(first["volume_ml"].as_f64().unwrap() > 10.0, "{first}");
    for (position, _) in &POSITIONS[1..] {
        let found = largest(position);
        assert_eq!(found["volume_ml"], first["volume_ml"], "{position}");
        assert_eq!(found["location"]["side"], "left", "{position}");
        assert_eq!(found["location"]["place"], first["location"]["place"], "{position}");
    }
}
