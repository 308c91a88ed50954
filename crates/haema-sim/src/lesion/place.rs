//! Where in a head a bleed finds room: the spots that it may fill, and in which order.

use std::num::NonZeroUsize;

use rand::{Rng as _, RngCore};

use super::level::{Shape, Spot, solve};
use super::{Place, Site, Wanted, chance};
use crate::anatomy::{Anatomy, Tissue};
use crate::lattice::{Block, Lattice, nodes_around, smooth_step};
use crate::patient::{CAVITY, CSF, Head, Shifts, VENTRICLE, dot};
use crate::smooth_noise::SmoothNoise;

/// A head to bleed into.
pub(crate) struct Ground<'a> {
    pub(crate) anatomy: &'a Anatomy,
    pub(crate) shifts: &'a Shifts,
    pub(crate) head: &'a Head,
    pub(crate) depth: &'a Depth,
    /// Direction of gravity in the head's frame.
    pub(crate) down: [f32; 3],
    /// Share of each node that other bleeds have taken.
    pub(crate) taken: &'a [f32],
}

/// How deep the nodes of the cavity lie under the bone.
#[derive(Debug, Clone)]
pub(crate) struct Depth {
    lattice: Lattice,
    mm: Vec<f32>,
}

impl Depth {
    pub(crate) fn of(head: &Head, threads: NonZeroUsize) -> Self {
        let is_within = |node: usize| head.shares[node][CAVITY] > 127;
        // A grid that misses the brain has no cavity: then a corner of it serves.
        let block = Block::around(&head.lattice, 1, is_within);
        let mm = block.distance_mm(threads, |node| !is_within(node));
        let lattice = block.lattice;
        Self { lattice, mm }
    }

    /// 0 outside the cavity.
    fn at(&self, point: [f32; 3]) -> f32 {
        self.lattice.sample(&self.mm, point).unwrap_or(0.0)
    }
}

/// How many random places are tried.
const TRIES: usize = 20_000;

impl Ground<'_> {
    pub(crate) fn source(&self, point: [f32; 3]) -> [f32; 3] {
        let shift = self.shifts.lattice.sample3(&self.shifts.mm, point);
        std::array::from_fn(|axis| point[axis] + shift[axis])
    }

    /// A random point of the cavity where the tissue, and its place in the label map, will do.
    pub(crate) fn find(
        &self,
        will_do: impl Fn(Tissue, [f32; 3]) -> bool,
        rng: &mut impl RngCore,
    ) -> Option<[f32; 3]> {
        let (low, high) = (self.depth.lattice.origin_mm, self.depth.lattice.end_mm());
        for _ in 0..TRIES {
            let point: [f32; 3] = std::array::from_fn(|axis| {
                low[axis] + rng.random::<f32>() * (high[axis] - low[axis])
            });
            let source = self.source(point);
            if will_do(self.anatomy.tissue_at(source), source) {
                return Some(point);
            }
        }
        None
    }

    /// A point this far from the middle of the brain.
    pub(crate) fn middle(&self, way_mm: [f32; 3]) -> [f32; 3] {
        let middle = self.anatomy.middle_mm;
        let place = std::array::from_fn(|axis| middle[axis] + way_mm[axis]);
        // Displacements are small against their own change: one step back is enough.
        let found = self.source(place);
        std::array::from_fn(|axis| 2.0 * place[axis] - found[axis])
    }

    /// A point on the inner face of the skull, in a direction from the middle of the cavity.
    pub(crate) fn wall(&self, towards: [f32; 3]) -> Option<[f32; 3]> {
        let (low, high) = (self.depth.lattice.origin_mm, self.depth.lattice.end_mm());
        // The cavity's box reaches down to the spinal canal: the middle of the cerebrum lies higher.
        let middle = [0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), high[2] - 65.0];
        let along = |t: f32| std::array::from_fn(|axis| middle[axis] + t * towards[axis]);
        (0..140).rev().map(|t| along(t as f32)).find(|&point| self.depth.at(point) > 0.5)
    }

    /// Makes a bleed, and tells where it began; `None` where the head has no place for it.
    ///
    /// * `rim_mm` — how far around it nodes are kept.
    pub(crate) fn bleed(
        &self,
        wanted: Wanted,
        rim_mm: f32,
        rng: &mut impl RngCore,
    ) -> Option<(Shape, Option<Place>)> {
        let volume_ml = wanted.volume_ml;
        let radius_mm = (238.7 * wanted.first_ml as f32).cbrt();
        let mut place = None;
        let (spots, range_mm) = match wanted.site {
            Site::Deep | Site::Lobar | Site::Cerebellar | Site::Brainstem => {
                let centre = self.tissue_centre(wanted.site, radius_mm, rng)?;
                place = Place::of(self.anatomy.tissue_at(self.source(centre)));
                let form = Blob::draw(wanted.site, radius_mm, rng);
                let grown_mm = radius_mm.max((238.7 * volume_ml as f32).cbrt());
                (self.blob(centre, &form, grown_mm + rim_mm), [0.0, 2.0 * grown_mm])
            }
            Site::Intraventricular => {
                place = Some(Place::Ventricle);
                self.ventricular(rng)
            }
            Site::Subarachnoid => self.subarachnoid(rng)?,
            Site::Subdural | Site::Epidural => self.outside_brain(wanted, rng)?,
        };
        let shape = solve(&self.head.lattice, &spots, volume_ml, range_mm, rim_mm)?;
        Some((shape, place))
    }

    /// Share of a bleed's volume to the left of the middle of the anatomy.
    pub(crate) fn left_share(&self, shape: &Shape) -> f64 {
        let (mut left, mut all) = (0.0, 0.0);
        for (own, &share) in shape.shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let point = shape.lattice.point(shape.lattice.index(own));
            all += f64::from(share);
            left += if self.source(point)[0] > 0.0 { f64::from(share) } else { 0.0 };
        }
        left / all.max(f64::MIN_POSITIVE)
    }

    fn tissue_centre(
        &self,
        site: Site,
        radius_mm: f32,
        rng: &mut impl RngCore,
    ) -> Option<[f32; 3]> {
        let is_thalamic = chance(0.4, rng);
        self.find(
            |tissue, [x, _, z]| match site {
                Site::Deep if is_thalamic => tissue == Tissue::Thalamus && x.abs() > 6.0,
                Site::Deep => tissue == Tissue::BasalGanglia && x.abs() > 16.0,
                Site::Lobar => {
                    tissue == Tissue::WhiteMatter && (x.abs() > 22.0 + 0.4 * radius_mm || z > 30.0)
                }
                Site::Cerebellar => tissue == Tissue::CerebellarWhiteMatter,
                _ => tissue == Tissue::Brainstem && x.abs() < 9.0,
            },
            rng,
        )
    }

    fn room(&self, node: usize, of: usize) -> f32 {
        self.head.share(node, of) * (1.0 - self.taken[node]).max(0.0)
    }

    pub(crate) fn blob(&self, centre: [f32; 3], form: &Blob, reach_mm: f32) -> Vec<Spot> {
        let is_left = self.source(centre)[0] > 0.0;
        let reach_mm = 1.9 * reach_mm + 4.0;
        let mut spots = Vec::new();
        for (node, point) in nodes_around(&self.head.lattice, centre, reach_mm) {
            let room = self.room(node, CAVITY);
            if room <= 0.0 {
                continue;
            }
            let height_mm = form.height_mm(centre, point);
            if height_mm > reach_mm {
                continue;
            }
            let [x, _, _] = self.source(point);
            let aside = if is_left { x } else { -x };
            let most = if form.may_cross { 1.0 } else { (0.5 + aside).clamp(0.0, 1.0) };
            // Brain tears more easily along its fibres than through the pia.
            let held_mm = form.radius_mm * 0.25 * self.head.share(node, CSF);
            spots.push(Spot {
                node: node as u32,
                height_mm: height_mm + held_mm,
                gain: 1.0,
                most: most * room,
            });
        }
        spots
    }

    /// Blood in the ventricles sinks; a clot fills them around the place where it broke in.
    fn ventricular(&self, rng: &mut impl RngCore) -> (Vec<Spot>, [f32; 2]) {
        let is_clot = chance(0.35, rng);
        let other_side_mm = rng.random_range(-24.0_f32..24.0);
        let midline_mm = rng.random_range(-6.0_f32..26.0);
        let waves = SmoothNoise::new(7.0, rng);
        let centre = self.find(|tissue, [x, _, _]| tissue.is_ventricle() && x.abs() > 6.0, rng);
        let centre = centre.unwrap_or([0.0; 3]);
        let uneven_mm = if is_clot { 4.0 } else { 0.7 };
        let mut range_mm = [f32::INFINITY, f32::NEG_INFINITY];
        let mut spots = Vec::new();
        for node in 0..self.head.shares.len() {
            let most = self.room(node, VENTRICLE);
            if most <= 0.0 {
                continue;
            }
            let point = self.head.lattice.point(self.head.lattice.index(node));
            let [x, _, _] = self.source(point);
            let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - centre[axis]);
            let base_mm = if is_clot { dot(way, way).sqrt() } else { -dot(point, self.down) };
            let side_mm = if x > 0.0 { other_side_mm.max(0.0) } else { (-other_side_mm).max(0.0) };
            let middle_mm = midline_mm * smooth_step(7.0, 4.0, x.abs());
            let height_mm = base_mm + side_mm + middle_mm + uneven_mm * waves.at(point);
            range_mm = [range_mm[0].min(height_mm - 1.0), range_mm[1].max(height_mm + 1.0)];
            spots.push(Spot { node: node as u32, height_mm, gain: 1.0, most });
        }
        (spots, range_mm)
    }

    /// Blood in sulci and cisterns spreads from where it came.
    fn subarachnoid(&self, rng: &mut impl RngCore) -> Option<(Vec<Spot>, [f32; 2])> {
        let is_basal = chance(0.45, rng);
        let centre = self.find(
            |tissue, [x, y, z]| {
                let is_fluid = tissue == Tissue::Csf;
                if is_basal {
                    is_fluid
                        && x.abs() < 12.0
                        && (-22.0..12.0).contains(&y)
                        && z < -12.0
                        && z > -45.0
                } else {
                    is_fluid && z > -20.0 && x.abs() > 18.0
                }
            },
            rng,
        )?;
        let most_mm = if is_basal { 62.0 } else { 45.0 };
        let patches = SmoothNoise::new(11.0, rng);
        let gaps = rng.random_range(-0.9_f32..-0.1);
        let mut spots = Vec::new();
        for (node, point) in nodes_around(&self.head.lattice, centre, most_mm) {
            let room = self.room(node, CSF);
            if room <= 0.02 {
                continue;
            }
            // Next to the bone it would look like a subdural bleed.
            let in_sulcus = smooth_step(1.0, 3.5, self.depth.at(point));
            let patch = patches.at(point);
            let most = room * in_sulcus * smooth_step(gaps - 0.1, gaps + 0.1, patch);
            if most < 0.02 {
                continue;
            }
            let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - centre[axis]);
            let height_mm = dot(way, way).sqrt() + 6.0 * patch;
            spots.push(Spot { node: node as u32, height_mm, gain: 1.0, most });
        }
        Some((spots, [-6.0, most_mm]))
    }

    /// Crescents and lenses, on the inner face of the skull.
    fn outside_brain(
        &self,
        wanted: Wanted,
        rng: &mut impl RngCore,
    ) -> Option<(Vec<Spot>, [f32; 2])> {
        let is_lens = wanted.site == Site::Epidural;
        let side = if chance(0.5, rng) { 1.0 } else { -1.0 };
        let raw = [
            side * rng.random_range(0.5_f32..1.0),
            rng.random_range(-0.8_f32..0.8),
            rng.random_range(-0.08_f32..0.75),
        ];
        let towards = raw.map(|v| v / dot(raw, raw).sqrt());
        let centre = self.wall(towards)?;
        let volume_ml = wanted.first_ml as f32;
        // How far such bleeds spread: a lens of 30 mL over 60 mm, a crescent of 50 mL over 115 mm.
        let radius_mm = rng.random_range(0.85..1.15)
            * if is_lens { 11.4 * volume_ml.powf(0.29) } else { 19.2 * volume_ml.powf(0.28) };
        let rim = SmoothNoise::new(0.6 * radius_mm, rng);
        let waves = SmoothNoise::new(12.0, rng);
        let mut spots = Vec::new();
        for (node, point) in nodes_around(&self.head.lattice, centre, 1.2 * radius_mm) {
            let room = self.room(node, CAVITY);
            if room <= 0.0 {
                continue;
            }
            let depth_mm = self.depth.at(point);
            let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - centre[axis]);
            let edge = radius_mm * (1.0 + 0.16 * rim.at(point));
            let from = dot(way, way).sqrt() / edge;
            if from >= 1.0 || depth_mm > MOST_THICKNESS_MM {
                continue;
            }
            let profile = if is_lens {
                (1.0 - from * from) * (1.0 + 0.06 * waves.at(point))
            } else {
                (1.0 - from.powf(2.6)).powf(0.7) * (1.0 + 0.22 * waves.at(point))
            };
            let [x, _, _] = self.source(point);
            let most = room * (0.5 + side * x - 1.0).clamp(0.0, 1.0);
            let height_mm = depth_mm - 0.5;
            spots.push(Spot { node: node as u32, height_mm, gain: profile, most });
        }
        Some((spots, [0.0, MOST_THICKNESS_MM]))
    }
}

/// Nobody lives with a thicker bleed.
const MOST_THICKNESS_MM: f32 = 38.0;

/// An irregular ellipsoid, of which heights are distances in the units of a ball.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    /// From the patient to the ball: a turn, then a stretch that keeps volumes.
    rows: [[f32; 3]; 3],
    radius_mm: f32,
    irregular: [(f32, SmoothNoise); 2],
    may_cross: bool,
}

impl Blob {
    pub(crate) fn draw(site: Site, radius_mm: f32, rng: &mut impl RngCore) -> Self {
        let stretch: [f32; 3] = match site {
            // Along the lentiform nucleus.
            Site::Deep => [0.8, 1.3, 1.0],
            Site::Brainstem => [1.0, 0.9, 1.1],
            _ => std::array::from_fn(|_| rng.random_range(0.75..1.3)),
        };
        let mean = stretch.iter().product::<f32>().cbrt();
        let (sin, cos) = rng.random_range(-0.6_f32..0.6).sin_cos();
        let (tip_sin, tip_cos) = rng.random_range(-0.5_f32..0.5).sin_cos();
        let turn = [
            [cos, sin * tip_cos, sin * tip_sin],
            [-sin, cos * tip_cos, cos * tip_sin],
            [0.0, -tip_sin, tip_cos],
        ];
        let rows = std::array::from_fn(|i| turn[i].map(|v| v * mean / stretch[i]));
        let irregular = rng.random_range(0.06_f32..0.36) * radius_mm;
        let pitch = rng.random_range(0.7_f32..1.2) * radius_mm;
        Self {
            rows,
            radius_mm,
            irregular: [
                (irregular, SmoothNoise::new(pitch.max(2.5), rng)),
                (0.45 * irregular, SmoothNoise::new((0.42 * pitch).max(2.0), rng)),
            ],
            may_cross: matches!(site, Site::Brainstem | Site::Cerebellar),
        }
    }

    fn height_mm(&self, centre: [f32; 3], point: [f32; 3]) -> f32 {
        let way: [f32; 3] = std::array::from_fn(|axis| point[axis] - centre[axis]);
        let unit = self.rows.map(|row| dot(row, way));
        let rough: f32 =
            self.irregular.iter().map(|(amount, noise)| amount * noise.at(point)).sum();
        dot(unit, unit).sqrt() + rough
    }
}
