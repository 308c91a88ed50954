//! Reading and writing files, through the public interface.

#[cfg(test)]
mod dicom_bad_input;
#[cfg(test)]
mod dicom_behaviours;
#[cfg(test)]
mod dicom_choice;
#[cfg(test)]
mod dicom_no_panic;
#[cfg(test)]
mod dicom_real_series;
#[cfg(test)]
mod dicom_transfer_syntaxes;
#[cfg(test)]
mod phantom;
