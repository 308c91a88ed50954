//! `haema simulate` through the program.

use crate::stand::Stand;

#[test]
fn a_dataset_is_made_read_back_and_not_made_twice() {
    let stand = Stand::new();

    let line = "simulate --cases 1 --seed 5 --blank 0 --dicom --raters 2 --out heads";
    let first = stand.run(line);
    let again = stand.run(line);
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
    let names = stand.names("heads/ratersTr");
    assert_eq!(names, ["simulated-1", "simulated-2"]);
    for name in names {
        let path = stand.path("heads/ratersTr").join(&name).join("sim-00001.nii.gz");
        let (drawn, _) = haema_io::nifti::read_label(&path).unwrap();
        let drawn = drawn.as_slice();
        assert_ne!(drawn, label.as_slice(), "{name} is not the truth");
        let both = drawn.iter().zip(label.as_slice()).filter(|(a, b)| **a == 1 && **b == 1);
        let sum = drawn.iter().chain(label.as_slice()).filter(|&&voxel| voxel == 1).count();
        let dice = 2.0 * both.count() as f64 / sum as f64;
        assert!((0.6..1.0).contains(&dice), "{name}: Dice {dice}");
        let mut header = Vec::new();
        let bytes = haema_io::fs::read(&path, 1 << 26).unwrap();
        let mut unpacked = flate2::read::GzDecoder::new(bytes.as_slice());
        std::io::Read::read_to_end(&mut unpacked, &mut header).unwrap();
        let words = String::from_utf8_lossy(&header[148..228]).into_owned();
        let wanted = format!("haema: {name}, a simulated rater; no person drew this");
        assert_eq!(words.trim_end_matches('\0'), wanted);
    }
    let description = stand.read("heads/dataset.json");
    assert!(description.contains("2 simulated raters: no person drew them"), "{description}");
}

/// Writes a label map of 2 mm: two hemispheres, a cerebellum, fluid, a skull, skin.
fn write_map(stand: &Stand, name: &str, label: impl Fn([f64; 3], f64) -> u16) {
    use haema_volume::{Affine, Grid, Volume, norm};
    let step = |axis: usize| std::array::from_fn(|i| if i == axis { 2.0 } else { 0.0 });
    let affine = Affine::from_steps(step(0), step(1), step(2), [-99.0; 3]);
    let map = Volume::from_fn([100; 3], |index| {
        let point = affine.point_at(index.map(|i| i as f64));
        label(point, norm(point))
    });
    let grid = Grid::from_affine([100; 3], &affine).unwrap();
    haema_io::fs::create_folder(&stand.path(name)).unwrap();
    haema_io::nifti::write(&stand.path(name).join("map.nii"), &map, &grid).unwrap();
}

fn head_label([x, y, z]: [f64; 3], from_middle: f64) -> u16 {
    let is_cerebellum = (x * x + (y - 32.0).powi(2) + (z + 36.0).powi(2)).sqrt() < 20.0;
    match () {
        () if is_cerebellum => 8,
        () if from_middle < 58.0 => {
            if x > 0.0 {
                2
            } else {
                41
            }
        }
        () if from_middle < 62.0 => 24,
        () if from_middle < 69.0 => 515,
        () if from_middle < 78.0 => 511,
        () => 0,
    }
}

#[test]
fn label_maps_with_unknown_labels_no_skull_or_turned_the_wrong_way_are_refused() {
    let stand = Stand::new();
    write_map(
        &stand,
        "odd",
        |point, from| if from > 160.0 { 999 } else { head_label(point, from) },
    );
    write_map(&stand, "bare", |point, from| match head_label(point, from) {
        515 => 0,
        label => label,
    });
    write_map(&stand, "mirrored", |[x, y, z], from| head_label([-x, y, z], from));
    write_map(&stand, "upside-down", |[x, y, z], from| head_label([x, y, -z], from));

    for (name, wanted) in [
        ("odd", "labels 999 are unknown: wanted FreeSurfer's brain labels"),
        ("bare", "0 mL of skull: wanted at least 150 mL (labels 515, 516)"),
        ("mirrored", "the affine puts the left half of the brain on the right: wanted on the left"),
        (
            "upside-down",
            "the affine puts the cerebellum beside or above the cerebrum: wanted below",
        ),
    ] {
        let ended = stand.run(&format!("simulate --cases 2 --anatomy {name} --out out-{name}"));

        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{name}");
        assert!(ended.err.contains(wanted), "{name}: {}", ended.err);
        assert!(ended.err.contains("map.nii"), "{name}: {}", ended.err);
    }
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
