use std::path::Path;

use haema_eval::Overlap;
use haema_sim::raters::{Rater, draw};
use haema_volume::{Grid, Volume};

use super::case_row::{CaseRow, Drawn};
use super::paper::{self, Printed};
use super::table::{Table, cell, p_value};
use super::tables::{
    Agreement, among_experts, metrics, table_2, table_5, table_of_methods, text_on_experts,
};

const EVERYONE: [&str; 4] = ["E1", "E2", "E3", "M"];

/// 1.5 mm pixels, 3 mm slices.
fn grid() -> Grid {
    let origins = (0..36).map(|z| [-54.0, -54.0, 3.0 * f64::from(z) - 52.5]).collect();
    Grid::from_slices([72, 72], [1.5, 0.0, 0.0], [0.0, 1.5, 0.0], origins, 3.0).unwrap()
}

/// The share of each voxel that lies in a lobed bleed of about this volume, with as much surface as those
/// that the raters were set by.
fn bleed(volume_ml: f64, number: usize, grid: &Grid) -> Volume<f32> {
    let phase = 2.4 * number as f64;
    let radius_mm = (volume_ml * 1000.0 * 0.75 / std::f64::consts::PI).cbrt();
    let beside_mm = [1.6 * radius_mm + 4.0, 4.0];
    Volume::from_fn(grid.size(), |[z, y, x]| {
        let [x_mm, y_mm, z_mm] = grid.point_lps_mm(z, y as f64, x as f64);
        let far_mm = (x_mm / 0.8).hypot(y_mm / 1.25).hypot(z_mm);
        let turn = y_mm.atan2(x_mm);
        let lobes =
            0.14 * (3.0 * turn + phase).sin() + 0.1 * (5.0 * turn + 4.0 * z_mm / radius_mm).cos();
        let small_mm = 3.5 - (x_mm - beside_mm[0]).hypot(y_mm - beside_mm[1]).hypot(z_mm);
        let inside_mm = (radius_mm * (1.0 + lobes) - far_mm).max(small_mm);
        (0.5 + inside_mm / 1.5).clamp(0.0, 1.0) as f32
    })
}

/// The paper's sizes: 36 ± 25 mL at ten quantiles of a gamma distribution.
const VOLUMES_ML: [f64; 10] = [6.2, 11.9, 16.9, 21.9, 27.2, 33.2, 40.3, 49.5, 62.8, 91.5];

/// All pairs of the paper's four raters, simulated, on ten scans.
fn simulated() -> Vec<CaseRow> {
    let grid = grid();
    let [first, second, third] = Rater::EXPERTS;
    let raters = [first, second, third, Rater::METHOD];
    let mut rows = vec![];
    for (number, volume_ml) in VOLUMES_ML.into_iter().enumerate() {
        let truth = bleed(volume_ml, number, &grid);
        let masks: Vec<Volume<u8>> = (0..4)
            .map(|rater| draw(&truth, &grid, &raters[rater], (10 * number + rater) as u64))
            .collect();
        let case = format!("case-{number}");
        let drawn = |rater: usize| Drawn { by: EVERYONE[rater], mask: &masks[rater] };
        for a in 0..4 {
            for b in a + 1..4 {
                rows.push(CaseRow::compare(&case, &case, drawn(a), drawn(b), &grid).unwrap());
            }
        }
    }
    rows
}

fn overlaps(found: [f64; 2], printed: [f64; 2]) -> bool {
    found[0] <= printed[1] && printed[0] <= found[1]
}

/// Student's 95 % interval of a printed mean of ten.
fn of_printed([mean, sd]: Printed) -> [f64; 2] {
    let reach = 2.262 * sd / 10.0_f64.sqrt();
    [mean - reach, mean + reach]
}

#[test]
fn table_2_comes_back_from_simulated_raters() {
    let rows = simulated();
    let pairs = paper::TABLE_2.map(|pair| pair.raters);

    let agreements: Vec<Agreement> =
        pairs.iter().map(|[a, b]| Agreement::of(&rows, a, b).unwrap()).collect();

    for (found, printed) in agreements.iter().zip(paper::TABLE_2) {
        let what = format!("{:?}", found.raters);
        let line = found.line.unwrap();
        let kappa = found.kappa.unwrap().interval(0.95);
        assert!(overlaps(kappa, of_printed(printed.kappa)), "{what}: κ {kappa:?}");
        let slope = line.slope.interval(0.95);
        assert!(
            slope[0] <= printed.slope[0] * 1.15 && slope[1] >= printed.slope[0] * 0.85,
            "{what}: {slope:?}"
        );
        let intercept = line.intercept.interval(0.95);
        let printed_ml = printed.intercept_ml[0];
        assert!(overlaps(intercept, [printed_ml - 3.0, printed_ml + 3.0]), "{what}: {intercept:?}");
        assert!(line.slope.p_different(0.0) < 1e-4 && found.r.unwrap() > 0.9, "{what}");
    }
    let table = table_2(&agreements);
    assert_eq!(table.rows().len(), 6);
    assert_eq!(table.get(0, "paper_p_beta"), Some("7.99e-10"));
    assert_eq!((table.get(5, "n"), table.get(5, "paper_alpha_ml")), (Some("10"), Some("6.36")));

    let text = among_experts(&rows, &EVERYONE[..3], "M").unwrap();
    let [experts, method] = text.pairs.map(|pair| pair.mean);
    assert!((experts - 0.88).abs() < 0.04 && (method - 0.83).abs() < 0.04, "{experts} {method}");
    assert!((text.difference.unwrap().value - (method - experts)).abs() < 1e-12);
    assert!(!text.exchange.unwrap().is_exact, "4¹⁰ ways are drawn from");
    assert_eq!(text_on_experts(&text).rows().len(), 10);
    assert_eq!(CaseRow::table(&rows).csv().lines().count(), 61);
}

fn row(case: &str, method: &str, [tp, fp, missed]: [u64; 3]) -> CaseRow {
    let overlap = Overlap {
        true_positive: tp,
        false_positive: fp,
        false_negative: missed,
        true_negative: 1000,
    };
    CaseRow {
        case: case.into(),
        patient: case.into(),
        reference: "reference".into(),
        method: method.into(),
        overlap,
        reference_ml: (tp + missed) as f64,
        found_ml: (tp + fp) as f64,
        hd95_mm: None,
        assd_mm: None,
        surface_dice: [None; 3],
        lesion_f1: None,
        seconds: (method == "cnn-ds").then_some(0.5),
    }
}

#[test]
fn methods_are_compared_case_by_case() {
    let mut rows = vec![];
    for case in ["a", "b", "c", "d", "e", "f"] {
        let more = u64::from(case.as_bytes()[0] - b'a');
        rows.push(row(case, "cnn-ds", [80 + more, 20, 20]));
        rows.push(row(case, "cnn", [60 + more, 40, 40]));
    }
    // Nothing to find: no part of these means.
    rows.push(row("z", "cnn-ds", [0, 9, 0]));

    let found = metrics(&rows, "reference", &["cnn", "cnn-ds"], "cnn-ds");
    let table = table_of_methods("Table 4. Ablation", &found, &paper::TABLE_4);

    let get = |method: &str, metric: &str| {
        found.iter().find(|row| row.method == method && row.metric == metric).unwrap()
    };
    let dice = get("cnn-ds", "dice");
    let wanted: f64 = (0..6).map(|i| f64::from(2 * (80 + i)) / f64::from(2 * (80 + i) + 40)).sum();
    assert!((dice.found.unwrap().mean - wanted / 6.0).abs() < 1e-12);
    assert_eq!((dice.found.unwrap().n, dice.p), (6, None));
    assert_eq!(get("cnn", "dice").p, Some(2.0 / 64.0), "six of six worse");
    assert_eq!((get("cnn", "time_s").found, get("cnn", "time_s").undefined), (None, 6));
    assert_eq!(table.get(0, "paper_value"), Some("0.79"));
    let last = table.rows().len() - 1;
    assert_eq!(
        (table.get(last, "metric"), table.get(last, "paper_value")),
        (Some("f1_of_means"), Some("0.84"))
    );
}

#[test]
fn a_missed_bleed_has_no_precision_but_0() {
    let missed = row("a", "cnn", [0, 0, 50]);
    let empty = row("b", "cnn", [0, 0, 0]);

    assert_eq!((missed.precision(), missed.overlap.dice()), (Some(0.0), Some(0.0)));
    assert_eq!((empty.precision(), empty.overlap.dice(), empty.kappa()), (None, None, 1.0));
}

#[test]
fn one_rater_and_no_cases_give_what_can_be_had() {
    let lone = [row("a", "M", [5, 1, 1])];

    let pair = Agreement::of(&lone, "reference", "M").unwrap();
    assert_eq!((pair.kappa, pair.line), (None, None));
    let table = table_2(&[pair]);
    assert_eq!((table.get(0, "kappa_sd"), table.get(0, "paper_kappa")), (Some(""), Some("")));
    assert_eq!(Agreement::of(&[], "E1", "E2"), None);
    assert_eq!(among_experts(&lone, &["E1", "E2"], "M"), None);
    assert!(metrics(&[], "reference", &["cnn"], "cnn").iter().all(|row| row.found.is_none()));
}

#[test]
fn tables_are_written_so_that_others_read_them() {
    let mut table = Table::new("Title", ["a", "b"]);
    table.push(["x, \"y\"".to_owned(), "1|2".to_owned()]);
    table.push(["z".to_owned()]);

    assert_eq!(table.csv(), "a,b\n\"x, \"\"y\"\"\",1|2\nz,\n");
    assert_eq!(
        table.markdown(),
        "## Title\n\n| a | b |\n|---|---|\n| x, \"y\" | 1\\|2 |\n| z |  |\n"
    );
    assert_eq!(
        [cell(Some(0.1234), 2), cell(Some(-1e-9), 3), cell(Some(0.0), 1)],
        ["0.12", "0.000", "0.0"]
    );
    assert_eq!([p_value(Some(1e-9), 3), p_value(Some(0.04), 3)], ["1.00e-9", "0.040"]);
    assert_eq!([cell(None, 2), cell(Some(f64::NAN), 2)], ["", ""]);
}

#[test]
fn hyper_parameters_stand_beside_the_papers() {
    let table = table_5(&[("dropout", 0.2), ("epochs", 60.0)]);

    assert_eq!((table.get(2, "value"), table.get(2, "paper_value")), (Some("0.2"), Some("0.3")));
    assert_eq!(
        (table.get(6, "parameter"), table.get(6, "paper_value")),
        (Some("epochs"), Some(""))
    );
}

#[test]
fn what_the_paper_printed_is_what_the_specification_lists() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec/paper_reference.csv");
    let Ok(text) = std::fs::read_to_string(file) else {
        eprintln!("passed over: paper_reference.csv of ../shared/spec is not there");
        return;
    };
    let find = |item: &str, row: &str, column: &str| -> [String; 3] {
        let head = format!("Arab2020,{item},{row},{column},");
        let line = text.lines().find_map(|line| line.strip_prefix(head.as_str()));
        let fields: Vec<&str> = line.unwrap_or_else(|| panic!("no {head}")).split(',').collect();
        [fields[0], fields[1], fields[4]].map(str::to_owned)
    };
    let value = |text: &str| text.parse::<f64>().unwrap();
    let check = |item: &str, row: &str, column: &str, [mean, sd]: Printed| {
        let [found, spread, _] = find(item, row, column);
        assert_eq!([value(&found), value(&spread)], [mean, sd], "{item} {row} {column}");
    };
    for pair in paper::TABLE_2 {
        let name = pair.raters.join("-");
        check("table2", &name, "kappa", pair.kappa);
        for (column, [wanted, p]) in [("beta", pair.slope), ("alpha", pair.intercept_ml)] {
            let [found, _, note] = find("table2", &name, column);
            assert_eq!(value(&found), wanted, "{name} {column}");
            let printed = note.trim_start_matches("p=").split(';').next().unwrap();
            assert_eq!(value(printed), p, "{name} {column}");
        }
    }
    let names = ["patchwise_unet", "slicebased_unet", "pitchperfect", "cnn_ds"];
    let third = names.into_iter().zip(paper::TABLE_3).map(|(name, row)| ("table3", name, row));
    let fourth = ["without_ds", "with_ds"].into_iter().zip(paper::TABLE_4);
    for (item, name, row) in third.chain(fourth.map(|(name, row)| ("table4", name, row))) {
        check(item, name, "dice", row.dice);
        check(item, name, "precision", row.precision.unwrap());
        check(item, name, "recall", row.recall.unwrap());
        check(item, name, "time", row.seconds);
        assert_eq!(value(&find(item, name, "f1")[0]), row.f1.unwrap());
    }
    for (name, wanted) in paper::TABLE_5 {
        assert_eq!(value(&find("table5", "hyper", name)[0]), wanted);
    }
    for (i, row) in ["expert-expert", "method-expert"].into_iter().enumerate() {
        check("text", row, "kappa_mean_of_pairs", paper::KAPPA_OF_PAIRS[i]);
        check("text", row, "disagreement", paper::DISAGREEMENT[i]);
    }
}
