//! A DICOM file taken apart at its pixel data, changed, and put together again.

use std::{fs, ops::RangeBounds, path::PathBuf};

/// A file of `testdata/transfer_syntaxes`, in three parts.
#[derive(Debug, Clone)]
pub(crate) struct DicomFile {
    /// Preamble, meta information and every element before _Pixel Data_.
    pub(crate) header: Vec<u8>,
    pub(crate) pixels: Pixels,
}

/// The _Pixel Data_ element.
#[derive(Debug, Clone)]
pub(crate) enum Pixels {
    /// One value, as it is.
    Native(Vec<u8>),
    /// The offset table, then the fragments.
    Encapsulated(Vec<Vec<u8>>),
}

/// Multi-frame CTs of `testdata/transfer_syntaxes` with compressed pixels, a fragment for each frame.
pub(crate) const COMPRESSED: [&str; 5] = [
    "enhanced_rle.dcm",
    "enhanced_jpeg_lossless.dcm",
    "enhanced_jpeg_ls.dcm",
    "enhanced_jpeg_2000.dcm",
    "enhanced_htj2k.dcm",
];

const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
const SEQUENCE_END: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
const UNDEFINED_LENGTH: [u8; 4] = [0xFF; 4];

impl DicomFile {
    /// Takes a file in explicit little endian apart.
    pub(crate) fn fixture(name: &str) -> Self {
        let bytes = read_fixture(name);
        let at = find(&bytes, &[0xE0, 0x7F, 0x10, 0x00, b'O']).expect("it has pixel data");
        let (header, element) = bytes.split_at(at);
        let (length, value) = (&element[8..12], &element[12..]);
        let pixels = if length == UNDEFINED_LENGTH {
            Pixels::Encapsulated(items(value))
        } else {
            Pixels::Native(value.to_vec())
        };
        Self { header: header.to_vec(), pixels }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        bytes.extend([0xE0, 0x7F, 0x10, 0x00]);
        match &self.pixels {
            Pixels::Native(value) => {
                bytes.extend(*b"OW\0\0");
                bytes.extend((value.len() as u32).to_le_bytes());
                bytes.extend(value);
            }
            Pixels::Encapsulated(items) => {
                bytes.extend(*b"OB\0\0");
                bytes.extend(UNDEFINED_LENGTH);
                for item in items {
                    bytes.extend(ITEM);
                    bytes.extend((item.len() as u32).to_le_bytes());
                    bytes.extend(item);
                }
                bytes.extend(SEQUENCE_END);
            }
        }
        bytes
    }

    /// The file with the codestreams of some frames changed; it has a fragment for each.
    pub(crate) fn with_codestreams(
        mut self,
        frames: impl RangeBounds<usize>,
        change: impl Fn(&mut Vec<u8>),
    ) -> Self {
        let Pixels::Encapsulated(items) = &mut self.pixels else { panic!("the pixels are native") };
        let (table, codestreams) = items.split_first_mut().expect("it has fragments");
        // Its offsets would no longer be true; a fragment for each frame does without.
        table.clear();
        let chosen = codestreams.iter_mut().enumerate();
        chosen.filter(|(index, _)| frames.contains(index)).for_each(|(_, stream)| change(stream));
        self
    }
}

/// Splits a sequence of items of defined length.
fn items(mut value: &[u8]) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    while let Some(rest) = value.strip_prefix(&ITEM) {
        let (length, rest) = rest.split_first_chunk().expect("an item has a length");
        let (item, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        items.push(item.to_vec());
        value = rest;
    }
    items
}

pub(crate) fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

pub(crate) fn read_fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/transfer_syntaxes");
    let path = folder.join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
