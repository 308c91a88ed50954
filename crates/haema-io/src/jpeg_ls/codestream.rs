//! From marker to marker: what the segments say, and the scans they frame.

use super::{
    Image, JpegLsError, Limits, ScanFault,
    parameters::{Parameters, Preset},
    scan::{Interval, Rows},
    segments::{
        APP8, DNL, Frame, Interleave, LSE, Lse, SOF55, ScanHeader, height_after_scan,
        parse_line_count, parse_restart_interval,
    },
};
use crate::jpeg::segments::{Cursor, DRI, EOI, SOS, SegmentError, bad};

/// See [`super::decode`].
pub(super) fn decode(codestream: &[u8], limits: Limits) -> Result<Image, JpegLsError> {
    let mut decoder = Decoder {
        cursor: Cursor::behind_start(codestream)?,
        limits,
        frame: None,
        preset: Preset::default(),
        restart_interval: 0,
        image: None,
        decoded: Vec::new(),
    };
    while decoder.step()? {}
    decoder.finish()
}

struct Decoder<'a> {
    cursor: Cursor<'a>,
    limits: Limits,
    frame: Option<Frame>,
    preset: Preset,
    /// Rows between restart markers; 0 is none.
    restart_interval: usize,
    /// Made by the first scan.
    image: Option<Image>,
    /// Indices of the components that had their scan.
    decoded: Vec<usize>,
}

impl Decoder<'_> {
    /// Reads one marker and what belongs to it; false at the end of the image.
    fn step(&mut self) -> Result<bool, JpegLsError> {
        let at = self.cursor.position;
        let Some(marker) = self.cursor.marker()? else {
            return if self.is_complete() {
                Ok(false)
            } else {
                Err(SegmentError::Truncated { at, wanted: "a marker" }.into())
            };
        };
        let misplaced =
            |wanted| SegmentError::UnexpectedMarker { found: marker, at, wanted }.into();
        match marker {
            EOI => return Ok(false),
            SOF55 if self.frame.is_some() => return Err(misplaced("one frame header only")),
            SOF55 => self.frame = Some(Frame::parse(self.cursor.segment("the frame header")?)?),
            LSE => self.read_parameters()?,
            DRI => {
                let segment = self.cursor.segment("the restart interval")?;
                self.restart_interval = parse_restart_interval(segment)?;
            }
            SOS => self.read_scan()?,
            DNL => self.check_line_count()?,
            APP8 => {
                // HP's extension: "mrfx" and a byte, 0 for no transform.
                let segment = self.cursor.segment("an application segment")?;
                if segment.rest().strip_prefix(b"mrfx").is_some_and(|rest| rest != [0]) {
                    let feature = "HP's colour transform";
                    return Err(SegmentError::Unsupported { feature }.into());
                }
            }
            // APPn and comments.
            0xE0..=0xEF | 0xFE => {
                self.cursor.segment("an application segment")?;
            }
            // Frame headers of T.81: all but DHT (C4), JPG (C8) and DAC (CC).
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                return Err(JpegLsError::OtherProcess { found: marker });
            }
            _ => return Err(misplaced("a marker of JPEG-LS")),
        }
        Ok(true)
    }

    fn is_complete(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| self.decoded.len() == frame.component_ids.len())
    }

    fn finish(self) -> Result<Image, JpegLsError> {
        let wanted = self.frame.as_ref().map_or(1, |frame| frame.component_ids.len());
        let found = self.decoded.len();
        self.image.filter(|_| found == wanted).ok_or(JpegLsError::MissingScan { found, wanted })
    }

    fn read_parameters(&mut self) -> Result<(), JpegLsError> {
        match Lse::parse(self.cursor.segment("JPEG-LS parameters")?)? {
            Lse::Preset(preset) => self.preset = preset,
            Lse::Oversize { width, height } => {
                let frame = self.frame.as_mut().filter(|frame| frame.width == 0);
                let Some(frame) = frame else {
                    return Err(
                        bad("oversize width", width, "only after a frame of width 0").into()
                    );
                };
                (frame.width, frame.height) = (width, height);
            }
        }
        Ok(())
    }

    /// A DNL segment after the first scan: its height was looked up when the scan began.
    fn check_line_count(&mut self) -> Result<(), JpegLsError> {
        let height = parse_line_count(self.cursor.segment("the number of lines")?)?;
        match &self.image {
            Some(image) if image.height == height as usize => Ok(()),
            _ => Err(bad("number of lines", height, "the height that was decoded").into()),
        }
    }

    fn read_scan(&mut self) -> Result<(), JpegLsError> {
        let segment = self.cursor.segment("the scan header")?;
        let Some(frame) = &mut self.frame else {
            return Err(bad("frame headers before the first scan", 0_u8, "1").into());
        };
        let header = ScanHeader::parse(segment, frame)?;
        if header.components.iter().any(|component| self.decoded.contains(component)) {
            return Err(bad("scans of a component", 2_u8, "1").into());
        }
        if frame.height == 0 {
            frame.height = height_after_scan(&self.cursor).map_or(0, u32::from);
        }
        let parameters = Parameters::new(&self.preset, frame.bits, header.near)?;
        let image = match &mut self.image {
            Some(image) => image,
            none => none.insert(empty_image(frame, self.limits)?),
        };
        image.near = image.near.max(u16::from(header.near));

        let scan =
            Scan { header: &header, parameters: &parameters, interval: self.restart_interval };
        scan.decode(&mut self.cursor, image)?;
        self.decoded.extend(&header.components);
        Ok(())
    }
}

/// An image of the frame's size, without samples yet.
fn empty_image(frame: &Frame, limits: Limits) -> Result<Image, JpegLsError> {
    let (width, height) = (u64::from(frame.width), u64::from(frame.height));
    let components = frame.component_ids.len() as u64;
    for (field, found) in [("width", width), ("height", height)] {
        if found == 0 {
            return Err(bad(field, found, "at least 1").into());
        }
    }
    let sample_count = width.saturating_mul(height).saturating_mul(components);
    if sample_count > limits.max_pixels || usize::try_from(sample_count).is_err() {
        let max_pixels = limits.max_pixels;
        return Err(JpegLsError::TooLarge { width, height, components, max_pixels });
    }
    Ok(Image {
        width: width as usize,
        height: height as usize,
        components: components as usize,
        bits_per_sample: frame.bits,
        near: 0,
        samples: Vec::new(),
    })
}

/// One scan: its rows, in one or more restart intervals.
struct Scan<'a> {
    header: &'a ScanHeader,
    parameters: &'a Parameters,
    interval: usize,
}

impl Scan<'_> {
    /// Decodes the scan that starts at the cursor, and leaves the cursor at the next marker.
    fn decode(&self, cursor: &mut Cursor<'_>, image: &mut Image) -> Result<(), JpegLsError> {
        let height = image.height;
        // A row takes a bit at least, so a header that promises the moon is found out here.
        let bits_left = (cursor.bytes.len() - cursor.position).saturating_mul(8);
        if bits_left < height {
            return Err(self.fault(ScanFault::EndsEarly, bits_left, height, 0));
        }
        let interval = if self.interval == 0 { height } else { self.interval };
        for (index, first) in (0..height).step_by(interval).enumerate() {
            if index > 0 {
                cursor.restart_marker(index - 1)?;
            }
            let mut decoder = Interval::new(cursor.bytes, cursor.position, self.parameters);
            let rows = first..first.saturating_add(interval).min(height);
            let last = rows.end - 1;
            self.decode_rows(&mut decoder, rows, image)?;
            cursor.position =
                decoder.finish().map_err(|fault| self.fault(fault.into(), last, height, 0))?;
        }
        Ok(())
    }

    fn decode_rows(
        &self,
        decoder: &mut Interval<'_>,
        range: std::ops::Range<usize>,
        image: &mut Image,
    ) -> Result<(), JpegLsError> {
        let mut rows: Vec<Rows> =
            self.header.components.iter().map(|_| Rows::new(image.width)).collect();
        for y in range {
            if self.header.interleave == Interleave::Sample {
                decoder
                    .interleaved_row(&mut rows)
                    .map_err(|fault| self.fault(fault, y, image.height, 0))?;
            } else {
                for (index, component) in rows.iter_mut().enumerate() {
                    decoder
                        .row(component)
                        .map_err(|fault| self.fault(fault, y, image.height, index))?;
                }
            }
            for (component, &index) in rows.iter().zip(&self.header.components) {
                image.put_row(y, index, component.decoded());
            }
        }
        Ok(())
    }

    fn fault(&self, fault: ScanFault, row: usize, rows: usize, index: usize) -> JpegLsError {
        JpegLsError::DamagedScan { row, rows, component: self.header.components[index], fault }
    }
}

impl Image {
    /// Stores a row of one component; the first component to reach a row makes room for it.
    fn put_row(&mut self, y: usize, component: usize, row: &[u16]) {
        let row_length = self.width * self.components;
        let start = y * row_length;
        if self.components == 1 {
            self.samples.extend_from_slice(row);
            return;
        }
        if self.samples.len() < start + row_length {
            self.samples.resize(start + row_length, 0);
        }
        let places = self.samples[start + component..].iter_mut().step_by(self.components);
        for (place, &sample) in places.zip(row) {
            *place = sample;
        }
    }
}
