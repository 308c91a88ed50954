//! Smooth randomness in space, and the noise of a scanner.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use haema_volume::{Vec3, Volume};

/// Smooth noise with features of about one unit.
///
/// # Source
///
/// Gradient noise: K. Perlin, "Improving noise", _ACM Transactions on Graphics_ 21:681–682, 2002, with
/// gradients to the corners of a cube, looked up in axes turned against the patient's, so that the
/// lattice does not show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texture {
    seed: u64,
}

/// A turn about an axis that is not the patient's: rows are at right angles, of length 1.
const TURN: [Vec3; 3] = [
    [2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0],
    [2.0 / 3.0, 2.0 / 3.0, -1.0 / 3.0],
    [-1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0],
];

impl Texture {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// About −1 to 1, 0 on average, at a point in units of the feature size.
    pub(super) fn at(self, point: Vec3) -> f64 {
        let along = |row: &Vec3| row[0] * point[0] + row[1] * point[1] + row[2] * point[2];
        let turned = [along(&TURN[0]), along(&TURN[1]), along(&TURN[2])];
        let cell = turned.map(f64::floor);
        let within: Vec3 = std::array::from_fn(|i| turned[i] - cell[i]);
        // Two's complement: negative cells are as good as any.
        let cell = cell.map(|v| v as i64 as u64);
        let fade = within.map(|t| t * t * t * (t * (t * 6.0 - 15.0) + 10.0));
        let mut sum = 0.0;
        for (z, z_weight) in [1.0 - fade[2], fade[2]].into_iter().enumerate() {
            let plane = mix(self.seed ^ cell[2].wrapping_add(z as u64));
            for (y, y_weight) in [1.0 - fade[1], fade[1]].into_iter().enumerate() {
                let row = mix(plane ^ cell[1].wrapping_add(y as u64));
                for (x, x_weight) in [1.0 - fade[0], fade[0]].into_iter().enumerate() {
                    let key = mix(row ^ cell[0].wrapping_add(x as u64));
                    let offset = [within[0] - x as f64, within[1] - y as f64, within[2] - z as f64];
                    sum += x_weight * y_weight * z_weight * along_gradient(key, offset);
                }
            }
        }
        sum
    }
}

/// The offset along one of the eight diagonals.
fn along_gradient(key: u64, [x, y, z]: Vec3) -> f64 {
    let sign = |bit: u32, v: f64| if (key >> bit) & 1 == 0 { v } else { -v };
    sign(60, x) + sign(61, y) + sign(62, z)
}

/// The finaliser of `SplitMix64`: every bit of the key changes half the bits of the result.
fn mix(key: u64) -> u64 {
    let z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Adds noise of this standard deviation, a little blurred in the plane as reconstruction leaves it.
pub(super) fn add_scanner_noise(hu: &mut Volume<f32>, sigma_hu: f32, seed: u64) {
    let [depth, rows, columns] = hu.size();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = vec![0.0; rows * columns];
    for z in 0..depth {
        noise.fill_with(|| bell(&mut random));
        blur_plane(&mut noise, columns, &GRAIN);
        let gain = sigma_hu / GRAIN.iter().map(|w| w * w).sum::<f32>();
        hu.plane_mut(z).iter_mut().zip(&noise).for_each(|(voxel, add)| *voxel += gain * add);
    }
}

/// Kernel of the noise grain: about two pixels wide, as on a soft-tissue kernel.
const GRAIN: [f32; 3] = [0.25, 0.5, 0.25];

/// Nearly normal, variance 1: eight bytes added up (Irwin–Hall), none further out than 4.9.
pub(crate) fn bell(random: &mut ChaCha8Rng) -> f32 {
    let bytes: [u8; 8] = random.random();
    let sum: f32 = bytes.iter().map(|&byte| f32::from(byte)).sum();
    // Each byte has mean 127.5 and variance (256² − 1)/12.
    (sum - 8.0 * 127.5) / (8.0_f32 * 65_535.0 / 12.0).sqrt()
}

/// Blurs a plane, `[y, x]`, by a kernel along both axes, the border repeated.
pub(crate) fn blur_plane(plane: &mut [f32], columns: usize, kernel: &[f32]) {
    let rows = plane.len() / columns;
    let half = kernel.len() / 2;
    let source = |at: usize, tap: usize, len: usize| (at + tap).saturating_sub(half).min(len - 1);
    let mut line = vec![0.0; columns];
    for row in plane.chunks_exact_mut(columns) {
        line.copy_from_slice(row);
        for (x, voxel) in row.iter_mut().enumerate() {
            let taps = kernel.iter().enumerate();
            *voxel = taps.map(|(tap, weight)| weight * line[source(x, tap, columns)]).sum();
        }
    }
    let copy = plane.to_vec();
    for y in 0..rows {
        let row = &mut plane[y * columns..(y + 1) * columns];
        row.fill(0.0);
        for (tap, weight) in kernel.iter().enumerate() {
            let from = source(y, tap, rows) * columns;
            let other = &copy[from..from + columns];
            row.iter_mut().zip(other).for_each(|(voxel, value)| *voxel += weight * value);
        }
    }
}
