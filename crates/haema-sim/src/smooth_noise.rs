//! Smooth random fields.

use rand::{Rng as _, RngCore};

/// A random field with mean 0 and values of about ±1, smooth over a chosen length.
///
/// Random values on a cubic lattice, trilinear between them with eased weights.
#[derive(Debug, Clone)]
pub(crate) struct SmoothNoise {
    values: Vec<f32>,
    offset: [f32; 3],
    pitch_mm: f32,
}

/// Points of the lattice along each axis; it repeats beyond.
const LATTICE: usize = 16;

impl SmoothNoise {
    pub(crate) fn new(pitch_mm: f32, rng: &mut impl RngCore) -> Self {
        let values = (0..LATTICE.pow(3)).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
        let offset = std::array::from_fn(|_| rng.random::<f32>() * LATTICE as f32);
        Self { values, offset, pitch_mm }
    }

    pub(crate) fn at(&self, point_mm: [f32; 3]) -> f32 {
        let mut corner = [0_usize; 3];
        let mut share = [0.0_f32; 3];
        for axis in 0..3 {
            let place =
                (point_mm[axis] / self.pitch_mm + self.offset[axis]).rem_euclid(LATTICE as f32);
            corner[axis] = place as usize % LATTICE;
            let t = place.fract();
            share[axis] = t * t * (3.0 - 2.0 * t);
        }
        let mut sum = 0.0;
        for bits in 0..8_usize {
            let mut weight = 1.0;
            let mut index = 0;
            for axis in 0..3 {
                let step = bits >> axis & 1;
                weight *= if step == 1 { share[axis] } else { 1.0 - share[axis] };
                index = index * LATTICE + (corner[axis] + step) % LATTICE;
            }
            sum += weight * self.values[index];
        }
        sum
    }
}
