//! Simulated raters agree with each other as the paper's experts and its method did.

use haema_sim::raters::{Rater, draw};
use haema_volume::{Grid, Volume};

/// 1.5 mm pixels, 3 mm slices.
fn grid() -> Grid {
    let origins = (0..36).map(|z| [-54.0, -54.0, 3.0 * f64::from(z) - 52.5]).collect();
    Grid::from_slices([72, 72], [1.5, 0.0, 0.0], [0.0, 1.5, 0.0], origins, 3.0).unwrap()
}

/// A lobed bleed, and up to three small ones beside it, of about this volume.
fn bleed(volume_ml: f64, number: usize, grid: &Grid) -> Volume<f32> {
    let phase = number as f64 * 2.4;
    let radius_mm = (volume_ml * 1000.0 * 0.75 / std::f64::consts::PI).cbrt();
    let stretch = [0.8, 1.25, 1.0];
    let far_mm = 1.6 * radius_mm + 4.0;
    let small = (0..number % 4).map(|i| {
        let turn = phase + 2.0 * i as f64;
        ([far_mm * turn.cos(), far_mm * turn.sin(), 6.0 * i as f64 - 6.0], 2.5 + 1.5 * i as f64)
    });
    let small: Vec<([f64; 3], f64)> = small.collect();
    Volume::from_fn(grid.size(), |[z, y, x]| {
        let p = grid.point_lps_mm(z, y as f64, x as f64);
        let from_centre = (0..3).map(|i| (p[i] / stretch[i]).powi(2)).sum::<f64>().sqrt();
        let (turn, rise) = (p[1].atan2(p[0]), p[2] / radius_mm);
        let lobes = 0.14 * (3.0 * turn + phase).sin() + 0.1 * (5.0 * turn + 4.0 * rise).cos();
        let inside_mm = small
            .iter()
            .map(|(at, mm)| {
                mm - ((p[0] - at[0]).powi(2) + (p[1] - at[1]).powi(2) + (p[2] - at[2]).powi(2))
                    .sqrt()
            })
            .fold(radius_mm * (1.0 + lobes) - from_centre, f64::max);
        (0.5 + inside_mm / 1.5).clamp(0.0, 1.0) as f32
    })
}

/// The paper's sizes: a gamma distribution of mean 36 and SD 25 mL (Table 2 gives away 34 ± 23 to
/// 41 ± 34), at its quantiles 1/20, 3/20, ...
const VOLUMES_ML: [f64; 10] = [6.2, 11.9, 16.9, 21.9, 27.2, 33.2, 40.3, 49.5, 62.8, 91.5];

fn ml(mask: &Volume<u8>) -> f64 {
    mask.as_slice().iter().filter(|&&voxel| voxel != 0).count() as f64 * 6.75 / 1000.0
}

/// Cohen's κ over all voxels.
fn kappa(a: &Volume<u8>, b: &Volume<u8>) -> f64 {
    let count = |wanted: (u8, u8)| {
        let pairs = a.as_slice().iter().zip(b.as_slice());
        pairs.filter(|(a, b)| (**a, **b) == wanted).count() as f64
    };
    let (both, only_a, only_b, none) = (count((1, 1)), count((1, 0)), count((0, 1)), count((0, 0)));
    let n = both + only_a + only_b + none;
    let observed = (both + none) / n;
    let expected =
        ((both + only_a) * (both + only_b) + (none + only_a) * (none + only_b)) / (n * n);
    (observed - expected) / (1.0 - expected)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Slope and intercept of `y` on `x`, and their correlation.
fn line(x: &[f64], y: &[f64]) -> [f64; 3] {
    let (x_mean, y_mean) = (mean(x), mean(y));
    let sum = |f: &dyn Fn(f64, f64) -> f64| {
        x.iter().zip(y).map(|(x, y)| f(x - x_mean, y - y_mean)).sum::<f64>()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let slope = xy / xx;
    [slope, y_mean - slope * x_mean, xy / (xx * yy).sqrt()]
}

/// A row of the paper's Table 2 with the half-widths of its 95 % intervals for ten scans (Student's t,
/// 9 degrees of freedom for κ, 8 for the line; standard errors follow from the printed p-values).
struct Row {
    raters: [usize; 2],
    kappa: [f64; 2],
    slope: [f64; 2],
    intercept_ml: [f64; 2],
    /// Ends of Fisher's interval.
    correlation: [f64; 2],
}

const TABLE_2: [Row; 6] = [
    Row {
        raters: [0, 1],
        kappa: [0.88, 0.036],
        slope: [1.13, 0.079],
        intercept_ml: [-2.30, 3.25],
        correlation: [0.984, 0.9991],
    },
    Row {
        raters: [0, 2],
        kappa: [0.87, 0.050],
        slope: [1.45, 0.256],
        intercept_ml: [-8.26, 10.49],
        correlation: [0.904, 0.9948],
    },
    Row {
        raters: [1, 2],
        kappa: [0.89, 0.050],
        slope: [1.29, 0.170],
        intercept_ml: [-5.60, 7.56],
        correlation: [0.945, 0.9971],
    },
    Row {
        raters: [0, 3],
        kappa: [0.84, 0.043],
        slope: [1.05, 0.128],
        intercept_ml: [-1.24, 5.24],
        correlation: [0.952, 0.9975],
    },
    Row {
        raters: [1, 3],
        kappa: [0.82, 0.057],
        slope: [0.93, 0.110],
        intercept_ml: [1.01, 4.91],
        correlation: [0.954, 0.9977],
    },
    Row {
        raters: [2, 3],
        kappa: [0.82, 0.057],
        slope: [0.69, 0.169],
        intercept_ml: [6.36, 9.01],
        correlation: [0.826, 0.9904],
    },
];

/// Four sets of ten scans, as the paper's one: their mean is what the raters are like.
const SETS: usize = 4;

#[test]
fn agreement_lies_within_the_intervals_of_the_paper() {
    let grid = grid();
    let [first, second, third] = Rater::EXPERTS;
    let raters = [first, second, third, Rater::METHOD];
    let mut kappas = vec![Vec::new(); 6];
    let mut lines = [[0.0; 3]; 6];
    let mut differences = vec![Vec::new(); 6];
    for set in 0..SETS {
        let mut volumes_ml = vec![Vec::new(); 4];
        for (number, volume_ml) in VOLUMES_ML.into_iter().enumerate() {
            let truth = bleed(volume_ml, number + set, &grid);
            let masks: Vec<Volume<u8>> = (0..4)
                .map(|r| draw(&truth, &grid, &raters[r], (1000 * set + 10 * number + r) as u64))
                .collect();
            for (r, mask) in masks.iter().enumerate() {
                volumes_ml[r].push(ml(mask));
            }
            for (pair, row) in TABLE_2.iter().enumerate() {
                let [a, b] = row.raters;
                kappas[pair].push(kappa(&masks[a], &masks[b]));
                let (a_ml, b_ml) = (ml(&masks[a]), ml(&masks[b]));
                differences[pair].push((a_ml - b_ml) / f64::midpoint(a_ml, b_ml));
            }
        }
        for (pair, row) in TABLE_2.iter().enumerate() {
            let of_set = line(&volumes_ml[row.raters[0]], &volumes_ml[row.raters[1]]);
            (0..3).for_each(|i| lines[pair][i] += of_set[i] / SETS as f64);
        }
    }
    let mut told = Vec::new();
    let mut outside = Vec::new();
    for (pair, row) in TABLE_2.iter().enumerate() {
        let [slope, intercept_ml, correlation] = lines[pair];
        let found = mean(&kappas[pair]);
        let near = |name: &str, found: f64, [wanted, half]: [f64; 2]| {
            ((found - wanted).abs() > half).then(|| format!("{:?} {name}", row.raters))
        };
        outside.extend(near("kappa", found, row.kappa));
        outside.extend(near("slope", slope, row.slope));
        outside.extend(near("intercept", intercept_ml, row.intercept_ml));
        let [low, high] = row.correlation;
        outside.extend(
            (!(low..=high).contains(&correlation)).then(|| format!("{:?} correlation", row.raters)),
        );
        told.push(format!(
            "{:?}: kappa {found:.3} slope {slope:.3} intercept {intercept_ml:.2} mL correlation \
             {correlation:.4} difference {:.3}",
            row.raters,
            mean(&differences[pair]).abs()
        ));
    }
    let told = told.join("\n");
    // For whoever changes a rater: `cargo test -p haema-sim raters -- --nocapture`.
    eprintln!("{told}");
    assert!(outside.is_empty(), "outside: {outside:?}\n{told}");
    // Means of three pairs each, 0.09 ± 0.02 and 0.08 ± 0.02: t of 2 degrees of freedom.
    let of_pairs = |pairs: std::ops::Range<usize>| {
        mean(&pairs.map(|pair| mean(&differences[pair]).abs()).collect::<Vec<_>>())
    };
    let (experts, method) = (of_pairs(0..3), of_pairs(3..6));
    assert!((experts - 0.09).abs() < 0.05, "experts differ by {experts:.3}\n{told}");
    assert!((method - 0.08).abs() < 0.05, "the method differs by {method:.3}\n{told}");
}

#[test]
fn the_same_seed_draws_the_same_and_another_seed_does_not() {
    let grid = grid();
    let truth = bleed(30.0, 2, &grid);
    let rater = Rater::EXPERTS[0];

    let first = draw(&truth, &grid, &rater, 1);

    assert_eq!(first, draw(&truth, &grid, &rater, 1));
    assert!(kappa(&first, &draw(&truth, &grid, &rater, 2)) < 0.97);
}

#[test]
fn a_rater_without_faults_draws_the_truth() {
    let grid = grid();
    let truth = bleed(30.0, 3, &grid);
    let neutral =
        Rater { border_mm: 0.0, gain: 1.0, growth: 0.0, volume_spread: 0.0, overlooked_ml: 0.0 };

    let drawn = draw(&truth, &grid, &neutral, 7);

    assert!(kappa(&drawn, &truth.map(|&share| u8::from(share > 0.5))) > 0.99);
}

#[test]
fn small_parts_are_overlooked_more_often_than_large_ones() {
    let grid = grid();
    let ball = |centre: [f64; 3], radius_mm: f64, p: [f64; 3]| {
        (0..3).map(|i| (p[i] - centre[i]).powi(2)).sum::<f64>() < radius_mm * radius_mm
    };
    let truth = Volume::from_fn(grid.size(), |[z, y, x]| {
        let p = grid.point_lps_mm(z, y as f64, x as f64);
        f32::from(u8::from(ball([-20.0, 0.0, 0.0], 12.0, p) || ball([25.0, 0.0, 0.0], 3.6, p)))
    });
    let rater = Rater { overlooked_ml: 0.2, ..Rater::EXPERTS[1] };

    let sees = |left: bool| {
        (0..40)
            .filter(|&seed| {
                let mask = draw(&truth, &grid, &rater, seed);
                let columns = if left { 36..72 } else { 0..36 };
                columns.into_iter().any(|x| (0..36).any(|z| (0..72).any(|y| mask[[z, y, x]] == 1)))
            })
            .count()
    };

    // The small one has 0.2 mL: overlooked 15 times of 40 on average.
    assert_eq!(sees(false), 40);
    assert!((17..=33).contains(&sees(true)), "{}", sees(true));
}

#[test]
fn of_nothing_nothing_is_drawn() {
    let grid = grid();

    let drawn = draw(&Volume::filled(grid.size(), 0.0), &grid, &Rater::METHOD, 3);

    assert!(drawn.as_slice().iter().all(|&voxel| voxel == 0));
}
