//! Why DICOM could not be read: of a file, of a series, of the whole input.

use haema_volume::GridError;
use thiserror::Error;

use crate::fs::FsError;
use crate::jpeg_ls::JpegLsError;
use crate::limits::{InflateError, LimitError};
use crate::scan::SeriesReport;

/// Why one file could not be read. Carries no path and nothing that a person typed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// No DICOM at all.
    #[error("not a DICOM file")]
    NotDicom,
    /// The disk did not give the bytes. Without the path, which may hold a name.
    #[error("it cannot be read: {0}")]
    Disk(#[from] std::io::Error),
    /// The archive did not give the bytes.
    #[error("the archive's entry cannot be unpacked: {reason}")]
    Archive {
        /// What the unpacker said.
        reason: String,
    },
    /// It asks for more than the file can back.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A sequence that holds more than its length.
    #[error("the content of {what} runs past its end: the file is damaged")]
    Overruns {
        /// Name or number of the sequence or item.
        what: String,
    },
    /// A delimiter where none can be.
    #[error("a delimiter at byte {offset} ends nothing: the file is damaged")]
    StrayDelimiter {
        /// Where.
        offset: usize,
    },
    /// Two bytes that must be letters are not.
    #[error("{what} has no value representation at byte {offset}: the file is damaged")]
    BadVr {
        /// Name or number of the element.
        what: String,
        /// Where.
        offset: usize,
    },
    /// The file ends inside a sequence.
    #[error("the file ends inside {what}: it is cut short")]
    Unfinished {
        /// Name or number of the sequence or item.
        what: String,
    },
    /// A deflated data set is damaged.
    #[error("the deflated data set cannot be unpacked: {0}")]
    Deflate(std::io::Error),
    /// A transfer syntax that the standard does not list.
    #[error("transfer syntax {uid} is not known")]
    UnknownSyntax {
        /// Its identifier, from the file meta information.
        uid: String,
    },
    /// The file is not what it was when its header was read.
    #[error("it changed while it was read")]
    Changed,
    /// The pixels cannot be decoded.
    #[error(transparent)]
    Pixels(#[from] PixelError),
}

impl From<FsError> for FileError {
    fn from(error: FsError) -> Self {
        match error {
            FsError::Io { cause, .. } => Self::Disk(cause),
            // `fs::open` gives no other; were it to, its text would hold the path.
            _ => Self::Disk(std::io::ErrorKind::Other.into()),
        }
    }
}

impl From<InflateError> for FileError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Limit(limit) => Self::Limit(limit),
            InflateError::Damaged(cause) => Self::Deflate(cause),
        }
    }
}

/// Why pixels could not be decoded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// Fewer bytes than the header's size asks for.
    #[error("{found} bytes of pixel data where {wanted} were wanted")]
    WrongLength {
        /// Bytes there are.
        found: usize,
        /// Bytes that rows, columns, frames and bits ask for.
        wanted: usize,
    },
    /// No fragments that belong to a frame.
    #[error(
        "frame {frame} of {frame_count} has no pixel data of its own among {fragments} fragments"
    )]
    FrameMissing {
        /// Which, from 0.
        frame: usize,
        /// How many the header promises.
        frame_count: usize,
        /// Fragments there are.
        fragments: usize,
    },
    /// The image inside has another size than the header.
    #[error(
        "the {codec} image is {found_rows} rows × {found_columns} columns with {found_samples} \
         samples a pixel; the header says {rows} × {columns} with 1"
    )]
    OtherSize {
        /// Name of the codec.
        codec: &'static str,
        /// Rows of the image inside.
        found_rows: usize,
        /// Columns of the image inside.
        found_columns: usize,
        /// Samples of the image inside.
        found_samples: usize,
        /// Rows in the header.
        rows: usize,
        /// Columns in the header.
        columns: usize,
    },
    /// A codestream that the codec's standard forbids, or that we do not read.
    #[error("the {codec} pixel data cannot be decoded: {reason}")]
    Codec {
        /// Name of the codec.
        codec: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// JPEG-LS.
    #[error("the JPEG-LS pixel data cannot be decoded: {0}")]
    JpegLs(#[from] JpegLsError),
    /// A transfer syntax that haema knows and does not read.
    #[error(
        "pixels in {name}, which haema does not read: export the series uncompressed or in a \
         lossless transfer syntax"
    )]
    Unsupported {
        /// Name of the codec.
        name: &'static str,
    },
    /// It asks for more than the file can back.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Why nothing could be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DicomError {
    /// The disk refused.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A file that was named by itself is not readable.
    #[error(transparent)]
    File(#[from] FileError),
    /// An archive that cannot be opened.
    #[error("the archive cannot be read: {reason}")]
    Archive {
        /// What is wrong with it.
        reason: String,
    },
    /// A folder or archive without files.
    #[error("no files: the folder and all folders in it are empty")]
    Empty,
    /// Files, but none of them DICOM.
    #[error("none of the {} is DICOM", counted(*file_count, "file"))]
    NoDicom {
        /// How many files were looked at.
        file_count: usize,
    },
    /// DICOM, but every file of it damaged.
    #[error("none of {} could be read; the first: {first}", counted(*file_count, "DICOM file"))]
    NoneReadable {
        /// How many DICOM files there are.
        file_count: usize,
        /// What was wrong with the first.
        first: Box<FileError>,
    },
    /// DICOM without a series that can be used.
    #[error("{}", reasons(series))]
    NoUsableSeries {
        /// Every series, each with its reason.
        series: Vec<SeriesReport>,
    },
    /// The series that the user asked for is not there.
    #[error(
        "the series that was asked for is not among the {}: {}",
        counted(series.len(), "series found"),
        names(series)
    )]
    NoSuchSeries {
        /// Every series found.
        series: Vec<SeriesReport>,
    },
    /// Positions that make no grid.
    #[error("the slices make no grid: {0}")]
    Grid(#[from] GridError),
    /// The series was chosen, but its pixels could not be decoded.
    #[error("{failed} of {image_count} images could not be decoded; the first: {first}")]
    Undecodable {
        /// How many could not be decoded.
        failed: usize,
        /// How many the series has.
        image_count: usize,
        /// What was wrong with the first.
        first: Box<FileError>,
    },
}

/// `1 file`, `2 files`; a noun that already is a plural stays.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 || noun.contains("series") { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn reasons(series: &[SeriesReport]) -> String {
    if let [only] = series {
        return format!("series {} cannot be used: {}", only.series_id, only.reason);
    }
    let each = series
        .iter()
        .map(|series| format!("{} ({}): {}", series.series_id, series.description, series.reason));
    format!(
        "none of the {} series can be used: {}",
        series.len(),
        each.collect::<Vec<_>>().join("; ")
    )
}

fn names(series: &[SeriesReport]) -> String {
    series.iter().map(|series| series.series_id.as_str()).collect::<Vec<_>>().join(", ")
}
