//! Whether a scan can be trusted, and what was looked at to say so.

use serde::{Deserialize, Serialize};

/// Whether a scan can be trusted. A scan that is refused has no report but its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The worst of all checks.
    pub verdict: Verdict,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// Whether a scan can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against it.
    Usable,
    /// A reader must know something.
    UsableWithDoubt,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What: `coverage`, `thickness`, `contrast`, `kernel`, `metal`, `motion`, `clipped_hu`,
    /// `post_operative`.
    pub id: String,
    /// How it went.
    pub outcome: CheckOutcome,
    /// What was found, in plain words.
    pub found: String,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// As it should be.
    Fine,
    /// A doubt.
    Doubt,
    /// It could not be looked at in this scan.
    NotChecked,
}

impl Gate {
    pub(crate) fn new(checks: Vec<Check>) -> Self {
        let is_doubt = checks.iter().any(|check| check.outcome == CheckOutcome::Doubt);
        let verdict = if is_doubt { Verdict::UsableWithDoubt } else { Verdict::Usable };
        Self { verdict, checks }
    }

    /// The same with one check more.
    pub(crate) fn with(&self, check: Check) -> Self {
        let checks = self.checks.iter().cloned().chain([check]).collect();
        Self::new(checks)
    }

    /// What a reader must know.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = &str> {
        let doubts = self.checks.iter().filter(|check| check.outcome == CheckOutcome::Doubt);
        doubts.map(|check| check.found.as_str())
    }
}

impl Check {
    pub(crate) fn new(id: &str, is_doubt: bool, found: String) -> Self {
        let outcome = if is_doubt { CheckOutcome::Doubt } else { CheckOutcome::Fine };
        Self { id: id.to_owned(), outcome, found }
    }

    pub(crate) fn not_checked(id: &str, because: &str) -> Self {
        Self { id: id.to_owned(), outcome: CheckOutcome::NotChecked, found: because.to_owned() }
    }
}

impl Verdict {
    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::UsableWithDoubt => "usable with doubt",
        }
    }
}
