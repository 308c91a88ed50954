//! Where the files are: a folder, an archive, or one file. Nothing is unpacked to disk.

use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::error::{DicomError, FileError};
use crate::fs;
use crate::limits::{ARCHIVE_ENTRIES_MAX, FILE_BYTES_MAX, LimitError, inflated_bytes_max};

/// Folders within folders, at most; real exports nest five deep.
const FOLDERS_DEEP_MAX: usize = 32;

/// A set of files that are read one by one, in a fixed order.
pub(crate) enum Source {
    Files(Vec<PathBuf>),
    Zip { path: PathBuf, entries: Vec<ZipEntry> },
}

/// One file of an archive.
pub(crate) struct ZipEntry {
    name: String,
    data_start: u64,
    packed_bytes: u64,
    size_bytes: u64,
    crc32: u32,
    packing: Packing,
}

/// How an archive holds a file.
#[derive(Clone, Copy)]
enum Packing {
    Stored,
    Deflated,
    /// A password or a method that DICOM exports do not use.
    Unread(&'static str),
}

/// The start of a file, or all of it.
pub(crate) struct Head {
    pub bytes: Vec<u8>,
    /// Size of the whole file.
    pub total: u64,
}

impl Source {
    /// Lists what is at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, DicomError> {
        if path.is_dir() {
            let mut files = Vec::new();
            collect_files(path, FOLDERS_DEEP_MAX, &mut files)?;
            return Ok(Self::Files(files));
        }
        if matches!(fs::read_head(path, 4)?.as_slice(), b"PK\x03\x04" | b"PK\x05\x06") {
            return Self::open_zip(path);
        }
        Ok(Self::Files(vec![path.to_owned()]))
    }

    fn open_zip(path: &Path) -> Result<Self, DicomError> {
        let file = BufReader::new(fs::open(path)?);
        let mut archive = ZipArchive::new(file).map_err(|error| archive_error(&error))?;
        if archive.len() > ARCHIVE_ENTRIES_MAX {
            let (found, limit) = (archive.len(), ARCHIVE_ENTRIES_MAX);
            let reason = LimitError::TooManyEntries { found, limit }.to_string();
            return Err(DicomError::Archive { reason });
        }
        let mut entries = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|error| archive_error(&error))?;
            if entry.is_file() {
                entries.push(ZipEntry {
                    name: entry.name().to_owned(),
                    data_start: entry.data_start(),
                    packed_bytes: entry.compressed_size(),
                    size_bytes: entry.size(),
                    crc32: entry.crc32(),
                    packing: match entry.compression() {
                        _ if entry.encrypted() => Packing::Unread("a password protects it"),
                        CompressionMethod::Stored => Packing::Stored,
                        CompressionMethod::Deflated => Packing::Deflated,
                        _ => Packing::Unread("it is packed in an unusual way"),
                    },
                });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self::Zip { path: path.to_owned(), entries })
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Files(files) => files.len(),
            Self::Zip { entries, .. } => entries.len(),
        }
    }

    /// Reads the first `head_bytes` of a file.
    pub(crate) fn read_head(&self, index: usize, head_bytes: usize) -> Result<Head, FileError> {
        match self {
            Self::Files(files) => {
                let file = fs::open(&files[index])?;
                let total = file.size_bytes();
                check_file_size(total)?;
                let bytes = read_up_to(file, head_bytes as u64, total)?;
                Ok(Head { bytes, total })
            }
            Self::Zip { path, entries } => read_entry(path, &entries[index], head_bytes as u64),
        }
    }

    /// Reads a whole file.
    pub(crate) fn read(&self, index: usize) -> Result<Head, FileError> {
        self.read_head(index, usize::MAX)
    }

    /// A name for a file that can stand in a message: its place in the list, and its own name where
    /// that is a camera's and not a person's.
    pub(crate) fn label(&self, index: usize) -> String {
        let name = match self {
            Self::Files(files) => files[index].file_name().map(|name| name.to_string_lossy()),
            Self::Zip { entries, .. } => entries[index].name.rsplit('/').next().map(Into::into),
        };
        match name.as_deref().filter(|name| is_neutral(name)) {
            Some(name) => format!("file {} ({name})", index + 1),
            None => format!("file {}", index + 1),
        }
    }
}

fn check_file_size(size_bytes: u64) -> Result<(), LimitError> {
    if size_bytes > FILE_BYTES_MAX {
        let (found_bytes, limit_bytes) = (size_bytes, FILE_BYTES_MAX);
        return Err(LimitError::FileTooLarge { found_bytes, limit_bytes });
    }
    Ok(())
}

fn read_up_to(reader: impl Read, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(limit.min(expected) as usize);
    reader.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Links to folders are not followed: they can lead round in a circle. Pipes and devices are no
/// files: reading one may never end.
fn collect_files(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), DicomError> {
    for path in fs::list_folder(folder)? {
        if path.is_dir() {
            if !path.is_symlink() && depth > 0 {
                collect_files(&path, depth - 1, files)?;
            }
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn archive_error(error: &ZipError) -> DicomError {
    DicomError::Archive { reason: error.to_string() }
}

fn read_entry(path: &Path, entry: &ZipEntry, head_bytes: u64) -> Result<Head, FileError> {
    let unpack_error = |reason: &str| FileError::Archive { reason: reason.to_owned() };
    let (compressed_bytes, total) = (entry.packed_bytes, entry.size_bytes);
    let limit_bytes = inflated_bytes_max(compressed_bytes);
    if total > limit_bytes {
        return Err(LimitError::Inflates { compressed_bytes, limit_bytes }.into());
    }
    let mut file = fs::open(path)?;
    file.seek(SeekFrom::Start(entry.data_start))?;
    let packed = BufReader::new(file).take(entry.packed_bytes);
    let limit = head_bytes.min(total);
    let bytes = match entry.packing {
        Packing::Stored => read_up_to(packed, limit, total),
        Packing::Deflated => read_up_to(DeflateDecoder::new(packed), limit, total),
        Packing::Unread(reason) => return Err(unpack_error(reason)),
    };
    let bytes = bytes.map_err(|cause| unpack_error(&cause.to_string()))?;
    if (bytes.len() as u64) < limit {
        return Err(unpack_error("it holds fewer bytes than the archive says"));
    }
    if limit == total && crc32(&bytes) != entry.crc32 {
        return Err(unpack_error("its checksum is wrong"));
    }
    Ok(Head { bytes, total })
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Whether a file name is one that a scanner, archive or viewer makes up: short words of imaging
/// and short numbers. Anything else may be a person's name, number or birthday.
fn is_neutral(name: &str) -> bool {
    const WORDS: [&str; 26] = [
        "", "i", "im", "img", "image", "images", "ct", "mr", "s", "se", "ser", "series", "sl",
        "slice", "st", "study", "z", "e", "e1", "dcm", "dicom", "dicomdir", "dirfile", "file",
        "frame", "ima",
    ];
    const DIGITS_MAX: usize = 5;
    name.split(|c: char| !c.is_ascii_alphanumeric() && c.is_ascii()).all(|part| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = part.len() - word.len();
        digits <= DIGITS_MAX && WORDS.contains(&word.to_ascii_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_tell_nothing_are_told() {
        for name in ["IM00001", "I10", "01.dcm", "slice_012.dcm", "CT.1.dcm", "DICOMDIR"] {
            assert!(is_neutral(name), "{name}");
        }
        for name in ["doe.dcm", "DOE^JANE_01", "19500203.dcm", "CT_Müller", "1.2.840.113619.2.1"] {
            assert!(!is_neutral(name), "{name}");
        }
    }
}
