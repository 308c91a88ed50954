//! A small network of that code, run by Keras itself: `testdata/keras/make_golden.py`.

use haema_nn::Executor;
use haema_nn::tensors::{NamedTensor, from_bytes, to_bytes};

use super::super::Model;
use super::*;
use crate::generator::numbers;
use crate::keras::Kind;

const SMALL: &[u8] = include_bytes!("../../../testdata/keras/small.safetensors");
const SIZE: [usize; 3] = [8, 16, 12];

/// The small file with its tensors changed.
fn changed(change: impl FnOnce(&mut Vec<NamedTensor>)) -> String {
    let mut tensors = from_bytes(SMALL).unwrap();
    change(&mut tensors);
    model_from_keras(&to_bytes(&tensors).unwrap(), "small").unwrap_err().to_string()
}

fn find<'a>(tensors: &'a mut [NamedTensor], name: &str) -> &'a mut NamedTensor {
    tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

#[test]
fn keras_and_our_executor_agree_on_its_own_weights() {
    let golden: Vec<f64> =
        serde_json::from_str(include_str!("../../../testdata/keras/expected.json")).unwrap();
    let n = SIZE.iter().product();
    let input: Vec<f32> = numbers(1000, n).iter().map(|v| f32::midpoint(*v, 1.0)).collect();

    let model = Model::from_bytes(&model_from_keras(SMALL, "small").unwrap()).unwrap();
    let (spec, params) = (model.spec().clone(), model.parameters().clone());
    let found = Executor::new(spec, params, SIZE, 1).unwrap().probabilities(&input);

    assert_eq!((model.name(), model.preprocessing()), ("small", &Preprocessing::paper()));
    assert_eq!(golden.len(), found.len().div_ceil(7));
    for (found, wanted) in found.iter().step_by(7).zip(&golden) {
        assert!((f64::from(*found) - wanted).abs() < 2e-5, "{found}, Keras {wanted}");
    }
    assert!(golden.iter().any(|&p| p < 0.4) && golden.iter().any(|&p| p > 0.6));
}

#[test]
fn names_of_files_that_keras_writes_are_understood() {
    for (name, number) in [
        ("model_weights/conv3d_12/conv3d_12/kernel:0", 12),
        ("conv3d.kernel", 0),
        ("conv3d_7/kernel", 7),
    ] {
        let (kind, found, _, part) = NAMES.parse(name).unwrap();
        let wanted = (Kind::Convolution, number, "kernel");
        assert_eq!((kind, found, part.as_str()), wanted, "{name}");
    }
    let beta = NAMES.parse("instance_normalization_3/beta:0").unwrap();
    assert_eq!(beta.0, Kind::Normalisation);
    for name in ["conv3d_1", "conv3d_x/kernel", "dense_1/kernel", "conv3d_1/gamma", ""] {
        assert!(NAMES.parse(name).is_none(), "{name}");
    }
}

#[test]
fn layers_are_sorted_by_number_and_not_by_name() {
    // Ten sorts before two as text; the golden holds only where it does not.
    let names: Vec<String> = from_bytes(SMALL).unwrap().into_iter().map(|t| t.name).collect();

    assert!(names[0].starts_with("conv3d_1/") && names[2].starts_with("conv3d_10/"), "{names:?}");
}

#[test]
fn what_does_not_fit_is_refused_with_what_was_found_and_wanted() {
    let renamed = changed(|t| find(t, "conv3d_3/bias").name = "dense_3/bias".into());
    let missing = changed(|t| t.retain(|tensor| tensor.name != "conv3d_3/bias"));
    let gone = changed(|t| {
        t.retain(|tensor| {
            !["conv3d_3", "conv3d_5"].contains(&tensor.name.split('/').next().unwrap())
        });
    });
    let turned = changed(|t| find(t, "conv3d_4/kernel").shape.swap(3, 4));
    let classes = changed(|t| {
        let last = find(t, "conv3d_17/kernel");
        last.shape[4] = 2;
        last.values.extend(last.values.clone());
    });

    assert!(renamed.starts_with("tensor dense_3/bias: wanted conv3d_N/kernel"), "{renamed}");
    assert_eq!(missing, "conv3d_3 has no bias");
    assert_eq!(
        gone,
        "15 convolutions and 15 normalisations: wanted 10, 16, 17, 22, 24, 28, 30, 34, 36 \
         convolutions, and one normalisation for each convolution but the segmentation layers, or none"
    );
    assert_eq!(turned, "conv3d_4/kernel is [3, 3, 3, 4, 2], wanted [3, 3, 3, 2, 4] for enc1.in");
    assert_eq!(classes, "the network has 2 channels out: wanted 1");
}

#[test]
fn a_shape_that_asks_for_a_huge_network_is_refused_without_making_it() {
    let error = changed(|t| {
        let first = find(t, "conv3d_1/kernel");
        first.shape = vec![1, 1, 1, 1, 60_000];
        first.values = vec![0.0; 60_000];
    });

    assert!(error.starts_with("conv3d_1/kernel is [1, 1, 1, 1, 60000], wanted "), "{error}");
}
