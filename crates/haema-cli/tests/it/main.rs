//! The command as users run it: the real program, its output and its exit code.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod bad_input;
mod bench;
mod command;
mod compare;
mod export;
mod help;
mod import;
mod info;
mod positions;
mod segment;
mod selftest;
mod simulate;
mod stand;
mod study;
mod train;
