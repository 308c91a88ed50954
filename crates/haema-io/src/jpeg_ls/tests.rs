//! Codestreams written by CharLS and DCMTK, read by us; and bytes that nobody should write.
//!
//! The expected samples were decoded by CharLS: `testdata/jpeg_ls/make_jpeg_ls.py` is the recipe,
//! and `MANIFEST.txt` beside it pins tools, versions and checksums.

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    expected: Expected,
    width: usize,
    height: usize,
    components: usize,
    bits_per_sample: u8,
    near: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    File(String),
    Constant(u16),
}

impl Case {
    fn codestream(&self) -> Vec<u8> {
        read(&format!("{}.jls", self.name))
    }

    fn image(&self) -> Image {
        let samples = match &self.expected {
            Expected::File(name) => {
                let bytes = read(name);
                let (samples, rest) = bytes.as_chunks::<2>();
                assert!(rest.is_empty(), "{name} holds whole samples");
                samples.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect()
            }
            Expected::Constant(value) => vec![*value; self.width * self.height * self.components],
        };
        Image {
            width: self.width,
            height: self.height,
            components: self.components,
            bits_per_sample: self.bits_per_sample,
            near: self.near,
            samples,
        }
    }
}

#[test]
fn agrees_with_charls() {
    let mut failures = Vec::new();
    for case in cases() {
        match decode(&case.codestream(), &Limits::default()) {
            Ok(image) if image == case.image() => {}
            Ok(_) => failures.push(format!("{}: other samples", case.name)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }

    assert_eq!(failures, Vec::<String>::new());
}

/// A real head slice, lossless and near-lossless, against the same slice uncompressed.
#[test]
fn nema_slices_agree_with_the_uncompressed_one() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/dicom/nema-head-slice-7-codecs");
    let Ok(raw) = fs::read(folder.join("CT2_UNC")) else {
        eprintln!("skipped: {} is not here", folder.display());
        return;
    };
    // Behind the tag, the VR and the length.
    let pixels = find(&raw, &[0xE0, 0x7F, 0x10, 0x00, b'O', b'W']) + 12;
    let raw = raw[pixels..][..512 * 512 * 2].as_chunks::<2>().0;
    let original: Vec<u16> = raw.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect();

    for (name, near) in [("CT2_JLSL", 0), ("CT2_JLSN", 4)] {
        let codestream = joined_fragments(&fs::read(folder.join(name)).unwrap());

        let image = decode(&codestream, &Limits::default()).unwrap();

        assert_eq!((image.width, image.height, image.near), (512, 512, near), "{name}");
        let largest = image.samples.iter().zip(&original).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(largest, Some(near), "{name}");
    }
}

/// Cut anywhere, a codestream gives an error or, where only the end marker is missing, the image.
#[test]
fn truncated_codestreams_are_refused() {
    for case in cases() {
        let codestream = case.codestream();
        let step = (codestream.len() / 97).max(1);
        for length in (0..codestream.len() - 2).step_by(step) {
            if let Ok(image) = decode(&codestream[..length], &Limits::default()) {
                assert_eq!(image, case.image(), "{} cut to {length} bytes", case.name);
                assert!(length + 4 > codestream.len(), "{} cut to {length} bytes", case.name);
            }
        }
    }
}

#[test]
fn missing_end_marker_is_accepted() {
    let case = named("head_12bit_near0");
    let codestream = case.codestream();

    let got = decode(&codestream[..codestream.len() - 2], &Limits::default());

    assert_eq!(got, Ok(case.image()));
}

#[test]
fn dropped_restart_interval_is_refused() {
    let codestream = named("restart_7").codestream();
    let marker = find(&codestream, &[0xFF, 0xD0]);
    let next = find(&codestream, &[0xFF, 0xD1]);
    let without = [&codestream[..marker], &codestream[next..]].concat();

    let error = decode(&without, &Limits::default()).unwrap_err();

    assert!(
        matches!(error, JpegLsError::Segment(SegmentError::UnexpectedMarker { found: 0xD1, .. })),
        "{error}"
    );
}

#[test]
fn huge_header_with_few_bytes_is_refused_before_it_costs_memory() {
    let mut codestream = named("head_12bit_near0").codestream();
    let size = find(&codestream, &[0xFF, 0xF7]) + 5;
    codestream[size..size + 4].fill(0xFF);

    let beyond_limit = decode(&codestream, &Limits::default()).unwrap_err();
    let beyond_data = decode(&codestream, &Limits { max_pixels: u64::MAX }).unwrap_err();

    assert_eq!(
        beyond_limit.to_string(),
        "65535 x 65535 pixels of 1 components are more than 67108864"
    );
    assert!(
        matches!(beyond_data, JpegLsError::DamagedScan { fault: ScanFault::EndsEarly, .. }),
        "{beyond_data}"
    );
}

#[test]
fn what_is_not_decoded_is_refused_by_name() {
    let original = named("rgb_line").codestream();
    let scan = find(&original, &[0xFF, 0xDA]);
    let frame = find(&original, &[0xFF, 0xF7]);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = original.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        decode(&changed, &Limits::default()).unwrap_err().to_string()
    };
    let inserted = |bytes: &[u8]| {
        let changed = [&original[..frame], bytes, &original[frame..]].concat();
        decode(&changed, &Limits::default()).unwrap_err().to_string()
    };

    assert_eq!(with(scan + 6, &[1]), "a mapping table (palette) is not supported");
    assert_eq!(with(scan + 13, &[1]), "a point transform is not supported");
    assert_eq!(with(frame + 11, &[0x21]), "a subsampled component is not supported");
    assert_eq!(inserted(b"\xFF\xE8\0\x07mrfx\x01"), "HP's colour transform is not supported");
    assert_eq!(
        with(frame, &[0xFF, 0xC3]),
        "frame marker FF C3 is of another JPEG process, JPEG-LS has FF F7"
    );
    assert_eq!(with(scan + 12, &[0]), "interleave of several components is 0, wanted 1 or 2");
}

#[test]
fn other_files_are_refused() {
    for (bytes, message) in [
        (&b""[..], "a JPEG image starts with FF D8, found []"),
        (b"BM", "a JPEG image starts with FF D8, found [42, 4D]"),
        (b"\xFF\xD8", "the codestream ends at byte 2, wanted a marker"),
        (b"\xFF\xD8\xFF\xD9", "0 of 1 components have a scan"),
        (b"\xFF\xD8\0\0", "byte 00 at 2 where a marker (FF) must start"),
        (b"\xFF\xD8\xFF\xF7\0\x01", "segment length is 1, wanted 2"),
    ] {
        assert_eq!(decode(bytes, &Limits::default()).unwrap_err().to_string(), message);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let start = [&[0xFF, 0xD8][..], &bytes].concat();
        decode(&start, &Limits::default()).ok();
    }

    /// Bytes of good codestreams, changed, cut or doubled, reach further than noise does.
    #[test]
    fn no_changed_codestream_panics(
        case in 0..cases().len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        header_only in any::<bool>(),
    ) {
        let mut codestream = cases()[case].codestream();
        let end = if header_only { codestream.len().min(60) } else { codestream.len() };
        for (index, value) in changes {
            codestream[index.index(end)] = value;
        }
        codestream.truncate(cut.index(2 * codestream.len()) + 1);
        let limits = Limits { max_pixels: 100_000 };

        if let Ok(image) = decode(&codestream, &limits) {
            let wanted = image.width * image.height * image.components;
            prop_assert_eq!(image.samples.len(), wanted);
            let top = u32::from(image.samples.iter().copied().max().unwrap_or(0));
            prop_assert!(top < 1 << image.bits_per_sample);
        }
    }
}

/// The items of encapsulated pixel data after the first, which is the offset table.
fn joined_fragments(file: &[u8]) -> Vec<u8> {
    let header = [0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
    let mut items = &file[find(file, &header) + header.len()..];
    let mut joined = Vec::new();
    while let [0xFE, 0xFF, 0x00, 0xE0, a, b, c, d, rest @ ..] = items {
        let (item, rest) = rest.split_at(u32::from_le_bytes([*a, *b, *c, *d]) as usize);
        joined.extend_from_slice(if item.len() > 8 { item } else { &[] });
        items = rest;
    }
    joined
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
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/jpeg_ls").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
