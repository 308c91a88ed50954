//! The nearest of many points, whatever the geometry that they come from.

use crate::affine::{Vec3, dot, sub};

/// Points in space, sorted so that the nearest of them is found fast: a k-d tree.
///
/// Unlike [`crate::distances_mm`] it asks for no axes at right angles and no common steps, so that
/// tilted and uneven stacks are measured as they are. It holds the points alone: 24 bytes each.
///
/// # Source
///
/// J. H. Friedman, J. L. Bentley, R. A. Finkel, "An algorithm for finding best matches in logarithmic
/// expected time", _ACM Transactions on Mathematical Software_ 3:209–226, 1977.
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
}

/// Stretches of so many points are searched one by one: measured fastest among 4, 8, 16 and 32.
const LEAF: usize = 8;

impl Nearest {
    /// Sorts the points. They must be finite.
    pub fn of(mut points_mm: Vec<Vec3>) -> Self {
        let mut axes = vec![0; points_mm.len()];
        divide(&mut points_mm, &mut axes);
        Self { points_mm, axes }
    }

    /// How far the nearest of the points is; `None` where there are none.
    pub fn distance_mm(&self, from_mm: Vec3) -> Option<f64> {
        if self.points_mm.is_empty() {
            return None;
        }
        let mut best = f64::INFINITY;
        self.search(0, self.points_mm.len(), from_mm, &mut best);
        Some(best.sqrt())
    }

    fn search(&self, from: usize, to: usize, at: Vec3, best: &mut f64) {
        if to - from <= LEAF {
            for point in &self.points_mm[from..to] {
                let way = sub(at, *point);
                *best = best.min(dot(way, way));
            }
            return;
        }
        let middle = from + (to - from) / 2;
        let point = self.points_mm[middle];
        let way = sub(at, point);
        *best = best.min(dot(way, way));
        let beyond = way[usize::from(self.axes[middle])];
        let (near, far) = if beyond < 0.0 {
            ((from, middle), (middle + 1, to))
        } else {
            ((middle + 1, to), (from, middle))
        };
        self.search(near.0, near.1, at, best);
        if beyond * beyond < *best {
            self.search(far.0, far.1, at, best);
        }
    }
}

/// Puts the middle point along the widest axis into the middle, and so on in both halves.
fn divide(points_mm: &mut [Vec3], axes: &mut [u8]) {
    if points_mm.len() <= LEAF {
        return;
    }
    let mut ends = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    for point in points_mm.iter() {
        for (end, value) in ends.iter_mut().zip(point) {
            *end = [end[0].min(*value), end[1].max(*value)];
        }
    }
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

            for at in asked {
                let nearest =
                    all.iter().map(|p| norm(sub(*p, at))).fold(f64::INFINITY, f64::min);
                prop_assert_eq!(tree.distance_mm(at), Some(nearest));
            }
        }
    }
}
