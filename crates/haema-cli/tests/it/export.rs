//! `haema export` through the program.

use haema_io::fs;
use haema_methods::cnn_ds::Model;

use crate::stand::Stand;

#[test]
fn the_built_in_network_becomes_an_onnx_file_the_same_every_time() {
    let stand = Stand::new();

    let first = stand.run("export onnx --out first.onnx");
    let second = stand.run("export onnx --out second.onnx --method cnn-ds");

    assert_eq!((first.code, first.out.as_str(), first.err.as_str()), (0, "first.onnx\n", ""));
    assert_eq!(second.code, 0, "{}", second.err);
    let bytes = |name: &str| fs::read(&stand.path(name), 1 << 26).unwrap();
    assert!(bytes("first.onnx") == bytes("second.onnx"));
    let model = Model::built_in();
    let wanted = model.to_onnx(None, env!("CARGO_PKG_VERSION")).unwrap();
    assert!(bytes("first.onnx") == wanted);
}

#[test]
fn a_model_of_ones_own_can_be_exported_for_one_size() {
    let stand = Stand::new();
    let model = Model::built_in();
    let mut params = model.parameters().clone();
    params.get_mut("seg0.conv.bias").fill(0.25);
    let bytes = params.to_bytes(model.spec(), model.metadata(), haema_nn::Precision::F32).unwrap();
    stand.write("own.safetensors", &bytes);

    let ended = stand.run("export onnx --model own.safetensors --size 64x128x128 --out own.onnx");

    assert_eq!(ended.code, 0, "{}", ended.err);
    let own = Model::from_bytes(&bytes).unwrap();
    let wanted = own.to_onnx(Some([64, 128, 128]), env!("CARGO_PKG_VERSION")).unwrap();
    assert!(fs::read(&stand.path("own.onnx"), 1 << 26).unwrap() == wanted);
}

#[test]
fn a_size_that_does_not_go_through_leaves_no_file() {
    let stand = Stand::new();

    let odd = stand.run("export onnx --size 64,128,127 --out net.onnx");
    let short = stand.run("export onnx --size 64,128 --out net.onnx");

    assert_eq!((odd.code, short.code), (2, 2));
    assert!(odd.err.contains("[64, 128, 127]"), "{}", odd.err);
    assert!(odd.err.contains("wanted multiples of 8"), "{}", odd.err);
    assert!(short.err.contains("wanted three sides z,y,x in voxels"), "{}", short.err);
    assert!(stand.names(".").is_empty());
}
