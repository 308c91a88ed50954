//! A real bleed in another head.

use rand::{Rng as _, RngCore};

use super::Canvas;
use super::head_map::HeadMap;

/// A head with a bleed, whose bleed another gets.
#[derive(Debug, Clone, Copy)]
pub struct Donor<'a> {
    /// Where its brain lies.
    pub head: &'a HeadMap,
    /// HU, on the grid of `head`.
    pub image_hu: &'a [f32],
    /// Share of each voxel that is bleed.
    pub target: &'a [f32],
}

/// A bleed of which less than this share would lie inside the other skull is left out.
const SMALLEST_SHARE: f32 = 0.7;
/// How far the bleed is moved at random, each axis either way, mm.
const JITTER_MM: f32 = 8.0;

impl Donor<'_> {
    /// Copies the bleed to the same place of another head: middle on middle, moved a little, mirrored
    /// half of the time. `false`, and nothing painted, where it would lie outside the skull.
    ///
    /// # Panics
    ///
    /// Where the canvas does not fill `head`'s grid.
    pub fn give(self, head: &HeadMap, canvas: &mut Canvas<'_>, rng: &mut impl RngCore) -> bool {
        assert_eq!(canvas.image_hu.len(), head.depth_mm().len(), "give: image does not fill head");
        let (from, to) = (middle(self.head), middle(head));
        let mirror = if rng.random::<bool>() { -1.0 } else { 1.0 };
        let jitter: [f32; 3] = std::array::from_fn(|axis| {
            JITTER_MM / head.spacing_mm()[axis] * (2.0 * rng.random::<f32>() - 1.0)
        });
        let [_, rows, columns] = head.size();
        let size = head.size();
        let [_, donor_rows, donor_columns] = self.head.size();
        let (mut given, mut placed) = (0.0, 0.0);
        let mut moves = Vec::new();
        for (i, &share) in self.target.iter().enumerate() {
            if share <= 0.0 {
                continue;
            }
            given += share;
            let index = [
                i / (donor_rows * donor_columns),
                i / donor_columns % donor_rows,
                i % donor_columns,
            ];
            let sign = [1.0, 1.0, mirror];
            let at: [f32; 3] = std::array::from_fn(|axis| {
                (sign[axis] * (index[axis] as f32 - from[axis]) + to[axis] + jitter[axis]).round()
            });
            if (0..3).all(|axis| at[axis] >= 0.0 && (at[axis] as usize) < size[axis]) {
                let [z, y, x] = at.map(|v| v as usize);
                let offset = (z * rows + y) * columns + x;
                if head.depth_mm()[offset] > 0.0 {
                    placed += share;
                    moves.push((offset, share, self.image_hu[i]));
                }
            }
        }
        if given == 0.0 || placed < SMALLEST_SHARE * given {
            return false;
        }
        for (offset, share, donor_hu) in moves {
            let image = &mut canvas.image_hu[offset];
            *image = (1.0 - share) * *image + share * donor_hu;
            canvas.target[offset] = canvas.target[offset].max(share);
        }
        true
    }
}

/// Mean index of the voxels inside, `[z, y, x]`.
fn middle(head: &HeadMap) -> [f32; 3] {
    let [_, rows, columns] = head.size();
    let mut sum = [0.0_f64; 3];
    for &i in head.inside() {
        let i = i as usize;
        let index = [i / (rows * columns), i / columns % rows, i % columns];
        for axis in 0..3 {
            sum[axis] += index[axis] as f64;
        }
    }
    sum.map(|v| (v / head.inside().len() as f64) as f32)
}
