//! A learned model, and how it looks at a scan.

use std::num::NonZeroUsize;
use std::time::Instant;

use haema_volume::{Components, Connectivity, CtVolume, RegistrationError, Volume, parallel};
use serde::{Deserialize, Serialize};

use super::forest::{Forest, Growth};
use super::head::Head;
use super::logistic::Logistic;
use super::normal::Normal;
use super::predictors::{Described, Ranges, Row};

/// How a model is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Voxels of the template's 2 mm along each axis: 2 for the published 1 mm.
    pub finer: usize,
    /// What learns.
    pub learner: Learner,
    /// Voxels that it learns from.
    pub samples: usize,
    /// Share of them that is bleed.
    pub bleed_share: f64,
    /// Scans with a bleed that they are drawn from, at most.
    pub scans: usize,
    /// Root of every random choice.
    pub seed: u64,
}

/// What learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Learner {
    /// A forest.
    Forest(Growth),
    /// A logistic regression.
    Logistic,
}

impl Settings {
    /// The published model's.
    ///
    /// # Source
    ///
    /// methods.md C3.
    pub fn paper() -> Self {
        Self {
            finer: 2,
            learner: Learner::Forest(Growth::paper()),
            samples: 100_000,
            bleed_share: 0.25,
            scans: 10,
            seed: 1,
        }
    }

    /// A small forest from a fifth of the voxels.
    pub fn compact() -> Self {
        Self { learner: Learner::Forest(Growth::compact()), samples: 20_000, ..Self::paper() }
    }

    /// On voxels of 2 mm: for tests.
    pub fn tiny() -> Self {
        let growth = Growth { trees: 20, ..Growth::compact() };
        let learner = Learner::Forest(growth);
        Self { finer: 1, learner, samples: 4000, scans: 4, ..Self::paper() }
    }
}

/// `PItcHPERFeCT`: a voxel's predictors, a forest, a smoothed vote and a cutoff.
#[derive(Debug, Clone)]
pub struct Pitchperfect {
    pub(super) settings: Settings,
    pub(super) ranges: Ranges,
    pub(super) normal: Normal,
    /// Healthy heads that it is made of.
    pub(super) healthy_heads: usize,
    pub(super) learned: Learned,
    pub(super) cutoff: f32,
    /// Pooled Dice on the training scans at the cutoff.
    pub(super) training_dice: f64,
}

/// What has learned.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Learned {
    Forest(Forest),
    Logistic(Logistic),
}

impl Learned {
    pub(super) fn probability(&self, row: &Row) -> f32 {
        match self {
            Self::Forest(forest) => forest.vote(row),
            Self::Logistic(logistic) => logistic.probability(row),
        }
    }
}

/// What was found on a scan.
#[derive(Debug, Clone)]
pub struct Found {
    /// The smoothed vote on the scan's own grid; below the cutoff where a part is too small.
    pub probability: Volume<f32>,
    /// How much the scan looks as if it had a bleed: mean of the highest votes over 0.2 mL.
    pub score: f64,
    /// Volume above the cutoff on the template's grid, as large as the template's head.
    pub volume_grid_ml: f64,
    /// Milliseconds to lay it on the template, strip the skull and describe candidates.
    pub preprocess_ms: f64,
    /// Milliseconds of the forest and the smoothing.
    pub vote_ms: f64,
    /// Milliseconds back to the scan's own grid.
    pub restore_ms: f64,
}

/// Parts smaller than this go: 100 voxels of 1 mm.
const SMALLEST_MM3: f64 = 100.0;
/// Volume of the highest votes that make the score.
const SCORE_MM3: f64 = 200.0;

impl Pitchperfect {
    /// How it was made.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Above this a voxel belongs to the bleed.
    pub fn cutoff(&self) -> f32 {
        self.cutoff
    }

    /// Pooled Dice of its training scans at the cutoff.
    pub fn training_dice(&self) -> f64 {
        self.training_dice
    }

    /// Looks at a scan. The same for any number of threads.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`] where the scan cannot be laid on the template.
    pub fn segment(
        &self,
        ct: &CtVolume,
        threads: NonZeroUsize,
    ) -> Result<Found, RegistrationError> {
        let started = Instant::now();
        let head = Head::of(ct, self.settings.finer, threads)?;
        let described = Described::of(&head, &self.normal, threads);
        let candidates = described.candidates(&self.ranges, threads);
        let described_at = Instant::now();
        let mut vote = smoothed_vote(&described, &candidates, &self.learned, &head, threads);
        let voxel_mm3 = head.grid.voxel_volume_mm3(0);
        let score = score(&vote, (SCORE_MM3 / voxel_mm3).ceil() as usize);
        drop_small(&mut vote, self.cutoff, (SMALLEST_MM3 / voxel_mm3).ceil() as u64);
        let above = vote.as_slice().iter().filter(|&&p| p > self.cutoff).count();
        let voted_at = Instant::now();
        let probability = head.restore(&vote, ct.grid(), threads);
        let ms = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1000.0;
        Ok(Found {
            probability,
            score,
            volume_grid_ml: above as f64 * voxel_mm3 / 1000.0,
            preprocess_ms: ms(started, described_at),
            vote_ms: ms(described_at, voted_at),
            restore_ms: ms(voted_at, Instant::now()),
        })
    }
}

/// Candidates at a time that a thread takes.
const AT_ONCE: usize = 4096;

/// The probability of each candidate, 0 elsewhere, averaged over 27 voxels.
pub(super) fn smoothed_vote(
    described: &Described<'_>,
    candidates: &[usize],
    learned: &Learned,
    head: &Head,
    threads: NonZeroUsize,
) -> Volume<f32> {
    let votes = parallel::map(candidates.chunks(AT_ONCE), threads, |_, some| {
        let vote = |&offset: &usize| learned.probability(&described.row(offset));
        some.iter().map(vote).collect::<Vec<f32>>()
    });
    let mut raw = Volume::filled(head.value.size(), 0.0_f32);
    for (&offset, vote) in candidates.iter().zip(votes.into_iter().flatten()) {
        raw.as_mut_slice()[offset] = vote;
    }
    mean_of_27(&mut raw);
    raw
}

/// Along each axis in turn; beyond the volume there is nothing.
fn mean_of_27(volume: &mut Volume<f32>) {
    let [depth, rows, columns] = volume.size();
    for (count, stride) in [(columns, 1), (rows, columns), (depth, rows * columns)] {
        let before = volume.as_slice().to_vec();
        for (offset, value) in volume.as_mut_slice().iter_mut().enumerate() {
            let i = offset / stride % count;
            let less = if i > 0 { before[offset - stride] } else { 0.0 };
            let more = if i + 1 < count { before[offset + stride] } else { 0.0 };
            *value = (less + before[offset] + more) / 3.0;
        }
    }
}

/// Takes parts above the cutoff that are too small down to it.
fn drop_small(vote: &mut Volume<f32>, cutoff: f32, fewest: u64) {
    let parts = Components::of(&vote.map(|&p| u8::from(p > cutoff)), Connectivity::Corners);
    let counts = parts.voxel_counts();
    for (p, &label) in vote.as_mut_slice().iter_mut().zip(parts.labels().as_slice()) {
        if label > 0 && counts[label as usize - 1] < fewest {
            *p = cutoff;
        }
    }
}

fn score(vote: &Volume<f32>, count: usize) -> f64 {
    let mut values: Vec<f32> = vote.as_slice().iter().copied().filter(|&p| p > 0.0).collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values.iter().take(count).map(|&p| f64::from(p)).sum::<f64>() / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_vote_is_spread_over_its_neighbours() {
        let mut vote = Volume::filled([5, 5, 5], 0.0);
        vote[[2, 2, 2]] = 1.0;

        mean_of_27(&mut vote);

        let around = vote.as_slice().iter().filter(|&&p| (p - 1.0 / 27.0).abs() < 1e-6).count();
        assert_eq!((around, vote[[0, 2, 2]]), (27, 0.0));
    }

    #[test]
    fn small_parts_go_and_large_ones_stay() {
        let mut vote = Volume::filled([3, 3, 12], 0.0);
        vote[[1, 1, 1]] = 0.9;
        for x in 6..10 {
            vote[[1, 1, x]] = 0.8;
        }

        drop_small(&mut vote, 0.5, 3);

        assert_eq!((vote[[1, 1, 1]], vote[[1, 1, 7]]), (0.5, 0.8));
    }

    #[test]
    fn the_score_is_of_the_highest_votes() {
        let vote = Volume::new([1, 1, 4], vec![0.2, 1.0, 0.6, 0.0]).unwrap();

        assert!((score(&vote, 2) - 0.8).abs() < 1e-6);
        assert!((score(&vote, 4) - 0.45).abs() < 1e-6);
    }
}
