//! The truth that raters most likely saw, and how well each saw it.

use std::collections::BTreeMap;

use haema_volume::{Volume, VolumeError};

use crate::fusion::check;

/// What STAPLE finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Staple {
    /// Chance that each voxel is bleed.
    pub probability: Volume<f32>,
    /// Of each rater, the share of the bleed that was taken.
    pub sensitivity: Vec<f64>,
    /// Of each rater, the share of the rest that was left.
    pub specificity: Vec<f64>,
    /// Rounds until nothing changed.
    pub rounds: usize,
    /// Whether nothing changed any more, rather than the rounds ran out.
    pub has_settled: bool,
}

/// A change below this is none, as ITK has it.
const SETTLED: f64 = 1e-7;
/// More rounds than any case has taken: the awkward ones took some hundred.
const MOST_ROUNDS: usize = 100_000;
/// More raters than this do not fit the pattern of a voxel.
const MOST_RATERS: usize = 64;

/// Simultaneous truth and performance level estimation, for up to 64 raters. Voxels that are not 0 are
/// taken.
///
/// The prior of every voxel is the share that raters took on average, so **the answer depends on how much
/// empty scan lies around**: give it the same region for all raters and methods. `None` where there are no
/// raters, more than 64, or no voxel.
///
/// # Errors
///
/// [`VolumeError::SizesDiffer`] where masks are on different grids.
///
/// # Source
///
/// S. K. Warfield, K. H. Zou, W. M. Wells, _IEEE Transactions on Medical Imaging_ 23:903–921, 2004. Prior,
/// start (the share of raters who took a voxel) and end are ITK's: of two raters many pairs of qualities
/// explain the masks equally well, and the start decides which is found. Voxels of one pattern of decisions are counted once, so that a round costs
/// nothing.
pub fn staple(masks: &[&Volume<u8>]) -> Result<Option<Staple>, VolumeError> {
    let Some(first) = masks.first() else { return Ok(None) };
    for mask in masks {
        check(mask, first)?;
    }
    let voxels = first.as_slice().len();
    if voxels == 0 || masks.len() > MOST_RATERS {
        return Ok(None);
    }
    let pattern = |voxel: usize| {
        masks.iter().enumerate().fold(0_u64, |bits, (rater, mask)| {
            bits | u64::from(mask.as_slice()[voxel] != 0) << rater
        })
    };
    let patterns: Vec<u64> = (0..voxels).map(pattern).collect();
    let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
    for pattern in &patterns {
        *counts.entry(*pattern).or_default() += 1.0;
    }
    let taken: f64 = counts.iter().map(|(bits, n)| f64::from(bits.count_ones()) * n).sum();
    let prior = taken / (voxels as f64 * masks.len() as f64);
    let share = |bits: u64| f64::from(bits.count_ones()) / masks.len() as f64;
    let mut model = Model::of(prior, masks.len(), &counts, share);
    let mut rounds = 1;
    let mut has_settled = false;
    while !has_settled && rounds < MOST_ROUNDS {
        let next = Model::of(prior, masks.len(), &counts, |bits| model.chance(bits));
        has_settled = next.moved_from(&model) < SETTLED;
        model = next;
        rounds += 1;
    }
    let chances: BTreeMap<u64, f32> =
        counts.keys().map(|&bits| (bits, model.chance(bits) as f32)).collect();
    let probability = patterns.iter().map(|bits| chances[bits]).collect();
    Ok(Some(Staple {
        probability: Volume::new(first.size(), probability)?,
        sensitivity: model.sensitivity,
        specificity: model.specificity,
        rounds,
        has_settled,
    }))
}

struct Model {
    prior: f64,
    sensitivity: Vec<f64>,
    specificity: Vec<f64>,
}

impl Model {
    /// Chance that a voxel is bleed that these raters took.
    fn chance(&self, bits: u64) -> f64 {
        let (mut bleed, mut rest) = (self.prior, 1.0 - self.prior);
        for (rater, (p, q)) in self.sensitivity.iter().zip(&self.specificity).enumerate() {
            let is_taken = bits >> rater & 1 == 1;
            bleed *= if is_taken { *p } else { 1.0 - p };
            rest *= if is_taken { 1.0 - q } else { *q };
        }
        // 0/0 where all agree with certainty: then what they say is so.
        if bleed + rest > 0.0 { bleed / (bleed + rest) } else { f64::from(u8::from(bits != 0)) }
    }

    /// The raters' qualities, where voxels that these raters took are bleed with such a chance.
    fn of(
        prior: f64,
        raters: usize,
        counts: &BTreeMap<u64, f64>,
        chance_of: impl Fn(u64) -> f64,
    ) -> Self {
        let (mut hit, mut left) = (vec![0.0; raters], vec![0.0; raters]);
        let (mut bleed, mut rest) = (0.0, 0.0);
        for (&bits, &n) in counts {
            let chance = chance_of(bits);
            bleed += n * chance;
            rest += n * (1.0 - chance);
            for rater in 0..raters {
                if bits >> rater & 1 == 1 {
                    hit[rater] += n * chance;
                } else {
                    left[rater] += n * (1.0 - chance);
                }
            }
        }
        // Of nothing nobody missed anything.
        let share = |parts: Vec<f64>, whole: f64| -> Vec<f64> {
            parts.into_iter().map(|part| if whole > 0.0 { part / whole } else { 1.0 }).collect()
        };
        Self { prior, sensitivity: share(hit, bleed), specificity: share(left, rest) }
    }

    fn moved_from(&self, other: &Self) -> f64 {
        let moved =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        moved(&self.sensitivity, &other.sensitivity)
            .max(moved(&self.specificity, &other.specificity))
    }
}
