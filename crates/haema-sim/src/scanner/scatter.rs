//! Scattered photons: light everywhere, which counts most where little comes through.

use haema_volume::Grid;

use super::coarse::{Coarse, WATER_PER_MM};
use super::fan::{Fan, SOURCE_MM};

/// Scatter spreads as wide as this at the middle of rotation: what comes through the head's edge lies
/// on the shadow of its middle.
const SPREAD_MM: f32 = 50.0;
/// Bins across a fan, in which the spread is worked out.
const BINS: usize = 32;
/// Pixels of the coarse image: cupping is the broadest error of all.
const SIDE: usize = 64;

/// What a calibrated scanner makes of scattered light: all that is taken from the beam is right in sum, as
/// it is on the phantom that the scanner is set by; too little of it is found in the middle.
///
/// * `losses` — logarithms of what is lost along each ray of a fan.
/// * `share` — of what is scattered once, how much reaches the detector uncorrected.
pub(super) fn cup_losses(losses: &mut [f32], fan: &Fan, share: f32) {
    if share <= 0.0 {
        return;
    }
    let sum = |losses: &[f32]| losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
    let before = sum(losses);
    add_to(losses, fan, share);
    let factor = (before / sum(losses).max(f64::MIN_POSITIVE)) as f32;
    for loss in losses {
        *loss *= factor;
    }
}

/// Adds the light that is scattered.
///
/// # Source
///
/// B. Ohnesorge, T. Flohr, K. Klingenbeck-Regn, _European Radiology_ 9:563–569, 1999: what is scattered
/// forwards goes with the signal times its loss.
fn add_to(losses: &mut [f32], fan: &Fan, share: f32) {
    let bin_mm = SOURCE_MM * fan.step_rad() * fan.channels as f32 / BINS as f32;
    let weight = |bins: usize| {
        let along = bins as f32 * bin_mm / SPREAD_MM;
        (-0.5 * along * along).exp() * bin_mm / (SPREAD_MM * std::f32::consts::TAU.sqrt())
    };
    let weights: [f32; BINS] = std::array::from_fn(weight);
    for row in losses.chunks_exact_mut(fan.channels) {
        let mut source = [0.0_f32; BINS];
        let mut count = [0.0_f32; BINS];
        for (channel, loss) in row.iter().enumerate() {
            let bin = channel * BINS / fan.channels;
            source[bin] += (-loss).exp() * loss.max(0.0);
            count[bin] += 1.0;
        }
        for (source, count) in source.iter_mut().zip(count) {
            *source /= count.max(1.0);
        }
        let spread = |to: usize| -> f32 {
            (0..BINS).map(|from| weights[from.abs_diff(to)] * source[from]).sum()
        };
        let scattered: [f32; BINS] = std::array::from_fn(spread);
        for (channel, loss) in row.iter_mut().enumerate() {
            let place = (channel as f32 + 0.5) * BINS as f32 / fan.channels as f32 - 0.5;
            let place = place.clamp(0.0, (BINS - 1) as f32);
            let bin = (place as usize).min(BINS - 2);
            let part = place - bin as f32;
            let here = scattered[bin] + part * (scattered[bin + 1] - scattered[bin]);
            *loss = -((-*loss).exp() + share * here).ln();
        }
    }
}

/// The same on a finished picture.
pub(super) fn cup(plane: &mut [f32], grid: &Grid, share: f32) {
    if share <= 0.0 {
        return;
    }
    let coarse = Coarse::new(grid, SIDE);
    let losses = coarse.project(plane, |hu| WATER_PER_MM * (1.0 + 0.001 * hu).max(0.0));
    let mut seen = losses.clone();
    cup_losses(&mut seen, &coarse.fan, share);
    for (seen, loss) in seen.iter_mut().zip(&losses) {
        *seen -= loss;
    }
    coarse.add(plane, &seen);
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    #[test]
    fn behind_an_even_wall_scatter_is_a_share_of_signal_times_loss() {
        // 800 mm across: the ends are further away than scatter spreads.
        let fan = Fan { side: 400, pixel_mm: 2.0, views: 1, channels: 400 };
        for loss in [0.5_f32, 2.0, 4.0] {
            let mut losses = vec![loss; fan.channels];

            add_to(&mut losses, &fan, 0.02);

            let formula = loss - (1.0 + 0.02 * loss).ln();
            let found = losses[fan.channels / 2];
            assert!((found - formula).abs() < 2e-4, "{loss}: {found}, formula {formula}");
        }
    }

    #[test]
    fn water_is_darker_in_the_middle_the_more_the_larger_the_share() {
        const SIDE: usize = 128;
        let affine =
            Affine::from_steps([1.8, 0.0, 0.0], [0.0, 1.8, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
        let grid = Grid::from_affine([1, SIDE, SIDE], &affine).unwrap();
        let middle = 0.5 * (SIDE - 1) as f32;
        let from_middle =
            |i: usize| ((i % SIDE) as f32 - middle).hypot((i / SIDE) as f32 - middle) * 1.8;
        let water: Vec<f32> =
            (0..SIDE * SIDE).map(|i| if from_middle(i) < 90.0 { 0.0 } else { -1000.0 }).collect();
        let cupping = |share: f32| {
            let mut plane = water.clone();
            cup(&mut plane, &grid, share);
            let ring = |range: std::ops::Range<f32>| {
                let chosen: Vec<f32> = (0..plane.len())
                    .filter(|i| range.contains(&from_middle(*i)))
                    .map(|i| plane[i])
                    .collect();
                chosen.iter().sum::<f32>() / chosen.len() as f32
            };
            [ring(0.0..12.0), ring(70.0..80.0)]
        };

        assert_eq!(cupping(0.0), [0.0, 0.0]);
        let [middle, rim] = cupping(0.002);
        eprintln!("a share of 0.002: {middle:.1} HU in the middle, {rim:.1} HU at the rim");
        assert!(middle < rim - 0.5 && middle > -20.0 && rim < 10.0, "{middle}, {rim}");
        let [twice, _] = cupping(0.004);
        assert!((1.7..2.05).contains(&(twice / middle)), "{twice}, {middle}");
    }
}
