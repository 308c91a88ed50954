//! From a scan to a report, and from a dataset to a model: the one way that every door takes.

pub mod evaluation;
pub mod model_file;
pub mod training;
