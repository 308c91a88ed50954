//! The nearest of many points, whatever the geometry that they come from.

use std::num::NonZeroUsize;

use crate::affine::{Vec3, dot, sub};
use crate::parallel;

/// Points in space, sorted so that the nearest of them is found fast: a k-d tree.
///
/// Unlike [`crate::distances_mm`] it asks for no axes at right angles and no common steps, so that
/// tilted and uneven stacks are measured as they are. It holds the points alone: 24 bytes each.
///
/// # Source
///
/// J. H. Friedman, J. L. Bentley, R. A. Finkel, "An algorithm for finding best matches in logarithmic
/// expected time", _ACM Transactions on Mathematical Software_ 3:209–226, 1977; distances to boxes step by
/// step: S. Arya, D. M. Mount, _Data Compression Conference_ 381–390, 1993.
///
/// # Examples
///
/// ```
/// use haema_volume::Nearest;
///
/// let points = Nearest::of(vec![[0.0, 0.0, 0.0], [0.0, 0.0, 10.0]]);
/// assert_eq!(points.distance_mm([3.0, 4.0, 0.0]), Some(5.0));
/// assert_eq!(Nearest::of(vec![]).distance_mm([0.0; 3]), None);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Each part of the tree is a stretch: its middle point divides it along [`Nearest::axes`], the
    /// lower half before it, the upper half behind.
    points_mm: Vec<Vec3>,
    /// Along which axis the point divides its stretch.
    axes: Vec<u8>,
    /// The box that holds all points.
    ends_mm: [[f64; 2]; 3],
}

/// Stretches of so many points are searched one by one.
const LEAF: usize = 8;

impl Nearest {
    /// Sorts the points. They must be finite.
    pub fn of(mut points_mm: Vec<Vec3>) -> Self {
        let ends_mm = ends(&points_mm);
        let mut axes = vec![0; points_mm.len()];
        divide(&mut points_mm, &mut axes);
        Self { points_mm, axes, ends_mm }
    }

    /// How far the nearest of the points is; `None` where there are none.
    pub fn distance_mm(&self, from_mm: Vec3) -> Option<f64> {
        Some(self.nearest(from_mm, self.points_mm.len() / 2)?.way2.sqrt())
    }

    /// [`Nearest::distance_mm`] of many places; faster where each lies near the one before, whose nearest
    /// point is then nearly this one's too. Infinite where there are no points.
    pub fn distances_mm(&self, places_mm: &[Vec3], threads: NonZeroUsize) -> Vec<f64> {
        let distances = |_, places_mm: &[Vec3]| {
            let mut first = self.points_mm.len() / 2;
            let distance = |place: &Vec3| {
                let Some(best) = self.nearest(*place, first) else { return f64::INFINITY };
                first = best.point;
                best.way2.sqrt()
            };
            places_mm.iter().map(distance).collect::<Vec<_>>()
        };
        parallel::map(places_mm.chunks(PLACES), threads, distances).concat()
    }

    /// * `first` — the point that is looked at first.
    fn nearest(&self, from_mm: Vec3, first: usize) -> Option<Best> {
        let way = sub(from_mm, *self.points_mm.get(first)?);
        let mut best = Best { way2: dot(way, way), point: first };
        let outside = |axis: usize| {
            let [low, high] = self.ends_mm[axis];
            (low - from_mm[axis]).max(from_mm[axis] - high).max(0.0)
        };
        let outside = [outside(0), outside(1), outside(2)];
        self.search((0, self.points_mm.len()), from_mm, outside, &mut best);
        Some(best)
    }

    /// * `outside` — how far `at` lies outside the stretch's box along each axis.
    fn search(&self, (from, to): (usize, usize), at: Vec3, outside: Vec3, best: &mut Best) {
        if to - from <= LEAF {
            for point in from..to {
                best.see(self, point, at);
            }
            return;
        }
        let middle = from + (to - from) / 2;
        best.see(self, middle, at);
        let axis = usize::from(self.axes[middle]);
        let beyond = at[axis] - self.points_mm[middle][axis];
        let (lower, upper) = ((from, middle), (middle + 1, to));
        let (near, far) = if beyond < 0.0 { (lower, upper) } else { (upper, lower) };
        self.search(near, at, outside, best);
        let mut far_outside = outside;
        far_outside[axis] = beyond.abs();
        if dot(far_outside, far_outside) < best.way2 {
            self.search(far, at, far_outside, best);
        }
    }
}

/// So many places at once are one piece of work.
const PLACES: usize = 500;

/// The nearest point so far.
struct Best {
    /// The square of the way to it.
    way2: f64,
    point: usize,
}

impl Best {
    fn see(&mut self, all: &Nearest, point: usize, at: Vec3) {
        let way = sub(at, all.points_mm[point]);
        let way2 = dot(way, way);
        if way2 < self.way2 {
            *self = Self { way2, point };
        }
    }
}

/// The first and the last place along each axis.
fn ends(points_mm: &[Vec3]) -> [[f64; 2]; 3] {
    let none = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    points_mm.iter().fold(none, |ends, point| {
        std::array::from_fn(|i| [ends[i][0].min(point[i]), ends[i][1].max(point[i])])
    })
}

/// Puts the middle point along the widest axis into the middle, and so on in both halves.
fn divide(points_mm: &mut [Vec3], axes: &mut [u8]) {
    if points_mm.len() <= LEAF {
        return;
    }
    let ends = ends(points_mm);
    let width = |axis: &usize| ends[*axis][1] - ends[*axis][0];
    let axis =
        (1..3).fold(0, |widest, axis| if width(&axis) > width(&widest) { axis } else { widest });
    let middle = points_mm.len() / 2;
    points_mm.select_nth_unstable_by(middle, |a, b| a[axis].total_cmp(&b[axis]));
    axes[middle] = axis as u8;
    let (lower, upper) = points_mm.split_at_mut(middle);
    let (lower_axes, upper_axes) = axes.split_at_mut(middle);
    divide(lower, lower_axes);
    divide(&mut upper[1..], &mut upper_axes[1..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::affine::norm;

    fn points(most: usize) -> impl Strategy<Value = Vec<Vec3>> {
        // Few distinct values: many points share a coordinate, and some a place.
        proptest::collection::vec([0..7_i8, 0..5_i8, 0..90_i8], 1..most)
            .prop_map(|all| all.into_iter().map(|p| p.map(f64::from)).collect())
    }

    proptest! {
        #[test]
        fn the_nearest_is_found(all in points(200), asked in points(20)) {
            let tree = Nearest::of(all.clone());

            let wanted: Vec<f64> = asked
                .iter()
                .map(|at| all.iter().map(|p| norm(sub(*p, *at))).fold(f64::INFINITY, f64::min))
                .collect();
            for (at, wanted) in asked.iter().zip(&wanted) {
                prop_assert_eq!(tree.distance_mm(*at), Some(*wanted));
            }
            prop_assert_eq!(tree.distances_mm(&asked, NonZeroUsize::MIN), wanted);
        }
    }
}
