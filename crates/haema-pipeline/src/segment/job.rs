//! What was asked for, as a fingerprint: how a second run knows what is done.

use std::path::{Path, PathBuf};

use haema_io::fs::{self, FsError};
use haema_methods::Calibration;
use sha2::{Digest as _, Sha256};

use crate::input::Source;
use crate::report::Settings;

impl Source {
    /// Fingerprint of the place alone, whatever lies there.
    pub(crate) fn pseudonym(&self) -> String {
        match self {
            Self::Sample => pseudonym("sample"),
            Self::Path(path) => pseudonym(&whole(path).to_string_lossy()),
        }
    }
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Fingerprint of a source as it lies on the disk now, of the settings, the weights and the version.
///
/// A path may hold a person's name: it goes in here, and cannot be read from what comes out. Files
/// count by their sizes and times of change, so that nothing is read twice and a changed scan is not
/// taken for the old one.
///
/// # Errors
///
/// [`FsError`] where the source cannot be listed.
pub(crate) fn fingerprint(
    source: &Source,
    settings: &Settings,
    model_sha256: &str,
) -> Result<String, FsError> {
    let mut sum = Fingerprint(Sha256::new());
    sum.add(env!("CARGO_PKG_VERSION").as_bytes());
    sum.add(model_sha256.as_bytes());
    sum.add(serde_json::to_string(settings).expect("settings are plain data").as_bytes());
    match source {
        Source::Sample => sum.add(b"sample"),
        Source::Path(path) => {
            sum.add(whole(path).as_os_str().as_encoded_bytes());
            sum.add_tree(path, true)?;
        }
    }
    Ok(format!("{:x}", sum.0.finalize()))
}

/// The first digits of the SHA-256 of a text that must not be told: enough to compare.
pub(crate) fn pseudonym(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))[..12].to_owned()
}

/// Fingerprint of how scores become chances: two models may have the same weights and differ in it.
pub(crate) fn calibration(calibration: &Calibration) -> String {
    pseudonym(&crate::calibration::json_of(calibration))
}

struct Fingerprint(Sha256);

impl Fingerprint {
    /// With its length, so that `ab` + `c` is not `a` + `bc`.
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn add_tree(&mut self, path: &Path, is_top: bool) -> Result<(), FsError> {
        let stamp = fs::stamp(path)?;
        self.add(path.as_os_str().as_encoded_bytes());
        // A folder that is a link is not followed: it may lead back up.
        if stamp.is_folder && (is_top || !stamp.is_link) {
            for entry in fs::list_folder(path)? {
                self.add_tree(&entry, false)?;
            }
        } else if !stamp.is_folder {
            self.add(&stamp.size_bytes.to_le_bytes());
            self.add(&stamp.changed_ns.to_le_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use haema_nn::InferencePrecision;

    use super::*;

    fn settings(threshold: f32) -> Settings {
        Settings {
            method: "cnn-ds".to_owned(),
            threshold,
            seed_threshold: threshold,
            save_probability: false,
            series: None,
            precision: InferencePrecision::Fp32,
            error_table: None,
            device: None,
            calibration: None,
        }
    }

    #[test]
    fn the_fingerprint_follows_settings_weights_and_files_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let scan = folder.path().join("doe^john");
        fs::create_folder(&scan).unwrap();
        fs::write_atomic(&scan.join("1.dcm"), b"one").unwrap();
        let source = Source::Path(scan.clone());
        let of = |threshold, model| fingerprint(&source, &settings(threshold), model).unwrap();

        let first = of(0.5, "aa");

        assert_eq!(of(0.5, "aa"), first);
        assert_ne!(of(0.6, "aa"), first);
        let sure = Settings { seed_threshold: 0.8, ..settings(0.5) };
        assert_ne!(fingerprint(&source, &sure, "aa").unwrap(), first);
        assert_ne!(of(0.5, "bb"), first);
        let half = Settings { precision: InferencePrecision::Bf16, ..settings(0.5) };
        assert_ne!(fingerprint(&source, &half, "aa").unwrap(), first);
        let on_card = Settings { device: Some("a card".to_owned()), ..settings(0.5) };
        assert_ne!(fingerprint(&source, &on_card, "aa").unwrap(), first);
        fs::write_atomic(&scan.join("2.dcm"), b"two").unwrap();
        assert_ne!(of(0.5, "aa"), first);
    }

    #[test]
    fn a_missing_source_is_an_error_that_names_it() {
        let source = Source::Path(PathBuf::from("no/such/scan"));

        let error = fingerprint(&source, &settings(0.5), "aa").unwrap_err();

        assert!(error.is_not_found());
    }
}
