//! From a scan to a report, and from a dataset to a model: the one way that every door takes.
//!
//! [`segment::run`] turns any number of inputs into masks and reports; [`input::read`] is its first
//! step alone. [`compare`] tells whether a bleed has grown. [`training`] makes the models. [`selftest`] holds reading and measuring to closed forms. The pipeline prints nothing: it tells what happens
//! through events.

pub mod bench;
pub mod calibration;
pub mod compare;
pub mod ensemble;
pub mod evaluation;
mod html;
pub mod input;
pub mod inspect;
pub mod intervals;
#[cfg(test)]
mod json_schema;
pub mod model_file;
pub mod report;
pub mod segment;
pub mod segmenter;
pub mod selftest;
pub mod simulation;
pub mod study;
mod suspicion;
pub mod training;
