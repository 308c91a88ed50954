use std::sync::Mutex;

use image::{GrayImage, Luma};

use super::*;
use crate::dataset::Dataset;

const HEAD: &str = "PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,\
                    Epidural,Subdural,No_Hemorrhage,Fracture_Yes_No";

fn write_picture(path: &Path, grey_at: impl Fn(u32, u32) -> u8) {
    let picture = GrayImage::from_fn(16, 16, |x, y| Luma([grey_at(x, y)]));
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
    picture.write_with_encoder(encoder).unwrap();
    fs::create_folder(path.parent().unwrap()).unwrap();
    fs::write_atomic(path, &bytes).unwrap();
}

/// Two patients of two slices: 7 has a bleed in the left back of slice 2, 8 lacks slice 1.
fn write_source(folder: &Path) {
    let patients = folder.join("Patients_CT");
    for (patient, slices) in [("007", 1..=2), ("008", 2..=2)] {
        for slice in slices {
            let name = format!("{slice}.jpg");
            write_picture(&patients.join(patient).join("brain").join(&name), |_, _| 128);
            write_picture(&patients.join(patient).join("bone").join(&name), |_, _| 75);
        }
    }
    let mask = patients.join("007/brain/2_HGE_Seg.jpg");
    write_picture(&mask, |x, y| if x >= 8 && y >= 8 { 255 } else { 0 });
    let rows = "7,1,0,0,0,0,0,1,0\n7,2,0,0,0,1,0,0,1\n8,2,0,0,0,0,0,1,0\n";
    let table = format!("{HEAD}\n{rows}");
    fs::write_atomic(&folder.join("hemorrhage_diagnosis.csv"), table.as_bytes()).unwrap();
}

#[test]
fn pictures_become_a_data_set_and_a_bad_patient_is_named() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_source(source.path());
    let reports = Mutex::new(Vec::new());
    let on_progress =
        |p: Progress<'_>| reports.lock().unwrap().push((p.done, p.total, p.case_id.to_owned()));

    let options = ImportOptions { spacing_mm: 0.5, ..ImportOptions::default() };
    let summary = import(source.path(), target.path(), &options, &on_progress).unwrap();

    let [failure] = summary.failures.as_slice() else { panic!("one failure: {summary:?}") };
    assert_eq!(failure.case_id, "ctich-008");
    assert!(failure.cause.to_string().starts_with("slices [1] are missing of 1 to 2"));
    let [case] = summary.cases.as_slice() else { panic!("one case: {summary:?}") };
    assert_eq!((case.slice_count, case.bleed_voxels), (2, 64));
    assert_eq!(case.warnings, Vec::<String>::new());
    assert_eq!(reports.into_inner().unwrap().len(), 2);

    let dataset = Dataset::open(target.path()).unwrap();
    let [case] = dataset.cases() else { panic!("one case") };
    let (image, label) = (case.read_image().unwrap(), case.read_label().unwrap().unwrap());
    assert_eq!(image.voxels_hu()[[1, 3, 3]], 40.0);
    // 512 pixels of 0.5 mm are 16 pixels of 16 mm; the mask's corner is left, back and up.
    let [left, back, up] = image.grid().point_lps_mm(1, 12.0, 12.0);
    assert!(left > 0.0 && back > 0.0 && up == 5.0);
    assert_eq!((label[[1, 12, 12]], label[[1, 3, 12]], label[[0, 12, 12]]), (1, 0, 0));
    assert_eq!(image.grid().spacing_mm(), [5.0, 16.0, 16.0]);
    let row = case.participant().unwrap();
    assert_eq!((row.has_bleed(), row.subtypes()), (Some(true), vec![Subtype::Epidural]));
    assert_eq!((row.flag("fracture"), row.get("slices_with_bleed")), (Some(true), Some("1")));
    assert_eq!(
        (row.get("bleed_voxels"), row.get("bleed_ml_nominal")),
        (Some("64"), Some("81.920"))
    );
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let source = tempfile::tempdir().unwrap();
    write_source(source.path());

    let files = [1, 3].map(|threads| {
        let target = tempfile::tempdir().unwrap();
        let threads = NonZeroUsize::new(threads).unwrap();
        let options = ImportOptions { threads, ..ImportOptions::default() };
        import(source.path(), target.path(), &options, &|_| {}).unwrap();
        ["imagesTr/ctich-007_0000.nii.gz", "labelsTr/ctich-007.nii.gz", "participants.tsv"]
            .map(|name| fs::read(&target.path().join(name), 1 << 20).unwrap())
    });

    assert_eq!(files[0], files[1]);
}

#[test]
fn wrong_folders_are_refused_before_anything_is_written() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |options: &ImportOptions| {
        import(source.path(), target.path(), options, &|_| {}).unwrap_err().to_string()
    };
    let options = ImportOptions::default();

    assert!(run(&options).contains("hemorrhage_diagnosis.csv"));
    write_source(source.path());
    let wide = ImportOptions { spacing_mm: f64::NAN, ..options.clone() };
    assert!(run(&wide).starts_with("pixel spacing NaN mm: wanted 0.1 to 2 mm"));
    fs::create_folder(&target.path().join(IMAGES)).unwrap();
    fs::write_atomic(&target.path().join(IMAGES).join("a_0000.nii.gz"), b"").unwrap();
    assert!(run(&options).starts_with("the folder already holds other cases (a_0000.nii.gz)"));
    assert_eq!(fs::list_folder(target.path()).unwrap().len(), 1);
}
