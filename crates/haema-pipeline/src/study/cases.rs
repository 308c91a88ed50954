//! A test case with all masks that people drew on it.

use haema_eval::{Tie, majority};
use haema_io::dataset::{Case, Dataset};
use haema_volume::{CtVolume, Volume};

use super::plan::reason;

/// Name of the mask that methods are held to.
pub(super) const REFERENCE: &str = "reference";
/// Name of the method among raters.
pub(super) const METHOD: &str = "M";

/// A case, read.
pub(super) struct Drawn {
    pub(super) ct: CtVolume,
    /// What each person drew, `E1` and so on.
    pub(super) raters: Vec<(String, Volume<u8>)>,
    /// The majority of three and more, else the dataset's label.
    pub(super) reference: Volume<u8>,
    /// Who did not draw it.
    pub(super) notes: Vec<String>,
    /// Masks that cannot be used.
    pub(super) faults: Vec<String>,
}

/// The name that the paper would give the `i`th rater.
pub(super) fn expert(i: usize) -> String {
    format!("E{}", i + 1)
}

impl Drawn {
    /// Reads a case.
    ///
    /// # Errors
    ///
    /// In words, where the scan has no mask at all or cannot be read.
    pub(super) fn read(dataset: &Dataset, case: &Case) -> Result<Self, String> {
        let ct = case.read_image().map_err(|error| reason(&error))?;
        let size = ct.grid().size();
        let binary = |mask: &Volume<u8>| mask.map(|&voxel| u8::from(voxel != 0));
        let (mut notes, mut faults) = (Vec::new(), Vec::new());
        let mut raters = Vec::new();
        for (i, rater) in dataset.raters().into_iter().enumerate() {
            match dataset.read_rater(rater, case) {
                Ok(Some((mask, _))) if mask.size() == size => raters.push((expert(i), binary(&mask))),
                Ok(Some((mask, _))) => faults.push(format!(
                    "the mask of rater {rater} on case {} has {:?} [z, y, x] voxels, the scan {size:?}: left out",
                    case.id(),
                    mask.size()
                )),
                Ok(None) => notes.push(format!("rater {rater} did not draw case {}", case.id())),
                Err(error) => faults.push(format!(
                    "the mask of rater {rater} on case {} cannot be read ({}): left out",
                    case.id(),
                    reason(&error)
                )),
            }
        }
        let label = case.read_label().map_err(|error| reason(&error))?;
        let label = label.filter(|label| label.size() == size).map(|label| binary(&label));
        let masks: Vec<&Volume<u8>> = raters.iter().map(|(_, mask)| mask).collect();
        let vote = (masks.len() >= 3).then(|| majority(&masks, Tie::Background).ok().flatten());
        let Some(reference) = vote.flatten().or(label) else {
            return Err(format!("case {} has no mask on its scan's grid", case.id()));
        };
        if dataset.raters().is_empty() {
            // One reader: whoever drew the dataset's labels.
            raters.push((expert(0), reference.clone()));
        }
        Ok(Self { ct, raters, reference, notes, faults })
    }
}
