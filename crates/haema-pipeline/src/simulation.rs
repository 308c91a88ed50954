//! Data sets of simulated heads: `haema simulate`.
//!
//! ```text
//! dataset.json, participants.tsv      as every data set has them
//! imagesTr/<case>_0000.nii.gz         Hounsfield units
//! labelsTr/<case>.nii.gz              0 background, 1 bleed
//! subtypes/<case>.nii.gz              1 intraventricular, 2 intraparenchymal, 3 subarachnoid,
//!                                     4 epidural, 5 subdural
//! ratersTr/simulated-<n>/<case>.nii.gz  with raters: the bleed as somebody else would draw it
//! cases/<case>.json                   all that is known of the case; written last
//! truth.csv                           a row for each bleed: where, and how many mL exactly
//! pairs.tsv                           with follow-up: a row for each bleed of each pair
//! dicom/<case>/                       with DICOM: the scan as a series
//! simulation.json                     the settings
//! ```
//!
//! A run that was stopped goes on with the cases that it lacks.

mod heads;
mod record;
mod tables;
mod workers;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::dataset::DatasetError;
use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_io::fs::{self, FsError};
use haema_io::{ImageFileError, nifti};
use haema_sim::raters::{self, Rater};
use haema_sim::{
    Anatomy, AnatomyError, CaseOptions, Protocol, SimulatedCase, SimulationError, Wanted,
    draw_bleeds, follow_up, simulate_case,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use heads::Heads;
pub use record::{CaseRecord, LesionRecord};
use workers::Workers;

/// The format of the settings and of a case's record.
pub const SIMULATION_SCHEMA: &str = "haema.simulation/1";
/// No settings or record are longer.
const LONGEST: u64 = 1 << 20;
/// No study has more people draw the same bleeds.
const MOST_RATERS: usize = 9;

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
    /// Number of simulated raters.
    #[serde(default)]
    pub raters: usize,
    /// Whether scans are made by projections.
    #[serde(default)]
    pub projections: bool,
    /// Rows and columns of each slice.
    pub matrix: usize,
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
    /// Number of simulated raters who draw each bleed.
    pub raters: usize,
    /// Whether scans are made by projections: slower, and more faithful.
    pub projections: bool,
    /// Rows and columns of each slice; half of the usual 512 takes a third of the time.
    pub matrix: usize,
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
    if order.raters > MOST_RATERS {
        let (found, wanted) = (order.raters.to_string(), "0 to 9");
        return Err(SimulateError::BadOrder { what: "number of raters", found, wanted });
    }
    let protocol = Protocol { pixels: order.matrix, ..Protocol::default() };
    protocol.check()?;
    let heads = Heads::find(order.anatomy.as_deref())?;
    prepare_folder(out, &order.settings(&heads))?;
    let mut records = Workers::of(order, &heads).run(out, on_progress)?;
    records.sort_by(|a, b| a.case_id.cmp(&b.case_id));
    tables::write(out, &records, order)?;
    Ok(records)
}

impl Order {
    fn settings(&self, heads: &Heads) -> Settings {
        Settings {
            schema: SIMULATION_SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.seed,
            blank: self.blank,
            followup: self.followup,
            raters: self.raters,
            projections: self.projections,
            matrix: self.matrix,
            anatomies: heads.names(),
        }
    }

    fn case_id(&self, patient: usize, visit: usize) -> String {
        let visit = if self.followup { format!("-t{visit}") } else { String::new() };
        format!("sim-{:05}{visit}", patient + 1)
    }

    /// A seed for each patient, and whether there is a bleed.
    fn patient_seed(&self, patient: usize) -> (u64, bool) {
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
        (place, threads): (&Place<'_>, NonZeroUsize),
    ) -> Result<CaseRecord, SimulateError> {
        let (seed, _) = self.patient_seed(patient);
        let options = CaseOptions {
            bleeds: Some(self.bleeds(patient, visit)),
            visit: visit as u64,
            projections: self.projections,
            pixels: self.matrix,
            pitch_mm: if self.matrix < FINE_MATRIX { 1.5 } else { 1.0 },
            threads,
            ..CaseOptions::new(seed)
        };
        let case = simulate_case(anatomy, &options)?;
        let record = CaseRecord::of(&place.id, seed, &case);
        for number in 0..self.raters {
            place.write_rater(&case, number, mix(seed ^ mix((1 + number + 100 * visit) as u64)))?;
        }
        place.write(&case, &record, self.dicom)?;
        Ok(record)
    }
}

/// Fewer pixels than these show no more of the head than a lattice of 1.5 mm holds.
const FINE_MATRIX: usize = 320;

/// The finaliser of `SplitMix64`.
fn mix(key: u64) -> u64 {
    let z = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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

    /// Writes the mask that a simulated rater draws.
    fn write_rater(
        &self,
        case: &SimulatedCase,
        number: usize,
        seed: u64,
    ) -> Result<(), SimulateError> {
        let grid = case.ct.grid();
        // After the paper's three experts, others of their kinds.
        let rater = Rater::EXPERTS[number % Rater::EXPERTS.len()];
        let mask = raters::draw(&case.bleed_shares, grid, &rater, seed);
        let name = rater_name(number);
        let path = self.out.join("ratersTr").join(&name).join(format!("{}.nii.gz", self.id));
        let words = format!("haema: {name}, a simulated rater; no person drew this");
        Ok(nifti::write_described_mask(&path, &mask, grid, &words)?)
    }

    fn write(
        &self,
        case: &SimulatedCase,
        record: &CaseRecord,
        dicom: bool,
    ) -> Result<(), SimulateError> {
        let (id, grid) = (&self.id, case.ct.grid());
        let image = self.out.join("imagesTr").join(format!("{id}_0000.nii.gz"));
        let label = format!("{id}.nii.gz");
        // To compress the image takes as long as all the rest.
        std::thread::scope(|scope| {
            let image = scope
                .spawn(|| nifti::write(&image, &case.ct.voxels_hu().map(|hu| *hu as i16), grid));
            nifti::write_mask(&self.out.join("labelsTr").join(&label), &case.mask, grid)?;
            nifti::write_mask(&self.out.join("subtypes").join(&label), &case.subtypes, grid)?;
            image.join().expect("writing a file does not panic")
        })?;
        if !grid.is_evenly_spaced() {
            let positions = self.out.join("slice_positions").join(format!("{id}.json"));
            nifti::write_slice_positions(&positions, grid)?;
        }
        if dicom {
            let options = SeriesOptions { seed: id.clone(), ..SeriesOptions::default() };
            write_series(&self.out.join("dicom").join(id), &case.ct, &options)?;
        }
        Ok(fs::write_json(&self.record_path(), record)?)
    }
}

/// The folder of a simulated rater, counted from 0.
fn rater_name(number: usize) -> String {
    format!("simulated-{}", number + 1)
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
    for number in 0..settings.raters {
        fs::create_folder(&out.join("ratersTr").join(rater_name(number)))?;
    }
    Ok(fs::write_json(&path, settings)?)
}

#[cfg(test)]
mod tests;
