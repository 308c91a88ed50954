//! What a scan learns as it goes: error statistics of each context (sections A.5 to A.7).

/// Statistics of one of the 365 contexts of regular mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegularContext {
    /// A\[Q\]: sum of error magnitudes.
    error_sum: u32,
    /// B\[Q\]: sum of errors, held between −N and 0 by the correction.
    bias: i32,
    /// C\[Q\]: what is added to a prediction.
    correction: i32,
    /// N\[Q\]: errors counted.
    count: u32,
}

impl RegularContext {
    pub(super) fn new(initial_error_sum: u32) -> Self {
        Self { error_sum: initial_error_sum, bias: 0, correction: 0, count: 1 }
    }

    /// C\[Q\]: what is added to a prediction.
    #[inline]
    pub(super) fn correction(&self) -> i32 {
        self.correction
    }

    /// The Golomb parameter k.
    #[inline]
    pub(super) fn golomb_k(&self) -> u32 {
        golomb_k(self.error_sum, self.count)
    }

    /// The error that was mapped to `code` (section A.5.2).
    #[inline]
    pub(super) fn unmap(&self, code: i32, k: u32, near: i32) -> i32 {
        let error = (code >> 1) ^ -(code & 1);
        // The context expects negative errors: the signs were swapped.
        let is_swapped = k == 0 && near == 0 && 2 * self.bias <= -(self.count as i32);
        if is_swapped { !error } else { error }
    }

    /// Learns from a quantised error (sections A.6.1, A.6.2).
    #[inline]
    pub(super) fn update(&mut self, error: i32, step: i32, reset: u32) {
        self.bias += error * step;
        self.error_sum += error.unsigned_abs();
        if self.count == reset {
            self.error_sum >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;

        let count = self.count as i32;
        if self.bias <= -count {
            self.bias = (self.bias + count).max(1 - count);
            self.correction = (self.correction - 1).max(-128);
        } else if self.bias > 0 {
            self.bias = (self.bias - count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
    }
}

/// Statistics of one of the two contexts of samples that end a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunContext {
    /// `RItype`: 1 where left and upper neighbour are alike, else 0.
    neighbours_alike: u32,
    error_sum: u32,
    count: u32,
    /// Nn: negative errors counted.
    negative_count: u32,
}

impl RunContext {
    pub(super) fn new(initial_error_sum: u32, neighbours_alike: bool) -> Self {
        Self {
            neighbours_alike: u32::from(neighbours_alike),
            error_sum: initial_error_sum,
            count: 1,
            negative_count: 0,
        }
    }

    /// The Golomb parameter k (section A.7.2.1).
    pub(super) fn golomb_k(&self) -> u32 {
        golomb_k(self.error_sum + self.neighbours_alike * (self.count >> 1), self.count)
    }

    /// The error that was mapped to `code` (section A.7.2.1).
    pub(super) fn unmap(&self, code: u32, k: u32) -> i32 {
        let doubled = code + self.neighbours_alike;
        let size = doubled.div_ceil(2) as i32;
        let is_odd = doubled % 2 == 1;
        let odd_is_negative = k != 0 || 2 * self.negative_count >= self.count;
        if is_odd == odd_is_negative { -size } else { size }
    }

    /// Learns from an error and the code it came in (section A.7.2.2).
    pub(super) fn update(&mut self, error: i32, code: u32, reset: u32) {
        self.negative_count += u32::from(error < 0);
        self.error_sum += (code + 1 - self.neighbours_alike) >> 1;
        if self.count == reset {
            self.error_sum >>= 1;
            self.count >>= 1;
            self.negative_count >>= 1;
        }
        self.count += 1;
    }
}

/// The smallest k with `count · 2^k ≥ error_sum` (section A.5.1).
///
/// The sums cannot overflow: an error is at most 2^15, and a count at most 2^16.
#[inline]
fn golomb_k(error_sum: u32, count: u32) -> u32 {
    if error_sum <= count {
        return 0;
    }
    // Both are at least 1, and shifting by the difference of their top bits aligns these.
    let k = error_sum.ilog2() - count.ilog2();
    k + u32::from(count << k < error_sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn golomb_k_is_the_loop_of_the_standard(sum in 0..u32::MAX, count in 1..=65_536_u32) {
            let mut k = 0;
            while (u64::from(count) << k) < u64::from(sum) {
                k += 1;
            }
            prop_assert_eq!(golomb_k(sum, count), k);
        }
    }
}
