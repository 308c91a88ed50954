//! What is at a path, and what haema would make of it: what `haema info` shows.

use std::num::NonZeroUsize;

use serde::Serialize;

use crate::input::{self, InputError, Source};
use crate::report::{Input, Series};
use crate::segment::{gate, input_of, series_of};

/// The format of an inspection as JSON.
pub const INSPECTION_SCHEMA: &str = "haema.info/1";

/// What was found, and what would be used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// [`INSPECTION_SCHEMA`].
    pub schema: String,
    /// Whether `haema segment` would take it.
    pub usable: bool,
    /// Why not.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The name that the case would have.
    pub case_id: Option<String>,
    /// Every series found, the taken one first.
    pub series: Vec<Series>,
    /// The scan, where one could be read.
    pub scan: Option<Input>,
    /// The lowest and highest voxel of the scan.
    pub range_hu: Option<[f32; 2]>,
}

/// Reads a scan to say what is in it.
///
/// # Errors
///
/// [`InputError`] where nothing is at the path. What is there and cannot be used is no error: the
/// inspection says why.
pub fn inspect(source: &Source, series: Option<&str>) -> Result<Inspection, InputError> {
    let unknown = Inspection {
        schema: INSPECTION_SCHEMA.to_owned(),
        usable: false,
        reason: None,
        hint: None,
        case_id: None,
        series: Vec::new(),
        scan: None,
        range_hu: None,
    };
    let scan = match input::read(source, series) {
        Ok(scan) => scan,
        Err(error) if error.is_not_found() => return Err(error),
        Err(error) => {
            return Ok(Inspection {
                reason: Some(error.reason()),
                hint: error.hint().map(str::to_owned),
                series: error.series().iter().map(series_of).collect(),
                ..unknown
            });
        }
    };
    let mut warnings = scan.provenance.warnings.clone();
    let refusal = match gate::check(&scan.ct, NonZeroUsize::MIN) {
        Ok(gate) => {
            let told = gate.doubts().map(str::to_owned);
            warnings.extend(told.filter(|doubt| !scan.provenance.warnings.contains(doubt)));
            None
        }
        Err(refusal) => Some(refusal),
    };
    let found = input_of(&scan, warnings);
    Ok(Inspection {
        usable: refusal.is_none(),
        reason: refusal.as_ref().map(ToString::to_string),
        hint: refusal.as_ref().map(|refusal| refusal.hint().to_owned()),
        case_id: Some(scan.provenance.case_id.clone()),
        series: found.series.clone(),
        range_hu: Some(range_of(scan.ct.voxels_hu().as_slice())),
        scan: Some(found),
        ..unknown
    })
}

fn range_of(voxels_hu: &[f32]) -> [f32; 2] {
    let lowest = voxels_hu.iter().copied().fold(f32::INFINITY, f32::min);
    let highest = voxels_hu.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    [lowest, highest]
}
