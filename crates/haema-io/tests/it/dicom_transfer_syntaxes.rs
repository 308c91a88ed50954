//! Synthetic slices and multi-frame objects in every transfer syntax, written by other programs and
//! read by pydicom and by us.
//!
//! `testdata/transfer_syntaxes/make_transfer_syntaxes.py` is the recipe, `MANIFEST.txt` beside it
//! has the versions.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use haema_io::dicom::{self, ReadOptions};
use haema_io::fs;
use serde_json::Value;

use crate::phantom::{replace, write};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/transfer_syntaxes").join(name)
}

fn expected(kind: &str) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../testdata/transfer_syntaxes/expected.json"))
            .unwrap();
    all[kind].as_array().unwrap().clone()
}

fn name_of(case: &Value) -> &str {
    case["file"].as_str().unwrap()
}

fn expected_hu(case: &Value) -> Vec<f32> {
    let bytes = fs::read(&testdata(case["hu"].as_str().unwrap()), 1 << 20).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect()
}

fn assert_hu(found: &[f32], wanted: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let worst = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what}: off by {worst} HU, at most {tolerance} is allowed");
}

/// Twelve copies of a slice, 5 mm apart: a lone slice is no scan.
fn stack_copies(folder: &Path, case: &Value) {
    let file = fs::read(&testdata(name_of(case)), 1 << 20).unwrap();
    let position = case["position"].as_str().unwrap();
    let (in_plane, height) = position.rsplit_once('\\').unwrap();
    assert_eq!(height.len(), 2);
    for z in 0..12 {
        let moved = format!("{in_plane}\\{}", 10 + 5 * z);
        let copy = if case["transfer_syntax"] == "1.2.840.10008.1.2.1.99" {
            replace_deflated(&file, position, &moved)
        } else {
            replace(&file, position, &moved)
        };
        write(folder, &format!("IM{z}"), &copy);
    }
}

fn replace_deflated(file: &[u8], text: &str, by: &str) -> Vec<u8> {
    // The first element of the meta information, behind 132 bytes, says how long the rest is.
    let meta_bytes = u32::from_le_bytes(file[140..144].try_into().unwrap()) as usize;
    let (meta, packed) = file.split_at(144 + meta_bytes);
    let mut data_set = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut data_set).unwrap();
    let mut encoder = DeflateEncoder::new(meta.to_vec(), Compression::default());
    encoder.write_all(&replace(&data_set, text, by)).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_transfer_syntax_gives_the_hounsfield_units_of_pydicom() {
    for case in expected("slices") {
        let folder = tempfile::tempdir().unwrap();
        stack_copies(folder.path(), &case);

        let scan = dicom::read(folder.path(), &ReadOptions::default()).unwrap();

        let tolerance = case["tolerance_hu"].as_f64().unwrap() as f32;
        let wanted = expected_hu(&case);
        assert_eq!(scan.ct.grid().size()[0], 12);
        for z in 0..12 {
            assert_hu(scan.ct.voxels_hu().plane(z), &wanted, tolerance, name_of(&case));
        }
    }
}

#[test]
fn the_frames_of_an_enhanced_ct_are_placed_by_their_own_positions() {
    for case in expected("enhanced") {
        let scan = dicom::read(&testdata(name_of(&case)), &ReadOptions::default()).unwrap();

        let frame_z_mm: Vec<f64> =
            case["frame_z_mm"].as_array().unwrap().iter().map(|z| z.as_f64().unwrap()).collect();
        let mut order: Vec<usize> = (0..frame_z_mm.len()).collect();
        order.sort_by(|&a, &b| frame_z_mm[a].total_cmp(&frame_z_mm[b]));
        let wanted = expected_hu(&case);
        let frame_len = wanted.len() / order.len();
        for (z, &frame) in order.iter().enumerate() {
            let wanted = &wanted[frame * frame_len..(frame + 1) * frame_len];
            assert_hu(scan.ct.voxels_hu().plane(z), wanted, 0.0, name_of(&case));
            assert_eq!(scan.ct.grid().slice_origin_lps_mm(z)[2], frame_z_mm[frame]);
        }
        assert_eq!(scan.provenance.file_count, 1);
        assert!(scan.provenance.missing_slices.is_empty());
    }
}

#[test]
fn twelve_bit_jpeg_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    stack_copies(folder.path(), &expected("refused")[0]);

    let error = dicom::read(folder.path(), &ReadOptions::default()).unwrap_err();

    insta::assert_snapshot!(error, @"series ct-4cc01749 cannot be used: pixels in JPEG Extended 12-bit (1.2.840.10008.1.2.4.51), which haema does not read: export the series uncompressed or in a lossless transfer syntax");
}

#[test]
fn lossless_syntaxes_of_one_slice_give_one_checksum() {
    let checksum = |name: &str| {
        let cases = expected("slices");
        let case = cases.iter().find(|case| name_of(case) == name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        stack_copies(folder.path(), case);
        dicom::read(folder.path(), &ReadOptions::default()).unwrap().provenance.sha256
    };

    let raw = checksum("explicit_little_endian.dcm");

    for name in ["explicit_big_endian.dcm", "deflated.dcm", "rle.dcm", "jpeg_ls_lossless.dcm"] {
        assert_eq!(checksum(name), raw, "{name}");
    }
}
