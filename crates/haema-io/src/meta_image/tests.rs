use proptest::prelude::*;

use super::*;

const HEAD: &str = "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 2 1 2\n\
                    ElementSpacing = 0.5 0.5 5\nOffset = 1 2 3\nElementType = MET_SHORT\n\
                    ElementDataFile = LOCAL\n";

fn decode(bytes: &[u8]) -> Result<Image<f32>, MetaImageError> {
    let mut source = bytes;
    Header::read(&mut source)?.read_voxels(source)
}

#[test]
fn fields_that_cannot_be_used_are_named() {
    let voxels = [1, 0, 2, 0, 3, 0, 4, 0];
    let plain = decode(&[HEAD.as_bytes(), &voxels].concat()).unwrap();
    assert_eq!(plain.voxels.as_slice(), [1.0, 2.0, 3.0, 4.0]);
    for (from, to, wanted) in [
        ("= Image", "= Tube", "ObjectType is \"Tube\": wanted Image"),
        ("NDims = 3", "NDims = x", "NDims is \"x\": wanted 3"),
        ("BinaryData = True", "BinaryData = False", "BinaryData is \"False\": wanted True"),
        ("2 1 2", "2 1", "DimSize is \"2 1\": wanted as many numbers"),
        ("2 1 2", "2 0 2", "the axes have [2, 0, 2] voxels [x, y, z, ...]: wanted one volume"),
        ("2 1 2", "2 1 3", "the file ends after 4 of 6 voxels: it is truncated"),
        ("2 1 2", "70000 70000 9", "[70000, 70000, 9] voxels [x, y, z] are more than"),
        ("ElementSpacing = 0.5 0.5 5\n", "", "the header has no key \"ElementSpacing\""),
        ("0.5 0.5 5", "0.5 0 5", "the voxel axes span no volume"),
        ("0.5 0.5 5", "0.5 NaN 5", "the geometry has a value that is not finite: NaN"),
        ("MET_SHORT", "MET_STRING", "ElementType is \"MET_STRING\": wanted whole or real"),
        ("ElementType", "ElementNumberOfChannels = 3\nElementType", "ElementNumberOfChannels is"),
        ("ElementType", "HeaderSize = -1\nElementType", "HeaderSize is \"-1\": wanted"),
        ("ElementType", "CompressedData = True\nElementType", "the zlib stream is damaged"),
        ("ElementType", "just text\nElementType", "line 7 is \"just text\": wanted"),
        ("ElementDataFile = LOCAL\n", "", "line 8 is"),
    ] {
        let head = HEAD.replace(from, to);
        assert_ne!(head, HEAD);
        let message = decode(&[head.as_bytes(), &voxels].concat()).unwrap_err().to_string();
        assert!(message.starts_with(wanted), "{to}: {message}");
    }
}

#[test]
fn voxels_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mhd");
    for name in ["../b.raw", "/etc/passwd", "b/../../c.raw", "slice%03d.raw"] {
        crate::fs::write_atomic(&path, HEAD.replace("LOCAL", name).as_bytes()).unwrap();

        let message = read(&path).unwrap_err().to_string();

        assert!(message.contains("wanted one file in the same folder"), "{name}: {message}");
    }
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
        let text = format!("{}{with}{}0000", &HEAD[..at], &HEAD[end..]);
        drop(decode(text.as_bytes()));
    }
}
