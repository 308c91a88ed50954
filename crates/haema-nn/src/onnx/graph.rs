//! From blocks to ONNX operators.

use std::collections::{BTreeSet, HashMap};

use super::wire::Message;
use crate::params::Parameters;
use crate::spec::{
    BlockSpec, ConvSpec, INPUT, Kernel, NetSpec, NormMode, NormSpec, Op, Statistics, Up,
};

/// Name of the graph's output.
const OUTPUT: &str = "probability";
/// Name of the factors of an upsampling by 2.
const TWICE: &str = "twice";
/// And of those of one in the plane.
const PLANE_TWICE: &str = "twice in the plane";

/// A graph that grows block by block.
pub(super) struct Graph<'a> {
    params: &'a Parameters,
    nodes: Vec<Message>,
    constants: Vec<Message>,
    /// Constants that are no parameters, which several blocks share.
    shared: BTreeSet<String>,
    /// The tensor that a block's name stands for.
    values: HashMap<&'a str, String>,
}

/// An attribute of an operator.
enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Ints(&'a [i64]),
    Text(&'a str),
}

impl Attribute<'_> {
    fn message(&self, name: &str) -> Message {
        let message = Message::new().text(1, name);
        match *self {
            Self::Float(value) => message.float(2, value).int(20, 1),
            Self::Int(value) => message.int(3, value).int(20, 2),
            Self::Text(value) => message.text(4, value).int(20, 3),
            Self::Ints(values) => message.ints(8, values).int(20, 7),
        }
    }
}

impl<'a> Graph<'a> {
    /// All blocks.
    ///
    /// `spec` is a network: [`NetSpec::shapes`] has seen it.
    pub(super) fn of(spec: &'a NetSpec, params: &'a Parameters) -> Self {
        let mut graph = Self {
            params,
            nodes: Vec::new(),
            constants: Vec::new(),
            shared: BTreeSet::new(),
            values: HashMap::from([(INPUT, INPUT.to_owned())]),
        };
        for block in &spec.blocks {
            let made = graph.block(block, spec.inputs_of(block).iter().sum());
            graph.values.insert(&block.name, made);
        }
        graph
    }

    /// The end of the network, and the whole as `GraphProto`.
    pub(super) fn finish(mut self, spec: &NetSpec, size: Option<[usize; 3]>) -> Message {
        let last = spec.blocks.last().map_or(INPUT, |block| block.name.as_str());
        let mut logits = self.value(last);
        let mut channels = spec.out_channels();
        if channels == 2 {
            // A softmax over two is a sigmoid of their difference.
            let parts = ["output/background".to_owned(), "output/bleed".to_owned()];
            let axis = [("axis", Attribute::Int(1))];
            self.node("Split", "output/split", &[&logits], &parts, &axis);
            let [background, bleed] = &parts;
            logits = self.single("Sub", "output/logit", &[bleed, background], &[]);
            channels = 1;
        }
        self.node("Sigmoid", "output/sigmoid", &[&logits], &[OUTPUT.to_owned()], &[]);
        let mut graph = Message::new();
        for node in &self.nodes {
            graph = graph.message(1, node);
        }
        graph = graph.text(2, &spec.name);
        for constant in &self.constants {
            graph = graph.message(5, constant);
        }
        let input = tensor_info(INPUT, spec.in_channels, size);
        graph.message(11, &input).message(12, &tensor_info(OUTPUT, channels, size))
    }

    /// Writes a block's operators and names what they make.
    fn block(&mut self, block: &BlockSpec, in_channels: usize) -> String {
        let name = block.name.as_str();
        let inputs: Vec<String> = block.inputs.iter().map(|input| self.value(input)).collect();
        let first = inputs.first().cloned().unwrap_or_default();
        match &block.op {
            Op::Conv(conv) => self.conv_block(block, conv, &inputs, in_channels),
            Op::Norm(spec) => {
                let normed = self.norm(name, &first, spec.norm, in_channels);
                self.activation(name, normed, spec.slope)
            }
            Op::MaxPool2 | Op::PlaneMaxPool2 => {
                let window = block.op.pool().expect("both are pools").window().map(|n| n as i64);
                let attributes = [
                    ("kernel_shape", Attribute::Ints(&window)),
                    ("strides", Attribute::Ints(&window)),
                ];
                self.single("MaxPool", &format!("{name}/pool"), &[&first], &attributes)
            }
            Op::Trilinear2 => {
                let modes = [
                    ("mode", Attribute::Text("linear")),
                    ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
                ];
                self.twice(name, &first, (TWICE, [2.0; 3]), &modes)
            }
            Op::SumUp => {
                let mut sum = first;
                for (level, finer) in inputs.iter().enumerate().skip(1) {
                    let up = self.nearest(&format!("{name}/{level}"), &sum, (TWICE, [2.0; 3]));
                    sum = self.single("Add", &format!("{name}/{level}/add"), &[&up, finer], &[]);
                }
                sum
            }
        }
    }

    fn conv_block(
        &mut self,
        block: &BlockSpec,
        conv: &ConvSpec,
        inputs: &[String],
        in_channels: usize,
    ) -> String {
        let name = block.name.as_str();
        let mut value = inputs.first().cloned().unwrap_or_default();
        if inputs.len() > 1 {
            let all: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let axis = [("axis", Attribute::Int(1))];
            value = self.single("Concat", &format!("{name}/concat"), &all, &axis);
        }
        match conv.up {
            Up::None => {}
            Up::Nearest2 => value = self.nearest(name, &value, (TWICE, [2.0; 3])),
            Up::PlaneNearest2 => {
                value = self.nearest(name, &value, (PLANE_TWICE, [1.0, 2.0, 2.0]));
            }
        }
        value = self.convolution(name, conv, &value, in_channels);
        if let Some(norm) = conv.norm {
            value = self.norm(name, &value, norm, conv.out_channels);
        }
        value = self.activation(name, value, conv.slope);
        if let Some(residual) = &conv.residual {
            let other = self.value(residual);
            value = self.single("Add", &format!("{name}/residual"), &[&value, &other], &[]);
        }
        value
    }

    fn convolution(
        &mut self,
        name: &str,
        conv: &ConvSpec,
        input: &str,
        in_channels: usize,
    ) -> String {
        let side = conv.kernel.size();
        // Begins `[z, y, x]`, then ends.
        let (strides, pads) = match conv.kernel {
            Kernel::One => ([1; 3], [0; 6]),
            Kernel::Three => ([1; 3], [1; 6]),
            Kernel::PlaneThree => ([1; 3], [0, 1, 1, 0, 1, 1]),
            Kernel::PlaneTwo => ([1; 3], [0, 0, 0, 0, 1, 1]),
            Kernel::ThreeDown => ([2; 3], [1; 6]),
            Kernel::ThreeDownTfSame => ([2; 3], [0, 0, 0, 1, 1, 1]),
            Kernel::TwoTransposed => ([2; 3], [0; 6]),
            Kernel::PlaneTwoTransposed => ([1, 2, 2], [0; 6]),
        };
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.conv.{part}"));
        let values = self.params.get(&weight);
        let (out_channels, taps) = (conv.out_channels, side.iter().product::<usize>());
        let [z, y, x] = side;
        let operator = if conv.kernel.is_transposed() {
            // ONNX has the input's channels first here.
            let values = (0..in_channels).flat_map(|from| {
                (0..out_channels).flat_map(move |to| {
                    let start = (to * in_channels + from) * taps;
                    values[start..start + taps].iter().copied()
                })
            });
            self.constant(&weight, &[in_channels, out_channels, z, y, x], values);
            "ConvTranspose"
        } else {
            let shape = [out_channels, in_channels, z, y, x];
            self.constant(&weight, &shape, values.iter().copied());
            "Conv"
        };
        let mut inputs = vec![input, &weight];
        if conv.bias {
            self.constant(&bias, &[out_channels], self.params.get(&bias).iter().copied());
            inputs.push(&bias);
        }
        let attributes = [
            ("kernel_shape", Attribute::Ints(&side.map(|n| n as i64))),
            ("pads", Attribute::Ints(&pads)),
            ("strides", Attribute::Ints(&strides)),
        ];
        self.single(operator, &format!("{name}/conv"), &inputs, &attributes)
    }

    /// Batch normalisation; instance normalisation: ONNX's own operator where ε is added to the
    /// variance, else its parts.
    fn norm(&mut self, name: &str, input: &str, norm: NormSpec, channels: usize) -> String {
        let [gamma, beta] = ["gamma", "beta"].map(|part| format!("{name}.norm.{part}"));
        if norm.statistics != Statistics::Own {
            return self.batch_norm(name, input, norm, channels);
        }
        let own = norm.mode == NormMode::Variance;
        // The parts are broadcast over `[1, channels, z, y, x]`.
        let shape = if own { vec![channels] } else { vec![channels, 1, 1, 1] };
        for part in [&gamma, &beta] {
            self.constant(part, &shape, self.params.get(part).iter().copied());
        }
        let step = |part: &str| format!("{name}/norm/{part}");
        if own {
            let epsilon = [("epsilon", Attribute::Float(norm.eps as f32))];
            let all = [input, &gamma, &beta];
            return self.single("InstanceNormalization", &format!("{name}/norm"), &all, &epsilon);
        }
        let over = || [("axes", Attribute::Ints(&[2, 3, 4])), ("keepdims", Attribute::Int(1))];
        let epsilon = self.shared(&format!("eps {:e}", norm.eps), &[], &[norm.eps as f32]);
        let mean = self.single("ReduceMean", &step("mean"), &[input], &over());
        let centred = self.single("Sub", &step("centred"), &[input, &mean], &[]);
        let squares = self.single("Mul", &step("squares"), &[&centred, &centred], &[]);
        let variance = self.single("ReduceMean", &step("variance"), &[&squares], &over());
        let deviation = self.single("Sqrt", &step("deviation"), &[&variance], &[]);
        let divisor = self.single("Add", &step("divisor"), &[&deviation, &epsilon], &[]);
        let normed = self.single("Div", &step("normed"), &[&centred, &divisor], &[]);
        let scaled = self.single("Mul", &step("scaled"), &[&normed, &gamma], &[]);
        self.single("Add", &step("shifted"), &[&scaled, &beta], &[])
    }

    fn batch_norm(&mut self, name: &str, input: &str, norm: NormSpec, channels: usize) -> String {
        let parts = ["gamma", "beta", "mean", "variance"].map(|part| format!("{name}.norm.{part}"));
        for part in &parts {
            self.constant(part, &[channels], self.params.get(part).iter().copied());
        }
        let [gamma, beta, mean, variance] = &parts;
        let epsilon = [("epsilon", Attribute::Float(norm.eps as f32))];
        let all = [input, gamma, beta, mean, variance];
        self.single("BatchNormalization", &format!("{name}/norm"), &all, &epsilon)
    }

    fn activation(&mut self, name: &str, input: String, slope: f32) -> String {
        let step = format!("{name}/activation");
        if slope == 1.0 {
            input
        } else if slope == 0.0 {
            self.single("Relu", &step, &[&input], &[])
        } else {
            self.single("LeakyRelu", &step, &[&input], &[("alpha", Attribute::Float(slope))])
        }
    }

    fn nearest(&mut self, name: &str, input: &str, factors: (&str, [f32; 3])) -> String {
        let modes = [
            ("mode", Attribute::Text("nearest")),
            ("coordinate_transformation_mode", Attribute::Text("asymmetric")),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        self.twice(name, input, factors, &modes)
    }

    /// Larger by the factors of that name along `[z, y, x]`.
    fn twice(
        &mut self,
        name: &str,
        input: &str,
        (factors, [z, y, x]): (&str, [f32; 3]),
        modes: &[(&str, Attribute<'_>)],
    ) -> String {
        let factors = self.shared(factors, &[5], &[1.0, 1.0, z, y, x]);
        // The empty name is the region of interest, which is not used.
        self.single("Resize", &format!("{name}/twice"), &[input, "", &factors], modes)
    }

    /// An operator with one output, named like it.
    fn single(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) -> String {
        self.node(operator, name, inputs, &[name.to_owned()], attributes);
        name.to_owned()
    }

    fn node(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        outputs: &[String],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let mut node = Message::new();
        for input in inputs {
            node = node.text(1, input);
        }
        for output in outputs {
            node = node.text(2, output);
        }
        node = node.text(3, name).text(4, operator);
        for (name, attribute) in attributes {
            node = node.message(5, &attribute.message(name));
        }
        self.nodes.push(node);
    }

    fn shared(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        if self.shared.insert(name.to_owned()) {
            self.constant(name, shape, values.iter().copied());
        }
        name.to_owned()
    }

    fn constant(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = f32>) {
        let dims: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let tensor = Message::new().ints(1, &dims).int(2, 1).text(8, name).raw_floats(9, values);
        self.constants.push(tensor);
    }

    fn value(&self, block: &str) -> String {
        self.values.get(block).cloned().expect("`shapes` has seen that every input is made before")
    }
}

/// `ValueInfoProto` of a tensor `[1, channels, z, y, x]`.
fn tensor_info(name: &str, channels: usize, size: Option<[usize; 3]>) -> Message {
    let known = |n: usize| Message::new().int(1, n as i64);
    let mut shape = Message::new().message(1, &known(1)).message(1, &known(channels));
    for (axis, side) in ["z", "y", "x"].into_iter().enumerate() {
        let dimension = match size {
            Some(size) => known(size[axis]),
            None => Message::new().text(2, side),
        };
        shape = shape.message(1, &dimension);
    }
    let tensor = Message::new().int(1, 1).message(2, &shape);
    Message::new().text(1, name).message(2, &Message::new().message(1, &tensor))
}
