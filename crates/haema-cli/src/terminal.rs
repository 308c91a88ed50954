//! The command at a terminal: arguments in, exit code out.
#![expect(clippy::print_stderr, reason = "the one place that talks to the terminal")]

use std::error::Error as _;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::device::OpenGpu;
use crate::{Cli, Streams};

/// Does what the process's arguments say, and turns the result into an exit code: all that a `main`
/// has to call. `gpu` opens the GPU of a build that has one.
pub fn command(gpu: Option<&OpenGpu>) -> ExitCode {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let err_is_terminal = err.is_terminal();
    let mut streams = Streams { out: &mut out, err: &mut err, err_is_terminal };
    match crate::run(Cli::parse(), gpu, &mut streams) {
        Ok(outcome) => outcome.exit_code(),
        // Whoever read our output has had enough: `haema info scan | head`.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  caused by: {cause}");
                source = cause.source();
            }
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}
