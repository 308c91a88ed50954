//! CT in DICOM: a folder of anything, an archive, a single file, or a multi-frame object.
//!
//! [`read`] looks at every file, groups images into series and stacks, chooses the one that is a
//! non-contrast head CT, and gives it as Hounsfield units on a grid in which each slice keeps its
//! own position. [`inspect`] stops before the pixels. What is odd is told in plain sentences; what
//! cannot be trusted is refused with what was found and what was wanted.
//!
//! # Invariants
//!
//! - Slices are placed by _Image Position_ and _Image Orientation (Patient)_ alone. File names and
//!   instance numbers decide nothing; a position that is missing is not guessed.
//! - Nothing recurses and nothing is allocated on a header's word ([`crate::limits`]).
//! - No text that a person typed leaves: see [`crate::phi`].

mod choose;
mod codestream;
mod elements;
mod error;
mod files;
mod geometry_warnings;
mod header;
mod hounsfield;
mod load;
mod object;
mod pixels;
mod refusal;
mod rle;
mod source;
mod spacing;
mod stack;
mod study;
mod syntax;
pub mod tags;
mod values;
pub mod write;

use std::num::NonZeroUsize;
use std::path::Path;

pub use error::{DicomError, FileError, PixelError};
pub use tags::Tag;

use crate::identity::Identity;
use crate::plausibility;
use crate::scan::{InputKind, Provenance, Scan, SeriesReport};
use study::Study;

/// How to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Which series: its _Series Instance UID_, or the short name that [`inspect`] gives. Without
    /// it, the best non-contrast head CT is taken.
    pub series: Option<String>,
    /// Threads to decode with; without it, one for each core. The answer is the same.
    pub threads: Option<NonZeroUsize>,
}

/// What is at a path, and what would be made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Files looked at.
    pub file_count: usize,
    /// Every series found: the one that would be taken first, each with its reason.
    pub series: Vec<SeriesReport>,
    /// Files that are no part of a series: counted, and named where they are damaged.
    pub warnings: Vec<String>,
}

/// One thread for each core, where the caller names no number.
fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Says what is at a path without decoding pixels (but for images that lie at one place).
///
/// # Errors
///
/// [`DicomError`] where there is no readable DICOM file at all. That no series can be used is no
/// error here: each says so.
pub fn inspect(path: &Path) -> Result<Inspection, DicomError> {
    let study = Study::open(path, all_cores())?;
    let judged = study.judge(None);
    Ok(Inspection {
        file_count: study.file_count(),
        series: judged.reports(),
        warnings: [judged.warnings(), study.warnings()].concat(),
    })
}

/// Reads the non-contrast head CT at a path, or the series that was asked for.
///
/// # Errors
///
/// [`DicomError`]: nothing there, nothing readable, no series that can be used, or too many of its
/// images damaged. A few bad files are left out and named in [`Provenance::warnings`].
pub fn read(path: &Path, options: &ReadOptions) -> Result<Scan, DicomError> {
    let threads = options.threads.unwrap_or_else(all_cores);
    let study = Study::open(path, threads)?;
    let judged = study.judge(options.series.as_deref());
    let reports = judged.reports();
    let Some(best) = judged.best() else {
        let is_known = options.series.as_deref().is_none_or(|wanted| judged.knows(wanted));
        return Err(if is_known {
            DicomError::NoUsableSeries { series: reports }
        } else {
            DicomError::NoSuchSeries { series: reports }
        });
    };
    let loaded = load::load(study.files(), &best.usable.stack, threads)?;
    let grid = loaded.ct.grid();
    let header_tilt_deg = loaded.stack.images.iter().find_map(|image| image.header.tilt_deg);

    let mut warnings = best.usable.doubts.clone();
    warnings.extend(judged.warnings());
    warnings.extend(study.warnings());
    warnings.extend(loaded.warnings.iter().cloned());
    warnings.extend(geometry_warnings::warnings(
        grid,
        &loaded.stack,
        &loaded.missing_slices,
        header_tilt_deg,
    ));
    warnings.extend(load::pixel_warnings(&loaded));
    warnings.extend(plausibility::doubts(&loaded.ct));
    let identities = loaded.stack.images.iter().map(|image| image.header.identity);
    let identity = identities.reduce(Identity::earliest).unwrap_or_default();
    let mut files: Vec<usize> = loaded.stack.images.iter().map(|image| image.file).collect();
    files.sort_unstable();
    files.dedup();
    let provenance = Provenance {
        kind: InputKind::Dicom,
        case_id: best.id.clone(),
        file_count: files.len(),
        sha256: loaded.sha256,
        series: reports,
        warnings,
        missing_slices: loaded.missing_slices,
        header_tilt_deg,
        identity,
    };
    Ok(Scan { ct: loaded.ct, provenance })
}
