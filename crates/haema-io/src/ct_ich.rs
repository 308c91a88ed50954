//! Imports CT-ICH 1.0.0 from its original layout of JPEG windows.
//!
//! CT-ICH (Hssayeni et al., _Data_ 2020, 5(1):14; doi:10.13026/w8q8-ky94; CC BY 4.0) holds head CT
//! of trauma patients as 8-bit JPEG pictures: a brain window, a bone window, and a mask for each
//! slice with a bleed. [`import`] turns them into Hounsfield units in the layout of
//! [`crate::dataset`].

mod diagnosis;
mod patient;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use haema_volume::{Grid, parallel};
use thiserror::Error;

use crate::dataset::{DatasetError, Description, IMAGES, LABELS, NOT_KNOWN, Participants, Subtype};
use crate::fs::{self, FsError};
use crate::{ImageFileError, nifti};
use diagnosis::{Diagnoses, Diagnosis};
use patient::Patient;
pub use patient::PatientError;

/// How to import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// Pixel spacing of the original 512 × 512 slices, mm. The release does not tell it.
    pub spacing_mm: f64,
    /// How many patients are worked on at a time. The result does not depend on it.
    pub threads: NonZeroUsize,
}

impl Default for ImportOptions {
    /// 0.42 mm, about the middle of the 0.31 to 0.49 mm of the original scans; two threads.
    fn default() -> Self {
        Self { spacing_mm: 0.42, threads: NonZeroUsize::new(2).expect("2 is not 0") }
    }
}

/// How far an import is. Patients may finish in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Patients done, well or not, with this one.
    pub done: usize,
    /// Patients in all.
    pub total: usize,
    /// The case that was finished.
    pub case_id: &'a str,
}

/// What an import did.
#[derive(Debug, Default)]
pub struct ImportSummary {
    /// The cases written, sorted.
    pub cases: Vec<ImportedCase>,
    /// The patients that could not be imported, sorted, with the reason of each.
    pub failures: Vec<ImportFailure>,
}

/// One case that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedCase {
    /// Such as `ctich-049`.
    pub case_id: String,
    /// Number of slices.
    pub slice_count: usize,
    /// Number of voxels in the masks.
    pub bleed_voxels: usize,
    /// Their volume. Nominal: the true pixel spacing is not in the release.
    pub nominal_bleed_ml: f64,
    /// What is doubtful, in plain words.
    pub warnings: Vec<String>,
}

/// One patient that could not be imported.
#[derive(Debug)]
pub struct ImportFailure {
    /// Such as `ctich-049`.
    pub case_id: String,
    /// Why not.
    pub cause: CaseError,
}

/// Why one patient could not be imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The pictures are not usable.
    #[error(transparent)]
    Patient(#[from] PatientError),
    /// The case could not be written.
    #[error(transparent)]
    Write(#[from] ImageFileError),
}

/// Why nothing could be imported. The message ends with the path.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The disk refused.
    #[error(transparent)]
    File(#[from] FsError),
    /// `dataset.json` or `participants.tsv` could not be written.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Not the layout of the release.
    #[error("{reason}: wanted CT-ICH 1.0.0 as released: {}", path.display())]
    NotCtIch {
        /// What was found.
        reason: String,
        /// Where.
        path: PathBuf,
    },
    /// A spacing that no head CT has.
    #[error("pixel spacing {found_mm} mm: wanted 0.1 to 2 mm")]
    BadSpacing {
        /// The spacing that was given.
        found_mm: f64,
    },
    /// The target holds another data set.
    #[error(
        "the folder already holds other cases ({found}): wanted an empty folder or a former import: {}",
        folder.display()
    )]
    TargetInUse {
        /// Name of a file that is not ours.
        found: String,
        /// The target.
        folder: PathBuf,
    },
}

/// Slices are 5 mm apart, as the authors state.
const SLICE_STEP_MM: f64 = 5.0;
/// Pixels across the original slices, whose spacing [`ImportOptions::spacing_mm`] is.
const ORIGINAL_WIDTH: f64 = 512.0;

/// Imports every patient in `source` into a data set in `target`.
///
/// * Images are Hounsfield units as whole numbers (`i16`): the brain window's steps are 0.47 HU,
///   and its JPEG noise is larger than the half unit that rounding takes.
/// * All pixels (650 × 650) and all slices are kept. Slice 1 is the lowest.
/// * Pictures are shown as radiologists see them: the patient's right on the left, front up. So in
///   LPS, columns run to the left, rows to the back. The place in the scanner is not known; the
///   middle of the lowest slice is put at the origin.
/// * A label is always written, empty where there is no bleed.
///
/// The result is the same for any number of threads. A patient that fails is listed in the summary,
/// and its files of a former import are removed.
///
/// # Errors
///
/// [`ImportError`] where `source` is not laid out as released, `target` holds another data set, or
/// the disk refuses. One bad patient is no error.
pub fn import(
    source: &Path,
    target: &Path,
    options: &ImportOptions,
    on_progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<ImportSummary, ImportError> {
    if !(0.1..=2.0).contains(&options.spacing_mm) {
        return Err(ImportError::BadSpacing { found_mm: options.spacing_mm });
    }
    let diagnoses = Diagnoses::read(&source.join("hemorrhage_diagnosis.csv"))?;
    let patients = patient_folders(&source.join("Patients_CT"))?;
    check_target(target)?;
    fs::create_folder(&target.join(IMAGES))?;
    fs::create_folder(&target.join(LABELS))?;

    let done = AtomicUsize::new(0);
    let outcomes = parallel::map(patients.iter(), options.threads, |_, (number, folder)| {
        let case_id = case_id(*number);
        let diagnosis = diagnoses.of_patient(*number);
        let outcome = import_patient(folder, target, &case_id, diagnosis, options);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        on_progress(Progress { done, total: patients.len(), case_id: &case_id });
        outcome.map_err(|cause| ImportFailure { case_id, cause })
    });

    let mut summary = ImportSummary::default();
    let mut participants = Participants::with_columns(columns());
    for ((number, _), outcome) in patients.iter().zip(outcomes) {
        match outcome {
            Ok(case) => {
                participants.insert(&case.case_id, row(&case, diagnoses.of_patient(*number)));
                summary.cases.push(case);
            }
            Err(failure) => {
                fs::remove_if_present(&image_path(target, &failure.case_id))?;
                fs::remove_if_present(&label_path(target, &failure.case_id))?;
                summary.failures.push(failure);
            }
        }
    }
    participants.write(target)?;
    describe(summary.cases.len()).write(target)?;
    Ok(summary)
}

fn case_id(patient: u32) -> String {
    format!("ctich-{patient:03}")
}

fn image_path(target: &Path, case_id: &str) -> PathBuf {
    target.join(IMAGES).join(format!("{case_id}_0000.nii.gz"))
}

fn label_path(target: &Path, case_id: &str) -> PathBuf {
    target.join(LABELS).join(format!("{case_id}.nii.gz"))
}

fn describe(case_count: usize) -> Description {
    Description {
        description: "Head CT of trauma patients with intracranial bleeds outlined by two \
                      radiologists. Hounsfield units from 8-bit windows; the pixel spacing is \
                      assumed, so volumes are nominal."
            .to_owned(),
        reference: "Hssayeni M. (2019), Computed Tomography Images for Intracranial Hemorrhage \
                    Detection and Segmentation, PhysioNet, doi:10.13026/w8q8-ky94; Hssayeni et \
                    al., Data 2020, 5(1):14"
            .to_owned(),
        licence: "CC BY 4.0".to_owned(),
        ..Description::of_bleeds("CT-ICH", case_count)
    }
}

/// Number and folder of each patient, sorted.
fn patient_folders(folder: &Path) -> Result<Vec<(u32, PathBuf)>, ImportError> {
    let not_ct_ich =
        |reason: &str| ImportError::NotCtIch { reason: reason.to_owned(), path: folder.to_owned() };
    if !folder.is_dir() {
        return Err(not_ct_ich("no folder Patients_CT"));
    }
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut patients: Vec<_> = fs::list_folder(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| number(&path).map(|number| (number, path)))
        .collect();
    patients.sort();
    if patients.is_empty() {
        return Err(not_ct_ich("no patient's folder (such as 049)"));
    }
    Ok(patients)
}

/// A former import may be written over; anything else may not be mixed with.
fn check_target(target: &Path) -> Result<(), ImportError> {
    let images = target.join(IMAGES);
    if !images.is_dir() {
        return Ok(());
    }
    for path in fs::list_folder(&images)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with("ctich-") && !name.starts_with('.') {
            let found = name.into_owned();
            return Err(ImportError::TargetInUse { found, folder: target.to_owned() });
        }
    }
    Ok(())
}

fn import_patient(
    folder: &Path,
    target: &Path,
    case_id: &str,
    diagnosis: Option<&Diagnosis>,
    options: &ImportOptions,
) -> Result<ImportedCase, CaseError> {
    let mut patient = Patient::read(folder)?;
    let grid = grid_of(patient.hu.size(), options.spacing_mm);
    nifti::write(&image_path(target, case_id), &patient.hu, &grid)?;
    nifti::write_mask(&label_path(target, case_id), &patient.mask, &grid)?;
    let bleed_voxels = patient.mask.as_slice().iter().filter(|&&voxel| voxel != 0).count();
    patient.compare_with(diagnosis);
    Ok(ImportedCase {
        case_id: case_id.to_owned(),
        slice_count: grid.size()[0],
        bleed_voxels,
        nominal_bleed_ml: bleed_voxels as f64 * grid.voxel_volume_mm3(0) / 1000.0,
        warnings: patient.warnings,
    })
}

/// Where the pictures' pixels lie: columns to the left, rows to the back, slices upwards.
fn grid_of(size: [usize; 3], original_spacing_mm: f64) -> Grid {
    let step_mm = original_spacing_mm * ORIGINAL_WIDTH / size[2] as f64;
    let middle_mm = |count: usize| -0.5 * (count - 1) as f64 * step_mm;
    let affine = haema_volume::Affine::from_steps(
        [step_mm, 0.0, 0.0],
        [0.0, step_mm, 0.0],
        [0.0, 0.0, SLICE_STEP_MM],
        [middle_mm(size[2]), middle_mm(size[1]), 0.0],
    );
    Grid::from_affine(size, &affine).expect("the size holds voxels and the steps are positive")
}

fn columns() -> impl Iterator<Item = &'static str> {
    let subtypes = Subtype::ALL.into_iter().map(Subtype::column);
    let counts = ["fracture", "slices", "slices_with_bleed", "bleed_voxels", "bleed_ml_nominal"];
    ["hemorrhage"].into_iter().chain(subtypes).chain(counts)
}

/// The values of [`columns`].
fn row(case: &ImportedCase, diagnosis: Option<&Diagnosis>) -> Vec<String> {
    let flag = |is_so: fn(&Diagnosis, Subtype) -> bool, subtype| {
        diagnosis.map_or(NOT_KNOWN, |d| if is_so(d, subtype) { "1" } else { "0" }).to_owned()
    };
    let mut values = vec![flag(|d, _| d.bleed_slices() > 0, Subtype::Epidural)];
    values.extend(Subtype::ALL.map(|subtype| flag(Diagnosis::has, subtype)));
    values.push(flag(|d, _| d.has_fracture(), Subtype::Epidural));
    values.push(case.slice_count.to_string());
    values.push(diagnosis.map_or(NOT_KNOWN.to_owned(), |d| d.bleed_slices().to_string()));
    values.push(case.bleed_voxels.to_string());
    values.push(format!("{:.3}", case.nominal_bleed_ml));
    values
}

#[cfg(test)]
mod tests;
