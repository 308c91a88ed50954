//! How `PItcHPERFeCT` learns from a dataset: its model stands in the run's folder beside the split.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::dataset::{Case, Dataset};
use haema_io::fs;
use haema_methods::pitchperfect::{Gathering, Settings};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::error::TrainError;
use super::folder::{PITCHPERFECT, SPLIT};
use super::split::Split;

/// Learns from the training cases of a split and returns the path of the model. Nothing is done where it
/// stands already.
///
/// Scans that cannot be laid on the template are passed over and told to `skipped`.
///
/// # Errors
///
/// [`TrainError`], which names the case or file.
pub fn learn_pitchperfect(
    dataset: &Dataset,
    (settings, split): (&Settings, &Split),
    run: &Path,
    threads: NonZeroUsize,
    skipped: &mut dyn FnMut(&str),
) -> Result<PathBuf, TrainError> {
    let path = run.join(PITCHPERFECT);
    if path.exists() {
        return Ok(path);
    }
    fs::create_folder(run)?;
    fs::write_json(&run.join(SPLIT), split)?;
    let is_training = |case: &&Case| split.training.iter().any(|id| id == case.id());
    let mut cases: Vec<&Case> = dataset.cases().iter().filter(is_training).collect();
    // Which scans it learns from is left to chance, as in the paper.
    cases.shuffle(&mut ChaCha8Rng::seed_from_u64(settings.seed));
    let mut gathering = Gathering::new(settings.clone());
    for case in cases {
        let id = || case.id().to_owned();
        let read = |source| TrainError::Read { id: id(), source: Box::new(source) };
        let label =
            case.read_label().map_err(read)?.ok_or_else(|| TrainError::NoLabel { id: id() })?;
        let is_healthy = label.as_slice().iter().all(|&voxel| voxel == 0);
        if !is_healthy && !gathering.wants_bleeds() {
            continue;
        }
        let ct = case.read_image().map_err(read)?;
        if gathering.add(&ct, &label, threads).is_err() {
            skipped(case.id());
        }
    }
    let model = gathering.learn(threads)?;
    fs::write_atomic(&path, &model.to_bytes())?;
    Ok(path)
}
