//! Tests through the crate's interface, most of them against what other programs computed.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod ct_ich;
mod dicom_bad_input;
mod dicom_behaviours;
mod dicom_choice;
mod dicom_damaged_frames;
mod dicom_file;
mod dicom_no_panic;
mod dicom_real_series;
mod dicom_transfer_syntaxes;
mod dicom_written;
mod hostile;
mod images;
mod phantom;
