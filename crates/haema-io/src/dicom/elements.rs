//! The elements of a data set, found without recursion and without copying.
//!
//! dicom-rs 0.10 recurses into sequences (20 000 levels in 720 kB abort the process), allocates
//! what a length field says before it looks at the file, and reads numbers that arrive with the
//! value representation `UN` as bytes (a slope of "1" becomes 49). A guard in front of it would
//! have to understand the encoding as well as a parser does, and two readings of the same bytes can
//! differ. So this walk is the parser: it keeps where each value lies, and nothing more.

use std::ops::Range;

use super::error::FileError;
use super::tags::{self, Tag, Vr, dictionary_vr};
use crate::limits::{ELEMENTS_MAX, LimitError, NESTING_MAX};

/// A length that says "until the delimiter".
const UNDEFINED: u32 = u32::MAX;

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// Whether each element names its value representation.
    pub is_explicit: bool,
    /// Whether the most significant byte comes first.
    pub is_big_endian: bool,
}

impl Encoding {
    pub(crate) const IMPLICIT_LE: Self = Self { is_explicit: false, is_big_endian: false };
    pub(crate) const EXPLICIT_LE: Self = Self { is_explicit: true, is_big_endian: false };
    pub(crate) const EXPLICIT_BE: Self = Self { is_explicit: true, is_big_endian: true };

    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// One element: what it is and where its value lies. Items of sequences are elements too.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub tag: Tag,
    /// As the file says; where it says nothing or `UN`, as the dictionary says.
    pub vr: Vr,
    /// Where the value lies. Empty for sequences and items: their content is `children`.
    pub value: Range<usize>,
    /// Index of the first element after this one and all that it holds.
    pub next: usize,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    /// In the order of the file, each sequence followed by what it holds.
    pub all: Vec<Element>,
    /// The fragments of encapsulated pixel data; the first is the offset table.
    pub fragments: Vec<Range<usize>>,
    /// Where the walk ended.
    pub end: usize,
}

/// Where a walk stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Before the first element that is not of group 0002.
    EndOfMeta,
    /// After _Pixel Data_, or at the end of the file.
    PixelData,
}

/// Why a walk failed.
#[derive(Debug)]
pub(crate) enum WalkError {
    /// It ran out of the bytes at hand, while the file has more.
    NeedsMore,
    /// The bytes are not a data set that we take.
    Bad(FileError),
}

impl WalkError {
    /// The error of a walk that had the whole file: if that was not enough, it has grown since.
    pub(crate) fn into_file_error(self) -> FileError {
        match self {
            Self::Bad(error) => error,
            Self::NeedsMore => FileError::Changed,
        }
    }
}

impl From<LimitError> for WalkError {
    fn from(error: LimitError) -> Self {
        Self::Bad(error.into())
    }
}

/// Walks a data set.
///
/// * `bytes` — the file, or its head.
/// * `total` — size of the whole file. A value may end beyond `bytes`, not beyond `total`.
/// * `start` — where the data set starts.
pub(crate) fn walk(
    bytes: &[u8],
    total: u64,
    start: usize,
    encoding: Encoding,
    until: Until,
) -> Result<Elements, WalkError> {
    let mut walker = Walker {
        bytes,
        total,
        at: start,
        root: encoding,
        until,
        open: Vec::new(),
        found: Elements::default(),
    };
    while walker.step()? {}
    walker.found.end = walker.at;
    Ok(walker.found)
}

/// A sequence or item that the walk is in.
struct Open {
    element: usize,
    is_item: bool,
    /// `None` where a delimiter ends it.
    end: Option<usize>,
    encoding: Encoding,
}

struct Walker<'a> {
    bytes: &'a [u8],
    total: u64,
    at: usize,
    root: Encoding,
    until: Until,
    open: Vec<Open>,
    found: Elements,
}

impl Walker<'_> {
    /// Reads one element or delimiter; `false` at the end.
    fn step(&mut self) -> Result<bool, WalkError> {
        self.close_finished()?;
        if self.at as u64 == self.total {
            return match self.open.last() {
                None => Ok(false),
                Some(open) => Err(self.unfinished(open.element)),
            };
        }
        let (tag, after_tag) = self.peek_tag()?;
        if self.until == Until::EndOfMeta && tag.0 != 0x0002 {
            return Ok(false);
        }
        self.at = after_tag;
        match tag {
            tags::ITEM => self.open_item()?,
            tags::ITEM_DELIMITATION => self.close_by_delimiter(true)?,
            tags::SEQUENCE_DELIMITATION => self.close_by_delimiter(false)?,
            _ => return self.element(tag),
        }
        Ok(true)
    }

    fn encoding(&self) -> Encoding {
        self.open.last().map_or(self.root, |open| open.encoding)
    }

    /// Closes what ends here by its own length.
    fn close_finished(&mut self) -> Result<(), WalkError> {
        while let Some(open) = self.open.last() {
            match open.end {
                Some(end) if self.at == end => self.close(),
                Some(end) if self.at > end => {
                    let tag = self.found.all[open.element].tag;
                    return Err(WalkError::Bad(FileError::Overruns { what: tag.to_string() }));
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        let next = self.found.all.len();
        if let Some(open) = self.open.pop() {
            self.found.all[open.element].next = next;
        }
    }

    fn close_by_delimiter(&mut self, is_item: bool) -> Result<(), WalkError> {
        self.take::<4>("a delimiter")?;
        match self.open.last() {
            Some(open) if open.is_item == is_item && open.end.is_none() => {
                self.close();
                Ok(())
            }
            _ => Err(WalkError::Bad(FileError::StrayDelimiter { offset: self.at - 8 })),
        }
    }

    fn open_item(&mut self) -> Result<(), WalkError> {
        let encoding = self.encoding();
        let length = encoding.u32(self.take("an item's length")?);
        if self.open.last().is_none_or(|open| open.is_item) {
            return Err(WalkError::Bad(FileError::StrayDelimiter { offset: self.at - 8 }));
        }
        let end = self.container_end(tags::ITEM, length)?;
        let element = self.push(tags::ITEM, Vr::UN, self.at..self.at)?;
        self.open.push(Open { element, is_item: true, end, encoding });
        Ok(())
    }

    fn element(&mut self, tag: Tag) -> Result<bool, WalkError> {
        let encoding = self.encoding();
        let (declared_vr, length) = self.vr_and_length(tag, encoding)?;
        let vr = match declared_vr {
            None | Some(Vr::UN) => dictionary_vr(tag).unwrap_or(Vr::UN),
            Some(vr) => vr,
        };
        if tag == tags::PIXEL_DATA && self.open.is_empty() {
            return self.pixel_data(vr, length);
        }
        if length == UNDEFINED || vr == Vr::SQ {
            // What stands in an `UN` sequence is implicit little endian (PS3.5 §6.2.2, note 4).
            let inner = if declared_vr == Some(Vr::UN) { Encoding::IMPLICIT_LE } else { encoding };
            self.open_sequence(tag, length, inner)?;
            return Ok(true);
        }
        let value = self.value(tag, length)?;
        self.at = value.end;
        self.push(tag, vr, value)?;
        Ok(true)
    }

    fn open_sequence(
        &mut self,
        tag: Tag,
        length: u32,
        encoding: Encoding,
    ) -> Result<(), WalkError> {
        if self.open.iter().filter(|open| !open.is_item).count() >= NESTING_MAX {
            return Err(LimitError::NestedTooDeep { limit: NESTING_MAX }.into());
        }
        let end = self.container_end(tag, length)?;
        let element = self.push(tag, Vr::SQ, self.at..self.at)?;
        self.open.push(Open { element, is_item: false, end, encoding });
        Ok(())
    }

    fn container_end(&self, tag: Tag, length: u32) -> Result<Option<usize>, WalkError> {
        if length == UNDEFINED {
            return Ok(None);
        }
        self.value(tag, length).map(|range| Some(range.end))
    }

    /// _Pixel Data_: one native value, or fragments up to a delimiter. Nothing after it is read.
    fn pixel_data(&mut self, vr: Vr, length: u32) -> Result<bool, WalkError> {
        if length != UNDEFINED {
            let value = self.value(tags::PIXEL_DATA, length)?;
            self.at = value.end;
            self.push(tags::PIXEL_DATA, vr, value)?;
            return Ok(false);
        }
        self.push(tags::PIXEL_DATA, vr, self.at..self.at)?;
        loop {
            let (tag, after_tag) = self.peek_tag()?;
            self.at = after_tag;
            let length = self.root.u32(self.take("a fragment's length")?);
            match tag {
                tags::ITEM if length != UNDEFINED => {
                    let value = self.value(tags::PIXEL_DATA, length)?;
                    self.at = value.end;
                    self.found.fragments.push(value);
                    self.check_count()?;
                }
                tags::SEQUENCE_DELIMITATION => return Ok(false),
                _ => return Err(WalkError::Bad(FileError::StrayDelimiter { offset: self.at - 8 })),
            }
        }
    }

    fn vr_and_length(
        &mut self,
        tag: Tag,
        encoding: Encoding,
    ) -> Result<(Option<Vr>, u32), WalkError> {
        if !encoding.is_explicit {
            return Ok((None, encoding.u32(self.take("a length")?)));
        }
        let [a, b, c, d] = self.take("a value representation")?;
        let vr = Vr([a, b]);
        if !vr.is_plausible() {
            let offset = self.at - 4;
            return Err(WalkError::Bad(FileError::BadVr { what: tag.to_string(), offset }));
        }
        if vr.has_long_length() {
            return Ok((Some(vr), encoding.u32(self.take("a length")?)));
        }
        Ok((Some(vr), u32::from(encoding.u16([c, d]))))
    }

    /// The range of a value that starts here, checked against the file's size.
    fn value(&self, tag: Tag, length: u32) -> Result<Range<usize>, WalkError> {
        let remaining_bytes = self.total - self.at as u64;
        if u64::from(length) > remaining_bytes {
            let (what, declared_bytes) = (tag.to_string(), u64::from(length));
            return Err(LimitError::BeyondEnd { what, declared_bytes, remaining_bytes }.into());
        }
        Ok(self.at..self.at + length as usize)
    }

    fn push(&mut self, tag: Tag, vr: Vr, value: Range<usize>) -> Result<usize, WalkError> {
        let index = self.found.all.len();
        self.found.all.push(Element { tag, vr, value, next: index + 1 });
        self.check_count()?;
        Ok(index)
    }

    fn check_count(&self) -> Result<(), LimitError> {
        if self.found.all.len() + self.found.fragments.len() > ELEMENTS_MAX {
            return Err(LimitError::TooManyElements { limit: ELEMENTS_MAX });
        }
        Ok(())
    }

    fn peek_tag(&self) -> Result<(Tag, usize), WalkError> {
        let encoding = self.encoding();
        let [a, b, c, d] = self.bytes_at(self.at, "an element")?;
        Ok((Tag(encoding.u16([a, b]), encoding.u16([c, d])), self.at + 4))
    }

    fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N], WalkError> {
        let taken = self.bytes_at(self.at, what)?;
        self.at += N;
        Ok(taken)
    }

    fn bytes_at<const N: usize>(&self, at: usize, what: &str) -> Result<[u8; N], WalkError> {
        let chunk = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
        chunk.copied().ok_or_else(|| {
            if (at + N) as u64 <= self.total {
                return WalkError::NeedsMore;
            }
            let remaining_bytes = self.total.saturating_sub(at as u64);
            let (what, declared_bytes) = (what.to_owned(), N as u64);
            LimitError::BeyondEnd { what, declared_bytes, remaining_bytes }.into()
        })
    }

    fn unfinished(&self, element: usize) -> WalkError {
        let what = self.found.all[element].tag.to_string();
        WalkError::Bad(FileError::Unfinished { what })
    }
}
