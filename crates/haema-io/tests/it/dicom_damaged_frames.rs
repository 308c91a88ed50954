//! Multi-frame CT with damaged codestreams: what can be read is, what cannot is told, nothing panics.
//!
//! Files made to do harm are in `tests/hostile_files.rs`.

use std::{fs, path::Path};

use haema_io::{
    Scan,
    dicom::{self, DicomError, ReadOptions},
};
use proptest::prelude::*;

use crate::dicom_file::{COMPRESSED, DicomFile};

#[test]
fn one_damaged_frame_is_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    for name in COMPRESSED {
        let whole = DicomFile::fixture(name);
        let damaged = whole.with_codestreams(3..4, |stream| stream.truncate(stream.len() / 2));

        let scan = read_bytes(folder.path(), &damaged.bytes())
            .unwrap_or_else(|error| panic!("{name}: {error}"));

        assert_eq!(scan.ct.voxels_hu().size()[0], 11, "{name}");
        let warnings = scan.provenance.warnings.join("\n");
        assert!(warnings.contains("decoded"), "{name}: {warnings}");
    }
}

proptest! {
    /// Changes in the codestreams alone reach the decoders every time.
    #[test]
    fn no_changed_codestream_panics(
        file in 0..COMPRESSED.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        start_only in any::<bool>(),
    ) {
        let damaged = DicomFile::fixture(COMPRESSED[file]).with_codestreams(.., |stream| {
            let end = if start_only { stream.len().min(150) } else { stream.len() };
            for (index, value) in &changes {
                stream[index.index(end)] = *value;
            }
        });
        let folder = tempfile::tempdir().unwrap();
        read_bytes(folder.path(), &damaged.bytes()).ok();
    }
}

fn read_bytes(folder: &Path, bytes: &[u8]) -> Result<Scan, DicomError> {
    let path = folder.join("ct.dcm");
    fs::write(&path, bytes).unwrap();
    dicom::read(&path, &ReadOptions::default())
}
