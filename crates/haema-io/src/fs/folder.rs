//! Whole folders: put in place at once, or told apart from what they were.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use super::{Action, FsError};

/// What tells a file from its former self without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Whether it is a folder, or a link to one.
    pub is_folder: bool,
    /// Whether it is a link.
    pub is_link: bool,
    /// Size of a file in bytes.
    pub size_bytes: u64,
    /// When it was last changed, nanoseconds since 1970; 0 where the system does not tell.
    pub changed_ns: u128,
}

/// Looks at a file or folder, through a link.
///
/// # Errors
///
/// [`FsError::Io`], also where there is nothing.
pub fn stamp(path: &Path) -> Result<Stamp, FsError> {
    let describe = |cause| FsError::new(Action::Read, path, cause);
    let own = std::fs::symlink_metadata(path).map_err(describe)?;
    // A link that leads nowhere still has a stamp of its own.
    let target = std::fs::metadata(path).unwrap_or_else(|_| own.clone());
    let changed = target.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(Stamp {
        is_folder: target.is_dir(),
        is_link: own.is_symlink(),
        size_bytes: target.len(),
        changed_ns: changed.map_or(0, |age| age.as_nanos()),
    })
}

/// Fills a folder out of sight and then puts it in its place, over what was there: it has all of its
/// files, or it is as it was. What a broken run left half done is cleared away first.
///
/// # Errors
///
/// The error of `fill`, or [`FsError::Io`]; then nothing is left beside the folder.
pub fn write_folder_atomic<E: From<FsError>>(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let part = hidden_beside(folder, "part");
    remove_folder(&part)?;
    super::create_folder(&part)?;
    let written = fill(&part).and_then(|()| Ok(replace(&part, folder)?));
    if written.is_err() {
        // The first failure is the one to report.
        drop(remove_folder(&part));
    }
    written
}

/// A folder of our own that goes, with all in it, when this value goes.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
}

impl TemporaryFolder {
    /// Makes a folder with a new name in `parent`, such as the system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// [`FsError::Io`].
    pub fn new_in(parent: &Path) -> Result<Self, FsError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("haema-{}-{count}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left by a process of the same number that was killed.
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(FsError::new(Action::CreateFolder, &path, cause)),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What the system does not let go of, it clears away itself.
        drop(remove_folder(&self.path));
    }
}

/// Removes a folder and all in it; one that is not there is fine.
fn remove_folder(folder: &Path) -> Result<(), FsError> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(FsError::new(Action::Remove, folder, cause))
        }
        _ => Ok(()),
    }
}

/// Renames `part` to `folder`. A folder cannot be renamed onto one with files, so the old one steps
/// aside first and comes back where the new one cannot take its place.
fn replace(part: &Path, folder: &Path) -> Result<(), FsError> {
    let old = hidden_beside(folder, "old");
    remove_folder(&old)?;
    let had_old = std::fs::rename(folder, &old).is_ok();
    if let Err(cause) = std::fs::rename(part, folder) {
        if had_old {
            drop(std::fs::rename(&old, folder));
        }
        return Err(FsError::new(Action::Write, folder, cause));
    }
    remove_folder(&old)
}

fn hidden_beside(folder: &Path, ending: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{ending}"))
}

#[cfg(test)]
mod tests {
    use super::super::{create_folder, list_folder, read_to_string, write_atomic};
    use super::*;

    #[test]
    fn a_temporary_folder_goes_with_all_in_it() {
        let top = tempfile::tempdir().unwrap();

        let first = TemporaryFolder::new_in(top.path()).unwrap();
        let second = TemporaryFolder::new_in(top.path()).unwrap();
        write_atomic(&first.path().join("a.txt"), b"a").unwrap();

        assert_ne!(first.path(), second.path());
        drop(first);
        assert_eq!(list_folder(top.path()).unwrap(), [second.path().to_owned()]);
    }

    #[test]
    fn a_folder_is_put_in_place_whole_and_replaces_the_old_one() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("case");
        create_folder(&folder).unwrap();
        write_atomic(&folder.join("old.txt"), b"old").unwrap();

        write_folder_atomic(&folder, |part| write_atomic(&part.join("new.txt"), b"new")).unwrap();

        assert_eq!(list_folder(&folder).unwrap(), [folder.join("new.txt")]);
        assert_eq!(list_folder(top.path()).unwrap(), [folder]);
    }

    #[test]
    fn a_failure_leaves_the_old_folder_and_nothing_beside_it() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("case");
        create_folder(&folder).unwrap();
        write_atomic(&folder.join("old.txt"), b"old").unwrap();

        let failed = write_folder_atomic(&folder, |part| {
            write_atomic(&part.join("new.txt"), b"new")?;
            write_atomic(&part.join("no/such/folder.txt"), b"new")
        });

        assert!(failed.is_err());
        assert_eq!(read_to_string(&folder.join("old.txt"), 9).unwrap(), "old");
        assert_eq!(list_folder(top.path()).unwrap(), [folder]);
    }

    #[test]
    fn a_stamp_follows_the_size_and_tells_folders() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("a.bin");
        write_atomic(&file, b"four").unwrap();

        let before = stamp(&file).unwrap();
        write_atomic(&file, b"five5").unwrap();

        assert_eq!(before.size_bytes, 4);
        assert_ne!(stamp(&file).unwrap(), before);
        assert!(stamp(top.path()).unwrap().is_folder);
        assert!(stamp(&top.path().join("none")).unwrap_err().is_not_found());
    }
}
