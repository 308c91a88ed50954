//! The `haema` command: reads arguments, calls [`haema_cli::run`], turns the result into an exit
//! code.
#![expect(clippy::print_stderr, reason = "the one place that talks to the terminal")]

use std::error::Error as _;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use haema_cli::{Cli, Streams};

fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let err_is_terminal = err.is_terminal();
    let mut streams = Streams { out: &mut out, err: &mut err, err_is_terminal };
    match haema_cli::run(Cli::parse(), &mut streams) {
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
