//! Which rule makes the best mask from the probabilities, and what that choice is worth elsewhere.

use std::fmt::Write as _;

use haema_eval::median_absolute_error_ml;
use haema_methods::MaskRule;
use haema_volume::{Components, Connectivity, Grid, Volume};

use crate::study::Table;
use crate::study::table::cell;

/// Thresholds that are tried.
const THRESHOLDS: [f32; 6] = [0.2, 0.25, 0.3, 0.4, 0.5, 0.6];
/// Seed thresholds that are tried beside each threshold itself.
const SEED_THRESHOLDS: [f32; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/// Bleeds of which the volume is judged, mL.
const SIZEABLE_ML: f64 = 5.0;

/// Every rule that is tried.
fn rules() -> impl Iterator<Item = MaskRule> {
    THRESHOLDS.into_iter().flat_map(|threshold| {
        let seeds = SEED_THRESHOLDS.into_iter().filter(move |&seed| seed > threshold);
        std::iter::once(threshold)
            .chain(seeds)
            .map(move |seed_threshold| MaskRule { threshold, seed_threshold })
    })
}

/// A case under one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Outcome {
    /// Voxels of the mask.
    found: u64,
    /// Voxels of the mask inside the bleed.
    right: u64,
    found_ml: f64,
}

/// A case under every rule, in the order of [`rules`].
#[derive(Debug, Clone)]
struct Tried {
    patient: String,
    /// Voxels of the bleed.
    wanted: u64,
    wanted_ml: f64,
    outcomes: Vec<Outcome>,
}

impl Tried {
    /// Dice, where a scan without a bleed has 1 if nothing is marked and 0 if anything is.
    fn agreement(&self, rule: usize) -> f64 {
        let Outcome { found, right, .. } = self.outcomes[rule];
        if found + self.wanted == 0 {
            1.0
        } else {
            2.0 * right as f64 / (found + self.wanted) as f64
        }
    }
}

/// A connected part above a threshold.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    highest: f32,
    outcome: Outcome,
}

/// The parts above a threshold, with what each would add to the mask.
fn parts(
    probability: &Volume<f32>,
    reference: &Volume<u8>,
    grid: &Grid,
    threshold: f32,
) -> Vec<Part> {
    let labelled =
        Components::of(&MaskRule::above(threshold).mask(probability), Connectivity::Corners);
    let mut parts = vec![Part::default(); labelled.voxel_counts().len()];
    for z in 0..grid.size()[0] {
        let voxel_ml = grid.voxel_volume_mm3(z) / 1000.0;
        let voxels = probability.plane(z).iter().zip(reference.plane(z));
        for (&label, (&p, &reference)) in labelled.labels().plane(z).iter().zip(voxels) {
            let Some(index) = (label as usize).checked_sub(1) else { continue };
            let Part { highest, outcome } = &mut parts[index];
            *highest = highest.max(p);
            outcome.found += 1;
            outcome.right += u64::from(reference != 0);
            outcome.found_ml += voxel_ml;
        }
    }
    parts
}

/// Cases under every rule.
#[derive(Debug, Default)]
pub(super) struct MaskRules {
    cases: Vec<Tried>,
}

/// A rule, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    /// The rule of the best mean agreement over all cases.
    pub(super) rule: MaskRule,
    /// That mean.
    pub(super) agreement: f64,
    /// The mean where each patient's rule is chosen on all others.
    pub(super) left_out: f64,
}

impl MaskRules {
    /// Tries every rule on a case.
    pub(super) fn add(
        &mut self,
        patient: &str,
        probability: &Volume<f32>,
        reference: &Volume<u8>,
        grid: &Grid,
    ) {
        let (mut wanted, mut wanted_ml) = (0, 0.0);
        for z in 0..grid.size()[0] {
            let inside = reference.plane(z).iter().filter(|&&voxel| voxel != 0).count();
            wanted += inside as u64;
            wanted_ml += inside as f64 * grid.voxel_volume_mm3(z) / 1000.0;
        }
        let by_threshold = THRESHOLDS.map(|t| (t, parts(probability, reference, grid, t)));
        let outcome = |rule: MaskRule| {
            let of = by_threshold.iter().find(|(threshold, _)| *threshold == rule.threshold);
            let (_, parts) = of.expect("every rule's threshold is one of the list");
            let sure = parts.iter().filter(|part| part.highest > rule.seed_threshold);
            sure.fold(Outcome::default(), |sum, Part { outcome, .. }| Outcome {
                found: sum.found + outcome.found,
                right: sum.right + outcome.right,
                found_ml: sum.found_ml + outcome.found_ml,
            })
        };
        let outcomes = rules().map(outcome).collect();
        self.cases.push(Tried { patient: patient.to_owned(), wanted, wanted_ml, outcomes });
    }

    /// The best rule, and how well it does on patients that did not choose it; none without cases.
    pub(super) fn choice(&self) -> Option<Choice> {
        let all: Vec<&Tried> = self.cases.iter().collect();
        let (best, agreement) = best_of(&all)?;
        let left_out = self.cases.iter().map(|case| {
            let others: Vec<&Tried> =
                self.cases.iter().filter(|other| other.patient != case.patient).collect();
            Some(case.agreement(best_of(&others)?.0))
        });
        let left_out: Option<Vec<f64>> = left_out.collect();
        Some(Choice { rule: rules().nth(best)?, agreement, left_out: mean(&left_out?)? })
    }

    /// A row a rule.
    pub(super) fn table(&self) -> Table {
        let columns = "threshold,seed_threshold,agreement,dice,dice_5_ml,median_volume_error_5_ml,\
                       scans_without_bleed_marked,of,falsely_marked_ml";
        let mut table = Table::new("Mask rules", columns.split(','));
        let with = |least_ml: f64| {
            self.cases.iter().filter(move |case| case.wanted > 0 && case.wanted_ml >= least_ml)
        };
        let blanks: Vec<&Tried> = self.cases.iter().filter(|case| case.wanted == 0).collect();
        for (i, rule) in rules().enumerate() {
            let dice =
                |least_ml| mean(&with(least_ml).map(|case| case.agreement(i)).collect::<Vec<_>>());
            let volumes: Vec<(f64, f64)> =
                with(SIZEABLE_ML).map(|case| (case.outcomes[i].found_ml, case.wanted_ml)).collect();
            let marked = blanks.iter().filter(|case| case.outcomes[i].found > 0).count();
            let falsely_ml: f64 = blanks.iter().map(|case| case.outcomes[i].found_ml).sum();
            let agreement: Vec<f64> = self.cases.iter().map(|case| case.agreement(i)).collect();
            table.push([
                rule.threshold.to_string(),
                rule.seed_threshold.to_string(),
                cell(mean(&agreement), 4),
                cell(dice(0.0), 4),
                cell(dice(SIZEABLE_ML), 4),
                cell(median_absolute_error_ml(&volumes), 2),
                marked.to_string(),
                blanks.len().to_string(),
                format!("{falsely_ml:.2}"),
            ]);
        }
        table
    }

    /// What the choice is worth, in words; nothing without cases of two patients.
    pub(super) fn sentence(&self) -> String {
        let mut text = String::new();
        if let Some(Choice { rule, agreement, left_out }) = self.choice() {
            write!(
                text,
                "Agreement is Dice, and of a scan without a bleed 1 where nothing is marked, else 0. Of the rules \
                 in mask_rules.csv {rule} has the best mean, {agreement:.3}; chosen for each patient on all \
                 others, {left_out:.3}. `haema calibrate MODEL --mask-rule {rule} --out MODEL` keeps it in a \
                 model file."
            )
            .expect("a string takes all");
        }
        text
    }
}

/// The first rule of the best mean agreement, with that mean; none without cases.
fn best_of(cases: &[&Tried]) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for rule in 0..rules().count() {
        let values: Vec<f64> = cases.iter().map(|case| case.agreement(rule)).collect();
        let value = mean(&values)?;
        if best.is_none_or(|(_, most)| value > most) {
            best = Some((rule, value));
        }
    }
    best
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    /// A row of voxels of 1 mL.
    fn add(rules: &mut MaskRules, patient: &str, probability: &[f32], reference: &[u8]) {
        let size = [1, 1, probability.len()];
        let affine =
            Affine::from_steps([10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 10.0], [0.0; 3]);
        let grid = Grid::from_affine(size, &affine).unwrap();
        let probability = Volume::new(size, probability.to_vec()).unwrap();
        let reference = Volume::new(size, reference.to_vec()).unwrap();
        rules.add(patient, &probability, &reference, &grid);
    }

    /// A bleed with a faint border, and a head whose false part is never sure.
    fn two() -> MaskRules {
        let mut rules = MaskRules::default();
        add(&mut rules, "a", &[0.27, 0.95, 0.27, 0.0, 0.0, 0.0], &[1, 1, 1, 0, 0, 0]);
        add(&mut rules, "b", &[0.0, 0.55, 0.55, 0.0, 0.0, 0.0], &[0; 6]);
        rules
    }

    #[test]
    fn each_rule_counts_what_its_mask_holds() {
        let table = two().table();

        let row = |threshold: &str, seed: &str| {
            let is = |&row: &usize| {
                table.get(row, "threshold") == Some(threshold)
                    && table.get(row, "seed_threshold") == Some(seed)
            };
            (0..table.rows().len()).find(is).unwrap()
        };
        let cells = |row, columns: [&str; 4]| columns.map(|column| table.get(row, column).unwrap());
        let columns = ["agreement", "dice", "scans_without_bleed_marked", "falsely_marked_ml"];
        assert_eq!(cells(row("0.5", "0.5"), columns), ["0.2500", "0.5000", "1", "2.00"]);
        assert_eq!(cells(row("0.25", "0.8"), columns), ["1.0000", "1.0000", "0", "0.00"]);
        assert_eq!(cells(row("0.25", "0.25"), columns), ["0.5000", "1.0000", "1", "2.00"]);
        assert_eq!(table.rows().len(), rules().count());
    }

    #[test]
    fn what_a_patient_chose_does_not_judge_that_patient() {
        let choice = two().choice().unwrap();

        assert_eq!((choice.rule.threshold, choice.rule.seed_threshold), (0.2, 0.6));
        assert_eq!(choice.agreement, 1.0);
        // Without "b" the first rule is as good as any, and marks it; without "a" a rule above 0.55.
        assert!(choice.left_out < 1.0, "{choice:?}");
        assert_eq!(MaskRules::default().choice(), None);
    }

    #[test]
    fn the_counts_are_those_of_the_masks_themselves() {
        let rules_tried = two();
        for (i, rule) in rules().enumerate() {
            let probability =
                Volume::new([1, 1, 6], vec![0.27, 0.95, 0.27, 0.0, 0.0, 0.0]).unwrap();
            let mask = rule.mask(&probability);
            let count = mask.as_slice().iter().filter(|&&voxel| voxel != 0).count();
            assert_eq!(rules_tried.cases[0].outcomes[i].found, count as u64, "{rule}");
        }
    }
}
