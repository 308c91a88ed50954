//! Coding parameters: presets, their defaults, and what follows from them (section A.2, C.2.4.1).

use crate::jpeg::segments::SegmentError;

/// Preset parameters of an LSE segment; 0 asks for the default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preset {
    pub(super) max_value: u16,
    pub(super) thresholds: [u16; 3],
    pub(super) reset: u16,
}

/// Everything a scan's arithmetic needs.
pub(super) struct Parameters {
    /// MAXVAL: the largest sample.
    pub(super) max_value: i32,
    /// NEAR: the largest difference from the original.
    pub(super) near: i32,
    /// 2·NEAR + 1: the step of a quantised prediction error.
    pub(super) step: i32,
    /// RANGE: how many prediction errors there are; they are coded modulo this.
    pub(super) range: i32,
    /// qbpp: bits of a prediction error.
    pub(super) error_bits: u32,
    /// LIMIT: the longest code word.
    pub(super) limit: u32,
    /// RESET: how many samples a context counts before it halves its sums.
    pub(super) reset: u32,
    gradient_bins: GradientBins,
}

impl Parameters {
    /// Fills in the defaults and checks what a codestream set.
    pub(super) fn new(preset: &Preset, bits: u8, near: u8) -> Result<Self, SegmentError> {
        let top = (1_i32 << bits) - 1;
        let max_value = or_default(preset.max_value, top);
        check("MAXVAL", max_value, 1, top)?;
        let near = i32::from(near);
        check("NEAR", near, 0, (max_value / 2).min(255))?;
        let reset = or_default(preset.reset, 64);
        check("RESET", reset, 3, max_value.max(255))?;

        let defaults = default_thresholds(max_value, near);
        let mut thresholds = [0; 3];
        let mut lowest = near + 1;
        for (index, name) in ["T1", "T2", "T3"].into_iter().enumerate() {
            thresholds[index] = or_default(preset.thresholds[index], defaults[index]);
            check(name, thresholds[index], lowest, max_value)?;
            lowest = thresholds[index];
        }

        let step = 2 * near + 1;
        let range = (max_value + 2 * near) / step + 1;
        let sample_bits = bits_to_count(max_value + 1).max(2);
        Ok(Self {
            max_value,
            near,
            step,
            range,
            error_bits: bits_to_count(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
            reset: reset as u32,
            gradient_bins: GradientBins::new(near, thresholds),
        })
    }

    /// First value of a context's A: what errors are expected to be before any was seen.
    pub(super) fn initial_error_sum(&self) -> u32 {
        ((self.range + 32) / 64).max(2) as u32
    }

    /// The context of three gradients, −364 to 364; the sign says how to mirror it (A.3.3, A.3.4).
    #[inline]
    pub(super) fn signed_context(&self, gradients: [i32; 3]) -> i32 {
        let [first, second, third] = gradients.map(|gradient| self.gradient_bins.of(gradient));
        81 * first + 9 * second + third
    }

    /// The sample that a prediction and a quantised error give (sections A.4.5, A.5.1).
    #[inline]
    pub(super) fn reconstruct(&self, predicted: i32, error: i32) -> u16 {
        let mut value = predicted + error * self.step;
        if value < -self.near {
            value += self.range * self.step;
        } else if value > self.max_value + self.near {
            value -= self.range * self.step;
        }
        value.clamp(0, self.max_value) as u16
    }
}

/// A gradient's bin, −4 to 4, by table: most gradients are small, so it stays in the cache.
struct GradientBins {
    /// T3: from here on the bin is 4.
    last: i32,
    /// The bins of −T3 to T3.
    bins: Vec<i8>,
}

impl GradientBins {
    fn new(near: i32, [t1, t2, t3]: [i32; 3]) -> Self {
        let magnitude = |size: i32| -> i8 {
            match size {
                _ if size <= near => 0,
                _ if size < t1 => 1,
                _ if size < t2 => 2,
                _ if size < t3 => 3,
                _ => 4,
            }
        };
        let bins = (-t3..=t3).map(|d| magnitude(d.abs()) * d.signum() as i8).collect();
        Self { last: t3, bins }
    }

    #[inline]
    fn of(&self, gradient: i32) -> i32 {
        let index = gradient.clamp(-self.last, self.last) + self.last;
        i32::from(self.bins[index as usize])
    }
}

/// Default T1, T2, T3 (section C.2.4.1.1.1).
fn default_thresholds(max_value: i32, near: i32) -> [i32; 3] {
    /// The defaults of 8-bit lossless images.
    const BASIC: [i32; 3] = [3, 7, 21];
    let mut lowest = near + 1;
    std::array::from_fn(|index| {
        // T1 is at least 2 and gains 3·NEAR, T2 3 and 5·NEAR, T3 4 and 7·NEAR.
        let (floor, gain) = (index as i32 + 2, 2 * index as i32 + 3);
        let wanted = if max_value >= 128 {
            let factor = (max_value.min(4095) + 128) / 256;
            factor * (BASIC[index] - floor) + floor + gain * near
        } else {
            let factor = 256 / (max_value + 1);
            (BASIC[index] / factor + gain * near).max(floor)
        };
        if (lowest..=max_value).contains(&wanted) {
            lowest = wanted;
        }
        lowest
    })
}

/// ⌈log2(count)⌉.
fn bits_to_count(count: i32) -> u32 {
    (count - 1).checked_ilog2().map_or(0, |top_bit| top_bit + 1)
}

fn or_default(preset: u16, default: i32) -> i32 {
    if preset == 0 { default } else { i32::from(preset) }
}

fn check(field: &'static str, found: i32, least: i32, most: i32) -> Result<(), SegmentError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    // No negative value gets here: all are 16-bit fields or defaults made from them.
    Err(SegmentError::BadField { field, found: found as u64, wanted: format!("{least} to {most}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of defaults in T.87, section C.2.4.1.1.1 (lossless), and RANGE and LIMIT by hand.
    #[test]
    fn defaults_are_those_of_the_standard() {
        for (bits, thresholds) in [(8, [3, 7, 21]), (12, [18, 67, 276]), (16, [18, 67, 276])] {
            assert_eq!(default_thresholds((1 << bits) - 1, 0), thresholds, "{bits} bits");
        }
        let parameters = Parameters::new(&Preset::default(), 12, 0).unwrap();

        assert_eq!(parameters.range, 4096);
        assert_eq!((parameters.error_bits, parameters.limit, parameters.reset), (12, 48, 64));
    }

    #[test]
    fn near_narrows_the_range() {
        let parameters = Parameters::new(&Preset::default(), 8, 3).unwrap();

        // (255 + 6) / 7 + 1 = 38 errors: 6 bits.
        assert_eq!((parameters.range, parameters.error_bits, parameters.limit), (38, 6, 32));
    }

    #[test]
    fn thresholds_out_of_order_are_refused() {
        let preset = Preset { thresholds: [10, 9, 20], ..Preset::default() };

        let error = Parameters::new(&preset, 8, 0).err().map(|error| error.to_string());

        assert_eq!(error.as_deref(), Some("T2 is 9, wanted 10 to 255"));
    }

    #[test]
    fn gradient_bins_are_symmetric_and_end_at_four() {
        let bins = GradientBins::new(2, [5, 9, 30]);
        let expected = [(0, 0), (2, 0), (3, 1), (4, 1), (5, 2), (9, 3), (29, 3), (30, 4), (999, 4)];
        for (gradient, bin) in expected {
            assert_eq!((bins.of(gradient), bins.of(-gradient)), (bin, -bin), "{gradient}");
        }
    }
}
