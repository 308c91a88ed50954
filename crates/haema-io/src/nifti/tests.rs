use haema_volume::{Affine, Grid, Volume};
use proptest::prelude::*;

use super::*;

fn oblique() -> Affine {
    // 20° about the first axis, thick slices, left-handed in RAS.
    let (sin, cos) = 20.0_f64.to_radians().sin_cos();
    Affine::from_steps(
        [0.5, 0.0, 0.0],
        [0.0, 0.5 * cos, 0.5 * sin],
        [0.0, -5.0 * sin, 5.0 * cos],
        [-3.0, 7.5, 11.25],
    )
}

#[test]
fn what_is_written_is_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::from_affine([2, 3, 4], &oblique()).unwrap();
    let voxels = Volume::from_fn([2, 3, 4], |[z, y, x]| (100 * z + 10 * y + x) as i16 - 50);
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.path().join(name);

        write(&path, &voxels, &grid).unwrap();
        let scan = read(&path).unwrap();
        write(&folder.path().join("b.nii"), &voxels, scan.ct.grid()).unwrap();
        let again = read(&folder.path().join("b.nii")).unwrap();

        assert_eq!(scan.ct.voxels_hu(), &voxels.map(|&v| f32::from(v)));
        assert_eq!(scan.ct.grid(), again.ct.grid());
        assert_eq!(scan.provenance.case_id, "a");
        assert_eq!(scan.provenance.sha256, again.provenance.sha256);
    }
}

#[test]
fn labels_that_are_no_small_whole_numbers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let grid = Grid::from_affine([1, 1, 2], &oblique()).unwrap();

    write(&path, &Volume::new([1, 1, 2], vec![1.0_f32, 0.5]).unwrap(), &grid).unwrap();
    let message = read_label(&path).unwrap_err().to_string();
    assert!(message.starts_with("label 0.5 at voxel 1: wanted whole numbers"), "{message}");

    write(&path, &Volume::new([1, 1, 2], vec![0_i16, 255]).unwrap(), &grid).unwrap();
    assert_eq!(read_label(&path).unwrap().0.as_slice(), [0, 255]);
}

/// Bytes of a small file that we wrote, to be spoilt.
fn valid_bytes() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let grid = Grid::from_affine([2, 3, 4], &oblique()).unwrap();
    write(&path, &Volume::filled([2, 3, 4], 7_i16), &grid).unwrap();
    crate::fs::read(&path, 1 << 20).unwrap()
}

fn message_of(bytes: &[u8]) -> String {
    read::decode::<f32>(bytes).unwrap_err().to_string()
}

#[test]
fn sizes_that_no_scan_has_are_refused_before_anything_is_allocated() {
    let mut bytes = valid_bytes();
    for (axes, wanted) in [
        ([32767_i16; 3], "[32767, 32767, 32767] voxels [x, y, z] are more than the 268435456"),
        ([4, 3, 0], "the axes have [4, 3, 0] voxels"),
        ([4, -3, 2], "the axes have [4, -3, 2] voxels"),
        ([512, 512, 1000], "the file ends after 24 of 262144000 voxels: it is truncated"),
    ] {
        for (i, axis) in axes.iter().enumerate() {
            bytes[42 + 2 * i..44 + 2 * i].copy_from_slice(&axis.to_le_bytes());
        }
        let message = message_of(&bytes);
        assert!(message.starts_with(wanted), "{message}");
    }
}

#[test]
fn what_is_cut_short_or_damaged_is_told_apart() {
    use std::io::Write as _;
    let bytes = valid_bytes();
    let mut gzip = crate::voxels::gzip_writer(Vec::new());
    gzip.write_all(&bytes).unwrap();
    let packed = gzip.finish().unwrap();
    let mut wrong_checksum = packed.clone();
    let last = wrong_checksum.len() - 6;
    wrong_checksum[last] ^= 1;

    assert_eq!(message_of(b"ab"), "2 bytes are too few for a NIfTI header: wanted at least 348");
    assert!(message_of(b"abcdefgh").starts_with("not NIfTI: the header size is 1684234849"));
    assert!(message_of(&bytes[..300]).starts_with("300 bytes are too few"));
    assert!(message_of(&bytes[..399]).starts_with("the file ends after 23 of 24 voxels"));
    let ends_early = "the gzip stream ends early: the file is truncated";
    assert_eq!(message_of(&packed[..packed.len() - 9]), ends_early);
    assert_eq!(message_of(&packed[..packed.len() / 2]), ends_early);
    assert_eq!(message_of(&packed[..12]), ends_early);
    assert!(message_of(&wrong_checksum).starts_with("the gzip stream is damaged"));
    let broken = [&packed[..40], &[0xff; 40][..]].concat();
    assert!(message_of(&broken).contains("gzip stream"), "{}", message_of(&broken));
}

#[test]
fn voxels_far_behind_the_header_are_refused() {
    let mut bytes = valid_bytes();
    for (offset, wanted) in [
        (100.0_f32, "the voxels begin at byte 100: wanted 352 to"),
        (-352.0, "the voxels begin at byte -352: wanted"),
        (f32::NAN, "the voxels begin at byte NaN: wanted"),
        (3e9, "the voxels begin at byte 3000000000: wanted"),
        (360.0, "the file ends after 20 of 24 voxels"),
    ] {
        bytes[108..112].copy_from_slice(&offset.to_le_bytes());
        let message = message_of(&bytes);
        assert!(message.starts_with(wanted), "{message}");
    }
}

#[test]
fn units_that_are_not_millimetres_and_voxels_that_are_not_numbers_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let grid = Grid::from_affine([1, 1, 3], &oblique()).unwrap();
    let voxels = Volume::new([1, 1, 3], vec![f32::NAN, 30.0, f32::INFINITY]).unwrap();
    write(&path, &voxels, &grid).unwrap();
    let mut bytes = crate::fs::read(&path, 1 << 20).unwrap();
    bytes[123] = 3;
    crate::fs::write_atomic(&path, &bytes).unwrap();

    let scan = read(&path).unwrap();

    assert_eq!(scan.ct.voxels_hu().as_slice(), [-1024.0, 30.0, -1024.0]);
    assert_eq!(
        scan.provenance.warnings,
        [
            "the header says lengths are in micrometres: taken as mm",
            "2 voxels are not finite numbers: taken as air (-1024 HU)"
        ]
    );
    let [series] = scan.provenance.series.as_slice() else { panic!("one series") };
    assert_eq!(
        series.description,
        "NIfTI-1, 32-bit floating-point numbers, 3 × 1 × 1 voxels of 0.500 × 0.500 × 5.000 mm"
    );
}

#[test]
fn uneven_slices_have_their_places_in_the_sidecar() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.slices.json");
    let origins = [0.0, 4.0, 12.0].map(|z| [-10.0, -20.0, z]).to_vec();
    let grid = Grid::from_slices([2, 2], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0], origins, 4.0).unwrap();

    write_slice_positions(&path, &grid).unwrap();

    let text = crate::fs::read_to_string(&path, 1 << 20).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["is_evenly_spaced"], false);
    assert!(json["note"].as_str().unwrap().contains("NIfTI has one affine for all slices"));
    assert_eq!(json["size"], serde_json::json!([2, 2, 3]));
    let slices = json["slices"].as_array().unwrap();
    let of =
        |key: &str| slices.iter().map(|slice| slice[key].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("position_mm"), [0.0, 4.0, 12.0]);
    assert_eq!(of("thickness_mm"), [4.0, 6.0, 8.0]);
    assert_eq!(slices[2]["origin_lps_mm"], serde_json::json!([-10.0, -20.0, 12.0]));
}

#[test]
fn what_does_not_fit_into_nifti_1_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let grid = Grid::from_affine([1, 1, 40000], &oblique()).unwrap();

    let wide = write_mask(&path, &Volume::filled([1, 1, 40000], 0), &grid).unwrap_err();
    let other = write_mask(&path, &Volume::filled([1, 1, 4], 0), &grid).unwrap_err();

    assert!(wide.to_string().starts_with("size [1, 1, 40000] [z, y, x]: NIfTI-1 holds at most"));
    assert!(other.to_string().starts_with("size [1, 1, 4] [z, y, x] where [1, 1, 40000]"));
    assert!(!path.exists());
}

proptest! {
    #[test]
    fn any_affine_is_kept_to_single_precision(
        parts in proptest::array::uniform12(-300.0_f64..300.0),
    ) {
        let [a, b, c, at] = std::array::from_fn(|i| std::array::from_fn(|j| parts[3 * i + j]));
        let Ok(grid) = Grid::from_affine([1, 1, 1], &Affine::from_steps(a, b, c, at)) else {
            return Ok(());
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii");

        write_mask(&path, &Volume::filled([1, 1, 1], 0), &grid).unwrap();
        let (_, found) = read_label(&path).unwrap();
        write_mask(&path, &Volume::filled([1, 1, 1], 0), &found).unwrap();
        let (_, again) = read_label(&path).unwrap();

        let single = grid.lps_from_index().rows.map(|row| row.map(|v| f64::from(v as f32)));
        prop_assert_eq!(found.lps_from_index().rows, single);
        prop_assert_eq!(found, again);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        drop(read::decode::<f32>(bytes.as_slice()));
        drop(read::decode::<u8>(bytes.as_slice()));
    }

    #[test]
    fn no_changed_header_panics(
        version in 0..2_usize,
        changes in proptest::collection::vec((4..540_usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = vec![0; 700];
        if version == 0 {
            bytes[..valid_bytes().len()].copy_from_slice(&valid_bytes());
        } else {
            bytes[..4].copy_from_slice(&540_i32.to_be_bytes());
            bytes[4..7].copy_from_slice(b"n+2");
        }
        for (at, value) in changes {
            bytes[at] = value;
        }
        drop(read::decode::<f32>(bytes.as_slice()));
    }
}
