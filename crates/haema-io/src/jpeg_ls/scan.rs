//! The samples of a scan: regular mode, run mode, and the three interleaves (annexes A and B).

use super::{
    ScanFault,
    context::{RegularContext, RunContext},
    parameters::Parameters,
};
use crate::jpeg::bits::{BitReader, LeftOver, Stuffing};

/// J: the length of a run segment is 2^J, by `RUNindex` (section A.2.1, initialisation 3).
const RUN_BITS: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// The row being decoded and the one above it, each with a sample of margin at both ends.
pub(super) struct Rows {
    above: Vec<u16>,
    current: Vec<u16>,
    /// `RUNindex`: how long runs have been lately.
    run_index: usize,
}

impl Rows {
    /// Rows of zeros: what lies above the image, or above a restart.
    pub(super) fn new(width: usize) -> Self {
        Self { above: vec![0; width + 2], current: vec![0; width + 2], run_index: 0 }
    }

    /// Makes the current row the one above, and sets the margins (section A.2.1, figure A.1).
    ///
    /// Left of a row stands the sample above its first one, so the left margin of the row above
    /// keeps the value of its own time. Right of a row stands its last sample again.
    fn advance(&mut self) {
        std::mem::swap(&mut self.above, &mut self.current);
        let width = self.width();
        self.above[width + 1] = self.above[width];
        self.current[0] = self.above[1];
    }

    /// The samples of the row decoded last.
    pub(super) fn decoded(&self) -> &[u16] {
        &self.current[1..=self.width()]
    }

    fn width(&self) -> usize {
        self.current.len() - 2
    }

    /// Left (Ra), upper (Rb), upper left (Rc) and upper right (Rd) neighbour of a sample.
    #[inline]
    fn neighbours(&self, x: usize) -> Neighbours {
        Neighbours {
            left: i32::from(self.current[x - 1]),
            upper: i32::from(self.above[x]),
            upper_left: i32::from(self.above[x - 1]),
            upper_right: i32::from(self.above[x + 1]),
        }
    }
}

#[derive(Clone, Copy)]
struct Neighbours {
    left: i32,
    upper: i32,
    upper_left: i32,
    upper_right: i32,
}

impl Neighbours {
    #[inline]
    fn gradients(self) -> [i32; 3] {
        [self.upper_right - self.upper, self.upper - self.upper_left, self.upper_left - self.left]
    }

    /// The edge-detecting predictor (section A.4.1): the median of left, upper and their plane.
    #[inline]
    fn predict(self) -> i32 {
        let (least, most) = (self.left.min(self.upper), self.left.max(self.upper));
        (self.left + self.upper - self.upper_left).clamp(least, most)
    }
}

/// Decodes rows between two markers. One per restart interval: it starts from nothing learnt.
pub(super) struct Interval<'a> {
    bits: BitReader<'a>,
    parameters: &'a Parameters,
    regular: Vec<RegularContext>,
    /// Neighbours that differ, neighbours that are alike.
    run: [RunContext; 2],
}

impl<'a> Interval<'a> {
    pub(super) fn new(bytes: &'a [u8], position: usize, parameters: &'a Parameters) -> Self {
        let error_sum = parameters.initial_error_sum();
        Self {
            bits: BitReader::new(bytes, position, Stuffing::Bit),
            parameters,
            regular: vec![RegularContext::new(error_sum); 365],
            run: [RunContext::new(error_sum, false), RunContext::new(error_sum, true)],
        }
    }

    /// Ends the interval and gives the position of the marker that follows.
    pub(super) fn finish(self) -> Result<usize, LeftOver> {
        self.bits.finish()
    }

    /// Decodes the next row of one component.
    pub(super) fn row(&mut self, rows: &mut Rows) -> Result<(), ScanFault> {
        rows.advance();
        let width = rows.width();
        let mut x = 1;
        let mut around = rows.neighbours(x);
        loop {
            let context = self.parameters.signed_context(around.gradients());
            let sample = if context == 0 {
                let length = self.run_length(width + 1 - x, &mut rows.run_index)?;
                rows.current[x..x + length].fill(around.left as u16);
                x += length;
                if x > width {
                    return Ok(());
                }
                let upper = i32::from(rows.above[x]);
                let sample = self.after_run(around.left, upper, rows.run_index)?;
                rows.run_index = rows.run_index.saturating_sub(1);
                sample
            } else {
                self.regular(context, around.predict())?
            };
            rows.current[x] = sample;
            if x == width {
                return Ok(());
            }
            x += 1;
            around = rows.neighbours(x);
        }
    }

    /// Decodes the next row of several components, whose samples take turns (section B.3).
    pub(super) fn interleaved_row(&mut self, rows: &mut [Rows]) -> Result<(), ScanFault> {
        rows.iter_mut().for_each(Rows::advance);
        let width = rows[0].width();
        let mut x = 1;
        while x <= width {
            let is_flat = rows.iter().all(|component| {
                self.parameters.signed_context(component.neighbours(x).gradients()) == 0
            });
            if is_flat {
                // One run, of all components together; the first one's index serves all.
                let mut run_index = rows[0].run_index;
                let length = self.run_length(width + 1 - x, &mut run_index)?;
                for component in &mut *rows {
                    let left = component.current[x - 1];
                    component.current[x..x + length].fill(left);
                }
                x += length;
                if x <= width {
                    for component in &mut *rows {
                        let around = component.neighbours(x);
                        component.current[x] =
                            self.after_run_differing(around.left, around.upper, run_index)?;
                    }
                    run_index = run_index.saturating_sub(1);
                    x += 1;
                }
                rows[0].run_index = run_index;
            } else {
                for component in &mut *rows {
                    let around = component.neighbours(x);
                    let context = self.parameters.signed_context(around.gradients());
                    component.current[x] = self.regular(context, around.predict())?;
                }
                x += 1;
            }
        }
        Ok(())
    }

    /// A sample in regular mode (section A.4 to A.6); `context` is mirrored where negative.
    #[inline]
    fn regular(&mut self, context: i32, predicted: i32) -> Result<u16, ScanFault> {
        let parameters = self.parameters;
        let statistics = &mut self.regular[context.unsigned_abs() as usize];
        let sign = if context < 0 { -1 } else { 1 };
        let corrected = predicted + sign * statistics.correction();
        let predicted = corrected.clamp(0, parameters.max_value);

        let k = statistics.golomb_k();
        let code = read_code(&mut self.bits, k, parameters.limit, parameters)? as i32;
        let error = statistics.unmap(code, k, parameters.near);
        statistics.update(error, parameters.step, parameters.reset);
        Ok(parameters.reconstruct(predicted, sign * error))
    }

    /// The length of a run, at most what is left of the row (section A.7.1).
    fn run_length(&mut self, left: usize, run_index: &mut usize) -> Result<usize, ScanFault> {
        let mut length = 0;
        while self.bits.bit()? {
            let segment = 1 << RUN_BITS[*run_index];
            if segment > left - length {
                return Ok(left);
            }
            length += segment;
            *run_index = (*run_index + 1).min(31);
            if length == left {
                return Ok(left);
            }
        }
        length += self.bits.bits(RUN_BITS[*run_index])? as usize;
        if length < left { Ok(length) } else { Err(ScanFault::RunPastRow) }
    }

    /// The sample that ends a run (section A.7.2).
    fn after_run(&mut self, left: i32, upper: i32, run_index: usize) -> Result<u16, ScanFault> {
        if (left - upper).abs() > self.parameters.near {
            return self.after_run_differing(left, upper, run_index);
        }
        let error = self.run_error(1, run_index)?;
        Ok(self.parameters.reconstruct(left, error))
    }

    /// [`Self::after_run`] where the neighbours differ, and in all sample-interleaved scans.
    fn after_run_differing(
        &mut self,
        left: i32,
        upper: i32,
        run_index: usize,
    ) -> Result<u16, ScanFault> {
        let error = self.run_error(0, run_index)?;
        Ok(self.parameters.reconstruct(upper, if left > upper { -error } else { error }))
    }

    fn run_error(&mut self, context: usize, run_index: usize) -> Result<i32, ScanFault> {
        let parameters = self.parameters;
        let statistics = &mut self.run[context];
        let k = statistics.golomb_k();
        let limit = parameters.limit - RUN_BITS[run_index] - 1;
        let code = read_code(&mut self.bits, k, limit, parameters)?;
        let error = statistics.unmap(code, k);
        statistics.update(error, code, parameters.reset);
        Ok(error)
    }
}

/// Reads a limited-length Golomb code (section A.5.3): a run of zeros, a one and `k` bits.
///
/// LIMIT − qbpp − 1 zeros announce instead qbpp bits of the value less one. A value beyond RANGE is
/// refused, as no reduced error maps to it (section A.4.5).
#[inline]
fn read_code(
    bits: &mut BitReader<'_>,
    k: u32,
    limit: u32,
    parameters: &Parameters,
) -> Result<u32, ScanFault> {
    let escape_zeros = limit - parameters.error_bits - 1;
    let code = match bits.zeros_and_bits(k, escape_zeros) {
        Some((zeros, low)) => (u64::from(zeros) << k) + u64::from(low),
        None => read_rare_code(bits, k, escape_zeros, parameters.error_bits)?,
    };
    if code > parameters.range as u64 {
        return Err(ScanFault::ErrorOutOfRange);
    }
    Ok(code as u32)
}

/// The rare cases of [`read_code`]: the escape, a long code, the end of the data.
#[cold]
fn read_rare_code(
    bits: &mut BitReader<'_>,
    k: u32,
    escape_zeros: u32,
    escape_bits: u32,
) -> Result<u64, ScanFault> {
    let mut zeros = 0;
    while !bits.bit()? {
        zeros += 1;
        if zeros > escape_zeros {
            return Err(ScanFault::CodeTooLong);
        }
    }
    if zeros < escape_zeros {
        return Ok((u64::from(zeros) << k) + u64::from(bits.bits(k)?));
    }
    Ok(u64::from(bits.bits(escape_bits)?) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_and_their_escape() {
        // k = 2: 001 10 is 2·4 + 2; with 3 zeros as the escape, 0001 and 5 bits 00111 are 7 + 1.
        let mut bits = BitReader::new(&[0b0011_0000, 0b1001_1100], 0, Stuffing::Bit);

        assert_eq!(bits.zeros_and_bits(2, 3), Some((2, 2)));
        assert_eq!(bits.zeros_and_bits(2, 3), None, "an escape is left to the slow way");
        assert_eq!(read_rare_code(&mut bits, 2, 3, 5), Ok(8));
        assert_eq!(read_rare_code(&mut bits, 2, 3, 5), Err(ScanFault::EndsEarly));
        let mut zeros = BitReader::new(&[0; 9], 0, Stuffing::Bit);
        assert_eq!(read_rare_code(&mut zeros, 0, 9, 8), Err(ScanFault::CodeTooLong));
    }
}
