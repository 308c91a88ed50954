//! A place to run the program in, and scans to run it on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use haema_io::dicom::write::{Attributes, SeriesOptions, slice};
use haema_io::fs;
use haema_sim::{HeadOptions, simulate_head};
use haema_volume::CtVolume;
use tempfile::TempDir;

/// A temporary folder in which the program runs.
pub(crate) struct Stand {
    top: TempDir,
}

/// What the program said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self { top: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Runs `haema` here, with words that hold no spaces.
    pub(crate) fn run(&self, line: &str) -> Ended {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ended =
            Ended { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) };
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        ended
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haema"));
        command.args(line.split_whitespace()).current_dir(self.top.path());
        command
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_folder(path.parent().unwrap()).unwrap();
        fs::write_atomic(&path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(&self.path(name), 1 << 26).unwrap()
    }

    /// The names in a folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let paths = fs::list_folder(&self.path(folder)).unwrap();
        paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    /// Writes the head as DICOM, each slice changed first, by its index.
    pub(crate) fn write_dicom(&self, folder: &str, change: impl Fn(usize, &mut Attributes)) {
        self.write_slices(folder, &SeriesOptions::default(), change);
    }

    pub(crate) fn write_slices(
        &self,
        folder: &str,
        options: &SeriesOptions,
        change: impl Fn(usize, &mut Attributes),
    ) {
        for z in 0..HEAD.grid().size()[0] {
            let mut attributes = slice(&HEAD, z, options);
            change(z, &mut attributes);
            self.write(&format!("{folder}/{z:03}.dcm"), &attributes.to_file());
        }
    }
}

/// A small simulated head with a bleed: 16 slices of 10 mm, 96 × 96 pixels.
pub(crate) static HEAD: LazyLock<CtVolume> = LazyLock::new(|| {
    let options = HeadOptions { pixels: 96, slices: 16, bleed_ml: 60.0, ..HeadOptions::default() };
    simulate_head(&options).unwrap().ct
});

/// A folder of the development data; a test that needs it says so and passes where it is absent.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("passed over: ../shared/data/{name} is absent");
    None
}
