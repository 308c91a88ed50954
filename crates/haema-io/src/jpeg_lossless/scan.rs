//! The scan: differences from predictions, row by row (T.81 annex H).

use super::{Frame, Image, JpegLosslessError, ScanFault, huffman::HuffmanTable};
use crate::jpeg::{
    bits::{BitReader, Stuffing},
    segments::{Cursor, Segment, SegmentError, bad},
};

/// What a scan header and what came before it say.
pub(super) struct Scan<'t> {
    frame: Frame,
    table: &'t HuffmanTable,
    predictor: u8,
    /// Rows from one restart marker to the next.
    interval: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn parse(
        mut segment: Segment<'_>,
        frame: Frame,
        tables: &'t [Option<HuffmanTable>; 4],
        restart_interval: usize,
    ) -> Result<Self, JpegLosslessError> {
        let count = segment.u8()?;
        if count != 1 {
            return Err(bad("components of the scan", count, "1").into());
        }
        let id = segment.u8()?;
        if id != frame.component_id {
            return Err(bad("component of the scan", id, "the frame's").into());
        }
        let place = segment.u8()? >> 4;
        let table = tables.get(usize::from(place)).and_then(Option::as_ref);
        let table = table.ok_or(JpegLosslessError::NoTable { wanted: place })?;
        let predictor = segment.u8()?;
        if !(1..=7).contains(&predictor) {
            return Err(bad("predictor", predictor, "1 to 7").into());
        }
        // Se, which has no meaning here.
        segment.u8()?;
        if segment.u8()? != 0 {
            let feature = "a point transform (the low bits were dropped)";
            return Err(SegmentError::Unsupported { feature }.into());
        }
        segment.end()?;
        let interval = rows_per_interval(frame, restart_interval)?;
        Ok(Self { frame, table, predictor, interval })
    }

    /// Decodes the scan that starts at the cursor.
    pub(super) fn decode(&self, mut cursor: Cursor<'_>) -> Result<Image, JpegLosslessError> {
        let (width, height) = (usize::from(self.frame.width), usize::from(self.frame.height));
        let mut samples = vec![0; width * height];
        for (index, interval) in samples.chunks_mut(width * self.interval).enumerate() {
            if index > 0 {
                cursor.restart_marker(index - 1)?;
            }
            let mut bits = BitReader::new(cursor.bytes, cursor.position, Stuffing::Byte);
            let first = index * self.interval;
            let damaged = |row, fault| JpegLosslessError::DamagedScan {
                row: first + row,
                rows: height,
                fault,
            };
            let row_count = interval.len() / width;
            for row in 0..row_count {
                let (above, current) = interval.split_at_mut(row * width);
                let above = above.rchunks_exact(width).next();
                self.decode_row(&mut bits, above, &mut current[..width])
                    .map_err(|fault| damaged(row, fault))?;
            }
            cursor.position =
                bits.finish().map_err(|fault| damaged(row_count - 1, fault.into()))?;
        }
        Ok(Image { width, height, bits_per_sample: self.frame.bits, samples })
    }

    /// Decodes a row; the first of an interval has none above.
    fn decode_row(
        &self,
        bits: &mut BitReader<'_>,
        above: Option<&[u16]>,
        row: &mut [u16],
    ) -> Result<(), ScanFault> {
        let Some(above) = above else {
            let start = 1 << (self.frame.bits - 1);
            row[0] = add(start, self.difference(bits)?);
            return self.rest_of_row(bits, row, |_, left| left);
        };
        row[0] = add(above[0].into(), self.difference(bits)?);
        let at = |x: usize| i32::from(above[x]);
        match self.predictor {
            1 => self.rest_of_row(bits, row, |_, left| left),
            2 => self.rest_of_row(bits, row, |x, _| at(x)),
            3 => self.rest_of_row(bits, row, |x, _| at(x - 1)),
            4 => self.rest_of_row(bits, row, |x, left| left + at(x) - at(x - 1)),
            5 => self.rest_of_row(bits, row, |x, left| left + ((at(x) - at(x - 1)) >> 1)),
            6 => self.rest_of_row(bits, row, |x, left| at(x) + ((left - at(x - 1)) >> 1)),
            _ => self.rest_of_row(bits, row, |x, left| (left + at(x)) >> 1),
        }
    }

    /// Decodes all samples but the first, each predicted from its place and its left neighbour.
    #[inline]
    fn rest_of_row(
        &self,
        bits: &mut BitReader<'_>,
        row: &mut [u16],
        predict: impl Fn(usize, i32) -> i32,
    ) -> Result<(), ScanFault> {
        for x in 1..row.len() {
            let predicted = predict(x, row[x - 1].into());
            row[x] = add(predicted, self.difference(bits)?);
        }
        Ok(())
    }

    /// Reads one difference: its size as a code, then so many bits (tables H.1 and H.2).
    #[inline]
    fn difference(&self, bits: &mut BitReader<'_>) -> Result<i32, ScanFault> {
        let size = self.table.read(bits)?;
        // Size 16 is the one difference of 32 768, without bits of its own.
        if size == 0 || size == 16 {
            return Ok(if size == 0 { 0 } else { 32_768 });
        }
        let value = bits.bits(size)? as i32;
        // A leading zero marks the negative half.
        let is_negative = value >> (size - 1) == 0;
        Ok(if is_negative { value - (1 << size) + 1 } else { value })
    }
}

/// A sample, modulo 2^16 (section H.1.2.1).
fn add(predicted: i32, difference: i32) -> u16 {
    (predicted + difference) as u16
}

/// The restart interval counts samples here, and must be whole rows (section H.1.1).
fn rows_per_interval(frame: Frame, restart_interval: usize) -> Result<usize, SegmentError> {
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    if !restart_interval.is_multiple_of(width) {
        return Err(bad("restart interval", restart_interval, "whole rows"));
    }
    Ok(if restart_interval == 0 { height } else { restart_interval / width })
}
