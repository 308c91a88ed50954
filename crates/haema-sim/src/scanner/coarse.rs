//! Errors of a slice that are broad, worked out on few pixels and few rays.

use haema_volume::Grid;

use super::fan::Fan;

/// Attenuation of water at the mean energy of a 120 kV beam, per mm.
pub(super) const WATER_PER_MM: f32 = 0.0193;

/// A fan of rays around a coarse image of a slice.
pub(super) struct Coarse {
    pub(super) fan: Fan,
    rows: usize,
    columns: usize,
}

impl Coarse {
    /// * `side` — pixels along a side of the coarse image.
    pub(super) fn new(grid: &Grid, side: usize) -> Self {
        let [_, rows, columns] = grid.size();
        let pixel_mm = grid.spacing_mm()[2] as f32 * columns as f32 / side as f32;
        let fan = Fan { side, pixel_mm, views: 15 * side / 16, channels: 39 * side / 32 };
        Self { fan, rows, columns }
    }

    /// Line integrals of what each pixel takes from a beam, times mm.
    pub(super) fn project(&self, plane: &[f32], per_mm: impl Fn(f32) -> f32) -> Vec<f32> {
        let side = self.fan.side;
        let mut image = vec![[0.0]; side * side];
        let per_cell = (side * side) as f32 / (self.rows * self.columns) as f32;
        for (y, row) in plane.chunks_exact(self.columns).enumerate() {
            let cells = &mut image[y * side / self.rows * side..][..side];
            for (x, hu) in row.iter().enumerate() {
                cells[x * side / self.columns][0] += per_cell * per_mm(*hu);
            }
        }
        self.fan.project(&image).into_iter().map(|[integral]| integral).collect()
    }

    /// Adds what an error of line integrals makes of the picture.
    pub(super) fn add(&self, plane: &mut [f32], integrals: &[f32]) {
        let side = self.fan.side;
        let error = self.fan.reconstruct(integrals, 0.8);
        let hu_per_unit = 1000.0 / WATER_PER_MM;
        let place = |at: usize, count: usize| {
            let place = ((at as f32 + 0.5) * side as f32 / count as f32 - 0.5).max(0.0);
            let cell = (place as usize).min(side - 2);
            (cell, (place - cell as f32).min(1.0))
        };
        let xs: Vec<(usize, f32)> = (0..self.columns).map(|x| place(x, self.columns)).collect();
        for (y, row) in plane.chunks_exact_mut(self.columns).enumerate() {
            let (cell_y, v) = place(y, self.rows);
            for (voxel, &(cell_x, u)) in row.iter_mut().zip(&xs) {
                let at = cell_y * side + cell_x;
                let upper = error[at] + u * (error[at + 1] - error[at]);
                let lower = error[at + side] + u * (error[at + side + 1] - error[at + side]);
                *voxel += hu_per_unit * (upper + v * (lower - upper));
            }
        }
    }
}
