//! How a model learns from scans and masks.

use std::num::NonZeroUsize;

use haema_volume::{CtVolume, RegistrationError, Volume};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use super::forest::Forest;
use super::head::Head;
use super::logistic::Logistic;
use super::model::{Learned, Learner, Pitchperfect, Settings, smoothed_vote};
use super::normal::{Normal, Sums};
use super::predictors::{Described, Ranges, Row, quantile};

/// Why nothing was learned.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LearnError {
    /// A scan cannot be laid on the template.
    #[error("the scan cannot be laid on the template")]
    Registration(#[from] RegistrationError),
    /// There is nothing of one kind to learn from.
    #[error(
        "{bleed} voxels with blood and {other} without are candidates, from {scans} scans: wanted some \
         of both"
    )]
    NothingToLearn {
        /// Voxels with blood.
        bleed: usize,
        /// Without.
        other: usize,
        /// From how many scans.
        scans: usize,
    },
}

/// Ranges of candidates are taken from one's own scans where there are so many. Source: methods.md C3, 6.
const OWN_RANGES: usize = 10;
/// Steps in which the cutoff is looked for.
const CUTOFFS: usize = 1000;

/// Gathers scans; see [`Gathering::learn`].
#[derive(Debug)]
pub struct Gathering {
    settings: Settings,
    healthy: Sums,
    bleeding: Vec<(Head, Volume<u8>)>,
}

impl Gathering {
    /// Nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, healthy: Sums::new(), bleeding: Vec::new() }
    }

    /// Whether more scans with a bleed are wanted.
    pub fn wants_bleeds(&self) -> bool {
        self.bleeding.len() < self.settings.scans
    }

    /// Adds a scan and its mask: without any bleed to the healthy heads, else to those that are learned
    /// from, as long as they are wanted.
    ///
    /// # Errors
    ///
    /// [`LearnError::Registration`] where the scan cannot be laid on the template.
    pub fn add(
        &mut self,
        ct: &CtVolume,
        mask: &Volume<u8>,
        threads: NonZeroUsize,
    ) -> Result<(), LearnError> {
        let is_healthy = mask.as_slice().iter().all(|&voxel| voxel == 0);
        if !is_healthy && !self.wants_bleeds() {
            return Ok(());
        }
        let head = Head::of(ct, self.settings.finer, threads)?;
        if is_healthy {
            self.healthy.add(&head);
        } else {
            let mask = head.mask(mask, ct.grid(), threads)?;
            self.bleeding.push((head, mask));
        }
        Ok(())
    }

    /// Learns from what was gathered.
    ///
    /// # Errors
    ///
    /// [`LearnError::NothingToLearn`] where there are no candidates with blood, or none without.
    pub fn learn(self, threads: NonZeroUsize) -> Result<Pitchperfect, LearnError> {
        let normal = self.healthy.finish();
        let ranges = self.ranges(&normal, threads);
        let (rows, is_bleed) = self.samples(&normal, &ranges, threads)?;
        let seed = self.settings.seed;
        let learned = match self.settings.learner {
            Learner::Forest(growth) => {
                Learned::Forest(Forest::grow(&rows, &is_bleed, (growth, seed), threads))
            }
            Learner::Logistic => Learned::Logistic(Logistic::fit(&rows, &is_bleed)),
        };
        let (cutoff, training_dice) = self.cutoff(&normal, &ranges, &learned, threads);
        Ok(Pitchperfect {
            healthy_heads: self.healthy.heads,
            settings: self.settings,
            ranges,
            normal,
            learned,
            cutoff,
            training_dice,
        })
    }

    /// 0.5 % and 99.5 % of the voxels with blood; the published ones of too few scans.
    fn ranges(&self, normal: &Normal, threads: NonZeroUsize) -> Ranges {
        if self.bleeding.len() < OWN_RANGES {
            return Ranges::PUBLISHED;
        }
        let mut values: [Vec<f32>; 3] = Default::default();
        for (head, mask) in &self.bleeding {
            let described = Described::of(head, normal, threads);
            let is_seen = |&offset: &usize| {
                mask.as_slice()[offset] != 0 && head.inner.as_slice()[offset] != 0
            };
            for offset in (0..mask.as_slice().len()).filter(is_seen) {
                let own = described.rule(offset);
                values.iter_mut().zip(own).for_each(|(values, value)| values.push(value));
            }
        }
        if values[0].is_empty() {
            return Ranges::PUBLISHED;
        }
        let [zscore2, zscore3, pct_thresh] = values.map(|mut values| {
            values.sort_unstable_by(f32::total_cmp);
            [quantile(&values, 0.005), quantile(&values, 0.995)]
        });
        Ranges { zscore2, zscore3, pct_thresh }
    }

    /// Candidates of all scans, drawn without putting back: a quarter with blood, as far as there is.
    fn samples(
        &self,
        normal: &Normal,
        ranges: &Ranges,
        threads: NonZeroUsize,
    ) -> Result<(Vec<Row>, Vec<bool>), LearnError> {
        let (mut bleed, mut other) = (Vec::new(), Vec::new());
        for (scan, (head, mask)) in self.bleeding.iter().enumerate() {
            let candidates = Described::of(head, normal, threads).candidates(ranges, threads);
            for offset in candidates {
                let side = if mask.as_slice()[offset] != 0 { &mut bleed } else { &mut other };
                side.push((scan, offset));
            }
        }
        if bleed.is_empty() || other.is_empty() {
            let scans = self.bleeding.len();
            return Err(LearnError::NothingToLearn {
                bleed: bleed.len(),
                other: other.len(),
                scans,
            });
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.settings.seed);
        let with = (self.settings.bleed_share * self.settings.samples as f64) as usize;
        draw(&mut bleed, with, &mut random);
        draw(&mut other, self.settings.samples - with, &mut random);
        let mut drawn: Vec<(usize, usize, bool)> =
            bleed.into_iter().map(|(scan, offset)| (scan, offset, true)).collect();
        drawn.extend(other.into_iter().map(|(scan, offset)| (scan, offset, false)));
        drawn.sort_unstable();
        let mut rows = Vec::with_capacity(drawn.len());
        for (scan, (head, _)) in self.bleeding.iter().enumerate() {
            let described = Described::of(head, normal, threads);
            let own = drawn.iter().filter(|(of, _, _)| *of == scan);
            rows.extend(own.map(|(_, offset, _)| described.row(*offset)));
        }
        Ok((rows, drawn.into_iter().map(|(_, _, is_bleed)| is_bleed).collect()))
    }

    /// The cutoff of the best Dice over all voxels of all scans, those outside the brain among them.
    fn cutoff(
        &self,
        normal: &Normal,
        ranges: &Ranges,
        learned: &Learned,
        threads: NonZeroUsize,
    ) -> (f32, f64) {
        // Voxels with each vote: of the bleed, and of the rest.
        let mut counts = vec![[0.0_f64; 2]; CUTOFFS + 1];
        for (head, mask) in &self.bleeding {
            let described = Described::of(head, normal, threads);
            let candidates = described.candidates(ranges, threads);
            let vote = smoothed_vote(&described, &candidates, learned, head, threads);
            for (&p, &voxel) in vote.as_slice().iter().zip(mask.as_slice()) {
                let step = (p * CUTOFFS as f32) as usize;
                counts[step.min(CUTOFFS)][usize::from(voxel == 0)] += 1.0;
            }
        }
        let bleed: f64 = counts.iter().map(|count| count[0]).sum();
        let (mut found, mut beyond) = (0.0, 0.0);
        let mut best = (0.5, 0.0);
        for step in (1..=CUTOFFS).rev() {
            found += counts[step][0];
            beyond += counts[step][1];
            let dice = 2.0 * found / (bleed + found + beyond);
            if dice > best.1 {
                // Votes of this step are to be above the cutoff.
                best = ((step as f32 - 0.5) / CUTOFFS as f32, dice);
            }
        }
        best
    }
}

/// Leaves so many, each as likely as any other.
fn draw<T>(from: &mut Vec<T>, count: usize, random: &mut ChaCha8Rng) {
    let count = count.min(from.len());
    for i in 0..count {
        let chosen = random.random_range(i as u64..from.len() as u64) as usize;
        from.swap(i, chosen);
    }
    from.truncate(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_without_putting_back() {
        let mut numbers: Vec<u32> = (0..100).collect();
        draw(&mut numbers, 60, &mut ChaCha8Rng::seed_from_u64(1));

        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 60);
        draw(&mut numbers, 1000, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(numbers.len(), 60);
    }
}
