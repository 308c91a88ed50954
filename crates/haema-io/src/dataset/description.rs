//! `dataset.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{DESCRIPTION, DatasetError};
use crate::fs;

/// What `dataset.json` says. Keys are those of nnU-Net v2; others are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What the data set calls itself.
    #[serde(default)]
    pub name: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Whom to cite.
    #[serde(default)]
    pub reference: String,
    /// Under which licence it may be used.
    #[serde(default)]
    pub licence: String,
    /// Channel number to channel name: one channel, `CT`.
    pub channel_names: BTreeMap<String, String>,
    /// Label name to value.
    pub labels: BTreeMap<String, LabelValue>,
    /// Number of training cases.
    #[serde(rename = "numTraining")]
    pub training_count: usize,
    /// How image files end: `.nii.gz` or `.nii`.
    pub file_ending: String,
}

/// Which voxels of a label file have a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelValue {
    /// Those of one value.
    One(u8),
    /// Those of any of these values: a region, in nnU-Net's words.
    AnyOf(Vec<u8>),
}

/// More than any real `dataset.json`, though some list every case.
const MOST_BYTES: u64 = 16 << 20;

impl Description {
    /// One channel of Hounsfield units and one label: bleed.
    pub fn of_bleeds(name: &str, training_count: usize) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            reference: String::new(),
            licence: String::new(),
            channel_names: [("0".to_owned(), "CT".to_owned())].into(),
            labels: [
                ("background".to_owned(), LabelValue::One(0)),
                ("hemorrhage".to_owned(), LabelValue::One(1)),
            ]
            .into(),
            training_count,
            file_ending: ".nii.gz".to_owned(),
        }
    }

    /// Every value that a label has, in order.
    pub(super) fn label_values(&self) -> Vec<u8> {
        let of = |value: &LabelValue| match value {
            LabelValue::One(value) => vec![*value],
            LabelValue::AnyOf(values) => values.clone(),
        };
        let mut values: Vec<u8> = self.labels.values().flat_map(of).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Reads a data set's `dataset.json`.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] where it is missing or not one that haema can use.
    pub fn read(folder: &Path) -> Result<Self, DatasetError> {
        let path = folder.join(DESCRIPTION);
        let text = fs::read_to_string(&path, MOST_BYTES).map_err(|error| {
            if error.is_not_found() {
                return DatasetError::NotADataset { folder: folder.to_owned() };
            }
            error.into()
        })?;
        let bad = |reason| DatasetError::BadDescription { reason, path };
        let description: Self = match serde_json::from_str(&text) {
            Ok(description) => description,
            Err(error) => return Err(bad(format!("not nnU-Net v2's dataset.json ({error})"))),
        };
        if description.channel_names.len() != 1 {
            let found = description.channel_names.len();
            return Err(bad(format!("{found} channels: wanted one, CT")));
        }
        if !matches!(description.file_ending.as_str(), ".nii.gz" | ".nii") {
            let found = &description.file_ending;
            return Err(bad(format!("files end in {found:?}: wanted \".nii.gz\" or \".nii\"")));
        }
        Ok(description)
    }

    /// Writes a data set's `dataset.json`.
    ///
    /// # Errors
    ///
    /// [`DatasetError::File`].
    pub fn write(&self, folder: &Path) -> Result<(), DatasetError> {
        Ok(fs::write_json(&folder.join(DESCRIPTION), self)?)
    }
}
