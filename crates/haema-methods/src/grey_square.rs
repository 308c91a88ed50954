//! Closing and opening of probabilities by squares, slice by slice.
//!
//! A threshold of what comes out is what closing and opening the thresholded mask would give.

use std::num::NonZeroUsize;

use haema_volume::parallel;
use serde::{Deserialize, Serialize};

/// A square of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Square {
    /// Its side, 1 or more.
    pub side: usize,
}

/// Closes by the first square, then opens by the second.
pub(crate) fn close_then_open(
    [_, rows, columns]: [usize; 3],
    probability: &mut [f32],
    [closing, opening]: [Square; 2],
    threads: NonZeroUsize,
) {
    if rows * columns == 0 {
        return;
    }
    parallel::map(probability.chunks_exact_mut(rows * columns), threads, |_, plane| {
        if plane.iter().all(|&value| value == 0.0) {
            return;
        }
        // Room around the plane, so that what grows beyond it shrinks back.
        let room = closing.side + opening.side;
        let wide = [rows + 2 * room, columns + 2 * room];
        let mut padded = vec![0.0; wide[0] * wide[1]];
        let own = |y: usize| (y + room) * wide[1] + room..(y + room) * wide[1] + room + columns;
        for (y, row) in plane.chunks_exact(columns).enumerate() {
            padded[own(y)].copy_from_slice(row);
        }
        let mut pass = |square: Square, side: Side, pick: fn(f32, f32) -> f32| {
            reach(&mut padded, wide, side.reach(square), pick);
        };
        pass(closing, Side::Plain, f32::max);
        pass(closing, Side::Mirrored, f32::min);
        pass(opening, Side::Plain, f32::min);
        pass(opening, Side::Mirrored, f32::max);
        for (y, row) in plane.chunks_exact_mut(columns).enumerate() {
            row.copy_from_slice(&padded[own(y)]);
        }
    });
}

/// A square of an even side has its middle on one side: the second pass mirrors it.
#[derive(Clone, Copy)]
enum Side {
    Plain,
    Mirrored,
}

impl Side {
    /// Pixels before and after.
    fn reach(self, Square { side }: Square) -> [usize; 2] {
        let (more, less) = (side / 2, side.saturating_sub(1) / 2);
        match self {
            Self::Plain => [more, less],
            Self::Mirrored => [less, more],
        }
    }
}

/// The largest, or smallest, within reach along rows, then columns.
fn reach(
    plane: &mut [f32],
    [rows, columns]: [usize; 2],
    [before, after]: [usize; 2],
    pick: fn(f32, f32) -> f32,
) {
    let best = |line: &[f32], i: usize| {
        let from = i.saturating_sub(before);
        let to = (i + after + 1).min(line.len());
        line[from..to].iter().copied().fold(line[i], pick)
    };
    for row in plane.chunks_exact_mut(columns) {
        let line = row.to_vec();
        row.iter_mut().enumerate().for_each(|(x, value)| *value = best(&line, x));
    }
    let mut line = vec![0.0; rows];
    for x in 0..columns {
        line.iter_mut().enumerate().for_each(|(y, value)| *value = plane[y * columns + x]);
        for y in 0..rows {
            plane[y * columns + x] = best(&line, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mut plane: Vec<f32>, sides: [usize; 2]) -> Vec<f32> {
        let squares = sides.map(|side| Square { side });
        close_then_open([1, 7, 9], &mut plane, squares, NonZeroUsize::MIN);
        plane
    }

    #[test]
    fn small_holes_are_filled_and_small_spots_removed() {
        let block = |y: usize, x: usize| (1..6).contains(&y) && (1..6).contains(&x);
        let whole: Vec<f32> = (0..63).map(|i| f32::from(u8::from(block(i / 9, i % 9)))).collect();
        let mut plane = whole.clone();
        plane[3 * 9 + 3] = 0.0;
        plane[8] = 0.9;

        assert_eq!(after(plane, [2, 3]), whole);
    }

    #[test]
    fn a_square_of_one_changes_nothing() {
        let plane: Vec<f32> = (0..63).map(|i| (i % 10) as f32 / 10.0).collect();

        assert_eq!(after(plane.clone(), [1, 1]), plane);
    }

    #[test]
    fn thresholds_and_squares_can_change_places() {
        let plane: Vec<f32> = (0..63).map(|i| ((i * 37) % 63) as f32 / 63.0).collect();
        let binary = |plane: Vec<f32>| -> Vec<f32> {
            plane.into_iter().map(|p| f32::from(u8::from(p > 0.5))).collect()
        };

        assert_eq!(binary(after(plane.clone(), [4, 3])), after(binary(plane), [4, 3]));
    }
}
