//! Chores of the workspace, in Rust: `cargo xtask check` and its steps, `cargo xtask perf`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod check;
mod layers;
mod manifest;
mod perf;
mod rules;
mod spelling;
mod tree;

use std::process::ExitCode;

/// Why a chore could not be done, as a sentence that says what to do.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
Chores of the workspace.

  cargo xtask check           every step below, cheapest first; stops at the first that fails
  cargo xtask check STEP...   only these steps
  cargo xtask perf            instructions of small fixed pieces of work against the record; exit code
                              3 where they cannot be counted here
  cargo xtask perf --update   writes the record, benchmarks/instructions.toml
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((command, steps)) if command == "check" => {
            check::run(steps).map(|()| ExitCode::SUCCESS)
        }
        Some((command, args)) if command == "perf" => perf::run(args),
        Some((command, _)) if command != "help" && command != "--help" => {
            Err(format!("`{command}` is not a chore of this workspace\n\n{}", usage()).into())
        }
        _ => {
            print!("{}", usage());
            Ok(ExitCode::SUCCESS)
        }
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("\nerror: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let steps: Vec<String> =
        check::STEPS.iter().map(|step| format!("  {:<10} {}\n", step.name, step.what)).collect();
    format!("{USAGE}\n{}", steps.concat())
}
