//! The paper's study on any dataset: every method on one split, and its tables and figures.
//!
//! ```text
//! OUT/study.json                 what was asked for, on what, by which version
//! OUT/split.json                 which case served for what, and which were left out, and why
//! OUT/models/<method>/           each method's training run, as `haema train` leaves it
//! OUT/masks/<method>/<case>.*    what each method found, and in how many seconds
//! OUT/master.csv                 one row for each case and pair of masks
//! OUT/tables/, OUT/figures/      CSV and Markdown, SVG and PNG
//! OUT/report.html                all of it on one page, in the paper's order
//! ```
//!
//! Each stage leaves files that a person can open, and takes what it finds done. What fails for one
//! method or case is told and leaves the rest as it is.
//!
//! [`CaseRow`] is the master: everything that the tables show follows from such rows. [`tables`] makes the
//! tables, [`paper`] holds what the paper printed, and a [`Table`] puts the two beside each other, in
//! columns of their own.

pub mod case_row;
mod cases;
mod charts;
mod cohort;
mod drawing;
mod error;
mod extras;
mod network_chart;
mod page;
pub mod paper;
mod plan;
mod run;
mod slices;
pub mod table;
pub mod tables;
mod wide;

pub use case_row::CaseRow;
pub use error::StudyError;
pub use plan::{LeftOut, Order, Plan, Settings};
pub use run::{Event, study};
pub use table::Table;

#[cfg(test)]
mod tests;
