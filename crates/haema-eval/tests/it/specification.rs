//! The golden values of the project's specification, where it lies beside the project.

use std::path::Path;

use haema_eval::{
    Divisor, Icc, IccForm, Overlap, SurfaceDistances, SurfaceKind, Variances, Zeros, bland_altman,
    concordance, describe, disagreement, least_squares, mann_whitney, mann_whitney_p_without_ties,
    mean_difference, paired_difference, pearson, spearman, wilcoxon,
};
use haema_volume::Volume;
use serde_json::Value;

use crate::masks::grid;
use crate::oracle::{CLOSED, assert_all_close, assert_close, at, number};

fn golden(name: &str) -> Option<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec").join(name);
    let text = std::fs::read_to_string(&file).ok();
    if text.is_none() {
        eprintln!("passed over: {name} of ../shared/spec is not there");
    }
    text.map(|text| serde_json::from_str(&text).unwrap())
}

const X: [f64; 10] = [12.4, 55.1, 8.3, 33.0, 71.6, 20.2, 41.9, 5.7, 62.3, 28.8];
const Y: [f64; 10] = [13.9, 60.2, 7.1, 35.4, 80.5, 19.8, 45.0, 6.6, 66.1, 31.7];
const A: [f64; 10] = [0.91, 0.88, 0.93, 0.86, 0.90, 0.84, 0.95, 0.89, 0.87, 0.92];
const B: [f64; 10] = [0.85, 0.88, 0.80, 0.83, 0.79, 0.84, 0.90, 0.82, 0.81, 0.86];

#[test]
fn statistics_agree_with_the_specification() {
    let Some(golden) = golden("golden_stats.json") else { return };
    let close =
        |found: f64, path: &str| assert_close(found, number(at(&golden, path)), CLOSED, path);

    let line = least_squares(&X, &Y).unwrap();
    close(line.slope.value, "/ols/beta");
    close(line.intercept.value, "/ols/alpha");
    close(line.slope.standard_error, "/ols/se_beta");
    close(line.intercept.standard_error, "/ols/se_alpha");
    close(line.slope.p_different(0.0), "/ols/p_beta");
    close(line.intercept.p_different(0.0), "/ols/p_alpha");
    close(line.r_squared, "/ols/r2");
    close(line.residual_sd, "/ols/resid_sd");

    let ranks = mann_whitney(&A, &B).unwrap();
    close(ranks.u, "/mwu_exact/U");
    close(mann_whitney_p_without_ties(ranks.u, 10, 10), "/mwu_exact/p");
    close(ranks.p_asymptotic, "/mwu_asymptotic/p");
    close(ranks.p_asymptotic_uncorrected, "/mwu_asym_nocc/p");

    let differences =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
    let (kappas, volumes) = (differences(&A, &B), differences(&X, &Y));
    let (dropped, ranked) =
        (wilcoxon(&kappas, Zeros::Dropped).unwrap(), wilcoxon(&kappas, Zeros::Ranked).unwrap());
    close(dropped.p_exact.unwrap(), "/wilcoxon_wilcox_exact_scipy/p");
    close(dropped.p_asymptotic, "/wilcoxon_wilcox_approx/p");
    close(ranked.p_asymptotic, "/wilcoxon_pratt_approx/p");
    close(wilcoxon(&volumes, Zeros::Dropped).unwrap().w, "/wilcoxon_xy_exact/W");
    close(wilcoxon(&volumes, Zeros::Dropped).unwrap().p_exact.unwrap(), "/wilcoxon_xy_exact/p");

    let tests = [
        (mean_difference(&A, &B, Variances::Pooled), "student"),
        (mean_difference(&A, &B, Variances::Own), "welch"),
        (paired_difference(&A, &B), "paired"),
    ];
    for (test, name) in tests {
        close(test.unwrap().t(0.0), &format!("/ttest_{name}/t"));
        close(test.unwrap().p_different(0.0), &format!("/ttest_{name}/p"));
    }

    let correlation = pearson(&X, &Y).unwrap();
    assert_all_close(&[correlation.r, correlation.p], at(&golden, "/pearson"), CLOSED, "pearson");
    close(spearman(&X, &Y).unwrap().r, "/spearman/0");
    let limits = bland_altman(&X, &Y).unwrap();
    close(limits.bias.value, "/bland_altman/bias");
    close(limits.sd, "/bland_altman/sd");
    close(limits.limits[0].value, "/bland_altman/loa_lo");
    close(limits.limits[1].value, "/bland_altman/loa_hi");
    close(disagreement(&X, &Y).unwrap().signed, "/disagreement_signed");
    close(disagreement(&X, &Y).unwrap().absolute, "/disagreement_abs");
    close(concordance(&X, &Y).unwrap(), "/ccc_lin");
}

#[test]
fn agreement_agrees_with_the_specification() {
    let Some(golden) = golden("golden_stats.json") else { return };
    let close =
        |found: f64, path: &str| assert_close(found, number(at(&golden, path)), CLOSED, path);

    let subjects: Vec<Vec<f64>> = X.iter().zip(Y).map(|(x, y)| vec![*x, y]).collect();
    let icc = Icc::of(&subjects).unwrap();
    close(icc.ms_subjects, "/icc/MSR");
    close(icc.ms_raters, "/icc/MSC");
    close(icc.ms_error, "/icc/MSE");
    close(icc.ms_within, "/icc/MSW");
    close(icc.value(IccForm::OneWaySingle), "/icc/icc11");
    close(icc.value(IccForm::AgreementSingle), "/icc/icc21");
    close(icc.value(IccForm::ConsistencySingle), "/icc/icc31");
    close(icc.value(IccForm::AgreementAverage), "/icc/icc2k");
    close(icc.value(IccForm::ConsistencyAverage), "/icc/icc3k");

    let voxels = Overlap {
        true_positive: 900,
        false_positive: 100,
        false_negative: 150,
        true_negative: 98_850,
    };
    close(voxels.dice().unwrap(), "/voxel/dice");
    close(voxels.precision().unwrap(), "/voxel/precision");
    close(voxels.recall().unwrap(), "/voxel/recall");
    close(voxels.kappa().unwrap(), "/voxel/kappa");
}

/// The mean of three pairs' kappas that the paper prints with two different spreads.
#[test]
fn both_spreads_of_the_papers_kappas_come_out() {
    let sd = |divisor| describe(&[0.84, 0.82, 0.82], divisor).unwrap().sd.unwrap();

    assert_eq!(format!("{:.3} {:.2}", sd(Divisor::Population), sd(Divisor::Sample)), "0.009 0.01");
}

type Shape = fn([usize; 3]) -> [bool; 2];

/// 5 × 10 × 10 voxels, and 6 × 10 × 11 that begin two columns on.
fn boxes([z, y, x]: [usize; 3]) -> [bool; 2] {
    let (z, y, x) = (z.wrapping_sub(4), y.wrapping_sub(4), x.wrapping_sub(4));
    [z < 5 && y < 10 && x < 10, z < 6 && y < 10 && x.wrapping_sub(2) < 11]
}

/// Radii 3, 7, 9, and 4, 8, 8 a row and a column back.
fn ellipsoids(at: [usize; 3]) -> [bool; 2] {
    let inside = |centre: [f64; 3], radii: [f64; 3]| {
        (0..3).map(|i| ((at[i] as f64 - centre[i]) / radii[i]).powi(2)).sum::<f64>() <= 1.0
    };
    [inside([8.0, 15.0, 15.0], [3.0, 7.0, 9.0]), inside([8.0, 14.0, 14.0], [4.0, 8.0, 8.0])]
}

#[test]
fn surfaces_agree_with_the_specification() {
    let Some(golden) = golden("golden_surface.json") else { return };
    let spacings = [([1.0, 1.0, 1.0], "(1, 1, 1)"), ([5.0, 0.45, 0.45], "(0.45, 0.45, 5.0)")];
    let size = [20, 30, 30];
    for (shape, name) in [(boxes as Shape, "boxes"), (ellipsoids, "ellipsoids")] {
        for (spacing_mm, spacing) in &spacings {
            let golden = &golden[&format!("{name} sp={spacing}")];
            let [reference, predicted] =
                [0, 1].map(|mask| Volume::from_fn(size, |voxel| u8::from(shape(voxel)[mask])));
            let overlap = Overlap::count(&reference, &predicted).unwrap();
            assert_close(overlap.dice().unwrap(), number(&golden["dice"]), CLOSED, name);
            for (kind, part) in
                [(SurfaceKind::Patches, "surfel"), (SurfaceKind::BorderVoxels, "border")]
            {
                let grid = grid(size, spacing_mm);

                let found = SurfaceDistances::between(&reference, &predicted, &grid, kind).unwrap();

                assert_surface(&found, &golden[part], &format!("{name} {spacing} {part}"));
            }
        }
    }
}

fn assert_surface(found: &SurfaceDistances, golden: &Value, name: &str) {
    let close = |found: Option<f64>, part: &str| {
        if let Some(wanted) = golden.get(part) {
            assert_close(found.unwrap(), number(wanted), CLOSED, &format!("{name} {part}"));
        }
    };
    close(found.hausdorff_mm(100.0), "hd100");
    close(found.hausdorff_mm(95.0), "hd95");
    close(found.hausdorff_mm(95.0), "hd95_max");
    close(found.hausdorff_pooled_mm(95.0), "hd95_pooled");
    close(found.surface_dice(0.42), "nsd_042");
    close(found.surface_dice(1.0), "nsd_1mm");
    close(found.surface_dice(2.0), "nsd_2mm");
    close(found.average_symmetric_mm(), "assd");
    for (part, found) in [("asd", found.average_mm()), ("area", found.areas_mm2())] {
        if let Some(wanted) = golden.get(part) {
            assert_all_close(&found.unwrap(), wanted, CLOSED, &format!("{name} {part}"));
        }
    }
}
