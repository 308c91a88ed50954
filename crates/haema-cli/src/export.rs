//! `haema export`: a model in the form of another program.

use std::path::PathBuf;

use haema_io::fs;

use crate::method::{self, Method};
use crate::{CliError, Outcome, Streams};

/// Writes a model in a form that other programs read.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    form: Form,
}

#[derive(Debug, clap::Subcommand)]
enum Form {
    Onnx(Onnx),
}

/// The network as ONNX (fp32, opset 17): for ONNX Runtime, OpenVINO and others.
///
/// Input `input` [1, 1, z, y, x]: a scan on the network's own grid, its window as 0 to 1. Output
/// `probability`, of the same shape. How a scan comes to that grid, the checksum of the weights and
/// the licence stand in the file's metadata.
#[derive(Debug, clap::Args)]
struct Onnx {
    /// Which network [default: that of --model, else cnn-ds].
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// File to write.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Weights that haema train made [default: the model that is built in].
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Fix the input's size in voxels, such as 64,128,128 [default: any that goes through].
    #[arg(long, value_name = "Z,Y,X", value_parser = crate::size)]
    size: Option<[usize; 3]>,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let Form::Onnx(args) = &args.form;
    let model = method::network(args.method, args.model.as_deref())?;
    let bytes = model.to_onnx(args.size, env!("CARGO_PKG_VERSION"))?;
    fs::write_atomic(&args.out, &bytes)?;
    writeln!(streams.out, "{}", args.out.display())?;
    Ok(Outcome::Done)
}
