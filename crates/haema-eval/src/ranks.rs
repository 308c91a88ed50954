//! Ranks, and what ties do to them.

/// Rank of each value from 1; equal values share the mean of their ranks.
pub(crate) fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let shared = before as f64 + 0.5 * (tied.len() + 1) as f64;
        for &index in tied {
            ranks[index] = shared;
        }
        before += tied.len();
    }
    ranks
}

/// How many values share each value.
pub(crate) fn tie_sizes(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|tied| tied.len() as f64).collect()
}

/// Σ (t³ − t) over sizes of ties.
pub(crate) fn tie_term(values: &[f64]) -> f64 {
    tie_sizes(values).iter().map(|t| t * t * t - t).sum()
}
