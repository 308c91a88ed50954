//! The chance of something from a few figures.

/// A logistic line: log odds that are linear in the features.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// Log odds where every feature is 0.
    pub intercept: f64,
    /// What each feature adds for each unit of it.
    pub slopes: Vec<f64>,
}

/// Newton's method is there long before; where it is not, the penalty is absurd.
const MOST_STEPS: usize = 100;

impl Logistic {
    /// Fits a line: the sum of log losses and of `penalty / 2` times each squared slope is least. The
    /// intercept is free.
    ///
    /// Without a penalty, features that tell the two kinds apart without fault would have infinite slopes.
    /// It counts per unit of a feature, so bring features to one scale first.
    ///
    /// * `features` — those of each case, as many for all.
    /// * `penalty` — above 0.
    ///
    /// `None` where one of the two kinds is absent, a feature is not finite or missing, or the penalty is
    /// not above 0.
    ///
    /// # Source
    ///
    /// Ridge regression of a logistic model: S. le Cessie, J. C. van Houwelingen, _Applied Statistics_
    /// 41:191–201, 1992. The same problem as scikit-learn's `LogisticRegression(C = 1 / penalty)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use haema_eval::Logistic;
    ///
    /// let features = [vec![0.0], vec![1.0], vec![2.0], vec![3.0]];
    /// let line = Logistic::fit(&features, &[false, false, true, true], 0.1).unwrap();
    /// assert!(line.probability(&[0.0]) < 0.1 && line.probability(&[3.0]) > 0.9);
    /// assert!((line.probability(&[1.5]) - 0.5).abs() < 1e-9);
    /// ```
    pub fn fit(features: &[Vec<f64>], truth: &[bool], penalty: f64) -> Option<Self> {
        let width = features.first()?.len();
        let is_sound = |case: &Vec<f64>| case.len() == width && case.iter().all(|x| x.is_finite());
        let kinds = truth.contains(&true) && truth.contains(&false);
        let one_each = features.len() == truth.len();
        if !(kinds && one_each && features.iter().all(is_sound) && penalty > 0.0) {
            return None;
        }
        let mut line = Self { intercept: 0.0, slopes: vec![0.0; width] };
        let mut loss = line.penalised_loss(features, truth, penalty);
        for _ in 0..MOST_STEPS {
            let step = line.newton_step(features, truth, penalty)?;
            // Newton's step may reach too far where few cases decide: then it is halved.
            let mut size = 1.0;
            let (next, next_loss) = loop {
                let next = line.moved(&step, size);
                let next_loss = next.penalised_loss(features, truth, penalty);
                if next_loss <= loss || size < 1e-9 {
                    break (next, next_loss);
                }
                size *= 0.5;
            };
            let moved = step.iter().map(|part| (size * part).abs()).fold(0.0, f64::max);
            (line, loss) = (next, next_loss);
            if moved < 1e-10 {
                break;
            }
        }
        Some(line)
    }

    /// The chance that a case with these features is of the kind.
    ///
    /// # Panics
    ///
    /// Where there are not as many features as slopes.
    pub fn probability(&self, features: &[f64]) -> f64 {
        1.0 / (1.0 + (-self.log_odds(features)).exp())
    }

    fn log_odds(&self, features: &[f64]) -> f64 {
        assert_eq!(features.len(), self.slopes.len(), "one feature a slope");
        let products = features.iter().zip(&self.slopes).map(|(x, slope)| x * slope);
        self.intercept + products.sum::<f64>()
    }

    fn penalised_loss(&self, features: &[Vec<f64>], truth: &[bool], penalty: f64) -> f64 {
        let log_loss = |(case, &is_so): (&Vec<f64>, &bool)| {
            let odds = self.log_odds(case);
            let wrong = if is_so { -odds } else { odds };
            // ln(1 + e^wrong) without overflow.
            wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
        };
        let squares: f64 = self.slopes.iter().map(|slope| slope * slope).sum();
        features.iter().zip(truth).map(log_loss).sum::<f64>() + 0.5 * penalty * squares
    }

    /// The step of Newton's method: intercept first. `None` where the matrix has no inverse.
    fn newton_step(&self, features: &[Vec<f64>], truth: &[bool], penalty: f64) -> Option<Vec<f64>> {
        let n = self.slopes.len() + 1;
        let mut matrix = vec![vec![0.0; n + 1]; n];
        for (case, &is_so) in features.iter().zip(truth) {
            let p = self.probability(case);
            let weight = p * (1.0 - p);
            let x = |i: usize| if i == 0 { 1.0 } else { case[i - 1] };
            for (i, row) in matrix.iter_mut().enumerate() {
                for (j, cell) in row[..n].iter_mut().enumerate() {
                    *cell += weight * x(i) * x(j);
                }
                row[n] += (f64::from(u8::from(is_so)) - p) * x(i);
            }
        }
        // A breath of ridge on the intercept, so that saturated chances leave the matrix invertible.
        matrix[0][0] += 1e-12;
        for (i, row) in matrix.iter_mut().enumerate().skip(1) {
            row[i] += penalty;
            row[n] -= penalty * self.slopes[i - 1];
        }
        solve(matrix)
    }

    fn moved(&self, step: &[f64], size: f64) -> Self {
        let slopes = self.slopes.iter().zip(&step[1..]).map(|(slope, part)| slope + size * part);
        Self { intercept: self.intercept + size * step[0], slopes: slopes.collect() }
    }
}

/// Solves linear equations, each a row with its right side last, by elimination with pivots.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = rows.len();
    for column in 0..n {
        let pivot =
            (column..n).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        if rows[pivot][column].abs() < 1e-300 {
            return None;
        }
        rows.swap(column, pivot);
        let pivot = rows[column].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            if i != column {
                let factor = row[column] / pivot[column];
                row.iter_mut().zip(&pivot).for_each(|(cell, above)| *cell -= factor * above);
            }
        }
    }
    Some((0..n).map(|i| rows[i][n] / rows[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> (Vec<Vec<f64>>, Vec<bool>) {
        let features = [
            (-2.1, 0.3),
            (-1.4, -0.5),
            (-0.9, 1.1),
            (-0.3, -1.2),
            (0.1, 0.4),
            (0.2, -0.7),
            (0.8, 0.9),
            (1.3, -0.1),
            (1.9, 1.5),
            (2.4, -0.4),
        ];
        let truth = [false, false, false, true, false, true, false, true, true, true];
        (features.map(|(a, b)| vec![a, b]).to_vec(), truth.to_vec())
    }

    #[test]
    fn the_line_is_that_of_another_program() {
        let (features, truth) = cases();

        let line = Logistic::fit(&features, &truth, 0.5).unwrap();

        // scikit-learn 1.9.1: LogisticRegression(C=2.0, tol=1e-12, max_iter=10000).fit(features, truth)
        let wanted = [-0.207_994_2, 1.475_036_5, -1.252_026_6];
        let found = [line.intercept, line.slopes[0], line.slopes[1]];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        }
    }

    #[test]
    fn kinds_that_are_told_apart_without_fault_have_a_finite_line() {
        let features: Vec<Vec<f64>> = (0..10).map(|i| vec![f64::from(i) * 1e3]).collect();
        let truth: Vec<bool> = (0..10).map(|i| i >= 5).collect();

        let line = Logistic::fit(&features, &truth, 1e-3).unwrap();

        assert!(line.slopes[0].is_finite() && line.slopes[0] > 0.0, "{line:?}");
        assert!(line.probability(&[0.0]) < 0.01 && line.probability(&[9e3]) > 0.99, "{line:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        let (features, truth) = cases();

        assert_eq!(Logistic::fit(&features, &[true; 10], 1.0), None);
        assert_eq!(Logistic::fit(&features, &truth[1..], 1.0), None);
        assert_eq!(Logistic::fit(&features, &truth, 0.0), None);
        assert_eq!(Logistic::fit(&[vec![f64::NAN], vec![1.0]], &[true, false], 1.0), None);
        assert_eq!(Logistic::fit(&[], &[], 1.0), None);
    }
}
