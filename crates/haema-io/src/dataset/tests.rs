use haema_volume::{Affine, Grid};

use super::*;

fn write_case(folder: &Path, id: &str, has_label: bool) {
    let step = Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
    let grid = Grid::from_affine([1, 1, 2], &step).unwrap();
    fs::create_folder(&folder.join(IMAGES)).unwrap();
    fs::create_folder(&folder.join(LABELS)).unwrap();
    let image = Volume::new([1, 1, 2], vec![-5_i16, 60]).unwrap();
    let path = folder.join(IMAGES).join(format!("{id}_0000.nii.gz"));
    crate::nifti::write(&path, &image, &grid).unwrap();
    if has_label {
        let label = Volume::new([1, 1, 2], vec![0, 1]).unwrap();
        let path = folder.join(LABELS).join(format!("{id}.nii.gz"));
        crate::nifti::write_mask(&path, &label, &grid).unwrap();
    }
}

#[test]
fn cases_come_sorted_with_their_labels_and_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Description::of_bleeds("two", 2).write(folder).unwrap();
    write_case(folder, "b", false);
    write_case(folder, "a", true);
    let mut participants = Participants::with_columns(["hemorrhage", "epidural", "subdural"]);
    participants.insert("a", ["1", "1", "n/a"].map(str::to_owned).to_vec());
    participants.write(folder).unwrap();

    let dataset = Dataset::open(folder).unwrap();

    let ids: Vec<&str> = dataset.cases().iter().map(Case::id).collect();
    assert_eq!(ids, ["a", "b"]);
    let [a, b] = dataset.cases() else { panic!("two cases") };
    assert_eq!(a.read_image().unwrap().voxels_hu().as_slice(), [-5.0, 60.0]);
    assert_eq!(a.read_label().unwrap().unwrap().as_slice(), [0, 1]);
    assert_eq!(b.read_label().unwrap(), None);
    let row = a.participant().unwrap();
    assert_eq!((row.has_bleed(), row.flag("subdural")), (Some(true), None));
    assert_eq!(row.subtypes(), [Subtype::Epidural]);
    assert_eq!(b.participant(), None);
}

#[test]
fn masks_of_several_people_are_found_by_their_folders() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Description::of_bleeds("two", 2).write(folder).unwrap();
    write_case(folder, "a", true);
    write_case(folder, "b", true);
    assert!(Dataset::open(folder).unwrap().raters().is_empty());
    for rater in ["second", "first", ".hidden"] {
        let own = folder.join(RATERS).join(rater);
        fs::create_folder(&own).unwrap();
        std::fs::copy(folder.join(LABELS).join("a.nii.gz"), own.join("a.nii.gz")).unwrap();
    }

    let dataset = Dataset::open(folder).unwrap();

    assert_eq!(dataset.raters(), ["first", "second"]);
    let [a, b] = dataset.cases() else { panic!("two cases") };
    let (mask, grid) = dataset.read_rater("first", a).unwrap().unwrap();
    assert_eq!((mask.as_slice(), grid.size()), ([0, 1].as_slice(), [1, 1, 2]));
    assert_eq!(dataset.read_rater("first", b).unwrap(), None);
    assert_eq!(dataset.read_rater("nobody", a).unwrap(), None);
}

#[test]
fn a_folder_without_the_layout_is_told_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();

    let message = Dataset::open(folder.path()).unwrap_err().to_string();

    assert!(message.starts_with("no dataset.json: wanted"), "{message}");
    assert!(message.ends_with(&folder.path().display().to_string()), "{message}");
}

#[test]
fn a_ragged_table_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "participant_id\themorrhage\na\t1\nb\n";
    fs::write_atomic(&folder.path().join(PARTICIPANTS), text.as_bytes()).unwrap();

    let message = Participants::read(folder.path()).unwrap_err().to_string();

    assert!(message.starts_with("line 3: 1 columns: wanted 2: "), "{message}");
}

#[test]
fn a_second_channel_and_foreign_endings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut description = Description::of_bleeds("mr", 1);
    description.channel_names.insert("1".to_owned(), "T2".to_owned());
    description.write(folder.path()).unwrap();
    let message = Dataset::open(folder.path()).unwrap_err().to_string();
    assert!(message.starts_with("2 channels: wanted one, CT: "), "{message}");

    let mut description = Description::of_bleeds("png", 1);
    description.file_ending = ".png".to_owned();
    description.write(folder.path()).unwrap();
    let message = Dataset::open(folder.path()).unwrap_err().to_string();
    assert!(message.starts_with("files end in \".png\": wanted"), "{message}");
}
