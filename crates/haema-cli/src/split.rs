//! Which cases serve for what: arguments of `haema train` and `haema tune`.

use std::num::NonZeroUsize;

use haema_io::dataset::{Case, Dataset};
use haema_pipeline::training::{Split, TrainError, bleed_sizes};

/// Which cases serve for what.
#[derive(Debug, clap::Args)]
pub(crate) struct SplitArgs {
    /// Case ids that steer the learning rate and the choice of the epoch, separated by commas
    /// [default: none with our settings, every 9th with the paper's and in a search].
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    validation: Vec<String>,
    /// Case ids that the run never sees, separated by commas: for an honest score afterwards.
    #[arg(long, value_name = "IDS", value_delimiter = ',', conflicts_with = "hold_aside_every")]
    hold_aside: Vec<String>,
    /// Hold every Nth case aside, in order of the size of its bleed.
    #[arg(long, value_name = "N")]
    hold_aside_every: Option<NonZeroUsize>,
}

/// The paper validates on 5 of 45.
const PAPER_VALIDATION: usize = 9;

impl SplitArgs {
    /// The split of a dataset.
    ///
    /// * `fold` — the one of so many, from 0, that is held aside.
    /// * `validates` — whether every 9th case is for validation where none is named.
    pub(crate) fn split(
        &self,
        dataset: &Dataset,
        fold: Option<(usize, usize)>,
        validates: bool,
        threads: NonZeroUsize,
    ) -> Result<Split, TrainError> {
        let ids: Vec<&str> = dataset.cases().iter().map(Case::id).collect();
        let sizes = || bleed_sizes(dataset, threads);
        let held_aside = match (fold, self.hold_aside_every) {
            (Some((fold, folds)), _) => Split::fold(&sizes()?, fold, folds),
            (None, Some(nth)) => Split::every_nth(&sizes()?, nth.get()),
            (None, None) => self.hold_aside.clone(),
        };
        let mut validation = self.validation.clone();
        if validation.is_empty() && validates {
            let mut left = sizes()?;
            left.retain(|(id, _)| !held_aside.contains(id));
            validation = Split::every_nth(&left, PAPER_VALIDATION);
        }
        Ok(Split::named(&ids, &validation, &held_aside)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_validates_on_five_of_forty_five() {
        let ids: Vec<(String, usize)> = (0..45).map(|i| (format!("case{i:02}"), i + 1)).collect();

        assert_eq!(Split::every_nth(&ids, PAPER_VALIDATION).len(), 5);
    }
}
