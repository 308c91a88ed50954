//! Names of case folders, and what already stands in the output folder.

use std::collections::BTreeMap;
use std::path::Path;

use haema_io::fs::{self, FsError};
use haema_measure::Growth;

use crate::compare::{COMPARE_FILE, Comparison};
use crate::report::Report;

/// Name of a case's report.
pub(crate) const REPORT_FILE: &str = "report.json";

/// A report is some kilobytes; one of a thousand slices and lesions is under this.
const REPORT_BYTES_MAX: u64 = 64 << 20;

/// The folders of an output folder by name: with their report, or without where they are not ours.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    by_name: BTreeMap<String, Option<Report>>,
    growth: Growths,
}

/// What comparisons in the output folder say: for the later scan, by the SHA-256 of its input, by how
/// many mL its bleed has grown since the earlier one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Growths(BTreeMap<String, f64>);

impl Growths {
    /// Enters a comparison by its later scan; growth within the error of measurement is none, and shrinking neither.
    pub(crate) fn add(&mut self, followup_sha256: &str, growth: &Growth) {
        if growth.change_ml > growth.smallest_real_change_ml && growth.change_ml > 0.0 {
            let most = self.0.entry(followup_sha256.to_owned()).or_insert(0.0);
            *most = most.max(growth.change_ml);
        }
    }

    /// By how many mL the bleed of a scan has grown, where a comparison says so.
    pub(crate) fn of(&self, input_sha256: &str) -> Option<f64> {
        self.0.get(input_sha256).copied()
    }
}

impl Cases {
    /// Looks through an output folder; one that does not exist yet is empty.
    pub(crate) fn in_folder(out: &Path) -> Result<Self, FsError> {
        let entries = match fs::list_folder(out) {
            Err(error) if error.is_not_found() => return Ok(Self::default()),
            entries => entries?,
        };
        let mut growth = Growths::default();
        for comparison in entries.iter().filter_map(|path| read_comparison(path)) {
            growth.add(&comparison.input_sha256[1], &comparison.growth);
        }
        let named = entries.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name, read_report(&path)))
        });
        Ok(Self { by_name: named.collect(), growth })
    }

    /// What comparisons that stand in the folder say.
    pub(crate) fn growth(&self) -> &Growths {
        &self.growth
    }

    /// The finished case of this very job.
    pub(crate) fn done(&self, job: &str) -> Option<&Report> {
        self.by_name.values().flatten().find(|report| report.receipt.job == job)
    }

    /// A free name for a case: its own, or with `-2`, `-3` … where another input has taken it. The
    /// same input gets its old name again.
    pub(crate) fn name_for(&self, case_id: &str, source: &str) -> String {
        let plain = folder_name(case_id);
        let is_free = |name: &String| match self.by_name.get(name) {
            None => true,
            Some(Some(report)) => report.receipt.source == source,
            Some(None) => false,
        };
        let numbered = (2_usize..).map(|n| format!("{plain}-{n}"));
        std::iter::once(plain.clone())
            .chain(numbered)
            .find(is_free)
            .expect("there are more numbers than folders")
    }

    /// Enters a finished case.
    pub(crate) fn insert(&mut self, report: Report) {
        self.by_name.insert(report.case_id.clone(), Some(report));
    }

    /// The reports, sorted by the names of their folders.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &Report> {
        self.by_name.values().flatten()
    }
}

/// The report of a folder; none where it holds none that this version can read.
fn read_report(folder: &Path) -> Option<Report> {
    let text = fs::read_to_string(&folder.join(REPORT_FILE), REPORT_BYTES_MAX).ok()?;
    let report: Report = serde_json::from_str(&text).ok()?;
    // A folder that was renamed by hand is not ours any more.
    (Some(report.case_id.as_str()) == folder.file_name()?.to_str()).then_some(report)
}

/// The comparison of a folder; none where it holds none that this version can read.
fn read_comparison(folder: &Path) -> Option<Comparison> {
    let text = fs::read_to_string(&folder.join(COMPARE_FILE), REPORT_BYTES_MAX).ok()?;
    serde_json::from_str(&text).ok()
}

/// A name that every file system takes: letters, digits, `.`, `_` and `-`, and no dot in front.
fn folder_name(case_id: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String =
        case_id.chars().take(100).map(|c| if is_plain(c) { c } else { '_' }).collect();
    match name.trim_start_matches('.') {
        "" => "case".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    fn taken(name: &str, source: &str) -> Report {
        let mut report = report();
        report.case_id = name.to_owned();
        report.receipt.source = source.to_owned();
        report
    }

    #[test]
    fn a_name_that_another_input_has_taken_gets_a_number() {
        let mut cases = Cases::default();
        cases.insert(taken("head", "a"));
        cases.insert(taken("head-2", "b"));

        assert_eq!(cases.name_for("head", "a"), "head");
        assert_eq!(cases.name_for("head", "b"), "head-2");
        assert_eq!(cases.name_for("head", "c"), "head-3");
        assert_eq!(cases.name_for("other", "c"), "other");
    }

    #[test]
    fn a_folder_of_somebody_else_is_never_taken() {
        let out = tempfile::tempdir().unwrap();
        fs::create_folder(&out.path().join("head")).unwrap();

        let cases = Cases::in_folder(out.path()).unwrap();

        assert_eq!(cases.name_for("head", "a"), "head-2");
        assert_eq!(cases.reports().count(), 0);
    }

    #[test]
    fn a_report_is_found_again_by_its_job() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("head");
        fs::create_folder(&folder).unwrap();
        let report = taken("head", "a");
        let json = serde_json::to_vec(&report).unwrap();
        fs::write_atomic(&folder.join(REPORT_FILE), &json).unwrap();

        let cases = Cases::in_folder(out.path()).unwrap();

        assert_eq!(cases.done(&report.receipt.job), Some(&report));
        assert_eq!(cases.done("another job"), None);
        assert_eq!(cases.name_for("head", "a"), "head");
    }

    #[test]
    fn a_missing_output_folder_is_empty() {
        assert_eq!(Cases::in_folder(Path::new("no/such/folder")).unwrap().reports().count(), 0);
    }

    #[test]
    fn names_are_made_plain() {
        assert_eq!(folder_name("Müller 1/../x"), "M_ller_1_.._x");
        assert_eq!(folder_name("..."), "case");
        assert_eq!(folder_name("ctich-049"), "ctich-049");
    }
}
