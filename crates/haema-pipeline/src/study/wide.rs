//! The tables as a reader of the paper knows them: one line for each pair or method, ours and the paper's
//! figures side by side.

use haema_eval::f1_of_means;

use super::paper::{self, PaperMethod, Printed};
use super::table::{Table, cell};
use super::tables::{Agreement, MetricRow};

fn spread(mean: Option<f64>, sd: Option<f64>, decimals: usize) -> String {
    match (mean, sd) {
        (None, _) => String::new(),
        (Some(_), None) => cell(mean, decimals),
        (Some(_), Some(_)) => format!("{} ± {}", cell(mean, decimals), cell(sd, decimals)),
    }
}

fn printed(value: Option<Printed>, decimals: usize) -> String {
    spread(value.map(|v| v[0]), value.map(|v| v[1]), decimals)
}

/// Table 2 for people.
pub(super) fn table_2(agreements: &[Agreement]) -> Table {
    let columns = [
        "raters",
        "n",
        "κ",
        "95 % interval of κ",
        "paper κ",
        "β (p)",
        "paper β (p)",
        "α, mL (p)",
        "paper α, mL (p)",
        "r",
        "ICC(2,1)",
        "bias, mL [limits]",
    ];
    let mut table = Table::new("Table 2. Agreement of raters", columns);
    let with_p = |value: f64, p: f64, decimals: usize| {
        format!("{} ({})", cell(Some(value), decimals), cell(Some(p), 3))
    };
    for row in agreements {
        let theirs = paper::TABLE_2.iter().find(|pair| pair.raters[..] == row.raters[..]);
        let found = haema_eval::describe(&row.kappas, haema_eval::Divisor::Sample);
        let interval = row.kappa.map_or_else(String::new, |kappa| {
            let [low, high] = kappa.interval(0.95);
            format!("{} to {}", cell(Some(low), 2), cell(Some(high), 2))
        });
        table.push([
            row.raters.join("–"),
            row.kappas.len().to_string(),
            spread(found.map(|f| f.mean), found.and_then(|f| f.sd), 2),
            interval,
            printed(theirs.map(|pair| pair.kappa), 2),
            row.line.map_or_else(String::new, |line| {
                with_p(line.slope.value, line.slope.p_different(0.0), 2)
            }),
            theirs.map_or_else(String::new, |pair| with_p(pair.slope[0], pair.slope[1], 2)),
            row.line.map_or_else(String::new, |line| {
                with_p(line.intercept.value, line.intercept.p_different(0.0), 2)
            }),
            theirs.map_or_else(String::new, |pair| {
                with_p(pair.intercept_ml[0], pair.intercept_ml[1], 2)
            }),
            cell(row.r, 3),
            cell(row.icc, 3),
            row.limits_ml.map_or_else(String::new, |[bias, low, high]| {
                format!("{bias:.1} [{low:.1} to {high:.1}]")
            }),
        ]);
    }
    table
}

/// Tables 3 and 4 for people; the best of our figures in a column is marked.
pub(super) fn table_of_methods(title: &str, rows: &[MetricRow], theirs: &[PaperMethod]) -> Table {
    let columns = [
        "method",
        "n",
        "Dice",
        "95 % interval of Dice",
        "paper Dice",
        "precision",
        "paper precision",
        "recall",
        "paper recall",
        "F1 of means",
        "paper F1",
        "time, s",
        "paper time, s",
        "HD95, mm",
        "surface Dice, 2 mm",
        "volume error, mL",
        "lesion F1",
        "p of Dice (Holm)",
    ];
    let mut table = Table::new(title, columns);
    let methods: Vec<&String> =
        rows.iter().filter(|row| row.metric == "dice").map(|row| &row.method).collect();
    let find = |method: &str, metric: &str| {
        rows.iter().find(|row| row.method == method && row.metric == metric)
    };
    let mean = |method: &str, metric: &str| find(method, metric)?.found.map(|found| found.mean);
    let f1 = |method: &str| f1_of_means(mean(method, "precision")?, mean(method, "recall")?);
    let is_best = |method: &str, of: &dyn Fn(&str) -> Option<f64>, sign: f64| {
        let own = of(method).map(|value| sign * value);
        let best = methods.iter().filter_map(|method| of(method).map(|value| sign * value));
        methods.len() > 1 && own.is_some() && own == best.reduce(f64::max)
    };
    for method in &methods {
        let shown = |metric: &str, decimals: usize, sign: f64| {
            let found = find(method, metric).and_then(|row| row.found);
            let text = spread(found.map(|f| f.mean), found.and_then(|f| f.sd), decimals);
            let star = is_best(method, &|other: &str| mean(other, metric), sign);
            if star { format!("{text} ★") } else { text }
        };
        let paper = theirs.iter().find(|paper| paper.method == **method);
        let dice = find(method, "dice");
        let interval = dice.and_then(|row| row.interval).map_or_else(String::new, |ends| {
            format!("{} to {}", cell(Some(ends.lower), 2), cell(Some(ends.upper), 2))
        });
        let best_f1 = if is_best(method, &f1, 1.0) { " ★" } else { "" };
        table.push([
            (*method).clone(),
            dice.and_then(|row| row.found).map_or(0, |found| found.n).to_string(),
            shown("dice", 3, 1.0),
            interval,
            printed(paper.map(|p| p.dice), 2),
            shown("precision", 3, 1.0),
            printed(paper.map(|p| p.precision), 2),
            shown("recall", 3, 1.0),
            printed(paper.map(|p| p.recall), 2),
            format!("{}{best_f1}", cell(f1(method), 3)),
            cell(paper.map(|p| p.f1), 2),
            shown("time_s", 2, -1.0),
            printed(paper.map(|p| p.seconds), 2),
            shown("hd95_mm", 1, -1.0),
            shown("nsd_2mm", 2, 1.0),
            shown("volume_error_ml", 1, -1.0),
            shown("lesion_f1", 2, 1.0),
            cell(dice.and_then(|row| row.p), 3),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_one_has_no_spread_and_none_is_blank() {
        assert_eq!(spread(Some(0.5), Some(0.25), 2), "0.50 ± 0.25");
        assert_eq!([spread(Some(0.5), None, 2), spread(None, None, 2)], ["0.50", ""]);
    }
}
