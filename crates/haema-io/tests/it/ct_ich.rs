//! One real patient of CT-ICH, against Pillow and `NumPy` (`testdata/make_ct_ich.py`).

use std::path::Path;

use haema_io::ct_ich::{ImportOptions, import};
use haema_io::dataset::{Dataset, Subtype};
use haema_io::fs;
use serde_json::Value;

const PATIENT: &str = "Patients_CT/049";

/// Copies one patient and the table into a folder, or says that the data are not here.
fn copy_patient(target: &Path) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ct-ich");
    if !source.is_dir() {
        eprintln!("skipped: no ../shared/data/ct-ich beside the project");
        return false;
    }
    let copy = |name: &Path| {
        let bytes = fs::read(&source.join(name), 1 << 20).unwrap();
        fs::write_atomic(&target.join(name), &bytes).unwrap();
    };
    for window in ["brain", "bone"] {
        let folder = Path::new(PATIENT).join(window);
        fs::create_folder(&target.join(&folder)).unwrap();
        for path in fs::list_folder(&source.join(&folder)).unwrap() {
            copy(&folder.join(path.file_name().unwrap()));
        }
    }
    copy(Path::new("hemorrhage_diagnosis.csv"));
    true
}

fn expected() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ct_ich_049.expected.json");
    serde_json::from_str(&fs::read_to_string(&path, 1 << 20).unwrap()).unwrap()
}

#[test]
fn a_real_patient_has_the_hounsfield_units_and_masks_that_numpy_finds() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if !copy_patient(source.path()) {
        return;
    }
    let expected = expected();

    let options = ImportOptions::default();
    let summary = import(source.path(), target.path(), &options, &|_| {}).unwrap();

    assert!(summary.failures.is_empty(), "{summary:?}");
    assert_eq!(summary.cases[0].warnings, Vec::<String>::new());
    let dataset = Dataset::open(target.path()).unwrap();
    let [case] = dataset.cases() else { panic!("one case") };
    assert_eq!(case.id(), "ctich-049");
    let (image, label) = (case.read_image().unwrap(), case.read_label().unwrap().unwrap());

    // JPEG decoders differ by one grey value here and there, so counts may differ by a little.
    let hu = image.voxels_hu();
    let edges = [-1000.0, -500.0, -20.0, 0.0, 20.0, 40.0, 60.0, 100.0, 300.0, 3000.0];
    for (range, wanted) in edges.windows(2).zip(expected["voxels_by_hu"].as_array().unwrap()) {
        let is_in = |&&v: &&f32| v >= range[0] && v < range[1];
        let (found, wanted) =
            (hu.as_slice().iter().filter(is_in).count(), wanted.as_f64().unwrap());
        assert!(
            (found as f64 - wanted).abs() <= 0.001 * wanted,
            "{range:?}: {found}, not {wanted}"
        );
    }
    for (name, place) in expected["places"].as_object().unwrap() {
        let at: [usize; 3] = serde_json::from_value(place["zyx"].clone()).unwrap();
        let wanted = place["hu"].as_f64().unwrap();
        let tolerance = if wanted > 100.0 { 13.0 } else { 1.0 }; // one step of the window
        assert!((f64::from(hu[at]) - wanted).abs() <= tolerance, "{name}: {}", hu[at]);
    }
    let wanted: Vec<usize> =
        serde_json::from_value(expected["mask_voxels_by_slice"].clone()).unwrap();
    let in_slice = |z| label.plane(z).iter().copied().map(usize::from).sum::<usize>();
    assert_eq!((0..label.size()[0]).map(in_slice).collect::<Vec<_>>(), wanted);

    // The bleed is in front on the right: in LPS both are negative.
    let centre: [f64; 3] = serde_json::from_value(expected["mask_centre_zyx"].clone()).unwrap();
    let [left, back, up] = image.grid().lps_from_index().point_at(centre);
    assert!(left < -10.0 && back < -10.0 && up > 80.0, "{left} {back} {up}");
    let row = case.participant().unwrap();
    assert_eq!(row.subtypes(), [Subtype::Intraparenchymal, Subtype::Epidural]);
}
