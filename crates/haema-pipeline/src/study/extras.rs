//! What the paper does not show: volumes against each other, sizes, failures, times, the bedside estimate.

use std::collections::BTreeMap;

use haema_eval::{Divisor, bland_altman, describe};
use haema_measure::{Abc2Width, abc2, abc2_total};

use super::CaseRow;
use super::cases::{Drawn, REFERENCE};
use super::charts::{Mark, Plot, short};
use super::run::Results;
use super::table::{Table, cell};

/// Bleeds are put together by size: up to these, mL.
const SIZES_ML: [f64; 3] = [5.0, 30.0, f64::INFINITY];
/// Below this Dice a case is a failure.
const FAILED: f64 = 0.5;

/// A method's rows against the reference.
pub(super) fn of_method<'a>(rows: &'a [CaseRow], method: &str) -> Vec<&'a CaseRow> {
    let is_own = |row: &&CaseRow| row.reference == REFERENCE && row.method == method;
    rows.iter().filter(is_own).collect()
}

/// Three plots of a method: Bland–Altman, volumes with the line of identity, Dice against volume.
pub(super) fn plots(rows: &[CaseRow], method: &str) -> [(&'static str, Plot); 3] {
    let own = of_method(rows, method);
    let words = |row: &CaseRow| {
        format!("{}: {:.1} mL found, {:.1} mL drawn", row.case, row.found_ml, row.reference_ml)
    };
    let dots = |x: fn(&CaseRow) -> f64, y: fn(&CaseRow) -> Option<f64>| -> Vec<Mark> {
        own.iter().filter_map(|row| Some(Mark::Dot([x(row), y(row)?], words(row)))).collect()
    };
    let volumes =
        |pick: fn(&CaseRow) -> f64| -> Vec<f64> { own.iter().map(|row| pick(row)).collect() };
    let limits = bland_altman(&volumes(|row| row.found_ml), &volumes(|row| row.reference_ml));
    let mut apart = dots(
        |row| f64::midpoint(row.found_ml, row.reference_ml),
        |row| Some(row.found_ml - row.reference_ml),
    );
    if let Some(limits) = limits {
        let level = |name: &str, ml: f64| {
            Mark::Level(ml, format!("{name} {} mL", short((10.0 * ml).round() / 10.0)))
        };
        apart.push(level("bias", limits.bias.value));
        apart.extend(limits.limits.map(|limit| level("limit", limit.value)));
    }
    let most = own.iter().map(|row| row.found_ml.max(row.reference_ml)).fold(1.0, f64::max);
    let mut together = dots(|row| row.reference_ml, |row| Some(row.found_ml));
    let points = vec![[0.0, 0.0], [most, most]];
    together.push(Mark::Line {
        points,
        name: "the same".to_owned(),
        colour: "#888888",
        is_dashed: true,
    });
    let title = |what: &str| format!("{what}, {method}");
    [
        (
            "bland_altman",
            Plot {
                title: title("Bland–Altman"),
                x: "mean of both volumes, mL",
                y: "found less drawn, mL",
                y_ends: None,
                marks: apart,
            },
        ),
        (
            "volumes",
            Plot {
                title: title("Volumes"),
                x: "volume drawn, mL",
                y: "volume found, mL",
                y_ends: None,
                marks: together,
            },
        ),
        (
            "dice_and_volume",
            Plot {
                title: title("Dice and size"),
                x: "volume drawn, mL",
                y: "Dice",
                y_ends: Some([0.0, 1.0]),
                marks: dots(|row| row.reference_ml, |row| row.overlap.dice()),
            },
        ),
    ]
}

/// Dice of each method by the size of the bleed.
pub(super) fn by_size(rows: &[CaseRow], methods: &[&str]) -> Table {
    let columns = ["method", "volume", "n", "dice_mean", "dice_sd", "dice_median"];
    let mut table = Table::new("Dice by size of the bleed", columns);
    for method in methods {
        let mut least_ml = 0.0;
        for most_ml in SIZES_ML {
            let is_in =
                |row: &&&CaseRow| row.reference_ml > least_ml && row.reference_ml <= most_ml;
            let own = of_method(rows, method);
            let dice: Vec<f64> =
                own.iter().filter(is_in).filter_map(|row| row.overlap.dice()).collect();
            let found = describe(&dice, Divisor::Sample);
            let size = if most_ml.is_finite() {
                format!("{least_ml:.0} to {most_ml:.0} mL")
            } else {
                format!("more than {least_ml:.0} mL")
            };
            let figures =
                [found.map(|f| f.mean), found.and_then(|f| f.sd), found.map(|f| f.median)];
            let names = [(*method).to_owned(), size, dice.len().to_string()];
            table.push(names.into_iter().chain(figures.map(|figure| cell(figure, 3))));
            least_ml = most_ml;
        }
    }
    table
}

/// Errors of volume, and what is found where there is nothing.
pub(super) fn volumes(rows: &[CaseRow], methods: &[&str]) -> Table {
    let columns = "method,n,mean_error_ml,mean_absolute_error_ml,rmse_ml,median_absolute_error_ml,\
                   scans_without_bleed,of_these_with_a_mask,mean_false_ml";
    let mut table = Table::new("Volumes", columns.split(','));
    for method in methods {
        let own = of_method(rows, method);
        let (bleeds, blanks): (Vec<&CaseRow>, Vec<&CaseRow>) =
            own.iter().partition(|row| row.reference_ml > 0.0);
        let pick =
            |of: fn(&CaseRow) -> f64| -> Vec<f64> { bleeds.iter().map(|row| of(row)).collect() };
        let mean = |of: fn(&CaseRow) -> f64| {
            (!bleeds.is_empty())
                .then(|| bleeds.iter().map(|row| of(row)).sum::<f64>() / bleeds.len() as f64)
        };
        let errors: Vec<f64> = pick(|row| (row.found_ml - row.reference_ml).abs());
        let false_ml: f64 = blanks.iter().map(|row| row.found_ml).sum();
        let figures = [
            mean(|row| row.found_ml - row.reference_ml),
            mean(|row| (row.found_ml - row.reference_ml).abs()),
            mean(|row| (row.found_ml - row.reference_ml).powi(2)).map(f64::sqrt),
            describe(&errors, Divisor::Sample).map(|found| found.median),
        ];
        let with_mask = blanks.iter().filter(|row| row.found_ml > 0.0).count().to_string();
        let share = (!blanks.is_empty()).then(|| false_ml / blanks.len() as f64);
        let names = [(*method).to_owned(), bleeds.len().to_string()].into_iter();
        let last = [blanks.len().to_string(), with_mask, cell(share, 2)];
        table.push(names.chain(figures.map(|figure| cell(figure, 2))).chain(last));
    }
    table
}

/// Bleeds that a method missed, or found for the lesser part.
pub(super) fn failures(rows: &[CaseRow], methods: &[&str]) -> Table {
    let columns = ["method", "case", "dice", "volume_drawn_ml", "volume_found_ml"];
    let mut table = Table::new("Cases with a Dice below 0.5", columns);
    for method in methods {
        for row in of_method(rows, method).into_iter().filter(|row| row.reference_ml > 0.0) {
            let dice = row.overlap.dice().unwrap_or(0.0);
            if dice < FAILED {
                let figures = [dice, row.reference_ml, row.found_ml];
                let figures = figures.map(|figure| cell(Some(figure), 2));
                table.push([(*method).to_owned(), row.case.clone()].into_iter().chain(figures));
            }
        }
    }
    table
}

/// Where the time goes: means over the test cases.
pub(super) fn times(results: &Results<'_>) -> Table {
    let columns =
        ["method", "n", "preprocess_s", "network_s", "restore_s", "total_s", "total_sd_s"];
    let mut table = Table::new("Time per scan", columns);
    let is_test = |case: &String| results.plan.split.held_aside.contains(case);
    for method in &results.methods {
        let own: Vec<_> = results
            .times
            .iter()
            .filter(|(m, case, _)| m == method && is_test(case))
            .map(|(_, _, times)| [times.preprocess_ms, times.network_ms, times.restore_ms])
            .collect();
        let mean = |i: usize| {
            (!own.is_empty())
                .then(|| own.iter().map(|parts| parts[i]).sum::<f64>() / 1000.0 / own.len() as f64)
        };
        let totals: Vec<f64> = own.iter().map(|parts| parts.iter().sum::<f64>() / 1000.0).collect();
        let total = describe(&totals, Divisor::Sample);
        let figures = [mean(0), mean(1), mean(2), total.map(|t| t.mean), total.and_then(|t| t.sd)];
        let names = [method.name().to_owned(), own.len().to_string()];
        table.push(names.into_iter().chain(figures.map(|figure| cell(figure, 3))));
    }
    table
}

/// The bedside estimate from the reference masks beside planimetry of the same.
pub(super) fn bedside(results: &Results<'_>) -> Table {
    let columns =
        "case,planimetry_ml,abc2_ml,modified_abc2_ml,tada_ml,abc3_ml,two_thirds_sh_ml,xyz2_ml";
    let mut table = Table::new("ABC/2 and planimetry", columns.split(','));
    let mut errors: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for id in &results.plan.split.held_aside {
        let Some(drawn) = results.case(id).and_then(|case| Drawn::read(results.dataset, case).ok())
        else {
            continue;
        };
        let Ok(parts) = abc2(&drawn.reference, drawn.ct.grid(), Abc2Width::default()) else {
            continue;
        };
        if parts.is_empty() {
            continue;
        }
        let all = abc2_total(&parts);
        let figures = [
            all.planimetry_ml,
            all.simple_ml,
            all.weighted_ml,
            all.tada_ml,
            all.abc3_ml,
            all.two_thirds_sh_ml,
            all.xyz2_ml,
        ];
        for (i, figure) in figures.iter().enumerate() {
            errors.entry(i).or_default().push(figure - all.planimetry_ml);
        }
        let cells = figures.map(|figure| cell(Some(figure), 2));
        table.push(std::iter::once(id.clone()).chain(cells));
    }
    if !table.rows().is_empty() {
        let mean = |i: usize| {
            let own = &errors[&i];
            cell(Some(own.iter().sum::<f64>() / own.len() as f64), 2)
        };
        let means = (0..7).map(mean);
        table.push(std::iter::once("mean error".to_owned()).chain(means));
    }
    table
}
