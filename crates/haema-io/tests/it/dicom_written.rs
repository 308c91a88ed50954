//! What we write, read by dicom-rs: the writer and our reader could share a mistake.

use dicom_object::{FileDicomObject, InMemDicomObject, open_file};
use dicom_pixeldata::PixelDecoder as _;
use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_io::dicom::{self, ReadOptions};

use crate::phantom::{Stack, hu_at};

fn numbers(object: &FileDicomObject<InMemDicomObject>, name: &str) -> Vec<f64> {
    object.element_by_name(name).unwrap().to_multi_float64().unwrap()
}

#[test]
fn dicom_rs_reads_the_same_place_and_the_same_hounsfield_units() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::tilted(18.5);
    let options = SeriesOptions {
        is_signed: true,
        intercept: -24.0,
        slope: 0.5,
        bits_stored: 14,
        ..SeriesOptions::default()
    };

    let paths = write_series(folder.path(), &stack.ct(), &options).unwrap();

    assert_eq!(paths.len(), 24);
    for (z, path) in paths.iter().enumerate() {
        let object = open_file(path).unwrap();
        let place = numbers(&object, "ImagePositionPatient");
        assert!(place.iter().zip(stack.origins[z]).all(|(a, b)| (a - b).abs() < 1e-9));
        assert_eq!(numbers(&object, "PixelSpacing"), [0.6, 0.5]);
        let cosines = numbers(&object, "ImageOrientationPatient");
        let (sin, cos) = 18.5_f64.to_radians().sin_cos();
        let wanted = [1.0, 0.0, 0.0, 0.0, cos, sin];
        assert!(cosines.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{cosines:?}");
        let hu: Vec<f32> = object.decode_pixel_data().unwrap().to_vec().unwrap();
        let wanted: Vec<f32> = (0..320).map(|i| hu_at([z, i / 16, i % 16]) as f32).collect();
        assert_eq!(hu, wanted, "slice {z}");
    }
}

#[test]
fn a_written_scan_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let ct = Stack::tilted(-12.0).ct();

    write_series(folder.path(), &ct, &SeriesOptions::default()).unwrap();

    let scan = dicom::read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(scan.ct.voxels_hu(), ct.voxels_hu());
    assert_eq!(scan.provenance.case_id, "ct-96d179c4");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let ct = Stack::straight().ct();
    let slice = |seed: &str| {
        let options = SeriesOptions { seed: seed.into(), ..SeriesOptions::default() };
        dicom::write::slice(&ct, 3, &options).to_file()
    };

    assert_eq!(slice("a"), slice("a"));
    assert_ne!(slice("a"), slice("b"));
}
