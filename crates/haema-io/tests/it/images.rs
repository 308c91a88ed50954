//! Files made and read by nibabel, pynrrd, slicerio and SimpleITK, read by us; and ours, read by them.
//!
//! The expected values were computed by those programs, not by this crate: `testdata/make_images.py`
//! is the recipe, `testdata/MANIFEST_IMAGES.txt` pins tools, versions and checksums. Regenerate on
//! purpose, never to make a test pass.

use std::path::{Path, PathBuf};

use haema_io::{fs, meta_image, nifti, nrrd, read_image_file, read_label_file};
use haema_volume::{Affine, Grid, Volume};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// What the other program read in each file, by the file's name.
fn expected(format: &str) -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(&folder(format).join("expected.json"), 1 << 20).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let leaf = |leaf: &Value| match leaf {
        Value::Array(_) => numbers(leaf),
        _ => vec![leaf.as_f64().unwrap()],
    };
    value.as_array().unwrap().iter().flat_map(leaf).collect()
}

fn assert_near(found: &[f64], wanted: &[f64], name: &str) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    let is_near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5;
    assert!(found.iter().zip(wanted).all(is_near), "{name}: {found:?} wanted {wanted:?}");
}

/// Reads every file of a format, compares it with what the other program read, and returns how
/// many there were.
fn assert_agreement(format: &str) -> usize {
    let expected = expected(format);
    for (name, wanted) in &expected {
        let scan = read_image_file(&folder(format).join(name)).unwrap();

        let size: Vec<f64> = scan.ct.grid().size().map(|axis| axis as f64).to_vec();
        assert_eq!(size, numbers(&wanted["size_zyx"]), "{name}");
        let affine = scan.ct.grid().lps_from_index();
        assert_near(affine.rows.as_flattened(), &numbers(&wanted["lps_from_index"]), name);
        let voxels: Vec<f64> = scan.ct.voxels_hu().as_slice().iter().map(|&v| v.into()).collect();
        assert_eq!(voxels, numbers(&wanted["voxels"]), "{name}");
    }
    expected.len()
}

#[test]
fn nifti_agrees_with_nibabel() {
    assert_eq!(assert_agreement("nifti"), 38);
}

#[test]
fn nrrd_agrees_with_simple_itk_and_pynrrd() {
    assert_eq!(assert_agreement("nrrd"), 19);
}

#[test]
fn meta_image_agrees_with_simple_itk() {
    assert_eq!(assert_agreement("meta_image"), 15);
}

#[test]
fn orientation_that_is_guessed_is_warned_of() {
    for name in ["nifti/no_form.nii", "nrrd/spacings.nrrd"] {
        let scan = read_image_file(&folder(name)).unwrap();
        let [warning] = scan.provenance.warnings.as_slice() else { panic!("{name}: one warning") };
        assert!(warning.contains("left may be right"), "{warning}");
    }
    let scan = read_image_file(&folder("nifti/sform_tilted.nii")).unwrap();
    assert_eq!(scan.provenance.warnings, Vec::<String>::new());
    assert!((scan.ct.grid().tilt_deg().abs() - 18.5).abs() < 1e-4);
    assert!((scan.ct.grid().voxel_volume_mm3(0) - 0.5 * 0.75 * 5.0).abs() < 1e-6);
}

#[test]
fn what_is_no_ct_volume_is_refused_by_name() {
    for (name, wanted) in [
        ("refused_complex.nii", "voxels are complex numbers: wanted whole or real numbers"),
        ("refused_rgb.nii", "voxels are RGB colours: wanted"),
        ("refused_two_volumes.nii", "the axes have [4, 3, 2, 2] voxels [x, y, z, ...]: wanted one"),
        ("refused_slope.nii", "voxels are to be scaled by 2 with intercept NaN: wanted"),
        ("refused_pair.nii", "a header whose voxels lie in a separate .img file"),
        ("refused_nan.nii", "the geometry has a value that is not finite: NaN"),
        ("refused_flat.nii", "the voxel axes span no volume"),
        ("refused_quaternion.nii", "the qform's quaternion has length² 1.61"),
    ] {
        let path = folder("nifti").join(name);
        let message = read_image_file(&path).unwrap_err().to_string();
        assert!(message.starts_with(wanted), "{name}: {message}");
        assert!(message.ends_with(&path.display().to_string()), "{message}");
    }
}

#[test]
fn a_slicer_segmentation_is_read_with_its_segments() {
    let wanted = &expected("nrrd")["slicerio.seg.nrrd"]["segments"];

    let found = nrrd::read_segmentation(&folder("nrrd/slicerio.seg.nrrd")).unwrap();

    for (segment, wanted) in found.segments.iter().zip(wanted.as_array().unwrap()) {
        assert_eq!(segment.id, wanted["id"].as_str().unwrap());
        assert_eq!(segment.name, wanted["name"].as_str().unwrap());
        assert_eq!(segment.color_rgb.to_vec(), numbers(&wanted["color"]));
        assert_eq!(u64::from(segment.label_value), wanted["labelValue"].as_u64().unwrap());
    }
    assert_eq!(found.segments.len(), 2);
    let (labels, _) = read_label_file(&folder("nrrd/slicerio.seg.nrrd")).unwrap();
    assert_eq!(labels, found.labels);
}

/// A tilted, left-handed grid and an oblique one.
fn grids() -> [Grid; 2] {
    let tilt = 18.5_f64.to_radians().tan();
    let tilted = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, -5.0 * tilt, 5.0], [-120.5, 33.25, 7.0]];
    let (sin, cos) = 30.0_f64.to_radians().sin_cos();
    let oblique =
        [[0.0, 0.5 * cos, 0.5 * sin], [-0.75, 0.0, 0.0], [0.0, 4.0 * sin, -4.0 * cos], [1.0; 3]];
    [tilted, oblique].map(|[x, y, z, at]| {
        Grid::from_affine([3, 3, 4], &Affine::from_steps(x, y, z, at)).unwrap()
    })
}

/// Writes the files `written*` that other programs then read, into a folder.
fn write_all(folder: &Path) {
    let [tilted, oblique] = grids();
    let mask = Volume::from_fn([3, 3, 4], |[z, y, x]| u8::from(z == 1 && y > 0 && x > 1));
    let hu = mask.map(|&label| i16::from(label) * 60 - 7);
    let probability = mask.map(|&label| f32::from(label) * 0.75 + 0.125);
    nifti::write_mask(&folder.join("nifti/written_mask.nii.gz"), &mask, &tilted).unwrap();
    nifti::write(&folder.join("nifti/written_hu.nii"), &hu, &oblique).unwrap();
    let shifted = hu.map(|&hu| (hu + 1024) as u16);
    nifti::write_shifted(&folder.join("nifti/written_shifted.nii"), &shifted, &oblique, -1024.0)
        .unwrap();
    nrrd::write(&folder.join("nrrd/written.nrrd"), &hu, &oblique).unwrap();
    meta_image::write(&folder.join("meta_image/written.mha"), &hu, &oblique).unwrap();
    let path = folder.join("nifti/written_probability.nii");
    nifti::write_probability(&path, &probability, &oblique).unwrap();
    let segments = [
        nrrd::Segment::bleed(),
        nrrd::Segment { id: "empty".into(), label_value: 2, ..nrrd::Segment::bleed() },
    ];
    let path = folder.join("nrrd/written.seg.nrrd");
    nrrd::write_segmentation(&path, &mask, &tilted, &segments).unwrap();
}

#[test]
#[ignore = "writes into testdata: run before make_images.py, on purpose"]
fn write_files_for_other_programs_to_read() {
    write_all(&folder(""));
}

#[test]
fn what_we_write_is_what_other_programs_read() {
    let target = tempfile::tempdir().unwrap();
    for format in ["nifti", "nrrd", "meta_image"] {
        fs::create_folder(&target.path().join(format)).unwrap();
    }

    write_all(target.path());

    // The committed files are the ones that the other programs read. Packed bytes may change with
    // the packer's version; header and content may not.
    for name in [
        "nifti/written_mask.nii.gz",
        "nifti/written_hu.nii",
        "nifti/written_probability.nii",
        "nifti/written_shifted.nii",
        "nrrd/written.seg.nrrd",
        "nrrd/written.nrrd",
        "meta_image/written.mha",
    ] {
        let [ours, read] = [target.path(), &folder("")].map(|folder| unpacked(&folder.join(name)));
        assert!(ours == read, "{name} is no longer what other programs have read");
    }
    let nifti = expected("nifti");
    let by_name = [
        (&nifti, "written_shifted.nii"),
        (&expected("nrrd"), "written.nrrd"),
        (&expected("meta_image"), "written.mha"),
    ];
    for (read, name) in by_name {
        assert_eq!(numbers(&read[name]["voxels"]), numbers(&nifti["written_hu.nii"]["voxels"]));
        let [found, wanted] =
            [&read[name], &nifti["written_hu.nii"]].map(|file| numbers(&file["lps_from_index"]));
        assert_near(&found, &wanted, name);
    }
    for name in ["written_hu.nii", "written_probability.nii"] {
        let wanted = &nifti[name];
        assert_eq!((&wanted["sform_code"], &wanted["qform_code"]), (&1.into(), &1.into()));
        for other in ["qform", "itk_lps_from_index"] {
            assert_near(&numbers(&wanted[other]), &numbers(&wanted["lps_from_index"]), name);
        }
        assert_eq!(wanted["units"], "mm");
    }
    // A sheared grid has no qform: ITK reads the nearest one, with the true distance of slices.
    let mask = &nifti["written_mask.nii.gz"];
    assert_eq!((&mask["sform_code"], &mask["qform_code"]), (&1.into(), &2.into()));
    let by_itk = [[0.5, 0.0, 0.0, -120.5], [0.0, 0.5, 0.0, 33.25], [0.0, 0.0, 5.0, 7.0]];
    assert_near(&numbers(&mask["itk_lps_from_index"]), by_itk.as_flattened(), "ITK");
    let segments = &expected("nrrd")["written.seg.nrrd"]["segments"];
    assert_eq!(numbers(&segments[0]["extent"]), [2.0, 3.0, 1.0, 2.0, 1.0, 1.0]);
    assert_eq!(numbers(&segments[1]["extent"]), [0.0, -1.0, 0.0, -1.0, 0.0, -1.0]);
    assert_eq!(segments[0]["name"], "Hemorrhage");
}

/// A file's bytes, its gzip part (from the first gzip header on) inflated.
fn unpacked(path: &Path) -> Vec<u8> {
    use std::io::Read as _;
    let bytes = fs::read(path, 1 << 20).unwrap();
    let Some(at) = bytes.windows(3).position(|window| window == [0x1f, 0x8b, 8]) else {
        return bytes;
    };
    let mut content = bytes[..at].to_vec();
    flate2::read::GzDecoder::new(&bytes[at..]).read_to_end(&mut content).unwrap();
    content
}
