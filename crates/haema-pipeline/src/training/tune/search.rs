//! Which trials come next: a function of those that are done, and of nothing else.

use serde::{Deserialize, Serialize};

use super::trial::Trial;
use super::{TuneConfig, TuneError};
use crate::training::Schedule;

/// The values that are tried of each setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Encoder levels, the bottleneck included.
    pub depths: Vec<usize>,
    /// First learning rates.
    pub learning_rates: Vec<f64>,
    /// Probabilities that training drops a channel.
    pub dropouts: Vec<f32>,
}

/// One choice of the three settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Encoder levels, the bottleneck included.
    pub depth: usize,
    /// First learning rate.
    pub learning_rate: f64,
    /// Probability that training drops a channel.
    pub dropout: f32,
}

/// In which order a grid is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Every point, to the end, as the paper did.
    Grid,
    /// The learning rate first, then the depth, then dropout, each with the best of those before.
    Coordinate,
    /// Every point for a few epochs; the best third goes on for three times as many, and so on.
    Halving,
}

/// Epochs of each round of [`Strategy::Halving`], as shares of the longest trial's. Source: methods.md A.6:
/// 20, 60, 150 and 500 epochs.
const ROUNDS: [f64; 4] = [0.04, 0.12, 0.3, 1.0];

/// A trial that is to be carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Request {
    pub(super) round: usize,
    pub(super) point: Point,
    pub(super) epochs: u32,
    /// Epochs of the trial of the same point that it goes on from.
    pub(super) after: Option<u32>,
}

impl Grid {
    /// The paper's: 4 depths, 5 learning rates, 3 dropouts.
    ///
    /// # Source
    ///
    /// Arab et al., _Scientific Reports_ 10:19389, 2020, _Training_; methods.md A.6.
    pub fn paper() -> Self {
        Self {
            depths: vec![3, 4, 5, 6],
            learning_rates: vec![1e-2, 5e-3, 1e-3, 5e-4, 1e-4],
            dropouts: vec![0.3, 0.4, 0.5],
        }
    }

    fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for &depth in &self.depths {
            for &learning_rate in &self.learning_rates {
                points.extend(self.dropouts.iter().map(|&dropout| Point {
                    depth,
                    learning_rate,
                    dropout,
                }));
            }
        }
        points
    }

    pub(super) fn check(&self) -> Result<(), TuneError> {
        let refuse = |name, found: String, wanted| Err(TuneError::Values { name, found, wanted });
        if self.depths.is_empty() || self.depths.iter().any(|depth| !(1..=8).contains(depth)) {
            return refuse("depths", format!("{:?}", self.depths), "one or more from 1 to 8");
        }
        let rates = &self.learning_rates;
        if rates.is_empty() || rates.iter().any(|&rate| !(rate > 0.0 && rate <= 1.0)) {
            return refuse("learning rates", format!("{rates:?}"), "one or more above 0, up to 1");
        }
        if self.dropouts.is_empty() || self.dropouts.iter().any(|p| !(0.0..1.0).contains(p)) {
            return refuse(
                "dropouts",
                format!("{:?}", self.dropouts),
                "one or more from 0 to below 1",
            );
        }
        Ok(())
    }
}

/// Epochs of a round of halving, at least one.
fn epochs_of(config: &TuneConfig, round: usize) -> u32 {
    ((f64::from(config.base.epochs) * ROUNDS[round]).round() as u32).max(1)
}

/// How many of a round's trials go on into the next.
pub(super) fn kept(config: &TuneConfig, round: usize, trials: usize) -> usize {
    let goes_on = config.strategy == Strategy::Halving && round + 1 < ROUNDS.len();
    if goes_on { third(trials) } else { 0 }
}

fn third(n: usize) -> usize {
    ((n as f64 / 3.0).round() as usize).max(1)
}

/// How many trials the whole search has.
pub(super) fn count(config: &TuneConfig) -> usize {
    let Grid { depths, learning_rates, dropouts } = &config.grid;
    let all = depths.len() * learning_rates.len() * dropouts.len();
    match config.strategy {
        Strategy::Grid => all,
        Strategy::Coordinate => depths.len() + learning_rates.len() + dropouts.len(),
        Strategy::Halving => {
            (0..ROUNDS.len()).scan(all, |n, _| Some(std::mem::replace(n, third(*n)))).sum()
        }
    }
}

/// The trials of the next round; none where the search is over.
pub(super) fn next_round(config: &TuneConfig, done: &[Vec<Trial>]) -> Option<Vec<Request>> {
    let round = done.len();
    let to_the_end = |point| Request { round, point, epochs: config.base.epochs, after: None };
    match config.strategy {
        Strategy::Grid => {
            (round == 0).then(|| config.grid.points().into_iter().map(to_the_end).collect())
        }
        Strategy::Coordinate => {
            coordinate(config, done).map(|points| points.into_iter().map(to_the_end).collect())
        }
        Strategy::Halving if round == ROUNDS.len() => None,
        Strategy::Halving => {
            let epochs = epochs_of(config, round);
            let points = match done.last() {
                None => config.grid.points(),
                Some(last) => best_first(last)
                    .into_iter()
                    .take(third(last.len()))
                    .map(|i| last[i].point)
                    .collect(),
            };
            // A rate that falls with the plateau rule does not know how long the run will be.
            let can_go_on = matches!(config.base.schedule, Schedule::Plateau { .. });
            let after = (round > 0 && can_go_on).then(|| epochs_of(config, round - 1));
            Some(points.into_iter().map(|point| Request { round, point, epochs, after }).collect())
        }
    }
}

fn coordinate(config: &TuneConfig, done: &[Vec<Trial>]) -> Option<Vec<Point>> {
    let base = &config.base;
    let start = Point {
        depth: base.network.depth(),
        learning_rate: base.learning_rate,
        dropout: base.network.dropout(),
    };
    let best = done.last().and_then(|last| best_first(last).first().map(|&i| last[i].point));
    let from = best.unwrap_or(start);
    let grid = &config.grid;
    match done.len() {
        0 => Some(
            grid.learning_rates.iter().map(|&rate| Point { learning_rate: rate, ..from }).collect(),
        ),
        1 => Some(grid.depths.iter().map(|&depth| Point { depth, ..from }).collect()),
        2 => Some(grid.dropouts.iter().map(|&dropout| Point { dropout, ..from }).collect()),
        _ => None,
    }
}

/// Places of trials by validation loss, failed ones last, equals in their order.
pub(super) fn best_first(trials: &[Trial]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..trials.len()).collect();
    let loss = |i: usize| trials[i].validation_loss.unwrap_or(f64::INFINITY);
    order.sort_by(|&a, &b| loss(a).total_cmp(&loss(b)));
    order
}

/// The place of the chosen trial among all; none where every one failed.
///
/// Of halving only the last round counts: losses after few epochs say nothing of those after many.
pub(super) fn chosen(config: &TuneConfig, rounds: &[Vec<Trial>]) -> Option<usize> {
    let all: Vec<Trial> = rounds.concat();
    let from = match config.strategy {
        Strategy::Halving => all.len() - rounds.last().map_or(0, Vec::len),
        Strategy::Grid | Strategy::Coordinate => 0,
    };
    let best = from + *best_first(&all[from..]).first()?;
    all[best].validation_loss.map(|_| best)
}
