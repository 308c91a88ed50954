//! Figures over cases, whole and by strata.

use haema_eval::{
    Bootstrap, Interval, LesionCounts, median_absolute_error_ml, relative_difference, roc_auc,
};
use haema_io::dataset::Subtype;

use super::reliability::reliability_of;
use super::{CaseScore, detection};
use crate::study::Table;
use crate::study::table::cell;

/// Seed of the bootstrap.
const SEED: u64 = 1;

/// A figure over cases, with its number of cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// What is counted.
    pub name: &'static str,
    /// Of how many cases.
    pub cases: usize,
    /// The figure, where it exists.
    pub value: Option<f64>,
    /// 95 % bootstrap interval by patient.
    pub interval: Option<Interval>,
}

/// A figure over some cases; none where it does not exist.
type Figure<'a> = &'a dyn Fn(&[&CaseScore]) -> Option<f64>;

/// The figure over cases, and how much it would change with other patients.
fn figure(name: &'static str, cases: &[&CaseScore], of: Figure<'_>) -> Summary {
    let patients: Vec<&str> = cases.iter().map(|case| case.row.patient.as_str()).collect();
    let drawn = |which: &[usize]| of(&which.iter().map(|&i| cases[i]).collect::<Vec<_>>());
    let interval = Bootstrap::new(SEED).interval(&patients, drawn);
    Summary { name, cases: cases.len(), value: of(cases), interval }
}

/// The mean over cases that have the figure.
fn mean_of(cases: &[&CaseScore], of: impl Fn(&CaseScore) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = cases.iter().filter_map(|case| of(case)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The median over cases that have the figure.
fn median_of(cases: &[&CaseScore], of: impl Fn(&CaseScore) -> Option<f64>) -> Option<f64> {
    // The distance of a figure of no less than 0 from 0.
    let values: Vec<(f64, f64)> = cases.iter().filter_map(|case| Some((of(case)?, 0.0))).collect();
    median_absolute_error_ml(&values)
}

fn absolute_part(case: &CaseScore) -> Option<f64> {
    relative_difference(case.row.found_ml, case.row.reference_ml).map(|part| 100.0 * part.abs())
}

fn auc(cases: &[&CaseScore], of: impl Fn(&CaseScore) -> f64) -> Option<f64> {
    let values: Vec<f64> = cases.iter().map(|case| of(case)).collect();
    let truth: Vec<bool> = cases.iter().map(|case| case.has_bleed()).collect();
    roc_auc(&values, &truth).ok().flatten()
}

/// Single bleeds of all cases together.
fn pooled(cases: &[&CaseScore]) -> LesionCounts {
    let mut all = LesionCounts::default();
    for case in cases {
        all.merge(case.lesions.clone());
    }
    all
}

/// The figures that a reader asks for first.
pub fn summarise(scores: &[CaseScore]) -> Vec<Summary> {
    let all: Vec<&CaseScore> = scores.iter().collect();
    let of = |least_ml: f64| -> Vec<&CaseScore> {
        scores.iter().filter(|s| s.has_bleed() && s.row.reference_ml >= least_ml).collect()
    };
    let (bleeds, from_5, from_10) = (of(0.0), of(5.0), of(10.0));
    let blanks: Vec<&CaseScore> = scores.iter().filter(|s| !s.has_bleed()).collect();
    let dice = |cases: &[&CaseScore]| mean_of(cases, |s| s.row.overlap.dice());
    vec![
        figure("mean Dice, cases with a bleed", &bleeds, &dice),
        figure("mean Dice, bleeds of 5 mL and more", &from_5, &dice),
        figure("mean Dice, bleeds of 10 mL and more", &from_10, &dice),
        figure("mean precision, cases with a bleed", &bleeds, &|c| {
            mean_of(c, |s| s.row.overlap.precision())
        }),
        figure("mean recall, cases with a bleed", &bleeds, &|c| {
            mean_of(c, |s| s.row.overlap.recall())
        }),
        figure("mean surface Dice at 2 mm, cases with a bleed", &bleeds, &|c| {
            mean_of(c, |s| s.row.surface_dice[2])
        }),
        figure("median HD95, cases where a bleed is found, mm", &bleeds, &|c| {
            median_of(c, |s| s.row.hd95_mm)
        }),
        figure("mean F1 over single bleeds, cases with a bleed", &bleeds, &|c| {
            mean_of(c, |s| s.lesions.f1())
        }),
        figure("share of single bleeds found", &bleeds, &|c| pooled(c).sensitivity()),
        figure("share of single bleeds below 1 mL found", &bleeds, &|c| {
            pooled(c).sensitivity_of([0.0, 1.0])
        }),
        figure("bleeds invented in a scan without one", &blanks, &|c| {
            mean_of(c, |s| Some(s.lesions.false_positive as f64))
        }),
        figure("share of scans without a bleed whose mask is empty", &blanks, &|c| {
            mean_of(c, |s| Some(f64::from(u8::from(s.row.found_ml <= 0.0))))
        }),
        figure("AUC of the case score", &all, &|c| auc(c, |s| s.score)),
        figure("AUC of the soft volume", &all, &|c| auc(c, |s| s.soft_ml)),
        figure("median absolute volume error, bleeds of 5 mL and more, mL", &from_5, &|c| {
            median_of(c, |s| Some((s.row.found_ml - s.row.reference_ml).abs()))
        }),
        figure("median absolute volume error, bleeds of 5 mL and more, %", &from_5, &|c| {
            median_of(c, absolute_part)
        }),
        figure("mean volume error, cases with a bleed, mL", &bleeds, &|c| {
            mean_of(c, |s| Some(s.row.found_ml - s.row.reference_ml))
        }),
    ]
}

/// The figures as a table.
fn summary_table(scores: &[CaseScore]) -> Table {
    let columns = ["figure", "cases", "value", "95 % interval (bootstrap by patient)"];
    let mut table = Table::new("Figures", columns);
    for row in summarise(scores) {
        table.push([
            row.name.to_owned(),
            row.cases.to_string(),
            row.value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.3}")),
            row.interval.map_or_else(String::new, |i| format!("{:.3} to {:.3}", i.lower, i.upper)),
        ]);
    }
    table
}

/// Borders of the strata by size, mL.
const SIZES_ML: [(&str, [f64; 2]); 5] = [
    ("below 1 mL", [0.0, 1.0]),
    ("1 to 5 mL", [1.0, 5.0]),
    ("5 to 10 mL", [5.0, 10.0]),
    ("10 to 30 mL", [10.0, 30.0]),
    ("30 mL and more", [30.0, f64::INFINITY]),
];

/// The same figures by size of the bleed and by its kind. A scan with several kinds is in the row of each.
pub(super) fn strata(scores: &[CaseScore]) -> Table {
    let columns = "by,stratum,cases,touched,dice,dice_lower,dice_upper,surface_dice_2,lesion_f1,\
                   volume_error_ml,absolute_volume_error_pct,score";
    let mut table = Table::new("Strata", columns.split(','));
    let mut add = |by: &str, name: &str, cases: &[&CaseScore]| {
        // Where there is no bleed, agreement would be 0 for any mark and undefined without one.
        let of_bleeds = |s: &CaseScore, value: Option<f64>| value.filter(|_| s.has_bleed());
        let dice = figure("dice", cases, &|c| mean_of(c, |s| of_bleeds(s, s.row.overlap.dice())));
        let touched = cases.iter().filter(|s| s.row.overlap.true_positive > 0).count();
        let figures = [
            (dice.value, 3),
            (dice.interval.map(|i| i.lower), 3),
            (dice.interval.map(|i| i.upper), 3),
            (mean_of(cases, |s| of_bleeds(s, s.row.surface_dice[2])), 3),
            (mean_of(cases, |s| of_bleeds(s, s.lesions.f1())), 3),
            (mean_of(cases, |s| Some(s.row.found_ml - s.row.reference_ml)), 2),
            (median_of(cases, absolute_part), 1),
            (mean_of(cases, |s| Some(s.score)), 3),
        ];
        let names = [by.to_owned(), name.to_owned(), cases.len().to_string(), touched.to_string()];
        table.push(names.into_iter().chain(figures.map(|(value, n)| cell(value, n))));
    };
    let blanks: Vec<&CaseScore> = scores.iter().filter(|s| !s.has_bleed()).collect();
    add("size", "no bleed", &blanks);
    for (name, [from_ml, below_ml]) in SIZES_ML {
        let is_here =
            |s: &&CaseScore| s.has_bleed() && (from_ml..below_ml).contains(&s.row.reference_ml);
        add("size", name, &scores.iter().filter(is_here).collect::<Vec<_>>());
    }
    for subtype in Subtype::ALL.map(Subtype::column) {
        let cases: Vec<&CaseScore> =
            scores.iter().filter(|s| s.has_bleed() && s.subtypes.contains(&subtype)).collect();
        if !cases.is_empty() {
            add("subtype", subtype, &cases);
        }
    }
    table
}

/// Every table as text: `summary.md`.
pub fn summary_markdown(scores: &[CaseScore]) -> String {
    let detectors = detection::detectors(scores);
    let calibration = reliability_of(scores);
    format!(
        "{}\n{}\nTouched: cases of whose bleed at least one voxel is in the mask. Dice with its 95 % interval \
         (bootstrap by patient); absolute volume error: median.\n\n{}\nThe fewest false alarms at each number of \
         scans whose bleed is noticed, with exact 95 % intervals. The threshold was chosen on these same \
         scans: elsewhere it does no better.\n\n{}\n{}\n",
        summary_table(scores).markdown(),
        strata(scores).markdown(),
        detection::operating_points(&detectors).markdown(),
        calibration.table().markdown(),
        calibration.sentence(),
    )
}
