//! The paper's study through the command, on heads so coarse that it takes seconds.

use haema_io::nifti;
use haema_volume::{Affine, Grid, Volume};

use crate::stand::Stand;

/// Eight scans of 16 × 32 × 32 voxels, six with a bright block, drawn by as many raters.
fn dataset(stand: &Stand, raters: usize) {
    let affine = Affine::from_steps([6.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
    let grid = Grid::from_affine([16, 32, 32], &affine).unwrap();
    let json = r#"{"channel_names":{"0":"CT"},"labels":{"background":0,"bleed":1},
        "numTraining":8,"file_ending":".nii.gz","name":"blocks"}"#;
    stand.write("data/dataset.json", json.as_bytes());
    for case in 0..8_usize {
        // A ball of a head, so that a crop finds one.
        let is_head = |[z, y, x]: [usize; 3]| {
            let far = |a: usize, middle: f64, radius: f64| ((a as f64 - middle) / radius).powi(2);
            far(z, 7.5, 9.0) + far(y, 15.5, 14.0) + far(x, 15.5, 12.0) < 1.0
        };
        let is_bleed = |[z, y, x]: [usize; 3], more: usize| {
            case % 4 != 3
                && (5..9 + case % 3).contains(&z)
                && (12..18 + more).contains(&y)
                && (12..18).contains(&x)
        };
        let hu = |at: [usize; 3]| match (is_head(at), is_bleed(at, 0)) {
            (_, true) => 70.0,
            (true, false) => 30.0 + case as f32,
            (false, false) => -1000.0,
        };
        let image = Volume::from_fn([16, 32, 32], hu);
        let mask = |more: usize| Volume::from_fn([16, 32, 32], |at| u8::from(is_bleed(at, more)));
        let write = |path: String, mask: &Volume<u8>| {
            std::fs::create_dir_all(stand.path(&path).parent().unwrap()).unwrap();
            nifti::write_mask(&stand.path(&path), mask, &grid).unwrap();
        };
        std::fs::create_dir_all(stand.path("data/imagesTr")).unwrap();
        nifti::write(&stand.path(&format!("data/imagesTr/case{case}_0000.nii.gz")), &image, &grid)
            .unwrap();
        write(format!("data/labelsTr/case{case}.nii.gz"), &mask(0));
        for rater in 0..raters {
            write(format!("data/ratersTr/reader-{rater}/case{case}.nii.gz"), &mask(rater));
        }
    }
}

const LINE: &str = "study data --quick --out out --epochs 1 --threads 2";

#[test]
fn every_table_and_figure_of_the_paper_is_there_and_a_second_call_takes_what_it_finds() {
    let stand = Stand::new();
    dataset(&stand, 3);

    let first = stand.run(LINE);

    // The blocks are no heads: the one method that needs a template says so, and the rest goes on.
    assert_eq!(first.code, 1, "{}", first.err);
    assert!(first.err.contains("note: pitchperfect has no model"), "{}", first.err);
    assert_eq!(first.out, "out/report.html\n");
    let tables = stand.names("out/tables");
    for name in [
        "table_1", "table_2", "table_3", "table_4", "table_5", "figure_1", "figure_2", "figure_3",
        "figure_4",
    ] {
        assert!(
            tables.contains(&format!("{name}.csv")) && tables.contains(&format!("{name}.md")),
            "{name}"
        );
    }
    let figures = stand.names("out/figures");
    for number in 1..=4 {
        for ending in ["svg", "png"] {
            assert!(figures.contains(&format!("figure_{number}.{ending}")), "{figures:?}");
        }
    }
    let page = stand.read("out/report.html");
    let order = [
        "Table 1.",
        "Table 2.",
        "Figure 1.",
        "Figure 2.",
        "Table 3.",
        "Table 4.",
        "Figure 3.",
        "Table 5.",
        "Figure 4.",
    ];
    let places: Vec<usize> =
        order.iter().map(|name| page.find(&format!("<h2>{name}")).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains("cnn-ds: 1 × ") && page.contains("Beyond the paper"));
    let figure = stand.read("out/figures/figure_3.svg");
    assert!(figure.contains("blocks") && figure.contains("seed 1"), "says what it is of: {figure}");
    assert!(page.contains("reader-0") && page.contains("blocks") && !page.contains("NaN"));
    assert!(
        !page.contains("http:")
            || page.matches("http:").count() == page.matches("http://www.w3.org/2000/svg").count()
    );
    let second_table = stand.read("out/tables/table_2.csv");
    assert_eq!(second_table.lines().count(), 7, "{second_table}");
    assert!(second_table.contains("7.99e-10") && second_table.contains(",blocks,"));
    let master = stand.read("out/master.csv");

    std::fs::remove_file(stand.path("out/report.html")).unwrap();
    let second = stand.run(LINE);
    assert!(!second.err.contains("epoch"), "trained again: {}", second.err);
    assert_eq!(stand.read("out/master.csv"), master);
    assert_eq!(stand.read("out/report.html"), page);

    let other = stand.run("study data --quick --out out --epochs 2");
    assert_eq!(other.code, 2);
    assert!(other.err.contains("study with other settings"), "{}", other.err);
}

#[test]
fn missing_masks_one_reader_and_other_grids_are_told_and_the_rest_is_done() {
    let stand = Stand::new();
    dataset(&stand, 0);
    std::fs::remove_file(stand.path("data/labelsTr/case0.nii.gz")).unwrap();
    let small = Grid::from_affine(
        [4, 8, 8],
        &Affine::from_steps([6.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]),
    );
    let mask = Volume::filled([4, 8, 8], 1_u8);
    nifti::write_mask(&stand.path("data/labelsTr/case1.nii.gz"), &mask, &small.unwrap()).unwrap();

    let done =
        stand.run("study data --quick --out out --epochs 1 --methods cnn-ds --test case2,case4");

    assert_eq!(done.code, 1, "{}", done.err);
    assert!(done.err.contains("left out: case case0 has no mask"), "{}", done.err);
    assert!(done.err.contains("left out: the mask of case case1"), "{}", done.err);
    assert_eq!(stand.read("out/tables/table_2.csv").lines().count(), 2, "E1 and M alone");
    assert!(stand.read("out/report.html").contains("masks of one reader alone"));
    assert!(stand.read("out/tables/table_3.csv").contains("cnn-ds,dice"));
}

#[test]
fn a_rater_who_missed_a_case_or_drew_on_another_grid_is_told_and_never_replaced() {
    let stand = Stand::new();
    dataset(&stand, 2);
    std::fs::remove_file(stand.path("data/ratersTr/reader-1/case2.nii.gz")).unwrap();
    let affine = Affine::from_steps([6.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
    let small = Grid::from_affine([4, 8, 8], &affine).unwrap();
    let mask = Volume::filled([4, 8, 8], 1_u8);
    let path = stand.path("data/ratersTr/reader-0/case2.nii.gz");
    nifti::write_mask(&path, &mask, &small).unwrap();

    let done = stand
        .run("study data --quick --out out --epochs 1 --methods cnn-ds --test case0,case2,case4");

    let page = stand.read("out/report.html");
    assert!(page.contains("rater reader-1 did not draw case case2"), "{}", done.err);
    let fault = "the mask of rater reader-0 on case case2 has [4, 8, 8] [z, y, x] voxels";
    assert!(page.contains(fault) && done.err.contains(fault), "{}", done.err);
    assert_eq!(done.code, 1);
    let table = stand.read("out/tables/table_2.csv");
    let counts: Vec<&str> = table.lines().skip(1).filter_map(|row| row.split(',').nth(2)).collect();
    assert_eq!(counts, ["2", "2", "2"], "E1–E2, E1–M, E2–M, on case0 and case4: {table}");
    assert!(stand.read("out/master.csv").contains("case2,case2,reference,cnn-ds"));
}

#[test]
fn a_test_set_without_a_bleed_and_one_without_a_case_are_told() {
    let stand = Stand::new();
    dataset(&stand, 0);
    let done = stand.run("study data --quick --out out --epochs 1 --methods cnn-ds --test case3");
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(stand.read("out/report.html").contains("No test scan has a bleed"));

    let unknown = stand.run("study data --quick --out other --methods cnn-ds --test case99");
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("no case case99"), "{}", unknown.err);

    std::fs::remove_dir_all(stand.path("data/labelsTr")).unwrap();
    let none = stand.run("study data --quick --out none --methods cnn-ds");
    assert_eq!(none.code, 2);
    assert!(none.err.contains("none of the 8 cases can be used"), "{}", none.err);
}
