//! Finds how one head lies on another: rigid for two scans of a patient, affine for two heads.
//!
//! Mutual information of grey on coarse grids along the patient's axes, from 8 to 2 mm, which are
//! made from every slice at its own position. Points are taken where the fixed scan has its skull and
//! what that holds, so that the head holder does not steer. Why it is so: `docs/adr/0015`.

mod climb;
mod freedom;
mod metric;
mod pyramid;

use std::num::NonZeroUsize;

use thiserror::Error;

use crate::affine::Vec3;
use crate::lps_map::LpsMap;
use crate::parallel;
use climb::{Climb, Summit};
pub use freedom::Freedom;
use freedom::{Effort, Pose, RIGID};
use metric::{Moving, Samples, Value, ascent, information};
pub use pyramid::HeadPyramid;
use pyramid::LEVELS;

/// How one head lies on another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Registration {
    /// Where in the moving scan a point of the fixed scan lies.
    pub moving_from_fixed: LpsMap,
    /// How good it is.
    pub quality: Match,
}

/// How well two heads match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Mutual information as a share of what both heads hold, 0 to 1.
    pub shared_information: f64,
    /// Share of the fixed head that lies within the moving scan, 0 to 1.
    pub overlap: f64,
    /// Dice of bone in both, where both scans have been, on a 2 mm grid, 0 to 1.
    pub bone_dice: f64,
}

/// Why two scans cannot be registered.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// A scan of more than a head, or a geometry that is none.
    #[error("the scan is {found_mm:.0} mm long: wanted at most {wanted_mm:.0} mm for a head")]
    TooLarge {
        /// Its longest side.
        found_mm: f64,
        /// The longest that is taken.
        wanted_mm: f64,
    },
    /// Nothing that has the look of a head.
    #[error("{found_ml:.0} mL of head were found: wanted at least {wanted_ml:.0} mL")]
    NoHead {
        /// How much was found.
        found_ml: f64,
        /// How much is needed.
        wanted_ml: f64,
    },
    /// No bone to go by: such heads cannot be told to match.
    #[error("{found_ml:.0} mL of skull were found: wanted at least {wanted_ml:.0} mL")]
    NoSkull {
        /// How much was found.
        found_ml: f64,
        /// How much is needed.
        wanted_ml: f64,
    },
    /// The heads do not lie on each other, and what was found is not to be used.
    #[error("the two heads do not match: {reason}")]
    NoMatch {
        /// What was found, what was wanted.
        reason: String,
    },
}

/// Registers two heads.
///
/// The result is the same, bit for bit, for any number of threads.
///
/// # Errors
///
/// [`RegistrationError::NoMatch`] where the result is not to be trusted: it is not given out.
/// [`RegistrationError::NoSkull`] where it could not be, before anything is searched.
pub fn register(
    fixed: &HeadPyramid,
    moving: &HeadPyramid,
    freedom: Freedom,
    threads: NonZeroUsize,
) -> Result<Registration, RegistrationError> {
    let found_ml = fixed.skull_ml.min(moving.skull_ml);
    if found_ml < LEAST_SKULL_ML {
        return Err(RegistrationError::NoSkull { found_ml, wanted_ml: LEAST_SKULL_ML });
    }
    let search = Search::new(fixed, moving, freedom, threads);
    let mut best = search.coarsest();
    for level in (0..LEVELS).rev() {
        for &free in freedom.steps(level) {
            best = search.climb(level, free, &best, threads);
        }
    }
    let map = search.map(&best.place);
    let value = search.value(0, &map, threads);
    let quality = Match {
        shared_information: value.shared,
        overlap: value.overlap,
        bone_dice: value.bone_dice,
    };
    guard(&map, quality, freedom)?;
    Ok(Registration { moving_from_fixed: map, quality })
}

/// A few slices of a child's skull have more.
const LEAST_SKULL_ML: f64 = 20.0;

/// Turns about the axes to the left (nodding) and to the top (turning) from which the search begins.
const FIRST_NODS_DEG: [f64; 5] = [-32.0, -16.0, 0.0, 16.0, 32.0];
const FIRST_TURNS_DEG: [f64; 3] = [-18.0, 0.0, 18.0];
/// And shifts along the body, about the two places where the heads' middles and tops meet.
const FIRST_SHIFTS_MM: [f64; 3] = [-20.0, 0.0, 20.0];
/// How many of the best beginnings are followed.
const FOLLOWED: usize = 4;

struct Search<'a> {
    fixed: &'a HeadPyramid,
    moving: &'a HeadPyramid,
    samples: Vec<Samples>,
    shortest: f64,
    threads: NonZeroUsize,
}

impl<'a> Search<'a> {
    fn new(
        fixed: &'a HeadPyramid,
        moving: &'a HeadPyramid,
        freedom: Freedom,
        threads: NonZeroUsize,
    ) -> Self {
        let Effort { strides, shortest } = freedom.effort();
        let samples = parallel::map(0..LEVELS, threads, |_, level| {
            // The head is known on the middle level.
            let is_head = |index: [usize; 3]| {
                let there = |axis: usize| ((2 * index[axis] + 1) << level) >> 2;
                let most = |axis: usize| fixed.head.size()[axis] - 1;
                fixed.head[[0, 1, 2].map(|axis| there(axis).min(most(axis)))] != 0
            };
            Samples::of(&fixed.levels[level], strides[level], is_head)
        });
        Self { fixed, moving, samples, shortest, threads }
    }

    fn map(&self, place: &[f64]) -> LpsMap {
        Pose::new(place).map(self.fixed.centre_lps_mm)
    }

    fn value(&self, level: usize, map: &LpsMap, threads: NonZeroUsize) -> Value {
        information(&self.samples[level], Moving::of(&self.moving.levels[level]), map, threads)
    }

    /// The best beginnings, followed on the coarsest level, each by one thread.
    fn coarsest(&self) -> Summit {
        let (level, one) = (LEVELS - 1, NonZeroUsize::MIN);
        let mut starts = parallel::map(self.starts().into_iter(), self.threads, |_, start| {
            let height = self.value(level, &self.map(&start.place), one).information;
            Summit { height, ..start }
        });
        starts.sort_by(|a, b| b.height.total_cmp(&a.height));
        starts.truncate(FOLLOWED);
        let climbed = parallel::map(starts.iter(), self.threads, |_, start| {
            self.climb(level, RIGID, start, one)
        });
        climbed
            .into_iter()
            .reduce(|best, next| if next.height > best.height { next } else { best })
            .expect("there are beginnings")
    }

    fn starts(&self) -> Vec<Summit> {
        let (from, to) = (self.fixed.centre_lps_mm, self.moving.centre_lps_mm);
        let middles: Vec3 = std::array::from_fn(|axis| to[axis] - from[axis]);
        let tops = [middles[0], middles[1], self.moving.top_mm - self.fixed.top_mm];
        let mut places = vec![Pose::rigid([0.0; 3], [0.0; 3])];
        for shift in [middles, tops] {
            for z_mm in FIRST_SHIFTS_MM {
                for nod in FIRST_NODS_DEG {
                    for turn in FIRST_TURNS_DEG {
                        let shift = [shift[0], shift[1], shift[2] + z_mm];
                        let turn_rad = [nod.to_radians(), 0.0, turn.to_radians()];
                        places.push(Pose::rigid(turn_rad, shift));
                    }
                }
            }
        }
        let summit = |pose: Pose| Summit { place: pose.place(), height: 0.0 };
        places.into_iter().map(summit).collect()
    }

    /// Climbs on a level with the first `free` parameters, in steps in mm at the edge of the head.
    fn climb(&self, level: usize, free: usize, start: &Summit, threads: NonZeroUsize) -> Summit {
        let whole = |place: &[f64]| {
            let mut all = start.place.clone();
            all[..free].copy_from_slice(place);
            all
        };
        let moving = Moving::of(&self.moving.levels[level]);
        let pitch_mm = pyramid::FINEST_MM * f64::from(1 << level);
        let climb =
            Climb { longest: 1.5 * pitch_mm, shortest: self.shortest * pitch_mm, steps: 40 };
        let summit = climb.from(start.place[..free].to_vec(), |place| {
            let all = whole(place);
            let (value, slope) = ascent(&self.samples[level], moving, &self.map(&all), threads);
            let jacobian = Pose::jacobian(&all, self.fixed.centre_lps_mm);
            let by_parameter = jacobian[..free]
                .iter()
                .map(|column| column.iter().zip(slope).map(|(a, b)| a * b).sum());
            (value.information, by_parameter.collect())
        });
        Summit { place: whole(&summit.place), height: summit.height }
    }
}

/// What a result must reach to be given out. Measured on pairs of heads that belong together, and on
/// pairs that do not: `docs/adr/0015`.
fn guard(map: &LpsMap, quality: Match, freedom: Freedom) -> Result<(), RegistrationError> {
    let Match { shared_information, overlap, bone_dice } = quality;
    let limits = freedom.limits();
    let checks = [
        ("shared information", shared_information, limits.shared_information),
        ("overlap", overlap, limits.overlap),
        ("agreement of bone (Dice)", bone_dice, limits.bone_dice),
    ];
    if let Some((name, found, wanted)) =
        checks.into_iter().find(|(_, found, at)| found.is_nan() || found < at)
    {
        let reason = format!("{name} is {found:.2}: wanted at least {wanted:.2}");
        return Err(RegistrationError::NoMatch { reason });
    }
    let [least, most] = limits.stretch;
    if let Some(found) = map.stretches().into_iter().find(|s| !(least..=most).contains(s)) {
        let reason = format!("one head is {found:.2} times the other: wanted {least} to {most}");
        return Err(RegistrationError::NoMatch { reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
