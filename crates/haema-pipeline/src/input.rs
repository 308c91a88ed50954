//! The first step: from a path to a scan, whatever its form.

use std::path::{Path, PathBuf};

use haema_io::dicom::{self, DicomError, FileError, ReadOptions};
use haema_io::fs::{self, FsError};
use haema_io::{
    Identity, ImageFileError, InputKind, Provenance, Scan, SeriesReport, read_image_file,
};
use haema_sim::builtin_head;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Where a scan comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder, archive or file.
    Path(PathBuf),
    /// The built-in sample head.
    Sample,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sample => f.write_str("built-in sample"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why an input is no scan.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputError {
    /// The disk refused.
    #[error(transparent)]
    File(#[from] FsError),
    /// It is DICOM, and not usable.
    #[error(transparent)]
    Dicom(#[from] DicomError),
    /// It is an image file, and not usable.
    #[error(transparent)]
    Image(#[from] ImageFileError),
    /// It is something else.
    #[error(
        "found {found}: wanted DICOM (folder, zip or file), NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) \
         or MetaImage (.mha, .mhd)"
    )]
    NoScan {
        /// What it seems to be.
        found: String,
    },
}

impl InputError {
    /// What the user can do about it, where haema knows.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(error)
            | Self::Image(ImageFileError::File(error))
            | Self::Dicom(DicomError::Fs(error))
                if error.is_not_found() =>
            {
                Some("check the path")
            }
            // The message of a single series gives its reason.
            Self::Dicom(DicomError::NoUsableSeries { series }) if series.len() > 1 => {
                Some("`haema info` lists each series with the reason why it is left")
            }
            Self::Dicom(DicomError::NoSuchSeries { .. }) => {
                Some("`haema info` lists the series that are there")
            }
            _ => None,
        }
    }

    /// The reason without the path, which may name a person.
    pub fn reason(&self) -> String {
        match self {
            Self::File(error) | Self::Dicom(DicomError::Fs(error)) => {
                without_path(error, error.path())
            }
            Self::Image(error) => reason_of(error),
            Self::Dicom(_) | Self::NoScan { .. } => self.to_string(),
        }
    }

    /// Whether there is nothing at the path.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::File(error)
            | Self::Image(ImageFileError::File(error))
            | Self::Dicom(DicomError::Fs(error)) => error.is_not_found(),
            _ => false,
        }
    }

    /// The series that were found, where that is all that was found.
    pub(crate) fn series(&self) -> &[SeriesReport] {
        match self {
            Self::Dicom(
                DicomError::NoUsableSeries { series } | DicomError::NoSuchSeries { series },
            ) => series,
            _ => &[],
        }
    }
}

/// What is wrong with an image file, without its path.
pub(crate) fn reason_of(error: &ImageFileError) -> String {
    without_path(error, error.path())
}

/// The house's errors end with their path.
fn without_path(error: &dyn std::error::Error, path: &Path) -> String {
    let message = error.to_string();
    let ending = format!(": {}", path.display());
    message.strip_suffix(&ending).map(str::to_owned).unwrap_or(message)
}

/// Endings of image files that hold a whole scan each.
const IMAGE_ENDINGS: [&str; 6] = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"];

/// The scans that paths stand for: a folder with image files stands for each of them, in the order
/// of their names; any other path for itself.
pub fn sources(paths: &[PathBuf]) -> Vec<Source> {
    paths.iter().flat_map(|path| sources_at(path)).map(Source::Path).collect()
}

fn sources_at(path: &Path) -> Vec<PathBuf> {
    // What cannot be listed is told when it is read.
    let mut images = fs::list_folder(path).unwrap_or_default();
    images.retain(|entry| is_image_name(entry) && entry.is_file());
    if images.is_empty() { vec![path.to_owned()] } else { images }
}

/// A segmentation has an image's ending and is none.
fn is_image_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_hidden = name.starts_with('.');
    let is_segmentation = name.ends_with(".seg.nrrd");
    !is_hidden && !is_segmentation && IMAGE_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Reads a scan.
///
/// * `series` — the DICOM series to take, by its _Series Instance UID_ or its short name, where the
///   choice is not left to haema.
///
/// # Errors
///
/// [`InputError`] with what was found and wanted.
pub fn read(source: &Source, series: Option<&str>) -> Result<Scan, InputError> {
    let path = match source {
        Source::Sample => return Ok(sample()),
        Source::Path(path) => path,
    };
    let read_dicom = || {
        let options = ReadOptions { series: series.map(str::to_owned), threads: None };
        dicom::read(path, &options)
    };
    if path.is_dir() {
        return Ok(read_dicom()?);
    }
    match read_image_file(path) {
        // DICOM files need not say so in their first bytes: whoever reads them decides.
        Err(ImageFileError::UnknownFormat { found, .. }) => {
            read_dicom().map_err(|error| match error {
                DicomError::File(FileError::NotDicom) | DicomError::NoDicom { .. } => {
                    InputError::NoScan { found }
                }
                error => error.into(),
            })
        }
        scan => {
            let mut scan = scan?;
            scan.provenance.case_id = without_channel(path, scan.provenance.case_id);
            Ok(scan)
        }
    }
}

/// In the raw layout of nnU-Net, `imagesTr/case-1_0000.nii.gz` is channel 0 of `case-1`. Elsewhere
/// such an ending may well be a number that somebody counts cases by.
fn without_channel(path: &Path, case_id: String) -> String {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let is_channel = folder == "imagesTr" || folder == "imagesTs";
    match case_id.strip_suffix("_0000") {
        Some(case) if is_channel && !case.is_empty() => case.to_owned(),
        _ => case_id,
    }
}

/// The built-in head as if it had been read.
fn sample() -> Scan {
    let head = builtin_head(0);
    let [slices, rows, columns] = head.ct.grid().size();
    let mut sum = Sha256::new();
    for hu in head.ct.voxels_hu().as_slice() {
        sum.update(hu.to_le_bytes());
    }
    let series = SeriesReport {
        series_id: "sample".to_owned(),
        description: format!(
            "simulated head, {slices} slices of {rows} × {columns} pixels, with a bleed of {:.2} mL \
             in the left basal ganglia",
            head.truth_ml
        ),
        image_count: slices,
        is_taken: true,
        reason: "built in: nobody's head".to_owned(),
    };
    let provenance = Provenance {
        kind: InputKind::Simulated,
        case_id: "sample".to_owned(),
        file_count: 0,
        sha256: format!("{:x}", sum.finalize()),
        series: vec![series],
        missing_slices: Vec::new(),
        warnings: Vec::new(),
        header_tilt_deg: None,
        identity: Identity::default(),
    };
    Scan { ct: head.ct, provenance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_image_files_stands_for_each_of_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.nii.gz", "a.NRRD", "mask.seg.nrrd", ".hidden.nii", "notes.txt"] {
            fs::write_atomic(&folder.path().join(name), b"x").unwrap();
        }
        let dicom = folder.path().join("dicom");
        fs::create_folder(&dicom).unwrap();

        let found = sources(&[folder.path().to_owned(), dicom.clone()]);

        let wanted = [folder.path().join("a.NRRD"), folder.path().join("b.nii.gz"), dicom];
        assert_eq!(found, wanted.map(Source::Path));
    }

    #[test]
    fn a_case_of_a_dataset_is_named_without_its_channel() {
        let named = |path: &str| without_channel(Path::new(path), "case-1_0000".to_owned());

        assert_eq!(named("set/imagesTr/case-1_0000.nii.gz"), "case-1");
        assert_eq!(named("scans/case-1_0000.nii.gz"), "case-1_0000");
    }

    #[test]
    fn what_is_no_scan_is_told_with_all_that_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes.txt");
        fs::write_atomic(&notes, b"dear colleague,\n").unwrap();

        let error = read(&Source::Path(notes), None).unwrap_err();

        assert!(error.to_string().starts_with("found a text file: wanted DICOM "), "{error}");
    }

    #[test]
    fn the_sample_is_the_same_every_time_and_says_what_it_is() {
        let scan = read(&Source::Sample, None).unwrap();

        assert_eq!(scan.provenance.sha256, sample().provenance.sha256);
        assert!(scan.provenance.series[0].description.contains("24.00 mL"));
    }
}
