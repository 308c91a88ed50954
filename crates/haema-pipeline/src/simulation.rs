//! Data sets of simulated heads: `haema simulate`.
//!
//! ```text
//! dataset.json, participants.tsv      as every data set has them
//! imagesTr/<case>_0000.nii.gz         Hounsfield units
//! labelsTr/<case>.nii.gz              0 background, 1 bleed
//! subtypes/<case>.nii.gz              1 intraventricular, 2 intraparenchymal, 3 subarachnoid,
//!                                     4 epidural, 5 subdural
//! cases/<case>.json                   all that is known of the case; written last
//! truth.csv                           a row for each bleed: where, and how many mL exactly
//! pairs.tsv                           with follow-up: a row for each bleed of each pair
//! dicom/<case>/                       with DICOM: the scan as a series
//! simulation.json                     the settings
//! ```
//!
//! A run that was stopped goes on with the cases that it lacks.

mod record;
mod tables;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::dataset::DatasetError;
use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_io::fs::{self, FsError};
use haema_io::{ImageFileError, nifti};
use haema_sim::{
    Anatomy, AnatomyError, CaseOptions, SimulatedCase, SimulationError, Wanted, draw_bleeds,
    follow_up, simulate_case,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use record::{CaseRecord, LesionRecord};

/// The format of the settings and of a case's record.
pub const SIMULATION_SCHEMA: &str = "haema.simulation/1";
/// No settings or record are longer.
const LONGEST: u64 = 1 << 20;
/// How many built-in heads differ in their folds.
const BUILTIN_HEADS: usize = 8;

/// What a simulated data set is made from: the same settings give the same files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// [`SIMULATION_SCHEMA`].
    pub schema: String,
    /// Version of haema: another one may draw other heads.
    pub version: String,
    /// Root of every random choice.
    pub seed: u64,
    /// Share of patients without any bleed.
    pub blank: f64,
    /// Whether every patient is scanned twice.
    pub followup: bool,
    /// File names of the label maps; none for the built-in heads.
    pub anatomies: Vec<String>,
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// Number of patients.
    pub cases: usize,
    /// Root of every random choice.
    pub seed: u64,
    /// Share of patients without any bleed.
    pub blank: f64,
    /// Folder of label maps; none for the built-in heads.
    pub anatomy: Option<PathBuf>,
    /// Whether every patient is scanned twice.
    pub followup: bool,
    /// Whether to write DICOM series beside the NIfTI files.
    pub dicom: bool,
    /// How many threads; the files are the same for any number.
    pub threads: NonZeroUsize,
}

/// Why a data set cannot be simulated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// A NIfTI file cannot be read or written.
    #[error(transparent)]
    Image(#[from] ImageFileError),
    /// The data set's tables cannot be written.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A label map is no head.
    #[error("{cause}: {}", path.display())]
    Anatomy {
        /// What is wrong with it.
        cause: AnatomyError,
        /// The file.
        path: PathBuf,
    },
    /// There are no label maps.
    #[error("no label maps: wanted files that end in .nii.gz or .nii: {}", folder.display())]
    NoAnatomies {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds something else, or another simulation.
    #[error("{found}: wanted an empty or new folder, or the same simulation: {}", folder.display())]
    Occupied {
        /// What is there.
        found: String,
        /// The folder.
        folder: PathBuf,
    },
    /// Nothing can be made with such settings.
    #[error("{what} {found}: wanted {wanted}")]
    BadOrder {
        /// Which setting.
        what: &'static str,
        /// Its value.
        found: String,
        /// What may be set.
        wanted: &'static str,
    },
    /// A case cannot be simulated.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
}

/// A case was made, or was there already.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Cases that are done.
    pub done: usize,
    /// All cases.
    pub total: usize,
    /// This one.
    pub record: &'a CaseRecord,
    /// Whether it was there already.
    pub is_old: bool,
}

/// Simulates a data set into a folder. Returns the record of every case, in order.
///
/// # Errors
///
/// [`SimulateError`] where a label map is no head, the folder holds something else, or the disk
/// refuses. Cases that are done stay.
pub fn simulate(
    order: &Order,
    out: &Path,
    on_progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<CaseRecord>, SimulateError> {
    if order.cases == 0 {
        let (found, wanted) = (order.cases.to_string(), "1 or more");
        return Err(SimulateError::BadOrder { what: "number of cases", found, wanted });
    }
    if !(0.0..=1.0).contains(&order.blank) {
        let (found, wanted) = (order.blank.to_string(), "a share from 0 to 1");
        return Err(SimulateError::BadOrder { what: "share without a bleed", found, wanted });
    }
    let maps = order.anatomy.as_deref().map(label_maps).transpose()?;
    prepare_folder(out, &order.settings(maps.as_deref()))?;
    let heads = maps.as_ref().map_or(BUILTIN_HEADS, Vec::len);
    let scans = if order.followup { 2 } else { 1 };
    let total = order.cases * scans;
    let mut records = Vec::new();
    // One anatomy at a time: a prepared one takes some 40 MB.
    for head in 0..heads {
        let mut anatomy = None;
        for patient in (head..order.cases).step_by(heads) {
            for visit in 0..scans {
                let place = Place { out, id: order.case_id(patient, visit) };
                let old = place.record()?;
                let is_old = old.is_some();
                let record = if let Some(record) = old {
                    record
                } else {
                    let anatomy = match &mut anatomy {
                        Some(anatomy) => anatomy,
                        none => none.insert(read_head(maps.as_deref(), head)?),
                    };
                    order.make(anatomy, (patient, visit), &place)?
                };
                records.push(record);
                let (done, record) = (records.len(), &records[records.len() - 1]);
                on_progress(Progress { done, total, record, is_old });
            }
        }
    }
    records.sort_by(|a, b| a.case_id.cmp(&b.case_id));
    tables::write(out, &records, order.followup)?;
    Ok(records)
}

impl Order {
    fn settings(&self, maps: Option<&[PathBuf]>) -> Settings {
        let name =
            |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Settings {
            schema: SIMULATION_SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.seed,
            blank: self.blank,
            followup: self.followup,
            anatomies: maps.unwrap_or_default().iter().map(name).collect(),
        }
    }

    fn case_id(&self, patient: usize, visit: usize) -> String {
        let visit = if self.followup { format!("-t{visit}") } else { String::new() };
        format!("sim-{:05}{visit}", patient + 1)
    }

    /// A seed for each patient, by the finaliser of `SplitMix64`, and whether there is a bleed.
    fn patient_seed(&self, patient: usize) -> (u64, bool) {
        let mix = |key: u64| {
            let z = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let seed = mix(mix(self.seed) ^ (patient as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let at = (mix(seed) >> 11) as f64 / (1_u64 << 53) as f64;
        (seed, at >= self.blank)
    }

    fn bleeds(&self, patient: usize, visit: usize) -> Vec<Wanted> {
        let (seed, has_bleed) = self.patient_seed(patient);
        let first = if has_bleed { draw_bleeds(seed) } else { Vec::new() };
        if visit == 0 || !has_bleed { first } else { follow_up(&first, seed) }
    }

    fn make(
        &self,
        anatomy: &Anatomy,
        (patient, visit): (usize, usize),
        place: &Place<'_>,
    ) -> Result<CaseRecord, SimulateError> {
        let (seed, _) = self.patient_seed(patient);
        let options = CaseOptions {
            bleeds: Some(self.bleeds(patient, visit)),
            visit: visit as u64,
            threads: self.threads,
            ..CaseOptions::new(seed)
        };
        let case = simulate_case(anatomy, &options)?;
        let record = CaseRecord::of(&place.id, seed, &case);
        place.write(&case, &record, self.dicom)?;
        Ok(record)
    }
}

/// Where the files of a case lie.
struct Place<'a> {
    out: &'a Path,
    id: String,
}

impl Place<'_> {
    fn record_path(&self) -> PathBuf {
        self.out.join("cases").join(format!("{}.json", self.id))
    }

    /// The record of a case that is done.
    fn record(&self) -> Result<Option<CaseRecord>, SimulateError> {
        let path = self.record_path();
        if !path.is_file() {
            return Ok(None);
        }
        // One that is not understood is made again.
        Ok(serde_json::from_str(&fs::read_to_string(&path, LONGEST)?).ok())
    }

    fn write(
        &self,
        case: &SimulatedCase,
        record: &CaseRecord,
        dicom: bool,
    ) -> Result<(), SimulateError> {
        let (id, grid) = (&self.id, case.ct.grid());
        let image = self.out.join("imagesTr").join(format!("{id}_0000.nii.gz"));
        nifti::write(&image, &case.ct.voxels_hu().map(|hu| *hu as i16), grid)?;
        if !grid.is_evenly_spaced() {
            let positions = self.out.join("slice_positions").join(format!("{id}.json"));
            nifti::write_slice_positions(&positions, grid)?;
        }
        let label = format!("{id}.nii.gz");
        nifti::write_mask(&self.out.join("labelsTr").join(&label), &case.mask, grid)?;
        nifti::write_mask(&self.out.join("subtypes").join(&label), &case.subtypes, grid)?;
        if dicom {
            let options = SeriesOptions { seed: id.clone(), ..SeriesOptions::default() };
            write_series(&self.out.join("dicom").join(id), &case.ct, &options)?;
        }
        Ok(fs::write_json(&self.record_path(), record)?)
    }
}

/// The label maps of a folder, sorted by name.
fn label_maps(folder: &Path) -> Result<Vec<PathBuf>, SimulateError> {
    let is_map = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && (name.ends_with(".nii.gz") || name.ends_with(".nii"))
    };
    let maps: Vec<PathBuf> = fs::list_folder(folder)?.into_iter().filter(is_map).collect();
    if maps.is_empty() {
        return Err(SimulateError::NoAnatomies { folder: folder.to_owned() });
    }
    Ok(maps)
}

fn read_head(maps: Option<&[PathBuf]>, head: usize) -> Result<Anatomy, SimulateError> {
    let Some(maps) = maps else { return Ok(Anatomy::builtin(head as u64)) };
    let path = &maps[head];
    let map = nifti::read(path)?;
    Anatomy::from_label_map(&map.ct)
        .map_err(|cause| SimulateError::Anatomy { cause, path: path.clone() })
}

/// Makes the folders, or finds them made by the same simulation.
fn prepare_folder(out: &Path, settings: &Settings) -> Result<(), SimulateError> {
    let path = out.join("simulation.json");
    let occupied = |found: String| SimulateError::Occupied { found, folder: out.to_owned() };
    if path.is_file() {
        let text = fs::read_to_string(&path, LONGEST)?;
        let found: Result<Settings, _> = serde_json::from_str(&text);
        match found {
            Ok(found) if found == *settings => {}
            Ok(_) => return Err(occupied("a simulation with other settings".to_owned())),
            Err(cause) => return Err(occupied(format!("simulation.json is not ours ({cause})"))),
        }
    } else if out.is_dir() && !fs::list_folder(out)?.is_empty() {
        return Err(occupied("files that no simulation made".to_owned()));
    }
    for folder in ["imagesTr", "labelsTr", "subtypes", "cases", "slice_positions"] {
        fs::create_folder(&out.join(folder))?;
    }
    Ok(fs::write_json(&path, settings)?)
}

#[cfg(test)]
mod tests;
