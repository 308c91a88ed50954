//! A report to test with, and what the file must be.

use haema_measure::{DoubtId, MidlineShift};

use super::*;

const EXTENT: Extent =
    Extent { longest_mm: 41.3, across_mm: 27.0, height_mm: 50.0, largest_area_mm2: 812.4 };

fn location() -> Location {
    let share = |place, share| Share { place, side: Side::Left, share };
    Location {
        side: Side::Left,
        place: Some(Place::BasalGanglia),
        shares: vec![share(Place::BasalGanglia, 0.81), share(Place::FrontalLobe, 0.19)],
        compartment: Compartment::Intraparenchymal,
        compartment_confidence: 0.9,
        to_skull_mm: 17.2,
        reaches_cortex: false,
        touches_ventricle: true,
    }
}

/// The report of a scan in which all that is marked has another explanation.
pub(crate) fn all_doubted() -> Report {
    let mut report = report();
    for lesion in &mut report.lesions {
        lesion.doubts.push(Doubt { id: DoubtId::Brightening, ..doubt() });
    }
    report
}

fn doubt() -> Doubt {
    Doubt {
        id: DoubtId::TooSmall,
        measured: 0.06,
        what: "volume, mL".to_owned(),
        rule: "less than 0.1 mL".to_owned(),
    }
}

fn clinical() -> Clinical {
    let interval = VolumeInterval {
        coverage: 0.9,
        lower_ml: Some(12.5),
        upper_ml: Some(21.25),
        chances: vec![AboveGate { above_ml: 30.0, probability: 0.012 }],
        learnt_from: Some("41 held-aside scans of this size".to_owned()),
        unknown_because: None,
    };
    let shift =
        MidlineShift { shift_mm: 3.4, towards: Side::Right, volume_ml: 6.1, agreement: 0.61 };
    let score = IchScoreImaging {
        is_30_ml: false,
        is_intraventricular: Some(true),
        is_infratentorial: Some(false),
        points: Some(1),
    };
    Clinical {
        midline_shift: Some(shift),
        ich_score_imaging: Some(score),
        ..Clinical::without_bleed(interval)
    }
}

fn series() -> Vec<Series> {
    vec![
        Series {
            id: "s-4f1c09".to_owned(),
            description: "CT axial, 512 × 512, kernel STANDARD, 5.0 mm".to_owned(),
            images: 32,
            taken: true,
            reason: "the only axial series with a soft kernel".to_owned(),
        },
        Series {
            id: "s-77aa01".to_owned(),
            description: "CT localizer, 512 × 888".to_owned(),
            images: 2,
            taken: false,
            reason: "a scout: Image Type holds LOCALIZER".to_owned(),
        },
    ]
}

/// A made-up report with two parts, uneven slices, and a series that was left.
pub(crate) fn report() -> Report {
    Report {
        schema: REPORT_SCHEMA.to_owned(),
        case_id: "ctich-087".to_owned(),
        research_use: RESEARCH_USE.to_owned(),
        input: Input {
            kind: "dicom".to_owned(),
            files: 32,
            series: series(),
            size: [32, 650, 650],
            spacing_mm: [5.0, 0.42, 0.42],
            slice_positions_mm: (0..32).map(|z| f64::from(z) * 5.0 - 40.0).collect(),
            slice_pitches: vec![
                SlicePitch { pitch_mm: 4.22, gaps: 14 },
                SlicePitch { pitch_mm: 7.38, gaps: 13 },
            ],
            gantry_tilt_deg: 18.5,
            warnings: vec![
                "slices are unevenly spaced: 4.22 mm, then 7.38 mm; volumes use each slice's own \
                 thickness"
                    .to_owned(),
            ],
        },
        method: "cnn-ds".to_owned(),
        model: Model { name: "ctich-1".to_owned(), sha256: "ab".repeat(32) },
        hemorrhage: Hemorrhage {
            present: true,
            probability: 0.974,
            network_score: 0.981,
            chance: Some(Chance { value: 0.913, cases: 54, with_bleed: 24 }),
        },
        volume_ml: 16.7456,
        volume_grid_ml: 16.02,
        volume_soft_ml: 17.9,
        lesions: vec![
            Lesion {
                id: 1,
                volume_ml: 16.1,
                centroid_lps_mm: [31.2, -4.0, 52.3],
                mean_hu: 61.2,
                sd_hu: 7.1,
                extent: EXTENT,
                thickness_mm: 14.0,
                doubts: Vec::new(),
                location: Some(location()),
                slices: SliceRange { first: 14, last: 23, count: 10, largest: 20 },
            },
            Lesion {
                id: 2,
                volume_ml: 0.06,
                centroid_lps_mm: [-20.2, 14.0, 72.3],
                mean_hu: 55.2,
                sd_hu: 4.0,
                extent: Extent::default(),
                thickness_mm: 2.1,
                doubts: vec![doubt()],
                location: None,
                slices: SliceRange { first: 15, last: 15, count: 1, largest: 15 },
            },
        ],
        gate: Gate::new(vec![Check::new("coverage", false, "150 mm".to_owned())]),
        clinical: clinical(),
        atlas: AtlasMatch {
            unknown_because: None,
            shared_information: Some(0.21),
            bone_dice: Some(0.62),
        },
        timing_ms: Timing::default(),
        receipt: Receipt {
            haema_version: "0.1.0".to_owned(),
            input_sha256: "cd".repeat(32),
            weights_sha256: "ab".repeat(32),
            mask_sha256: "ef".repeat(32),
            settings: settings(),
            source: "34".repeat(6),
            job: "12".repeat(32),
        },
    }
}

fn settings() -> Settings {
    Settings {
        method: "cnn-ds".to_owned(),
        threshold: 0.5,
        seed_threshold: 0.5,
        save_probability: false,
        series: None,
        precision: haema_nn::InferencePrecision::Fp32,
        error_table: None,
        device: None,
        calibration: None,
    }
}

#[test]
fn a_report_is_read_back_as_it_was_written() {
    let json = serde_json::to_string_pretty(&report()).unwrap();

    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report());
}

#[test]
fn the_report_has_the_fields_that_readers_were_promised() {
    let json = serde_json::to_value(report()).unwrap();

    for path in [
        "/schema",
        "/input/kind",
        "/input/files",
        "/input/series/0/reason",
        "/input/size",
        "/input/spacing_mm",
        "/input/slice_positions_mm",
        "/input/gantry_tilt_deg",
        "/input/warnings",
        "/method",
        "/model/name",
        "/model/sha256",
        "/hemorrhage/present",
        "/hemorrhage/probability",
        "/hemorrhage/network_score",
        "/hemorrhage/chance/value",
        "/volume_ml",
        "/volume_grid_ml",
        "/volume_soft_ml",
        "/lesions/0/id",
        "/lesions/0/volume_ml",
        "/lesions/0/centroid_lps_mm",
        "/lesions/0/mean_hu",
        "/lesions/0/location/side",
        "/lesions/0/location/place",
        "/lesions/0/location/compartment",
        "/atlas/unknown_because",
        "/lesions/0/slices",
        "/timing_ms/read",
        "/timing_ms/preprocess",
        "/timing_ms/network",
        "/timing_ms/restore",
        "/timing_ms/measure",
        "/timing_ms/write",
        "/timing_ms/total",
        "/receipt/input_sha256",
        "/receipt/weights_sha256",
    ] {
        assert!(json.pointer(path).is_some(), "the report lacks {path}");
    }
}

#[test]
fn an_unknown_field_is_refused() {
    let mut json = serde_json::to_value(report()).unwrap();
    json["volume_mm3"] = 1.into();

    let error = serde_json::from_value::<Report>(json).unwrap_err();

    assert!(error.to_string().starts_with("unknown field `volume_mm3`"), "{error}");
}
