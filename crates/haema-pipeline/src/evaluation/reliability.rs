//! Whether the chance of a bleed means what it says.

use haema_eval::{Proportion, Reliability};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::CaseScore;
use super::chart::Chart;
use crate::study::Table;
use crate::study::table::cell;

/// Bins of the diagram and of the error: more would hold too few cases each.
pub(crate) const BINS: usize = 10;
/// How often truths are drawn from the chances themselves.
const DRAWS: usize = 2000;

/// Chances of cases held against the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    is_of_chances: bool,
    reliability: Reliability,
    if_perfect: Option<f64>,
}

/// Holds the chances of cases against the truth; the scores where a model is not calibrated.
pub fn reliability_of(scores: &[CaseScore]) -> Calibrated {
    let chances: Option<Vec<f64>> = scores.iter().map(|case| case.chance).collect();
    let is_of_chances = chances.is_some() && !scores.is_empty();
    let chances = chances.unwrap_or_else(|| scores.iter().map(|case| case.score).collect());
    let truth: Vec<bool> = scores.iter().map(CaseScore::has_bleed).collect();
    let reliability = count(&chances, &truth);
    Calibrated { is_of_chances, reliability, if_perfect: error_if_perfect(&chances) }
}

/// Chances counted by their bins.
pub(crate) fn count(chances: &[f64], truth: &[bool]) -> Reliability {
    let mut reliability = Reliability::new(BINS);
    chances.iter().zip(truth).for_each(|(&chance, &is_so)| reliability.add(chance, is_so));
    reliability
}

/// The expected calibration error that chances as these would have on average if each were exactly right:
/// of few cases the bins are never even.
pub(crate) fn error_if_perfect(chances: &[f64]) -> Option<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let errors: Option<Vec<f64>> = (0..DRAWS)
        .map(|_| {
            let truth: Vec<bool> =
                chances.iter().map(|&chance| random.random::<f64>() < chance).collect();
            count(chances, &truth).expected_error()
        })
        .collect();
    errors.map(|errors| errors.iter().sum::<f64>() / DRAWS as f64)
}

impl Calibrated {
    /// Whether these are chances of a calibrated model, not its scores.
    pub fn is_calibrated(&self) -> bool {
        self.is_of_chances
    }

    /// Expected calibration error over ten bins; none without cases.
    pub fn expected_error(&self) -> Option<f64> {
        self.reliability.expected_error()
    }

    /// What it would be on average if each chance were right.
    pub fn expected_error_if_perfect(&self) -> Option<f64> {
        self.if_perfect
    }

    /// What is held against the truth.
    fn what(&self) -> &'static str {
        if self.is_of_chances { "chance of a bleed" } else { "score, not calibrated" }
    }

    /// A row for each bin with cases.
    pub(super) fn table(&self) -> Table {
        let columns = "from,to,cases,said,found,found_lower,found_upper";
        let title = format!("Calibration of the {}", self.what());
        let mut table = Table::new(&title, columns.split(','));
        for row in self.reliability.rows().iter().filter(|row| row.n > 0) {
            let interval = exact(row.n, row.found);
            let figures =
                [row.said, row.found, interval.map(|ends| ends[0]), interval.map(|ends| ends[1])];
            let head = row.range.map(|end| format!("{end:.1}"));
            let head = head.into_iter().chain([row.n.to_string()]);
            table.push(head.chain(figures.map(|figure| cell(figure, 3))));
        }
        table
    }

    /// The errors in words.
    pub(super) fn sentence(&self) -> String {
        let number = |value: Option<f64>| {
            value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.3}"))
        };
        format!(
            "Expected calibration error of the {} over {BINS} bins: {}. Perfect chances would show {} on \
             average with so many cases. Brier score: {}.",
            self.what(),
            number(self.expected_error()),
            number(self.if_perfect),
            number(self.reliability.brier()),
        )
    }

    /// The reliability diagram: what was found against what was said, with exact 95 % intervals.
    pub(super) fn svg(&self) -> String {
        let title = format!("Calibration of the {}", self.what());
        let mut chart = Chart::new(&title, ["said", "found"]);
        let n = self.reliability.n().max(1) as f64;
        for row in self.reliability.rows() {
            if let (Some(said), Some(found), Some(ends)) =
                (row.said, row.found, exact(row.n, row.found))
            {
                chart.point([said, found], ends, 3.0 + 9.0 * (row.n as f64 / n).sqrt());
            }
        }
        let error = self.expected_error().map_or_else(String::new, |error| {
            format!("expected calibration error {error:.3}, {n} cases")
        });
        chart.legend("first", &error);
        chart.svg()
    }
}

fn exact(n: u64, found: Option<f64>) -> Option<[f64; 2]> {
    Proportion { hits: (found? * n as f64).round() as u64, n }.exact(0.95)
}
