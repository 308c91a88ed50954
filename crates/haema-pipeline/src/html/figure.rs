//! One slice as a picture: the scan as PNG, the outline of the mask as SVG above it.
//!
//! The outline follows the borders of the mask's own voxels, so that the page shows exactly what
//! was measured; as SVG it stays sharp at any size and hides when the pointer rests on the picture.

use std::fmt::Write as _;

use base64::Engine as _;
use image::{ExtendedColorType, ImageEncoder as _, codecs::png};

/// The brain window: level 40, width 80 HU, from black to white.
const BLACK_HU: f32 = 0.0;
const WHITE_HU: f32 = 80.0;

/// One slice of the head as it is shown: patient's right on the left, front up.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    /// Counted from 1, from the bottom of the scan.
    pub(crate) number: usize,
    /// Place along the normal of the slices.
    pub(crate) position_mm: f64,
    /// Area of the mask.
    pub(crate) area_mm2: f64,
    /// Rows and columns.
    pub(crate) size: [usize; 2],
    /// Height and width of a pixel.
    pub(crate) pixel_mm: [f64; 2],
    /// Hounsfield units, rows from the top.
    pub(crate) hu: Vec<f32>,
    /// Not 0 where the mask is.
    pub(crate) mask: Vec<u8>,
}

/// A slice that is ready for the page.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) slice: Slice,
    /// The scan in the brain window.
    pub(crate) png: Vec<u8>,
}

impl From<Slice> for Picture {
    fn from(slice: Slice) -> Self {
        let png = slice.png();
        Self { slice, png }
    }
}

impl Picture {
    /// The picture as the address of an image that stands in the page itself.
    pub(crate) fn data_url(&self) -> String {
        let png = base64::engine::general_purpose::STANDARD.encode(&self.png);
        format!("data:image/png;base64,{png}")
    }
}

impl Slice {
    /// Height and width, mm.
    pub(crate) fn extent_mm(&self) -> [f64; 2] {
        [0, 1].map(|axis| self.size[axis] as f64 * self.pixel_mm[axis])
    }

    /// The part within rows and columns `from..to`.
    pub(crate) fn cropped(&self, rows: [usize; 2], columns: [usize; 2]) -> Self {
        let pick = |row: usize| row * self.size[1] + columns[0]..row * self.size[1] + columns[1];
        Self {
            size: [rows[1] - rows[0], columns[1] - columns[0]],
            hu: (rows[0]..rows[1]).flat_map(|row| &self.hu[pick(row)]).copied().collect(),
            mask: (rows[0]..rows[1]).flat_map(|row| &self.mask[pick(row)]).copied().collect(),
            ..*self
        }
    }

    /// The picture at half its resolution, for slices without a bleed: the mean of each block of
    /// 2 × 2 pixels. The mask, which is empty there, goes.
    pub(crate) fn halved(&self) -> Self {
        let [rows, columns] = self.size.map(|n| n / 2);
        let mean = |row: usize, column: usize| {
            let block = [0, 1].map(|dy| (2 * row + dy) * self.size[1] + 2 * column);
            block.iter().map(|&at| self.hu[at] + self.hu[at + 1]).sum::<f32>() / 4.0
        };
        Self {
            size: [rows, columns],
            pixel_mm: self.pixel_mm.map(|mm| 2.0 * mm),
            hu: (0..rows * columns).map(|i| mean(i / columns, i % columns)).collect(),
            mask: vec![0; rows * columns],
            ..*self
        }
    }

    /// The slice in the brain window as a grey PNG.
    fn png(&self) -> Vec<u8> {
        let grey: Vec<u8> = self.hu.iter().map(|&hu| grey(hu)).collect();
        let mut bytes = Vec::new();
        let encoder = png::PngEncoder::new_with_quality(
            &mut bytes,
            png::CompressionType::Default,
            png::FilterType::Adaptive,
        );
        let [rows, columns] = self.size.map(|n| n as u32);
        encoder
            .write_image(&grey, columns, rows, ExtendedColorType::L8)
            .expect("there is one byte a pixel, and memory does not fail to be written");
        bytes
    }

    /// The border of the mask as the data of an SVG path, in pixels from the top left corner.
    ///
    /// Each straight stretch between two pixels, of which one is in the mask, is one line.
    pub(crate) fn outline(&self) -> String {
        let [rows, columns] = self.size;
        let is_in = |row: usize, column: usize| {
            row < rows && column < columns && self.mask[row * columns + column] != 0
        };
        let mut path = String::new();
        // `usize::MAX` stands for the row or column before the first: it is outside, as any other.
        for row in 0..=rows {
            let is_border = |x: usize| is_in(row.wrapping_sub(1), x) != is_in(row, x);
            for [from, to] in stretches(columns, is_border) {
                write!(path, "M{from} {row}h{}", to - from).expect("a string takes all");
            }
        }
        for column in 0..=columns {
            let is_border = |y: usize| is_in(y, column.wrapping_sub(1)) != is_in(y, column);
            for [from, to] in stretches(rows, is_border) {
                write!(path, "M{column} {from}v{}", to - from).expect("a string takes all");
            }
        }
        path
    }
}

fn grey(hu: f32) -> u8 {
    let part = (hu - BLACK_HU) / (WHITE_HU - BLACK_HU);
    (part.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// The longest runs `[from, to)` of `0..len` where `holds`.
fn stretches(len: usize, holds: impl Fn(usize) -> bool) -> Vec<[usize; 2]> {
    let mut found: Vec<[usize; 2]> = Vec::new();
    for i in (0..len).filter(|&i| holds(i)) {
        match found.last_mut() {
            Some(last) if last[1] == i => last[1] = i + 1,
            _ => found.push([i, i + 1]),
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::html) fn slice(size: [usize; 2], mask: &[u8]) -> Slice {
        Slice {
            number: 1,
            position_mm: 0.0,
            area_mm2: 0.0,
            size,
            pixel_mm: [0.5, 0.5],
            hu: vec![40.0; size[0] * size[1]],
            mask: mask.to_vec(),
        }
    }

    #[test]
    fn the_outline_of_one_pixel_is_its_four_sides() {
        let one = slice([3, 3], &[0, 0, 0, 0, 1, 0, 0, 0, 0]);

        assert_eq!(one.outline(), "M1 1h1M1 2h1M1 1v1M2 1v1");
    }

    #[test]
    fn a_mask_that_touches_the_border_is_closed_there() {
        let full = slice([2, 2], &[1, 1, 1, 1]);

        assert_eq!(full.outline(), "M0 0h2M0 2h2M0 0v2M2 0v2");
    }

    #[test]
    fn a_hole_has_an_outline_too() {
        let ring = slice([3, 3], &[1, 1, 1, 1, 0, 1, 1, 1, 1]);

        assert!(ring.outline().contains("M1 1h1M1 2h1"));
    }

    #[test]
    fn an_empty_mask_has_no_outline() {
        assert_eq!(slice([2, 2], &[0; 4]).outline(), "");
    }

    #[test]
    fn the_window_runs_from_water_to_clotted_blood() {
        assert_eq!([-1000.0, 0.0, 40.0, 80.0, 2000.0].map(grey), [0, 0, 128, 255, 255]);
    }

    #[test]
    fn the_png_holds_the_window_of_every_pixel() {
        let mut two = slice([1, 2], &[0, 0]);
        two.hu = vec![0.0, 80.0];

        let decoded = image::load_from_memory(&two.png()).unwrap().into_luma8();

        assert_eq!((decoded.width(), decoded.height()), (2, 1));
        assert_eq!(decoded.into_raw(), [0, 255]);
    }

    #[test]
    fn a_crop_keeps_scan_and_mask_together() {
        let mut four = slice([2, 2], &[0, 0, 0, 1]);
        four.hu = vec![1.0, 2.0, 3.0, 4.0];

        let corner = four.cropped([1, 2], [1, 2]);

        assert_eq!((corner.hu, corner.mask, corner.size), (vec![4.0], vec![1], [1, 1]));
    }
}
