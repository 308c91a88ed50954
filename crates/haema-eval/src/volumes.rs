//! Agreement of volumes.

use crate::Estimate;
use crate::describe::{Divisor, Moments, mean, quantile};
use crate::kappa::{KappaWeights, cohen_kappa};

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
    if errors_ml.iter().any(|error| error.is_nan()) {
        return None;
    }
    errors_ml.sort_by(f64::total_cmp);
    quantile(&errors_ml, 0.5)
}

/// How far found volumes are from the wanted ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolumeErrors {
    /// Mean of found less wanted: above 0 where too much is found.
    pub bias_ml: f64,
    /// Mean of its size.
    pub mean_absolute_ml: f64,
    /// Root of its mean square.
    pub root_mean_square_ml: f64,
    /// Median of its size.
    pub median_absolute_ml: f64,
    /// First and third quartile of its size.
    pub quartiles_ml: [f64; 2],
    /// Number of cases.
    pub n: usize,
}

/// Errors of volumes, found and wanted; `None` where there are none, their numbers differ, or one is not
/// finite.
pub fn volume_errors(found_ml: &[f64], wanted_ml: &[f64]) -> Option<VolumeErrors> {
    if found_ml.len() != wanted_ml.len() {
        return None;
    }
    let errors: Vec<f64> = found_ml.iter().zip(wanted_ml).map(|(f, w)| f - w).collect();
    let moments = Moments::of(&errors)?;
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let spread = moments.sd(Divisor::Population)?;
    Some(VolumeErrors {
        bias_ml: moments.mean,
        mean_absolute_ml: mean(&sizes)?,
        root_mean_square_ml: spread.hypot(moments.mean),
        median_absolute_ml: quantile(&sizes, 0.5)?,
        quartiles_ml: [quantile(&sizes, 0.25)?, quantile(&sizes, 0.75)?],
        n: sizes.len(),
    })
}

/// Share of cases whose found volume is within this many millilitres of the wanted; `None` of none.
pub fn share_within_ml(volumes_ml: &[(f64, f64)], tolerance_ml: f64) -> Option<f64> {
    share(volumes_ml, |found, wanted| (found - wanted).abs() <= tolerance_ml)
}

/// Share of cases whose found volume is within this part of the wanted, such as 0.1; `None` of none.
/// Where there is no bleed, only nothing is within any part of it.
pub fn share_within_part(volumes_ml: &[(f64, f64)], part: f64) -> Option<f64> {
    share(volumes_ml, |found, wanted| (found - wanted).abs() <= part * wanted)
}

fn share(volumes_ml: &[(f64, f64)], is_near: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let near = volumes_ml.iter().filter(|&&(found, wanted)| is_near(found, wanted)).count();
    (!volumes_ml.is_empty()).then(|| near as f64 / volumes_ml.len() as f64)
}

/// Relative volume difference, `(found − wanted) / wanted`: −1 where all is missed; `None` where there is
/// no bleed.
pub fn relative_difference(found_ml: f64, wanted_ml: f64) -> Option<f64> {
    (wanted_ml > 0.0).then(|| (found_ml - wanted_ml) / wanted_ml)
}

/// How far the volumes of two raters differ, as parts of their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disagreement {
    /// Mean with signs, −2 to 2, as the paper's formula is printed: differences either way cancel.
    pub signed: f64,
    /// Mean of the sizes, 0 to 2.
    pub absolute: f64,
}

/// The paper's disagreement of two raters: the mean of `(a − b) / ((a + b) / 2)`. Two empty masks differ
/// by 0; one empty by ± 2. `None` where there are no cases, their numbers differ, or a volume is not
/// finite or below 0.
///
/// # Source
///
/// Arab et al., _Scientific Reports_ 10, 2020, doi:10.1038/s41598-020-76459-7. Its 0.09 and 0.08 are far
/// likelier the size of the signed mean than a mean of sizes, so both are given.
///
/// # Examples
///
/// ```
/// use haema_eval::disagreement;
///
/// let found = disagreement(&[30.0, 10.0], &[10.0, 30.0]).unwrap();
/// assert_eq!((found.signed, found.absolute), (0.0, 1.0));
/// ```
pub fn disagreement(first_ml: &[f64], second_ml: &[f64]) -> Option<Disagreement> {
    let is_volume = |volume: &f64| volume.is_finite() && *volume >= 0.0;
    if first_ml.len() != second_ml.len() || !first_ml.iter().chain(second_ml).all(is_volume) {
        return None;
    }
    let parts: Vec<f64> = first_ml
        .iter()
        .zip(second_ml)
        .map(|(a, b)| if a == b { 0.0 } else { 2.0 * (a - b) / (a + b) })
        .collect();
    let sizes: Vec<f64> = parts.iter().map(|part| part.abs()).collect();
    Some(Disagreement { signed: mean(&parts)?, absolute: mean(&sizes)? })
}

/// How well two raters put bleeds into classes of volume.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeClasses {
    /// `counts[a][b]` cases that the first put into class `a` and the second into `b`.
    pub counts: Vec<Vec<u64>>,
    /// Share of cases in the same class.
    pub accuracy: f64,
    /// Linearly weighted κ; `None` where all cases are in one class.
    pub kappa: Option<Estimate>,
}

/// Where the volume decides on treatment and outlook: the ICH score's and the FUNC score's borders.
pub const VOLUME_BORDERS_ML: [f64; 2] = [30.0, 60.0];

/// Agreement on classes of volume; a volume on a border is in the upper class. `None` where there are no
/// cases, or their numbers differ.
pub fn volume_classes(
    first_ml: &[f64],
    second_ml: &[f64],
    borders_ml: &[f64],
) -> Option<VolumeClasses> {
    if first_ml.len() != second_ml.len() || first_ml.is_empty() {
        return None;
    }
    let class = |ml: f64| borders_ml.iter().filter(|border| ml >= **border).count();
    let mut counts = vec![vec![0; borders_ml.len() + 1]; borders_ml.len() + 1];
    for (a, b) in first_ml.iter().zip(second_ml) {
        counts[class(*a)][class(*b)] += 1;
    }
    let same: u64 = (0..counts.len()).map(|class| counts[class][class]).sum();
    let kappa = cohen_kappa(&counts, KappaWeights::Linear).ok()?;
    Some(VolumeClasses { accuracy: same as f64 / first_ml.len() as f64, kappa, counts })
}
