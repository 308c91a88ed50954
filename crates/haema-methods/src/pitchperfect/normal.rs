//! What heads without a bleed look like: mean and spread of every place of the brain.

use haema_volume::{Grid, Locator, Volume};

use super::head::{Head, atlas};
use super::predictors::at_point;

/// Voxels of the template along a voxel of these images: 4 mm.
const FACTOR: usize = 2;
/// No place varies less. Source: methods.md C4.4.
const LEAST_SD_HU: f32 = 1.0;
/// Fewer heads than these have no spread of their own: the template's mean and this stand in.
pub(super) const FEWEST: usize = 5;
const STAND_IN_SD_HU: f32 = 8.0;

/// Mean and standard deviation over healthy heads, Hounsfield units.
#[derive(Debug, Clone)]
pub(super) struct Normal {
    pub(super) mean: Volume<f32>,
    pub(super) sd: Volume<f32>,
    locator: Locator,
}

/// Size of both images.
pub(super) fn size() -> [usize; 3] {
    atlas().template().grid().size().map(|n| n.div_ceil(FACTOR))
}

impl Normal {
    pub(super) fn new(mean: Volume<f32>, sd: Volume<f32>) -> Self {
        Self { mean, sd, locator: Locator::of(atlas().template().grid()) }
    }

    /// The score of a value at a point of the template; 0 where nothing is known.
    pub(super) fn z_score(&self, value: f32, point_lps_mm: [f64; 3]) -> f32 {
        let index = self.locator.index_at(point_lps_mm).map(|i| (i + 0.5) / FACTOR as f64 - 0.5);
        match (at_point(&self.mean, index), at_point(&self.sd, index)) {
            (Some(mean), Some(sd)) if sd > 0.0 => (value - mean) / sd,
            _ => 0.0,
        }
    }
}

/// Sums over healthy heads.
#[derive(Debug)]
pub(super) struct Sums {
    totals: Volume<f64>,
    squares: Volume<f64>,
    counts: Volume<u32>,
    pub(super) heads: usize,
}

impl Sums {
    pub(super) fn new() -> Self {
        let (totals, counts) = (Volume::filled(size(), 0.0), Volume::filled(size(), 0));
        Self { squares: totals.clone(), totals, counts, heads: 0 }
    }

    /// Adds a head: the mean of its brain in each voxel.
    pub(super) fn add(&mut self, head: &Head) {
        let template: &Grid = atlas().template().grid();
        let factor = FACTOR * head.value.size()[2] / template.size()[2];
        let mut own = Volume::filled(size(), [0.0_f64, 0.0]);
        let [_, rows, columns] = head.value.size();
        let voxels = head.value.as_slice().iter().zip(head.brain.as_slice());
        for (offset, (&value, _)) in voxels.enumerate().filter(|(_, (_, brain))| **brain != 0) {
            let at = [offset / columns / rows, offset / columns % rows, offset % columns];
            let [sum, count] = own[at.map(|i| i / factor)];
            own[at.map(|i| i / factor)] = [sum + f64::from(value), count + 1.0];
        }
        for (i, &[sum, count]) in own.as_slice().iter().enumerate() {
            // Less than half a voxel of brain is its edge.
            if 2.0 * count > (factor as f64).powi(3) {
                let mean = sum / count;
                self.totals.as_mut_slice()[i] += mean;
                self.squares.as_mut_slice()[i] += mean * mean;
                self.counts.as_mut_slice()[i] += 1;
            }
        }
        self.heads += 1;
    }

    /// Mean and spread; those of the template, and a fixed one, of too few heads.
    pub(super) fn finish(&self) -> Normal {
        if self.heads < FEWEST {
            return stand_in();
        }
        let (mut mean, mut sd) = (Volume::filled(size(), 0.0), Volume::filled(size(), 0.0));
        for (i, &count) in self.counts.as_slice().iter().enumerate() {
            if (count as usize) < FEWEST {
                continue;
            }
            let n = f64::from(count);
            let (sum, squares) = (self.totals.as_slice()[i], self.squares.as_slice()[i]);
            let variance = (squares - sum * sum / n) / (n - 1.0);
            mean.as_mut_slice()[i] = (sum / n) as f32;
            sd.as_mut_slice()[i] = (variance.max(0.0).sqrt() as f32).max(LEAST_SD_HU);
        }
        Normal::new(mean, sd)
    }
}

fn stand_in() -> Normal {
    let template = atlas().template().voxels_hu();
    let mean = Volume::from_fn(size(), |at| {
        let near: [usize; 3] =
            std::array::from_fn(|axis| (at[axis] * FACTOR).min(template.size()[axis] - 1));
        template[near].clamp(0.0, 100.0)
    });
    let sd = mean.map(|_| STAND_IN_SD_HU);
    Normal::new(mean, sd)
}
