//! A model from the mean head with bleeds drawn into it.

use std::num::NonZeroUsize;

use haema_measure::Atlas;
use haema_volume::{CtVolume, Volume};
use proptest::prelude::*;

use super::{Gathering, LearnError, Learner, Pitchperfect, Settings};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The template with a ball of blood and some noise, and the ball's mask.
fn bleeding(middle: [f64; 3], radius_mm: f64, noise: usize) -> (CtVolume, Volume<u8>) {
    let template = Atlas::builtin(TWO).template();
    let grid = template.grid().clone();
    let is_in = |[z, y, x]: [usize; 3]| {
        let at = grid.point_lps_mm(z, y as f64, x as f64);
        haema_volume::norm(haema_volume::sub(at, middle)) < radius_mm
    };
    let mask = Volume::from_fn(grid.size(), |at| u8::from(is_in(at)));
    let hu = Volume::from_fn(grid.size(), |at| {
        let [z, y, x] = at;
        let shake = ((z * 131 + y * 71 + x * 37 + noise * 17) % 13) as f32 - 6.0;
        shake / 2.0 + if mask[at] != 0 { 65.0 } else { template.voxels_hu()[at] }
    });
    (CtVolume::new(hu, grid).unwrap(), mask)
}

fn learned(settings: Settings) -> Pitchperfect {
    let mut gathering = Gathering::new(settings);
    for (i, x_mm) in [-30.0, 32.0, 28.0].into_iter().enumerate() {
        let (ct, mask) = bleeding([x_mm, 5.0 * i as f64, 20.0], 14.0, i);
        gathering.add(&ct, &mask, TWO).unwrap();
    }
    gathering.learn(TWO).unwrap()
}

#[test]
fn a_bleed_that_it_never_saw_is_found_by_both_learners_and_by_a_model_from_its_file() {
    let (ct, mask) = bleeding([-28.0, 12.0, 25.0], 12.0, 9);
    for learner in [Settings::tiny().learner, Learner::Logistic] {
        let model = learned(Settings { learner, ..Settings::tiny() });
        let found = model.segment(&ct, TWO).unwrap();

        let both = |a: &Volume<u8>, b: &Volume<f32>| {
            a.as_slice()
                .iter()
                .zip(b.as_slice())
                .filter(|(a, b)| **a != 0 && **b > model.cutoff())
                .count()
        };
        let found_count =
            found.probability.as_slice().iter().filter(|&&p| p > model.cutoff()).count();
        let drawn = mask.as_slice().iter().filter(|&&voxel| voxel != 0).count();
        let dice = 2.0 * both(&mask, &found.probability) as f64 / (found_count + drawn) as f64;
        assert!(dice > 0.8, "{learner:?}: Dice {dice}, cutoff {}", model.cutoff());
        assert!(found.score > 0.5 && model.training_dice() > 0.8, "{}", found.score);

        let bytes = model.to_bytes();
        let read = Pitchperfect::from_bytes(&bytes).unwrap();
        assert!(Pitchperfect::begins(&bytes) && read.to_bytes() == bytes);
        let again = read.segment(&ct, NonZeroUsize::MIN).unwrap();
        assert!(again.probability == found.probability, "the same on any number of threads");
    }
}

#[test]
fn without_a_bleed_there_is_nothing_to_learn() {
    let error = Gathering::new(Settings::tiny()).learn(TWO).unwrap_err();

    assert_eq!(error, LearnError::NothingToLearn { bleed: 0, other: 0, scans: 0 });
}

#[test]
fn a_damaged_file_is_refused() {
    let model = learned(Settings { learner: Learner::Logistic, ..Settings::tiny() });
    let bytes = model.to_bytes();

    assert!(Pitchperfect::from_bytes(&bytes[..bytes.len() / 2]).is_err());
    let newer = String::from_utf8_lossy(&bytes[..400]).replace("fect/1", "fect/2").into_bytes();
    assert!(Pitchperfect::from_bytes(&newer).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_model_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let with_beginning = [b"{\"schema\":\"haema.pitchperfect/1\"".as_slice(), &bytes].concat();

        prop_assert!(Pitchperfect::from_bytes(&bytes).is_err());
        prop_assert!(Pitchperfect::from_bytes(&with_beginning).is_err());
    }
}
