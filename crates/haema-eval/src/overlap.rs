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
    /// Bleed in neither.
    pub true_negative: u64,
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
        check_sizes(reference.size(), predicted.size())?;
        let mut counts = Self::default();
        for (&wanted, &found) in reference.as_slice().iter().zip(predicted.as_slice()) {
            let (wanted, found) = (wanted != 0, found != 0);
            counts.true_positive += u64::from(wanted && found);
            counts.false_positive += u64::from(!wanted && found);
            counts.false_negative += u64::from(wanted && !found);
        }
        let bleed = counts.true_positive + counts.false_positive + counts.false_negative;
        counts.true_negative = reference.as_slice().len() as u64 - bleed;
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
    /// let half = Overlap {
    ///     true_positive: 1, false_positive: 1, false_negative: 1, true_negative: 5,
    /// };
    /// assert_eq!(half.dice(), Some(0.5));
    /// assert_eq!(Overlap::default().dice(), None);
    /// ```
    pub fn dice(self) -> Option<f64> {
        ratio(2 * self.true_positive, self.false_positive + self.false_negative)
    }

    /// Jaccard index `TP / (TP + FP + FN)`, intersection over union; `None` where both masks are empty.
    pub fn jaccard(self) -> Option<f64> {
        ratio(self.true_positive, self.false_positive + self.false_negative)
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

    /// Share of what is no bleed that was left, `TN / (TN + FP)`; `None` where all is bleed. Over a head
    /// it is nearly 1 for any method: of little use.
    pub fn specificity(self) -> Option<f64> {
        ratio(self.true_negative, self.false_positive)
    }

    /// Cohen's κ over all voxels counted; `None` where both masks are empty, or both full: nothing but
    /// agreement was possible. For a bleed that is a small part of the head it is nearly the Dice.
    ///
    /// Voxels are not independent: there is no interval of one image's κ. Give one over images.
    ///
    /// # Source
    ///
    /// J. Cohen, _Educational and Psychological Measurement_ 20:37–46, 1960.
    pub fn kappa(self) -> Option<f64> {
        let [a, b, c, d] =
            [self.true_positive, self.false_positive, self.false_negative, self.true_negative]
                .map(u128::from);
        // 2(ad − bc) / ((a+b)(b+d) + (a+c)(c+d)), in whole numbers: a head has 10⁷ voxels, and their
        // products more digits than a float.
        let expected = (a + b) * (b + d) + (a + c) * (c + d);
        let agreement = (a * d) as i128 - (b * c) as i128;
        (expected > 0).then(|| 2.0 * agreement as f64 / expected as f64)
    }

    /// Voxels of the prediction less those of the reference, as a part of the latter; `None` where the
    /// reference is empty. On grids whose slices are uneven compare volumes instead
    /// ([`crate::relative_difference`]).
    pub fn relative_size_difference(self) -> Option<f64> {
        let wanted = self.true_positive + self.false_negative;
        let more = self.false_positive as f64 - self.false_negative as f64;
        (wanted > 0).then(|| more / wanted as f64)
    }

    /// The counts of two cases together: figures of sums are _pooled_, or _micro_, and large bleeds rule
    /// them.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            true_positive: self.true_positive + other.true_positive,
            false_positive: self.false_positive + other.false_positive,
            false_negative: self.false_negative + other.false_negative,
            true_negative: self.true_negative + other.true_negative,
        }
    }
}

/// Harmonic mean of two means, as the paper's column F1 is made from its mean precision and recall. It is
/// not the mean of each case's F1, which is the mean Dice. `None` where both are 0 or one is NaN.
///
/// ```
/// use haema_eval::f1_of_means;
///
/// assert_eq!(f1_of_means(0.5, 0.5), Some(0.5));
/// ```
pub fn f1_of_means(precision: f64, recall: f64) -> Option<f64> {
    let sum = precision + recall;
    (sum > 0.0).then(|| 2.0 * precision * recall / sum)
}

pub(crate) fn check_sizes(
    reference: [usize; 3],
    predicted: [usize; 3],
) -> Result<(), OverlapError> {
    if reference == predicted {
        return Ok(());
    }
    Err(OverlapError::SizesDiffer { reference, predicted })
}

/// `part / (part + rest)`.
fn ratio(part: u64, rest: u64) -> Option<f64> {
    (part + rest > 0).then(|| part as f64 / (part + rest) as f64)
}
