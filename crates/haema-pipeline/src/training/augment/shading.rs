//! Densities that scanners bend: brighter beside bone, and drifting through the head.

use super::Pair;

/// What is above the window: bone, as the network sees it.
const BONE: f32 = 0.95;
/// Nodes of a drift along each axis.
const NODES: usize = 3;

/// Raises tissue by `rise` times the share of bone near it: three means over `2 · reach + 1` pixels
/// each way and one over three planes, which come close to a Gaussian.
pub(super) fn beside_bone(pair: &mut Pair, rise: f32, reach: usize) {
    let [planes, rows, columns] = pair.size;
    let mut bone: Vec<f32> =
        pair.image.iter().map(|&value| f32::from(u8::from(value >= BONE))).collect();
    for _ in 0..3 {
        mean_along(&mut bone, [planes * rows, columns, 1], reach);
        mean_along(&mut bone, [planes, rows, columns], reach);
    }
    mean_along(&mut bone, [1, planes, rows * columns], 1);
    add_to_tissue(pair, bone.into_iter().map(|share| rise * share));
}

/// Adds a smooth field, given at the corners, edges, faces and the middle of the grid.
pub(super) fn drift(pair: &mut Pair, points: &[f32; NODES * NODES * NODES]) {
    let [_, rows, columns] = pair.size;
    let along = pair.size.map(|n| (NODES - 1) as f32 / (n.max(2) - 1) as f32);
    let added = (0..pair.image.len()).map(|i| {
        let at = [i / (rows * columns), i / columns % rows, i % columns];
        interpolate(points, std::array::from_fn(|axis| at[axis] as f32 * along[axis]))
    });
    add_to_tissue(pair, added);
}

/// Air and bone stay at the ends of the window, as they do in a real scan.
fn add_to_tissue(pair: &mut Pair, added: impl Iterator<Item = f32>) {
    for (value, added) in pair.image.iter_mut().zip(added) {
        if *value > 0.0 && *value < 1.0 {
            *value = (*value + added).clamp(0.0, 1.0);
        }
    }
}

/// Trilinear; `at` in nodes.
fn interpolate(points: &[f32; NODES * NODES * NODES], at: [f32; 3]) -> f32 {
    let low = at.map(|a| (a as usize).min(NODES - 2));
    let part: [f32; 3] = std::array::from_fn(|axis| at[axis] - low[axis] as f32);
    let mut sum = 0.0;
    for corner in 0..8 {
        let upper: [usize; 3] = std::array::from_fn(|axis| corner >> axis & 1);
        let weights: [f32; 3] = std::array::from_fn(|axis| match upper[axis] {
            0 => 1.0 - part[axis],
            _ => part[axis],
        });
        let node = (0..3).fold(0, |node, axis| node * NODES + low[axis] + upper[axis]);
        sum += weights.iter().product::<f32>() * points[node];
    }
    sum
}

/// The running mean along the middle axis of `[outer, length, inner]`, nothing beyond the ends.
fn mean_along(values: &mut [f32], [_, length, inner]: [usize; 3], reach: usize) {
    let width = (2 * reach + 1) as f32;
    let mut sums = vec![0.0_f64; length + 1];
    for outer in values.chunks_mut(length * inner) {
        for offset in 0..inner {
            for i in 0..length {
                sums[i + 1] = sums[i] + f64::from(outer[i * inner + offset]);
            }
            for i in 0..length {
                let (from, to) = (i.saturating_sub(reach), (i + reach + 1).min(length));
                outer[i * inner + offset] = (sums[to] - sums[from]) as f32 / width;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brain with a wall of bone along the first column, and air at the last.
    fn wall() -> Pair {
        let size = [5, 12, 20];
        let value = |i: usize| match i % 20 {
            0 => 1.0,
            19 => 0.0,
            _ => 0.35,
        };
        let image = (0..5 * 12 * 20).map(value).collect();
        Pair { size, image, target: vec![0.0; 5 * 12 * 20] }
    }

    #[test]
    fn tissue_beside_bone_rises_and_distant_tissue_does_not() {
        let mut pair = wall();
        beside_bone(&mut pair, 0.4, 1);
        let row = &pair.image[(2 * 12 + 6) * 20..][..20];

        // Three means of width 3 over one column of ones at the border, beyond which there is nothing.
        for (x, parts) in [(1, 5.0), (2, 3.0), (3, 1.0), (4, 0.0)] {
            assert!((row[x] - (0.35 + 0.4 * parts / 27.0)).abs() < 1e-6, "{x}: {}", row[x]);
        }
        assert_eq!((row[0], row[19]), (1.0, 0.0));
    }

    #[test]
    fn a_drift_passes_through_its_points() {
        let mut pair = wall();
        let mut points = [0.0; 27];
        points[1] = 0.1; // first plane, first row, middle column
        drift(&mut pair, &points);

        // 19 steps over two intervals: column 9 lies at 18/19 of the first.
        assert!((pair.image[9] - (0.35 + 0.1 * 18.0 / 19.0)).abs() < 1e-6, "{}", pair.image[9]);
        assert_eq!(pair.image[(4 * 12 + 3) * 20 + 9], 0.35);
    }

    #[test]
    fn an_even_drift_is_a_shift() {
        let mut pair = wall();
        drift(&mut pair, &[0.05; 27]);

        assert!(pair.image.iter().all(|v| [0.0, 1.0].contains(v) || (v - 0.4).abs() < 1e-6));
    }
}
