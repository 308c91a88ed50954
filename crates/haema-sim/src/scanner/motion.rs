//! A head that moves while its slice is taken: double contours, and streaks from what moved.

use haema_volume::Grid;

use super::coarse::{Coarse, WATER_PER_MM};

/// Pixels of the coarse image on which streaks are worked out.
const SIDE: usize = 128;

/// Mixes the slice before and after a movement in the middle of the scanner's turn.
///
/// Each ray is seen from both ends, once before and once after, so that the picture is the mean of both;
/// where the two ends tell of different heads they leave streaks: the way back of half the difference,
/// taken from the first half of the turn and added to the second.
pub(super) fn mix(before: &mut [f32], after: &[f32], grid: &Grid) {
    let moved: Vec<f32> = before.iter().zip(after).map(|(a, b)| b - a).collect();
    let coarse = Coarse::new(grid, SIDE);
    let mut integrals = coarse.project(&moved, |hu| WATER_PER_MM * hu / 1000.0);
    let views = coarse.fan.views;
    for (view, row) in integrals.chunks_exact_mut(coarse.fan.channels).enumerate() {
        let half = if is_after(view, views) { 0.5 } else { -0.5 };
        for integral in row {
            *integral *= half;
        }
    }
    for (hu, moved) in before.iter_mut().zip(&moved) {
        *hu += 0.5 * moved;
    }
    coarse.add(before, &integrals);
}

/// Whether a view is taken after the movement.
pub(super) fn is_after(view: usize, views: usize) -> bool {
    2 * view >= views
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    const SIDE: usize = 160;

    fn grid() -> Grid {
        let affine =
            Affine::from_steps([1.2, 0.0, 0.0], [0.0, 1.2, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
        Grid::from_affine([1, SIDE, SIDE], &affine).unwrap()
    }

    /// A ring of bone around water, moved to the right by so many pixels.
    fn head(by: f32) -> Vec<f32> {
        let middle = 0.5 * (SIDE - 1) as f32;
        (0..SIDE * SIDE)
            .map(|i| {
                let (x, y) = ((i % SIDE) as f32 - middle - by, (i / SIDE) as f32 - middle);
                match x.hypot(y) {
                    r if r < 55.0 => 30.0,
                    r if r < 60.0 => 1000.0,
                    _ => -1000.0,
                }
            })
            .collect()
    }

    #[test]
    fn a_head_that_does_not_move_is_not_changed() {
        let mut plane = head(0.0);

        mix(&mut plane, &head(0.0), &grid());

        assert_eq!(plane, head(0.0));
    }

    #[test]
    fn a_head_that_moves_has_double_contours_and_streaks_and_no_other_mean() {
        let (before, after) = (head(0.0), head(4.0));
        let mut plane = before.clone();

        mix(&mut plane, &after, &grid());

        // Outside the old skull and inside the new one, and the other way about.
        let row = SIDE / 2 * SIDE;
        for x in [SIDE / 2 + 61, SIDE / 2 - 60] {
            let half = 0.5 * (before[row + x] + after[row + x]);
            assert!((plane[row + x] - half).abs() < 250.0, "{x}: {} and {half}", plane[row + x]);
        }
        let within = |i: &usize| before[*i] == 30.0 && after[*i] == 30.0;
        let error = |i: usize| f64::from(plane[i] - 30.0);
        let inner: Vec<f64> = (0..SIDE * SIDE).filter(within).map(error).collect();
        let mean = inner.iter().sum::<f64>() / inner.len() as f64;
        let largest = inner.iter().map(|v| v.abs()).fold(0.0, f64::max);
        assert!(mean.abs() < 5.0, "streaks go both ways: {mean}");
        assert!(largest > 15.0, "and are there: {largest}");
    }
}
