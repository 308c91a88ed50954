//! Files that are not what they seem, each with its own message.

use std::io::Write as _;
use std::path::Path;

use haema_io::{fs, read_image_file, read_label_file};

fn message_of(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write_atomic(&path, bytes).unwrap();
    let message = read_image_file(&path).unwrap_err().to_string();
    assert!(message.ends_with(&path.display().to_string()), "path last: {message}");
    message
}

#[test]
fn files_of_other_kinds_are_named_and_told_what_is_wanted() {
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"no image at all").unwrap();
    let gzip = gzip.finish().unwrap();
    let utf8 = format!("{}é", "a".repeat(1023)); // cut in two by the first look
    for (name, bytes, found) in [
        ("a.nii", &b""[..], "an empty file"),
        ("a.nii", b"Dear colleague,\nplease find attached", "a text file"),
        ("a.nii.gz", &gzip, "a gzip file that holds no NIfTI"),
        ("a.txt", utf8.as_bytes(), "a text file"),
        ("a.dcm", &dicom, "a DICOM file"),
        ("a.zip", b"PK\x03\x04rest", "a zip archive"),
        ("a.png", b"\x89PNG\r\n", "a PNG picture"),
        ("a.img", &[7; 40], "bare voxels, whose header is in another file"),
        ("a.bin", &[7; 40], "bytes of no known format"),
    ] {
        let message = message_of(name, bytes);
        let wanted = format!("found {found}: wanted NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or");
        assert!(message.starts_with(&wanted), "{message}");
    }
}

#[test]
fn a_format_is_known_by_its_content_whatever_its_name() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("nifti/packed.nii.gz", "a.nii"),
        ("nifti/n2_be_u1.nii", "a.nii.gz"),
        ("nrrd/itk_u1.nrrd", "a.mha"),
        ("meta_image/u1.mha", "a.nrrd"),
    ] {
        let bytes = fs::read(&testdata.join(from), 1 << 20).unwrap();
        fs::write_atomic(&folder.path().join(to), &bytes).unwrap();

        assert!(read_image_file(&folder.path().join(to)).is_ok(), "{from} as {to}");
        assert_eq!(read_label_file(&folder.path().join(to)).is_ok(), from != "nifti/packed.nii.gz");
    }
}

#[test]
fn a_missing_file_and_a_truncated_one_are_named() {
    let error = read_image_file(Path::new("nowhere/a.nii")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read: ") && error.ends_with(": nowhere/a.nii"), "{error}");
    let message = message_of("a.nii.gz", &[0x1f, 0x8b, 8, 0, 0, 0]);
    assert!(
        message.starts_with("the gzip stream ends early: the file is truncated: "),
        "{message}"
    );
}

#[test]
fn a_small_file_that_unpacks_to_a_huge_one_stops_at_its_own_size() {
    // 64 MiB of zeros after a header that promises 24 voxels: all but 64 KiB stays packed.
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let header = fs::read(&testdata.join("nifti/n1_le_i2.nii"), 1 << 20).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&header).unwrap();
    for _ in 0..64 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.nii.gz");
    fs::write_atomic(&path, &gzip.finish().unwrap()).unwrap();

    let scan = read_image_file(&path).unwrap();

    assert_eq!(scan.ct.grid().size(), [2, 3, 4]);
}

/// Headers that promise too much, or nothing at all. Every input that ever makes a reader of this
/// crate panic belongs here, and is read for ever.
#[test]
fn hostile_headers_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile");
    let paths = fs::list_folder(&folder).unwrap();
    assert!(!paths.is_empty());
    for path in paths {
        assert!(read_image_file(&path).is_err(), "{}", path.display());
        assert!(read_label_file(&path).is_err(), "{}", path.display());
    }
}
