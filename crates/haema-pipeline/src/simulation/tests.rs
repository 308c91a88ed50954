use super::*;

fn order() -> Order {
    Order {
        cases: 3,
        seed: 7,
        blank: 0.5,
        anatomy: None,
        followup: false,
        raters: 0,
        projections: false,
        matrix: 512,
        dicom: false,
        threads: NonZeroUsize::MIN,
    }
}

fn heads() -> Heads {
    Heads::find(None).unwrap()
}

#[test]
fn a_patient_is_the_same_in_a_data_set_of_any_size() {
    let few = order();
    let many = Order { cases: 1000, ..order() };

    assert_eq!(few.bleeds(2, 0), many.bleeds(2, 0));
    let with: usize = (0..1000).filter(|&patient| !many.bleeds(patient, 0).is_empty()).count();
    assert!((450..550).contains(&with), "half have a bleed: {with}");
}

#[test]
fn a_second_scan_has_the_same_bleeds_first() {
    let order = Order { blank: 0.0, ..order() };

    for patient in 0..50 {
        let [first, second] = [0, 1].map(|visit| order.bleeds(patient, visit));

        assert!(second.len() >= first.len());
        for (before, after) in first.iter().zip(&second) {
            assert_eq!((before.site, before.first_ml), (after.site, after.first_ml));
        }
    }
}

#[test]
fn a_folder_with_other_files_or_another_simulation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write_atomic(&folder.path().join("notes.txt"), b"mine").unwrap();

    let refused =
        prepare_folder(folder.path(), &order().settings(&heads())).unwrap_err().to_string();
    assert!(refused.starts_with("files that no simulation made: wanted"), "{refused}");

    let new = folder.path().join("new");
    prepare_folder(&new, &order().settings(&heads())).unwrap();
    prepare_folder(&new, &Order { cases: 9, ..order() }.settings(&heads())).unwrap();
    let other = Order { seed: 8, ..order() }.settings(&heads());
    let refused = prepare_folder(&new, &other).unwrap_err().to_string();
    assert!(refused.starts_with("a simulation with other settings: wanted"), "{refused}");
}

#[test]
fn a_folder_without_label_maps_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let order = Order { anatomy: Some(folder.path().to_owned()), ..order() };

    let refused = simulate(&order, &folder.path().join("out"), &mut |_| {}).unwrap_err();

    assert!(refused.to_string().starts_with("no label maps: wanted files"), "{refused}");
}

#[test]
fn impossible_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refuse =
        |order: &Order| simulate(order, folder.path(), &mut |_| {}).unwrap_err().to_string();

    assert_eq!(refuse(&Order { cases: 0, ..order() }), "number of cases 0: wanted 1 or more");
    assert_eq!(refuse(&Order { raters: 10, ..order() }), "number of raters 10: wanted 0 to 9");
    assert_eq!(
        refuse(&Order { matrix: 4000, ..order() }),
        "matrix of 4000 pixels: wanted 16 to 2048 pixels"
    );
    assert_eq!(
        refuse(&Order { blank: 1.5, ..order() }),
        "share without a bleed 1.5: wanted a share from 0 to 1"
    );
}
