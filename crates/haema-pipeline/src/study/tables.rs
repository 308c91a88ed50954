//! The paper's tables, from the master table.

use std::collections::BTreeMap;

use haema_eval::{
    Bootstrap, Description, Disagreement, Divisor, Estimate, Exchange, ExchangeTest, Icc, IccForm,
    Interval, Line, MannWhitney, Zeros, bland_altman, describe, disagreement, f1_of_means, holm,
    least_squares, mann_whitney, mean_estimate, pearson, wilcoxon,
};

use super::CaseRow;
use super::paper::{self, PaperMethod};
use super::table::{Table, cell, p_value};

/// Seed of the bootstrap and of exchanges.
const SEED: u64 = 1;
/// A method is no worse than experts where its κ with them is at most this much below theirs.
pub const MARGIN: f64 = 0.05;

/// Agreement of two raters over all cases that both drew: a row of Table 2.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The two raters: `x` and `y` of the line.
    pub raters: [String; 2],
    /// κ of each case.
    pub kappas: Vec<f64>,
    /// Mean κ with its interval over cases; `None` of one case.
    pub kappa: Option<Estimate>,
    /// The line of the second rater's volumes on the first's; `None` of fewer than three cases.
    pub line: Option<Line>,
    /// Pearson's correlation of volumes.
    pub r: Option<f64>,
    /// Agreement of single volumes, ICC(2,1).
    pub icc: Option<f64>,
    /// Bias of the second less the first, and the limits of agreement, mL.
    pub limits_ml: Option<[f64; 3]>,
    /// Disagreement of volumes.
    pub disagreement: Option<Disagreement>,
}

impl Agreement {
    /// Gathers what two raters drew; `None` where no case has both.
    pub fn of(rows: &[CaseRow], first: &str, second: &str) -> Option<Self> {
        let both: Vec<&CaseRow> =
            rows.iter().filter(|row| row.reference == first && row.method == second).collect();
        let kappas: Vec<f64> = both.iter().map(|row| row.kappa()).collect();
        let x: Vec<f64> = both.iter().map(|row| row.reference_ml).collect();
        let y: Vec<f64> = both.iter().map(|row| row.found_ml).collect();
        let subjects: Vec<Vec<f64>> = x.iter().zip(&y).map(|(x, y)| vec![*x, *y]).collect();
        let limits = bland_altman(&y, &x);
        (!both.is_empty()).then(|| Self {
            raters: [first.to_owned(), second.to_owned()],
            kappa: mean_estimate(&kappas),
            kappas,
            line: least_squares(&x, &y),
            r: pearson(&x, &y).map(|found| found.r),
            icc: Icc::of(&subjects).map(|icc| icc.value(IccForm::AgreementSingle)),
            limits_ml: limits
                .map(|found| [found.bias.value, found.limits[0].value, found.limits[1].value]),
            disagreement: disagreement(&x, &y),
        })
    }
}

/// Table 2: a row for each pair of raters that shares a case, the paper's beside it where its raters have
/// the same names (`E1`, `E2`, `E3`, `M`).
pub fn table_2(agreements: &[Agreement]) -> Table {
    let columns = "rater_a,rater_b,n,kappa_mean,kappa_sd,kappa_lo,kappa_hi,beta,p_beta,alpha_ml,\
                   p_alpha,r,icc21,ba_bias_ml,ba_lo_ml,ba_hi_ml,paper_kappa,paper_kappa_sd,paper_beta,\
                   paper_p_beta,paper_alpha_ml,paper_p_alpha";
    let mut table = Table::new("Table 2. Agreement of raters", columns.split(','));
    for row in agreements {
        let found = describe(&row.kappas, Divisor::Sample);
        let interval = row.kappa.map(|kappa| kappa.interval(0.95));
        let printed = paper::TABLE_2.iter().find(|paper| paper.raters[..] == row.raters[..]);
        let ends = |i: usize| cell(interval.map(|ends| ends[i]), 3);
        let limits = |i: usize| cell(row.limits_ml.map(|ml| ml[i]), 2);
        let figures = [
            cell(found.map(|f| f.mean), 3),
            cell(found.and_then(|f| f.sd), 3),
            ends(0),
            ends(1),
            cell(row.line.map(|line| line.slope.value), 3),
            p_value(row.line.map(|line| line.slope.p_different(0.0)), 3),
            cell(row.line.map(|line| line.intercept.value), 2),
            p_value(row.line.map(|line| line.intercept.p_different(0.0)), 3),
            cell(row.r, 4),
            cell(row.icc, 4),
            limits(0),
            limits(1),
            limits(2),
            cell(printed.map(|p| p.kappa[0]), 2),
            cell(printed.map(|p| p.kappa[1]), 2),
            cell(printed.map(|p| p.slope[0]), 2),
            p_value(printed.map(|p| p.slope[1]), 3),
            cell(printed.map(|p| p.intercept_ml[0]), 2),
            p_value(printed.map(|p| p.intercept_ml[1]), 3),
        ];
        let names = row.raters.iter().cloned().chain([row.kappas.len().to_string()]);
        table.push(names.chain(figures));
    }
    table
}

/// Whether a method agrees with experts as they agree with each other.
#[derive(Debug, Clone, PartialEq)]
pub struct AmongExperts {
    /// Mean and spread of the pairs' mean κ: between experts, and of the method with each.
    pub pairs: [Description; 2],
    /// Size of the signed disagreement of volumes, likewise.
    pub disagreement: [Option<Description>; 2],
    /// All κ between experts against all of the method, as the paper tests them. They are not independent.
    pub ranks: Option<MannWhitney>,
    /// Of each case the mean κ of the method with experts less that between experts.
    pub difference: Option<Estimate>,
    /// Two-sided p of that difference by signed ranks.
    pub signed_ranks: Option<f64>,
    /// The same by taking each expert for the method in turn, case by case.
    pub exchange: Option<ExchangeTest>,
}

/// Compares a method with experts, over the cases that all of them drew; `None` where a pair shares none.
///
/// * `experts` — two or more; rows have the earlier of two as reference, and the method as method.
pub fn among_experts(rows: &[CaseRow], experts: &[&str], method: &str) -> Option<AmongExperts> {
    let everyone: Vec<&str> = experts.iter().copied().chain([method]).collect();
    let mut of_experts = vec![];
    let mut of_method = vec![];
    for (i, first) in everyone.iter().enumerate() {
        for second in &everyone[i + 1..] {
            let pair = Agreement::of(rows, first, second)?;
            if *second == method { of_method.push(pair) } else { of_experts.push(pair) }
        }
    }
    let groups = [&of_experts, &of_method];
    let all =
        |pairs: &[Agreement]| -> Vec<f64> { pairs.iter().flat_map(|p| p.kappas.clone()).collect() };
    let means = |pairs: &[Agreement]| -> Option<Description> {
        let means: Option<Vec<f64>> =
            pairs.iter().map(|p| Some(describe(&p.kappas, Divisor::Sample)?.mean)).collect();
        describe(&means?, Divisor::Sample)
    };
    let sizes = |pairs: &[Agreement]| -> Option<Description> {
        let sizes: Option<Vec<f64>> =
            pairs.iter().map(|p| p.disagreement.map(|d| d.signed.abs())).collect();
        describe(&sizes?, Divisor::Sample)
    };
    let ways = exchanges(rows, &everyone);
    let differences: Vec<f64> = ways.iter().map(|ways| ways[0]).collect();
    Some(AmongExperts {
        pairs: [means(groups[0])?, means(groups[1])?],
        disagreement: groups.map(|pairs| sizes(pairs)),
        ranks: mann_whitney(&all(&of_experts), &all(&of_method)),
        difference: mean_estimate(&differences),
        signed_ranks: wilcoxon(&differences, Zeros::Dropped)
            .map(|test| test.p_exact.unwrap_or(test.p_asymptotic)),
        exchange: Exchange::new(SEED).test(&ways),
    })
}

/// For each case that everybody drew: mean κ of one rater with the others less that among the others, the
/// last of them first, then each in turn.
fn exchanges(rows: &[CaseRow], everyone: &[&str]) -> Vec<Vec<f64>> {
    let place = |name: &str| everyone.iter().position(|other| *other == name);
    let mut cases: BTreeMap<&str, BTreeMap<(usize, usize), f64>> = BTreeMap::new();
    for row in rows {
        if let (Some(a), Some(b)) = (place(&row.reference), place(&row.method)) {
            cases.entry(&row.case).or_default().insert((a.min(b), a.max(b)), row.kappa());
        }
    }
    let count = everyone.len();
    let is_whole = |pairs: &&BTreeMap<_, _>| pairs.len() == count * (count - 1) / 2;
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let without = |pairs: &BTreeMap<(usize, usize), f64>, one: usize| {
        let (own, others): (Vec<_>, Vec<_>) =
            pairs.iter().partition(|((a, b), _)| *a == one || *b == one);
        let kappas = |pairs: Vec<(&(usize, usize), &f64)>| pairs.iter().map(|(_, k)| **k).collect();
        mean(kappas(own)) - mean(kappas(others))
    };
    let order = || std::iter::once(count - 1).chain(0..count - 1);
    cases.values().filter(is_whole).map(|p| order().map(|one| without(p, one)).collect()).collect()
}

/// The paragraph on experts and method as a table.
pub fn text_on_experts(found: &AmongExperts) -> Table {
    let columns = ["statistic", "value", "sd", "p", "paper_value", "paper_sd"];
    let mut table = Table::new("Method among experts", columns);
    let mut push = |name: &str, figures: [Option<f64>; 3], printed: Option<paper::Printed>| {
        let printed = [printed.map(|p| p[0]), printed.map(|p| p[1])];
        let [value, sd, p] = figures;
        let own = [cell(value, 4), cell(sd, 4), p_value(p, 4)];
        let cells = own.into_iter().chain(printed.map(|f| cell(f, 2)));
        table.push(std::iter::once(name.to_owned()).chain(cells));
    };
    let who = ["between experts", "of the method with experts"];
    for ((who, pairs), printed) in who.into_iter().zip(found.pairs).zip(paper::KAPPA_OF_PAIRS) {
        push(&format!("κ {who}"), [Some(pairs.mean), pairs.sd, None], Some(printed));
    }
    for ((who, parts), printed) in who.into_iter().zip(found.disagreement).zip(paper::DISAGREEMENT)
    {
        let figures = [parts.map(|d| d.mean), parts.and_then(|d| d.sd), None];
        push(&format!("disagreement of volumes {who}"), figures, Some(printed));
    }
    let ranks = found.ranks;
    push(
        "Mann–Whitney U, asymptotic",
        [ranks.map(|r| r.u), None, ranks.map(|r| r.p_asymptotic)],
        None,
    );
    push("Mann–Whitney U, exact", [ranks.map(|r| r.u), None, ranks.and_then(|r| r.p_exact)], None);
    let apart = found.difference;
    let value = apart.map(|d| d.value);
    push("difference of κ, signed ranks", [value, None, found.signed_ranks], None);
    push("difference of κ, exchanged labels", [value, None, found.exchange.map(|e| e.p)], None);
    push("κ no worse than by 0.05", [value, None, apart.map(|d| d.p_above(-MARGIN))], None);
    push("κ the same to 0.05", [value, None, apart.map(|d| d.p_equivalent(MARGIN))], None);
    table
}

/// A metric of a method over cases.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The method.
    pub method: String,
    /// The metric.
    pub metric: &'static str,
    /// Over the cases where it exists; `None` where it exists in none.
    pub found: Option<Description>,
    /// 95 % interval of the mean, by a bootstrap over patients.
    pub interval: Option<Interval>,
    /// Cases where it does not exist.
    pub undefined: usize,
    /// Two-sided p, by signed ranks over the cases of both, against the method compared with; adjusted by
    /// Holm for the number of other methods.
    pub p: Option<f64>,
}

/// A column of Table 3 and what it is of a case.
type Metric = (&'static str, fn(&CaseRow) -> Option<f64>);

/// What Tables 3 and 4 show of each method, and more.
const METRICS: [Metric; 8] = [
    ("dice", |row| row.overlap.dice()),
    ("precision", CaseRow::precision),
    ("recall", |row| row.overlap.recall()),
    ("hd95_mm", |row| row.hd95_mm),
    ("nsd_2mm", |row| row.surface_dice[2]),
    ("volume_error_ml", |row| Some((row.found_ml - row.reference_ml).abs())),
    ("lesion_f1", |row| row.lesion_f1),
    ("time_s", |row| row.seconds),
];

/// Metrics of methods against one reference, over the cases that have a bleed in it.
///
/// * `compared_with` — the method that the others are tested against.
pub fn metrics(
    rows: &[CaseRow],
    reference: &str,
    methods: &[&str],
    compared_with: &str,
) -> Vec<MetricRow> {
    let of = |method: &str| -> Vec<&CaseRow> {
        let is_own = |row: &&CaseRow| row.reference == reference && row.method == method;
        rows.iter().filter(is_own).filter(|row| row.reference_ml > 0.0).collect()
    };
    let best = of(compared_with);
    let mut found = vec![];
    for (name, metric) in METRICS {
        let first = found.len();
        for method in methods {
            let own = of(method);
            let p = if *method == compared_with { None } else { paired_p(&own, &best, metric) };
            found.push(MetricRow { p, ..metric_row(method, name, &own, metric) });
        }
        let adjusted: Vec<f64> =
            found[first..].iter().map(|row| row.p.unwrap_or(f64::NAN)).collect();
        for (row, p) in found[first..].iter_mut().zip(holm(&adjusted)) {
            row.p = row.p.map(|_| p);
        }
    }
    found
}

fn metric_row(
    method: &str,
    name: &'static str,
    own: &[&CaseRow],
    metric: fn(&CaseRow) -> Option<f64>,
) -> MetricRow {
    let defined: Vec<(f64, &str)> =
        own.iter().filter_map(|row| Some((metric(row)?, row.patient.as_str()))).collect();
    let values: Vec<f64> = defined.iter().map(|(value, _)| *value).collect();
    let patients: Vec<&str> = defined.iter().map(|(_, patient)| *patient).collect();
    let mean =
        |cases: &[usize]| Some(cases.iter().map(|&i| values[i]).sum::<f64>() / cases.len() as f64);
    MetricRow {
        method: method.to_owned(),
        metric: name,
        found: describe(&values, Divisor::Sample),
        interval: Bootstrap::new(SEED).interval(&patients, mean),
        undefined: own.len() - values.len(),
        p: None,
    }
}

/// Signed ranks over the cases where both have the metric.
fn paired_p(
    own: &[&CaseRow],
    others: &[&CaseRow],
    metric: fn(&CaseRow) -> Option<f64>,
) -> Option<f64> {
    let theirs: BTreeMap<&str, f64> =
        others.iter().filter_map(|row| Some((row.case.as_str(), metric(row)?))).collect();
    let differences: Vec<f64> =
        own.iter().filter_map(|row| Some(metric(row)? - theirs.get(row.case.as_str())?)).collect();
    wilcoxon(&differences, Zeros::Dropped).map(|test| test.p_exact.unwrap_or(test.p_asymptotic))
}

/// Tables 3 and 4: a row for each method and metric, the paper's beside it. `f1_of_means` is the paper's
/// column F1: the harmonic mean of the mean precision and the mean recall, not a mean over cases.
pub fn table_of_methods(title: &str, rows: &[MetricRow], printed: &[PaperMethod]) -> Table {
    let columns = "method,metric,mean,sd,ci_lo,ci_hi,median,q1,q3,n,n_undefined,p_holm,paper_value,\
                   paper_sd";
    let mut table = Table::new(title, columns.split(','));
    for row in rows {
        let paper = printed.iter().find(|paper| paper.method == row.method);
        let paper = paper.and_then(|paper| match row.metric {
            "dice" => Some(paper.dice),
            "precision" => paper.precision,
            "recall" => paper.recall,
            "time_s" => Some(paper.seconds),
            _ => None,
        });
        let found = row.found;
        let figures = [
            found.map(|f| f.mean),
            found.and_then(|f| f.sd),
            row.interval.map(|ends| ends.lower),
            row.interval.map(|ends| ends.upper),
            found.map(|f| f.median),
            found.map(|f| f.quartiles[0]),
            found.map(|f| f.quartiles[1]),
        ];
        let counts = [found.map_or(0, |f| f.n), row.undefined].map(|count| count.to_string());
        let names = [row.method.clone(), row.metric.to_owned()];
        let last = [p_value(row.p, 4), cell(paper.map(|p| p[0]), 2), cell(paper.map(|p| p[1]), 2)];
        table.push(names.into_iter().chain(figures.map(|f| cell(f, 3))).chain(counts).chain(last));
    }
    for method in rows.iter().filter(|row| row.metric == "dice").map(|row| &row.method) {
        let mean = |metric: &str| {
            let row = rows.iter().find(|row| row.method == *method && row.metric == metric)?;
            row.found.map(|found| found.mean)
        };
        let f1 = mean("precision").zip(mean("recall")).and_then(|(p, r)| f1_of_means(p, r));
        let paper = printed.iter().find(|paper| paper.method == *method).and_then(|paper| paper.f1);
        let names = [method.clone(), "f1_of_means".to_owned(), cell(f1, 3)];
        let blank = std::iter::repeat_n(String::new(), 9);
        table.push(names.into_iter().chain(blank).chain([cell(paper, 2)]));
    }
    table
}

/// Table 5: hyper-parameters of a run beside the paper's.
///
/// * `ours` — by the names of [`paper::TABLE_5`]; others follow below.
pub fn table_5(ours: &[(&str, f64)]) -> Table {
    let mut table = Table::new("Table 5. Hyper-parameters", ["parameter", "value", "paper_value"]);
    let own = |name: &str| ours.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for (name, printed) in paper::TABLE_5 {
        table.push([name.to_owned(), text(own(name)), printed.to_string()]);
    }
    for (name, value) in ours {
        if !paper::TABLE_5.iter().any(|(printed, _)| printed == name) {
            table.push([(*name).to_owned(), value.to_string()]);
        }
    }
    table
}
