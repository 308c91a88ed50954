//! Values of a data set, read by what the standard says they are.

use std::ops::Range;

use super::elements::{Element, Elements, Encoding};
use super::tags::{Tag, Vr};

/// A data set, or one item of a sequence in it.
#[derive(Debug, Clone)]
pub(crate) struct DataSet<'a> {
    bytes: &'a [u8],
    elements: &'a [Element],
    range: Range<usize>,
    is_big_endian: bool,
}

impl<'a> DataSet<'a> {
    pub(crate) fn new(bytes: &'a [u8], elements: &'a Elements, encoding: Encoding) -> Self {
        let range = 0..elements.all.len();
        Self { bytes, elements: &elements.all, range, is_big_endian: encoding.is_big_endian }
    }

    fn find(&self, tag: Tag) -> Option<(usize, &'a Element)> {
        let mut at = self.range.start;
        while at < self.range.end {
            let element = &self.elements[at];
            if element.tag == tag {
                return Some((at, element));
            }
            at = element.next;
        }
        None
    }

    /// Whether the attribute is there, empty or not.
    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.find(tag).is_some()
    }

    /// Value representation and bytes of an attribute that is not empty.
    pub(crate) fn value(&self, tag: Tag) -> Option<(Vr, &'a [u8])> {
        let (_, element) = self.find(tag)?;
        let value = self.bytes.get(element.value.clone())?;
        (!value.is_empty()).then_some((element.vr, value))
    }

    /// The items of a sequence; none where it is absent.
    pub(crate) fn items(&self, tag: Tag) -> impl Iterator<Item = DataSet<'a>> + use<'a> {
        let parent = self.clone();
        let (mut at, end) = match self.find(tag) {
            Some((index, element)) => (index + 1, element.next),
            None => (0, 0),
        };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let next = parent.elements[at].next;
            let item = DataSet { range: at + 1..next, ..parent.clone() };
            at = next;
            Some(item)
        })
    }

    /// The first item of a sequence.
    pub(crate) fn first_item(&self, tag: Tag) -> Option<DataSet<'a>> {
        self.items(tag).next()
    }

    /// Text without the padding at its ends; `None` where nothing else is there.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        let (_, bytes) = self.value(tag)?;
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The parts of a multi-valued text.
    pub(crate) fn texts(&self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        text.split('\\')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// All numbers of an attribute, as text or as binary; `None` where it is absent or one of them
    /// is not a finite number.
    pub(crate) fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let (vr, bytes) = self.value(tag)?;
        let numbers: Option<Vec<f64>> = match &vr.0 {
            b"US" => Some(self.binary(bytes, |raw| f64::from(u16::from_le_bytes(raw)))),
            b"SS" => Some(self.binary(bytes, |raw| f64::from(i16::from_le_bytes(raw)))),
            b"UL" => Some(self.binary(bytes, |raw| f64::from(u32::from_le_bytes(raw)))),
            b"SL" => Some(self.binary(bytes, |raw| f64::from(i32::from_le_bytes(raw)))),
            b"FL" => Some(self.binary(bytes, |raw| f64::from(f32::from_le_bytes(raw)))),
            b"FD" => Some(self.binary(bytes, f64::from_le_bytes)),
            _ => self.text(tag)?.split('\\').map(|part| part.trim().parse().ok()).collect(),
        };
        numbers.filter(|numbers| !numbers.is_empty() && numbers.iter().all(|n| n.is_finite()))
    }

    fn binary<const N: usize>(&self, bytes: &[u8], read_le: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let (chunks, _) = bytes.as_chunks::<N>();
        let swap = |mut raw: [u8; N]| {
            if self.is_big_endian {
                raw.reverse();
            }
            raw
        };
        chunks.iter().map(|&raw| read_le(swap(raw))).collect()
    }

    /// The first number.
    pub(crate) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag)?.first().copied()
    }

    /// Exactly `N` numbers.
    pub(crate) fn vector<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.numbers(tag)?.try_into().ok()
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self, tag: Tag) -> Option<usize> {
        let number = self.number(tag)?;
        (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0)
            .then_some(number as usize)
    }

    /// The 16 bits of a value that is `US` or `SS` depending on another attribute.
    pub(crate) fn raw_u16(&self, tag: Tag) -> Option<u16> {
        let (vr, bytes) = self.value(tag)?;
        if matches!(&vr.0, b"IS" | b"DS" | b"LO") {
            return self.number(tag).map(|number| number as i32 as u16);
        }
        let &raw = bytes.first_chunk::<2>()?;
        Some(if self.is_big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }
}
