//! Where the surface of a mask lies, piece by piece.

use haema_volume::{Grid, IndexBox, Vec3, Volume, add, dot, norm, scale};

use super::patches::PATCHES;

/// A piece of a surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Element {
    /// From the first voxel of the box, so that where the patient lies costs no digits.
    pub(super) place_mm: Vec3,
    /// Area in mm², or 1 for a voxel.
    pub(super) weight: f64,
}

/// The voxels of a mask with a face outside it. The mask is cropped to a box that holds all of it.
pub(super) fn border_voxels(mask: &Volume<u8>, grid: &Grid, around: &IndexBox) -> Vec<Element> {
    let [depth, rows, columns] = mask.size();
    let mut found = vec![];
    for z in 0..depth {
        let slice_mm = grid.way_lps_mm(around[0].start, around[0].start + z);
        for y in 0..rows {
            for x in 0..columns {
                if mask[[z, y, x]] != 0 && !is_enclosed(mask, [z, y, x]) {
                    let place_mm = in_plane(grid, slice_mm, y as f64, x as f64);
                    found.push(Element { place_mm, weight: 1.0 });
                }
            }
        }
    }
    found
}

fn is_enclosed(mask: &Volume<u8>, at: [usize; 3]) -> bool {
    (0..3).all(|axis| {
        let neighbour = |index: usize| {
            let mut there = at;
            there[axis] = index;
            mask[there] != 0
        };
        at[axis] > 0
            && at[axis] + 1 < mask.size()[axis]
            && neighbour(at[axis] - 1)
            && neighbour(at[axis] + 1)
    })
}

fn in_plane(grid: &Grid, slice_mm: Vec3, y: f64, x: f64) -> Vec3 {
    add(slice_mm, add(scale(grid.y_step_lps_mm(), y), scale(grid.x_step_lps_mm(), x)))
}

/// The patches of surface between the voxels of a mask. The mask is cropped to a box that holds all of
/// it.
///
/// A patch lies in the cube between the centres of 2 × 2 × 2 voxels, and counts as at that cube's
/// middle: half-way between voxels in the plane, and where one slice ends and the next begins.
pub(super) fn patches(mask: &Volume<u8>, grid: &Grid, around: &IndexBox) -> Vec<Element> {
    let [depth, rows, columns] = mask.size();
    let mut found = vec![];
    let mut step_before_mm = [f64::NAN; 3];
    let mut areas = vec![];
    for layer in 0..=depth {
        let Between { middle_mm, step_mm } = between(grid, around[0].start, layer);
        if step_mm != step_before_mm {
            areas = PATCHES.areas_mm2([step_mm, grid.y_step_lps_mm(), grid.x_step_lps_mm()]);
            step_before_mm = step_mm;
        }
        for line in 0..=rows {
            let voxels = |corner: usize| -> Option<&[u8]> {
                let z = (layer + corner / 2).checked_sub(1).filter(|&z| z < depth)?;
                let y = (line + corner % 2).checked_sub(1).filter(|&y| y < rows)?;
                Some(&mask.plane(z)[y * columns..(y + 1) * columns])
            };
            let around_line: [Option<&[u8]>; 4] = std::array::from_fn(voxels);
            // Bits of the code: corner z·4 + y·2 + x. What was right of the cube before is left of it
            // now.
            let mut code = 0_u8;
            for column in 0..=columns {
                code = (code >> 1) & 0b0101_0101;
                for (corner, row) in around_line.iter().enumerate() {
                    let is_inside = row.and_then(|row| row.get(column)).is_some_and(|&v| v != 0);
                    code |= u8::from(is_inside) << (2 * corner + 1);
                }
                if code != 0 && code != u8::MAX {
                    let (y, x) = (line as f64 - 0.5, column as f64 - 0.5);
                    let weight = areas[usize::from(code)];
                    found.push(Element { place_mm: in_plane(grid, middle_mm, y, x), weight });
                }
            }
        }
    }
    found
}

/// The room between a slice and the one before it.
struct Between {
    /// Where one ends and the other begins, from the box's first slice.
    middle_mm: Vec3,
    /// The way from one to the other.
    step_mm: Vec3,
}

/// * `first` — the box's first slice.
/// * `layer` — 0 for the room before that slice.
fn between(grid: &Grid, first: usize, layer: usize) -> Between {
    let above = first + layer;
    let depth = grid.size()[0];
    if above == 0 {
        let step_mm = outwards_mm(grid, 0);
        return Between { middle_mm: scale(step_mm, -0.5), step_mm };
    }
    let below_mm = grid.way_lps_mm(first, above - 1);
    let (step_mm, share) = if above == depth {
        (outwards_mm(grid, 1), 0.5)
    } else {
        let step_mm = grid.way_lps_mm(above - 1, above);
        let gap_mm = dot(step_mm, grid.normal_lps());
        (step_mm, grid.slice_reach_mm(above - 1)[1] / gap_mm)
    };
    Between { middle_mm: add(below_mm, scale(step_mm, share)), step_mm }
}

/// The way to where the slice before the first (`side` 0), or after the last (1), would lie if it were
/// as thick: along the stack, which may be tilted.
fn outwards_mm(grid: &Grid, side: usize) -> Vec3 {
    let last = grid.size()[0] - 1;
    let end = if side == 0 { 0 } else { last };
    let gap_mm = 2.0 * grid.slice_reach_mm(end)[side];
    if last == 0 {
        return scale(grid.normal_lps(), gap_mm);
    }
    let neighbours = if side == 0 { (0, 1) } else { (last - 1, last) };
    let way_mm = grid.way_lps_mm(neighbours.0, neighbours.1);
    debug_assert!(norm(way_mm) > 0.0, "slices ascend");
    scale(way_mm, gap_mm / dot(way_mm, grid.normal_lps()))
}
