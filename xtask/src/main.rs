//! Chores of the workspace, in Rust: `cargo xtask check` and its steps.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

fn main() {
    println!("placeholder");
}
