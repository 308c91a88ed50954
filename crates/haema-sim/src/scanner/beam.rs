//! What bone and metal do to the beam: dark bands and streaks between them.

use haema_volume::Grid;

use super::fan::Fan;

/// Pixels of the coarse image on which bands are worked out: they are broad.
const SIDE: usize = 128;
/// Attenuation of water at the mean energy of a 120 kV beam, per mm.
pub(super) const WATER_PER_MM: f32 = 0.0193;
/// Denser than this is bone or metal.
const DENSE_HU: f32 = 250.0;

/// Adds the error of a beam that was corrected for water alone: its rays lose less in bone than the
/// correction has it, by a share of the square of what they lose there.
pub(super) fn harden(plane: &mut [f32], grid: &Grid, strength: f32) {
    if strength <= 0.0 {
        return;
    }
    let [_, rows, columns] = grid.size();
    let pixel_mm = grid.spacing_mm()[2] as f32 * columns as f32 / SIDE as f32;
    let fan = Fan { side: SIDE, pixel_mm, views: 120, channels: 156 };
    let mut dense = vec![[0.0]; SIDE * SIDE];
    let per_cell = (SIDE * SIDE) as f32 / (rows * columns) as f32;
    for (y, row) in plane.chunks_exact(columns).enumerate() {
        let cells = &mut dense[y * SIDE / rows * SIDE..][..SIDE];
        for (x, hu) in row.iter().enumerate() {
            if *hu > DENSE_HU {
                cells[x * SIDE / columns][0] += per_cell * WATER_PER_MM * hu / 1000.0;
            }
        }
    }
    let error_of = |[integral]: [f32; 1]| -strength * integral.powi(2);
    let integrals: Vec<f32> = fan.project(&dense).into_iter().map(error_of).collect();
    let error = fan.reconstruct(&integrals, 0.8);
    let hu_per_unit = 1000.0 / WATER_PER_MM;
    let place = |at: usize, count: usize| {
        let place = ((at as f32 + 0.5) * SIDE as f32 / count as f32 - 0.5).max(0.0);
        let cell = (place as usize).min(SIDE - 2);
        (cell, (place - cell as f32).min(1.0))
    };
    let xs: Vec<(usize, f32)> = (0..columns).map(|x| place(x, columns)).collect();
    for (y, row) in plane.chunks_exact_mut(columns).enumerate() {
        let (cell_y, v) = place(y, rows);
        for (voxel, &(cell_x, u)) in row.iter_mut().zip(&xs) {
            let at = cell_y * SIDE + cell_x;
            let upper = error[at] + u * (error[at + 1] - error[at]);
            let lower = error[at + SIDE] + u * (error[at + SIDE + 1] - error[at + SIDE]);
            *voxel += hu_per_unit * (upper + v * (lower - upper));
        }
    }
}
