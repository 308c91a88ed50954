//! Codestreams written by DCMTK and GDCM, read by us; and bytes that nobody should write.
//!
//! The expected samples are those that were encoded, as two other decoders give them back:
//! `testdata/jpeg_lossless/make_jpeg_lossless.py` is the recipe, and `MANIFEST.txt` beside it pins
//! tools, versions and checksums.

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const PLENTY: u64 = 1 << 20;

#[derive(Deserialize)]
struct Case {
    name: String,
    expected: String,
    width: usize,
    height: usize,
    bits_per_sample: u8,
}

impl Case {
    fn codestream(&self) -> Vec<u8> {
        read(&format!("{}.ljpg", self.name))
    }

    fn image(&self) -> Image {
        let raw = read(&self.expected);
        Image {
            width: self.width,
            height: self.height,
            bits_per_sample: self.bits_per_sample,
            samples: raw.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect(),
        }
    }
}

#[test]
fn agrees_with_other_programs() {
    let mut failures = Vec::new();
    for case in cases() {
        match decode(&case.codestream(), PLENTY) {
            Ok(image) if image == case.image() => {}
            Ok(_) => failures.push(format!("{}: another image", case.name)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }

    assert_eq!(failures, Vec::<String>::new());
}

/// Cut anywhere before the end marker, and whether or not that marker is put back.
#[test]
fn data_that_end_early_are_refused() {
    for case in cases() {
        let whole = case.codestream();
        let scan = find(&whole, &[0xFF, 0xDA]) + 10;
        for length in scan..whole.len() - 3 {
            let cut = &whole[..length];
            let ended = [cut, &[0xFF, 0xD9]].concat();

            assert!(decode(cut, PLENTY).is_err(), "{} cut to {length} bytes", case.name);
            assert!(decode(&ended, PLENTY).is_err(), "{} ended at {length} bytes", case.name);
        }
    }
}

#[test]
fn data_left_over_are_refused() {
    let whole = named("head_12bit_predictor1").codestream();
    let longer = [&whole[..whole.len() - 2], &[0; 3], &[0xFF, 0xD9]].concat();

    let error = decode(&longer, PLENTY).unwrap_err();

    assert_eq!(error.to_string(), "row 23 of 24: data are left over after the last sample");
}

#[test]
fn missing_end_marker_is_accepted() {
    let case = named("head_12bit_predictor1");
    let whole = case.codestream();

    assert_eq!(decode(&whole[..whole.len() - 2], PLENTY), Ok(case.image()));
}

#[test]
fn what_is_not_decoded_is_refused_by_name() {
    let whole = named("restart_5").codestream();
    let changed = |marker: u8, offset: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        let at = find(&whole, &[0xFF, marker]) + offset;
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        decode(&changed, PLENTY).unwrap_err().to_string()
    };

    assert_eq!(
        changed(0xDA, 9, &[2]),
        "a point transform (the low bits were dropped) is not supported"
    );
    assert_eq!(changed(0xC3, 9, &[3]), "more than one component is not supported");
    assert_eq!(
        changed(0xC3, 1, &[0xC2]),
        "frame marker FF C2 is of another JPEG process, lossless JPEG has FF C3"
    );
    assert_eq!(changed(0xDA, 7, &[0]), "predictor is 0, wanted 1 to 7");
    assert_eq!(changed(0xDA, 6, &[0x30]), "the scan uses Huffman table 3, which is not given");
    assert_eq!(changed(0xDD, 4, &[0, 33]), "restart interval is 33, wanted whole rows");
    assert_eq!(changed(0xC3, 5, &[0; 2]), "height is 0, wanted at least 1");
    assert_eq!(changed(0xC3, 5, &[0xFF; 4]), "65535 x 65535 pixels are more than 1048576");
    assert!(changed(0xC3, 5, &[2, 0, 2, 0]).ends_with("the data end early"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let start = [&[0xFF, 0xD8][..], &bytes].concat();
        decode(&start, PLENTY).ok();
    }

    #[test]
    fn no_changed_codestream_panics(
        case in 0..cases().len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        header_only in any::<bool>(),
    ) {
        let mut codestream = cases()[case].codestream();
        let end = if header_only { codestream.len().min(70) } else { codestream.len() };
        for (index, value) in changes {
            codestream[index.index(end)] = value;
        }
        if let Ok(image) = decode(&codestream, PLENTY) {
            prop_assert_eq!(image.samples.len(), image.width * image.height);
        }
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&read("cases.json")).unwrap()
}

fn named(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes.windows(pattern.len()).position(|window| window == pattern).unwrap()
}

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/jpeg_lossless").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
