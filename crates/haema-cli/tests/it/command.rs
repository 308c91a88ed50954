//! What holds for every command: exit codes, streams, hints.

use std::io::Read as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::stand::{HEAD, Stand};

#[test]
fn wrong_arguments_end_with_2_and_say_what_was_wanted() {
    let stand = Stand::new();

    for (line, wanted) in [
        ("segment", "the following required arguments were not provided"),
        ("segment a --out out --threshold 1.5", "wanted a probability from 0 to below 1"),
        ("segment a --out out --threads 0", "wanted 1 or more"),
        ("segment a --out out --method guess", "possible values: cnn-ds"),
        ("segments a", "a similar subcommand exists: 'segment'"),
    ] {
        let ended = stand.run(line);

        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{line}");
        assert!(ended.err.contains(wanted), "{line}: {}", ended.err);
    }
}

#[test]
fn an_output_folder_that_is_a_file_ends_with_2_and_a_hint() {
    let stand = Stand::new();
    stand.write("out", b"a file");

    let ended = stand.run("segment scan.nii --out out");

    assert_eq!(ended.code, 2);
    assert!(ended.err.starts_with("error: the output folder cannot be used: "), "{}", ended.err);
    assert!(ended.err.ends_with("hint: give a folder that you may write to with --out\n"));
}

#[test]
fn weights_that_are_none_end_with_2_and_say_why() {
    let stand = Stand::new();
    stand.write("letter.txt", b"Dear colleague,\n");

    let ended = stand.run("segment scan.nii --out out --model letter.txt");

    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("caused by: the file is no model of haema\n"), "{}", ended.err);
    assert!(ended.err.contains("hint: give a model.safetensors"), "{}", ended.err);
}

#[test]
fn a_reader_who_has_had_enough_is_no_failure() {
    let stand = Stand::new();
    haema_io::nifti::write(&stand.path("head.nii"), HEAD.voxels_hu(), HEAD.grid()).unwrap();

    let mut child = stand
        .command("info head.nii")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());

    assert!(child.wait().unwrap().success());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}

#[test]
fn a_build_without_a_gpu_says_how_to_get_one() {
    let ended = Stand::new().run("segment --sample --out out --device gpu");

    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert_snapshot!(ended.err, @"
    error: this haema was built without GPU support, which --device gpu needs
    hint: leave out --device, or build the other one: cargo build --release --manifest-path gpu/Cargo.toml --features wgpu
    ");
}
