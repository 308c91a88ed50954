//! The files of the project.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::Failure;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace's folder")
}

/// One text file of the project.
pub(crate) struct TextFile {
    /// From the workspace's folder, with forward slashes.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

/// Every text file that is tracked, or that would be with the next `git add --all`.
pub(crate) fn text_files(root: &Path) -> Result<Vec<TextFile>, Failure> {
    let mut files = Vec::new();
    for path in paths(root)? {
        let bytes = std::fs::read(root.join(&path)).map_err(|err| format!("{path}: {err}"))?;
        // Anything with a NUL or not in UTF-8 is a picture, a scan or an archive.
        if let (false, Ok(text)) = (bytes.contains(&0), String::from_utf8(bytes)) {
            files.push(TextFile { path, text });
        }
    }
    Ok(files)
}

fn paths(root: &Path) -> Result<Vec<String>, Failure> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|err| format!("cannot start git, which lists the project's files: {err}"))?;
    if !listed.status.success() {
        let reason = String::from_utf8_lossy(&listed.stderr);
        return Err(format!("git cannot list the project's files: {}", reason.trim()).into());
    }
    let listed = String::from_utf8(listed.stdout)?;
    let mut paths: Vec<String> = listed
        .split_terminator('\0')
        .filter(|path| root.join(path).is_file())
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// The folder of every crate of the workspace, with its manifest's text.
pub(crate) fn manifests(root: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut manifests = vec![root.join("xtask/Cargo.toml")];
    for entry in std::fs::read_dir(root.join("crates"))? {
        manifests.push(entry?.path().join("Cargo.toml"));
    }
    manifests.sort();
    manifests
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)
                .map_err(|err| format!("{}: {err}", path.display()))?;
            Ok((path, text))
        })
        .collect()
}
