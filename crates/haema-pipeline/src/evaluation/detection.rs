//! Telling scans with a bleed from those without: curves and operating points.

use haema_eval::{OperatingPoint, Proportion, operating_point, roc_auc_estimate, roc_curve};

use super::CaseScore;
use super::chart::{Chart, Style};
use crate::study::Table;
use crate::study::table::cell;

/// A figure of a scan by which it is told to have a bleed.
pub(super) struct Detector {
    name: &'static str,
    values: Vec<f64>,
    has_bleed: Vec<bool>,
    /// From the strictest to the laxest; empty where there is no curve.
    curve: Vec<OperatingPoint>,
}

/// The case score and the soft volume.
pub(super) fn detectors(scores: &[CaseScore]) -> Vec<Detector> {
    let of = |name, value: fn(&CaseScore) -> f64| {
        let values: Vec<f64> = scores.iter().map(value).collect();
        let has_bleed: Vec<bool> = scores.iter().map(CaseScore::has_bleed).collect();
        let curve = roc_curve(&values, &has_bleed).unwrap_or_default();
        Detector { name, values, has_bleed, curve }
    };
    vec![of("case score", |s| s.score), of("soft volume, mL", |s| s.soft_ml)]
}

/// Share, and its exact interval.
fn shares(found: Proportion) -> [String; 3] {
    let interval = found.exact(0.95);
    [
        cell(found.value(), 3),
        cell(interval.map(|ends| ends[0]), 3),
        cell(interval.map(|ends| ends[1]), 3),
    ]
}

/// Every point of every curve.
pub(super) fn roc_table(detectors: &[Detector]) -> Table {
    let columns = "by,threshold,noticed,of_bleeds,sensitivity,sensitivity_lower,sensitivity_upper,\
                   false_alarms,of_blanks,specificity,specificity_lower,specificity_upper";
    let mut table = Table::new("ROC", columns.split(','));
    for detector in detectors {
        for point in &detector.curve {
            let OperatingPoint { threshold, sensitivity, specificity } = *point;
            let head = [
                detector.name.to_owned(),
                // A threshold that no case reaches has no number.
                if threshold.is_finite() { format!("{threshold:.6}") } else { "inf".to_owned() },
                sensitivity.hits.to_string(),
                sensitivity.n.to_string(),
            ];
            let alarms =
                [(specificity.n - specificity.hits).to_string(), specificity.n.to_string()];
            table.push(
                head.into_iter()
                    .chain(shares(sensitivity))
                    .chain(alarms)
                    .chain(shares(specificity)),
            );
        }
    }
    table
}

/// Down to this share of the bleeds, operating points are shown.
const LEAST_SENSITIVITY: f64 = 0.8;
/// The threshold of a score that nobody chose.
const PLAIN_THRESHOLD: f64 = 0.5;

/// For each number of bleeds that may be missed the fewest false alarms; and the score at one half.
pub(super) fn operating_points(detectors: &[Detector]) -> Table {
    let columns = "by,threshold,noticed,sensitivity_lower,sensitivity_upper,false_alarms,\
                   false_alarm_lower,false_alarm_upper";
    let mut table = Table::new("Operating points", columns.split(','));
    let mut add = |name: &str, point: OperatingPoint| {
        let OperatingPoint { threshold, sensitivity, specificity } = point;
        let alarms = Proportion { hits: specificity.n - specificity.hits, n: specificity.n };
        let count = |share: Proportion| format!("{} of {}", share.hits, share.n);
        let [_, sensitivity_low, sensitivity_high] = shares(sensitivity);
        let [_, alarm_low, alarm_high] = shares(alarms);
        table.push([
            name.to_owned(),
            format!("{threshold:.4}"),
            count(sensitivity),
            sensitivity_low,
            sensitivity_high,
            count(alarms),
            alarm_low,
            alarm_high,
        ]);
    };
    for (i, detector) in detectors.iter().enumerate() {
        let Some(last) = detector.curve.last() else { continue };
        let bleeds = last.sensitivity.n;
        let least = (LEAST_SENSITIVITY * bleeds as f64).ceil() as u64;
        for noticed in (least.max(1)..=bleeds).rev() {
            // The strictest threshold that notices so many has the fewest false alarms.
            let point = detector.curve.iter().find(|point| point.sensitivity.hits >= noticed);
            if let Some(point) = point.filter(|point| point.sensitivity.hits == noticed) {
                add(detector.name, *point);
            }
        }
        if i == 0
            && let Ok(point) =
                operating_point(&detector.values, &detector.has_bleed, PLAIN_THRESHOLD)
        {
            add("case score, one half", point);
        }
    }
    table
}

/// The curves.
pub(super) fn roc_svg(detectors: &[Detector]) -> String {
    let mut chart = Chart::new(
        "Scans with a bleed told from those without",
        ["false alarms, share of scans without a bleed", "bleeds noticed, share"],
    );
    for (detector, style) in detectors.iter().zip([Style::First, Style::Second]) {
        let mut points = Vec::new();
        for point in &detector.curve {
            let (Some(found), Some(left)) = (point.sensitivity.value(), point.specificity.value())
            else {
                continue;
            };
            // Ties go straight from one point to the next.
            points.push([1.0 - left, found]);
        }
        let auc = roc_auc_estimate(&detector.values, &detector.has_bleed).ok().flatten();
        let legend = match auc {
            Some(auc) => {
                let [low, high] = auc.interval(0.95).map(|end| end.clamp(0.0, 1.0));
                format!("{}: AUC {:.3} ({low:.3} to {high:.3})", detector.name, auc.value)
            }
            None => format!("{}: no AUC", detector.name),
        };
        chart.curve(&points, style, &legend);
    }
    chart.svg()
}
