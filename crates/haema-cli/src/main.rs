//! The `haema` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    haema_cli::command(None)
}
