//! Figures that can be reckoned by hand, and files of a whole evaluation.

use std::num::NonZeroUsize;

use haema_eval::{LesionCounts, Overlap, ReferenceLesion};
use haema_io::dataset::Dataset;
use haema_methods::{MaskRule, SegmentError};
use haema_volume::{CtVolume, Volume};

use super::reliability::{count, error_if_perfect};
use super::*;

/// A case with a bleed of one part, which is found where anything is.
fn case(id: &str, reference_ml: f64, found_ml: f64, score: f64) -> CaseScore {
    let has_bleed = reference_ml > 0.0;
    let overlap = Overlap {
        true_positive: u64::from(has_bleed && found_ml > 0.0),
        false_positive: u64::from(found_ml > 0.0),
        false_negative: u64::from(has_bleed && found_ml <= 0.0),
        true_negative: 10,
    };
    let found_iou = (found_ml > 0.0).then_some(0.5);
    let reference = ReferenceLesion { volume_ml: reference_ml, found_iou };
    CaseScore {
        row: CaseRow {
            case: id.into(),
            patient: id.into(),
            reference: "reference".into(),
            method: "cnn-ds".into(),
            overlap,
            reference_ml,
            found_ml,
            hd95_mm: (has_bleed && found_ml > 0.0).then_some(4.0),
            assd_mm: None,
            surface_dice: [None; 3],
            lesion_f1: None,
            seconds: None,
        },
        subtypes: if has_bleed { vec!["subdural"] } else { vec![] },
        lesions: LesionCounts {
            reference: if has_bleed { vec![reference] } else { vec![] },
            false_positive: u64::from(!has_bleed && found_ml > 0.0),
            split: 0,
        },
        soft_ml: found_ml,
        slice_mm: 5.0,
        score,
        chance: None,
        model: "abc".into(),
    }
}

fn cases() -> [CaseScore; 5] {
    [
        case("a", 12.0, 10.0, 0.9),
        case("b", 6.0, 0.0, 0.4),
        case("c", 1.0, 1.0, 0.2),
        case("d", 0.0, 0.0, 0.3),
        case("e", 0.0, 0.5, 0.1),
    ]
}

#[test]
fn the_summary_counts_what_it_says() {
    let rows = summarise(&cases());

    let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    let value = |name: &str| row(name).value.unwrap();
    assert_eq!(row("mean Dice, cases with a bleed").cases, 3);
    assert_eq!(row("mean Dice, bleeds of 5 mL and more").cases, 2);
    assert_eq!(value("mean Dice, bleeds of 10 mL and more"), 2.0 / 3.0);
    // Of 6 pairs d is above c alone, so 5 are won.
    assert_eq!(value("AUC of the case score"), 5.0 / 6.0);
    assert_eq!(value("share of single bleeds found"), 2.0 / 3.0);
    assert_eq!(value("share of scans without a bleed whose mask is empty"), 0.5);
    assert_eq!(value("median absolute volume error, bleeds of 5 mL and more, mL"), 4.0);
    // 100 · 2/12 and 100.
    let part = value("median absolute volume error, bleeds of 5 mL and more, %");
    assert!((part - 0.5 * (100.0 / 6.0 + 100.0)).abs() < 1e-9, "{part}");
    assert_eq!(value("median HD95, cases where a bleed is found, mm"), 4.0);
}

#[test]
fn an_interval_draws_patients_and_not_cases() {
    let mut of_one = cases();
    let apart = summarise(&of_one)[0].interval.unwrap();
    for case in &mut of_one {
        case.row.patient = "one".into();
    }

    let together = summarise(&of_one)[0].interval.unwrap();

    assert!(apart.upper > apart.lower);
    assert_eq!(together.upper, together.lower, "one patient is drawn again and again");
}

#[test]
fn two_empty_masks_have_no_dice_in_the_table() {
    let table = cases_table(&cases());

    assert_eq!((table.get(3, "dice"), table.get(0, "dice")), (Some(""), Some("0.666667")));
    assert_eq!(table.get(4, "bleeds_invented"), Some("1"));
    assert_eq!(table.get(0, "subtypes"), Some("subdural"));
    assert_eq!(table.get(0, "chance"), Some(""), "the model is not calibrated");
}

#[test]
fn strata_hold_every_case_once_by_size() {
    let table = summary::strata(&cases());

    let by_size: Vec<(&str, &str)> = (0..table.rows().len())
        .filter(|&row| table.get(row, "by") == Some("size"))
        .map(|row| (table.get(row, "stratum").unwrap(), table.get(row, "cases").unwrap()))
        .collect();
    assert_eq!(
        by_size,
        [
            ("no bleed", "2"),
            ("below 1 mL", "0"),
            ("1 to 5 mL", "1"),
            ("5 to 10 mL", "1"),
            ("10 to 30 mL", "1"),
            ("30 mL and more", "0")
        ]
    );
    let subdural = table.rows().last().unwrap();
    assert_eq!(subdural[..4], ["subtype", "subdural", "3", "2"]);
}

#[test]
fn operating_points_are_the_fewest_false_alarms_for_each_number_of_bleeds() {
    // Scores of ten bleeds and four blanks; ties at 0.5.
    let scores: Vec<CaseScore> = [0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.45, 0.4, 0.35, 0.1]
        .into_iter()
        .map(|score| case("b", 3.0, 1.0, score))
        .chain([0.5, 0.42, 0.2, 0.05].map(|score| case("n", 0.0, 0.0, score)))
        .collect();

    let table = detection::operating_points(&detection::detectors(&scores));

    let rows: Vec<[&str; 3]> = (0..table.rows().len())
        .filter(|&row| table.get(row, "by").unwrap().starts_with("case score"))
        .map(|row| ["noticed", "false_alarms", "threshold"].map(|c| table.get(row, c).unwrap()))
        .collect();
    assert_eq!(
        rows,
        [
            ["10 of 10", "3 of 4", "0.1000"],
            ["9 of 10", "2 of 4", "0.3500"],
            ["8 of 10", "2 of 4", "0.4000"],
            ["6 of 10", "1 of 4", "0.5000"],
        ]
    );
    // Clopper and Pearson for 9 of 10, as R's binom.test gives it.
    assert_eq!(table.get(1, "sensitivity_lower"), Some("0.555"));
    assert_eq!(table.get(1, "sensitivity_upper"), Some("0.997"));
    let svg = detection::roc_svg(&detection::detectors(&scores));
    assert_eq!(svg.matches("<polyline").count(), 2);
    let roc = detection::roc_table(&detection::detectors(&scores));
    assert_eq!(roc.get(0, "threshold"), Some("inf"));
}

#[test]
fn chances_that_are_right_have_the_error_of_their_number() {
    let few: Vec<f64> = (0..54).map(|i| (f64::from(i) + 0.5) / 54.0).collect();
    let many: Vec<f64> = (0..540).map(|i| (f64::from(i) + 0.5) / 540.0).collect();

    let [of_few, of_many] = [&few, &many].map(|chances| error_if_perfect(chances).unwrap());

    // Mean over bins of the mean absolute deviation of a share of 5.4 cases: about 0.8·√(p(1−p)/5.4).
    assert!((0.09..0.16).contains(&of_few), "{of_few}");
    assert!(
        (of_few / of_many - 10.0_f64.sqrt()).abs() < 0.5,
        "falls with the root of the number: {of_many}"
    );
    assert_eq!(error_if_perfect(&[]), None);
    let wrong = count(&[0.9; 10], &[false; 10]).expected_error().unwrap();
    assert!((wrong - 0.9).abs() < 1e-12);
}

#[test]
fn scores_stand_for_chances_only_where_no_model_is_calibrated() {
    let mut scores = cases();
    assert!(!reliability_of(&scores).is_calibrated());

    for case in &mut scores {
        case.chance = Some(f64::from(u8::from(case.has_bleed())));
    }

    let calibrated = reliability_of(&scores);
    assert!(calibrated.is_calibrated());
    assert_eq!(calibrated.expected_error(), Some(0.0));
    assert!(calibrated.svg().contains("Calibration of the chance of a bleed"));
}

/// Calls everything above 50 HU a bleed.
struct Bright;

impl Segmenter for Bright {
    fn method(&self) -> &'static str {
        "bright"
    }

    fn model_name(&self) -> &'static str {
        "none"
    }

    fn model_sha256(&self) -> &'static str {
        "0123456789abcdef"
    }

    fn segment(
        &self,
        ct: &CtVolume,
        _: MaskRule,
        _: NonZeroUsize,
    ) -> Result<Segmented, SegmentError> {
        let probability: Volume<f32> = ct.voxels_hu().map(|&hu| if hu > 50.0 { 0.9 } else { 0.1 });
        Ok(Segmented {
            probability,
            score: 0.7,
            volume_grid_ml: 0.0,
            preprocess_ms: 0.0,
            network_ms: 0.0,
            restore_ms: 0.0,
        })
    }
}

#[test]
fn an_evaluation_leaves_its_tables_figures_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let dataset: Dataset = crate::training::tests::dataset(folder.path());
    let mut evaluation = Evaluation::default();
    let two = |ids: [&str; 2]| ids.map(str::to_owned);
    let threads = NonZeroUsize::MIN;

    // As two folds would: the second one first.
    evaluation.add(&dataset, &Bright, &two(["case2", "case3"]), threads, &mut |_| ()).unwrap();
    evaluation.add(&dataset, &Bright, &two(["case0", "case1"]), threads, &mut |_| ()).unwrap();

    let ids: Vec<&str> = evaluation.cases().iter().map(|case| case.row.case.as_str()).collect();
    assert_eq!(ids, ["case0", "case1", "case2", "case3"]);
    // The bleeds are exactly what is bright.
    assert_eq!(evaluation.cases()[0].row.overlap.dice(), Some(1.0));
    assert_eq!(evaluation.cases()[0].lesions.true_positive(), 1);
    let out = folder.path().join("scores");
    evaluation.write(&out).unwrap();
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert!(read("gallery.html").contains("no mask is wrong anywhere"));
    assert!(read("summary.md").contains("| mean Dice, cases with a bleed | 2 | 1.000 |"));
    assert!(read("summary.md").contains("has the best mean, 1.000; chosen for each patient"));
    assert!(read("mask_rules.csv").starts_with("threshold,seed_threshold,agreement,"));
    assert!(read("cases.csv").lines().nth(1).unwrap().ends_with(",0123456789ab"));
    for svg in ["roc.svg", "reliability.svg"] {
        assert!(read(svg).starts_with("<svg xmlns=") && read(svg).ends_with("</svg>\n"));
    }
}

#[test]
fn the_gallery_shows_the_worst_first_with_both_outlines() {
    let folder = tempfile::tempdir().unwrap();
    let dataset: Dataset = crate::training::tests::dataset(folder.path());
    let ct = dataset.cases()[0].read_image().unwrap();
    let truth = dataset.cases()[0].read_label().unwrap().unwrap();
    let nothing = truth.map(|_| 0_u8);
    let mut gallery = Gallery::default();

    gallery.add(&case("half", 5.0, 4.0, 0.9), &ct, &truth, &truth);
    gallery.add(&case("missed<", 5.0, 0.0, 0.1), &ct, &truth, &nothing);
    gallery.add(&case("right", 0.0, 0.0, 0.1), &ct, &nothing, &nothing);

    let page = gallery.page(3);
    assert!(page.contains("the 2 worst of 3 cases"));
    let [missed, half] = ["<h2>missed&lt;</h2>", "<h2>half</h2>"].map(|name| page.find(name));
    assert!(missed.unwrap() < half.unwrap());
    assert!(
        page.contains("<p>missed · reference 5.00 mL, found 0.00 mL · score 0.100 · subdural</p>"),
        "{page}"
    );
    let of_missed = &page[missed.unwrap()..half.unwrap()];
    assert!(
        of_missed.contains("<path class=\"truth\" d=\"M")
            && of_missed.contains("<path class=\"outline\" d=\"\"/>")
    );
    assert!(!page.contains("right</h2>"));
}

#[test]
fn an_unknown_case_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dataset: Dataset = crate::training::tests::dataset(folder.path());
    let ids = ["case9".to_owned()];

    let error = Evaluation::default()
        .add(&dataset, &Bright, &ids, NonZeroUsize::MIN, &mut |_| ())
        .unwrap_err();

    assert_eq!(error.to_string(), "the dataset has no case case9");
}
