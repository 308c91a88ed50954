//! How far the middle of the brain has been pushed aside.

use haema_volume::{CtVolume, Locator, LpsMap, Vec3, Volume, add, norm, scale, sub};
use serde::{Deserialize, Serialize};

use crate::atlas::{ATLAS_PITCH_MM, Atlas};
use crate::whereabouts::{Side, Whereabouts};
use crate::{MM3_PER_ML, MeasureError, check_size};

/// How far the middle of the brain lies beside the middle of the head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MidlineShift {
    /// Shift at the level of the foramina of Monro, at right angles to the middle of the head.
    pub shift_mm: f64,
    /// To which side the middle of the brain lies; the side of the larger part where it is not shifted.
    pub towards: Side,
    /// Volume between the middle of the head and that of the brain, over the middle 80 mm from front to
    /// back and 48 mm along the body.
    pub volume_ml: f64,
    /// How well the structures in the middle match those of an average head at the place where they were
    /// found: correlation, 0 to 1.
    pub agreement: f64,
}

/// Farther has not been seen in a living patient.
const FARTHEST_MM: i32 = 22;
/// Half the sides of the box about the foramina of Monro that is looked for, left to right, front to
/// back, and along the body: the frontal horns, the septum, the third ventricle and what holds it.
const MONRO_BOX_MM: Vec3 = [18.0, 26.0, 14.0];
/// And of the box about their very middle, which is looked for near by.
const MIDDLE_BOX_MM: Vec3 = [14.0, 10.0, 8.0];
const NEAR_MM: f64 = 4.0;
/// And of the boxes that the volume is made of.
const BLOCK_MM: Vec3 = [14.0, 8.0, 6.0];
/// Their middles beside the foramina.
const BLOCKS_BACK_MM: [f64; 5] = [-32.0, -16.0, 0.0, 16.0, 32.0];
const BLOCKS_UP_MM: [f64; 4] = [-12.0, 0.0, 12.0, 24.0];
/// Brain and its fluid; what is denser is bone or blood, whose density does not count.
const GREY_HU: [f32; 2] = [0.0, 45.0];
/// A place with less agreement is not told.
const LEAST_AGREEMENT: f64 = 0.2;
/// A box that is known to move with its neighbours needs as much.
const LEAST_BLOCK_AGREEMENT: f64 = 0.2;
/// Of two places that match about as well, the nearer one: agreement for each millimetre.
const PENALTY_PER_MM: f64 = 0.002;

impl Whereabouts {
    /// The foramina of Monro, as an average head that is laid on this one has them: where radiologists
    /// measure the shift of the midline.
    pub fn monro_lps_mm(&self) -> Vec3 {
        self.scan_from_atlas().apply(self.atlas().monro_lps_mm())
    }

    /// Measures the shift; `None` where the middle of the brain is not found.
    ///
    /// What lies about the midline in an average head is looked for beside the middle of this one; the
    /// bleed itself is left out.
    ///
    /// # Errors
    ///
    /// [`MeasureError::SizesDiffer`] where the mask is not on the scan's grid.
    pub fn midline_shift(
        &self,
        ct: &CtVolume,
        mask: &Volume<u8>,
    ) -> Result<Option<MidlineShift>, MeasureError> {
        check_size(mask.size(), ct.grid())?;
        let seeker = Seeker::new(self, ct, mask);
        let monro = self.atlas().monro_lps_mm();
        let farthest = f64::from(FARTHEST_MM);
        let Some(about) = seeker.seek(monro, MONRO_BOX_MM, [-farthest, farthest]) else {
            return Ok(None);
        };
        // The large box finds the place; what lies at its ends is shifted less than its middle.
        let near = [about.shift_mm - NEAR_MM, about.shift_mm + NEAR_MM];
        let fine = seeker.seek(monro, MIDDLE_BOX_MM, near);
        let found = fine.filter(|fine| fine.agreement >= LEAST_AGREEMENT).unwrap_or(about);
        // At the end of the way there may be more beyond it.
        if found.agreement < LEAST_AGREEMENT || found.shift_mm.abs() > farthest - 0.5 {
            return Ok(None);
        }
        let range = [found.shift_mm.min(0.0) - 2.0, found.shift_mm.max(0.0) + 2.0];
        let mut mm3 = 0.0;
        for back_mm in BLOCKS_BACK_MM {
            for up_mm in BLOCKS_UP_MM {
                let middle = add(monro, [0.0, back_mm, up_mm]);
                let block = seeker.seek(middle, BLOCK_MM, range);
                let known = block.filter(|block| block.agreement >= LEAST_BLOCK_AGREEMENT);
                // Where nothing is to be seen the brain bends evenly, and not at all far away.
                let way = (back_mm / 64.0).hypot((up_mm - 6.0) / 48.0);
                let likely_mm = found.shift_mm * (1.0 - way).max(0.0);
                let shift_mm = known.map_or(likely_mm, |block| block.shift_mm);
                mm3 += shift_mm * found.shift_mm.signum() * seeker.face_mm2();
            }
        }
        Ok(Some(MidlineShift {
            shift_mm: found.shift_mm.abs(),
            towards: if found.shift_mm >= 0.0 { Side::Left } else { Side::Right },
            volume_ml: mm3.max(0.0) / MM3_PER_ML,
            agreement: found.agreement,
        }))
    }
}

/// A place that was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// To the patient's left.
    shift_mm: f64,
    agreement: f64,
}

/// Looks for parts of the atlas in a scan.
struct Seeker<'a> {
    atlas: &'a Atlas,
    scan_from_atlas: LpsMap,
    /// A millimetre to the left of the head.
    left: Vec3,
    ct: &'a CtVolume,
    mask: &'a Volume<u8>,
    locator: Locator,
}

impl<'a> Seeker<'a> {
    fn new(whereabouts: &'a Whereabouts, ct: &'a CtVolume, mask: &'a Volume<u8>) -> Self {
        let scan_from_atlas = whereabouts.scan_from_atlas();
        let way = sub(scan_from_atlas.apply([1.0, 0.0, 0.0]), scan_from_atlas.apply([0.0; 3]));
        Self {
            atlas: whereabouts.atlas(),
            scan_from_atlas,
            left: scale(way, 1.0 / norm(way)),
            ct,
            mask,
            locator: Locator::of(ct.grid()),
        }
    }

    /// How much of the middle of the scan's head a block stands for.
    fn face_mm2(&self) -> f64 {
        let side = |axis: usize| {
            let mut end = [0.0; 3];
            end[axis] = 2.0 * BLOCK_MM[axis];
            norm(sub(self.scan_from_atlas.apply(end), self.scan_from_atlas.apply([0.0; 3])))
        };
        side(1) * side(2)
    }

    /// The best place of a box of the atlas within a range of shifts to the left.
    fn seek(&self, middle: Vec3, half: Vec3, [least_mm, most_mm]: [f64; 2]) -> Option<Found> {
        let points = self.points(middle, half);
        let shifts: Vec<f64> =
            (least_mm.floor() as i32..=most_mm.ceil() as i32).map(f64::from).collect();
        let agreement: Vec<f64> = shifts.iter().map(|mm| self.agreement(&points, *mm)).collect();
        let merit = |i: usize| agreement[i] - PENALTY_PER_MM * shifts[i].abs();
        let best = (0..shifts.len())
            .filter(|&i| agreement[i].is_finite())
            .reduce(|best, i| if merit(i) > merit(best) { i } else { best })?;
        // The top of the parabola through the best and its neighbours.
        let part = match (best.checked_sub(1), best + 1 < shifts.len()) {
            (Some(before), true) => {
                let (a, b, c) = (merit(before), merit(best), merit(best + 1));
                let bend = a - 2.0 * b + c;
                if bend < 0.0 { 0.5 * (a - c) / bend } else { 0.0 }
            }
            _ => 0.0,
        };
        Some(Found { shift_mm: shifts[best] + part, agreement: agreement[best] })
    }

    /// Points of the scan where the box lies without a shift, and what the atlas has there.
    fn points(&self, middle: Vec3, half: Vec3) -> Vec<(Vec3, f32)> {
        let steps = half.map(|mm| (mm / ATLAS_PITCH_MM) as i32);
        let mut points = Vec::new();
        for z in -steps[2]..=steps[2] {
            for y in -steps[1]..=steps[1] {
                for x in -steps[0]..=steps[0] {
                    let way = [x, y, z].map(|i| f64::from(i) * ATLAS_PITCH_MM);
                    let point = add(middle, way);
                    if let Some(hu) = self.atlas.hu_at(point) {
                        points.push((self.scan_from_atlas.apply(point), grey(hu)));
                    }
                }
            }
        }
        points
    }

    /// Correlation of scan and atlas over the points, moved; NaN where there is too little of either.
    fn agreement(&self, points: &[(Vec3, f32)], shift_mm: f64) -> f64 {
        let way = scale(self.left, shift_mm);
        let (mut count, mut sums, mut squares, mut product) = (0.0, [0.0; 2], [0.0; 2], 0.0);
        for (point, there) in points {
            let Some(index) = self.locator.nearest(add(*point, way)) else { continue };
            if self.mask[index] != 0 {
                continue;
            }
            let pair = [f64::from(grey(self.ct.voxels_hu()[index])), f64::from(*there)];
            count += 1.0;
            product += pair[0] * pair[1];
            for i in 0..2 {
                sums[i] += pair[i];
                squares[i] += pair[i] * pair[i];
            }
        }
        if count < 0.5 * points.len() as f64 || count < 100.0 {
            return f64::NAN;
        }
        let spread = |i: usize| squares[i] - sums[i] * sums[i] / count;
        (product - sums[0] * sums[1] / count) / (spread(0) * spread(1)).sqrt()
    }
}

fn grey(hu: f32) -> f32 {
    hu.clamp(GREY_HU[0], GREY_HU[1])
}
