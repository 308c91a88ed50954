//! The scale of Hounsfield units: set so that soft tissue of a head reads what it is.
//!
//! Bone and scattered light leave brain too dark. Scanners correct for both as they are on an average
//! head; what is left has a shape, a dark middle and bands, but hardly a mean.

/// Pixels between those of the sample.
const STEP: usize = 7;
/// Soft tissue: neither fat nor bone.
const SOFT_HU: std::ops::Range<f32> = 0.0..80.0;

/// The factor on attenuation that brings the median error of soft tissue to nothing; 1 where there is no
/// soft tissue. The median, because pixels beside bone are blurred with it.
pub(super) fn gain(true_hu: &[f32], seen_hu: &[f32]) -> f32 {
    let pairs = true_hu.iter().zip(seen_hu).step_by(STEP);
    let soft = pairs.filter(|(true_hu, _)| SOFT_HU.contains(true_hu));
    let mut gains: Vec<f32> =
        soft.map(|(true_hu, seen_hu)| (1000.0 + true_hu) / (1000.0 + seen_hu).max(1.0)).collect();
    if gains.is_empty() {
        return 1.0;
    }
    let middle = gains.len() / 2;
    *gains.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Multiplies attenuation.
pub(super) fn apply(plane: &mut [f32], gain: f32) {
    for hu in plane {
        *hu = gain * (1000.0 + *hu) - 1000.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_soft_tissue_reads_too_little_afterwards_and_half_too_much() {
        let true_hu: Vec<f32> = (0..7000).map(|i| [35.0, 900.0, -1000.0, 8.0][i / 7 % 4]).collect();
        // Some 4 % too dark, more so further on; bone and air far off.
        let error = |i: usize| if i / 7 % 4 == 1 { 300.0 } else { -30.0 - 0.003 * i as f32 };
        let mut seen: Vec<f32> = true_hu.iter().enumerate().map(|(i, hu)| hu + error(i)).collect();

        let gain = gain(&true_hu, &seen);
        apply(&mut seen, gain);

        let soft = |i: &usize| SOFT_HU.contains(&true_hu[*i]);
        let too_dark = (0..7000).filter(soft).filter(|&i| seen[i] < true_hu[i]).count();
        let all = (0..7000).filter(soft).count();
        assert!((too_dark as f32 / all as f32 - 0.5).abs() < 0.03, "{too_dark} of {all}");
    }

    #[test]
    fn a_field_without_soft_tissue_keeps_its_scale() {
        assert!((gain(&[-1000.0; 20], &[-990.0; 20]) - 1.0).abs() < f32::EPSILON);
    }
}
