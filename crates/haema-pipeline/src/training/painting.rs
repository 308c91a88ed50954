//! Bleeds put into training heads: few scans have one, and those who have it are soon known by heart.

use haema_sim::paint::{Bleed, Canvas, Donor, HeadMap, Kind, LookAlike};
use rand::{Rng as _, RngCore};
use serde::{Deserialize, Serialize};

use super::augment::Pair;
use super::samples::Sample;

/// How often training heads get bleeds that are not theirs, drawn anew for each case and epoch. A
/// head whose skull is not found gets none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaintedBleeds {
    /// Probability for a case without a bleed.
    pub in_blank: f32,
    /// Probability for a case with one.
    pub in_bleed: f32,
    /// Most bleeds that one case gets.
    pub at_most: u32,
    /// Share that is taken from another training case; the rest is drawn.
    pub transplanted: f32,
    /// Probability of each thing that looks like a bleed and is none.
    pub look_alikes: f32,
}

impl Default for PaintedBleeds {
    fn default() -> Self {
        Self { in_blank: 0.6, in_bleed: 0.35, at_most: 3, transplanted: 0.3, look_alikes: 0.25 }
    }
}

/// How often each kind is drawn: about as often as head scans show it.
const KINDS: [(Kind, f32); 5] = [
    (Kind::Intraparenchymal, 0.35),
    (Kind::Epidural, 0.22),
    (Kind::Subdural, 0.18),
    (Kind::Subarachnoid, 0.13),
    (Kind::Intraventricular, 0.12),
];

impl PaintedBleeds {
    /// Sample `index` of `samples`, with what chance gives it. `window_hu` is what intensities 0 and 1
    /// stand for.
    pub(crate) fn apply(
        &self,
        (samples, index): (&[Sample], usize),
        window_hu: [f32; 2],
        rng: &mut impl RngCore,
    ) -> Pair {
        let sample = &samples[index];
        let mut pair = sample.pair.clone();
        let Some(head) = &sample.head else { return pair };
        let [low, high] = window_hu;
        for value in &mut pair.image {
            *value = low + *value * (high - low);
        }
        for look_alike in [LookAlike::Shading, LookAlike::Calcification, LookAlike::ThickRim] {
            if rng.random::<f32>() < self.look_alikes {
                look_alike.paint(head, &mut pair.image, rng);
            }
        }
        let probability = if sample.bleed_voxels > 0 { self.in_bleed } else { self.in_blank };
        if rng.random::<f32>() < probability {
            for _ in 0..rng.random_range(1..=self.at_most.max(1)) {
                if rng.random::<f32>() < self.transplanted {
                    transplant(samples, (head, window_hu), &mut pair, rng);
                } else {
                    draw(head, &mut pair, rng);
                }
            }
        }
        for value in &mut pair.image {
            *value = ((*value - low) / (high - low)).clamp(0.0, 1.0);
        }
        pair
    }
}

fn draw(head: &HeadMap, pair: &mut Pair, rng: &mut impl RngCore) {
    let mut at = rng.random::<f32>();
    let kind = KINDS.iter().find(|(_, share)| {
        at -= share;
        at < 0.0
    });
    let (kind, _) = kind.unwrap_or(&KINDS[0]);
    if let Some(bleed) = Bleed::draw(*kind, head, &pair.image, rng) {
        let mut canvas = Canvas { image_hu: &mut pair.image, target: &mut pair.target };
        bleed.paint(head, &mut canvas, rng);
    }
}

fn transplant(
    samples: &[Sample],
    (head, [low, high]): (&HeadMap, [f32; 2]),
    pair: &mut Pair,
    rng: &mut impl RngCore,
) {
    let donors: Vec<(&Sample, &HeadMap)> = samples
        .iter()
        .filter(|sample| sample.bleed_voxels > 0)
        .filter_map(|sample| sample.head.as_ref().map(|head| (sample, head)))
        .collect();
    if donors.is_empty() {
        return;
    }
    let (sample, donor_head) = donors[rng.random_range(0..donors.len())];
    let image_hu: Vec<f32> = sample.pair.image.iter().map(|v| low + v * (high - low)).collect();
    let donor = Donor { head: donor_head, image_hu: &image_hu, target: &sample.pair.target };
    let mut canvas = Canvas { image_hu: &mut pair.image, target: &mut pair.target };
    // A bleed that finds no place there is left out.
    let _was_placed = donor.give(head, &mut canvas, rng);
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SIZE: [usize; 3] = [12, 64, 64];

    /// Brain of 50 mm in a skull of 8 mm, on voxels of 8 × 2 × 2 mm; bright in one corner where
    /// there is a bleed.
    fn sample(has_bleed: bool) -> Sample {
        let mut pair = Pair { size: SIZE, image: Vec::new(), target: Vec::new() };
        for i in 0..SIZE.iter().product::<usize>() {
            let way = [(i / 4096) as f32 * 8.0 - 48.0, (i / 64 % 64) as f32 * 2.0 - 64.0];
            let x_mm = (i % 64) as f32 * 2.0 - 64.0;
            let away = (way[0] * way[0] + way[1] * way[1] + x_mm * x_mm).sqrt();
            let is_bleed = has_bleed && away < 30.0 && x_mm > 10.0;
            pair.image.push(match away {
                _ if is_bleed => 0.7,
                ..50.0 => 0.35,
                ..58.0 => 1.0,
                _ => 0.0,
            });
            pair.target.push(f32::from(u8::from(is_bleed)));
        }
        let hu: Vec<f32> = pair.image.iter().map(|v| 100.0 * v).collect();
        let head = HeadMap::of(&hu, SIZE, [8.0, 2.0, 2.0]);
        assert!(head.is_some(), "the test's head has a skull");
        Sample { id: "t".into(), pair, bleed_voxels: usize::from(has_bleed), head }
    }

    const ALWAYS: PaintedBleeds = PaintedBleeds {
        in_blank: 1.0,
        in_bleed: 1.0,
        at_most: 2,
        transplanted: 0.5,
        look_alikes: 0.5,
    };

    #[test]
    fn a_blank_head_gets_a_bleed_and_values_stay_in_range() {
        let samples = [sample(false), sample(true)];
        let mut bled = 0;
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let pair = ALWAYS.apply((&samples, 0), [0.0, 100.0], &mut rng);
            bled += usize::from(pair.target.iter().any(|&t| t > 0.5));
            for value in pair.image.iter().chain(&pair.target) {
                assert!((0.0..=1.0).contains(value), "{value}");
            }
        }

        assert!(bled >= 17, "{bled} of 20 heads bled");
    }

    #[test]
    fn a_head_keeps_its_own_bleed() {
        let samples = [sample(true)];
        for seed in 0..10 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let pair = ALWAYS.apply((&samples, 0), [0.0, 100.0], &mut rng);

            assert!(pair.target.iter().zip(&samples[0].pair.target).all(|(new, old)| new >= old));
        }
    }

    #[test]
    fn never_is_never() {
        let never = PaintedBleeds { in_blank: 0.0, in_bleed: 0.0, look_alikes: 0.0, ..ALWAYS };
        let samples = [sample(false)];

        let pair = never.apply((&samples, 0), [0.0, 100.0], &mut ChaCha8Rng::seed_from_u64(1));

        assert_eq!(pair.target, samples[0].pair.target);
        let near = pair.image.iter().zip(&samples[0].pair.image).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "an unpainted image changed");
    }
}
