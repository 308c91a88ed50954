//! Hostile DICOM files: refused, without a panic, and at a cost in proportion to their size.
//!
//! The one test of its binary, because the peak memory is the whole process's.

#[cfg(test)]
#[path = "hostile_files/attacks.rs"]
mod attacks;
#[cfg(test)]
#[path = "it/dicom_file.rs"]
mod dicom_file;

use std::{fs, panic::catch_unwind, path::Path};

use attacks::Attack;
use haema_io::dicom::{self, ReadOptions};

/// What reading may take whatever the file's size: threads, and what decoders need for one image.
const FIXED_KIB: u64 = 32 << 10;

/// What reading may take for each byte of the file. Deflated data sets may unpack to 20.
const PER_BYTE: u64 = 24;

#[test]
fn hostile_files_are_refused_at_little_cost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ct.dcm");
    let mut failures = Vec::new();
    let mut largest = (0, String::new());
    let attacks = attacks::all();
    eprintln!("{} hostile files", attacks.len());
    for attack in attacks {
        fs::write(&path, &attack.bytes).unwrap();
        let before_kib = reset_peak();

        failures.extend(outcome(&attack, &path));

        // Systems without /proc do not tell.
        if let (Some(before_kib), Some(peak_kib)) = (before_kib, status_kib("VmHWM:")) {
            let used_kib = peak_kib.saturating_sub(before_kib);
            let allowed_kib = FIXED_KIB + PER_BYTE * attack.bytes.len() as u64 / 1024;
            if used_kib > allowed_kib {
                failures.push(format!("{}: {used_kib} KiB, not {allowed_kib}", attack.name));
            }
            largest = largest.max((used_kib, attack.name));
        }
    }
    eprintln!("most memory: {} KiB, {}", largest.0, largest.1);

    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with how an attack ends.
fn outcome(attack: &Attack, path: &Path) -> Option<String> {
    match catch_unwind(|| dicom::read(path, &ReadOptions::default())) {
        Err(_) => Some(format!("{} panics", attack.name)),
        Ok(Ok(scan)) if !attack.may_be_read => {
            Some(format!("{} is accepted: {:?}", attack.name, scan.provenance.warnings))
        }
        Ok(_) => None,
    }
}

/// Forgets the peak so far and gives the memory in use, KiB.
fn reset_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    status_kib("VmRSS:")
}

fn status_kib(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
