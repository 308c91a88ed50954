//! A whole case: one patient, their bleeds, one scan, and the truth about it.

mod bleeds;

use std::num::NonZeroUsize;

use haema_volume::{Affine, CtVolume, Grid, Volume};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::anatomy::Anatomy;
use crate::flow::Flow;
use crate::head::{SimulationError, fullest_voxels};
use crate::lattice::Lattice;
use crate::lesion::level::Shape as Level;
use crate::lesion::place::{Depth, Ground};
use crate::lesion::{Lesion, Wanted};
use crate::mimic::Mimic;
use crate::patient::{Head, Looks, Shape, Shifts, fill, roughen};
use crate::scanner::{Protocol, scan};
use bleeds::Bleeds;

/// What is to be simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseOptions {
    /// Root of every random choice: shape, age, bleeds, texture, and noise.
    pub seed: u64,
    /// The bleeds; drawn where there is `None`, none where it is empty.
    pub bleeds: Option<Vec<Wanted>>,
    /// What looks like a bleed and is none; drawn where there is `None`.
    pub mimics: Option<Vec<Mimic>>,
    /// Which scan of the patient it is, from 0: later ones lie and are taken otherwise.
    pub visit: u64,
    /// How the scan is taken; drawn where there is `None`.
    pub protocol: Option<Protocol>,
    /// Whether a drawn scan is made by projections, see [`Protocol::by_projection`].
    pub projections: bool,
    /// Rows and columns of a drawn scan, see [`Protocol::pixels`].
    pub pixels: usize,
    /// Pitch of the lattice on which the head is built: 1 mm shows what a scan can show, 2 mm serves
    /// a coarse network grid.
    pub pitch_mm: f32,
    /// How many threads; the result is the same for any number.
    pub threads: NonZeroUsize,
}

impl CaseOptions {
    /// All drawn from a seed, at full detail, on one thread.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            bleeds: None,
            mimics: None,
            visit: 0,
            protocol: None,
            projections: false,
            pixels: 512,
            pitch_mm: 1.0,
            threads: NonZeroUsize::MIN,
        }
    }
}

/// A simulated scan and the truth about it.
#[derive(Debug, Clone)]
pub struct SimulatedCase {
    /// The scan: whole Hounsfield units.
    pub ct: CtVolume,
    /// 1 in the voxels with the largest share of bleed, as many as make up the scanned volume.
    pub mask: Volume<u8>,
    /// [`crate::Site::subtype`] of each voxel of the mask.
    pub subtypes: Volume<u8>,
    /// Share of each voxel that is bleed.
    pub bleed_shares: Volume<f32>,
    /// The bleeds, in the order in which they were made.
    pub lesions: Vec<Lesion>,
    /// What looks like a bleed and is none.
    pub mimics: Vec<Mimic>,
    /// How far the middle of the brain has moved to the patient's left; negative to the right.
    pub midline_shift_mm: f64,
    /// How the scan was taken.
    pub protocol: Protocol,
}

/// A source of random numbers for one purpose, so that no choice depends on another.
fn source_of(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut source = ChaCha8Rng::seed_from_u64(seed);
    source.set_stream(purpose);
    source
}

/// The bleeds that a seed gives to a patient.
pub fn draw_bleeds(seed: u64) -> Vec<Wanted> {
    crate::lesion::draw(&mut source_of(seed, 4))
}

/// What has become of a patient's bleeds at the next scan, in the same order; new ones come last.
pub fn follow_up(first: &[Wanted], seed: u64) -> Vec<Wanted> {
    crate::lesion::follow_up(first, &mut source_of(seed, 8))
}

/// Simulates a case on a scan of its own.
///
/// # Errors
///
/// [`SimulationError`] where the protocol is none that a scanner has.
pub fn simulate_case(
    anatomy: &Anatomy,
    options: &CaseOptions,
) -> Result<SimulatedCase, SimulationError> {
    let patient = Patient::draw(anatomy, options);
    options.check()?;
    let protocol = options.protocol();
    protocol.check()?;
    let grid = protocol.grid(patient.brain_z_mm())?;
    patient.scan(options, protocol, &grid)
}

/// Simulates a case on a grid that is given, such as a network's: the slices of the protocol, and its
/// field, do not count, the rest does.
///
/// A grid of 32 planes of 160 × 128 voxels takes a tenth of the time of a scan, with a
/// [`CaseOptions::pitch_mm`] of 2: training can draw fresh heads as it goes.
///
/// # Errors
///
/// [`SimulationError`] where the lattice is too fine or too coarse for a head.
pub fn simulate_on_grid(
    anatomy: &Anatomy,
    options: &CaseOptions,
    grid: &Grid,
) -> Result<SimulatedCase, SimulationError> {
    options.check()?;
    let protocol = options.protocol();
    if protocol.by_projection {
        let [_, rows, columns] = grid.size().map(|count| count as f64);
        SimulationError::check("height for projections", rows, [columns; 2], "pixels")?;
        let [_, y_mm, x_mm] = grid.spacing_mm();
        SimulationError::check(
            "row spacing for projections",
            y_mm,
            [0.999 * x_mm, 1.001 * x_mm],
            "mm",
        )?;
    }
    Patient::draw(anatomy, options).scan(options, protocol, grid)
}

/// An axial grid that holds the brain and the bone around it, with the margins that a scan has.
///
/// # Errors
///
/// [`SimulationError`] where it has no voxels.
pub fn grid_around_brain(anatomy: &Anatomy, size: [usize; 3]) -> Result<Grid, SimulationError> {
    let [low, high] = anatomy.brain_z_mm.map(f64::from);
    let extent_mm = [high - low + 32.0, 208.0, 166.0];
    let step = |axis: usize| extent_mm[axis] / size[axis].max(1) as f64;
    let [z_mm, y_mm, x_mm] = [0, 1, 2].map(step);
    let first = [0.5 * (x_mm - 166.0), 0.5 * (y_mm - 208.0) + 6.0, low - 14.0 + 0.5 * z_mm];
    let affine = Affine::from_steps([x_mm, 0.0, 0.0], [0.0, y_mm, 0.0], [0.0, 0.0, z_mm], first);
    Ok(Grid::from_affine(size, &affine)?)
}

impl CaseOptions {
    fn check(&self) -> Result<(), SimulationError> {
        SimulationError::check("lattice", f64::from(self.pitch_mm), [0.5, 4.0], "mm")
    }

    fn protocol(&self) -> Protocol {
        let drawn = || {
            let drawn = Protocol::draw(&mut source_of(self.seed, 3 + 1000 * self.visit));
            // Rays see a circle.
            let has_circle = drawn.has_circle || self.projections;
            Protocol { by_projection: self.projections, has_circle, pixels: self.pixels, ..drawn }
        };
        self.protocol.clone().unwrap_or_else(drawn)
    }
}

/// One patient, who has not bled yet.
struct Patient<'a> {
    anatomy: &'a Anatomy,
    looks: Looks,
    shape: Shape,
    mimics: Vec<Mimic>,
}

/// A head with its bleeds.
struct Made {
    head: Head,
    levels: Vec<Level>,
    lesions: Vec<Lesion>,
    mimics: Vec<Mimic>,
    midline_shift_mm: f64,
}

/// The lattice of the patient's head as far as the slices reach.
fn needed(anatomy: &Anatomy, grid: &Grid, protocol: &Protocol, options: &CaseOptions) -> Lattice {
    let [mut low, mut high] = [anatomy.lattice.origin_mm, anatomy.lattice.end_mm()];
    let size = grid.size();
    let corner = |z: usize, y: usize, x: usize| {
        let point = grid.point_lps_mm(z, y as f64, x as f64);
        protocol.to_head(point)[2] as f32
    };
    let [y, x] = [size[1] - 1, size[2] - 1];
    let corners = [(0, 0), (0, x), (y, 0), (y, x)];
    let lowest = corners.map(|(y, x)| corner(0, y, x)).into_iter().fold(f32::INFINITY, f32::min);
    low[2] = low[2].max(lowest - 8.0);
    for axis in 0..3 {
        // Heads are larger than their label map by up to a tenth.
        low[axis] *= if axis == 2 { 1.0 } else { 1.06 };
        high[axis] *= 1.08;
    }
    Lattice::covering(low, high, options.pitch_mm)
}

impl<'a> Patient<'a> {
    fn draw(anatomy: &'a Anatomy, options: &CaseOptions) -> Self {
        let mut looks = Looks::draw(&mut source_of(options.seed, 1));
        let rng = &mut source_of(options.seed, 6);
        let mimics = options.mimics.clone().unwrap_or_else(|| Mimic::draw(rng));
        for mimic in &mimics {
            mimic.change(&mut looks, rng);
        }
        let shape = Shape::draw(&looks, &mut source_of(options.seed, 2));
        Self { anatomy, looks, shape, mimics }
    }

    /// Lowest and highest level of the brain.
    fn brain_z_mm(&self) -> [f32; 2] {
        let end = |z: f32| self.shape.patient_point(self.anatomy, [0.0, 0.0, z])[2];
        self.anatomy.brain_z_mm.map(end)
    }

    fn scan(
        self,
        options: &CaseOptions,
        protocol: Protocol,
        grid: &Grid,
    ) -> Result<SimulatedCase, SimulationError> {
        let lattice = needed(self.anatomy, grid, &protocol, options);
        self.bleed(options, &protocol, lattice).into_case(grid, protocol, options.threads)
    }

    fn source(&self, point: [f32; 3]) -> [f32; 3] {
        self.shape.source(self.anatomy, point)
    }

    /// Makes the bleeds and lets them push.
    fn bleed(self, options: &CaseOptions, protocol: &Protocol, lattice: Lattice) -> Made {
        let threads = options.threads;
        let wanted = options.bleeds.clone().unwrap_or_else(|| draw_bleeds(options.seed));
        let shifts = Shifts::tabulate(&lattice, threads, |point| self.source(point));
        let mut head = fill(self.anatomy, &self.looks, &shifts, lattice, threads);
        let mut bleeds = Bleeds::new(&head);
        let depth = &Depth::of(&head, threads);
        let down = protocol.down();
        let mut midline_shift_mm = 0.0;
        if !wanted.is_empty() {
            bleeds.add_all(
                (self.anatomy, &shifts, &head, depth, down),
                &wanted,
                (true, options.seed),
            );
            if !bleeds.is_empty() {
                let blood = (&*bleeds.blood_mm3(&head), bleeds.outside_brain());
                let flow = Flow::of(&head, blood, self.anatomy, |point| self.source(point));
                let middle = self.shape.patient_point(self.anatomy, self.anatomy.middle_mm);
                midline_shift_mm = f64::from(flow.after(middle)[0] - middle[0]);
                let moved =
                    Shifts::tabulate(&lattice, threads, |point| self.source(flow.before(point)));
                head = fill(self.anatomy, &self.looks, &moved, lattice, threads);
            }
            bleeds.add_all(
                (self.anatomy, &shifts, &head, depth, down),
                &wanted,
                (false, options.seed),
            );
        }
        roughen(&mut head, threads, &mut source_of(options.seed, 5));
        self.add_mimics(&mut head, (&shifts, depth, down), &bleeds.taken, options.seed);
        let (levels, lesions) = bleeds.colour(&mut head, protocol, options.seed);
        Made { head, levels, lesions, mimics: self.mimics, midline_shift_mm }
    }
}

impl Patient<'_> {
    fn add_mimics(
        &self,
        head: &mut Head,
        (shifts, depth, down): (&Shifts, &Depth, [f32; 3]),
        taken: &[f32],
        seed: u64,
    ) {
        let mut hu = std::mem::take(&mut head.hu);
        let ground = Ground { anatomy: self.anatomy, shifts, head, depth, down, taken };
        let rng = &mut source_of(seed, 7);
        for mimic in &self.mimics {
            mimic.paint(&ground, &mut hu, rng);
        }
        head.hu = hu;
    }
}

impl Made {
    fn into_case(
        mut self,
        grid: &Grid,
        protocol: Protocol,
        threads: NonZeroUsize,
    ) -> Result<SimulatedCase, SimulationError> {
        let scanned = scan((&self.head, &self.levels), grid, &protocol, threads)?;
        for (lesion, scanned_ml) in self.lesions.iter_mut().zip(&scanned.lesion_ml) {
            lesion.scanned_ml = *scanned_ml;
        }
        let total_ml = scanned.lesion_ml.iter().sum();
        let mask = fullest_voxels(&scanned.bleed_shares, grid, total_ml);
        let subtype_of = |(voxel, lesion): (&u8, &u8)| {
            let site = (*voxel > 0).then(|| self.lesions.get(usize::from(*lesion).wrapping_sub(1)));
            site.flatten().map_or(0, |lesion| lesion.site.subtype())
        };
        let pairs = mask.as_slice().iter().zip(scanned.lesion_of.as_slice());
        let subtypes = Volume::new(grid.size(), pairs.map(subtype_of).collect())?;
        Ok(SimulatedCase {
            ct: scanned.ct,
            mask,
            subtypes,
            bleed_shares: scanned.bleed_shares,
            lesions: self.lesions,
            mimics: self.mimics,
            midline_shift_mm: self.midline_shift_mm,
            protocol,
        })
    }
}
