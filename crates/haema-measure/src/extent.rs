//! How long and wide a bleed is.

use haema_volume::{Grid, add, dot, norm, scale, sub};
use serde::{Deserialize, Serialize};

/// The size of a bleed, by ruler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Greatest diameter on the slice where its area is largest.
    pub longest_mm: f64,
    /// Width on that slice at right angles to it.
    pub across_mm: f64,
    /// From the lower edge of its first slice to the upper edge of its last.
    pub height_mm: f64,
    /// Area on the slice where that is largest.
    pub largest_area_mm2: f64,
}

/// Greatest diameter of a label in a slice, and the width at right angles to it, from the corners of
/// its pixels; `[0, 0]` where the slice does not show it.
pub(crate) fn in_plane_mm(plane: &[u32], label: u32, grid: &Grid) -> [f64; 2] {
    let columns = grid.size()[2];
    let (right, down) = (grid.x_step_lps_mm(), grid.y_step_lps_mm());
    // In the plane, along the rows and at right angles to them.
    let along_row = scale(right, 1.0 / norm(right));
    let beside = sub(down, scale(along_row, dot(down, along_row)));
    let along_column = scale(beside, 1.0 / norm(beside));
    let mut corners: Vec<[f64; 2]> = Vec::new();
    for (y, row) in plane.chunks_exact(columns).enumerate() {
        let Some(first) = row.iter().position(|&found| found == label) else { continue };
        let last = row.iter().rposition(|&found| found == label).unwrap_or(first);
        for (x, edge) in [(first, -0.5), (last, 0.5)] {
            for half in [-0.5, 0.5] {
                let point = add(scale(right, x as f64 + edge), scale(down, y as f64 + half));
                corners.push([dot(point, along_row), dot(point, along_column)]);
            }
        }
    }
    let hull = convex_hull(corners);
    let mut longest = ([0.0, 0.0], 0.0);
    for (i, a) in hull.iter().enumerate() {
        for b in &hull[i + 1..] {
            let way = [b[0] - a[0], b[1] - a[1]];
            let length = way[0].hypot(way[1]);
            if length > longest.1 {
                longest = (way, length);
            }
        }
    }
    let ([dx, dy], length) = longest;
    if length == 0.0 {
        return [0.0; 2];
    }
    let across = hull.iter().map(|[x, y]| (dx * y - dy * x) / length);
    let (low, high) = across
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    [length, high - low]
}

/// Andrew's monotone chain.
fn convex_hull(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for p in points {
            while let [.., a, b] = chain.as_slice() {
                let turn = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
                if turn > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    #[test]
    fn a_bar_is_as_long_and_wide_as_its_pixels() {
        let affine =
            Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
        let grid = Grid::from_affine([1, 6, 60], &affine).unwrap();
        let mut plane = vec![0; 360];
        for y in 2..4 {
            plane[y * 60 + 5..y * 60 + 45].fill(7);
        }

        let [longest_mm, across_mm] = in_plane_mm(&plane, 7, &grid);

        // 20 mm by 1.6 mm: the longest way runs from corner to corner.
        assert!((longest_mm - 20.0_f64.hypot(1.6)).abs() < 1e-9, "{longest_mm}");
        assert!((across_mm - 2.0 * 20.0 * 1.6 / longest_mm).abs() < 1e-9, "{across_mm}");
        assert_eq!(in_plane_mm(&plane, 8, &grid), [0.0; 2]);
    }
}
