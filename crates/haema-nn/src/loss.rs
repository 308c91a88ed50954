//! What training minimises, and its gradient.

use serde::{Deserialize, Serialize};

use crate::logistic::{sigmoid, softplus};

/// A loss over one volume, from logits and a target in 0..=1 (1: bleed), which may be soft.
///
/// # Source
///
/// methods.md A.5. `p = σ(logit)`; sums run in `f64`; `s` = 1e-5.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// `−(D1 + D0) / 2`, the mean Dice of bleed and background: the paper's.
    Dice,
    /// `−D1`, Dice of the bleed alone: what the paper's code family does with one output channel.
    DiceForeground,
    /// The formula as it is printed in the paper, whose denominator weighs by `|g|`: kept for the
    /// record, for it does not punish over-segmentation.
    DiceLiteral,
    /// `(1 − D1) + weight · mean binary cross-entropy`.
    DiceCe {
        /// Weight of the cross-entropy.
        weight: f32,
    },
    /// `1 − TP / (TP + α FP + β FN)`. Source: Salehi et al. 2017.
    Tversky {
        /// Cost of a false positive.
        alpha: f32,
        /// Cost of a false negative.
        beta: f32,
    },
}

/// Smoothing of the Dice quotient.
const SMOOTH: f64 = 1e-5;

/// What a loss says of one volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossValue {
    /// The loss.
    pub loss: f64,
    /// `Σp`, for the collapse detector.
    pub sum_probability: f64,
    /// Soft Dice of the bleed, `2Σgp / (Σg + Σp)`; `None` where the target is empty.
    pub soft_dice: Option<f64>,
}

/// What is summed over all voxels.
struct Sums {
    g: f64,
    p: f64,
    gp: f64,
    n: f64,
    cross_entropy: f64,
}

/// Voxels whose sums run side by side.
const LANES: usize = 16;

impl Sums {
    /// Over all voxels, and the probability of each in `p`.
    fn of(logits: &[f32], target: &[f32], p: &mut [f32]) -> Self {
        let mut lanes = [[0.0; LANES]; 4];
        let (runs, rest) = logits.as_chunks::<LANES>();
        let (target_runs, target_rest) = target.as_chunks::<LANES>();
        let (p_runs, p_rest) = p.as_chunks_mut::<LANES>();
        for ((logits, target), p) in runs.iter().zip(target_runs).zip(p_runs) {
            add_run(&mut lanes, logits, target, p);
        }
        // The last run is filled up; only its own lanes are added.
        let mut last = [[0.0; LANES]; 3];
        last[0][..rest.len()].copy_from_slice(rest);
        last[1][..rest.len()].copy_from_slice(target_rest);
        let mut of_last = [[0.0; LANES]; 4];
        let [logits, target, p] = &mut last;
        add_run(&mut of_last, logits, target, p);
        p_rest.copy_from_slice(&last[2][..p_rest.len()]);
        for (lanes, of_last) in lanes.iter_mut().zip(&of_last) {
            for (sum, value) in lanes.iter_mut().zip(&of_last[..rest.len()]) {
                *sum += value;
            }
        }
        let [g, p, gp, cross_entropy] = lanes.map(|lanes| lanes.iter().sum());
        Self { g, p, gp, n: (LANES * runs.len() + rest.len()) as f64, cross_entropy }
    }
}

/// Adds `g`, `p`, `g·p` and cross-entropy of sixteen voxels, each in its lane.
#[inline]
fn add_run(
    sums: &mut [[f64; LANES]; 4],
    logits: &[f32; LANES],
    target: &[f32; LANES],
    p: &mut [f32; LANES],
) {
    let mut cross_entropy = [0.0; LANES];
    for lane in 0..LANES {
        p[lane] = sigmoid(logits[lane]);
        cross_entropy[lane] = softplus(logits[lane]);
    }
    for lane in 0..LANES {
        let (logit, g, p) = (f64::from(logits[lane]), f64::from(target[lane]), f64::from(p[lane]));
        sums[0][lane] += g;
        sums[1][lane] += p;
        sums[2][lane] += g * p;
        sums[3][lane] += f64::from(cross_entropy[lane]) - g * logit;
    }
}

impl Loss {
    /// The loss and, in `grad`, its derivative by each logit.
    ///
    /// # Panics
    ///
    /// Where lengths differ.
    pub fn value_and_grad(self, logits: &[f32], target: &[f32], grad: &mut [f32]) -> LossValue {
        assert_eq!(logits.len(), target.len(), "loss: lengths differ");
        assert_eq!(logits.len(), grad.len(), "loss: lengths differ");
        let sums = Sums::of(logits, target, grad);
        let (loss, by_p) = self.in_sums(&sums);
        let (ce_weight, ce) = match self {
            Self::DiceCe { weight } => (f64::from(weight) / sums.n, sums.cross_entropy / sums.n),
            _ => (0.0, 0.0),
        };
        for (p, &g) in grad.iter_mut().zip(target) {
            let (prob, g) = (f64::from(*p), f64::from(g));
            // dL/dp is affine in g for every loss here.
            let by_p = by_p[0] + by_p[1] * g;
            *p = (by_p * prob * (1.0 - prob) + ce_weight * (prob - g)) as f32;
        }
        let soft_dice = (sums.g > 0.0).then(|| 2.0 * sums.gp / (sums.g + sums.p));
        let loss = loss + ce_weight * sums.n * ce;
        LossValue { loss, sum_probability: sums.p, soft_dice }
    }

    /// The loss without cross-entropy, and `[c0, c1]` with `dL/dp = c0 + c1 · g`.
    fn in_sums(self, sums: &Sums) -> (f64, [f64; 2]) {
        let Sums { g, p, gp, n, .. } = *sums;
        let dice = |overlap: f64, total: f64| {
            let (top, bottom) = (overlap + SMOOTH / 2.0, total + SMOOTH);
            // Value, slope by the overlap, slope by the total.
            [2.0 * top / bottom, 2.0 / bottom, -2.0 * top / (bottom * bottom)]
        };
        let [d1, d1_overlap, d1_total] = dice(gp, g + p);
        match self {
            Self::Dice => {
                // Σ(1−g)(1−p) = n − Σg − Σp + Σgp.
                let [d0, d0_overlap, d0_total] = dice(n - g - p + gp, 2.0 * n - g - p);
                let c1 = d1_overlap + d0_overlap;
                let c0 = d1_total - d0_overlap - d0_total;
                (-(d1 + d0) / 2.0, [-c0 / 2.0, -c1 / 2.0])
            }
            Self::DiceForeground => (-d1, [-d1_total, -d1_overlap]),
            Self::DiceLiteral => {
                // Σ|g|(g+p) counts g and p inside the class only; for soft targets g² is taken as g.
                let q = n - g - p + gp;
                let [v1, v1_overlap, v1_total] = dice(gp, g + gp);
                let [v0, v0_overlap, v0_total] = dice(q, n - g + q);
                let (slope1, slope0) = (v1_overlap + v1_total, v0_overlap + v0_total);
                (-(v1 + v0) / 2.0, [slope0 / 2.0, -(slope1 + slope0) / 2.0])
            }
            Self::DiceCe { .. } => (1.0 - d1, [-d1_total, -d1_overlap]),
            Self::Tversky { alpha, beta } => {
                let (a, b) = (f64::from(alpha), f64::from(beta));
                // TP + α(Σp − TP) + β(Σg − TP).
                let top = gp + SMOOTH / 2.0;
                let bottom = gp * (1.0 - a - b) + a * p + b * g + SMOOTH / 2.0;
                let c1 = 1.0 / bottom - top * (1.0 - a - b) / (bottom * bottom);
                let c0 = -top * a / (bottom * bottom);
                (1.0 - top / bottom, [-c0, -c1])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The toy table of methods.md A.5: 10,000 voxels, 100 of them bleed.
    #[test]
    fn the_toy_table_comes_back() {
        let target: Vec<f32> = (0..10_000).map(|i| f32::from(i < 100)).collect();
        let loss_of = |p: &dyn Fn(usize) -> f32| {
            let logits: Vec<f32> = (0..10_000)
                .map(|i| {
                    let p = p(i).clamp(1e-12, 1.0 - 1e-7);
                    (p / (1.0 - p)).ln()
                })
                .collect();
            Loss::Dice.value_and_grad(&logits, &target, &mut vec![0.0; 10_000]).loss
        };
        let near =
            |found: f64, wanted: f64| assert!((found - wanted).abs() < 2e-4, "{found} {wanted}");

        near(loss_of(&|i| f32::from(i < 100)), -1.0);
        near(loss_of(&|_| 0.0), -0.4975);
        near(loss_of(&|_| 1.0), -0.0099);
        near(loss_of(&|_| 0.5), -0.3420);
        near(loss_of(&|i| f32::from(i < 200)), -0.8308);
        near(loss_of(&|i| f32::from(i < 50)), -0.8321);
    }

    #[test]
    fn every_gradient_is_the_derivative() {
        let losses = [
            Loss::Dice,
            Loss::DiceForeground,
            Loss::DiceLiteral,
            Loss::DiceCe { weight: 0.7 },
            Loss::Tversky { alpha: 0.3, beta: 0.7 },
        ];
        let logits: Vec<f32> = (0..40).map(|i| ((i * 37 % 23) as f32 - 11.0) / 4.0).collect();
        let target: Vec<f32> = (0..40).map(|i| (i % 5) as f32 / 4.0).collect();
        for loss in losses {
            let mut grad = vec![0.0; 40];
            loss.value_and_grad(&logits, &target, &mut grad);
            for i in 0..40 {
                let at = |step: f32| {
                    let mut moved = logits.clone();
                    moved[i] += step;
                    loss.value_and_grad(&moved, &target, &mut [0.0; 40]).loss
                };
                let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!(
                    (slope - f64::from(grad[i])).abs() < 1e-5,
                    "{loss:?} {i}: {slope} {}",
                    grad[i]
                );
            }
        }
    }

    #[test]
    fn an_empty_target_has_no_dice() {
        let value = Loss::Dice.value_and_grad(&[-9.0; 8], &[0.0; 8], &mut [0.0; 8]);

        assert_eq!(value.soft_dice, None);
    }
}
