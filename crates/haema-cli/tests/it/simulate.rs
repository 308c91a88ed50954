//! `haema simulate` through the program.

use crate::stand::Stand;

#[test]
fn a_dataset_is_made_read_back_and_not_made_twice() {
    let stand = Stand::new();

    let first = stand.run("simulate --cases 1 --seed 5 --blank 0 --dicom --out heads");
    let again = stand.run("simulate --cases 1 --seed 5 --blank 0 --dicom --out heads");
    let info = stand.run("info heads/dicom/sim-00001");

    assert_eq!((first.code, first.err.as_str()), (0, ""));
    assert!(first.out.starts_with("sim-00001\t"), "{}", first.out);
    assert!(first.out.contains(" mL"), "{}", first.out);
    assert_eq!(again.out, first.out);
    assert_eq!(info.code, 0, "{}", info.err);
    for file in ["dataset.json", "truth.csv", "participants.tsv", "simulation.json"] {
        assert!(stand.path("heads").join(file).is_file(), "{file}");
    }
    let dataset = haema_io::dataset::Dataset::open(&stand.path("heads")).unwrap();
    let case = &dataset.cases()[0];
    let image = case.read_image().unwrap();
    let label = case.read_label().unwrap().unwrap();
    assert_eq!(case.participant().unwrap().has_bleed(), Some(true));
    assert_eq!(label.size(), image.grid().size());
    assert!(label.as_slice().contains(&1));
}

#[test]
fn a_label_map_that_is_no_head_is_refused_by_name() {
    let stand = Stand::new();
    let grid = haema_volume::Affine::from_steps(
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [0.0; 3],
    );
    let grid = haema_volume::Grid::from_affine([4, 4, 4], &grid).unwrap();
    let map = haema_volume::Volume::filled([4, 4, 4], 3_u8);
    haema_io::fs::create_folder(&stand.path("maps")).unwrap();
    haema_io::nifti::write_mask(&stand.path("maps").join("a.nii.gz"), &map, &grid).unwrap();

    let ended = stand.run("simulate --cases 1 --anatomy maps --out heads");

    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.starts_with("error: nothing was simulated\n"), "{}", ended.err);
    assert!(ended.err.contains("0 mL of brain: wanted at least 500 mL"), "{}", ended.err);
    assert!(ended.err.contains("a.nii.gz"), "{}", ended.err);
}

#[test]
fn a_folder_with_other_files_is_left_alone() {
    let stand = Stand::new();
    stand.write("heads/notes.txt", b"mine");

    let ended = stand.run("simulate --cases 1 --out heads");

    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("files that no simulation made"), "{}", ended.err);
}
