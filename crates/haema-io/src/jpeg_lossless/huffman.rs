//! Huffman codes of difference sizes (T.81 annex C and section F.2.2.3).

use super::ScanFault;
use crate::jpeg::{
    bits::BitReader,
    segments::{Segment, SegmentError, bad},
};

/// Longest code, bits.
const LENGTH_MAX: u32 = 16;

/// Codes up to this length are found by one look into a table.
const SHORT: u32 = 9;

/// Reads over a table.
pub(super) fn skip(segment: &mut Segment<'_>) -> Result<(), SegmentError> {
    counts_and_sizes(segment).map(drop)
}

/// How many codes there are of each length, then their sizes.
fn counts_and_sizes<'a>(segment: &mut Segment<'a>) -> Result<(&'a [u8], &'a [u8]), SegmentError> {
    let counts = segment.bytes(LENGTH_MAX as usize)?;
    let total = counts.iter().map(|&count| usize::from(count)).sum();
    Ok((counts, segment.bytes(total)?))
}

/// Which code stands for which difference size (SSSS, 0 to 16).
#[derive(Debug, Clone)]
pub(super) struct HuffmanTable {
    /// By the next [`SHORT`] bits: length and size of the code they start with; length 0 is none.
    short: Vec<(u8, u8)>,
    /// By length: the first code of that length, how many there are, where their sizes start.
    long: [(u32, u32, usize); LENGTH_MAX as usize + 1],
    sizes: Vec<u8>,
}

impl HuffmanTable {
    /// Reads a table.
    pub(super) fn parse(segment: &mut Segment<'_>) -> Result<Self, SegmentError> {
        let (counts, sizes) = counts_and_sizes(segment)?;
        if let Some(&size) = sizes.iter().find(|&&size| size > 16) {
            return Err(bad("size of a difference in a Huffman table", size, "0 to 16 bits"));
        }
        let mut table = Self {
            short: vec![(0, 0); 1 << SHORT],
            long: [(0, 0, 0); LENGTH_MAX as usize + 1],
            sizes: sizes.to_vec(),
        };
        let mut code = 0_u32;
        let mut next = 0;
        for (length, &count) in (1..=LENGTH_MAX).zip(counts) {
            code <<= 1;
            if code + u32::from(count) > 1 << length {
                return Err(bad("codes in a Huffman table", count, "no more than there are bits"));
            }
            table.long[length as usize] = (code, count.into(), next);
            for _ in 0..count {
                table.add_short(code, length, table.sizes[next]);
                code += 1;
                next += 1;
            }
        }
        Ok(table)
    }

    /// Enters a code wherever the next bits start with it.
    fn add_short(&mut self, code: u32, length: u32, size: u8) {
        let Some(free) = SHORT.checked_sub(length) else { return };
        let start = (code << free) as usize;
        self.short[start..start + (1 << free)].fill((length as u8, size));
    }

    /// Reads a code and gives its size.
    #[inline]
    pub(super) fn read(&self, bits: &mut BitReader<'_>) -> Result<u32, ScanFault> {
        let next = bits.peek(LENGTH_MAX);
        let (length, size) = self.short[(next >> (LENGTH_MAX - SHORT)) as usize];
        if length == 0 {
            return self.read_long(next, bits);
        }
        bits.bits(length.into())?;
        Ok(size.into())
    }

    #[cold]
    fn read_long(&self, next: u32, bits: &mut BitReader<'_>) -> Result<u32, ScanFault> {
        for length in SHORT + 1..=LENGTH_MAX {
            let (first, count, start) = self.long[length as usize];
            let code = next >> (LENGTH_MAX - length);
            if (first..first + count).contains(&code) {
                bits.bits(length)?;
                return Ok(self.sizes[start + (code - first) as usize].into());
            }
        }
        Err(ScanFault::NoSuchCode)
    }
}
