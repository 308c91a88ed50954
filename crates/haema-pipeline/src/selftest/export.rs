//! The phantoms as a test set for other programs: the truth as a table, and what one must know.

use std::fmt::Write as _;
use std::path::Path;

use haema_io::fs::{self, FsError};
use haema_sim::phantom::{AIR_HU, BODY_HU, WATER_HU};

use super::expected::{numbers_in_words, slices_in_words};
use super::files::name_of;
use super::plan::{Case, Content, FileForm};

/// The table of truths.
pub const TRUTH_FILE: &str = "truth.csv";
/// What the files are.
pub const README_FILE: &str = "README.md";

const COLUMNS: &str = "id,path,part,phantom,truth_ml,marker_x_lps_mm,marker_y_lps_mm,marker_z_lps_mm,\
                       format,stored,intercept,pixel_mm,slices,tilt_deg,axes,lost_slices\n";

/// Writes both beside the scans.
pub(super) fn write_tables(folder: &Path, cases: &[Case]) -> Result<(), FsError> {
    let rows: String = cases.iter().map(row).collect();
    fs::write_atomic(&folder.join(TRUTH_FILE), format!("{COLUMNS}{rows}").as_bytes())?;
    fs::write_atomic(&folder.join(README_FILE), readme().as_bytes())
}

fn row(case: &Case) -> String {
    let (format, stored, intercept) = match case.file {
        FileForm::Dicom(storage) => {
            let sign = if storage.is_signed { "int" } else { "uint" };
            ("DICOM", format!("{sign}{}", storage.bits), storage.intercept)
        }
        FileForm::NiftiI16 => ("NIfTI", "int16".to_owned(), 0),
        FileForm::NiftiU16Shifted => ("NIfTI", "uint16".to_owned(), -1024),
        FileForm::NiftiF32 => ("NIfTI", "float32".to_owned(), 0),
        FileForm::Nrrd => ("NRRD", "int16".to_owned(), 0),
        FileForm::MetaImage => ("MetaImage", "int16".to_owned(), 0),
    };
    let part = match case.part {
        super::Part::Volume => "volume",
        super::Part::Geometry => "geometry",
    };
    let marker = match case.content {
        Content::Marker { centre_lps_mm, .. } => centre_lps_mm.map(|at| at.to_string()).join(","),
        Content::Shape(..) => ",,".to_owned(),
    };
    let mut row = String::new();
    writeln!(
        row,
        "{},{},{part},{},{:.6},{marker},{format},{stored},{intercept},{},{},{},{},{}",
        case.id,
        name_of(case),
        case.content.name(),
        case.content.phantom().truth_ml(),
        case.protocol.pixel_mm,
        slices_in_words(case.protocol.slicing),
        case.protocol.tilt_deg,
        case.orientation,
        numbers_in_words(&case.lost),
    )
    .expect("a String takes every write");
    row
}

fn readme() -> String {
    format!(
        "# Phantoms of exactly known volume\n\n\
         Written by `haema selftest --export`, version {version}. Nobody was scanned. Free to use for \
         any purpose.\n\n\
         Each scan holds bodies of {BODY_HU} HU in a ball of water ({WATER_HU} HU) in air ({AIR_HU} \
         HU; 0 where numbers are unsigned and have no intercept). There is no noise and no blur: a \
         voxel's value is the share of it that is body, in percent, over its pixel and its slice's \
         whole thickness, rounded to a whole number. Slices touch each other.\n\n\
         `{TRUTH_FILE}` has a row for each scan:\n\n\
         | column | |\n|---|---|\n\
         | `truth_ml` | volume of all bodies, in closed form |\n\
         | `marker_..._lps_mm` | centre of the ball in the geometry scans: patient coordinates as in \
         DICOM, x to the left, y to the back, z to the top |\n\
         | `stored`, `intercept` | how numbers are stored; HU = stored + intercept |\n\
         | `slices` | thickness; two where thin slices lie below the middle and thicker ones above |\n\
         | `tilt_deg` | gantry tilt: the slices lean, the table moves along the body |\n\
         | `axes` | where the stored axes x, y, z point: towards Left or Right, Anterior or Posterior, \
         Superior or Inferior |\n\
         | `lost_slices` | slices of the whole stack, counted from 1 at the bottom, that are not there \
         |\n\n\
         The volume of a scan is the sum over voxels of value / {BODY_HU} (where it is above 0) times \
         the voxel's volume. A program that measures whole voxels above half height is off by more \
         where slices are thick against the body; that is no defect of its geometry.\n\n\
         The scans of the geometry part show a ball alone, some in a small field without air around \
         it.\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}
