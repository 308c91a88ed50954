//! Attributes in the order of their tags, and their bytes.

use std::collections::BTreeMap;

use crate::dicom::tags::{self, Tag, Vr, dictionary_vr};

const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// The attributes of an object, or of an item of a sequence in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<Tag, Value>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    vr: Vr,
    bytes: Vec<u8>,
}

impl Attributes {
    /// Sets a text, with the value representation that the standard gives the attribute (`UN` for
    /// one that haema does not read).
    pub fn text(&mut self, tag: Tag, text: &str) -> &mut Self {
        let vr = dictionary_vr(tag).unwrap_or(Vr::UN);
        self.text_as(tag, vr.0, text)
    }

    /// Sets a text with another value representation than the standard's.
    pub fn text_as(&mut self, tag: Tag, vr: [u8; 2], text: &str) -> &mut Self {
        let mut bytes = text.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == *b"UI" { 0 } else { b' ' });
        }
        self.bytes(tag, vr, bytes)
    }

    /// Sets one unsigned number of 16 bits.
    pub fn u16(&mut self, tag: Tag, number: u16) -> &mut Self {
        self.bytes(tag, *b"US", number.to_le_bytes().to_vec())
    }

    /// Sets the bytes of a value. One is added where their number is odd.
    pub fn bytes(&mut self, tag: Tag, vr: [u8; 2], mut bytes: Vec<u8>) -> &mut Self {
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        self.0.insert(tag, Value { vr: Vr(vr), bytes });
        self
    }

    /// Sets a sequence.
    pub fn items(&mut self, tag: Tag, items: &[Self]) -> &mut Self {
        let mut bytes = Vec::new();
        for item in items {
            let content = item.to_data_set();
            write_tag(&mut bytes, tags::ITEM);
            bytes.extend(length(&content));
            bytes.extend(content);
        }
        self.bytes(tag, *b"SQ", bytes)
    }

    /// Removes an attribute.
    pub fn remove(&mut self, tag: Tag) -> &mut Self {
        self.0.remove(&tag);
        self
    }

    /// The bytes of the data set alone, explicit little endian.
    pub fn to_data_set(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (&tag, value) in &self.0 {
            write_tag(&mut bytes, tag);
            bytes.extend(value.vr.0);
            if value.vr.has_long_length() {
                bytes.extend([0, 0]);
                bytes.extend(length(&value.bytes));
            } else {
                bytes.extend((value.bytes.len() as u16).to_le_bytes());
            }
            bytes.extend(&value.bytes);
        }
        bytes
    }

    /// The bytes of a file: preamble, meta information, data set.
    pub fn to_file(&self) -> Vec<u8> {
        self.to_file_with(EXPLICIT_LITTLE_ENDIAN, &self.to_data_set())
    }

    /// The bytes of a file whose data set was written in another transfer syntax.
    pub fn to_file_with(&self, transfer_syntax_uid: &str, data_set: &[u8]) -> Vec<u8> {
        let mut meta = Self::default();
        meta.bytes(tags::FILE_META_VERSION, *b"OB", vec![0, 1])
            .text(tags::TRANSFER_SYNTAX_UID, transfer_syntax_uid)
            .text(tags::IMPLEMENTATION_CLASS_UID, &super::uid_from("haema implementation"));
        let copies = [
            (tags::SOP_CLASS_UID, tags::MEDIA_STORAGE_SOP_CLASS_UID),
            (tags::SOP_INSTANCE_UID, tags::MEDIA_STORAGE_SOP_INSTANCE_UID),
        ];
        for (from, to) in copies {
            if let Some(value) = self.0.get(&from) {
                meta.0.insert(to, value.clone());
            }
        }
        let rest = meta.to_data_set();
        let mut group_length = Self::default();
        group_length.bytes(tags::FILE_META_GROUP_LENGTH, *b"UL", length(&rest).to_vec());
        [&[0; 128], b"DICM".as_slice(), &group_length.to_data_set(), &rest, data_set].concat()
    }
}

fn write_tag(bytes: &mut Vec<u8>, Tag(group, element): Tag) {
    bytes.extend(group.to_le_bytes());
    bytes.extend(element.to_le_bytes());
}

fn length(bytes: &[u8]) -> [u8; 4] {
    // A value of 4 GiB is beyond any image that is written here.
    (bytes.len() as u32).to_le_bytes()
}
