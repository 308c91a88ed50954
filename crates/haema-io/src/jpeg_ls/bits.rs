//! Bits of a scan: most significant first, with the zero bit that follows every FF byte removed.

use super::ScanFault;

/// Reads the entropy-coded data up to the next marker or the end of the bytes.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next byte to take into `cache`; the marker's FF once the data have ended.
    position: usize,
    /// Bits not yet read, from the top; zero below the `available` ones.
    cache: u64,
    available: u32,
    /// The last byte taken was FF: the next holds a stuffed zero and seven bits (section A.1).
    is_after_ff: bool,
}

impl<'a> BitReader<'a> {
    /// A reader of the scan data that start at `position`.
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position, cache: 0, available: 0, is_after_ff: false }
    }

    /// Reads one bit.
    pub(super) fn bit(&mut self) -> Result<bool, ScanFault> {
        Ok(self.bits(1)? == 1)
    }

    /// Reads `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, ScanFault> {
        debug_assert!(count <= 32, "at most 32 bits at a time");
        if self.available < count {
            self.refill();
            if self.available < count {
                return Err(ScanFault::EndsEarly);
            }
        }
        Ok(self.take(count))
    }

    /// Reads a limited-length Golomb code (section A.5.3): a run of zeros, a one and `k` bits.
    ///
    /// `escape_zeros` zeros (LIMIT − qbpp − 1) announce instead `escape_bits` (qbpp) bits of the
    /// value less one.
    #[inline]
    pub(super) fn golomb(
        &mut self,
        k: u32,
        escape_zeros: u32,
        escape_bits: u32,
    ) -> Result<u64, ScanFault> {
        if self.available < 32 {
            self.refill();
        }
        let zeros = self.cache.leading_zeros();
        if zeros < escape_zeros && zeros + 1 + k <= self.available {
            self.drop_bits(zeros + 1);
            return Ok((u64::from(zeros) << k) + u64::from(self.take(k)));
        }
        self.golomb_slowly(k, escape_zeros, escape_bits)
    }

    /// The rare cases of [`Self::golomb`]: the escape, a long code, the end of the data.
    #[cold]
    fn golomb_slowly(
        &mut self,
        k: u32,
        escape_zeros: u32,
        escape_bits: u32,
    ) -> Result<u64, ScanFault> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > escape_zeros {
                return Err(ScanFault::CodeTooLong);
            }
        }
        if zeros < escape_zeros {
            return Ok((u64::from(zeros) << k) + u64::from(self.bits(k)?));
        }
        Ok(u64::from(self.bits(escape_bits)?) + 1)
    }

    /// Ends the reading and gives the position of the marker that follows, or of the end.
    ///
    /// Padding is up to seven bits, and seven more in the byte after a last FF.
    pub(super) fn finish(mut self) -> Result<usize, ScanFault> {
        self.refill();
        if self.available > 14 {
            return Err(ScanFault::DataLeftOver);
        }
        Ok(self.position)
    }

    /// Takes `count` bits, at most 32, that are known to be there.
    #[inline]
    fn take(&mut self, count: u32) -> u32 {
        // Two shifts, because a shift by 64 (count 0) is not defined.
        let value = (self.cache >> 1 >> (63 - count)) as u32;
        self.drop_bits(count);
        value
    }

    #[inline]
    fn drop_bits(&mut self, count: u32) {
        self.cache <<= count;
        self.available -= count;
    }

    /// Fills the cache to more than 56 bits, or with all that is left before the next marker.
    #[inline]
    fn refill(&mut self) {
        if !self.is_after_ff
            && let Some(next) = self.bytes.get(self.position..).and_then(<[u8]>::first_chunk::<8>)
        {
            let word = u64::from_be_bytes(*next);
            if !has_ff(word) && self.available < 57 {
                let byte_count = (64 - self.available) / 8;
                let unused = 64 - 8 * byte_count;
                self.cache |= (word >> unused << unused) >> self.available;
                self.available += 8 * byte_count;
                self.position += byte_count as usize;
                return;
            }
        }
        self.refill_bytewise();
    }

    /// [`Self::refill`] where an FF byte or the end is near.
    #[cold]
    fn refill_bytewise(&mut self) {
        while self.available <= 56 {
            let Some(&byte) = self.bytes.get(self.position) else { return };
            if byte == 0xFF {
                // FF and a byte from 80 up are a marker, not data.
                match self.bytes.get(self.position + 1) {
                    Some(&after) if after < 0x80 => {}
                    _ => return,
                }
            }
            let width = if self.is_after_ff { 7 } else { 8 };
            self.cache |= u64::from(byte) << (64 - width - self.available);
            self.available += width;
            self.is_after_ff = byte == 0xFF;
            self.position += 1;
        }
    }
}

/// Whether any of the eight bytes is FF.
fn has_ff(word: u64) -> bool {
    // A byte of the complement is zero where the word has FF; the usual zero-byte test.
    let inverted = !word;
    inverted.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bit_after_ff_is_removed() {
        // 1010_0101 1111_1111 (0)110_0001, then a marker.
        let mut bits = BitReader::new(&[0xA5, 0xFF, 0x61, 0xFF, 0xD9], 0);

        assert_eq!(bits.bits(8), Ok(0xA5));
        assert_eq!(bits.bits(8), Ok(0xFF));
        assert_eq!(bits.bits(7), Ok(0x61));
        assert_eq!(bits.bits(1), Err(ScanFault::EndsEarly));
        assert_eq!(bits.finish(), Ok(3), "the marker stays unread");
    }

    #[test]
    fn golomb_codes_and_their_escape() {
        // k = 2: 001 10 is 2·4 + 2; with 3 zeros as the escape, 0001 and 5 bits 00111 are 7 + 1.
        let mut bits = BitReader::new(&[0b0011_0000, 0b1001_1100], 0);

        assert_eq!(bits.golomb(2, 3, 5), Ok(10));
        assert_eq!(bits.golomb(2, 3, 5), Ok(8));
        assert_eq!(bits.golomb(2, 3, 5), Err(ScanFault::EndsEarly));
        assert_eq!(BitReader::new(&[0; 9], 0).golomb(0, 9, 8), Err(ScanFault::CodeTooLong));
    }

    #[test]
    fn whole_bytes_left_over_are_found() {
        let mut bits = BitReader::new(&[0x80, 0x00, 0x00, 0xFF, 0xD9], 0);

        assert_eq!(bits.bit(), Ok(true));
        assert_eq!(bits.finish(), Err(ScanFault::DataLeftOver));
    }

    proptest! {
        /// Wide and bytewise refills agree, whatever the mix of reads.
        #[test]
        fn any_read_sizes_give_the_same_bits(
            bytes in proptest::collection::vec(prop_oneof![Just(0xFF_u8), any::<u8>()], 0..64),
            sizes in proptest::collection::vec(0..=32_u32, 1..40),
        ) {
            let mut one_by_one = BitReader::new(&bytes, 0);
            let mut in_groups = BitReader::new(&bytes, 0);
            for size in sizes {
                let mut expected = Ok(0);
                for _ in 0..size {
                    expected = expected.and_then(|sum| {
                        Ok(sum << 1 | u32::from(one_by_one.bit()?))
                    });
                }
                let got = in_groups.bits(size);
                prop_assert_eq!(&got, &expected);
                if got.is_err() {
                    break;
                }
            }
        }
    }
}
