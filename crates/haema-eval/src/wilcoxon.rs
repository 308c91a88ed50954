//! Paired samples, by ranks.

use crate::distributions::normal_above;
use crate::ranks::{mid_ranks, tie_term};

/// What happens to pairs that do not differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zeros {
    /// They are left out, as Wilcoxon had it.
    #[default]
    Dropped,
    /// They are ranked with the others and then left out, as Pratt had it.
    Ranked,
}

/// The signed-rank test of pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// The smaller of the two sums of ranks.
    pub w: f64,
    /// Sum of the ranks of differences above 0.
    pub w_plus: f64,
    /// Rank-biserial correlation, −1 to 1: 1 where all differences lie above 0. NaN where none differs.
    pub effect: f64,
    /// Pairs that differ.
    pub n: usize,
    /// Two-sided p by the normal approximation with ties, without continuity correction; 1 where none
    /// differs.
    pub p_asymptotic: f64,
    /// Two-sided p from all ways to give the differences signs, ties included; `None` above
    /// [`Wilcoxon::MOST_PAIRS`] pairs that differ.
    pub p_exact: Option<f64>,
}

impl Wilcoxon {
    /// Where the exact p is left to the approximation.
    pub const MOST_PAIRS: usize = 50;
}

/// Wilcoxon's signed-rank test of differences within pairs; `None` where there are none or one is NaN.
///
/// Differences are taken as they are: 0.91 − 0.85 and 0.92 − 0.86 are no tie, for they differ in their last
/// bit. Round what was rounded before.
///
/// # Source
///
/// F. Wilcoxon, _Biometrics Bulletin_ 1:80–83, 1945; J. W. Pratt, _Journal of the American Statistical
/// Association_ 54:655–667, 1959.
///
/// # Examples
///
/// ```
/// use haema_eval::{Zeros, wilcoxon};
///
/// let test = wilcoxon(&[0.1, 0.2, 0.3, 0.4, 0.5], Zeros::Dropped).unwrap();
/// assert_eq!((test.w, test.p_exact), (0.0, Some(0.0625)));
/// ```
pub fn wilcoxon(differences: &[f64], zeros: Zeros) -> Option<Wilcoxon> {
    if differences.is_empty() || differences.iter().any(|d| d.is_nan()) {
        return None;
    }
    let ranked: Vec<f64> =
        differences.iter().copied().filter(|d| zeros == Zeros::Ranked || *d != 0.0).collect();
    let sizes: Vec<f64> = ranked.iter().map(|d| d.abs()).collect();
    let ranks = mid_ranks(&sizes);
    let signed: Vec<(f64, f64)> =
        ranked.into_iter().zip(ranks).filter(|(d, _)| *d != 0.0).collect();
    let sum = |is_wanted: fn(f64) -> bool| -> f64 {
        signed.iter().filter(|(d, _)| is_wanted(*d)).map(|(_, rank)| rank).sum()
    };
    let (w_plus, w_minus) = (sum(|d| d > 0.0), sum(|d| d < 0.0));
    let total = w_plus + w_minus;
    let unequal: Vec<f64> = signed.iter().map(|(d, _)| d.abs()).collect();
    let (all, none) = (sizes.len() as f64, (sizes.len() - signed.len()) as f64);
    let squares = |n: f64| n * (n + 1.0) * (2.0 * n + 1.0);
    let variance = (squares(all) - squares(none) - 0.5 * tie_term(&unequal)) / 24.0;
    let w = w_plus.min(w_minus);
    let p_asymptotic = if variance > 0.0 {
        2.0 * normal_above((w - 0.5 * total).abs() / variance.sqrt())
    } else {
        1.0
    };
    let doubled: Vec<usize> = signed.iter().map(|(_, rank)| (2.0 * rank) as usize).collect();
    Some(Wilcoxon {
        w,
        w_plus,
        effect: (w_plus - w_minus) / total,
        n: signed.len(),
        p_asymptotic,
        p_exact: (signed.len() <= Wilcoxon::MOST_PAIRS).then(|| exact(&doubled, w)),
    })
}

/// Twice the share of all signs whose sum of ranks is no more than this.
fn exact(doubled_ranks: &[usize], w: f64) -> f64 {
    let mut ways = vec![0.0; doubled_ranks.iter().sum::<usize>() + 1];
    ways[0] = 1.0;
    let mut so_far = 0;
    for &rank in doubled_ranks {
        so_far += rank;
        for sum in (rank..=so_far).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let below: f64 = ways[..=(2.0 * w) as usize].iter().sum();
    (2.0 * below / 2.0_f64.powi(doubled_ranks.len() as i32)).min(1.0)
}
