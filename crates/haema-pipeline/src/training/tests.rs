//! Runs on a tiny dataset: learning, stopping, going on.

use std::num::NonZeroUsize;
use std::path::Path;

use haema_io::dataset::Dataset;
use haema_io::nifti;
use haema_methods::cnn_ds::{CnnDs, Profile};
use haema_methods::frame::{Planes, Preprocessing};
use haema_nn::{
    Cpu, Engine, EngineError, Learner, NetSpec, Parameters, Predictor, TrainingPrecision,
};
use haema_volume::{Affine, Grid, Volume};

use super::{Job, Progress, Schedule, SimulatedCases, Split, TrainConfig, TrainError, train};

/// Four heads of 8 × 32 × 32 voxels, two of them with a bright block.
pub(crate) fn dataset(folder: &Path) -> Dataset {
    let steps = ([4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0]);
    let affine = Affine::from_steps(steps.0, steps.1, steps.2, [0.0; 3]);
    let grid = Grid::from_affine([8, 32, 32], &affine).unwrap();
    for folder in ["imagesTr", "labelsTr"].map(|name| folder.join(name)) {
        std::fs::create_dir_all(folder).unwrap();
    }
    for case in 0..4_usize {
        let is_bleed = |[z, y, x]: [usize; 3]| {
            case % 2 == 0
                && (2..5).contains(&z)
                && (10..18).contains(&y)
                && (8 + case..16).contains(&x)
        };
        // No two scans are the same.
        let brain_hu = 30.0 + case as f32;
        let image = Volume::from_fn([8, 32, 32], |at| if is_bleed(at) { 70.0 } else { brain_hu });
        let label = Volume::from_fn([8, 32, 32], |at| u8::from(is_bleed(at)));
        let name = format!("case{case}");
        let path = folder.join(format!("imagesTr/{name}_0000.nii.gz"));
        nifti::write(&path, &image, &grid).unwrap();
        nifti::write_mask(&folder.join(format!("labelsTr/{name}.nii.gz")), &label, &grid).unwrap();
    }
    let json = r#"{"channel_names":{"0":"CT"},"labels":{"background":0,"bleed":1},
        "numTraining":4,"file_ending":".nii.gz","name":"tiny"}"#;
    std::fs::write(folder.join("dataset.json"), json).unwrap();
    Dataset::open(folder).unwrap()
}

pub(super) fn n(threads: usize) -> NonZeroUsize {
    NonZeroUsize::new(threads).unwrap()
}

pub(super) fn config(epochs: u32) -> TrainConfig {
    let base = TrainConfig::profile(Profile::Recommended);
    TrainConfig {
        epochs,
        learning_rate: 5e-3,
        average_decay: 0.5,
        network: CnnDs { base: 4, depth: 2, dropout: 0.2, ..CnnDs::profile(Profile::Recommended) }
            .into(),
        preprocessing: Preprocessing {
            in_plane: [16, 16],
            planes: Planes::Fixed { count: 8 },
            ..Preprocessing::paper()
        },
        ..base
    }
}

pub(super) fn split(dataset: &Dataset) -> Split {
    let ids: Vec<&str> = dataset.cases().iter().map(haema_io::dataset::Case::id).collect();
    Split::named(&ids, &["case3".into()], &[]).unwrap()
}

pub(super) fn job<'a>(config: &'a TrainConfig, split: &'a Split) -> Job<'a> {
    Job { config, split, start: None, anatomy: None, engine: None }
}

fn run(dataset: &Dataset, config: &TrainConfig, folder: &Path, threads: usize) -> Vec<u8> {
    std::fs::create_dir_all(folder).unwrap();
    train(dataset, job(config, &split(dataset)), folder, n(threads), &mut |_| ()).unwrap();
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

/// Stops a run by unwinding out of its progress report, as abruptly as a kill does between writes.
fn run_and_stop(
    dataset: &Dataset,
    config: &TrainConfig,
    folder: &Path,
    is_at: impl Fn(Progress) -> bool,
) {
    std::fs::create_dir_all(folder).unwrap();
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        train(dataset, job(config, &split(dataset)), folder, n(1), &mut |progress| {
            assert!(!is_at(progress), "stopped on purpose");
        })
    }));
    assert!(stopped.is_err(), "the run was to be stopped");
}

#[test]
fn a_stopped_run_goes_on_and_ends_with_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let config = config(3);
    let whole = run(&dataset, &config, &folder.path().join("whole"), 1);

    for (i, at) in [(1, 2), (2, 1), (3, 4)].into_iter().enumerate() {
        let stopped = folder.path().join(format!("stopped{i}"));
        run_and_stop(
            &dataset,
            &config,
            &stopped,
            |progress| matches!(progress, Progress::Step { epoch, step, .. } if (epoch, step) == at),
        );
        assert!(run(&dataset, &config, &stopped, 2) == whole, "stopped at {at:?}");
    }
}

#[test]
fn simulated_cases_are_the_same_again_in_a_run_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    // Coarse heads do: what counts is that they are the same.
    let coarse = SimulatedCases { pitch_mm: 4.0, ..SimulatedCases::new(1, None).unwrap() };
    let config = TrainConfig { simulated_cases: Some(coarse), ..config(2) };
    let whole = run(&dataset, &config, &folder.path().join("whole"), 2);
    let stopped = folder.path().join("stopped");
    run_and_stop(&dataset, &config, &stopped, |progress| {
        matches!(progress, Progress::Simulating { epoch: 2, .. })
    });

    assert!(run(&dataset, &config, &stopped, 2) == whole, "not the same bytes");
}

#[test]
fn a_run_with_other_label_maps_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let cases = SimulatedCases::new(1, None).unwrap();
    let named = SimulatedCases { anatomies: vec!["a.nii.gz".into(), "b.nii.gz".into()], ..cases };
    let config = TrainConfig { simulated_cases: Some(named), ..config(1) };
    let path = folder.path().join("run");

    let error =
        train(&dataset, job(&config, &split(&dataset)), &path, n(1), &mut |_| ()).unwrap_err();

    let told = error.to_string();
    assert!(told.contains("2 label maps, a.nii.gz to b.nii.gz, and the built-in heads"), "{told}");
}

#[test]
fn one_scan_on_two_sides_of_the_split_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    // Case 3 is for validation.
    let image = |id: &str| folder.path().join(format!("imagesTr/{id}_0000.nii.gz"));
    std::fs::copy(image("case1"), image("case3")).unwrap();

    let run = folder.path().join("run");
    let error =
        train(&dataset, job(&config(1), &split(&dataset)), &run, n(1), &mut |_| ()).unwrap_err();

    assert!(error.to_string().starts_with("cases case1 and case3 are the same scan"), "{error}");
}

#[test]
fn masks_that_lie_elsewhere_or_hold_other_labels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let path = folder.path().join("labelsTr/case0.nii.gz");
    let steps = ([4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0]);
    let write = |value: u8, size: [usize; 3], shift_mm: f64| {
        let affine = Affine::from_steps(steps.0, steps.1, steps.2, [shift_mm, 0.0, 0.0]);
        let grid = Grid::from_affine(size, &affine).unwrap();
        let mask = Volume::from_fn(size, |[z, ..]| if z == 0 { value } else { 0 });
        nifti::write(&path, &mask, &grid).unwrap();
        let run = folder.path().join("run");
        let (config, split) = (config(1), split(&dataset));
        let error = train(&dataset, job(&config, &split), &run, n(1), &mut |_| ()).unwrap_err();
        error.to_string()
    };

    assert_eq!(
        write(3, [8, 32, 32], 0.0),
        "the mask of case case0 has the value 3: dataset.json gives labels [0, 1]"
    );
    assert_eq!(
        write(1, [8, 32, 32], 3.0),
        "the mask of case case0 lies up to 3.00 mm from its scan: wanted the scan's own grid"
    );
    assert!(write(1, [8, 32, 31], 0.0).contains("has [8, 32, 31] voxels, its scan [8, 32, 32]"));
}

#[test]
fn a_run_tells_what_it_found_and_what_it_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let path = folder.path().join("run");
    run(&dataset, &config(1), &path, 1);

    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path.join(name)).unwrap()).unwrap()
    };
    let fingerprint = read("fingerprint.json");
    // 3 × 8 × 8 voxels of 80 mm³.
    assert_eq!(fingerprint["cases"][0]["bleed_ml"], 15.36);
    assert_eq!(fingerprint["cases"][3]["role"], "validation");
    assert_eq!(fingerprint["with_bleed"], 2);
    let plan = read("plan.json");
    // Three training cases, of which two with a bleed come twice.
    assert_eq!(plan["steps_in_epoch"], 5);
    assert_eq!(plan["inputs"][1], serde_json::json!([8, 16, 16]));
    let page = std::fs::read_to_string(path.join("report.html")).unwrap();
    assert!(page.contains("1 of 1 epochs"), "{page}");
}

#[test]
fn a_run_learns_two_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let mut losses = Vec::new();
    let run = folder.path().join("run");
    std::fs::create_dir_all(&run).unwrap();

    train(&dataset, job(&config(12), &split(&dataset)), &run, n(2), &mut |progress| {
        if let Progress::Epoch(epoch) = progress {
            losses.push(epoch.train_loss);
        }
    })
    .unwrap();

    assert!(losses[10] < 0.75 * losses[0], "{losses:?}");
}

#[test]
fn a_run_starts_from_the_model_that_it_names_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let bytes = run(&dataset, &config(1), &folder.path().join("first"), 2);
    let (_, start, _) = Parameters::from_bytes(&bytes).unwrap();
    let split = split(&dataset);
    let path = folder.path().join("second");
    let named =
        TrainConfig { start_sha256: Some(start.sha256()), learning_rate: 1e-12, ..config(1) };

    let error = train(&dataset, job(&named, &split), &path, n(1), &mut |_| ()).unwrap_err();
    assert!(error.to_string().ends_with("and none was given"), "{error}");

    let job = Job { start: Some(&start), ..job(&named, &split) };
    train(&dataset, job, &path, n(2), &mut |_| ()).unwrap();
    let bytes = std::fs::read(path.join("model.safetensors")).unwrap();
    let (_, end, _) = Parameters::from_bytes(&bytes).unwrap();
    for (a, b) in start.values().iter().zip(end.values()) {
        assert!((a - b).abs() < 1e-3 * a.abs().max(1e-3), "{a} {b}");
    }
}

#[test]
fn the_plateau_rule_stops_early() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let schedule = Schedule::Plateau { patience: 1, factor: 0.1, stop_after: 2 };
    let config = TrainConfig { schedule, learning_rate: 1e-9, ..config(50) };
    let run = folder.path().join("run");
    std::fs::create_dir_all(&run).unwrap();

    let summary = train(&dataset, job(&config, &split(&dataset)), &run, n(2), &mut |_| ()).unwrap();

    assert!(summary.epochs < 20, "{summary:?}");
    assert!(summary.last.unwrap().learning_rate < 1e-9);
}

#[test]
fn a_folder_with_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let path = folder.path().join("run");
    run(&dataset, &config(1), &path, 1);

    let other = TrainConfig { seed: 2, ..config(1) };
    let error =
        train(&dataset, job(&other, &split(&dataset)), &path, n(1), &mut |_| ()).unwrap_err();

    assert!(matches!(error, TrainError::OtherRun), "{error}");
}

#[test]
fn a_diverging_run_names_the_case_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let path = folder.path().join("run");
    std::fs::create_dir_all(&path).unwrap();

    let wild = TrainConfig { learning_rate: 1e30, ..config(9) };
    let error =
        train(&dataset, job(&wild, &split(&dataset)), &path, n(1), &mut |_| ()).unwrap_err();

    assert!(error.to_string().contains("try a lower learning rate"), "{error}");
}

#[test]
fn the_paper_profile_survives_its_file() {
    for profile in [Profile::Paper, Profile::Recommended] {
        let config = TrainConfig::profile(profile);
        let text = toml::to_string_pretty(&config).unwrap();

        assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config);
        let unknown = format!("unknown = 1\n{text}");
        assert!(toml::from_str::<TrainConfig>(&unknown).is_err(), "an unknown key is refused");
    }
}

/// Our kernels under another name, as a GPU would come.
#[derive(Debug)]
struct Card(Cpu);

impl Engine for Card {
    fn device(&self) -> Option<&str> {
        Some("a card")
    }

    fn predictor(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
    ) -> Result<Box<dyn Predictor>, EngineError> {
        self.0.predictor(spec, params, size)
    }

    fn learner(
        &self,
        spec: &NetSpec,
        params: &Parameters,
        size: [usize; 3],
        precision: TrainingPrecision,
    ) -> Result<Box<dyn Learner>, EngineError> {
        self.0.learner(spec, params, size, precision)
    }
}

#[test]
fn a_model_names_the_device_that_it_was_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let (config, split) = (config(1), split(&dataset));
    let card = Card(Cpu { threads: 2, precision: haema_nn::InferencePrecision::Fp32 });
    let path = folder.path().join("on-card");

    let on_card = Job { engine: Some(&card), ..job(&config, &split) };
    train(&dataset, on_card, &path, n(2), &mut |_| ()).unwrap();

    let read = |bytes: &[u8]| Parameters::from_bytes(bytes).unwrap();
    let (_, params, metadata) = read(&std::fs::read(path.join("model.safetensors")).unwrap());
    let (_, on_cpu, plain) = read(&run(&dataset, &config, &folder.path().join("on-cpu"), 2));
    assert_eq!(metadata.get("device").map(String::as_str), Some("a card"));
    assert_eq!(plain.get("device"), None);
    assert_eq!(params, on_cpu);
}
