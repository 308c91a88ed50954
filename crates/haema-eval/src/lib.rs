//! How well a segmentation agrees with a reference, and how sure that is.
//!
//! Every number here says what it does with an empty mask, because over head CT, where most scans
//! have no bleed, that choice moves a mean more than most changes to a model do.
//!
//! | asked | answered by |
//! |---|---|
//! | do two masks cover the same voxels? | [`Overlap`]; with another's answers for empty ones, [`EmptyMasks`] |
//! | how far apart are their borders? | [`SurfaceDistances`]: HD95, surface Dice, ASSD |
//! | was each bleed found? | [`LesionCounts`] |
//! | was the scan told from one without a bleed? | [`roc_auc_estimate`], [`operating_point`], [`average_precision`] |
//! | do volumes agree? | [`bland_altman`], [`Icc`], [`concordance`], [`disagreement`], [`volume_errors`], [`volume_classes`] |
//! | by which line? | [`least_squares`], [`deming`], [`passing_bablok`]; [`pearson`], [`spearman`], [`kendall`] |
//! | what is the mean, and how sure? | [`describe`](fn@describe), [`mean_estimate`], [`clustered_mean`], [`Bootstrap`] |
//! | does one differ from another? | [`mean_difference`], [`paired_difference`], [`mann_whitney`](fn@mann_whitney), [`wilcoxon`](fn@wilcoxon), [`Exchange`], [`fisher_exact`] |
//! | do several? | [`friedman`], [`kruskal_wallis`], then pairs with [`holm`] |
//! | is one no worse, or the same? | [`Estimate::p_above`], [`Estimate::p_equivalent`] |
//! | does a probability mean what it says? | [`Reliability`]; how to make one from a score: [`Logistic`] |
//! | what bound holds for the next patient? | [`conformal_bound`] |
//! | what did several raters see? | [`majority`], [`staple`](fn@staple), [`fusion_report`] |
//!
//! What does not exist is `None`, never 0: too few values, no spread, nothing to divide by. A value that is
//! not finite makes the figure of its sample `None`, and no case is dropped without the caller's doing.

mod bland_altman;
mod bootstrap;
mod calibration;
mod clustered;
mod conformal;
mod correlation;
mod describe;
mod distributions;
mod empty_masks;
mod estimate;
mod fusion;
mod icc;
mod kappa;
mod lesionwise;
mod logistic;
mod mann_whitney;
mod many_samples;
mod multiple;
mod overlap;
mod permutation;
mod proportion;
mod ranks;
mod regression;
mod roc;
mod staple;
mod surface;
mod t_test;
mod volumes;
mod wilcoxon;

pub use bland_altman::{BlandAltman, bland_altman, bland_altman_ratio};
pub use bootstrap::{Bootstrap, Interval};
pub use calibration::{Reliability, ReliabilityRow};
pub use clustered::clustered_mean;
pub use conformal::{conformal_bound, conformal_coverage};
pub use correlation::{Correlation, Kendall, concordance, kendall, pearson, spearman};
pub use describe::{Description, Divisor, describe, mean_estimate};
pub use empty_masks::EmptyMasks;
pub use estimate::Estimate;
pub use fusion::{FusionReport, Tie, fusion_report, intersection, majority, mean_mask, union};
pub use icc::{Icc, IccForm};
pub use kappa::{KappaError, KappaWeights, cohen_kappa};
pub use lesionwise::{LesionCounts, LesionMatching, ReferenceLesion};
pub use logistic::Logistic;
pub use mann_whitney::{MannWhitney, mann_whitney, mann_whitney_p_without_ties};
pub use many_samples::{ChiSquaredTest, friedman, kruskal_wallis};
pub use multiple::{bonferroni, holm};
pub use overlap::{Overlap, OverlapError, f1_of_means};
pub use permutation::{Exchange, ExchangeTest};
pub use proportion::{Proportion, fisher_exact};
pub use regression::{Line, PassingBablok, deming, least_squares, passing_bablok};
pub use roc::{
    OperatingPoint, RocError, average_precision, operating_point, roc_auc, roc_auc_estimate,
    roc_curve,
};
pub use staple::{Staple, staple};
pub use surface::{SurfaceDistances, SurfaceKind};
pub use t_test::{MeanSd, Variances, mean_difference, mean_difference_of, paired_difference};
pub use volumes::{
    Disagreement, VOLUME_BORDERS_ML, VolumeClasses, VolumeErrors, disagreement,
    median_absolute_error_ml, relative_difference, share_within_ml, share_within_part,
    volume_classes, volume_errors,
};
pub use wilcoxon::{Wilcoxon, Zeros, wilcoxon};
