//! `participants.tsv`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{DatasetError, PARTICIPANTS};
use crate::fs;

/// Where in the head a bleed is. A scan may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subtype {
    /// In a ventricle.
    Intraventricular,
    /// In the brain's tissue.
    Intraparenchymal,
    /// Below the arachnoid.
    Subarachnoid,
    /// Between skull and dura.
    Epidural,
    /// Below the dura.
    Subdural,
}

impl Subtype {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Self; 5] = [
        Self::Intraventricular,
        Self::Intraparenchymal,
        Self::Subarachnoid,
        Self::Epidural,
        Self::Subdural,
    ];

    /// Name of the table's column: `0` or `1`.
    pub fn column(self) -> &'static str {
        match self {
            Self::Intraventricular => "intraventricular",
            Self::Intraparenchymal => "intraparenchymal",
            Self::Subarachnoid => "subarachnoid",
            Self::Epidural => "epidural",
            Self::Subdural => "subdural",
        }
    }
}

/// One row of the table: what is known of a case beside its voxels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    values: BTreeMap<String, String>,
}

impl Participant {
    /// The value of a column, or `None` where there is no such column or it says `n/a`.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.values.get(column).map(String::as_str).filter(|value| *value != NOT_KNOWN)
    }

    /// Whether a column says `1` (or `0`), or `None` where it says neither.
    pub fn flag(&self, column: &str) -> Option<bool> {
        match self.get(column)? {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    }

    /// Whether the scan has a bleed, from the column `hemorrhage`.
    pub fn has_bleed(&self) -> Option<bool> {
        self.flag("hemorrhage")
    }

    /// The kinds of bleed that the table names.
    pub fn subtypes(&self) -> Vec<Subtype> {
        let is_named = |subtype: &Subtype| self.flag(subtype.column()) == Some(true);
        Subtype::ALL.into_iter().filter(is_named).collect()
    }
}

/// What is written where a value is not known, as in BIDS.
pub(crate) const NOT_KNOWN: &str = "n/a";

/// The whole table. The first column is `participant_id`, the case's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participants {
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<String>>,
}

const ID_COLUMN: &str = "participant_id";
/// A hundred thousand cases with a hundred columns.
const MOST_BYTES: u64 = 64 << 20;

impl Participants {
    /// An empty table with these columns after `participant_id`.
    pub fn with_columns<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self { columns: columns.into_iter().map(str::to_owned).collect(), rows: BTreeMap::new() }
    }

    /// Sets the row of a case; a former one is replaced.
    ///
    /// # Panics
    ///
    /// Where there are not as many values as columns.
    pub fn insert(&mut self, id: &str, values: Vec<String>) {
        assert_eq!(values.len(), self.columns.len(), "one value a column");
        self.rows.insert(id.to_owned(), values);
    }

    /// The row of a case.
    pub fn get(&self, id: &str) -> Option<Participant> {
        let values = self.columns.iter().cloned().zip(self.rows.get(id)?.iter().cloned());
        Some(Participant { values: values.collect() })
    }

    /// Reads a data set's table, or `None` where it has none.
    ///
    /// # Errors
    ///
    /// [`DatasetError::BadParticipants`] where it is no table of this kind.
    pub fn read(folder: &Path) -> Result<Option<Self>, DatasetError> {
        let path = folder.join(PARTICIPANTS);
        let text = match fs::read_to_string(&path, MOST_BYTES) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let bad = |(line, reason)| DatasetError::BadParticipants { line, reason, path };
        Self::parse(&text).map(Some).map_err(bad)
    }

    /// # Errors
    ///
    /// The line, counted from 1, and what is wrong with it.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut lines = text.lines().enumerate();
        let (_, head) = lines.next().unwrap_or_default();
        let mut columns = head.split('\t');
        let first = columns.next().unwrap_or_default();
        if first != ID_COLUMN {
            return Err((1, format!("first column {first:?}: wanted {ID_COLUMN:?}")));
        }
        let mut table = Self::with_columns(columns);
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let mut values = line.split('\t');
            let id = values.next().unwrap_or_default();
            let values: Vec<String> = values.map(str::to_owned).collect();
            let [found, wanted] = [values.len() + 1, table.columns.len() + 1];
            if found != wanted {
                return Err((index + 1, format!("{found} columns: wanted {wanted}")));
            }
            if table.rows.contains_key(id) {
                return Err((index + 1, format!("case {id:?} is there twice")));
            }
            table.insert(id, values);
        }
        Ok(table)
    }

    /// Writes a data set's table, rows sorted by case.
    ///
    /// # Errors
    ///
    /// [`DatasetError::File`].
    pub fn write(&self, folder: &Path) -> Result<(), DatasetError> {
        let mut text = format!("{ID_COLUMN}\t{}\n", self.columns.join("\t"));
        for (id, values) in &self.rows {
            text.extend([id, "\t", &values.join("\t"), "\n"]);
        }
        fs::write_atomic(&folder.join(PARTICIPANTS), text.as_bytes())?;
        Ok(())
    }
}
