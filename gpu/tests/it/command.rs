//! The command on a device: a dataset goes in, a model and a mask come out, as on the CPU.

use std::path::Path;
use std::process::{Command, Output};

use haema_gpu::Adapters;
use haema_methods::cnn_ds::{CnnDs, Profile};
use haema_methods::frame::{Planes, Preprocessing};
use haema_pipeline::report::Report;
use haema_pipeline::training::{Network, TrainConfig};

use crate::gpu;

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haema"));
    command.args(words.split(' ')).current_dir(folder);
    command
}

/// Runs the command, on a device in software where there is no other.
fn haema(folder: &Path, words: &str) -> Output {
    let mut command = command(folder, words);
    if haema_gpu::open(Adapters::Hardware).is_err() {
        command.env("CUBECL_WGPU_DEFAULT_DEVICE", "Cpu");
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "haema {words}: {told}");
    output
}

/// A network that a device in software runs in seconds, with everything else as it comes.
fn tiny() -> TrainConfig {
    let base = TrainConfig::profile(Profile::Recommended);
    TrainConfig {
        epochs: 2,
        network: Network::CnnDs(CnnDs {
            base: 3,
            depth: 2,
            ..CnnDs::profile(Profile::Recommended)
        }),
        preprocessing: Preprocessing {
            in_plane: [24, 24],
            planes: Planes::Fixed { count: 8 },
            ..Preprocessing::paper()
        },
        ..base
    }
}

/// Training loss of each epoch.
fn losses(run: &Path) -> Vec<f64> {
    let log = std::fs::read_to_string(run.join("log.csv")).unwrap();
    log.lines().skip(1).map(|row| row.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

fn report(out: &Path) -> Report {
    let case = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let path = case.map(|case| case.join("report.json")).find(|path| path.exists()).unwrap();
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_model_is_trained_and_used_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    haema(folder, "simulate --out heads --cases 2 --blank 0 --seed 1");
    std::fs::write(folder.join("tiny.toml"), toml::to_string(&tiny()).unwrap()).unwrap();
    for device in ["cpu", "gpu"] {
        haema(folder, &format!("train heads --out {device} --config tiny.toml --device {device}"));
    }
    let (found, wanted) = (losses(&folder.join("gpu")), losses(&folder.join("cpu")));
    eprintln!("training losses {found:?}, CPU {wanted:?}");
    assert_eq!((found.len(), wanted.len()), (2, 2));
    for (found, wanted) in found.iter().zip(&wanted) {
        // Each is a mean over four steps.
        assert!((found - wanted).abs() < 1e-3 * wanted, "{found}, CPU {wanted}");
    }

    let scan = std::fs::read_dir(folder.join("heads/imagesTr")).unwrap().next().unwrap().unwrap();
    let scan = scan.path().display().to_string();
    for device in ["cpu", "gpu"] {
        let model = "--model gpu/model.safetensors";
        haema(folder, &format!("segment {scan} --out on-{device} {model} --device {device}"));
    }
    let (found, wanted) = (report(&folder.join("on-gpu")), report(&folder.join("on-cpu")));
    assert_eq!(found.receipt.settings.device.as_deref(), gpu.device());
    assert_eq!(wanted.receipt.settings.device, None);
    let (found, wanted) = (found.volume_soft_ml, wanted.volume_soft_ml);
    assert!(wanted > 0.1 && (found - wanted).abs() < 1e-3 * wanted, "{found} mL, CPU {wanted} mL");
}

#[test]
fn a_device_in_software_is_not_taken_unasked() {
    if gpu().is_none() || haema_gpu::open(Adapters::Hardware).is_ok() {
        eprintln!("passed over: wants a machine whose one adapter is in software");
        return;
    }
    let folder = tempfile::tempdir().unwrap();

    let mut command = command(folder.path(), "segment --sample --out out --device gpu");
    let ended = command.env_remove("CUBECL_WGPU_DEFAULT_DEVICE").output().unwrap();

    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(told.contains("computes on the processor"), "{told}");
    assert!(told.contains("hint: leave out --device"), "{told}");
    assert!(!folder.path().join("out").exists());
}
