//! Two independent samples, by ranks.

use crate::distributions::normal_above;
use crate::ranks::{mid_ranks, tie_term};

/// The Mann–Whitney U test of two independent samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// U of the first sample: pairs in which its value is the larger, ties counted half.
    pub u: f64,
    /// U as a share of all pairs: the chance that a value of the first sample is the larger.
    pub effect: f64,
    /// Two-sided p by the normal approximation with ties and a continuity correction; 1 where all values
    /// are equal.
    pub p_asymptotic: f64,
    /// The same without the correction.
    pub p_asymptotic_uncorrected: f64,
    /// Two-sided p from all ways to deal the values to the samples, ties included; `None` above
    /// [`MannWhitney::MOST_PAIRS`] pairs.
    pub p_exact: Option<f64>,
}

impl MannWhitney {
    /// Where the exact p is left to the approximation, which is by then as good.
    pub const MOST_PAIRS: usize = 2500;
}

/// The Mann–Whitney U test; `None` where a sample is empty or a value is NaN.
///
/// It takes values for independent: kappas of three pairs of raters on the same ten scans are not, and
/// a large p is no proof of sameness. See [`crate::wilcoxon`] and [`crate::Estimate::p_equivalent`].
///
/// # Source
///
/// H. B. Mann, D. R. Whitney, _Annals of Mathematical Statistics_ 18:50–60, 1947. Exact with ties: B.
/// Streitberg, J. Röhmel, _Statistical Software Newsletter_ 12:10–17, 1986; two-sided p is twice the
/// smaller tail.
///
/// # Examples
///
/// ```
/// use haema_eval::mann_whitney;
///
/// let test = mann_whitney(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap();
/// assert_eq!(test.u, 0.0);
/// assert!((test.p_exact.unwrap() - 0.1).abs() < 1e-15);
/// ```
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    let (n1, n2) = (first.len(), second.len());
    let all: Vec<f64> = first.iter().chain(second).copied().collect();
    if n1 == 0 || n2 == 0 || all.iter().any(|value| value.is_nan()) {
        return None;
    }
    let ranks = mid_ranks(&all);
    let (a, b) = (n1 as f64, n2 as f64);
    let u = ranks[..n1].iter().sum::<f64>() - 0.5 * a * (a + 1.0);
    let n = a + b;
    let variance = a * b / 12.0 * ((n + 1.0) - tie_term(&all) / (n * (n - 1.0)));
    let away = (u - 0.5 * a * b).abs();
    let p_beyond = |correction: f64| {
        if variance <= 0.0 {
            return 1.0;
        }
        (2.0 * normal_above((away - correction) / variance.sqrt())).min(1.0)
    };
    let p_exact = (n1.saturating_mul(n2) <= MannWhitney::MOST_PAIRS).then(|| exact(&ranks, n1));
    Some(MannWhitney {
        u,
        effect: u / (a * b),
        p_asymptotic: p_beyond(0.5),
        p_asymptotic_uncorrected: p_beyond(0.0),
        p_exact,
    })
}

/// Two-sided p of a U as tables have it, which know no ties: for comparison with programs that look it up
/// there even where values are tied.
///
/// ```
/// assert_eq!(haema_eval::mann_whitney_p_without_ties(0.0, 3, 3), 0.1);
/// ```
pub fn mann_whitney_p_without_ties(u: f64, n1: usize, n2: usize) -> f64 {
    let ranks: Vec<f64> = (1..=n1 + n2).map(|rank| rank as f64).collect();
    let (a, b) = (n1 as f64, n2 as f64);
    // The larger U, so that one tail serves both; a half, which only ties give, is rounded towards the middle.
    let larger = u.max(a * b - u).floor();
    let counts = rank_sums(&ranks, n1);
    let tail = tail_from(&counts, 2.0 * (larger + 0.5 * a * (a + 1.0)));
    (2.0 * tail).min(1.0)
}

fn exact(ranks: &[f64], n1: usize) -> f64 {
    let counts = rank_sums(ranks, n1);
    let found: f64 = ranks[..n1].iter().map(|rank| 2.0 * rank).sum();
    let below: f64 = counts[..=found as usize].iter().sum();
    let below = below / counts.iter().sum::<f64>();
    (2.0 * tail_from(&counts, found).min(below)).min(1.0)
}

/// Share of the ways whose doubled rank sum is at least this.
fn tail_from(counts: &[f64], least: f64) -> f64 {
    let from = (least.max(0.0) as usize).min(counts.len());
    counts[from..].iter().sum::<f64>() / counts.iter().sum::<f64>()
}

/// In how many ways `chosen` of the ranks add up to each half: index 2·sum. Counts above 2⁵³ are rounded
/// to 16 digits.
fn rank_sums(ranks: &[f64], chosen: usize) -> Vec<f64> {
    let doubled: Vec<usize> = ranks.iter().map(|rank| (2.0 * rank) as usize).collect();
    let most: usize = doubled.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; chosen + 1];
    ways[0][0] = 1.0;
    let mut so_far = 0;
    for (taken, rank) in doubled.into_iter().enumerate() {
        so_far += rank;
        for count in (1..=chosen.min(taken + 1)).rev() {
            let (fewer, more) = ways.split_at_mut(count);
            for sum in (rank..=so_far).rev() {
                more[0][sum] += fewer[count - 1][sum - rank];
            }
        }
    }
    ways.swap_remove(chosen)
}
