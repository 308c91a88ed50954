//! The method of the self-test: what a voxel's value says.

use std::num::NonZeroUsize;

use haema_methods::{MaskRule, SegmentError};
use haema_sim::phantom::{BODY_HU, WATER_HU};
use haema_volume::CtVolume;

use crate::segmenter::{Segmented, Segmenter};

/// A voxel's share of body, between water and body; more than half of it is body.
pub(super) struct HalfHeight;

impl Segmenter for HalfHeight {
    fn method(&self) -> &'static str {
        "half-height"
    }

    fn model_name(&self) -> &'static str {
        "none"
    }

    fn model_sha256(&self) -> &'static str {
        ""
    }

    fn segment(
        &self,
        ct: &CtVolume,
        _rule: MaskRule,
        _threads: NonZeroUsize,
    ) -> Result<Segmented, SegmentError> {
        let share = |&hu: &f32| ((hu - WATER_HU) / (BODY_HU - WATER_HU)).clamp(0.0, 1.0);
        Ok(Segmented {
            probability: ct.voxels_hu().map(share),
            score: 0.0,
            volume_grid_ml: 0.0,
            preprocess_ms: 0.0,
            network_ms: 0.0,
            restore_ms: 0.0,
        })
    }
}
