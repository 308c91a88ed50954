//! Training and scoring through the command, on a dataset so small that it takes seconds.

use std::fmt::Write as _;

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
    assert!(stand.read("scores/summary.md").starts_with("## Figures"));
    assert_eq!(
        stand.names("scores"),
        [
            "cases.csv",
            "gallery.html",
            "mask_rules.csv",
            "operating_points.csv",
            "reliability.csv",
            "reliability.svg",
            "roc.csv",
            "roc.svg",
            "strata.csv",
            "summary.md"
        ]
    );
    // Two cases bear no calibration.
    let few =
        stand.run("calibrate run/model.safetensors --cases scores/cases.csv --out calibrated");
    assert_eq!(few.code, 2);
    assert!(few.err.contains("1 cases with a bleed and 1 without"), "{}", few.err);
}

#[test]
fn a_calibrated_model_tells_the_chance_and_what_it_rests_on() {
    let stand = Stand::new();
    let mut cases = String::from("case,patient,reference_ml,soft_ml,score\n");
    for i in 0..40 {
        let (reference_ml, score) = if i % 2 == 0 { (3, 0.8) } else { (0, 0.3) };
        // Every tenth scores as the other kind does.
        let score = if i % 10 < 2 { 1.1 - score } else { score };
        writeln!(cases, "c{i},p{i},{reference_ml},1,{score}").unwrap();
    }
    stand.write("cases.csv", cases.as_bytes());
    let built_in = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../haema-methods/weights/cnn-ds.safetensors");
    stand.write("plain", &std::fs::read(built_in).unwrap());

    let calibrated = stand.run("calibrate plain --cases cases.csv --out model");
    assert_eq!((calibrated.code, calibrated.out.as_str()), (0, "model\n"), "{}", calibrated.err);
    assert!(calibrated.err.contains("on 40 cases, 20 with a bleed"), "{}", calibrated.err);
    let plain = stand.run("segment --sample --out out --model plain --json");
    let found = stand.run("segment --sample --out out --model model --json");

    let read = |out: &str| -> serde_json::Value { serde_json::from_str(out).unwrap() };
    let (plain, found) = (read(&plain.out), read(&found.out));
    assert_eq!(plain["hemorrhage"]["chance"]["cases"], 54, "the built-in model has its own");
    let chance = &found["hemorrhage"]["chance"];
    assert_eq!((&chance["cases"], &chance["with_bleed"]), (&40.into(), &20.into()));
    assert!(chance["value"].as_f64().unwrap() > 0.8, "{chance}");
    let weights = |report: &serde_json::Value| report["receipt"]["weights_sha256"].clone();
    assert_eq!(weights(&plain), weights(&found));
    assert_ne!(plain["receipt"]["job"], found["receipt"]["job"], "not passed over as done");
    let page = stand.read("out/sample/report.html");
    assert!(page.contains("calibrated on 40 scans, 20 with a bleed"));
}

#[test]
fn a_search_leaves_settings_that_train_takes() {
    let stand = tiny();
    let grid = "--depths 2 --learning-rates 1e-3,1e-2 --dropouts 0.2 --strategy grid --epochs 1";

    let searched = stand
        .run(&format!("tune data --out search --config tiny.toml {grid} --validation case4,case5"));

    assert_eq!(
        (searched.code, searched.out.as_str()),
        (0, "search/chosen.toml\n"),
        "{}",
        searched.err
    );
    assert!(
        searched.err.contains("2 of 2: depth 2, rate 1e-2, dropout 0.2, 1 epochs: validation loss")
    );
    assert!(searched.err.contains("the lowest validation loss of all trials"), "{}", searched.err);
    assert_eq!(
        stand.names("search"),
        [
            "chosen.toml",
            "report.html",
            "report.md",
            "split.json",
            "trials",
            "trials.csv",
            "tune.toml"
        ]
    );
    let again = stand.run("tune data --out search");
    assert_eq!(again.code, 0, "a finished search is finished: {}", again.err);
    let trained = stand.run("train data --out run --config search/chosen.toml");
    assert_eq!(trained.code, 0, "{}", trained.err);

    let none = stand.run("tune data --out other --config tiny.toml --learning-rates 7");
    assert_eq!(none.code, 2);
    assert!(none.err.contains("learning rates to be tried: found [7.0]"), "{}", none.err);
}

/// Begins a run anew and kills it until it is over; how often that was.
fn kill_again_and_again(stand: &Stand, line: &str, took: std::time::Duration) -> u32 {
    if stand.path("killed").exists() {
        std::fs::remove_dir_all(stand.path("killed")).unwrap();
    }
    // Moments that fall anywhere in a run, later and later, so that each gets on: no two alike.
    for i in 1..=40_u32 {
        let mut child = stand.command(line);
        child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = child.spawn().unwrap();
        let share = f64::from(i * 7919 % 100) / 100.0;
        std::thread::sleep(took.mul_f64((0.02 + 0.3 * share) * (1.0 + f64::from(i) / 20.0)));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            return i - 1;
        }
    }
    40
}

/// The process is killed as the system kills it, again and again, wherever it happens to be: while it
/// reads, in the middle of a step, while a file is being written.
#[test]
fn a_run_that_is_killed_at_any_moment_ends_with_the_same_bytes() {
    let stand = tiny();
    let line =
        |out: &str| format!("train data --out {out} --config tiny.toml --epochs 6 --threads 1");
    let started = std::time::Instant::now();
    let whole = stand.run(&line("whole"));
    let took = started.elapsed();
    assert_eq!(whole.code, 0, "{}", whole.err);

    // The first run may have shared the machine with others: then the moments are too late, and come sooner.
    let kills = (0..8)
        .map(|halved| kill_again_and_again(&stand, &line("killed"), took / (1 << halved)))
        .find(|kills| *kills >= 3)
        .expect("a run is killed three times before it ends");
    let last = stand.run(&line("killed"));

    assert_eq!(last.code, 0, "{}", last.err);
    for name in [
        "model.safetensors",
        "checkpoint.safetensors",
        "best.safetensors",
        "log.csv",
        "report.html",
    ] {
        let bytes = |run: &str| std::fs::read(stand.path(run).join(name)).unwrap();
        assert!(bytes("whole") == bytes("killed"), "{name} differs after {kills} kills");
    }
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
