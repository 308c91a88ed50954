//! Training and scoring through the command, on a dataset so small that it takes seconds.

use haema_io::nifti;
use haema_methods::cnn_ds::{CnnDs, Profile};
use haema_methods::frame::{Crop, Planes, Preprocessing};
use haema_methods::{Method, Recipe, View};
use haema_pipeline::training::{Preset, TrainConfig};
use haema_volume::{Affine, Grid, Volume};

use crate::stand::Stand;

/// Six scans of 8 × 32 × 32 voxels, three of them with a bright block, and settings to match.
fn tiny() -> Stand {
    let stand = Stand::new();
    let affine = Affine::from_steps([4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
    let grid = Grid::from_affine([8, 32, 32], &affine).unwrap();
    let json = r#"{"channel_names":{"0":"CT"},"labels":{"background":0,"bleed":1},
        "numTraining":6,"file_ending":".nii.gz","name":"tiny"}"#;
    stand.write("data/dataset.json", json.as_bytes());
    std::fs::create_dir_all(stand.path("data/imagesTr")).unwrap();
    std::fs::create_dir_all(stand.path("data/labelsTr")).unwrap();
    for case in 0..6_usize {
        let is_bleed = |[z, y, x]: [usize; 3]| {
            case % 2 == 0 && (2..5).contains(&z) && (8 + case..18).contains(&y) && x / 8 == 1
        };
        // No two scans are the same.
        let brain_hu = 30.0 + case as f32;
        let image = Volume::from_fn([8, 32, 32], |at| if is_bleed(at) { 70.0 } else { brain_hu });
        let label = Volume::from_fn([8, 32, 32], |at| u8::from(is_bleed(at)));
        let image_path = stand.path(&format!("data/imagesTr/case{case}_0000.nii.gz"));
        let label_path = stand.path(&format!("data/labelsTr/case{case}.nii.gz"));
        nifti::write(&image_path, &image, &grid).unwrap();
        nifti::write_mask(&label_path, &label, &grid).unwrap();
    }
    let base = TrainConfig::profile(Profile::Recommended);
    let config = TrainConfig {
        epochs: 2,
        network: CnnDs { base: 4, depth: 2, ..CnnDs::profile(Profile::Recommended) }.into(),
        preprocessing: Preprocessing {
            in_plane: [16, 16],
            planes: Planes::Fixed { count: 8 },
            ..Preprocessing::paper()
        },
        ..base
    };
    stand.write("tiny.toml", toml::to_string(&config).unwrap().as_bytes());
    stand
}

#[test]
fn a_run_leaves_its_settings_split_log_checkpoint_and_model_and_can_be_scored() {
    let stand = tiny();

    let trained = stand.run("train data --out run --config tiny.toml --hold-aside-every 3");

    assert_eq!((trained.code, trained.out.as_str()), (0, "run/model.safetensors\n"));
    assert!(trained.err.contains("epoch   2  loss"), "{}", trained.err);
    assert_eq!(
        stand.names("run"),
        [
            "best.safetensors",
            "checkpoint.safetensors",
            "config.toml",
            "fingerprint.json",
            "log.csv",
            "model.safetensors",
            "plan.json",
            "report.html",
            "split.json"
        ]
    );
    assert_eq!(stand.read("run/log.csv").lines().count(), 3);

    let again = stand.run("train data --out run");
    assert_eq!(again.code, 0, "a finished run is finished: {}", again.err);

    let scored =
        stand.run("eval data --model run/model.safetensors --held-aside-by run --out scores");
    assert_eq!(scored.code, 0, "{}", scored.err);
    assert!(scored.out.contains("| mean Dice, cases with a bleed | 1 |"), "{}", scored.out);
    let cases = stand.read("scores/cases.csv");
    let ids: Vec<&str> = cases.lines().skip(1).map(|row| &row[..5]).collect();
    // Bleeds shrink from case 0 to case 4, so case 2 is in their middle; cases without go by id.
    assert_eq!(ids, ["case2", "case3"]);
    assert!(stand.read("scores/summary.md").starts_with("| figure |"));
}

#[test]
fn every_network_is_trained_scored_and_used_by_its_name() {
    let stand = tiny();
    for method in Method::ALL.into_iter().filter(|method| method.is_network()) {
        let name = method.name();
        let base = TrainConfig::preset(method, Preset::Tiny).unwrap();
        let view = match base.recipe.view {
            View::Patches { .. } => View::Patches { side: 8, overlap: 4 },
            View::Slices { window: Some(_), .. } => {
                View::Slices { at_once: 4, window: Some([8, 4]) }
            }
            view => view,
        };
        let config = TrainConfig {
            epochs: 1,
            preprocessing: Preprocessing {
                crop: Crop::None,
                in_plane: [16, 16],
                ..base.preprocessing.clone()
            },
            recipe: Recipe { view, ..base.recipe.clone() },
            ..base
        };
        stand.write("method.toml", toml::to_string(&config).unwrap().as_bytes());

        let trained =
            stand.run(&format!("train data --out {name} --config method.toml --threads 2"));
        assert_eq!(trained.code, 0, "{name}: {}", trained.err);
        let model = format!("--model {name}/model.safetensors");
        let scored = stand.run(&format!("eval data --method {name} {model} --out scores-{name}"));
        assert_eq!(scored.code, 0, "{name}: {}", scored.err);
        assert_eq!(stand.read(&format!("scores-{name}/cases.csv")).lines().count(), 7);
        let segmented = stand.run(&format!("segment --sample {model} --out masks-{name} --json"));
        assert_eq!(segmented.code, 0, "{name}: {}", segmented.err);
        assert!(segmented.out.contains(&format!("\"method\":\"{name}\"")), "{}", segmented.out);
    }
    let other =
        stand.run("segment --sample --method patch-unet --model cnn/model.safetensors --out x");
    assert_eq!(other.code, 2);
    assert!(other.err.contains("are of cnn, and --method is patch-unet"), "{}", other.err);
    let none = stand.run("segment --sample --method slice-unet --out x");
    assert_eq!(none.code, 2);
    assert!(none.err.contains("no built-in model of slice-unet"), "{}", none.err);
}

#[test]
fn folds_score_every_case_by_a_model_that_never_saw_it() {
    let stand = tiny();

    let trained = stand.run("train data --out cv --config tiny.toml --epochs 1 --folds 3");
    assert_eq!(trained.code, 0, "{}", trained.err);
    assert_eq!(stand.names("cv"), ["fold-1", "fold-2", "fold-3"]);
    let scored = stand.run("eval data --held-aside-by cv --out scores");
    assert_eq!(scored.code, 0, "{}", scored.err);
    assert_eq!(stand.read("scores/cases.csv").lines().count(), 7);

    let none = stand.run("train data --out cv --folds 3 --fold 4");
    assert_eq!(none.code, 2);
    assert!(none.err.contains("fold 4 of 3: wanted 1 to 3"), "{}", none.err);
    let one = stand.run("eval data --held-aside-by cv --model cv/fold-1/model.safetensors --out x");
    assert!(one.err.contains("leave --model out"), "{}", one.err);
}

#[test]
fn what_cannot_be_trained_is_refused_with_its_reason() {
    let stand = tiny();

    let unknown = stand.run("train data --out run --config tiny.toml --hold-aside case9");
    let nowhere = stand.run("train nowhere --out run");
    stand.write("bad.toml", b"schema = 1\nspeed = 9\n");
    let bad = stand.run("train data --out run --config bad.toml");
    let norun = stand.run("eval data --held-aside-by nowhere --out scores");

    for (ended, words) in [
        (&unknown, "the dataset has no case case9"),
        (&nowhere, "nowhere"),
        (&bad, "unknown field `speed`"),
        (&norun, "no training run (wanted split.json) in nowhere"),
    ] {
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(ended.err.contains(words), "{}", ended.err);
    }
}
