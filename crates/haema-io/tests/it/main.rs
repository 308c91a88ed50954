//! Tests through the crate's interface, most of them against what other programs computed.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod ct_ich;
mod hostile;
mod images;
