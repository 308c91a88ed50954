//! Several models that segment together.

use std::num::NonZeroUsize;

use haema_methods::{MaskRule, SegmentError};
use haema_volume::CtVolume;
use sha2::{Digest as _, Sha256};

use crate::segmenter::{Segmented, Segmenter};

/// Models, or methods, whose probabilities are averaged on the scan's own grid, where they can differ in
/// everything before it.
///
/// It is not calibrated, whatever its members are: the mean of scores means something else than each.
pub struct Ensemble<'a> {
    members: Vec<&'a dyn Segmenter>,
    method: String,
    name: String,
    sha256: String,
}

impl<'a> Ensemble<'a> {
    /// An ensemble; `None` of no members.
    pub fn new(members: Vec<&'a dyn Segmenter>) -> Option<Self> {
        let first = members.first()?;
        let same = members.iter().all(|member| member.method() == first.method());
        let joined = |of: &dyn Fn(&dyn Segmenter) -> String| {
            members.iter().map(|member| of(*member)).collect::<Vec<_>>().join(" + ")
        };
        let method = if same {
            first.method().to_owned()
        } else {
            joined(&|member| member.method().to_owned())
        };
        let name = joined(&|member| member.model_name().to_owned());
        let hashes = joined(&|member| member.model_sha256().to_owned());
        let sha256 = format!("{:x}", Sha256::digest(hashes.as_bytes()));
        Some(Self { members, method, name, sha256 })
    }

    fn first(&self) -> &dyn Segmenter {
        self.members[0]
    }
}

impl Segmenter for Ensemble<'_> {
    fn method(&self) -> &str {
        &self.method
    }

    fn model_name(&self) -> &str {
        &self.name
    }

    /// Of the members' hashes in their order: rounding follows it.
    fn model_sha256(&self) -> &str {
        &self.sha256
    }

    fn device(&self) -> Option<&str> {
        self.members.iter().find_map(|member| member.device())
    }

    fn mask_rule(&self) -> MaskRule {
        self.first().mask_rule()
    }

    fn segment(
        &self,
        ct: &CtVolume,
        rule: MaskRule,
        threads: NonZeroUsize,
    ) -> Result<Segmented, SegmentError> {
        let mut sum = self.first().segment(ct, rule, threads)?;
        for member in &self.members[1..] {
            let own = member.segment(ct, rule, threads)?;
            let voxels = sum.probability.as_mut_slice().iter_mut();
            voxels.zip(own.probability.as_slice()).for_each(|(sum, own)| *sum += own);
            sum.score += own.score;
            sum.volume_grid_ml += own.volume_grid_ml;
            sum.preprocess_ms += own.preprocess_ms;
            sum.network_ms += own.network_ms;
            sum.restore_ms += own.restore_ms;
        }
        let n = self.members.len();
        sum.probability.as_mut_slice().iter_mut().for_each(|p| *p /= n as f32);
        sum.score /= n as f64;
        sum.volume_grid_ml /= n as f64;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use haema_volume::{Affine, Grid, Volume};

    use super::*;

    /// Says the same of every voxel.
    struct Sure(f32);

    impl Segmenter for Sure {
        fn method(&self) -> &'static str {
            "sure"
        }

        fn model_name(&self) -> &'static str {
            "constant"
        }

        fn model_sha256(&self) -> &str {
            if self.0 > 0.5 { "aa" } else { "bb" }
        }

        fn segment(
            &self,
            ct: &CtVolume,
            _: MaskRule,
            _: NonZeroUsize,
        ) -> Result<Segmented, SegmentError> {
            Ok(Segmented {
                probability: ct.voxels_hu().map(|_| self.0),
                score: f64::from(self.0),
                volume_grid_ml: 4.0 * f64::from(self.0),
                preprocess_ms: 1.0,
                network_ms: 2.0,
                restore_ms: 3.0,
            })
        }
    }

    #[test]
    fn members_are_averaged_and_their_times_add_up() {
        let steps = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let affine = Affine::from_steps(steps.0, steps.1, steps.2, [0.0; 3]);
        let grid = Grid::from_affine([2, 2, 2], &affine).unwrap();
        let ct = CtVolume::new(Volume::from_fn([2, 2, 2], |_| 40.0), grid).unwrap();
        let (low, high) = (Sure(0.25), Sure(0.75));
        let both = Ensemble::new(vec![&low, &high]).unwrap();

        let found = both.segment(&ct, MaskRule::default(), NonZeroUsize::MIN).unwrap();

        assert!(found.probability.as_slice().iter().all(|&p| p == 0.5));
        assert_eq!((found.score, found.volume_grid_ml), (0.5, 2.0));
        assert_eq!((found.network_ms, found.restore_ms), (4.0, 6.0));
        assert_eq!((both.method(), both.model_name()), ("sure", "constant + constant"));
        let turned = Ensemble::new(vec![&high, &low]).unwrap();
        assert_ne!(both.model_sha256(), turned.model_sha256());
        assert!(Ensemble::new(vec![]).is_none());
    }
}
