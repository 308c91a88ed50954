//! The file read back, field by field. That engines agree with it is held by haema-methods, whose
//! goldens are made by ONNX Runtime.

use std::collections::{BTreeMap, BTreeSet};

use super::{OnnxHeader, size_divisor, to_onnx};
use crate::tests::{small, small_batch, small_planes, small_variants};
use crate::{Init, Kernel, NetSpec, NormMode, Parameters};

/// Fields of a message in the order of the file; numbers keep their bits.
type Fields<'a> = Vec<(u64, Value<'a>)>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let (head, tail) = bytes.split_at(end);
    *bytes = tail;
    head.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
}

fn fields(mut bytes: &[u8]) -> Fields<'_> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                Value::Bytes(bytes.split_off(..length).unwrap())
            }
            5 => {
                let four = bytes.split_off(..4).unwrap();
                Value::Number(u64::from(u32::from_le_bytes(four.try_into().unwrap())))
            }
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, value));
    }
    found
}

fn blobs<'a>(fields: &Fields<'a>, number: u64) -> Vec<&'a [u8]> {
    let of = |&(field, value): &(u64, Value<'a>)| match value {
        Value::Bytes(bytes) if field == number => Some(bytes),
        _ => None,
    };
    fields.iter().filter_map(of).collect()
}

fn texts<'a>(fields: &Fields<'a>, number: u64) -> Vec<&'a str> {
    blobs(fields, number).into_iter().map(|bytes| std::str::from_utf8(bytes).unwrap()).collect()
}

fn numbers(fields: &Fields<'_>, number: u64) -> Vec<u64> {
    let of = |&(field, value): &(u64, Value<'_>)| match value {
        Value::Number(value) if field == number => Some(value),
        _ => None,
    };
    fields.iter().filter_map(of).collect()
}

fn header() -> OnnxHeader {
    let metadata = BTreeMap::from([("licence".to_owned(), "none".to_owned())]);
    OnnxHeader { version: "1.2.3".into(), description: "a test".into(), metadata }
}

fn export(spec: &NetSpec, size: Option<[usize; 3]>) -> Vec<u8> {
    to_onnx(spec, &Parameters::init(spec, Init::HeNormal, 0.5, 7), size, &header()).unwrap()
}

/// Dimensions of the graph's first input or output, as text.
fn dimensions(graph: &Fields<'_>, number: u64) -> Vec<String> {
    let info = fields(blobs(graph, number)[0]);
    let tensor = fields(blobs(&fields(blobs(&info, 2)[0]), 1)[0]);
    assert_eq!(numbers(&tensor, 1), [1], "fp32");
    let shape = fields(blobs(&tensor, 2)[0]);
    let side = |bytes: &[u8]| {
        let side = fields(bytes);
        let known = numbers(&side, 1).first().map(ToString::to_string);
        known.unwrap_or_else(|| texts(&side, 2)[0].to_owned())
    };
    blobs(&shape, 1).into_iter().map(side).collect()
}

#[test]
fn the_file_says_what_it_is() {
    let spec = small(NormMode::Variance, Kernel::ThreeDown);
    let bytes = export(&spec, None);

    let model = fields(&bytes);
    assert_eq!(numbers(&model, 1), [8]);
    assert_eq!((texts(&model, 2), texts(&model, 3)), (vec!["haema"], vec!["1.2.3"]));
    assert_eq!(texts(&model, 6), ["a test"]);
    assert_eq!(numbers(&fields(blobs(&model, 8)[0]), 2), [17]);
    let entries: Vec<_> = blobs(&model, 14)
        .into_iter()
        .map(|entry| (texts(&fields(entry), 1)[0], texts(&fields(entry), 2)[0]))
        .collect();
    assert_eq!(entries, [("size_divisor", "2"), ("licence", "none")]);
}

#[test]
fn sides_are_open_or_as_asked_for() {
    let spec = small(NormMode::Variance, Kernel::ThreeDown);

    for (size, wanted) in
        [(None, ["1", "1", "z", "y", "x"]), (Some([4, 6, 8]), ["1", "1", "4", "6", "8"])]
    {
        let bytes = export(&spec, size);
        let graph = fields(blobs(&fields(&bytes), 7)[0]);
        assert_eq!(dimensions(&graph, 11), wanted);
        assert_eq!(dimensions(&graph, 12), wanted);
    }
}

#[test]
fn a_size_that_does_not_go_through_is_refused() {
    let spec = small(NormMode::Variance, Kernel::ThreeDown);
    let params = Parameters::zeros(&spec);

    for size in [[4, 6, 7], [0, 6, 8]] {
        let error = to_onnx(&spec, &params, Some(size), &header()).unwrap_err().to_string();
        let wanted = format!(
            "the size {size:?} [z, y, x] does not go through the network: wanted multiples of 2"
        );
        assert_eq!(error, wanted);
    }
}

#[test]
fn every_parameter_is_in_the_file_with_its_values() {
    for spec in [
        small(NormMode::Variance, Kernel::ThreeDown),
        small(NormMode::StandardDeviation, Kernel::ThreeDownTfSame),
        small_variants(),
        small_batch(),
        small_planes(),
    ] {
        let bytes = export(&spec, None);
        let params = Parameters::init(&spec, Init::HeNormal, 0.5, 7);
        let graph = fields(blobs(&fields(&bytes), 7)[0]);
        let mut constants: BTreeMap<&str, Fields<'_>> = BTreeMap::new();
        for bytes in blobs(&graph, 5) {
            let tensor = fields(bytes);
            assert!(constants.insert(texts(&tensor, 8)[0], tensor).is_none(), "a name comes twice");
        }

        for info in params.infos() {
            let tensor = &constants[info.name.as_str()];
            let found: Vec<u32> = blobs(tensor, 9)[0]
                .chunks(4)
                .map(|four| u32::from_le_bytes(four.try_into().unwrap()))
                .collect();
            let mut wanted: Vec<u32> =
                params.get(&info.name).iter().map(|value| value.to_bits()).collect();
            let (mut dims, mut shape) = (numbers(tensor, 1), info.shape.clone());
            if info.name == "sharp.conv.weight" {
                // Transposed: the same numbers, the input's channels first.
                shape.swap(0, 1);
                let taps: usize = shape[2..].iter().product();
                let (into, from) = (shape[1], shape[0]);
                let at = |i: usize| ((i / taps % into) * from + i / taps / into) * taps + i % taps;
                wanted = (0..wanted.len()).map(|i| wanted[at(i)]).collect();
            }
            dims.truncate(shape.len());
            assert_eq!(dims, shape.iter().map(|&n| n as u64).collect::<Vec<_>>(), "{}", info.name);
            assert_eq!(found, wanted, "{}", info.name);
        }
    }
}

#[test]
fn every_tensor_is_made_once_and_before_it_is_read() {
    for spec in [
        small(NormMode::Variance, Kernel::ThreeDown),
        small(NormMode::StandardDeviation, Kernel::ThreeDownTfSame),
        small_variants(),
        small_batch(),
        small_planes(),
    ] {
        let bytes = export(&spec, None);
        let graph = fields(blobs(&fields(&bytes), 7)[0]);
        let constants = blobs(&graph, 5);
        let mut known: BTreeSet<&str> =
            constants.iter().map(|bytes| texts(&fields(bytes), 8)[0]).collect();
        known.insert("input");
        known.insert("");

        for node in blobs(&graph, 1).into_iter().map(fields) {
            for input in texts(&node, 1) {
                assert!(known.contains(input), "{input:?} is read before it is made");
            }
            for output in texts(&node, 2) {
                assert!(known.insert(output), "{output} is made twice");
            }
        }
        assert!(known.contains("probability"));
    }
}

#[test]
fn blocks_become_the_operators_that_they_stand_for() {
    let bytes = export(&small(NormMode::Variance, Kernel::ThreeDownTfSame), None);
    let graph = fields(blobs(&fields(&bytes), 7)[0]);
    let nodes: Vec<_> = blobs(&graph, 1).into_iter().map(fields).collect();

    let of = |block: &str| -> String {
        let own = nodes.iter().filter(|node| texts(node, 3)[0].starts_with(&format!("{block}/")));
        own.map(|node| texts(node, 4)[0]).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("a"), "Conv InstanceNormalization LeakyRelu");
    assert_eq!(of("c"), "Conv InstanceNormalization LeakyRelu Add");
    assert_eq!(of("up"), "Resize Conv InstanceNormalization LeakyRelu");
    assert_eq!(of("e"), "Concat Conv InstanceNormalization LeakyRelu");
    assert_eq!((of("fine"), of("sum")), ("Conv".to_owned(), "Resize Add".to_owned()));
    let down = nodes.iter().find(|node| texts(node, 3) == ["d/conv"]).unwrap();
    let pads = fields(blobs(down, 5)[1]);
    assert_eq!((texts(&pads, 1)[0], numbers(&pads, 8)), ("pads", vec![0, 0, 0, 1, 1, 1]));
}

#[test]
fn kernels_of_a_plane_reach_no_other() {
    let bytes = export(&small_planes(), None);
    let graph = fields(blobs(&fields(&bytes), 7)[0]);
    let nodes: Vec<_> = blobs(&graph, 1).into_iter().map(fields).collect();

    let found: Vec<_> = nodes
        .iter()
        .filter(|node| {
            ["b/conv", "pool/pool", "up/conv", "sharp/conv"].contains(&texts(node, 3)[0])
        })
        .map(|node| numbers(&fields(blobs(node, 5)[0]), 8))
        .collect();
    assert_eq!(found, [vec![1, 3, 3], vec![1, 2, 2], vec![1, 2, 2], vec![1, 2, 2]]);
    let of_a: Vec<_> = nodes.iter().filter(|node| texts(node, 3)[0].starts_with("a/")).collect();
    let operators: Vec<_> = of_a.iter().map(|node| texts(node, 4)[0]).collect();
    assert_eq!(operators, ["Conv", "BatchNormalization", "Relu"]);
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    let spec = small_variants();

    assert_eq!(export(&spec, None), export(&spec, None));
}

#[test]
fn the_divisor_counts_the_halvings() {
    assert_eq!(size_divisor(&small(NormMode::Variance, Kernel::ThreeDown)).unwrap(), [2; 3]);
    assert_eq!(size_divisor(&small_planes()).unwrap(), [1, 2, 2]);
}
