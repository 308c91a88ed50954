//! What bone and metal do to the beam: dark bands and streaks between them.

use haema_volume::Grid;

use super::coarse::{Coarse, WATER_PER_MM};

/// Pixels of the coarse image on which bands are worked out: they are broad.
const SIDE: usize = 128;
/// Denser than this is bone or metal.
const DENSE_HU: f32 = 250.0;

/// Adds the error of a beam that was corrected for water alone: its rays lose less in bone than the
/// correction has it, by a share of the square of what they lose there.
pub(super) fn harden(plane: &mut [f32], grid: &Grid, strength: f32) {
    if strength <= 0.0 {
        return;
    }
    let coarse = Coarse::new(grid, SIDE);
    let dense = |hu: f32| if hu > DENSE_HU { WATER_PER_MM * hu / 1000.0 } else { 0.0 };
    let mut integrals = coarse.project(plane, dense);
    for integral in &mut integrals {
        *integral = -strength * integral.powi(2);
    }
    coarse.add(plane, &integrals);
}
