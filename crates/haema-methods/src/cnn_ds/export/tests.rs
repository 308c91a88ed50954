//! Our answer against ONNX Runtime's on the files that we write.
//!
//! `testdata/onnx/make_golden.py` runs the files; `expected.json` keeps the checksum of each file
//! that it ran, and a part of what came out. So the file that is written today is the very file that
//! ONNX Runtime understood, and it says what our executor says.

use std::collections::BTreeMap;

use haema_nn::onnx::{OnnxHeader, to_onnx};
use haema_nn::{DropoutKind, Executor, NetSpec};
use sha2::{Digest as _, Sha256};

use super::super::{CnnDs, Down, Model, PadMode, Profile, ResidualOrder, UpMode};
use crate::generator::{generated, numbers};
use crate::unet::{self, UNet};

const SIZE: [usize; 3] = [8, 16, 12];

#[derive(serde::Deserialize)]
struct Golden {
    sha256: String,
    /// Every seventh probability.
    probability: Vec<f64>,
}

/// The baselines, small.
fn unets() -> [(&'static str, NetSpec); 5] {
    let small = |unet| UNet { base: 5, levels: 3, ..unet };
    [
        ("patch_unet", UNet::patch()),
        ("patch_unet_ellisdg", UNet::patch_ellisdg()),
        ("slice_unet", UNet::slice()),
        ("slice_unet_transposed", UNet { up: unet::UpMode::Transposed, ..UNet::slice() }),
        ("slice_unet_hssayeni", UNet::slice_hssayeni()),
    ]
    .map(|(name, unet)| (name, small(unet).spec()))
}

/// Every switch of CNN-DS, in both profiles' terms, and the baselines.
fn networks() -> BTreeMap<&'static str, NetSpec> {
    let small = |profile| CnnDs { base: 3, depth: 3, ..CnnDs::profile(profile) };
    let recommended = || small(Profile::Recommended);
    BTreeMap::from([
        ("paper", small(Profile::Paper)),
        ("recommended", recommended()),
        ("maxpool", CnnDs { down: Down::Maxpool, ..recommended() }),
        ("trilinear", CnnDs { up: UpMode::Trilinear, ..recommended() }),
        ("deconv2", CnnDs { up: UpMode::Deconv2, ..recommended() }),
        ("pre", CnnDs { residual_order: ResidualOrder::Pre, ..recommended() }),
        ("relu", CnnDs { act_slope: 0.0, pad_mode: PadMode::TfSame, ..recommended() }),
        ("no_norm", CnnDs { norm: None, dropout_kind: DropoutKind::Element, ..recommended() }),
        ("two_classes", CnnDs { out_channels: 2, up_extra_1x1: true, ..recommended() }),
    ])
    .into_iter()
    .map(|(name, config)| (name, config.spec()))
    .chain(unets())
    .collect()
}

fn file(name: &str, spec: &NetSpec) -> Vec<u8> {
    let header = OnnxHeader {
        version: "golden".into(),
        description: name.into(),
        metadata: BTreeMap::default(),
    };
    // One with its size in the file, the others open.
    let size = (name == "recommended").then_some(SIZE);
    to_onnx(spec, &generated(spec), size, &header).unwrap()
}

#[test]
fn onnx_runtime_says_of_every_network_what_our_executor_says() {
    let text = include_str!("../../../testdata/onnx/expected.json");
    let mut golden: BTreeMap<String, Golden> = serde_json::from_str(text).unwrap();
    let n = SIZE.iter().product();
    let input: Vec<f32> = numbers(1000, n).iter().map(|v| f32::midpoint(*v, 1.0)).collect();

    for (name, spec) in networks() {
        let wanted = golden.remove(name).unwrap();
        let sum = format!("{:x}", Sha256::digest(file(name, &spec)));
        assert_eq!(
            sum, wanted.sha256,
            "{name}: the file is not the one that ONNX Runtime ran: run make_golden.py on purpose"
        );
        let params = generated(&spec);
        let found = Executor::new(spec, params, SIZE, 1).unwrap().probabilities(&input);
        let found: Vec<f64> = found.iter().step_by(7).map(|&p| f64::from(p)).collect();
        let error = |(a, b): (&f64, &f64)| (a - b).abs();
        let worst = found.iter().zip(&wanted.probability).map(error).fold(0.0, f64::max);
        assert_eq!(found.len(), wanted.probability.len(), "{name}");
        assert!(worst < 2e-5, "{name}: {worst}");
        let (least, most) = wanted
            .probability
            .iter()
            .fold((1.0_f64, 0.0_f64), |(least, most), &p| (least.min(p), most.max(p)));
        assert!(most - least > 0.2, "{name}: {least} to {most} tells nothing");
    }
    assert!(golden.is_empty(), "goldens of no network");
}

#[test]
#[ignore = "writes the files that make_golden.py runs"]
fn write_the_files_for_onnx_runtime() {
    let folder = std::env::temp_dir().join("haema-onnx-golden");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, spec) in networks() {
        std::fs::write(folder.join(format!("{name}.onnx")), file(name, &spec)).unwrap();
    }
}

#[test]
fn the_built_in_model_says_where_it_comes_from() {
    let model = Model::built_in();
    let bytes = model.to_onnx(None, "0.0.0").unwrap();

    // Texts lie in the file as they are.
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(model.sha256()) && holds("MIT OR Apache-2.0"));
    assert!(holds(&serde_json::to_string(model.preprocessing()).unwrap()));
    assert!(bytes.len() > 4 * model.spec().parameter_count());
}
