//! Fits on cases whose truth is drawn from known chances.

use std::fmt::Write as _;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Cases whose log odds of a bleed are `a + b · log odds of the score`.
fn drawn(n: usize, [a, b]: [f64; 2], seed: u64) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut table = String::from("case,patient,reference_ml,soft_ml,score\n");
    for i in 0..n {
        let odds = random.random_range(-3.0..3.0_f64);
        let score = 1.0 / (1.0 + (-odds).exp());
        let chance = 1.0 / (1.0 + (-(a + b * odds)).exp());
        let reference_ml = if random.random::<f64>() < chance { 2.0 } else { 0.0 };
        // Noise, which tells nothing.
        let soft_ml = random.random_range(0.0..10.0_f64);
        writeln!(table, "c{i},p{i},{reference_ml},{soft_ml},{score}").unwrap();
    }
    table
}

#[test]
fn the_chances_that_cases_were_drawn_from_come_back() {
    let calibration = fit(&drawn(1500, [-1.0, 1.5], 1)).unwrap();

    assert!((calibration.intercept + 1.0).abs() < 0.25, "{calibration:?}");
    assert!((calibration.slope_score - 1.5).abs() < 0.25, "{calibration:?}");
    assert_eq!(calibration.slope_soft_volume, 0.0, "noise is not worth a number");
    assert!(calibration.left_out.expected_error < 0.05, "{calibration:?}");
    assert!(calibration.is_sound());
}

#[test]
fn fifty_cases_give_a_cautious_and_sound_calibration() {
    for seed in 0..20 {
        let calibration = fit(&drawn(54, [0.0, 2.0], seed)).unwrap();

        assert!(calibration.is_sound(), "{calibration:?}");
        assert!((0.3..8.0).contains(&calibration.slope_score), "seed {seed}: {calibration:?}");
        assert_eq!(calibration.bounds, [0.017_857, 0.982_143]);
        let LeftOut { expected_error, expected_error_if_perfect, .. } = calibration.left_out;
        assert!(expected_error < 2.5 * expected_error_if_perfect, "seed {seed}: {calibration:?}");
    }
}

#[test]
fn kinds_told_apart_without_fault_and_scores_that_mislead_stay_sound() {
    let table = |score: &dyn Fn(bool) -> f64| {
        let rows = (0..30).map(|i| {
            let has_bleed = i % 3 == 0;
            let reference_ml = if has_bleed { 1.0 } else { 0.0 };
            format!("c{i},p{i},{reference_ml},1.0,{}\n", score(has_bleed))
        });
        format!("case,patient,reference_ml,soft_ml,score\n{}", rows.collect::<String>())
    };

    let perfect = fit(&table(&|has_bleed| if has_bleed { 1.0 } else { 0.0 })).unwrap();
    assert!(perfect.is_sound() && perfect.chance(1.0, 1.0) > 0.9, "{perfect:?}");
    assert_eq!(perfect.chance(1.0, 1.0), perfect.bounds[1].min(perfect.chance(1.0, 1.0)));
    let misled = fit(&table(&|has_bleed| if has_bleed { 0.2 } else { 0.8 })).unwrap();
    assert_eq!(misled.slope_score, 0.0, "a higher score never makes a bleed less likely");
    assert!(
        (misled.chance(0.5, 1.0) - 1.0 / 3.0).abs() < 0.01,
        "what is left is how often: {misled:?}"
    );
}

#[test]
fn scans_of_one_patient_are_left_out_together() {
    // Ten patients of each kind, with ten equal scans each: as ten times as many cases, and no surer.
    let mut table = String::from("case,patient,reference_ml,soft_ml,score\n");
    for i in 0..200 {
        let patient = i % 20;
        let has_bleed = patient % 2 == 0;
        // Three patients of each kind score as the other does.
        let score = if has_bleed == (patient >= 6) { 0.8 } else { 0.3 };
        let reference_ml = if has_bleed { 1.0 } else { 0.0 };
        writeln!(table, "c{i},p{patient},{reference_ml},1.0,{score}").unwrap();
    }

    let by_patient = fit(&table).unwrap().left_out.log_loss;

    let apart = table.lines().enumerate().map(|(i, line)| {
        if i == 0 {
            format!("{line}\n")
        } else {
            format!("{}\n", line.replacen(",p", &format!(",q{i}-"), 1))
        }
    });
    let by_case = fit(&apart.collect::<String>()).unwrap().left_out.log_loss;
    assert!(by_patient > by_case + 0.01, "{by_patient} {by_case}");
}

#[test]
fn a_table_that_is_none_is_refused_with_the_place() {
    let told = |table: &str| fit(table).unwrap_err().to_string();

    assert!(told("case,score\n").contains("no column patient"));
    let head = "case,patient,reference_ml,soft_ml,score\n";
    assert_eq!(
        told(&format!("{head}a,a,1,1,0.5\nb,b,1,1,2.5\n")),
        "row 2 of the table of cases has score = \"2.5\": wanted a number from 0 to 1"
    );
    assert!(
        told(&format!("{head}a,a,1,1,0.5\n")).starts_with("1 cases with a bleed and 0 without")
    );
    assert_eq!(fields("a,\"b, \"\"c\"\"\",d"), ["a", "b, \"c\"", "d"]);
}

#[test]
fn the_calibrated_model_keeps_its_parameters_and_tells_chances() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let model = Model::built_in();
    let metadata = model.metadata();
    for (name, precision) in [("half", Precision::F16), ("full", Precision::F32)] {
        let bytes = model.parameters().to_bytes(model.spec(), metadata, precision).unwrap();
        fs::write_atomic(&path(name), &bytes).unwrap();
        fs::write_atomic(&path("cases.csv"), drawn(54, [0.0, 2.0], 3).as_bytes()).unwrap();

        let rule = MaskRule { threshold: 0.25, seed_threshold: 0.8 };
        let cases = path("cases.csv");
        let calibration = calibrate(&path(name), Some(&cases), Some(rule), &path("out")).unwrap();

        let written = crate::model_file::read_model(&path("out")).unwrap();
        assert!(calibration.is_some());
        assert_eq!(written.calibration(), calibration.as_ref());
        assert_eq!(written.mask_rule(), rule);
        assert_eq!(written.sha256(), model.sha256());
        let [before, after] =
            [path(name), path("out")].map(|p| std::fs::metadata(p).unwrap().len());
        assert!(after.abs_diff(before) < 2000, "{name}: {before} and {after} bytes");
    }
}
