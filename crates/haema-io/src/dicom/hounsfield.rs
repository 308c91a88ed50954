//! From stored values to Hounsfield units.

use super::pixels::PixelFormat;

/// Air, and all that is darker: padding, and what lies outside the scanner's circle.
pub(crate) const AIR_HU: f32 = -1024.0;

/// The top of the 12-bit scale that CT has always had; metal above it says nothing more.
pub(crate) const TOP_HU: f32 = 3071.0;

/// What an image's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rescale {
    pub slope: f64,
    pub intercept: f64,
}

impl Rescale {
    /// Whether these can belong to a CT: a slope in `(0, 10]` and an intercept within ±10 000.
    ///
    /// Slopes are 1 nearly everywhere and 0.5 to 4 in extended scales. A slope of 49 is what "1"
    /// becomes where its text is taken for a number.
    pub(crate) fn is_plausible(self) -> bool {
        self.slope > 0.0 && self.slope <= 10.0 && self.intercept.abs() <= 10_000.0
    }

    fn hu(self, value: i32) -> f32 {
        (self.slope * f64::from(value) + self.intercept) as f32
    }
}

/// Fills a plane with Hounsfield units: padding first, then the rescale, then the clamp to
/// `[−1024, 3071]`.
///
/// _Photometric Interpretation_ plays no part: MONOCHROME1 turns the display over, not the numbers.
///
/// # Source
///
/// `HU = slope · value + intercept`: DICOM PS3.3 §C.11.1. Padding: §C.7.5.1.1.2.
pub(crate) fn fill(plane: &mut [f32], stored: &[u16], format: &PixelFormat, rescale: Rescale) {
    let padding = Padding::of(format);
    for (voxel, &raw) in plane.iter_mut().zip(stored) {
        let value = format.value(raw);
        *voxel = if padding.is_some_and(|padding| padding.holds(raw, value)) {
            AIR_HU
        } else {
            rescale.hu(value).clamp(AIR_HU, TOP_HU)
        };
    }
}

/// Where padding would stand for tissue: its Hounsfield units, if it lies inside `(−900, 3071]`.
pub(crate) fn padding_in_tissue_hu(format: &PixelFormat, rescale: Rescale) -> Option<f32> {
    let Padding { low, .. } = Padding::of(format)?;
    let hu = rescale.hu(low);
    (hu > -900.0 && hu <= TOP_HU).then_some(hu)
}

/// Stored values that mean "nothing was measured here".
#[derive(Clone, Copy)]
struct Padding {
    /// The single value's 16 bits: padding may use bits that pixels do not.
    raw: u16,
    low: i32,
    high: i32,
}

impl Padding {
    fn of(format: &PixelFormat) -> Option<Self> {
        let read = |raw: u16| if format.is_signed { i32::from(raw as i16) } else { i32::from(raw) };
        let [raw, limit] = format.padding?;
        let (a, b) = (read(raw), read(limit));
        Some(Self { raw, low: a.min(b), high: a.max(b) })
    }

    fn holds(self, raw: u16, value: i32) -> bool {
        raw == self.raw || (self.low..=self.high).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dicom::pixels;

    fn format(bits_stored: usize, is_signed: bool) -> PixelFormat {
        let high_bit = bits_stored - 1;
        PixelFormat { bits_stored, high_bit, is_signed, ..pixels::tests::format(1, 1) }
    }

    fn hu(raw: u16, format: &PixelFormat, slope: f64, intercept: f64) -> f32 {
        let mut plane = [0.0];
        fill(&mut plane, &[raw], format, Rescale { slope, intercept });
        plane[0]
    }

    #[test]
    fn padding_is_air_before_the_rescale() {
        let minus_2000 = PixelFormat { padding: Some([63536, 63536]), ..format(16, true) };
        let in_unused_bits = PixelFormat { padding: Some([63536, 63536]), ..format(12, false) };
        let range = PixelFormat { padding: Some([4000, 4095]), ..format(12, false) };

        assert_eq!(hu(63536, &minus_2000, 1.0, 5000.0), AIR_HU);
        assert_eq!(hu(63537, &minus_2000, 1.0, 5000.0), 3001.0);
        assert_eq!(hu(63536, &in_unused_bits, 1.0, -1024.0), AIR_HU);
        // The same low bits without the unused ones are a pixel: 0x830.
        assert_eq!(hu(0x830, &in_unused_bits, 1.0, -1024.0), 1072.0);
        assert_eq!(hu(4050, &range, 1.0, -1024.0), AIR_HU);
        assert_eq!(hu(3999, &range, 1.0, -1024.0), 2975.0);
    }

    #[test]
    fn padding_in_the_range_of_tissue_is_told() {
        let water = PixelFormat { padding: Some([0, 0]), ..format(16, true) };
        let rescale = Rescale { slope: 1.0, intercept: 0.0 };

        assert_eq!(padding_in_tissue_hu(&water, rescale), Some(0.0));
        let rescale = Rescale { slope: 1.0, intercept: -1024.0 };
        assert_eq!(padding_in_tissue_hu(&water, rescale), None);
    }

    #[test]
    fn numbers_read_as_text_bytes_are_implausible() {
        assert!(!Rescale { slope: 49.0, intercept: 48.0 }.is_plausible());
        assert!(!Rescale { slope: 0.0, intercept: 0.0 }.is_plausible());
        assert!(Rescale { slope: 0.5, intercept: -8192.0 }.is_plausible());
    }

    proptest! {
        #[test]
        fn hounsfield_units_stay_on_the_scale(raw: u16, bits in 1_usize..=16, signed: bool) {
            let hu = hu(raw, &format(bits, signed), 1.0, -1024.0);
            prop_assert!((AIR_HU..=TOP_HU).contains(&hu));
        }
    }
}
