//! Overlap between two masks of one case.

use haema_volume::Volume;
use thiserror::Error;

/// Voxels of one case, counted by agreement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Bleed in both.
    pub true_positive: u64,
    /// Bleed in the prediction only.
    pub false_positive: u64,
    /// Bleed in the reference only.
    pub false_negative: u64,
}

/// Why two masks cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OverlapError {
    /// They are on different grids.
    #[error(
        "the prediction has {predicted:?} [z, y, x] voxels and the reference {reference:?}: \
         wanted one grid"
    )]
    SizesDiffer {
        /// Size of the reference.
        reference: [usize; 3],
        /// Size of the prediction.
        predicted: [usize; 3],
    },
}

impl Overlap {
    /// Counts where two masks agree and differ. Voxels that are not 0 are bleed.
    ///
    /// # Errors
    ///
    /// [`OverlapError::SizesDiffer`] where the masks are on different grids.
    pub fn count(reference: &Volume<u8>, predicted: &Volume<u8>) -> Result<Self, OverlapError> {
        if reference.size() != predicted.size() {
            return Err(OverlapError::SizesDiffer {
                reference: reference.size(),
                predicted: predicted.size(),
            });
        }
        let mut counts = Self::default();
        for (&wanted, &found) in reference.as_slice().iter().zip(predicted.as_slice()) {
            let (wanted, found) = (wanted != 0, found != 0);
            counts.true_positive += u64::from(wanted && found);
            counts.false_positive += u64::from(!wanted && found);
            counts.false_negative += u64::from(wanted && !found);
        }
        Ok(counts)
    }

    /// Dice coefficient `2·TP / (2·TP + FP + FN)`, in `0..=1`; `None` where both masks are empty.
    ///
    /// A scan without a bleed, rightly left empty, has no Dice: it is 0/0. Some tools call it 1,
    /// some drop the case; either hides how many there were. Report the `None` cases apart.
    ///
    /// # Source
    ///
    /// A. A. Taha and A. Hanbury, "Metrics for evaluating 3D medical image segmentation", _BMC
    /// Medical Imaging_ 15:29, 2015.
    ///
    /// # Examples
    ///
    /// ```
    /// use haema_eval::Overlap;
    ///
    /// let half = Overlap { true_positive: 1, false_positive: 1, false_negative: 1 };
    /// assert_eq!(half.dice(), Some(0.5));
    /// assert_eq!(Overlap::default().dice(), None);
    /// ```
    pub fn dice(self) -> Option<f64> {
        ratio(2 * self.true_positive, self.false_positive + self.false_negative)
    }

    /// Share of the predicted bleed that is one, `TP / (TP + FP)`; `None` where nothing was
    /// predicted.
    pub fn precision(self) -> Option<f64> {
        ratio(self.true_positive, self.false_positive)
    }

    /// Share of the bleed that was predicted, `TP / (TP + FN)`; `None` where there is none.
    pub fn recall(self) -> Option<f64> {
        ratio(self.true_positive, self.false_negative)
    }
}

/// `part / (part + rest)`.
fn ratio(part: u64, rest: u64) -> Option<f64> {
    (part + rest > 0).then(|| part as f64 / (part + rest) as f64)
}
