//! A head blurred by a Gaussian, what lies outside the brain left out of the mean.

use haema_volume::Volume;

use super::head::{Head, between};

/// Means, on a grid coarse enough that the Gaussian is some voxels wide.
#[derive(Debug)]
pub(super) struct Smoothed {
    coarse: Volume<f32>,
    /// Voxels of the head along a voxel of this.
    factor: usize,
}

/// The Gaussian's standard deviation is at least so many voxels.
const LEAST_VOXELS: f64 = 2.5;
/// Beyond so many standard deviations it is 0.
const REACH: f64 = 3.0;

impl Smoothed {
    pub(super) fn of(head: &Head, sd_mm: f64) -> Self {
        let [_, _, pitch_mm] = head.grid.spacing_mm();
        let factor = ((sd_mm / LEAST_VOXELS / pitch_mm) as usize).max(1);
        let size = head.value.size().map(|n| n.div_ceil(factor));
        let (mut sums, mut counts) = (Volume::filled(size, 0.0_f32), Volume::filled(size, 0.0_f32));
        let [_, rows, columns] = head.value.size();
        let voxels = head.value.as_slice().iter().zip(head.inner.as_slice());
        for (offset, (&value, _)) in voxels.enumerate().filter(|(_, (_, inner))| **inner != 0) {
            let at = [offset / columns / rows, offset / columns % rows, offset % columns];
            let there = at.map(|i| i / factor);
            sums[there] += value;
            counts[there] += 1.0;
        }
        let sd_voxels = sd_mm / pitch_mm / factor as f64;
        blur(&mut sums, sd_voxels);
        blur(&mut counts, sd_voxels);
        for (sum, &count) in sums.as_mut_slice().iter_mut().zip(counts.as_slice()) {
            *sum = if count > 0.0 { *sum / count } else { 0.0 };
        }
        Self { coarse: sums, factor }
    }

    /// At a voxel of the head.
    pub(super) fn at(&self, at: [usize; 3]) -> f32 {
        let part = 1.0 / self.factor as f64;
        let size = self.coarse.size();
        let index: [f64; 3] = std::array::from_fn(|axis| {
            ((at[axis] as f64 + 0.5) * part - 0.5).clamp(0.0, size[axis] as f64 - 1.0)
        });
        between(&self.coarse, index, 0.0)
    }
}

/// Along each axis in turn; beyond the volume there is nothing.
fn blur(volume: &mut Volume<f32>, sd_voxels: f64) {
    let reach = (REACH * sd_voxels).ceil() as usize;
    let weight = |i: usize| (-0.5 * (i as f64 / sd_voxels).powi(2)).exp() as f32;
    let weights: Vec<f32> = (0..=reach).map(weight).collect();
    let [depth, rows, columns] = volume.size();
    for (count, stride) in [(columns, 1), (rows, columns), (depth, rows * columns)] {
        let before = volume.as_slice().to_vec();
        for (offset, value) in volume.as_mut_slice().iter_mut().enumerate() {
            let i = offset / stride % count;
            let mut sum = weights[0] * before[offset];
            for (step, weight) in weights.iter().enumerate().skip(1) {
                if step <= i {
                    sum += weight * before[offset - step * stride];
                }
                if i + step < count {
                    sum += weight * before[offset + step * stride];
                }
            }
            *value = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_becomes_a_gaussian() {
        let mut volume = Volume::filled([21, 21, 21], 0.0);
        volume[[10, 10, 10]] = 1.0;

        blur(&mut volume, 2.5);

        let share = volume[[10, 10, 12]] / volume[[10, 10, 10]];
        assert!((share - (-0.5_f32 * (2.0 / 2.5_f32).powi(2)).exp()).abs() < 1e-6);
        assert_eq!(volume[[10, 12, 10]], volume[[10, 10, 12]]);
        assert_eq!(volume[[10, 10, 20]], 0.0);
    }
}
