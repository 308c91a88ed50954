//! From the bytes of a file to its data set.

use super::elements::{Elements, Encoding, Until, WalkError, walk};
use super::error::FileError;
use super::syntax::Syntax;
use super::tags;
use super::values::DataSet;
use crate::limits::inflate_raw;

/// A data set, its bytes, and how they are written.
pub(crate) struct Object {
    bytes: Vec<u8>,
    elements: Elements,
    pub syntax: Syntax,
    /// _Media Storage SOP Class UID_, where there is meta information.
    pub media_class: Option<String>,
}

/// What the start of a file says.
struct Meta {
    /// Where the data set starts.
    data_start: usize,
    syntax_uid: Option<String>,
    media_class: Option<String>,
}

impl Object {
    /// Parses a file, or its head.
    ///
    /// * `bytes` — the file, or as much of its start as was read.
    /// * `total` — size of the whole file.
    pub(crate) fn parse(bytes: Vec<u8>, total: u64) -> Result<Self, WalkError> {
        let Some(meta) = find_meta(&bytes, total)? else {
            return Self::parse_bare(bytes, total);
        };
        let data = bytes.get(meta.data_start..).unwrap_or_default();
        let syntax = match meta.syntax_uid.as_deref() {
            Some(uid) => Syntax::from_uid(uid)
                .ok_or_else(|| WalkError::Bad(FileError::UnknownSyntax { uid: printable(uid) }))?,
            None => Syntax::native(guess_encoding(data)),
        };
        if syntax.is_deflated {
            if (bytes.len() as u64) < total {
                return Err(WalkError::NeedsMore);
            }
            let inflated = inflate_raw(data).map_err(|error| WalkError::Bad(error.into()))?;
            let total = inflated.len() as u64;
            return Self::walked(inflated, total, 0, syntax, meta.media_class);
        }
        let syntax = with_real_encoding(syntax, data);
        Self::walked(bytes, total, meta.data_start, syntax, meta.media_class)
    }

    fn walked(
        bytes: Vec<u8>,
        total: u64,
        start: usize,
        syntax: Syntax,
        media_class: Option<String>,
    ) -> Result<Self, WalkError> {
        let elements = walk(&bytes, total, start, syntax.encoding, Until::PixelData)?;
        Ok(Self { bytes, elements, syntax, media_class })
    }

    /// A data set without preamble and meta information, as old archives export: implicit or
    /// explicit little endian. Other files start with anything, so this takes only what starts as
    /// an image does.
    fn parse_bare(bytes: Vec<u8>, total: u64) -> Result<Self, WalkError> {
        const NOT_DICOM: WalkError = WalkError::Bad(FileError::NotDicom);
        // Group 0008 opens every image; text and pictures start otherwise.
        if !matches!(bytes[..], [0x08, 0x00, _, 0x00, ..]) {
            return Err(NOT_DICOM);
        }
        let syntax = Syntax::native(guess_encoding(&bytes));
        let object = Self::walked(bytes, total, 0, syntax, None)?;
        if object.data_set().has(tags::SOP_CLASS_UID) || object.data_set().has(tags::ROWS) {
            return Ok(object);
        }
        Err(NOT_DICOM)
    }

    pub(crate) fn data_set(&self) -> DataSet<'_> {
        DataSet::new(&self.bytes, &self.elements, self.syntax.encoding)
    }

    /// Whether there is a _Pixel Data_ element, and how many bytes of pixels it holds. A head that
    /// was read alone knows this too.
    pub(crate) fn pixel_bytes(&self) -> Option<u64> {
        let pixel_data = self.elements.all.iter().rev().find(|e| e.tag == tags::PIXEL_DATA)?;
        let in_fragments: usize =
            self.elements.fragments.iter().skip(1).map(ExactSizeIterator::len).sum();
        Some((pixel_data.value.len() + in_fragments) as u64)
    }

    /// The fragments of encapsulated pixel data, without the offset table.
    pub(crate) fn fragments(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let ranges = self.elements.fragments.get(1..).unwrap_or_default();
        ranges.iter().map(|range| self.bytes.get(range.clone()).unwrap_or_default())
    }

    /// Where each frame starts among the fragments, in bytes from the first fragment's item; empty
    /// where the file does not say.
    pub(crate) fn frame_offsets(&self) -> Vec<u64> {
        let extended = self.data_set().value(tags::EXTENDED_OFFSET_TABLE);
        if let Some((_, table)) = extended {
            return table.as_chunks::<8>().0.iter().map(|&raw| u64::from_le_bytes(raw)).collect();
        }
        let table = self.elements.fragments.first().and_then(|range| self.bytes.get(range.clone()));
        let (offsets, _) = table.unwrap_or_default().as_chunks::<4>();
        offsets.iter().map(|&raw| u64::from(u32::from_le_bytes(raw))).collect()
    }
}

/// Reads the meta information; `None` where the file has none.
fn find_meta(bytes: &[u8], total: u64) -> Result<Option<Meta>, WalkError> {
    let start = if bytes.get(128..132) == Some(b"DICM") {
        132
    } else if bytes.starts_with(b"DICM") {
        4
    } else if bytes.starts_with(&[0x02, 0x00, 0x00, 0x00]) {
        0
    } else {
        return Ok(None);
    };
    let elements = walk(bytes, total, start, Encoding::EXPLICIT_LE, Until::EndOfMeta)?;
    let meta = DataSet::new(bytes, &elements, Encoding::EXPLICIT_LE);
    Ok(Some(Meta {
        data_start: elements.end,
        syntax_uid: meta.text(tags::TRANSFER_SYNTAX_UID),
        media_class: meta.text(tags::MEDIA_STORAGE_SOP_CLASS_UID),
    }))
}

/// Whether the first element names its value representation. A length whose low bytes are two
/// capital letters would be at least 16 kB, which no first element has.
fn guess_encoding(data: &[u8]) -> Encoding {
    match data.get(4..6) {
        Some([a, b]) if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Encoding::EXPLICIT_LE,
        _ => Encoding::IMPLICIT_LE,
    }
}

/// Some writers name explicit little endian and write implicit, or the other way round.
fn with_real_encoding(syntax: Syntax, data: &[u8]) -> Syntax {
    if syntax.encoding.is_big_endian || data.len() < 6 {
        return syntax;
    }
    Syntax { encoding: guess_encoding(data), ..syntax }
}

/// An identifier for a message: digits and dots only, so that nothing else leaks through it.
fn printable(uid: &str) -> String {
    uid.chars().filter(|c| c.is_ascii_digit() || *c == '.').take(64).collect()
}
