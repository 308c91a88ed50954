//! `haema bench` through the program. Times are the machine's; the form and the agreement are ours.

use haema_io::{fs, nifti};
use haema_methods::cnn_ds::Model;
use haema_nn::Executor;
use haema_nn::tensors;
use serde_json::{Value, json};

use crate::stand::{HEAD, Stand};

fn spread_is_sound(spread: &Value) -> bool {
    let [min, median, max] = ["min", "median", "max"].map(|key| spread[key].as_f64().unwrap());
    0.0 < min && min <= median && median <= max
}

#[test]
fn the_network_alone_is_timed_and_its_tensors_are_those_of_the_executor() {
    let stand = Stand::new();

    let ended = stand.run(
        "bench --network-only --size 16x32x48 --repeat 2 --threads 1 --save-tensors t.safetensors \
         --json",
    );

    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["schema"], "haema.bench/1");
    assert_eq!(report["precision"], "fp32");
    assert_eq!((&report["threads"], &report["repeat"]), (&json!(1), &json!(2)));
    assert_eq!(report["size"], json!([16, 32, 48]));
    assert!(spread_is_sound(&report["network_ms"]), "{report}");
    assert_eq!((&report["total_ms"], &report["parts_ms"]), (&Value::Null, &Value::Null));
    let tensors =
        tensors::from_bytes(&fs::read(&stand.path("t.safetensors"), 1 << 24).unwrap()).unwrap();
    let model = Model::built_in();
    let (spec, params) = (model.spec().clone(), model.parameters().clone());
    let mut executor = Executor::new(spec, params, [16, 32, 48], 2).unwrap();
    assert_eq!(tensors[0].name, "input");
    assert!(tensors[1].values == executor.probabilities(&tensors[0].values));
}

#[test]
fn half_the_width_and_another_instruction_set_can_be_timed() {
    let stand = Stand::new();
    let bench = |more: &str| -> Value {
        let ended = stand.run(&format!(
            "bench --network-only --size 16x32x48 --repeat 1 --threads 1 --json {more}"
        ));
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{more}");
        serde_json::from_str(&ended.out).unwrap()
    };

    let full = bench("");
    let half = bench("--precision bf16 --door portable");

    assert_eq!((&half["precision"], &half["instructions"]), (&json!("bf16"), &json!("portable")));
    let saved = full["network_mb"].as_f64().unwrap() - half["network_mb"].as_f64().unwrap();
    assert!(saved > 1.0, "{full} {half}");
}

#[test]
fn a_step_of_training_is_timed_part_by_part() {
    let stand = Stand::new();

    let told = stand.run(
        "bench --train --size 8,32,48 --repeat 2 --threads 1 --precision bf16 --layers --json",
    );
    let shown =
        stand.run("bench --train --size 8,32,48 --repeat 1 --threads 1 --door portable --layers");

    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert!(spread_is_sound(&report["step_ms"]), "{report}");
    assert_eq!((&report["network_ms"], &report["total_ms"]), (&Value::Null, &Value::Null));
    assert_eq!((&report["precision"], &report["size"]), (&json!("bf16"), &json!([8, 32, 48])));
    let blocks = report["step_parts"]["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), Model::built_in().spec().blocks.len());
    let weights = blocks.iter().map(|block| block["weights_ms"].as_f64().unwrap()).sum::<f64>();
    assert!(0.0 < weights && weights < report["step_ms"]["max"].as_f64().unwrap(), "{report}");
    assert_eq!(shown.code, 0, "{}", shown.err);
    for row in ["fp32, portable, 1 thread", "step of training, 8 × 32 × 48", "| enc0.in |", "loss "]
    {
        assert!(shown.out.contains(row), "{row}: {}", shown.out);
    }
    assert!(!shown.out.contains("one pass"), "{}", shown.out);
}

#[test]
fn networks_without_weights_are_timed_alone() {
    let stand = Stand::new();

    let ended = stand.run(
        "bench --method slice-unet-hssayeni-compact --size 2,32,48 --repeat 1 --threads 1 --json",
    );

    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["method"], "slice-unet-hssayeni-compact");
    assert!(spread_is_sound(&report["network_ms"]), "{report}");
    assert_eq!((&report["total_ms"], &report["size"]), (&Value::Null, &json!([2, 32, 48])));
}

#[test]
fn the_whole_way_is_told_part_by_part() {
    let stand = Stand::new();
    nifti::write(&stand.path("head.nii.gz"), HEAD.voxels_hu(), HEAD.grid()).unwrap();

    let told = stand.run("bench head.nii.gz --repeat 1 --json");
    let shown = stand.run("bench head.nii.gz --repeat 1 --network-only --threads 1 --layers");

    let report: Value = serde_json::from_str(&told.out).unwrap();
    for part in ["read", "preprocess", "network", "restore", "measure", "write", "total"] {
        assert!(spread_is_sound(&report["parts_ms"][part]), "{part}: {report}");
    }
    assert_eq!(report["total_ms"], report["parts_ms"]["total"]["median"]);
    let parts = ["read", "preprocess", "network", "restore", "measure", "write"];
    let sum: f64 = parts.iter().map(|p| report["parts_ms"][p]["median"].as_f64().unwrap()).sum();
    assert!(sum <= report["total_ms"].as_f64().unwrap(), "parts are longer than the whole");
    if cfg!(target_os = "linux") {
        assert!(report["peak_rss_mb"].as_f64().unwrap() > 10.0);
    }
    assert!(shown.out.contains(", 1 thread; median, and range, of 1"), "{}", shown.out);
    for row in ["| block | ms |", "| enc0.in |", "| seg0 |", "| **all** |"] {
        assert!(shown.out.contains(row), "{row}: {}", shown.out);
    }
    assert!(shown.out.contains("network, one pass of"), "{}", shown.out);
    assert_eq!(stand.names("."), ["head.nii.gz"]);
}

#[test]
fn what_cannot_be_timed_is_told_with_its_reason() {
    let stand = Stand::new();
    stand.write("letter.txt", b"Dear colleague,\n");

    for (line, words) in [
        ("bench letter.txt --network-only", "found a text file: wanted DICOM"),
        ("bench letter.txt", "the scan cannot be segmented"),
        ("bench --network-only --size 16,32,33", "the network does not take this size"),
        ("bench --precision fp8", "possible values: fp32, bf16"),
        ("bench --network-only --door sse", "this machine has "),
        ("bench --door portable", "--network-only"),
        ("bench --repeat 0", "wanted 1 or more"),
        ("bench --method unet", "possible values: cnn-ds, patch-unet, "),
        ("bench --method patch-unet --model m", "weights that are drawn: leave --model out"),
        ("bench --train --save-tensors t", "cannot be used with"),
        ("bench --train --size 16,32,33", "the network does not take this size"),
    ] {
        let ended = stand.run(line);

        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{line}");
        assert!(ended.err.contains(words), "{line}: {}", ended.err);
    }
}
