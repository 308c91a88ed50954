//! Statistics as SciPy, statsmodels, pingouin and scikit-learn compute them.
//!
//! `testdata/make_statistics.py` is the recipe, `testdata/MANIFEST.txt` pins tools and checksum.

use std::sync::LazyLock;

use haema_eval::{
    Bootstrap, Divisor, Estimate, Icc, IccForm, KappaWeights, MeanSd, Proportion, Reliability,
    Variances, Zeros, average_precision, bland_altman, bonferroni, clustered_mean, cohen_kappa,
    concordance, deming, describe, fisher_exact, friedman, holm, kendall, kruskal_wallis,
    least_squares, mann_whitney, mann_whitney_p_without_ties, mean_difference, mean_difference_of,
    mean_estimate, paired_difference, passing_bablok, pearson, roc_auc_estimate, roc_curve,
    spearman, volume_errors, wilcoxon,
};
use serde_json::Value;

use crate::oracle::{CLOSED, assert_all_close, assert_close, at, bools, number, numbers, rows};

static GOLDENS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../testdata/statistics.json")).unwrap());

/// Each pair of samples with its name, and how close two ways to compute can come on it: around 10⁹ the
/// spread of 1 has lost nine of sixteen digits before anybody computes.
fn for_each_pair(check: impl Fn(&str, &Value, &[f64], &[f64], f64)) {
    let pairs = at(&GOLDENS, "/pairs").as_object().unwrap();
    assert!(pairs.len() >= 9);
    for (name, golden) in pairs {
        let (x, y) = (numbers(at(golden, "/x")), numbers(at(golden, "/y")));
        let tolerance = if name == "offset" { 1e-6 } else { CLOSED };
        check(name, golden, &x, &y, tolerance);
    }
}

#[test]
fn means_and_spreads_agree_with_numpy() {
    for_each_pair(|name, golden, x, _, tolerance| {
        let found = describe(x, Divisor::Sample).unwrap();
        let population = describe(x, Divisor::Population).unwrap();
        let wanted = |part: &str| number(at(golden, &format!("/describe/{part}")));

        assert_close(found.mean, wanted("mean"), tolerance, name);
        assert_close(found.sd.unwrap(), wanted("sd"), tolerance, name);
        assert_close(population.sd.unwrap(), wanted("sd_population"), tolerance, name);
        assert_close(found.median, wanted("median"), tolerance, name);
        assert_all_close(&found.quartiles, at(golden, "/describe/quartiles"), tolerance, name);
        let interval = mean_estimate(x).unwrap().interval(0.95);
        assert_all_close(&interval, at(golden, "/describe/interval"), tolerance, name);
    });
}

#[test]
fn least_squares_agree_with_statsmodels() {
    for_each_pair(|name, golden, x, y, tolerance| {
        // Around 10⁹ the intercept is nine digits of extrapolation, and statsmodels inverts a matrix that is
        // singular to sixteen: what it prints there is no oracle.
        if name == "offset" {
            return;
        }
        let line = least_squares(x, y).unwrap();
        let ols = at(golden, "/ols");
        let wanted = |part: &str| number(&ols[part]);
        let check = |found: f64, part: &str| {
            assert_close(found, wanted(part), tolerance, &format!("{name} {part}"));
        };

        check(line.slope.value, "slope");
        check(line.intercept.value, "intercept");
        check(line.slope.standard_error, "slope_se");
        check(line.intercept.standard_error, "intercept_se");
        check(line.slope.p_different(0.0), "slope_p");
        check(line.intercept.p_different(0.0), "intercept_p");
        check(line.slope.p_different(1.0), "slope_p_of_one");
        check(line.r_squared, "r_squared");
        check(line.residual_sd, "residual_sd");
        assert_all_close(&line.slope.interval(0.95), &ols["slope_interval"], tolerance, name);
        assert_all_close(
            &line.intercept.interval(0.95),
            &ols["intercept_interval"],
            tolerance,
            name,
        );
    });
}

#[test]
fn lines_with_errors_in_both_agree_with_their_definitions() {
    for_each_pair(|name, golden, x, y, tolerance| {
        let line = passing_bablok(x, y, 0.95).unwrap();
        let wanted = at(golden, "/passing_bablok_formula");

        assert_all_close(&deming(x, y).unwrap(), at(golden, "/deming_formula"), tolerance, name);
        assert_close(line.slope, number(&wanted["slope"]), tolerance, name);
        assert_all_close(&line.slope_interval, &wanted["slope_interval"], tolerance, name);
        assert_close(line.intercept, number(&wanted["intercept"]), tolerance, name);
        assert_all_close(&line.intercept_interval, &wanted["intercept_interval"], tolerance, name);
    });
}

#[test]
fn correlations_agree_with_scipy() {
    for_each_pair(|name, golden, x, y, tolerance| {
        let golden = at(golden, "/correlation");
        let (pearson, kendall) = (pearson(x, y).unwrap(), kendall(x, y).unwrap());
        let spearman = spearman(x, y).unwrap();

        assert_all_close(&[pearson.r, pearson.p], &golden["pearson"], tolerance, name);
        assert_close(spearman.r, number(&golden["spearman"][0]), tolerance, name);
        // The p of a correlation of 1 is 0; SciPy's 1 − 10⁻¹⁶ makes something of it.
        if 1.0 - spearman.r.abs() > 1e-9 {
            assert_close(spearman.p, number(&golden["spearman"][1]), tolerance, name);
        }
        assert_all_close(&[kendall.tau_b, kendall.p], &golden["kendall"], tolerance, name);
        if let Some(interval) = golden.get("pearson_interval") {
            assert_all_close(&pearson.interval(0.95), interval, tolerance, name);
        }
        let concordance = concordance(x, y).unwrap();
        assert_close(concordance, number(&golden["concordance_formula"]), tolerance, name);
    });
}

#[test]
fn limits_of_agreement_agree_with_their_definition() {
    for_each_pair(|name, golden, x, y, tolerance| {
        let found = bland_altman(x, y).unwrap();
        let golden = at(golden, "/bland_altman_formula");

        assert_close(found.bias.value, number(&golden["bias"]), tolerance, name);
        assert_close(found.sd, number(&golden["sd"]), tolerance, name);
        assert_all_close(&found.bias.interval(0.95), &golden["bias_interval"], tolerance, name);
        assert_all_close(&found.limits.map(|l| l.value), &golden["limits"], tolerance, name);
        for (limit, wanted) in
            found.limits.iter().zip(golden["limit_intervals"].as_array().unwrap())
        {
            assert_all_close(&limit.interval(0.95), wanted, tolerance, name);
        }
        let slope = found.proportional.unwrap().slope;
        let wanted = &golden["proportional"];
        assert_all_close(&[slope.value, slope.p_different(0.0)], wanted, tolerance, name);
    });
}

const FORMS: [IccForm; 6] = [
    IccForm::OneWaySingle,
    IccForm::AgreementSingle,
    IccForm::ConsistencySingle,
    IccForm::OneWayAverage,
    IccForm::AgreementAverage,
    IccForm::ConsistencyAverage,
];

fn assert_icc(subjects: &[Vec<f64>], golden: &Value, name: &str) {
    let icc = Icc::of(subjects).unwrap();
    let (values, p) = (FORMS.map(|form| icc.value(form)), FORMS.map(|form| icc.p(form)));

    assert_all_close(&values, &golden["values"], CLOSED, name);
    assert_all_close(&p, &golden["p"], CLOSED, name);
    let exact = golden["intervals_formula"].as_array().unwrap();
    let rounded = golden["pingouin_intervals"].as_array().unwrap();
    for ((form, wanted), rounded) in FORMS.into_iter().zip(exact).zip(rounded) {
        let interval = icc.interval(form, 0.95);
        assert_all_close(&interval, wanted, CLOSED, &format!("{name} {form:?}"));
        for (found, rounded) in interval.into_iter().zip(numbers(rounded)) {
            assert!((found - rounded).abs() <= 0.006, "{name} {form:?}: {found} {rounded}");
        }
    }
}

#[test]
fn intraclass_correlations_agree_with_pingouin() {
    for_each_pair(|name, golden, x, y, _| {
        let Some(wanted) = golden.get("icc") else { return };
        let subjects: Vec<Vec<f64>> = x.iter().zip(y).map(|(x, y)| vec![*x, *y]).collect();
        assert_icc(&subjects, wanted, name);
    });
    let three = at(&GOLDENS, "/three_raters");
    assert_icc(&rows(&three["square"]), three, "three raters");
}

#[test]
fn rank_tests_agree_with_scipy() {
    for_each_pair(|name, golden, x, y, _| {
        let golden = at(golden, "/ranks");
        let test = mann_whitney(x, y).unwrap();
        let wanted = &golden["mann_whitney"];
        assert_close(test.u, number(&wanted["u"]), 1e-14, name);
        assert_close(test.p_asymptotic, number(&wanted["p"]), CLOSED, name);
        assert_close(test.p_asymptotic_uncorrected, number(&wanted["p_uncorrected"]), CLOSED, name);
        let table = mann_whitney_p_without_ties(test.u, x.len(), y.len());
        assert_close(table, number(&wanted["p_table"]), CLOSED, name);
        if let Some(exact) = wanted.get("p_exact") {
            assert_close(test.p_exact.unwrap(), number(exact), CLOSED, name);
        }

        let differences: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
        for (zeros, part) in [(Zeros::Dropped, "wilcoxon"), (Zeros::Ranked, "pratt")] {
            let (test, wanted) = (wilcoxon(&differences, zeros).unwrap(), &golden[part]);
            assert_close(test.w, number(&wanted["w"]), 1e-14, name);
            assert_close(test.p_asymptotic, number(&wanted["p"]), CLOSED, name);
            if let Some(exact) = wanted.get("p_exact_formula") {
                assert_close(test.p_exact.unwrap(), number(exact), CLOSED, name);
            }
        }
    });
}

fn figures(found: Estimate) -> [f64; 5] {
    let [lower, upper] = found.interval(0.95);
    [found.t(0.0), found.p_different(0.0), found.df, lower, upper]
}

#[test]
fn t_tests_agree_with_scipy() {
    for_each_pair(|name, golden, x, y, tolerance| {
        let golden = at(golden, "/t");
        let of = |variances| figures(mean_difference(x, y, variances).unwrap());
        let paired = paired_difference(x, y).unwrap();
        let margin = number(&golden["margin"]);

        assert_all_close(&of(Variances::Pooled), &golden["student"], tolerance, name);
        assert_all_close(&of(Variances::Own), &golden["welch"], tolerance, name);
        assert_all_close(&figures(paired), &golden["paired"], tolerance, name);
        assert_close(paired.p_equivalent(margin), number(&golden["tost_p"]), tolerance, name);
        assert_close(paired.p_above(-margin), number(&golden["noninferior_p"]), tolerance, name);
    });
}

#[test]
fn the_age_test_of_the_paper_agrees_with_scipy() {
    let train = MeanSd { mean: 62.6, sd: 15.7, n: 45 };
    let test = MeanSd { mean: 70.7, sd: 8.4, n: 10 };
    for (variances, name) in [(Variances::Pooled, "student"), (Variances::Own, "welch")] {
        let found = mean_difference_of(train, test, variances).unwrap();

        let wanted = at(&GOLDENS, &format!("/table_1_age/{name}"));
        assert_all_close(&[found.t(0.0), found.p_different(0.0)], wanted, CLOSED, name);
    }
}

#[test]
fn errors_of_volumes_agree_with_scikit_learn() {
    for_each_pair(|name, golden, x, y, tolerance| {
        let found = volume_errors(x, y).unwrap();
        let golden = at(golden, "/volumes");

        assert_close(found.bias_ml, number(&golden["bias"]), tolerance, name);
        assert_close(found.mean_absolute_ml, number(&golden["mae"]), tolerance, name);
        assert_close(found.root_mean_square_ml, number(&golden["rmse"]), tolerance, name);
        assert_close(found.median_absolute_ml, number(&golden["median"]), tolerance, name);
        assert_all_close(&found.quartiles_ml, &golden["quartiles"], tolerance, name);
    });
}

#[test]
fn tests_of_many_samples_agree_with_scipy() {
    for golden in at(&GOLDENS, "/many").as_array().unwrap() {
        let methods = friedman(&rows(&golden["cases"])).unwrap();
        let groups = kruskal_wallis(&rows(&golden["groups"])).unwrap();

        let wanted = &golden["friedman"];
        assert_all_close(&[methods.statistic, methods.p], wanted, CLOSED, "friedman");
        let wanted = &golden["kruskal"];
        assert_all_close(&[groups.statistic, groups.p], wanted, CLOSED, "kruskal");
    }
}

#[test]
fn kappas_and_their_intervals_agree_with_statsmodels() {
    for golden in at(&GOLDENS, "/kappa").as_array().unwrap() {
        let counts: Vec<Vec<u64>> = serde_json::from_value(golden["counts"].clone()).unwrap();
        for (weights, name) in [
            (KappaWeights::Equal, "equal"),
            (KappaWeights::Linear, "linear"),
            (KappaWeights::Quadratic, "quadratic"),
        ] {
            let found = cohen_kappa(&counts, weights).unwrap().unwrap();

            let [lower, upper] = found.interval(0.95);
            let figures = [found.value, found.standard_error, lower, upper];
            for (found, wanted) in figures.into_iter().zip(numbers(&golden[name])) {
                // An error that is 0 comes out as the root of a rounding error, on either side.
                assert!(
                    (found - wanted).abs() <= 1e-9 * wanted.abs().max(10.0),
                    "{counts:?} {name}"
                );
            }
        }
    }
}

#[test]
fn roc_curves_agree_with_scikit_learn() {
    for golden in at(&GOLDENS, "/roc").as_array().unwrap() {
        let (truth, scores) = (bools(&golden["truth"]), numbers(&golden["scores"]));

        let auc = roc_auc_estimate(&scores, &truth).unwrap().unwrap();
        let points = roc_curve(&scores, &truth).unwrap();

        assert_close(auc.value, number(&golden["auc"]), CLOSED, "auc");
        assert_close(auc.standard_error, number(&golden["error_formula"]), CLOSED, "error");
        let sensitivity: Vec<f64> = points.iter().map(|p| p.sensitivity.value().unwrap()).collect();
        assert_all_close(&sensitivity, &golden["tpr"], CLOSED, "sensitivity");
        let wrong = |p: &haema_eval::OperatingPoint| 1.0 - p.specificity.value().unwrap();
        for (point, fpr) in points.iter().zip(numbers(&golden["fpr"])) {
            assert!((wrong(point) - fpr).abs() < 1e-15);
        }
        let thresholds: Vec<f64> = points.iter().skip(1).map(|p| p.threshold).collect();
        assert_all_close(&thresholds, &golden["thresholds"], CLOSED, "thresholds");
        let average = average_precision(&scores, &truth).unwrap().unwrap();
        assert_close(average, number(&golden["average_precision"]), CLOSED, "average precision");
    }
}

#[test]
fn calibration_agrees_with_scikit_learn() {
    let golden = at(&GOLDENS, "/calibration");
    let (p, truth) = (numbers(&golden["p"]), bools(&golden["truth"]));
    let mut halves = [Reliability::new(15), Reliability::new(15)];

    p.iter().zip(&truth).enumerate().for_each(|(i, (p, is_so))| halves[i % 2].add(*p, *is_so));
    let [mut all, other] = halves;
    all.merge(&other);

    assert_eq!((all.n(), all.refused()), (400, 0));
    assert_close(all.brier().unwrap(), number(&golden["brier"]), CLOSED, "brier");
    assert_close(all.expected_error().unwrap(), number(&golden["ece_formula"]), CLOSED, "ece");
}

#[test]
fn means_over_clusters_agree_with_statsmodels() {
    let golden = at(&GOLDENS, "/clustered");
    let clusters: Vec<u64> = serde_json::from_value(golden["cluster"].clone()).unwrap();

    let found = clustered_mean(&numbers(&golden["values"]), &clusters).unwrap();

    assert_close(found.value, number(&golden["mean"]), CLOSED, "mean");
    assert_close(found.standard_error, number(&golden["se"]), CLOSED, "error");
    assert_all_close(&found.interval(0.95), &golden["interval"], CLOSED, "interval");
}

#[test]
fn the_corrected_interval_agrees_with_scipys() {
    let golden = at(&GOLDENS, "/bca");
    let sample = numbers(&golden["sample"]);
    let patients: Vec<usize> = (0..sample.len()).collect();
    let mean =
        |cases: &[usize]| Some(cases.iter().map(|&c| sample[c]).sum::<f64>() / cases.len() as f64);
    let bootstrap = Bootstrap { resamples: 20_000, ..Bootstrap::new(3) };

    let found = bootstrap.interval_bca(&patients, mean).unwrap();
    let plain = bootstrap.interval(&patients, mean).unwrap();

    let wanted = numbers(&golden["interval"]);
    let tolerance = 0.02 * (wanted[1] - wanted[0]);
    assert!((found.lower - wanted[0]).abs() < tolerance, "{found:?} {wanted:?}");
    assert!((found.upper - wanted[1]).abs() < tolerance, "{found:?} {wanted:?}");
    assert!((plain.lower - wanted[0]).abs() > tolerance, "the correction moves it: {plain:?}");
}

#[test]
fn intervals_of_proportions_agree_with_statsmodels() {
    for golden in at(&GOLDENS, "/proportions").as_array().unwrap() {
        let (hits, n) = (golden["hits"].as_u64().unwrap(), golden["n"].as_u64().unwrap());
        let share = Proportion { hits, n };

        let ends = |name: &str| numbers(&golden[name]);
        for (found, name) in [(share.wilson(0.95), "wilson"), (share.exact(0.95), "exact")] {
            for (found, wanted) in found.unwrap().into_iter().zip(ends(name)) {
                assert!((found - wanted).abs() < 1e-9, "{hits}/{n} {name}: {found} {wanted}");
            }
        }
    }
}

#[test]
fn fishers_test_agrees_with_scipy() {
    for golden in at(&GOLDENS, "/fisher").as_array().unwrap() {
        let table: [[u64; 2]; 2] = serde_json::from_value(golden["table"].clone()).unwrap();

        assert_close(fisher_exact(table), number(&golden["p"]), CLOSED, &format!("{table:?}"));
    }
}

#[test]
fn adjusted_chances_agree_with_statsmodels() {
    let golden = at(&GOLDENS, "/adjusted");
    let p = numbers(&golden["p"]);

    assert_all_close(&holm(&p), &golden["holm"], 1e-14, "holm");
    assert_all_close(&bonferroni(&p), &golden["bonferroni"], 1e-14, "bonferroni");
}
