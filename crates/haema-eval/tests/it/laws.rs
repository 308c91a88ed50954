//! What must hold for any input, and what is said of empty ones.

use haema_eval::{Bootstrap, Overlap, OverlapError, RocError, median_absolute_error_ml, roc_auc};
use haema_volume::Volume;
use proptest::prelude::*;

fn mask(voxels: Vec<bool>) -> Volume<u8> {
    let size = [1, 1, voxels.len()];
    Volume::new(size, voxels.into_iter().map(u8::from).collect()).unwrap()
}

proptest! {
    #[test]
    fn dice_is_symmetric_and_one_only_for_equal_masks(
        voxels in proptest::collection::vec(any::<(bool, bool)>(), 1..64),
    ) {
        let (reference, predicted): (Vec<bool>, Vec<bool>) = voxels.into_iter().unzip();
        let (reference, predicted) = (mask(reference), mask(predicted));

        let overlap = Overlap::count(&reference, &predicted).unwrap();
        let swapped = Overlap::count(&predicted, &reference).unwrap();

        prop_assert_eq!(overlap.dice(), swapped.dice());
        prop_assert_eq!(overlap.precision(), swapped.recall());
        if let Some(dice) = overlap.dice() {
            prop_assert!((0.0..=1.0).contains(&dice));
            prop_assert_eq!(dice == 1.0, reference == predicted);
            if let (Some(precision), Some(recall)) = (overlap.precision(), overlap.recall()) {
                let harmonic = 2.0 * precision * recall / (precision + recall).max(1e-300);
                prop_assert!((dice - harmonic).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn auc_is_the_share_of_pairs_won(
        cases in proptest::collection::vec((0..8_i8, any::<bool>()), 1..40),
    ) {
        let scores: Vec<f64> = cases.iter().map(|case| f64::from(case.0)).collect();
        let has_bleed: Vec<bool> = cases.iter().map(|case| case.1).collect();
        let (mut won, mut pairs) = (0.0, 0.0);
        for with in cases.iter().filter(|case| case.1) {
            for without in cases.iter().filter(|case| !case.1) {
                pairs += 1.0;
                won += match with.0.cmp(&without.0) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }

        let auc = roc_auc(&scores, &has_bleed).unwrap();

        prop_assert_eq!(auc, (pairs > 0.0).then(|| won / pairs));
        let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
        let mirrored = roc_auc(&negated, &has_bleed).unwrap();
        if let (Some(auc), Some(mirrored)) = (auc, mirrored) {
            prop_assert!((auc + mirrored - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn what_was_rightly_left_empty_has_no_dice() {
    let empty = mask(vec![false; 4]);
    let one = mask(vec![true, false, false, false]);

    let both = Overlap::count(&empty, &empty).unwrap();
    let missed = Overlap::count(&one, &empty).unwrap();

    assert_eq!([both.dice(), both.precision(), both.recall()], [None; 3]);
    assert_eq!([missed.dice(), missed.precision(), missed.recall()], [Some(0.0), None, Some(0.0)]);
}

#[test]
fn masks_on_different_grids_are_refused() {
    let error = Overlap::count(&mask(vec![true]), &mask(vec![true; 2])).unwrap_err();

    assert_eq!(error, OverlapError::SizesDiffer { reference: [1, 1, 1], predicted: [1, 1, 2] });
}

#[test]
fn scores_that_cannot_be_ordered_are_refused() {
    let nan = roc_auc(&[0.1, f64::NAN], &[true, false]);

    assert_eq!(nan, Err(RocError::NotANumber { index: 1 }));
    assert_eq!(roc_auc(&[0.1], &[]), Err(RocError::CountsDiffer { scores: 1, cases: 0 }));
    assert_eq!(roc_auc(&[f64::INFINITY, 0.0], &[true, false]), Ok(Some(1.0)));
    assert_eq!(roc_auc(&[0.0, -0.0], &[true, false]), Ok(Some(0.5)));
}

#[test]
fn the_same_seed_gives_the_same_interval_whatever_patients_are_called() {
    let values = [1.0, 5.0, 2.0, 8.0, 3.0];
    let mean =
        |cases: &[usize]| Some(cases.iter().map(|&c| values[c]).sum::<f64>() / cases.len() as f64);

    let few = |seed| Bootstrap { resamples: 15, ..Bootstrap::new(seed) };

    let numbered = few(3).interval(&[0, 1, 1, 2, 3], mean);
    let named = few(3).interval(&["q", "a", "a", "z", "b"], mean);
    let other = few(4).interval(&[0, 1, 1, 2, 3], mean);

    assert_eq!(numbered, named);
    assert_ne!(numbered, other);
}

#[test]
fn draws_without_a_figure_are_counted() {
    let has_bleed = [true, false, false];
    let auc = |cases: &[usize]| {
        let scores: Vec<f64> = cases.iter().map(|&case| case as f64).collect();
        let truth: Vec<bool> = cases.iter().map(|&case| has_bleed[case]).collect();
        roc_auc(&scores, &truth).unwrap()
    };

    let interval = Bootstrap::new(0).interval(&[0, 1, 2], auc).unwrap();
    let nothing = Bootstrap::new(0).interval(&[0, 1, 2], |_| None);

    // Of 27 draws 8 lack the bleed and 1 has nothing else.
    let share = interval.undefined as f64 / 2000.0;
    assert!((share - 9.0 / 27.0).abs() < 0.04, "{share}");
    assert_eq!(nothing, None);
    assert_eq!(Bootstrap::new(0).interval(&[0_u8; 0], |_| Some(1.0)), None);
}

#[test]
fn no_cases_have_no_median_error() {
    assert_eq!(median_absolute_error_ml(&[]), None);
    assert_eq!(median_absolute_error_ml(&[(f64::NAN, 1.0)]), None);
}
