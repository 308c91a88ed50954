//! Agreement of volumes.

/// Median over cases of `|found − wanted|`; of an even number the mean of the middle two; `None`
/// where there are no cases or a volume is NaN.
///
/// * `volumes_ml` — found and wanted, one pair a case.
///
/// ```
/// use haema_eval::median_absolute_error_ml;
///
/// assert_eq!(median_absolute_error_ml(&[(10.0, 12.0), (5.0, 5.5), (0.0, 7.0)]), Some(2.0));
/// ```
pub fn median_absolute_error_ml(volumes_ml: &[(f64, f64)]) -> Option<f64> {
    let mut errors_ml: Vec<f64> =
        volumes_ml.iter().map(|(found, wanted)| (found - wanted).abs()).collect();
    if errors_ml.is_empty() || errors_ml.iter().any(|error| error.is_nan()) {
        return None;
    }
    errors_ml.sort_by(f64::total_cmp);
    let middle = errors_ml.len() / 2;
    let is_even = errors_ml.len().is_multiple_of(2);
    let lower = errors_ml[if is_even { middle - 1 } else { middle }];
    Some(0.5 * (lower + errors_ml[middle]))
}
