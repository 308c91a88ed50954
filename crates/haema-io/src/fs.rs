//! Files, with bounded reads, whole-or-nothing writes, and errors that name the path last.
//!
//! Everything in haema that touches a disk goes through here. A read states how many bytes it is
//! ready to take, so that a wrong file cannot fill memory. A write goes to a temporary file beside
//! the target and is renamed when complete, so that no reader ever sees half a file.

mod folder;

use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fmt, io};

use thiserror::Error;

pub use folder::{Stamp, TemporaryFolder, stamp, write_folder_atomic};

/// Why a file or folder could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FsError {
    /// The operating system refused.
    #[error("cannot {action}: {cause}: {}", path.display())]
    Io {
        /// What was tried.
        action: Action,
        /// What the operating system said.
        cause: io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// The file is larger than the reader is ready to take.
    #[error("{found_bytes} bytes where at most {limit_bytes} were wanted: {}", path.display())]
    TooLarge {
        /// Size of the file.
        found_bytes: u64,
        /// The most that would have been read.
        limit_bytes: u64,
        /// The file.
        path: PathBuf,
    },
    /// A text file holds bytes that are not UTF-8.
    #[error("not UTF-8 text from byte {offset} on: {}", path.display())]
    NotText {
        /// Where the first bad byte lies.
        offset: usize,
        /// The file.
        path: PathBuf,
    },
}

impl FsError {
    fn new(action: Action, path: &Path, cause: io::Error) -> Self {
        Self::Io { action, cause, path: path.to_owned() }
    }

    /// The file or folder that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::TooLarge { path, .. } | Self::NotText { path, .. } => {
                path
            }
        }
    }

    /// Whether something was to be written, not read.
    pub fn is_from_writing(&self) -> bool {
        let Self::Io { action, .. } = self else { return false };
        matches!(action, Action::Write | Action::CreateFolder | Action::Remove)
    }

    /// Whether the file or folder is not there at all.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }
}

/// What was tried with a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Reading a file, or opening it to read.
    Read,
    /// Writing a file.
    Write,
    /// Making a folder.
    CreateFolder,
    /// Listing a folder.
    List,
    /// Removing a file.
    Remove,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::CreateFolder => "create folder",
            Self::List => "list folder",
            Self::Remove => "remove",
        })
    }
}

/// A file that is open for reading, and its size when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    #[expect(clippy::disallowed_types, reason = "the one place that opens files")]
    file: std::fs::File,
    size_bytes: u64,
}

impl OpenFile {
    /// Size in bytes when the file was opened.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Opens a file to be read in parts. It is not buffered: wrap it, or read in large pieces.
///
/// # Errors
///
/// [`FsError::Io`], also where the path is a folder.
#[expect(clippy::disallowed_types, reason = "the one place that opens files")]
pub fn open(path: &Path) -> Result<OpenFile, FsError> {
    let describe = |cause| FsError::new(Action::Read, path, cause);
    let file = std::fs::File::open(path).map_err(describe)?;
    let metadata = file.metadata().map_err(describe)?;
    if metadata.is_dir() {
        return Err(describe(io::ErrorKind::IsADirectory.into()));
    }
    Ok(OpenFile { file, size_bytes: metadata.len() })
}

/// Reads a whole file of at most `limit_bytes`.
///
/// # Errors
///
/// [`FsError::TooLarge`] where it holds more, before any of it is read if its size is known;
/// [`FsError::Io`] where it cannot be read.
pub fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, FsError> {
    let file = open(path)?;
    let too_large =
        |found_bytes| FsError::TooLarge { found_bytes, limit_bytes, path: path.to_owned() };
    if file.size_bytes > limit_bytes {
        return Err(too_large(file.size_bytes));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(file.size_bytes).unwrap_or(0));
    // Pipes and growing files have no honest size: the limit holds for what comes, too.
    let read = file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|cause| FsError::new(Action::Read, path, cause))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Reads a whole UTF-8 file of at most `limit_bytes`; a byte order mark at its start is dropped.
///
/// # Errors
///
/// As [`read`], and [`FsError::NotText`].
pub fn read_to_string(path: &Path, limit_bytes: u64) -> Result<String, FsError> {
    let text = String::from_utf8(read(path, limit_bytes)?).map_err(|error| FsError::NotText {
        offset: error.utf8_error().valid_up_to(),
        path: path.to_owned(),
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads the first `count` bytes of a file, or all of them where it is shorter.
///
/// # Errors
///
/// [`FsError::Io`].
pub fn read_head(path: &Path, count: usize) -> Result<Vec<u8>, FsError> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(count as u64).read_to_end(&mut bytes);
    read.map_err(|cause| FsError::new(Action::Read, path, cause))?;
    Ok(bytes)
}

/// Writes a whole file at once: it has all the bytes, or it does not exist (or is as it was).
///
/// # Errors
///
/// [`FsError::Io`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// Writes a file in parts, whole or not at all, as [`write_atomic`].
///
/// # Errors
///
/// [`FsError::Io`]. The temporary file is removed.
pub fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FsError> {
    let describe = |cause| FsError::new(Action::Write, path, cause);
    let temporary = temporary_beside(path).map_err(describe)?;
    let written = write_file(&temporary, write).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|cause| {
        // The first failure is the one to report; that the rest is also left lying is its result.
        drop(std::fs::remove_file(&temporary));
        describe(cause)
    })
}

#[expect(clippy::disallowed_types, reason = "the one place that creates files")]
fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create_new(path)?);
    write(&mut file)?;
    // Data first, then the name: after a power cut there is the old file or the whole new one.
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()
}

/// Writes a value as indented JSON that ends with a line break, whole or not at all.
///
/// # Errors
///
/// [`FsError::Io`], also where the value is none that JSON can hold.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), FsError> {
    write_atomic_with(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

/// A name in the same folder, so that the rename does not cross file systems.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(path.with_file_name(format!(".{name}.{}-{count}.part", std::process::id())))
}

/// Makes a folder and those above it; one that is already there is fine.
///
/// # Errors
///
/// [`FsError::Io`].
pub fn create_folder(path: &Path) -> Result<(), FsError> {
    std::fs::create_dir_all(path).map_err(|cause| FsError::new(Action::CreateFolder, path, cause))
}

/// The paths in a folder, sorted by name, so that results do not depend on the file system.
///
/// # Errors
///
/// [`FsError::Io`].
pub fn list_folder(path: &Path) -> Result<Vec<PathBuf>, FsError> {
    let describe = |cause| FsError::new(Action::List, path, cause);
    let entries = std::fs::read_dir(path).map_err(describe)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(describe)?;
    paths.sort();
    Ok(paths)
}

/// Removes a file; one that is not there is fine.
///
/// # Errors
///
/// [`FsError::Io`].
pub fn remove_if_present(path: &Path) -> Result<(), FsError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(FsError::new(Action::Remove, path, cause))
        }
        _ => Ok(()),
    }
}

/// Removes what writers that were killed left unfinished in a folder, which nobody else may be writing to.
///
/// # Errors
///
/// [`FsError::Io`].
pub fn remove_unfinished(folder: &Path) -> Result<(), FsError> {
    let is_part = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('.') && name.ends_with(".part") && path.is_file()
    };
    list_folder(folder)?.iter().filter(is_part).try_for_each(|path| remove_if_present(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_read_back_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");

        write_atomic(&path, b"first").unwrap();
        write_atomic(&path, b"second").unwrap();

        assert_eq!(read(&path, 6).unwrap(), b"second");
        assert_eq!(list_folder(folder.path()).unwrap(), [path]);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_removes_the_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomic(&path, b"old").unwrap();

        let error = write_atomic_with(&path, |file| {
            file.write_all(b"new")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();

        assert!(error.to_string().starts_with("cannot write: "), "{error}");
        assert!(error.to_string().ends_with(&path.display().to_string()), "{error}");
        assert_eq!(read(&path, 9).unwrap(), b"old");
        assert_eq!(list_folder(folder.path()).unwrap(), [path]);
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let [part, other, hidden] =
            [".a.bin.1-0.part", "b.part", ".c"].map(|name| folder.path().join(name));
        for path in [&part, &other, &hidden] {
            write_atomic(path, b"x").unwrap();
        }

        remove_unfinished(folder.path()).unwrap();

        assert_eq!(list_folder(folder.path()).unwrap(), [hidden, other]);
    }

    #[test]
    fn a_file_over_the_limit_is_refused_with_both_sizes_and_the_path_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.bin");
        write_atomic(&path, &[0; 11]).unwrap();

        let message = read(&path, 10).unwrap_err().to_string();

        assert_eq!(message, format!("11 bytes where at most 10 were wanted: {}", path.display()));
    }

    #[test]
    fn a_missing_file_and_a_folder_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");

        let error = read(&missing, 10).unwrap_err();

        assert!(error.is_not_found());
        assert!(error.to_string().ends_with(&missing.display().to_string()));
        assert!(read(folder.path(), 10).is_err());
    }

    #[test]
    fn text_loses_its_byte_order_mark_and_other_bytes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");

        write_atomic(&path, b"\xef\xbb\xbfab").unwrap();
        assert_eq!(read_to_string(&path, 9).unwrap(), "ab");
        assert_eq!(read_head(&path, 4).unwrap(), b"\xef\xbb\xbfa");

        write_atomic(&path, b"ab\xff").unwrap();
        assert!(matches!(read_to_string(&path, 9), Err(FsError::NotText { offset: 2, .. })));
    }
}
