//! Bits of a scan: most significant first, without what was stuffed behind FF bytes.

use thiserror::Error;

/// What follows an FF byte of data, so that it cannot be taken for a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuffing {
    /// A zero bit, then seven bits of data (JPEG-LS, T.87 section A.1).
    Bit,
    /// A zero byte (JPEG, T.81 section B.1.1.5).
    Byte,
}

/// More bits were asked for than there are before the next marker or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the data end early")]
pub(crate) struct EndsEarly;

/// Whole bytes are left over before the next marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("data are left over after the last sample")]
pub(crate) struct LeftOver;

/// Reads the entropy-coded data up to the next marker or the end of the bytes.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    stuffing: Stuffing,
    /// The next byte to take into `cache`; the marker's FF once the data have ended.
    position: usize,
    /// Bits not yet read, from the top; zero below the `available` ones.
    cache: u64,
    available: u32,
    /// The last byte taken was FF, and the next holds a stuffed bit.
    is_after_ff: bool,
}

impl<'a> BitReader<'a> {
    /// A reader of the scan data that start at `position`.
    pub(crate) fn new(bytes: &'a [u8], position: usize, stuffing: Stuffing) -> Self {
        Self { bytes, stuffing, position, cache: 0, available: 0, is_after_ff: false }
    }

    /// Reads one bit.
    pub(crate) fn bit(&mut self) -> Result<bool, EndsEarly> {
        Ok(self.bits(1)? == 1)
    }

    /// Reads `count` bits, at most 32.
    #[inline]
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, EndsEarly> {
        debug_assert!(count <= 32, "at most 32 bits at a time");
        if self.available < count {
            self.refill();
            if self.available < count {
                return Err(EndsEarly);
            }
        }
        let value = top_bits(self.cache, count);
        self.drop_bits(count);
        Ok(value)
    }

    /// Looks at the next `count` bits, at most 32, without reading them; zeros stand for what is
    /// beyond the end.
    #[inline]
    pub(crate) fn peek(&mut self, count: u32) -> u32 {
        if self.available < count {
            self.refill();
        }
        top_bits(self.cache, count)
    }

    /// Reads zeros up to a one, the one, and `k` bits; `None`, with nothing read, where there are
    /// `zeros_max` zeros or more, or where this takes more bits than are at hand.
    #[inline]
    pub(crate) fn zeros_and_bits(&mut self, k: u32, zeros_max: u32) -> Option<(u32, u32)> {
        if self.available < 32 {
            self.refill();
        }
        let zeros = self.cache.leading_zeros();
        if zeros >= zeros_max || zeros + 1 + k > self.available {
            return None;
        }
        self.drop_bits(zeros + 1);
        let bits = top_bits(self.cache, k);
        self.drop_bits(k);
        Some((zeros, bits))
    }

    /// Ends the reading and gives the position of the marker that follows, or of the end.
    ///
    /// Padding is up to seven bits, and seven more where a bit was stuffed behind a last FF.
    pub(crate) fn finish(mut self) -> Result<usize, LeftOver> {
        self.refill();
        if self.available > 14 {
            return Err(LeftOver);
        }
        Ok(self.position)
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
            && self.available < 57
            && let Some(next) = self.bytes.get(self.position..).and_then(<[u8]>::first_chunk::<8>)
        {
            let word = u64::from_be_bytes(*next);
            if !has_ff(word) {
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
            let is_ff = byte == 0xFF;
            if is_ff {
                // With anything but stuffing behind it, FF starts a marker.
                let after = self.bytes.get(self.position + 1).copied();
                match (self.stuffing, after) {
                    (Stuffing::Bit, Some(0..0x80)) => {}
                    (Stuffing::Byte, Some(0)) => self.position += 1,
                    _ => return,
                }
            }
            let width = if self.is_after_ff { 7 } else { 8 };
            self.cache |= u64::from(byte) << (64 - width - self.available);
            self.available += width;
            self.is_after_ff = is_ff && self.stuffing == Stuffing::Bit;
            self.position += 1;
        }
    }
}

/// The top `count` bits, at most 32.
#[inline]
fn top_bits(cache: u64, count: u32) -> u32 {
    // Two shifts, because a shift by 64 (count 0) is not defined.
    (cache >> 1 >> (63 - count)) as u32
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
        let mut bits = BitReader::new(&[0xA5, 0xFF, 0x61, 0xFF, 0xD9], 0, Stuffing::Bit);

        assert_eq!(bits.bits(16), Ok(0xA5FF));
        assert_eq!(bits.bits(7), Ok(0x61));
        assert_eq!(bits.bits(1), Err(EndsEarly));
        assert_eq!(bits.finish(), Ok(3), "the marker stays unread");
    }

    #[test]
    fn zero_byte_after_ff_is_removed() {
        let mut bits = BitReader::new(&[0xA5, 0xFF, 0x00, 0xC3, 0xFF, 0xD9], 0, Stuffing::Byte);

        assert_eq!(bits.peek(32), 0xA5FF_C300, "zeros stand for what is not there");
        assert_eq!(bits.bits(24), Ok(0xA5_FFC3));
        assert_eq!(bits.bit(), Err(EndsEarly));
        assert_eq!(bits.finish(), Ok(4), "the marker stays unread");
    }

    #[test]
    fn whole_bytes_left_over_are_found() {
        let mut bits = BitReader::new(&[0x80, 0x00, 0x00, 0xFF, 0xD9], 0, Stuffing::Bit);

        assert_eq!(bits.bit(), Ok(true));
        assert_eq!(bits.finish(), Err(LeftOver));
    }

    proptest! {
        /// Wide and bytewise refills agree, whatever the mix of reads.
        #[test]
        fn any_read_sizes_give_the_same_bits(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0xFF_u8), Just(0), any::<u8>()], 0..64),
            sizes in proptest::collection::vec(0..=32_u32, 1..40),
            stuffing in prop_oneof![Just(Stuffing::Bit), Just(Stuffing::Byte)],
        ) {
            let mut one_by_one = BitReader::new(&bytes, 0, stuffing);
            let mut in_groups = BitReader::new(&bytes, 0, stuffing);
            for size in sizes {
                let mut expected = Ok(0);
                for _ in 0..size {
                    expected = expected
                        .and_then(|sum| Ok(sum << 1 | u32::from(one_by_one.bit()?)));
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
