//! What must hold for any sample, and what is said of samples that say nothing.

use haema_eval::{
    Bootstrap, Divisor, Exchange, Icc, IccForm, KappaError, KappaWeights, Overlap, Proportion,
    Reliability, Tie, VOLUME_BORDERS_ML, Variances, Zeros, average_precision, bland_altman,
    bland_altman_ratio, bonferroni, clustered_mean, cohen_kappa, concordance, conformal_bound,
    conformal_coverage, deming, describe, disagreement, f1_of_means, fisher_exact, friedman,
    fusion_report, holm, intersection, kendall, kruskal_wallis, least_squares, majority,
    mann_whitney, mean_difference, mean_estimate, mean_mask, operating_point, paired_difference,
    passing_bablok, pearson, relative_difference, roc_auc_estimate, roc_curve, share_within_ml,
    share_within_part, spearman, staple, union, volume_classes, volume_errors, wilcoxon,
};
use haema_volume::Volume;
use proptest::prelude::*;

fn sample(least: usize) -> impl Strategy<Value = Vec<f64>> {
    // Few distinct values, so that ties occur.
    proptest::collection::vec((-20..20_i8).prop_map(|v| f64::from(v) / 4.0), least..14)
}

fn pairs() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    proptest::collection::vec((-20..20_i8, -20..20_i8), 4..14)
        .prop_map(|all| all.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).unzip())
}

fn volume(voxels: &[u8]) -> Volume<u8> {
    Volume::new([1, 1, voxels.len()], voxels.to_vec()).unwrap()
}

proptest! {
    #[test]
    fn rank_tests_do_not_care_about_order_or_scale(a in sample(1), b in sample(1)) {
        let there = mann_whitney(&a, &b).unwrap();
        let back = mann_whitney(&b, &a).unwrap();
        let stretched: Vec<Vec<f64>> =
            [&a, &b].map(|s| s.iter().map(|v| (v / 3.0).exp()).collect()).to_vec();
        let other = mann_whitney(&stretched[0], &stretched[1]).unwrap();

        prop_assert_eq!(there.u + back.u, (a.len() * b.len()) as f64);
        prop_assert!((there.p_exact.unwrap() - back.p_exact.unwrap()).abs() < 1e-12);
        prop_assert!((there.p_asymptotic - back.p_asymptotic).abs() < 1e-12);
        prop_assert_eq!(there, other);
        for p in [there.p_exact.unwrap(), there.p_asymptotic, there.p_asymptotic_uncorrected] {
            prop_assert!((0.0..=1.0).contains(&p));
        }
    }

    #[test]
    fn signed_ranks_turn_with_the_sign(d in sample(1)) {
        for zeros in [Zeros::Dropped, Zeros::Ranked] {
            let there = wilcoxon(&d, zeros).unwrap();
            let back = wilcoxon(&d.iter().map(|v| -v).collect::<Vec<_>>(), zeros).unwrap();

            prop_assert_eq!((there.w, there.p_exact), (back.w, back.p_exact));
            prop_assert!(there.effect.is_nan() || there.effect == -back.effect);
            prop_assert!((0.0..=1.0).contains(&there.p_exact.unwrap()));
        }
    }

    #[test]
    fn the_line_follows_what_is_done_to_y((x, y) in pairs(), shift in -9.0..9.0_f64, by in 0.1..9.0_f64) {
        let moved: Vec<f64> = y.iter().map(|y| shift + by * y).collect();

        if let Some(line) = least_squares(&x, &y) {
            let other = least_squares(&x, &moved).unwrap();
            prop_assert!((other.slope.value - by * line.slope.value).abs() < 1e-9);
            prop_assert!((other.intercept.value - shift - by * line.intercept.value).abs() < 1e-8);
            prop_assert!(line.r_squared.is_nan() || (-1e-12..=1.0).contains(&line.r_squared));
        }
    }

    #[test]
    fn agreement_is_never_better_than_correlation((x, y) in pairs()) {
        if let (Some(pearson), Some(agreement)) = (pearson(&x, &y), concordance(&x, &y)) {
            prop_assert!(agreement.abs() <= pearson.r.abs() + 1e-12);
            prop_assert!((-1.0..=1.0).contains(&pearson.r));
        }
        if let (Some(there), Some(back)) = (kendall(&x, &y), kendall(&y, &x)) {
            prop_assert!((there.tau_b - back.tau_b).abs() < 1e-12);
            prop_assert!((-1.0..=1.0).contains(&there.tau_b));
        }
        if let (Some(there), Some(back)) = (deming(&x, &y), deming(&y, &x)) {
            prop_assert!((there[0] * back[0] - 1.0).abs() < 1e-9, "a line has one inverse");
        }
    }

    #[test]
    fn limits_turn_when_raters_change_places((x, y) in pairs()) {
        let (there, back) = (bland_altman(&x, &y).unwrap(), bland_altman(&y, &x).unwrap());

        prop_assert!((there.bias.value + back.bias.value).abs() < 1e-12);
        prop_assert!((there.limits[0].value + back.limits[1].value).abs() < 1e-9);
        prop_assert!(there.limits[0].value <= there.bias.value);
    }

    #[test]
    fn two_equal_raters_agree_wholly(x in sample(3)) {
        let subjects: Vec<Vec<f64>> = x.iter().map(|v| vec![*v, *v, *v]).collect();

        match Icc::of(&subjects) {
            Some(icc) => {
                prop_assert!((icc.value(IccForm::AgreementSingle) - 1.0).abs() < 1e-12);
                prop_assert!((concordance(&x, &x).unwrap() - 1.0).abs() < 1e-12);
            }
            None => prop_assert!(x.iter().all(|v| *v == x[0])),
        }
    }

    #[test]
    fn kappa_of_masks_is_cohens(counts in [0..40_u64, 0..40_u64, 0..40_u64, 0..40_u64]) {
        let [tp, fp, fn_, tn] = counts;
        let overlap = Overlap {
            true_positive: tp, false_positive: fp, false_negative: fn_, true_negative: tn,
        };

        let classes = cohen_kappa(&[vec![tp, fn_], vec![fp, tn]], KappaWeights::Equal).unwrap();

        match (overlap.kappa(), classes) {
            (Some(kappa), Some(classes)) => prop_assert!((kappa - classes.value).abs() < 1e-12),
            (kappa, classes) => prop_assert_eq!(kappa, classes.map(|k| k.value)),
        }
        if let (Some(dice), Some(jaccard)) = (overlap.dice(), overlap.jaccard()) {
            prop_assert!((jaccard - dice / (2.0 - dice)).abs() < 1e-12);
        }
    }

    #[test]
    fn adjusting_keeps_the_order_and_never_helps(p in proptest::collection::vec(0.0..=1.0_f64, 1..9)) {
        let (step, flat) = (holm(&p), bonferroni(&p));

        for i in 0..p.len() {
            prop_assert!(p[i] <= step[i] && step[i] <= flat[i] && flat[i] <= 1.0);
            for j in 0..p.len() {
                prop_assert!(p[i] > p[j] || step[i] <= step[j]);
            }
        }
    }

    #[test]
    fn a_conformal_bound_leaves_no_more_out_than_promised(scores in sample(1), miss in 0.01..0.9_f64) {
        let bound = conformal_bound(&scores, miss);

        let covered = scores.iter().filter(|score| **score <= bound).count() as f64;
        let wanted = (scores.len() as f64 + 1.0) * (1.0 - miss);
        prop_assert!(bound == f64::INFINITY && wanted > scores.len() as f64 || covered >= wanted - 1e-9);
    }

    #[test]
    fn the_vote_lies_between_all_and_any(
        masks in proptest::collection::vec(proptest::collection::vec(0..2_u8, 7), 1..6),
    ) {
        let masks: Vec<Volume<u8>> = masks.iter().map(|m| volume(m)).collect();
        let masks: Vec<&Volume<u8>> = masks.iter().collect();

        let all = intersection(&masks).unwrap().unwrap();
        let any = union(&masks).unwrap().unwrap();
        let share = mean_mask(&masks).unwrap().unwrap();
        let likely = staple(&masks).unwrap().unwrap();

        for tie in [Tie::Background, Tie::Bleed, Tie::Rater(0)] {
            let vote = majority(&masks, tie).unwrap().unwrap();
            for i in 0..7 {
                let vote = vote.as_slice()[i];
                prop_assert!(all.as_slice()[i] <= vote && vote <= any.as_slice()[i]);
                prop_assert!((share.as_slice()[i] >= 0.5 || vote == 0) && (share.as_slice()[i] <= 0.5 || vote == 1));
            }
        }
        prop_assert!(likely.probability.as_slice().iter().all(|p| (0.0..=1.0).contains(p)));
        prop_assert!(likely.sensitivity.iter().chain(&likely.specificity).all(|q| (-1e-9..=1.0 + 1e-9).contains(q)));
    }

    #[test]
    fn shares_of_counts_lie_in_their_intervals(n in 1..200_u64, part in 0.0..=1.0_f64) {
        let share = Proportion { hits: (part * n as f64) as u64, n };

        for [lower, upper] in [share.wilson(0.95).unwrap(), share.exact(0.95).unwrap()] {
            let value = share.value().unwrap();
            prop_assert!(0.0 <= lower && lower <= value + 1e-12 && value <= upper + 1e-12 && upper <= 1.0);
        }
    }
}

#[test]
fn nothing_is_made_of_nothing() {
    let none: [f64; 0] = [];

    assert_eq!(describe(&none, Divisor::Sample), None);
    assert_eq!(mean_estimate(&none), None);
    assert_eq!(mann_whitney(&none, &[1.0]), None);
    assert_eq!(wilcoxon(&none, Zeros::Dropped), None);
    assert_eq!((least_squares(&none, &none), pearson(&none, &none)), (None, None));
    assert_eq!((spearman(&none, &none), kendall(&none, &none)), (None, None));
    assert_eq!((bland_altman(&none, &none), Icc::of(&[])), (None, None));
    assert_eq!((friedman(&[]), kruskal_wallis(&[])), (None, None));
    assert_eq!((volume_errors(&none, &none), disagreement(&none, &none)), (None, None));
    assert_eq!(volume_classes(&none, &none, &VOLUME_BORDERS_ML), None);
    assert_eq!((share_within_ml(&[], 1.0), share_within_part(&[], 0.1)), (None, None));
    assert_eq!(clustered_mean(&none, &none.map(|_| 0)), None);
    assert_eq!(Exchange::new(1).test(&[]), None);
    assert_eq!(conformal_bound(&none, 0.1), f64::INFINITY);
    assert_eq!(conformal_coverage(0, 0.1, 0.95), None);
    assert_eq!(Reliability::new(15).expected_error(), None);
    assert_eq!((Reliability::new(15).brier(), Reliability::new(0).largest_error()), (None, None));
    assert_eq!(Proportion { hits: 0, n: 0 }.wilson(0.95), None);
    assert_eq!(cohen_kappa(&[], KappaWeights::Equal), Ok(None));
    assert_eq!(cohen_kappa(&[vec![0, 0], vec![0, 0]], KappaWeights::Linear), Ok(None));
    assert_eq!((majority(&[], Tie::Bleed), fusion_report(&[])), (Ok(None), Ok(None)));
    assert_eq!(staple(&[]), Ok(None));
    assert_eq!(average_precision(&[], &[]), Ok(None));
    assert_eq!(holm(&[]), Vec::<f64>::new());
    assert_eq!(f1_of_means(0.0, 0.0), None);
    assert_eq!(fisher_exact([[0, 0], [0, 0]]), 1.0);
}

#[test]
fn one_value_has_a_mean_and_no_spread() {
    let one = describe(&[0.8], Divisor::Sample).unwrap();

    assert_eq!((one.mean, one.sd, one.median, one.quartiles), (0.8, None, 0.8, [0.8; 2]));
    assert_eq!(describe(&[0.8], Divisor::Population).unwrap().sd, Some(0.0));
    assert_eq!((mean_estimate(&[0.8]), paired_difference(&[0.8], &[0.7])), (None, None));
    assert_eq!(mean_difference(&[0.8], &[0.7, 0.6], Variances::Pooled), None);
    assert_eq!(clustered_mean(&[0.8, 0.9], &["a", "a"]), None);
    assert_eq!(roc_auc_estimate(&[0.1, 0.2], &[true, false]), Ok(None));
    assert_eq!(mann_whitney(&[1.0], &[2.0]).unwrap().p_exact, Some(1.0));
    assert_eq!(wilcoxon(&[1.0], Zeros::Dropped).unwrap().p_exact, Some(1.0));
}

#[test]
fn two_pairs_have_a_correlation_and_no_line() {
    let (x, y) = ([1.0, 2.0], [3.0, 5.0]);

    assert_eq!(
        (least_squares(&x, &y), deming(&x, &y), passing_bablok(&x, &y, 0.95)),
        (None, None, None)
    );
    let pearson = pearson(&x, &y).unwrap();
    assert!(
        (pearson.r - 1.0).abs() < 1e-15 && pearson.p.is_nan() && pearson.interval(0.95)[0].is_nan()
    );
    assert_eq!(bland_altman(&x, &y).unwrap().proportional, None);
}

#[test]
fn values_that_are_all_equal_show_no_difference() {
    let flat = [0.1 + 0.2; 6];

    let mean = mean_estimate(&flat).unwrap();
    assert_eq!(
        (mean.value, mean.standard_error, mean.interval(0.95)),
        (0.1 + 0.2, 0.0, [0.1 + 0.2; 2])
    );
    assert!(mean.p_different(0.1 + 0.2).is_nan(), "0/0");
    assert_eq!(mean.p_different(0.0), 0.0);
    let ranks = mann_whitney(&flat, &flat).unwrap();
    assert_eq!((ranks.u, ranks.p_asymptotic, ranks.p_exact), (18.0, 1.0, Some(1.0)));
    let signed = wilcoxon(&[0.0; 5], Zeros::Ranked).unwrap();
    assert_eq!((signed.n, signed.p_asymptotic, signed.p_exact), (0, 1.0, Some(1.0)));
    assert_eq!(
        (pearson(&flat, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), kendall(&flat, &flat)),
        (None, None)
    );
    assert_eq!((concordance(&flat, &flat), least_squares(&flat, &flat)), (None, None));
    assert_eq!(Icc::of(&[vec![1.0, 1.0], vec![1.0, 1.0]]), None);
    assert_eq!(friedman(&[vec![1.0; 3], vec![1.0; 3]]), None);
    assert_eq!(kruskal_wallis(&[vec![1.0], vec![1.0, 1.0]]), None);
    let patients = [0, 1, 2, 3, 4, 5];
    assert_eq!(Bootstrap::new(1).interval_bca(&patients, |_| Some(1.0)), None);
    assert_eq!(Bootstrap::new(1).interval(&patients, |_| Some(1.0)).unwrap().lower, 1.0);
    assert_eq!(cohen_kappa(&[vec![7, 0], vec![0, 0]], KappaWeights::Equal), Ok(None));
    let level = least_squares(&[1.0, 2.0, 3.0], &[5.0; 3]).unwrap();
    assert!(level.slope.value == 0.0 && level.r_squared.is_nan());
}

#[test]
fn what_is_no_number_is_no_figure() {
    let bad = [1.0, f64::NAN, 3.0, 4.0];
    let good = [1.0, 2.0, 3.0, 4.0];

    assert_eq!(
        (describe(&bad, Divisor::Sample), mean_estimate(&[1.0, f64::INFINITY])),
        (None, None)
    );
    assert_eq!(
        (least_squares(&bad, &good), pearson(&good, &bad), spearman(&bad, &good)),
        (None, None, None)
    );
    assert_eq!((passing_bablok(&bad, &good, 0.95), kendall(&bad, &good)), (None, None));
    assert_eq!((mann_whitney(&bad, &good), wilcoxon(&bad, Zeros::Dropped)), (None, None));
    assert_eq!(
        (bland_altman(&bad, &good), bland_altman_ratio(&[0.0, 1.0], &[1.0, 1.0])),
        (None, None)
    );
    assert_eq!(disagreement(&bad, &good), None);
    assert_eq!(
        (disagreement(&[-1.0], &[1.0]), Icc::of(&[vec![1.0, f64::NAN], vec![1.0, 2.0]])),
        (None, None)
    );
    assert_eq!(Exchange::new(1).test(&[vec![f64::NAN]]), None);
    assert!(holm(&[f64::NAN, 0.04])[0].is_nan() && holm(&[f64::NAN, 0.04])[1] == 0.04);
    assert_eq!(conformal_bound(&[f64::NAN; 30], 0.1), f64::INFINITY);
    assert!(roc_curve(&[f64::NAN], &[true]).is_err() && operating_point(&[0.5], &[], 0.1).is_err());
    let mut reliability = Reliability::new(15);
    reliability.add(f64::NAN, true);
    reliability.add(1.5, true);
    assert_eq!((reliability.n(), reliability.refused()), (0, 2));
}

#[test]
fn counts_that_do_not_fit_are_no_figure() {
    let (two, three) = ([1.0, 2.0], [1.0, 2.0, 3.0]);

    assert_eq!(
        (least_squares(&two, &three), deming(&two, &three), pearson(&two, &three)),
        (None, None, None)
    );
    assert_eq!((bland_altman(&two, &three), paired_difference(&two, &three)), (None, None));
    assert_eq!((disagreement(&two, &three), volume_errors(&two, &three)), (None, None));
    assert_eq!(clustered_mean(&two, &[1]), None);
    assert_eq!(Icc::of(&[vec![1.0, 2.0], vec![1.0]]), None);
    assert_eq!(friedman(&[vec![1.0, 2.0, 3.0], vec![1.0, 2.0]]), None);
    let error = cohen_kappa(&[vec![1, 2], vec![1]], KappaWeights::Equal).unwrap_err();
    assert_eq!(error, KappaError::NotSquare { row: 1, found: 1, wanted: 2 });
    assert!(majority(&[&volume(&[1]), &volume(&[1, 0])], Tie::Bleed).is_err());
    assert_eq!(majority(&[&volume(&[1])], Tie::Rater(1)), Ok(None));
    assert!(staple(&[&volume(&[1]), &volume(&[1, 0])]).is_err());
}

#[test]
fn huge_offsets_cost_no_digits() {
    let near = [1.0, 2.0, 4.0, 8.0, 16.0];
    let far = near.map(|v| v + 2.0_f64.powi(40));

    let (here, there) =
        (describe(&near, Divisor::Sample).unwrap(), describe(&far, Divisor::Sample).unwrap());

    assert!((here.sd.unwrap() - there.sd.unwrap()).abs() < 1e-14);
    let slope = least_squares(&far, &near).unwrap().slope;
    assert!((slope.value - 1.0).abs() < 1e-14, "{slope:?}");
    assert!((pearson(&far, &near).unwrap().r - 1.0).abs() < 1e-14);
}

#[test]
fn volumes_are_compared_as_clinicians_do() {
    let classes =
        volume_classes(&[29.9, 30.0, 61.0, 5.0], &[30.0, 45.0, 59.0, 4.0], &VOLUME_BORDERS_ML);

    let classes = classes.unwrap();
    assert_eq!(classes.counts, [[1, 1, 0], [0, 1, 0], [0, 1, 0]]);
    assert_eq!(classes.accuracy, 0.5);
    assert!((classes.kappa.unwrap().value - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!((relative_difference(0.0, 4.0), relative_difference(3.0, 0.0)), (Some(-1.0), None));
    assert_eq!(share_within_part(&[(0.0, 0.0), (0.1, 0.0), (11.0, 10.0)], 0.1), Some(2.0 / 3.0));
    let empty = disagreement(&[0.0, 0.0, 3.0], &[0.0, 2.0, 0.0]).unwrap();
    assert!((empty.signed, empty.absolute) == (0.0, 4.0 / 3.0));
    let ratio = bland_altman_ratio(&[2.0, 20.0, 200.0], &[1.0, 10.0, 100.0]).unwrap();
    assert!((ratio.bias.value.exp() - 2.0).abs() < 1e-12 && ratio.sd < 1e-12);
}

#[test]
fn labels_that_can_be_exchanged_are() {
    let exact =
        Exchange::new(1).test(&[vec![1.0, -1.0], vec![2.0, -2.0], vec![3.0, -3.0]]).unwrap();
    let many: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i % 3), -f64::from(i % 3)]).collect();
    let drawn = Exchange::new(1).test(&many).unwrap();

    assert_eq!((exact.statistic, exact.p, exact.is_exact), (2.0, 0.25, true));
    assert!(!drawn.is_exact && drawn.p < 1e-4, "{drawn:?}");
    assert_eq!(Exchange::new(1).test(&many), Some(drawn));
}

#[test]
fn thresholds_split_cases_as_said() {
    let (scores, truth) = ([0.9, 0.4, 0.4, 0.1], [true, true, false, false]);

    let point = operating_point(&scores, &truth, 0.4).unwrap();
    let curve = roc_curve(&scores, &truth).unwrap();

    assert_eq!(point.sensitivity, Proportion { hits: 2, n: 2 });
    assert_eq!(point.specificity, Proportion { hits: 1, n: 2 });
    assert_eq!((point.precision(), point.youden()), (Some(2.0 / 3.0), Some(0.5)));
    assert_eq!(curve.len(), 4);
    assert_eq!((curve[0].threshold, curve[2]), (f64::INFINITY, point));
    assert_eq!(average_precision(&scores, &[false; 4]), Ok(None));
}

#[test]
fn a_promise_about_few_patients_is_a_loose_one() {
    let [low, high] = conformal_coverage(19, 0.1, 0.95).unwrap();

    // The 18th of 19: a beta distribution of 18 and 2.
    assert!((low - 0.740).abs() < 0.002 && (high - 0.987).abs() < 0.002, "{low} {high}");
}

#[test]
fn raters_who_dispute_are_reported() {
    let report = fusion_report(&[&volume(&[1, 1, 0, 0]), &volume(&[1, 0, 1, 0])]).unwrap().unwrap();

    assert_eq!((report.disputed, report.unanimous), (2, Some(1.0 / 3.0)));
    let empty = fusion_report(&[&volume(&[0, 0])]).unwrap().unwrap();
    assert_eq!((empty.disputed, empty.unanimous), (0, None));
}
