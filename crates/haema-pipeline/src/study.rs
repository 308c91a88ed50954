//! The paper's study as pure functions: from one row for each case and method to its tables.
//!
//! [`CaseRow`] is the master: everything that the tables show follows from such rows, which stand in a file
//! of their own. [`tables`] makes the tables, [`paper`] holds what the paper printed, and a [`Table`] puts
//! the two beside each other, in columns of their own, as CSV or Markdown.

pub mod case_row;
pub mod paper;
pub mod table;
pub mod tables;

pub use case_row::CaseRow;
pub use table::Table;

#[cfg(test)]
mod tests;
