//! Many tests at once.

/// Holm's adjusted p-values, in the order of the given ones: below 0.05 where the test still stands among
/// all of them. NaN stays NaN and counts as no test.
///
/// # Source
///
/// S. Holm, _Scandinavian Journal of Statistics_ 6:65–70, 1979.
///
/// # Examples
///
/// ```
/// assert_eq!(haema_eval::holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
/// ```
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| !p[i].is_nan()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut largest: f64 = 0.0;
    for (before, &index) in order.iter().enumerate() {
        largest = largest.max((p[index] * (order.len() - before) as f64).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

/// Bonferroni's: each p times the number of tests. [`holm`] is never weaker.
pub fn bonferroni(p: &[f64]) -> Vec<f64> {
    let tests = p.iter().filter(|p| !p.is_nan()).count() as f64;
    p.iter().map(|p| if p.is_nan() { f64::NAN } else { (p * tests).min(1.0) }).collect()
}
