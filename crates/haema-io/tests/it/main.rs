//! Tests through the crate's interface, most of them against what other programs computed.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod hostile;
mod images;
