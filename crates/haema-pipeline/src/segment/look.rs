//! One look at all voxels of a scan: what the gate judges by.

use std::num::NonZeroUsize;

use haema_volume::{CtVolume, parallel};

/// The bone window of imported sets ends at −900 HU, so air is taken to begin a little above.
pub(super) const AIR_HU: f32 = -800.0;
/// Fat and anything heavier.
pub(super) const BODY_HU: f32 = -200.0;
/// Denser than any bone or tooth: metal.
pub(super) const METAL_HU: f32 = 2500.0;
/// Three pixels in a row in brain, where no edge goes through, tell noise.
const BRAIN_HU: std::ops::RangeInclusive<f32> = 5.0..=65.0;
const NOISY_BRAIN_HU: std::ops::RangeInclusive<f32> = -120.0..=190.0;
/// Noise is counted in steps of 1 HU up to this.
const NOISE_STEPS: usize = 200;
/// Every so manieth row is looked at for noise.
const NOISE_ROWS: usize = 4;

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) lowest_hu: f32,
    pub(super) highest_hu: f32,
    /// Voxels that are no numbers.
    pub(super) odd: usize,
    pub(super) air_percent: f64,
    pub(super) body_ml: f64,
    pub(super) metal_ml: f64,
    /// Standard deviation of a pixel in brain against its neighbours.
    pub(super) noise_hu: Option<f64>,
    /// Centre of the body on each slice, as stored, in mm along rows and columns.
    pub(super) centres_mm: Vec<Option<[f64; 2]>>,
}

#[derive(Debug, Clone)]
struct Slice {
    range_hu: [f32; 2],
    odd: usize,
    air: usize,
    body: usize,
    metal: usize,
    moments: [f64; 2],
    noise: Vec<u32>,
}

impl Look {
    /// The same for any number of threads.
    pub(super) fn at(ct: &CtVolume, threads: NonZeroUsize) -> Self {
        let grid = ct.grid();
        let [depth, _, columns] = grid.size();
        let [_, row_mm, column_mm] = grid.spacing_mm();
        let slices =
            parallel::map(0..depth, threads, |_, z| Slice::of(ct.voxels_hu().plane(z), columns));
        let ml = |count: fn(&Slice) -> usize| -> f64 {
            let of = |(z, slice): (usize, &Slice)| count(slice) as f64 * grid.voxel_volume_mm3(z);
            slices.iter().enumerate().map(of).sum::<f64>() / 1000.0
        };
        let air: usize = slices.iter().map(|slice| slice.air).sum();
        let centre = |slice: &Slice| {
            let count = slice.body as f64;
            let [y, x] = slice.moments;
            (count > 0.0).then(|| [row_mm * y / count, column_mm * x / count])
        };
        Self {
            lowest_hu: slices.iter().map(|slice| slice.range_hu[0]).fold(f32::INFINITY, f32::min),
            highest_hu: slices
                .iter()
                .map(|slice| slice.range_hu[1])
                .fold(f32::NEG_INFINITY, f32::max),
            odd: slices.iter().map(|slice| slice.odd).sum(),
            air_percent: 100.0 * air as f64 / ct.voxels_hu().as_slice().len().max(1) as f64,
            body_ml: ml(|slice| slice.body),
            metal_ml: ml(|slice| slice.metal),
            noise_hu: noise_hu(&slices),
            centres_mm: slices.iter().map(centre).collect(),
        }
    }
}

impl Slice {
    fn of(plane: &[f32], columns: usize) -> Self {
        let mut seen = Self {
            range_hu: [f32::INFINITY, f32::NEG_INFINITY],
            odd: 0,
            air: 0,
            body: 0,
            metal: 0,
            moments: [0.0; 2],
            noise: vec![0; NOISE_STEPS],
        };
        for (y, row) in plane.chunks_exact(columns.max(1)).enumerate() {
            let mut in_row = [0_usize; 2];
            for (x, &hu) in row.iter().enumerate() {
                seen.odd += usize::from(!hu.is_finite());
                seen.range_hu = [seen.range_hu[0].min(hu), seen.range_hu[1].max(hu)];
                seen.air += usize::from(hu < AIR_HU);
                seen.metal += usize::from(hu > METAL_HU);
                let is_body = usize::from(hu > BODY_HU);
                in_row[0] += is_body;
                in_row[1] += is_body * x;
            }
            seen.body += in_row[0];
            seen.moments[0] += (in_row[0] * y) as f64;
            seen.moments[1] += in_row[1] as f64;
            if y % NOISE_ROWS == 0 {
                seen.add_noise(row);
            }
        }
        seen
    }

    fn add_noise(&mut self, row: &[f32]) {
        for triple in row.windows(3) {
            let mean = (triple[0] + triple[1] + triple[2]) / 3.0;
            if BRAIN_HU.contains(&mean) && triple.iter().all(|hu| NOISY_BRAIN_HU.contains(hu)) {
                let bend = (triple[0] - 2.0 * triple[1] + triple[2]).abs();
                self.noise[(bend as usize).min(NOISE_STEPS - 1)] += 1;
            }
        }
    }
}

/// From the median of the second difference, which is √6 times as wide as the noise of independent
/// pixels; those of soft kernels depend on each other and count as less.
fn noise_hu(slices: &[Slice]) -> Option<f64> {
    let mut all = vec![0_u64; NOISE_STEPS];
    for slice in slices {
        all.iter_mut().zip(&slice.noise).for_each(|(sum, count)| *sum += u64::from(*count));
    }
    let total: u64 = all.iter().sum();
    let mut below = 0;
    let median = all.iter().position(|count| {
        below += count;
        2 * below >= total
    })?;
    (total >= 1000).then(|| (median as f64 + 0.5) / (0.6745 * 6.0_f64.sqrt()))
}
