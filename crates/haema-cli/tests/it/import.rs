//! `haema import` through the program.

use crate::stand::{HEAD, Stand};

#[test]
fn a_folder_of_something_else_is_refused_with_what_was_wanted() {
    let stand = Stand::new();
    stand.write("set/readme.txt", b"something else");

    let ended = stand.run("import ct-ich set dataset");

    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.starts_with("error: the data set cannot be imported\n"), "{}", ended.err);
    assert!(ended.err.contains("hemorrhage_diagnosis.csv"), "{}", ended.err);
    assert!(!stand.path("dataset").exists());
}

#[test]
fn a_spacing_that_no_head_has_is_refused() {
    let ended = Stand::new().run("import ct-ich set dataset --spacing-mm 42");

    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("pixel spacing 42 mm: wanted 0.1 to 2 mm"), "{}", ended.err);
}

/// A small network of the paper's code family, made with Keras.
fn keras_weights() -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../haema-methods/testdata/keras/small.safetensors");
    haema_io::fs::read(&path, 1 << 20).unwrap()
}

#[test]
fn weights_of_keras_become_a_model_that_segments() {
    let stand = Stand::new();
    stand.write("keras.safetensors", &keras_weights());
    haema_io::nifti::write(&stand.path("head.nii"), HEAD.voxels_hu(), HEAD.grid()).unwrap();

    let imported = stand.run("import weights keras.safetensors --out own.safetensors");
    let segmented = stand.run("segment head.nii --out out --model own.safetensors --json");

    assert_eq!((imported.code, imported.out.as_str()), (0, "own.safetensors\n"));
    assert_eq!(segmented.code, 0, "{}", segmented.err);
    let report: serde_json::Value = serde_json::from_str(&segmented.out).unwrap();
    assert_eq!(report["model"]["name"], "keras");
}

#[test]
fn tensors_of_another_network_leave_no_model() {
    let stand = Stand::new();
    stand.write("letter.txt", b"Dear colleague,\n");
    let other = haema_nn::tensors::to_bytes(&[haema_nn::tensors::NamedTensor {
        name: "conv3d_1/kernel".into(),
        shape: vec![1],
        values: vec![0.5],
    }]);
    stand.write("other.safetensors", &other.unwrap());

    for (file, reason) in [
        ("letter.txt", "not a safetensors file of haema"),
        ("other.safetensors", "1 convolutions and 0 normalisations: wanted 10, 16"),
    ] {
        let ended = stand.run(&format!("import weights {file} --out own.safetensors"));

        assert_eq!(ended.code, 2);
        assert!(ended.err.starts_with("error: the weights cannot be imported\n"), "{}", ended.err);
        assert!(ended.err.contains(reason), "{}", ended.err);
    }
    assert!(!stand.path("own.safetensors").exists());
}
