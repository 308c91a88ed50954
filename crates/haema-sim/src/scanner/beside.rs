//! What lies beside the head in the field of view: fingers that hold it, wires, tubes, clips.

use haema_volume::Grid;
use rand::{Rng as _, RngCore};

use crate::lesion::chance;
use crate::patient::spread;

/// Something that lies beside the head and runs along it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beside {
    /// What it is.
    pub object: Object,
    /// Whether it lies on the left of the field of view, as the patient has it.
    pub is_left: bool,
    /// How far behind the middle of the field it lies.
    pub back_mm: f64,
    /// Room between it and what it lies beside, skin or ear.
    pub gap_mm: f64,
    /// Its lower and upper end, from the middle of the brain.
    pub levels_mm: [f64; 2],
}

/// What may lie beside a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// Of somebody who holds the head still.
    Finger,
    /// Copper in plastic.
    Wire,
    /// Plastic around air.
    Tube,
    /// Metal in the hair.
    Clip,
}

const AIR: f32 = -1000.0;
/// Denser than this is skin.
const SKIN_HU: f32 = -300.0;
/// Rows beside its own above and below which an object has the head.
const REACH_MM: f64 = 4.0;

impl Beside {
    /// What lies beside a head: nothing, most often.
    pub(super) fn draw_all(rng: &mut impl RngCore) -> Vec<Self> {
        let mut all = Vec::new();
        if chance(0.1, rng) {
            for is_left in [false, true] {
                if chance(0.8, rng) {
                    all.extend(Self::hand(is_left, rng));
                }
            }
        }
        if chance(0.08, rng) {
            for _ in 0..rng.random_range(1..=3) {
                let levels_mm = [rng.random_range(-200.0..20.0), rng.random_range(40.0..200.0)];
                all.push(Self::single(Object::Wire, 6.0, levels_mm, rng));
            }
        }
        if chance(0.06, rng) {
            let levels_mm = [-200.0, rng.random_range(-20.0..70.0)];
            all.push(Self::single(Object::Tube, 15.0, levels_mm, rng));
        }
        if chance(0.04, rng) {
            let low_mm = rng.random_range(-40.0..60.0);
            let levels_mm = [low_mm, low_mm + rng.random_range(4.0..16.0)];
            all.push(Self::single(Object::Clip, 3.0, levels_mm, rng));
        }
        all
    }

    fn single(object: Object, gap_mm: f64, levels_mm: [f64; 2], rng: &mut impl RngCore) -> Self {
        let gap_mm = rng.random_range(0.0..gap_mm);
        let back_mm = rng.random_range(-60.0..70.0);
        Self { object, is_left: chance(0.5, rng), back_mm, gap_mm, levels_mm }
    }

    /// Three to five fingers beside each other, pointing upwards.
    fn hand(is_left: bool, rng: &mut impl RngCore) -> Vec<Self> {
        let first_mm = rng.random_range(-50.0..0.0);
        let pitch_mm = rng.random_range(16.0..23.0);
        let low_mm = rng.random_range(-70.0..0.0);
        let high_mm = low_mm + rng.random_range(45.0..85.0);
        let gap_mm = rng.random_range(0.0..6.0);
        let count = rng.random_range(3..=5);
        let finger = |number: i32| Self {
            object: Object::Finger,
            is_left,
            back_mm: first_mm + f64::from(number) * pitch_mm + f64::from(spread(2.0, rng)),
            gap_mm: gap_mm + f64::from(spread(1.5, rng).abs()),
            levels_mm: [low_mm, high_mm + f64::from(spread(7.0, rng))],
        };
        (0..count).map(finger).collect()
    }
}

/// Draws what lies beside the head, in the air around it; before all else that is no head.
pub(super) fn draw(all: &[Beside], grid: &Grid, z: usize, plane: &mut [f32]) {
    let frame = Frame::of(grid, z);
    // What is drawn first is not taken for the head by what comes next.
    let find = |object: &Beside| Some((*object, object.centre_mm(&frame, plane)?));
    let found: Vec<(Beside, [f64; 2])> = all.iter().filter_map(find).collect();
    for (object, centre) in found {
        object.paint(&frame, centre, plane);
    }
}

/// A slice: its pixels, and where it lies.
struct Frame {
    size: [usize; 2],
    pixel_mm: [f64; 2],
    level_mm: f64,
    thickness_mm: f64,
}

impl Frame {
    fn of(grid: &Grid, z: usize) -> Self {
        let [_, rows, columns] = grid.size();
        let [_, row_mm, column_mm] = grid.spacing_mm();
        let middle = [rows, columns].map(|count| 0.5 * (count as f64 - 1.0));
        Self {
            size: [rows, columns],
            pixel_mm: [row_mm, column_mm],
            level_mm: grid.point_lps_mm(z, middle[0], middle[1])[2],
            thickness_mm: grid.slice_thickness_mm(z),
        }
    }

    /// How far a pixel lies from the middle along an axis.
    fn place_mm(&self, axis: usize, pixel: usize) -> f64 {
        (pixel as f64 + 0.5 - 0.5 * self.size[axis] as f64) * self.pixel_mm[axis]
    }

    /// The pixels of a range of places along an axis.
    fn pixels(&self, axis: usize, [low_mm, high_mm]: [f64; 2]) -> std::ops::Range<usize> {
        let half = 0.5 * self.size[axis] as f64;
        let at = |mm: f64| (half + mm / self.pixel_mm[axis]).clamp(0.0, 2.0 * half);
        at(low_mm).floor() as usize..at(high_mm).ceil() as usize
    }
}

impl Beside {
    /// Half of its width.
    fn radius_mm(&self) -> f64 {
        match self.object {
            Object::Finger => 7.6,
            Object::Wire => 0.9,
            Object::Tube => 4.0,
            Object::Clip => 1.4,
        }
    }

    /// How much of the slice's thickness it fills.
    fn share(&self, frame: &Frame) -> f64 {
        let [low, high] = self.levels_mm;
        let half_mm = 0.5 * frame.thickness_mm;
        let within_mm = high.min(frame.level_mm + half_mm) - low.max(frame.level_mm - half_mm);
        (within_mm / frame.thickness_mm).clamp(0.0, 1.0)
    }

    /// Where it lies in a slice, to the left and to the back; nowhere beside air.
    fn centre_mm(&self, frame: &Frame, plane: &[f32]) -> Option<[f64; 2]> {
        if self.share(frame) <= 0.0 {
            return None;
        }
        let columns = frame.size[1];
        let side = if self.is_left { 1.0 } else { -1.0 };
        let rows = frame.pixels(0, [self.back_mm - REACH_MM, self.back_mm + REACH_MM]);
        let outermost_mm = |row: usize| {
            let row = &plane[row * columns..(row + 1) * columns];
            let mut pixels = (0..columns).filter(|&x| row[x] > SKIN_HU);
            let outermost = if self.is_left { pixels.next_back() } else { pixels.next() };
            outermost.map(|x| side * frame.place_mm(1, x))
        };
        let skin_mm = rows.filter_map(outermost_mm).reduce(f64::max)?;
        Some([side * (skin_mm + self.gap_mm + self.radius_mm()), self.back_mm])
    }

    /// What it is made of at this level: radii from the outside inwards, and Hounsfield units within.
    fn layers(&self, level_mm: f64) -> Vec<(f64, f32)> {
        let radius_mm = self.radius_mm();
        match self.object {
            Object::Finger => {
                // Bones are thick at their joints, and end before the tip does.
                let from_tip_mm = (self.levels_mm[1] - level_mm).max(0.0);
                let skin_mm = radius_mm * (0.55 + 0.45 * (from_tip_mm / 7.0).min(1.0).sqrt());
                let joint = (from_tip_mm * std::f64::consts::TAU / 27.0).cos();
                let bone_mm = (4.3 + 0.7 * joint).min(from_tip_mm - 3.0).max(0.0);
                vec![
                    (skin_mm, 35.0),
                    (skin_mm - 1.4, -65.0),
                    (bone_mm + 0.8, 60.0),
                    (bone_mm, 900.0),
                    (0.5 * bone_mm, 350.0),
                ]
            }
            Object::Wire => vec![(radius_mm, 120.0), (0.35, 3000.0)],
            Object::Tube => vec![(radius_mm, 110.0), (radius_mm - 1.0, AIR)],
            Object::Clip => vec![(radius_mm, 4000.0)],
        }
    }

    fn paint(&self, frame: &Frame, [aside_mm, back_mm]: [f64; 2], plane: &mut [f32]) {
        let share = self.share(frame) as f32;
        let layers = self.layers(frame.level_mm);
        let [row_mm, column_mm] = frame.pixel_mm;
        let reach_mm = self.radius_mm() + row_mm.max(column_mm);
        let around = |middle: f64| [middle - reach_mm, middle + reach_mm];
        for y in frame.pixels(0, around(back_mm)) {
            for x in frame.pixels(1, around(aside_mm)) {
                let from_mm =
                    (frame.place_mm(0, y) - back_mm).hypot(frame.place_mm(1, x) - aside_mm);
                let mut hu = AIR;
                for &(radius_mm, within_hu) in &layers {
                    // A pixel is partly within where the edge is.
                    let within = (0.5 + (radius_mm - from_mm) / column_mm).clamp(0.0, 1.0) as f32;
                    hu += within * (within_hu - hu);
                }
                let voxel = &mut plane[y * frame.size[1] + x];
                *voxel = voxel.max(AIR + share * (hu - AIR));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    const SIDE: usize = 460;

    /// A disc of soft tissue of 80 mm in a field of 230 mm, 5 mm thick, at the middle of the brain.
    fn head() -> (Grid, Vec<f32>) {
        let affine =
            Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
        let from_mm = |i: usize| {
            let middle = 0.5 * (SIDE - 1) as f64;
            ((i % SIDE) as f64 - middle).hypot((i / SIDE) as f64 - middle) * 0.5
        };
        let plane = (0..SIDE * SIDE).map(|i| if from_mm(i) < 80.0 { 40.0 } else { AIR }).collect();
        (Grid::from_affine([1, SIDE, SIDE], &affine).unwrap(), plane)
    }

    fn finger(back_mm: f64, levels_mm: [f64; 2]) -> Beside {
        Beside { object: Object::Finger, is_left: false, back_mm, gap_mm: 2.0, levels_mm }
    }

    /// Pixels in order from the middle to the right of the patient, at the middle row.
    fn to_the_right(plane: &[f32]) -> Vec<f32> {
        let row = &plane[SIDE / 2 * SIDE..][..SIDE / 2];
        row.iter().rev().copied().collect()
    }

    #[test]
    fn a_finger_lies_beside_the_skin_and_has_skin_fat_and_bone() {
        let (grid, bare) = head();
        let mut plane = bare.clone();

        draw(&[finger(0.0, [-40.0, 40.0])], &grid, 0, &mut plane);

        let row = to_the_right(&plane);
        let at = |mm: f64| row[(mm / 0.5) as usize];
        assert!((at(81.0) - AIR).abs() < 1.0, "a gap of 2 mm: {}", at(81.0));
        assert!((at(82.7) - 35.0).abs() < 15.0, "skin: {}", at(82.7));
        assert!((at(84.3) + 65.0).abs() < 15.0, "fat: {}", at(84.3));
        assert!(at(86.5) > 500.0 && at(89.6) < 500.0, "bone, and marrow within");
        assert!((at(98.2) - AIR).abs() < 1.0, "{}", at(98.2));
        let changed = |i: &usize| plane[*i] != bare[*i];
        assert!(
            (0..plane.len()).filter(changed).all(|i| bare[i] < SKIN_HU),
            "the head is as it was"
        );
    }

    #[test]
    fn what_fills_half_of_the_thickness_shows_half() {
        let (grid, bare) = head();
        let tube = Beside { object: Object::Tube, ..finger(0.0, [0.0, 40.0]) };
        let mut plane = bare.clone();
        draw(&[tube], &grid, 0, &mut plane);
        // The middle of its wall.
        let wall_hu = to_the_right(&plane)[164];
        assert!((wall_hu - 0.5 * (110.0 + AIR)).abs() < 30.0, "{wall_hu}");

        let mut above = bare.clone();
        draw(&[Beside { levels_mm: [3.0, 40.0], ..tube }], &grid, 0, &mut above);
        assert_eq!(above, bare, "not in this slice");
        draw(&[finger(95.0, [-40.0, 40.0])], &grid, 0, &mut above);
        assert_eq!(above, bare, "no head in these rows");
    }

    #[test]
    fn most_heads_have_nothing_beside_them_and_some_are_held() {
        use rand::SeedableRng as _;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let all: Vec<Vec<Beside>> = (0..2000).map(|_| Beside::draw_all(&mut rng)).collect();
        let held = |all: &&Vec<Beside>| all.iter().any(|it| it.object == Object::Finger);

        let (empty, held) =
            (all.iter().filter(|all| all.is_empty()).count(), all.iter().filter(held).count());

        assert!((1400..1600).contains(&empty), "{empty}");
        assert!((140..260).contains(&held), "{held}");
    }
}
