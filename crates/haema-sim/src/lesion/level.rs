//! Shapes of a wanted volume, as level sets of a field on the head's lattice.

use crate::lattice::Lattice;

/// A node that a shape may fill. At level `s` it fills `most · clamp(½ + s·gain − height, 0, 1)`, with
/// lengths in units of the lattice's pitch: an edge one node wide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    /// Offset on the head's lattice.
    pub(crate) node: u32,
    pub(crate) height_mm: f32,
    pub(crate) gain: f32,
    pub(crate) most: f32,
}

/// A shape on the nodes of a box.
///
/// Between nodes its share is linear along each axis, so that its volume is exactly the sum over the
/// nodes times their volume: the integral of the interpolated share.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) lattice: Lattice,
    pub(crate) shares: Vec<f32>,
    /// Depth of each node below the surface, mm; negative outside.
    pub(crate) depths_mm: Vec<f32>,
    /// Offset on the head's lattice of each node of the box.
    first: [usize; 3],
}

impl Spot {
    fn depth_mm(&self, level_mm: f32) -> f32 {
        level_mm * self.gain - self.height_mm
    }

    fn share(&self, level_mm: f32, pitch_mm: f32) -> f32 {
        self.most * (0.5 + self.depth_mm(level_mm) / pitch_mm).clamp(0.0, 1.0)
    }
}

/// The shape of a volume among these spots, or `None` where there are none. Where the spots do not
/// hold the volume they are filled to `most_mm`.
///
/// Spots within `rim_mm` outside are kept, for what surrounds a shape.
pub(crate) fn solve(
    head: &Lattice,
    spots: &[Spot],
    volume_ml: f64,
    [least_mm, most_mm]: [f32; 2],
    rim_mm: f32,
) -> Option<Shape> {
    let volume_mm3 = |level: f32| {
        let filled: f64 = spots.iter().map(|s| f64::from(s.share(level, head.pitch_mm))).sum();
        filled * head.node_mm3()
    };
    let (mut low, mut high) = (least_mm, most_mm);
    // Halving 40 times leaves less than single precision can hold.
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if volume_mm3(middle) < 1000.0 * volume_ml {
            low = middle;
        } else {
            high = middle;
        }
    }
    let kept = |spot: &&Spot| spot.most > 0.0 && spot.depth_mm(high) > -rim_mm - head.pitch_mm;
    let kept: Vec<&Spot> = spots.iter().filter(kept).collect();
    let is_filled = kept.iter().any(|spot| spot.share(high, head.pitch_mm) > 0.0);
    is_filled.then(|| Shape::of(head, &kept, high))
}

impl Shape {
    fn of(head: &Lattice, spots: &[&Spot], level_mm: f32) -> Self {
        let mut low = [usize::MAX; 3];
        let mut high = [0; 3];
        for spot in spots {
            for (axis, i) in head.index(spot.node as usize).into_iter().enumerate() {
                low[axis] = low[axis].min(i);
                high[axis] = high[axis].max(i);
            }
        }
        // An empty node on each side, so that shares fall to zero within the box.
        let first = low.map(|i| i.saturating_sub(1));
        let size: [usize; 3] =
            std::array::from_fn(|axis| (high[axis] + 2).min(head.size[axis]) - first[axis]);
        let lattice = Lattice { size, pitch_mm: head.pitch_mm, origin_mm: head.point(first) };
        let mut shape = Self {
            lattice,
            shares: vec![0.0; lattice.len()],
            depths_mm: vec![f32::NEG_INFINITY; lattice.len()],
            first,
        };
        for spot in spots {
            let index = head.index(spot.node as usize);
            let offset = lattice.offset(std::array::from_fn(|axis| index[axis] - first[axis]));
            shape.shares[offset] = spot.share(level_mm, head.pitch_mm);
            shape.depths_mm[offset] = spot.depth_mm(level_mm);
        }
        shape
    }

    pub(crate) fn volume_ml(&self) -> f64 {
        let filled: f64 = self.shares.iter().map(|&share| f64::from(share)).sum();
        filled * self.lattice.node_mm3() / 1000.0
    }

    /// Nodes of the box and of the head that the shape touches.
    pub(crate) fn nodes(&self, head: Lattice) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.lattice.len()).filter(|&own| self.depths_mm[own] > f32::NEG_INFINITY).map(
            move |own| {
                let index = self.lattice.index(own);
                let there = std::array::from_fn(|axis| index[axis] + self.first[axis]);
                (own, head.offset(there))
            },
        )
    }

    /// Centre of its volume.
    pub(crate) fn centre_mm(&self) -> [f64; 3] {
        let mut sum = [0.0; 3];
        let mut total = 0.0;
        for (offset, &share) in self.shares.iter().enumerate() {
            let point = self.lattice.point(self.lattice.index(offset));
            for (sum, value) in sum.iter_mut().zip(point) {
                *sum += f64::from(share) * f64::from(value);
            }
            total += f64::from(share);
        }
        sum.map(|sum| sum / total.max(f64::MIN_POSITIVE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heights are distances to the middle: levels are balls.
    fn ball_spots(lattice: &Lattice) -> Vec<Spot> {
        (0..lattice.len())
            .map(|node| {
                let point = lattice.point(lattice.index(node));
                let height_mm = point.iter().map(|v| v * v).sum::<f32>().sqrt();
                Spot { node: node as u32, height_mm, gain: 1.0, most: 1.0 }
            })
            .collect()
    }

    #[test]
    fn the_volume_asked_for_is_made() {
        let lattice = Lattice::covering([-20.0; 3], [20.0; 3], 1.0);
        let spots = ball_spots(&lattice);

        for wanted_ml in [0.1, 1.0, 14.0] {
            let ball = solve(&lattice, &spots, wanted_ml, [0.0, 19.0], 0.0).unwrap();

            let error = (ball.volume_ml() - wanted_ml).abs();
            assert!(error < 1e-4 * wanted_ml, "{wanted_ml}: {}", ball.volume_ml());
            assert!(ball.centre_mm().iter().all(|c| c.abs() < 1e-3));
        }
    }

    #[test]
    fn where_there_is_no_room_less_is_made_and_said() {
        let lattice = Lattice::covering([-9.0; 3], [9.0; 3], 1.0);

        let ball = solve(&lattice, &ball_spots(&lattice), 50.0, [0.0, 8.0], 0.0).unwrap();

        let whole_ml = 4.0 / 3.0 * std::f64::consts::PI * 0.512;
        assert!((ball.volume_ml() - whole_ml).abs() < 0.02 * whole_ml, "{}", ball.volume_ml());
    }
}
