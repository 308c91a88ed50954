//! Logistic regression on the same predictors.

use serde::{Deserialize, Serialize};

use super::predictors::{PREDICTORS, Row};

/// Weights of standardised predictors, and the constant last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Logistic {
    means: Vec<f64>,
    sds: Vec<f64>,
    weights: Vec<f64>,
}

/// Steps of Newton's method at most; it is done in some ten.
const STEPS: usize = 50;
/// Done where no weight moves further.
const STILL: f64 = 1e-10;
/// So little pull to 0 that it shows in no digit, and a separable sample has an end.
const RIDGE: f64 = 1e-6;
const SIZE: usize = PREDICTORS + 1;

impl Logistic {
    /// Fits by iteratively reweighted least squares.
    pub(super) fn fit(rows: &[Row], is_bleed: &[bool]) -> Self {
        let count = rows.len().max(1) as f64;
        let mean = |i: usize| rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / count;
        let means: Vec<f64> = (0..PREDICTORS).map(mean).collect();
        let sd = |i: usize| {
            let square = |row: &Row| (f64::from(row[i]) - means[i]).powi(2);
            let sd = (rows.iter().map(square).sum::<f64>() / count).sqrt();
            if sd > 0.0 { sd } else { 1.0 }
        };
        let sds: Vec<f64> = (0..PREDICTORS).map(sd).collect();
        let mut found = Self { means, sds, weights: vec![0.0; SIZE] };
        for _ in 0..STEPS {
            let step = found.newton(rows, is_bleed);
            let furthest = step.iter().fold(0.0, |most: f64, by| most.max(by.abs()));
            found.weights.iter_mut().zip(&step).for_each(|(weight, by)| *weight += by);
            if furthest < STILL {
                break;
            }
        }
        found
    }

    fn standard(&self, row: &Row) -> [f64; SIZE] {
        std::array::from_fn(|i| {
            if i == PREDICTORS { 1.0 } else { (f64::from(row[i]) - self.means[i]) / self.sds[i] }
        })
    }

    fn chance(&self, x: &[f64; SIZE]) -> f64 {
        let sum: f64 = x.iter().zip(&self.weights).map(|(x, weight)| x * weight).sum();
        1.0 / (1.0 + (-sum).exp())
    }

    /// The probability of a row.
    pub(super) fn probability(&self, row: &Row) -> f32 {
        self.chance(&self.standard(row)) as f32
    }

    fn newton(&self, rows: &[Row], is_bleed: &[bool]) -> Vec<f64> {
        let mut curvature = [[0.0; SIZE]; SIZE];
        let mut slope = [0.0; SIZE];
        for (row, &is) in rows.iter().zip(is_bleed) {
            let x = self.standard(row);
            let p = self.chance(&x);
            let (rest, weight) = (f64::from(u8::from(is)) - p, p * (1.0 - p));
            for i in 0..SIZE {
                slope[i] += rest * x[i];
                for j in 0..=i {
                    curvature[i][j] += weight * x[i] * x[j];
                }
            }
        }
        for i in 0..SIZE {
            curvature[i][i] += RIDGE;
            slope[i] -= RIDGE * self.weights[i];
        }
        cholesky(&curvature, slope).to_vec()
    }

    /// Whether a file's weights are whole.
    pub(super) fn is_sound(&self) -> bool {
        let lengths = [self.means.len(), self.sds.len(), self.weights.len()];
        let all = || self.means.iter().chain(&self.sds).chain(&self.weights);
        lengths == [PREDICTORS, PREDICTORS, SIZE]
            && all().all(|value| value.is_finite())
            && self.sds.iter().all(|&sd| sd > 0.0)
    }
}

/// Solves with a symmetric matrix whose lower half is given.
fn cholesky(matrix: &[[f64; SIZE]; SIZE], mut b: [f64; SIZE]) -> [f64; SIZE] {
    let mut lower = *matrix;
    for i in 0..SIZE {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest = matrix[i][j] - sum;
            lower[i][j] = if i == j { rest.max(RIDGE * RIDGE).sqrt() } else { rest / lower[j][j] };
        }
    }
    for i in 0..SIZE {
        let sum: f64 = (0..i).map(|k| lower[i][k] * b[k]).sum();
        b[i] = (b[i] - sum) / lower[i][i];
    }
    for i in (0..SIZE).rev() {
        let sum: f64 = (i + 1..SIZE).map(|k| lower[k][i] * b[k]).sum();
        b[i] = (b[i] - sum) / lower[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9, `LogisticRegression(C=inf)`, on the rows of the test.
    #[test]
    fn weights_are_those_of_another_program() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../testdata/pitchperfect/logistic.json"))
                .unwrap();
        let row = |i: usize| -> Row {
            std::array::from_fn(|j| ((i * (j + 3) * 7919 + j * j * 31) % 1009) as f32 / 1009.0)
        };
        let rows: Vec<Row> = (0..600).map(row).collect();
        let is_bleed: Vec<bool> = rows
            .iter()
            .enumerate()
            .map(|(i, row)| row[2] + 0.5 * row[5] + ((i * 37) % 11) as f32 / 11.0 > 1.2)
            .collect();

        let found = Logistic::fit(&rows, &is_bleed);

        let wanted: Vec<f64> = serde_json::from_value(golden["probabilities"].clone()).unwrap();
        for (row, wanted) in rows.iter().zip(wanted) {
            assert!((f64::from(found.probability(row)) - wanted).abs() < 1e-5);
        }
        assert!(found.is_sound());
    }
}
