//! What a search found: a table of trials, the choice, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use haema_io::fs;

use super::search::{Strategy, best_first};
use super::trial::Trial;
use super::{TuneConfig, TuneError, TuneSummary};
use crate::html::{document, escape};
use crate::study::Table;
use crate::study::table::cell;
use crate::training::Split;

/// Every trial as a row.
pub fn trials_table(trials: &[Trial]) -> Table {
    let columns = "round,depth,learning_rate,dropout,epochs,outcome,validation_loss,best_epoch,\
                   validation_dice,train_loss,epochs_done,seconds";
    let mut table = Table::new("Trials", columns.split(','));
    for trial in trials {
        let point = trial.point;
        table.push([
            (trial.round + 1).to_string(),
            point.depth.to_string(),
            format!("{:e}", point.learning_rate),
            point.dropout.to_string(),
            trial.epochs.to_string(),
            trial.outcome.name().to_owned(),
            cell(trial.validation_loss, 6),
            trial.best_epoch.map_or_else(String::new, |epoch| epoch.to_string()),
            cell(trial.validation_dice, 4),
            cell(trial.train_loss, 6),
            trial.epochs_done.to_string(),
            format!("{:.1}", trial.seconds),
        ]);
    }
    table
}

/// Why a trial was chosen, in sentences.
pub(super) fn why(
    config: &TuneConfig,
    split: &Split,
    trials: &[Trial],
    chosen: Option<usize>,
) -> String {
    let Some(chosen) = chosen else {
        return "No trial has a validation loss yet, or every one failed: there is no choice."
            .to_owned();
    };
    let best = &trials[chosen];
    let loss = best.validation_loss.unwrap_or(f64::NAN);
    let of = match config.strategy {
        Strategy::Halving => "of the last round",
        Strategy::Grid | Strategy::Coordinate => "of all trials",
    };
    let patients = split.validation.len();
    let mut text = format!(
        "Depth {}, learning rate {:e}, dropout {}: the lowest validation loss {of}, {loss:.4} after epoch {} \
         of {}, over {patients} validation {}.",
        best.point.depth,
        best.point.learning_rate,
        best.point.dropout,
        best.best_epoch.unwrap_or(0),
        best.epochs,
        if patients == 1 { "case" } else { "cases" },
    );
    let rivals: Vec<Trial> = trials
        .iter()
        .filter(|trial| trial.epochs == best.epochs && trial.point != best.point)
        .cloned()
        .collect();
    if let Some(next) = best_first(&rivals).first().map(|&i| &rivals[i])
        && let Some(next_loss) = next.validation_loss
    {
        write!(
            text,
            " The next best (depth {}, learning rate {:e}, dropout {}) is {:.4} behind. A choice by so few \
             cases is a choice by those cases: score it on cases held aside.",
            next.point.depth,
            next.point.learning_rate,
            next.point.dropout,
            next_loss - loss,
        )
        .expect("a string takes all");
    }
    text
}

/// Writes `trials.csv`, `report.md` and `report.html`.
pub(super) fn write(
    out: &Path,
    summary: &TuneSummary,
    config: &TuneConfig,
) -> Result<(), TuneError> {
    let table = trials_table(&summary.trials);
    fs::write_atomic(&out.join("trials.csv"), table.csv().as_bytes())?;
    let markdown = format!("# Search for settings\n\n{}\n\n{}", summary.why, table.markdown());
    fs::write_atomic(&out.join("report.md"), markdown.as_bytes())?;
    fs::write_atomic(&out.join("report.html"), page(summary, config, &table).as_bytes())?;
    Ok(())
}

fn page(summary: &TuneSummary, config: &TuneConfig, table: &Table) -> String {
    let strategy = match config.strategy {
        Strategy::Grid => "every point of the grid",
        Strategy::Coordinate => "one setting after the other",
        Strategy::Halving => "the best third goes on, round by round",
    };
    let settings = toml::to_string_pretty(config).unwrap_or_default();
    let body = format!(
        "<header><h1>Search for settings</h1><p>{strategy} · {} trials · haema {}</p></header>\n\
         <p>{}</p>\n{}<h2>Trials</h2>\n<div class=\"scroll\">{}</div>\n<h2>Settings</h2>\n<pre>{}</pre>\n",
        summary.trials.len(),
        env!("CARGO_PKG_VERSION"),
        escape(&summary.why),
        maps(&summary.trials),
        table.html(),
        escape(&settings),
    );
    document("Search for settings", &[include_str!("../page.css")], &body)
}

/// For each dropout a map of the lowest validation losses, depth by learning rate: the redder the higher.
fn maps(trials: &[Trial]) -> String {
    let longest = |trial: &&Trial| {
        trials.iter().all(|other| other.point != trial.point || other.epochs <= trial.epochs)
    };
    let scored: Vec<&Trial> =
        trials.iter().filter(longest).filter(|trial| trial.validation_loss.is_some()).collect();
    let losses = || scored.iter().filter_map(|trial| trial.validation_loss);
    let (low, high) =
        (losses().fold(f64::INFINITY, f64::min), losses().fold(f64::NEG_INFINITY, f64::max));
    // Values in text, so that they sort and compare exactly; a decimal order by their bits.
    let mut by_dropout: BTreeMap<u32, Vec<&Trial>> = BTreeMap::new();
    for trial in scored {
        by_dropout.entry(trial.point.dropout.to_bits()).or_default().push(trial);
    }
    let mut page = String::from("<div class=\"charts\">\n");
    for (dropout, trials) in by_dropout {
        let mut rates: Vec<f64> = trials.iter().map(|trial| trial.point.learning_rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        let mut depths: Vec<usize> = trials.iter().map(|trial| trial.point.depth).collect();
        depths.sort_unstable();
        depths.dedup();
        let mut head = String::new();
        for rate in &rates {
            write!(head, "<th class=\"n\">{rate:e}</th>").expect("a string takes all");
        }
        let mut rows = String::new();
        for depth in depths {
            write!(rows, "<tr><th>depth {depth}</th>").expect("a string takes all");
            for rate in &rates {
                let here = |trial: &&&Trial| {
                    trial.point.depth == depth && trial.point.learning_rate == *rate
                };
                rows += &trials.iter().find(here).map_or_else(
                    || "<td></td>".to_owned(),
                    |trial| shaded(trial.validation_loss.unwrap_or(high), [low, high]),
                );
            }
            rows += "</tr>\n";
        }
        writeln!(
            page,
            "<section class=\"chart\"><h2>Dropout {}<small>validation loss by depth and learning rate\
             </small></h2><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>\
             </section>",
            f32::from_bits(dropout),
        )
        .expect("a string takes all");
    }
    page + "</div>\n"
}

fn shaded(loss: f64, [low, high]: [f64; 2]) -> String {
    let part = if high > low { (loss - low) / (high - low) } else { 0.0 };
    format!(
        "<td class=\"n\" style=\"background:color-mix(in srgb, var(--bleed) {:.0}%, transparent)\">{loss:.4}</td>",
        60.0 * part
    )
}
