//! Means over scans of which some are the same patient's.

use std::collections::BTreeMap;

use crate::Estimate;
use crate::describe::Moments;

/// Mean of values that come in clusters, such as several scans of one patient, with an interval that
/// takes the clusters, and not the values, for independent. `None` of fewer than two clusters, of counts
/// that differ, or where a value is not finite.
///
/// # Source
///
/// The sandwich estimator with factor `G/(G − 1)`, Student's distribution with `G − 1` degrees of freedom:
/// K.-Y. Liang, S. L. Zeger, _Biometrika_ 73:13–22, 1986.
pub fn clustered_mean<C: Ord>(values: &[f64], cluster_of: &[C]) -> Option<Estimate> {
    if values.len() != cluster_of.len() {
        return None;
    }
    let moments = Moments::of(values)?;
    let mut left: BTreeMap<&C, f64> = BTreeMap::new();
    for (value, cluster) in values.iter().zip(cluster_of) {
        *left.entry(cluster).or_default() += value - moments.mean;
    }
    let count = left.len() as f64;
    if count < 2.0 {
        return None;
    }
    let squares: f64 = left.values().map(|sum| sum * sum).sum();
    let standard_error = (count / (count - 1.0) * squares).sqrt() / moments.n;
    Some(Estimate { value: moments.mean, standard_error, df: count - 1.0 })
}
