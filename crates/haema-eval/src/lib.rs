//! How well a segmentation agrees with a reference, and how sure that is.
//!
//! Every number here says what it does with an empty mask, because over head CT, where most scans
//! have no bleed, that choice moves a mean more than most changes to a model do.

mod bootstrap;
mod overlap;
mod roc;
mod volumes;

pub use bootstrap::{Bootstrap, Interval};
pub use overlap::{Overlap, OverlapError};
pub use roc::{RocError, roc_auc};
pub use volumes::median_absolute_error_ml;
