//! The bleeds of a head: their shapes, what they push, their colour, and the truth about them.

use rand::{Rng as _, RngCore};

use super::source_of;
use crate::anatomy::Anatomy;
use crate::lattice::smooth_step;
use crate::lesion::blood::{At, Blood};
use crate::lesion::level::Shape as Level;
use crate::lesion::place::{Depth, Ground};
use crate::lesion::{Lesion, Place, Site, Wanted, chance};
use crate::patient::{BRAIN, Head, Shifts, dot};
use crate::scanner::Protocol;

/// Bleeds that have a shape but no colour yet.
pub(super) struct Bleeds {
    /// Share of each node of the head that is taken.
    pub(super) taken: Vec<f32>,
    made: Vec<Bleed>,
}

struct Bleed {
    /// Its place among those that were wanted.
    number: usize,
    wanted: Wanted,
    oedema: Oedema,
    level: Level,
    place: Option<Place>,
    left_share: f64,
}

/// A rim of swollen brain.
#[derive(Debug, Clone, Copy)]
struct Oedema {
    width_mm: f32,
    darker_hu: f32,
}

impl Oedema {
    fn draw(site: Site, rng: &mut impl RngCore) -> Self {
        let is_in_brain = matches!(site, Site::Deep | Site::Lobar | Site::Cerebellar);
        if is_in_brain && chance(0.65, rng) {
            Self { width_mm: rng.random_range(2.0..11.0), darker_hu: rng.random_range(5.0..13.0) }
        } else {
            Self { width_mm: 0.0, darker_hu: 0.0 }
        }
    }
}

impl Bleeds {
    pub(super) fn new(head: &Head) -> Self {
        Self { taken: vec![0.0; head.hu.len()], made: Vec::new() }
    }

    /// Makes those that push, or those that fill.
    pub(super) fn add_all(
        &mut self,
        (anatomy, shifts, head, depth, down): (&Anatomy, &Shifts, &Head, &Depth, [f32; 3]),
        wanted: &[Wanted],
        (pushing, seed): (bool, u64),
    ) {
        for (number, &wanted) in wanted.iter().enumerate() {
            if wanted.site.pushes() != pushing || wanted.volume_ml <= 0.0 {
                continue;
            }
            // Each has a source of its own: that one grows changes nothing of the others.
            let rng = &mut source_of(seed, 100 + number as u64);
            let oedema = Oedema::draw(wanted.site, rng);
            let ground = Ground { anatomy, shifts, head, depth, down, taken: &self.taken };
            let Some(found) = ground.bleed(wanted, oedema.width_mm, rng) else { continue };
            let (level, place) = found;
            let left_share = ground.left_share(&level);
            for (own, node) in level.nodes(head.lattice) {
                self.taken[node] += level.shares[own];
            }
            self.made.push(Bleed { number, wanted, oedema, level, place, left_share });
        }
    }

    pub(super) fn blood_mm3(&self, head: &Head) -> Vec<f32> {
        let node_mm3 = head.lattice.node_mm3() as f32;
        self.taken.iter().map(|share| share * node_mm3).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// The share that came between brain and skull.
    pub(super) fn outside_brain(&self) -> f32 {
        let ml = |of: fn(Site) -> bool| -> f64 {
            self.made.iter().filter(|b| of(b.wanted.site)).map(|b| b.level.volume_ml()).sum()
        };
        let outside = ml(|site| matches!(site, Site::Subdural | Site::Epidural));
        (outside / ml(|_| true).max(f64::MIN_POSITIVE)) as f32
    }

    /// Gives blood its density, and the brain beside it its oedema.
    pub(super) fn colour(
        self,
        head: &mut Head,
        protocol: &Protocol,
        seed: u64,
    ) -> (Vec<Level>, Vec<Lesion>) {
        let down = protocol.down();
        let mut levels = Vec::new();
        let mut lesions = Vec::new();
        for Bleed { number, wanted, oedema, level, place, left_share } in self.made {
            let volume_ml = level.volume_ml();
            let rng = &mut source_of(seed, 200 + number as u64);
            let blood = Blood::draw(wanted.site, wanted.first_ml, rng);
            let centre = level.centre_mm();
            let mut sum_hu = 0.0;
            for (own, node) in level.nodes(head.lattice) {
                let depth_mm = level.depths_mm[own];
                let swollen = oedema.darker_hu
                    * smooth_step(-oedema.width_mm - 0.01, 0.0, depth_mm)
                    * head.share(node, BRAIN);
                let hu = &mut head.hu[node];
                // White matter swells more than grey.
                *hu -= swollen * smooth_step(42.0, 30.0, *hu);
                let share = level.shares[own];
                if share > 0.0 {
                    let point = level.lattice.point(level.lattice.index(own));
                    let way = std::array::from_fn(|axis| point[axis] - centre[axis] as f32);
                    let blood_hu =
                        blood.hu_at(At { point, way, depth_mm, below_mm: dot(way, down) });
                    *hu += share * (blood_hu - *hu);
                    sum_hu += f64::from(share) * f64::from(blood_hu);
                }
            }
            lesions.push(Lesion {
                number,
                site: wanted.site,
                place,
                left_share,
                volume_ml,
                scanned_ml: 0.0,
                centre_lps_mm: protocol.to_scan(centre),
                mean_hu: sum_hu * head.lattice.node_mm3() / (1000.0 * volume_ml),
                texture: blood.texture(),
            });
            levels.push(level);
        }
        (levels, lesions)
    }
}
