//! Foreign bytes never panic: real-looking files with bytes changed, cut out or cut off.

use std::path::Path;

use haema_io::dicom::write::SeriesOptions;
use haema_io::dicom::{self, ReadOptions};
use haema_io::fs;
use proptest::prelude::*;

use crate::phantom::{Stack, write};

/// Multi-frame objects in each codec, so that one file is a whole scan and is decoded; and a plain
/// slice.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/transfer_syntaxes");
    let names = [
        "enhanced_shared_rescale.dcm",
        "enhanced_rle.dcm",
        "enhanced_jpeg_lossless.dcm",
        "enhanced_jpeg_ls.dcm",
        "enhanced_jpeg_2000.dcm",
        "enhanced_htj2k.dcm",
        "enhanced_deflated.dcm",
        "implicit_little_endian.dcm",
        "explicit_big_endian.dcm",
    ];
    let files = names.iter().map(|name| fs::read(&folder.join(name), 1 << 20).unwrap());
    let slice = Stack::straight().slices(&SeriesOptions::default()).remove(0).to_file();
    files.chain([slice]).collect()
}

/// One change to a file. Places are shares of its length, more of them in the header than chance
/// would have it: that is where lengths and numbers are.
#[derive(Debug, Clone)]
enum Change {
    Set { place: f64, byte: u8 },
    Cut { place: f64, count: usize },
    End { place: f64 },
}

fn change() -> impl Strategy<Value = Change> {
    let place = prop_oneof![0.0..1.0, 0.0..0.1];
    let byte = prop_oneof![any::<u8>(), Just(0xFF), Just(0)];
    prop_oneof![
        8 => (place.clone(), byte).prop_map(|(place, byte)| Change::Set { place, byte }),
        1 => (place.clone(), 1..9_usize).prop_map(|(place, count)| Change::Cut { place, count }),
        1 => place.prop_map(|place| Change::End { place }),
    ]
}

fn changed(file: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut file = file.to_vec();
    for change in changes {
        let at = |place: &f64| (place * file.len() as f64) as usize;
        match change {
            Change::Set { place, byte } if !file.is_empty() => {
                let at = at(place);
                file[at] = *byte;
            }
            Change::Set { .. } => {}
            Change::Cut { place, count } => {
                let from = at(place);
                file.drain(from..(from + count).min(file.len()));
            }
            Change::End { place } => file.truncate(at(place)),
        }
    }
    file
}

proptest! {
    #[test]
    fn changed_files_never_panic(
        seed in 0..10_usize,
        changes in proptest::collection::vec(change(), 1..8),
    ) {
        let file = changed(&seeds()[seed], &changes);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "IM1", &file);

        let read = dicom::read(&folder.path().join("IM1"), &ReadOptions::default());

        // An answer, of either kind, with numbers that are numbers.
        if let Ok(scan) = read {
            let on_the_scale = |hu: &f32| (-1024.0..=3071.0).contains(hu);
            prop_assert!(scan.ct.voxels_hu().as_slice().iter().all(on_the_scale));
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let folder = tempfile::tempdir().unwrap();
        let with_magic = [&[0; 128], b"DICM".as_slice(), &bytes].concat();
        write(folder.path(), "IM1", &bytes);
        write(folder.path(), "IM2", &with_magic);

        prop_assert!(dicom::read(folder.path(), &ReadOptions::default()).is_err());
    }
}
