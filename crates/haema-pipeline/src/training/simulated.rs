//! Simulated heads among the training cases, new ones in every epoch.

use std::num::NonZeroUsize;
use std::path::Path;

use haema_methods::frame::Preprocessing;
use haema_sim::{Anatomy, CaseOptions, Protocol, simulate_case};
use haema_volume::parallel;
use rand::{Rng as _, RngCore};
use serde::{Deserialize, Serialize};

use super::error::TrainError;
use super::samples::Sample;
use crate::simulation::{Heads, SimulateError};

/// Cases that are simulated anew for every epoch, from its number and the run's seed alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedCases {
    /// How many an epoch gets.
    pub in_epoch: u32,
    /// Share of them without a bleed.
    pub blank: f64,
    /// Pitch of the lattice on which heads are built: 1.5 mm shows what the network's grid can.
    pub pitch_mm: f32,
    /// File names of the label maps that they are made from; none for the built-in heads.
    pub anatomies: Vec<String>,
}

/// Pixels of a row: two or three for each of the network's.
const PIXELS: usize = 256;
/// What the network's grid can show of a head.
const PITCH_MM: f32 = 1.5;
/// Heads are prepared anew for each epoch; more than two would cost more than they vary.
const HEADS_IN_EPOCH: usize = 2;

/// What simulated cases are drawn from.
#[derive(Debug)]
pub(crate) struct Simulator<'a> {
    cases: &'a SimulatedCases,
    heads: Heads,
}

/// One case that is to be simulated.
struct Draw {
    head: usize,
    options: CaseOptions,
}

impl SimulatedCases {
    /// This many in an epoch, made from the label maps of a folder or from the built-in heads.
    ///
    /// # Errors
    ///
    /// [`TrainError::Simulate`] where the folder has no label maps.
    pub fn new(in_epoch: u32, anatomy: Option<&Path>) -> Result<Self, TrainError> {
        let anatomies = Heads::find(anatomy)?.names();
        Ok(Self { in_epoch, blank: 0.3, pitch_mm: PITCH_MM, anatomies })
    }
}

impl<'a> Simulator<'a> {
    /// Finds the heads that the configuration names.
    pub(crate) fn find(
        cases: &'a SimulatedCases,
        anatomy: Option<&Path>,
    ) -> Result<Self, TrainError> {
        let heads = Heads::find(anatomy)?;
        let found = heads.names();
        if found != cases.anatomies {
            return Err(TrainError::OtherHeads { found, wanted: cases.anatomies.clone() });
        }
        Ok(Self { cases, heads })
    }

    /// The cases of an epoch, from a source of random numbers of its own.
    pub(crate) fn draw(
        &self,
        epoch: u32,
        preprocessing: &Preprocessing,
        rng: &mut impl RngCore,
        threads: NonZeroUsize,
    ) -> Result<Vec<Sample>, TrainError> {
        let first = HEADS_IN_EPOCH * epoch as usize;
        let count = HEADS_IN_EPOCH.min(self.cases.in_epoch as usize);
        let prepare = |_, head| self.heads.read(head, NonZeroUsize::MIN);
        let heads = parallel::map(first..first + count, threads, prepare);
        let heads: Vec<Anatomy> = heads.into_iter().collect::<Result<_, SimulateError>>()?;
        let draws: Vec<Draw> = (0..self.cases.in_epoch as usize)
            .map(|number| Draw { head: number % heads.len(), options: self.options(rng) })
            .collect();
        let make = |_, draw: Draw| {
            let id = format!("simulated-{:016x}", draw.options.seed);
            let case =
                simulate_case(&heads[draw.head], &draw.options).map_err(SimulateError::from)?;
            Sample::bring(id, &case.ct, &case.mask, preprocessing)
        };
        parallel::map(draws.into_iter(), threads, make).into_iter().collect()
    }

    fn options(&self, rng: &mut impl RngCore) -> CaseOptions {
        let seed = rng.next_u64();
        let is_blank = rng.random::<f64>() < self.cases.blank;
        CaseOptions {
            bleeds: is_blank.then(Vec::new),
            protocol: Some(Protocol { pixels: PIXELS, ..Protocol::draw(rng) }),
            pitch_mm: self.cases.pitch_mm,
            ..CaseOptions::new(seed)
        }
    }
}
