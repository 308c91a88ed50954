//! Tests of reading and writing files, through the public interface.

mod dicom_bad_input;
mod dicom_behaviours;
mod dicom_choice;
mod dicom_no_panic;
mod dicom_real_series;
mod dicom_transfer_syntaxes;
mod phantom;
