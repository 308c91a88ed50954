//! The tables as a reader of the paper knows them: one line for each pair or method, ours and the paper's
//! figures side by side.

use haema_eval::f1_of_means;

use super::paper::{self, PaperMethod, Printed};
use super::table::{Table, cell, p_value};
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
        let value = cell(Some(value), decimals);
        if p.is_finite() { format!("{value} ({})", p_value(Some(p), 3)) } else { value }
    };
    for row in agreements {
        let theirs = paper::TABLE_2.iter().find(|pair| pair.raters[..] == row.raters[..]);
        let found = haema_eval::describe(&row.kappas, haema_eval::Divisor::Sample);
        let interval = row.kappa.map_or_else(String::new, |kappa| {
            // Student's interval knows no ends; κ does.
            let [low, high] = kappa.interval(0.95).map(|end| end.clamp(-1.0, 1.0));
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
                let [bias, low, high] = [bias, low, high].map(|ml| cell(Some(ml), 1));
                format!("{bias} [{low} to {high}]")
            }),
        ]);
    }
    table
}

/// Metrics of methods, and the best of each.
struct Methods<'a> {
    rows: &'a [MetricRow],
    names: Vec<&'a String>,
}

impl<'a> Methods<'a> {
    fn of(rows: &'a [MetricRow]) -> Self {
        let names = rows.iter().filter(|row| row.metric == "dice").map(|row| &row.method).collect();
        Self { rows, names }
    }

    fn find(&self, method: &str, metric: &str) -> Option<&MetricRow> {
        self.rows.iter().find(|row| row.method == method && row.metric == metric)
    }

    fn mean(&self, method: &str, metric: &str) -> Option<f64> {
        self.find(method, metric)?.found.map(|found| found.mean)
    }

    fn f1(&self, method: &str) -> Option<f64> {
        f1_of_means(self.mean(method, "precision")?, self.mean(method, "recall")?)
    }

    /// A mark on the best; none where all are alike.
    fn star(&self, method: &str, of: impl Fn(&str) -> Option<f64>) -> &'static str {
        let own = of(method);
        let all: Vec<f64> = self.names.iter().filter_map(|name| of(name)).collect();
        let is_best = own.is_some_and(|own| all.iter().all(|&other| other <= own));
        let is_alone = own.is_some_and(|own| all.iter().any(|&other| other < own));
        if is_best && is_alone { " ★" } else { "" }
    }

    /// Mean and spread of a metric.
    ///
    /// * `sign` — −1 where less is better.
    fn shown(&self, method: &str, metric: &str, decimals: usize, sign: f64) -> String {
        let found = self.find(method, metric).and_then(|row| row.found);
        let text = spread(found.map(|f| f.mean), found.and_then(|f| f.sd), decimals);
        let star = self.star(method, |other| self.mean(other, metric).map(|mean| sign * mean));
        text + star
    }
}

/// Tables 3 and 4 for people: the paper's columns, then what the paper does not show. The best of our
/// figures in a column is marked.
pub(super) fn tables_of_methods(
    title: &str,
    rows: &[MetricRow],
    theirs: &[PaperMethod],
) -> [Table; 2] {
    let columns = [
        "method",
        "n",
        "Dice",
        "95 % interval",
        "paper Dice",
        "precision",
        "paper precision",
        "recall",
        "paper recall",
        "F1 of means",
        "paper F1",
        "time, s",
        "paper time, s",
    ];
    let mut first = Table::new(title, columns);
    let columns = [
        "method",
        "median Dice",
        "p of Dice (Holm)",
        "HD95, mm",
        "surface Dice, 2 mm",
        "volume error, mL",
        "lesion F1",
    ];
    let mut second = Table::new(&format!("{title}: beyond the paper"), columns);
    let methods = Methods::of(rows);
    for name in &methods.names {
        let shown =
            |metric: &str, decimals: usize, sign: f64| methods.shown(name, metric, decimals, sign);
        let paper = theirs.iter().find(|paper| paper.method == **name);
        let dice = methods.find(name, "dice");
        let interval = dice.and_then(|row| row.interval).map_or_else(String::new, |ends| {
            format!("{} to {}", cell(Some(ends.lower), 2), cell(Some(ends.upper), 2))
        });
        let found = dice.and_then(|row| row.found);
        let f1 = cell(methods.f1(name), 2) + methods.star(name, |other| methods.f1(other));
        first.push([
            (*name).clone(),
            found.map_or(0, |found| found.n).to_string(),
            shown("dice", 2, 1.0),
            interval,
            printed(paper.map(|p| p.dice), 2),
            shown("precision", 2, 1.0),
            printed(paper.and_then(|p| p.precision), 2),
            shown("recall", 2, 1.0),
            printed(paper.and_then(|p| p.recall), 2),
            f1,
            cell(paper.and_then(|p| p.f1), 2),
            shown("time_s", 2, -1.0),
            printed(paper.map(|p| p.seconds), 2),
        ]);
        second.push([
            (*name).clone(),
            cell(found.map(|found| found.median), 2),
            p_value(dice.and_then(|row| row.p), 3),
            shown("hd95_mm", 1, -1.0),
            shown("nsd_2mm", 2, 1.0),
            shown("volume_error_ml", 1, -1.0),
            shown("lesion_f1", 2, 1.0),
        ]);
    }
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_one_has_no_spread_and_none_is_blank() {
        assert_eq!(spread(Some(0.5), Some(0.25), 2), "0.50 ± 0.25");
        assert_eq!([spread(Some(0.5), None, 2), spread(None, None, 2)], ["0.50", ""]);
    }

    #[test]
    fn the_best_is_marked_unless_all_are_alike() {
        let row = |method: &str, metric, mean: f64| MetricRow {
            method: method.to_owned(),
            metric,
            found: haema_eval::describe(&[mean, mean], haema_eval::Divisor::Sample),
            interval: None,
            undefined: 0,
            p: None,
        };
        let rows = [
            row("a", "dice", 0.5),
            row("b", "dice", 0.7),
            row("a", "recall", 0.0),
            row("b", "recall", 0.0),
            row("a", "time_s", 1.0),
            row("b", "time_s", 2.0),
        ];

        let [table, more] = tables_of_methods("Table", &rows, &[]);

        let get = |row: usize, column: &str| table.get(row, column).unwrap().to_owned();
        assert_eq!([get(0, "Dice"), get(1, "Dice")], ["0.50 ± 0.00", "0.70 ± 0.00 ★"]);
        assert_eq!([get(0, "recall"), get(1, "recall")], ["0.00 ± 0.00", "0.00 ± 0.00"]);
        assert_eq!([get(0, "time, s"), get(1, "time, s")], ["1.00 ± 0.00 ★", "2.00 ± 0.00"]);
        assert_eq!(more.get(1, "median Dice"), Some("0.70"));
    }
}
