use haema_volume::Affine;
use proptest::prelude::*;

use super::*;

const HEAD: &str = "NRRD0004\ntype: short\ndimension: 3\nspace: LPS\nsizes: 2 1 2\n\
                    space directions: (0.5,0,0) (0,0.5,0) (0,0,5)\nspace origin: (1,2,3)\n\
                    endian: little\nencoding: raw\n";

fn decode(bytes: &[u8]) -> Result<Image<f32>, NrrdError> {
    let mut source = bytes;
    Header::read(&mut source)?.read_voxels(source)
}

/// `HEAD` with one field changed, its end, and four voxels.
fn with_field(from: &str, to: &str) -> Vec<u8> {
    let changed = HEAD.replace(from, to);
    assert_ne!(changed, HEAD);
    [changed.as_bytes(), b"\n", &[1, 0, 2, 0, 3, 0, 4, 0]].concat()
}

#[test]
fn a_plain_file_is_read() {
    let image = decode(&with_field("LPS", "left-posterior-superior")).unwrap();

    assert_eq!(image.voxels.as_slice(), [1.0, 2.0, 3.0, 4.0]);
    let steps = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 5.0]];
    let wanted = Affine::from_steps(steps[0], steps[1], steps[2], [1.0, 2.0, 3.0]);
    assert_eq!(image.grid.lps_from_index(), wanted);
    assert_eq!(image.description, "NRRD, 16-bit signed numbers");
}

#[test]
fn fields_that_cannot_be_used_are_named() {
    for (from, to, wanted) in [
        ("NRRD0004", "NRRD0009", "the first line is \"NRRD0009\": wanted"),
        ("type: short", "type: block", "field \"type\" is \"block\": wanted whole or real numbers"),
        ("type: short\n", "", "the header has no field \"type\""),
        ("endian: little\n", "", "the header has no field \"endian\""),
        ("encoding: raw", "encoding: bzip2", "field \"encoding\" is \"bzip2\": wanted raw, gzip"),
        ("space: LPS", "space: moon", "field \"space\" is \"moon\": wanted LPS, RAS or LAS"),
        ("(0,0.5,0)", "(0,0.5)", "field \"space directions\" is \"(0.5,0,0) (0,0.5) (0,0,5)\""),
        ("(0,0.5,0)", "none", "the axes have [2, 1, 2] voxels: wanted one volume"),
        ("(0,0.5,0)", "(0.5,0,0)", "the voxel axes span no volume"),
        ("(0,0.5,0)", "(0,inf,0)", "the geometry has a value that is not finite: inf"),
        ("sizes: 2 1 2", "sizes: 2 0 2", "the axes have [2, 0, 2] voxels"),
        ("sizes: 2 1 2", "sizes: 2 1 3", "the file ends after 4 of 6 voxels: it is truncated"),
        ("sizes: 2 1 2", "sizes: 99999 99999 99999", "[99999, 99999, 99999] voxels [x, y, z] are"),
        (
            "dimension: 3",
            "dimension: 4",
            "field \"dimension\" is \"4\": wanted the number of sizes",
        ),
        ("encoding", "line skip: 1\nencoding", "field \"line skip\" is \"1\": wanted 0"),
        ("encoding", "byte skip: -1\nencoding", "field \"byte skip\" is \"-1\": wanted"),
        (
            "encoding",
            "type: float\nencoding",
            "field \"type: float\" is \"type: float\": wanted every",
        ),
    ] {
        let message = decode(&with_field(from, to)).unwrap_err().to_string();
        assert!(message.starts_with(wanted), "{to}: {message}");
    }
}

#[test]
fn text_voxels_that_are_no_numbers_or_too_few_are_named() {
    let head = HEAD.replace("raw", "ascii");
    let decode = |voxels: &str| decode(format!("{head}\n{voxels}").as_bytes());

    assert_eq!(decode("1 -2\n3.5\t4e1").unwrap().voxels.as_slice(), [1.0, -2.0, 3.5, 40.0]);
    assert_eq!(decode("1 2 x").unwrap_err().to_string(), "voxel 2 is \"x\": wanted a number");
    let message = decode("1 2 3").unwrap_err().to_string();
    assert_eq!(message, "the file ends after 3 of 4 voxels: it is truncated");
}

#[test]
fn voxels_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nhdr");
    for name in ["../secret.raw", "/etc/passwd", "a/b.raw", "v%03d.raw 1 3 1", "..", ""] {
        let text = format!("{HEAD}data file: {name}\n");
        crate::fs::write_atomic(&path, text.as_bytes()).unwrap();

        let message = read(&path).unwrap_err().to_string();

        assert!(message.contains("wanted one file in the same folder"), "{name}: {message}");
    }
    crate::fs::write_atomic(&path, format!("{HEAD}data file: b.raw\n").as_bytes()).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("b.raw"));
}

#[test]
fn a_segmentation_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.seg.nrrd");
    let steps = Affine::from_steps([0.3, 0.1, 0.0], [0.0, 0.7, 0.0], [0.0, -1.6, 5.1], [9.0; 3]);
    let grid = Grid::from_affine([2, 2, 3], &steps).unwrap();
    let labels = Volume::from_fn([2, 2, 3], |[z, y, x]| u8::from(x > y + z));
    let name = "a \\ b\nc".to_owned();
    let segments = vec![Segment::bleed(), Segment { name, label_value: 7, ..Segment::bleed() }];

    write_segmentation(&path, &labels, &grid, &segments).unwrap();
    let found = read_segmentation(&path).unwrap();

    assert_eq!(found, Segmentation { labels, grid, segments });
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        drop(decode(&bytes));
        drop(decode(&[HEAD.as_bytes(), &bytes].concat()));
    }

    #[test]
    fn no_changed_header_panics(at in 0..HEAD.len(), with in "[ -~\n]{0,8}", keep in 0..8_usize) {
        let end = (at + keep).min(HEAD.len());
        let text = format!("{}{with}{}\n0 0 0 0", &HEAD[..at], &HEAD[end..]);
        drop(decode(text.as_bytes()));
    }
}
