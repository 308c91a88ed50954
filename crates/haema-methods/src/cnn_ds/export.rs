//! A model as ONNX.

use std::collections::BTreeMap;

use haema_nn::onnx::{OnnxError, OnnxHeader, to_onnx};

use super::Model;
use crate::recipe::Recipe;

/// What a reader of the file must know, and the file's own entries do not tell.
const INPUT: &str = "input: one head CT on the grid of `preprocessing`, [1, 1, z, y, x]: z towards the head, \
     y towards the back, x towards the patient's left; `window_hu` as 0..1, clamped. output: each voxel's \
     probability of being bleed.";
/// How haema runs it, of a model that sees the whole volume.
const WHOLE: &str =
    "haema runs the network on the scan and on its left-right mirror image, and averages.";
/// Of others.
const IN_PARTS: &str = "`recipe` says what is done with these intensities first, and into which parts haema cuts the \
     volume for the network.";

impl Model {
    /// The network as an ONNX file, for inputs of one `size` `[z, y, x]` or of any that goes through.
    ///
    /// * `version` — of haema, for the file's header.
    ///
    /// # Errors
    ///
    /// [`OnnxError`], with the sizes that go through.
    pub fn to_onnx(&self, size: Option<[usize; 3]>, version: &str) -> Result<Vec<u8>, OnnxError> {
        let metadata = self.metadata();
        let licence = metadata.get("licence").map_or("not stated", String::as_str);
        let entry = |key: &str| metadata.get(key).cloned().unwrap_or_default();
        let is_whole = *self.recipe() == Recipe::whole();
        let how = if is_whole { WHOLE } else { IN_PARTS };
        let recipe = (!is_whole).then(|| ("recipe".to_owned(), entry("recipe")));
        let entries = [
            ("input", format!("{INPUT} {how}")),
            ("licence", licence.to_owned()),
            ("method", entry("method")),
            ("model", self.name().to_owned()),
            ("preprocessing", entry("preprocessing")),
            ("weights_sha256", self.sha256().to_owned()),
        ];
        let header = OnnxHeader {
            version: version.to_owned(),
            description: format!(
                "{}: intracranial bleeds on non-contrast head CT. Research software, not a medical device.",
                self.name()
            ),
            metadata: entries
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .chain(recipe)
                .collect::<BTreeMap<_, _>>(),
        };
        to_onnx(self.spec(), self.parameters(), size, &header)
    }
}

#[cfg(test)]
mod tests;
