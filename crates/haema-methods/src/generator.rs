//! Numbers that the recipes of goldens make again in their own language.

use haema_nn::{NetSpec, Parameters};

/// Numerical Recipes' linear congruential generator, as numbers in −1..1.
pub(crate) fn numbers(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// Parameters of a network from the generator, of sizes that keep activations near 1.
pub(crate) fn generated(spec: &NetSpec) -> Parameters {
    let mut params = Parameters::zeros(spec);
    for (seed, info) in params.infos().to_vec().into_iter().enumerate() {
        let fan_in: usize = info.shape.iter().skip(1).product();
        let values = numbers(seed as u32 + 1, info.len());
        for (value, number) in params.get_mut(&info.name).iter_mut().zip(values) {
            let number = f64::from(number);
            *value = if info.name.ends_with("conv.weight") {
                (number * (6.0 / fan_in as f64).sqrt()) as f32
            } else if info.name.ends_with("gamma") || info.name.ends_with("variance") {
                (1.0 + 0.1 * number) as f32
            } else {
                (0.1 * number) as f32
            };
        }
    }
    params
}

/// A gradient, or another array, in a few numbers.
#[derive(serde::Deserialize)]
pub(crate) struct Expected {
    first: Vec<f64>,
    pub(crate) norm: f64,
    /// Scalar product with the generator's numbers.
    projection: f64,
}

impl Expected {
    /// Holds an array to this, to a share of its norm.
    pub(crate) fn check(&self, name: &str, found: &[f32], share: f64) {
        let tolerance = share * self.norm;
        let norm = found.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let along = numbers(77, found.len());
        let projection: f64 =
            found.iter().zip(&along).map(|(&g, &v)| f64::from(g) * f64::from(v)).sum();
        assert!((norm - self.norm).abs() < tolerance, "{name}: {norm} {}", self.norm);
        let error = (projection - self.projection).abs();
        assert!(error < tolerance, "{name}: {projection} {}", self.projection);
        for (found, wanted) in found.iter().zip(&self.first) {
            assert!((f64::from(*found) - wanted).abs() < tolerance, "{name}: {found} {wanted}");
        }
    }
}
