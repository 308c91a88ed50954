//! The patch of surface between 2 × 2 × 2 voxels, some of them inside a mask.

use std::sync::LazyLock;

use haema_volume::{Vec3, add, cross, norm, scale, sub};

/// A triangle between midpoints of the cube's edges, `[z, y, x]` each, in units of the cube.
type Triangle = [Vec3; 3];

/// The triangles of all 256 ways in which 8 voxels can be in or out.
///
/// Bit `4·z + 2·y + x` of a code says whether that corner of the cube is in the mask. Of in and out the
/// fewer corners count. Corners that share an edge of the cube form a group; the midpoints of the edges
/// that leave a group form a ring of three to six, and the ring is cut into triangles. Two corners
/// across a diagonal are two groups: their patches do not join.
///
/// # Source
///
/// W. E. Lorensen, H. E. Cline, "Marching cubes", _Computer Graphics_ 21:163–169, 1987. Rings of six that
/// are not flat can be cut in more than one way; the cut here gives the areas of _surface-distance_ 0.1,
/// of which a test holds all 256.
pub(super) struct Patches {
    triangles: Vec<Vec<Triangle>>,
}

pub(super) static PATCHES: LazyLock<Patches> = LazyLock::new(Patches::new);

impl Patches {
    fn new() -> Self {
        Self { triangles: (0..=u8::MAX).map(triangles).collect() }
    }

    /// Area of the patch of each code, where the cube has these steps `[z, y, x]`.
    pub(super) fn areas_mm2(&self, steps_mm: [Vec3; 3]) -> Vec<f64> {
        let place = |v: Vec3| {
            add(scale(steps_mm[0], v[0]), add(scale(steps_mm[1], v[1]), scale(steps_mm[2], v[2])))
        };
        let area = |[a, b, c]: &Triangle| 0.5 * norm(cross(place(sub(*b, *a)), place(sub(*c, *a))));
        self.triangles.iter().map(|patch| patch.iter().map(area).sum()).collect()
    }
}

fn triangles(code: u8) -> Vec<Triangle> {
    let mut corners = if code.count_ones() > 4 { !code } else { code };
    let mut found = vec![];
    while corners != 0 {
        let group = group_of(corners, corners.trailing_zeros() as u8);
        cut(ring(group), &mut found);
        corners &= !group;
    }
    found
}

/// The corners that edges of the cube lead to from one.
fn group_of(corners: u8, from: u8) -> u8 {
    let mut group = 1 << from;
    loop {
        let reached = (0..8).filter(|&c| group & (1 << c) != 0);
        let wider = reached
            .fold(group, |all, c| (0..3).fold(all, |all, a| all | 1 << (c ^ 1 << a)))
            & corners;
        if wider == group {
            return group;
        }
        group = wider;
    }
}

/// An edge of the cube that leaves a group: the corner inside, and the axis (0 is x).
type Leaving = (u8, u8);

/// The midpoints of the edges that leave a group, in order around it, from a corner that only one edge
/// leaves, where there is one: the elbow of three, from which the ring of five must be cut.
fn ring(group: u8) -> Vec<Vec3> {
    let leaves = |&(corner, axis): &Leaving| {
        group & 1 << corner != 0 && group & 1 << (corner ^ 1 << axis) == 0
    };
    let mut left: Vec<Leaving> =
        (0..8).flat_map(|corner| (0..3).map(move |axis| (corner, axis))).filter(leaves).collect();
    let count_at = |corner: u8| (0..3).filter(|&axis| leaves(&(corner, axis))).count();
    let start = left.iter().position(|&(corner, _)| count_at(corner) == 1).unwrap_or(0);
    let mut current = left.swap_remove(start);
    let mut midpoints = vec![midpoint(current)];
    while let Some(next) = left.iter().position(|&other| share_a_side(current, other)) {
        current = left.swap_remove(next);
        midpoints.push(midpoint(current));
    }
    midpoints
}

/// Whether two edges bound the same side of the cube.
fn share_a_side((a, a_axis): Leaving, (b, b_axis): Leaving) -> bool {
    (0..3).any(|axis| axis != a_axis && axis != b_axis && (a ^ b) & 1 << axis == 0)
}

fn midpoint((corner, axis): Leaving) -> Vec3 {
    let along = |bit: u8| if bit == axis { 0.5 } else { f64::from(corner >> bit & 1) };
    [along(2), along(1), along(0)]
}

/// Cuts off every other point of a ring, from the first, until a triangle remains.
fn cut(mut ring: Vec<Vec3>, triangles: &mut Vec<Triangle>) {
    let mut at = 0;
    while ring.len() > 3 {
        let count = ring.len();
        triangles.push([ring[(at + count - 1) % count], ring[at], ring[(at + 1) % count]]);
        ring.remove(at);
        at = (at + 1) % ring.len();
    }
    triangles.extend(<Triangle>::try_from(ring));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_and_out_have_one_border() {
        let areas = PATCHES.areas_mm2([[0.0, 0.0, 5.0], [0.0, 0.7, 0.0], [0.6, 0.0, 0.0]]);

        // Of four in and four out in two groups each, either may be taken for the groups.
        let agreeing = (0..256).filter(|&code| (areas[code] - areas[255 - code]).abs() < 1e-12);
        assert_eq!(agreeing.count(), 256);
    }

    #[test]
    fn a_flat_border_has_the_area_of_the_side() {
        let areas = PATCHES.areas_mm2([[0.0, 0.0, 5.0], [0.0, 0.7, 0.0], [0.6, 0.0, 0.0]]);

        assert!((areas[0b0000_1111] - 0.42).abs() < 1e-15);
        assert!((areas[0b0011_0011] - 3.0).abs() < 1e-15);
        assert!((areas[0b0101_0101] - 3.5).abs() < 1e-15);
    }
}
