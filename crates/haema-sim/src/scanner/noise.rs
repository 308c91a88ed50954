//! Noise as reconstruction leaves it: grainy, and stronger where less light comes through.

use haema_volume::Grid;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::Protocol;
use crate::head::bell;

/// Adds the noise of a slice. Each slice has a source of its own, so that slices can be made in any
/// order.
pub(super) fn add(plane: &mut [f32], grid: &Grid, protocol: &Protocol, z: usize) {
    if protocol.noise_hu <= 0.0 {
        return;
    }
    let [_, rows, columns] = grid.size();
    let mut random = ChaCha8Rng::seed_from_u64(protocol.noise_seed);
    random.set_stream(z as u64 + 1);
    let mut noise = vec![0.0; plane.len()];
    noise.fill_with(|| bell(&mut random));
    let [_, _, pixel_mm] = grid.spacing_mm();
    let gain = grain(&mut noise, columns, protocol.grain_mm / pixel_mm as f32);
    let thin = (protocol.slice_mm / grid.slice_thickness_mm(z)).sqrt() as f32;
    let dense = plane.iter().filter(|hu| **hu > 300.0).count() as f32;
    let solid = plane.iter().filter(|hu| **hu > -300.0).count().max(1) as f32;
    let sigma_hu = protocol.noise_hu * thin * (0.8 + 0.9 * dense / solid);
    for (y, (row, noise)) in
        plane.chunks_exact_mut(columns).zip(noise.chunks_exact(columns)).enumerate()
    {
        let from_y = (y as f32 - 0.5 * rows as f32) * pixel_mm as f32;
        for (x, (voxel, noise)) in row.iter_mut().zip(noise).enumerate() {
            let from_x = (x as f32 - 0.5 * columns as f32) * pixel_mm as f32;
            let from_middle = (from_x * from_x + from_y * from_y) / (80.0 * 80.0);
            let local = 0.78 + 0.34 / (1.0 + from_middle * from_middle);
            *voxel += sigma_hu * local * gain * noise;
        }
    }
}

/// Blurs white noise to a grain of this width, and adds a broader one, as soft kernels and averaged slices
/// leave it. Returns the factor that brings its standard deviation back to 1.
fn grain(noise: &mut [f32], columns: usize, sigma_pixels: f32) -> f32 {
    let kernel = super::protocol::bell_kernel(sigma_pixels);
    crate::head::blur_plane(noise, columns, &kernel);
    let mut broad = noise.to_vec();
    let wide = super::protocol::bell_kernel(2.2 * sigma_pixels + 0.3);
    crate::head::blur_plane(&mut broad, columns, &wide);
    for (noise, broad) in noise.iter_mut().zip(&broad) {
        *noise += BROAD_PART * broad;
    }
    let square: f64 = noise.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    (noise.len() as f64 / square.max(f64::MIN_POSITIVE)).sqrt() as f32
}

/// How much of the broad grain there is: fitted to the autocorrelation of CT-ICH (docs/simulator).
const BROAD_PART: f32 = 0.6;
