//! Uphill to the next summit: BFGS with halved steps.

/// How far to climb.
#[derive(Debug, Clone, Copy)]
pub(super) struct Climb {
    /// The longest step, in units of the parameters.
    pub(super) longest: f64,
    /// A step shorter than this ends the climb.
    pub(super) shortest: f64,
    /// The most steps.
    pub(super) steps: usize,
}

/// Where a climb ended.
#[derive(Debug, Clone)]
pub(super) struct Summit {
    pub(super) place: Vec<f64>,
    pub(super) height: f64,
}

impl Climb {
    /// Climbs from `start`; `height_at` gives the height and its slope. All parameters should have
    /// about the same effect per unit.
    ///
    /// # Source
    ///
    /// J. Nocedal, S. Wright, _Numerical Optimization_, 2nd ed., algorithm 6.1 with backtracking (3.1);
    /// a change of slope that is no bend is left out, as section 18.3 has it.
    pub(super) fn from(
        self,
        start: Vec<f64>,
        height_at: impl Fn(&[f64]) -> (f64, Vec<f64>),
    ) -> Summit {
        let (mut height, mut slope) = height_at(&start);
        let mut place = start;
        let mut inverse_bend: Option<Vec<Vec<f64>>> = None;
        for _ in 0..self.steps {
            let mut way = match &inverse_bend {
                Some(bend) => bend.iter().map(|row| dot(row, &slope)).collect(),
                None => self.first_way(&slope),
            };
            if dot(&way, &slope) <= 0.0 {
                inverse_bend = None;
                way = self.first_way(&slope);
            }
            let length = dot(&way, &way).sqrt();
            if length.is_nan() || length <= 0.0 {
                break;
            }
            let factor = (self.longest / length).min(1.0);
            for value in &mut way {
                *value *= factor;
            }
            let Some((next, next_height, next_slope)) =
                self.step(&place, height, &way, dot(&way, &slope), &height_at)
            else {
                break;
            };
            let moved = minus(&next, &place);
            // Uphill, so that the change of slope against the way is a bend.
            let change = minus(&slope, &next_slope);
            update(&mut inverse_bend, &moved, &change);
            (place, height, slope) = (next, next_height, next_slope);
            if dot(&moved, &moved).sqrt() < self.shortest {
                break;
            }
        }
        Summit { place, height }
    }

    fn first_way(&self, slope: &[f64]) -> Vec<f64> {
        let steepness = dot(slope, slope).sqrt().max(f64::MIN_POSITIVE);
        slope.iter().map(|value| value * 0.5 * self.longest / steepness).collect()
    }

    /// The first of the way, its half, its quarter, … that gains enough.
    fn step(
        &self,
        place: &[f64],
        height: f64,
        way: &[f64],
        rise: f64,
        height_at: &impl Fn(&[f64]) -> (f64, Vec<f64>),
    ) -> Option<(Vec<f64>, f64, Vec<f64>)> {
        let length = dot(way, way).sqrt();
        let mut share = 1.0;
        while share * length > 0.5 * self.shortest {
            let next: Vec<f64> = place.iter().zip(way).map(|(a, b)| a + share * b).collect();
            let (next_height, slope) = height_at(&next);
            if next_height > height + 1e-4 * share * rise {
                return Some((next, next_height, slope));
            }
            share *= 0.5;
        }
        None
    }
}

/// The BFGS update of the inverse.
fn update(inverse: &mut Option<Vec<Vec<f64>>>, moved: &[f64], change: &[f64]) {
    let bend = dot(moved, change);
    let smallest = 1e-10 * dot(moved, moved).sqrt() * dot(change, change).sqrt();
    if bend.is_nan() || bend <= smallest {
        return;
    }
    let n = moved.len();
    let matrix = inverse.get_or_insert_with(|| {
        let first = bend / dot(change, change);
        (0..n).map(|i| (0..n).map(|j| if i == j { first } else { 0.0 }).collect()).collect()
    });
    let by_change: Vec<f64> = matrix.iter().map(|row| dot(row, change)).collect();
    let stretch = (1.0 + dot(change, &by_change) / bend) / bend;
    for i in 0..n {
        for j in 0..n {
            matrix[i][j] += stretch * moved[i] * moved[j]
                - (by_change[i] * moved[j] + moved[i] * by_change[j]) / bend;
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summit_of_a_bent_ridge_is_found() {
        // Rosenbrock's valley, turned over.
        let height_at = |p: &[f64]| {
            let (a, b) = (1.0 - p[0], p[1] - p[0] * p[0]);
            let slope = vec![2.0 * a + 400.0 * b * p[0], -200.0 * b];
            (-a * a - 100.0 * b * b, slope)
        };
        let climb = Climb { longest: 0.5, shortest: 1e-9, steps: 200 };

        let summit = climb.from(vec![-1.2, 1.0], height_at);

        assert!(summit.place.iter().all(|p| (p - 1.0).abs() < 1e-5), "{summit:?}");
        assert!(summit.height > -1e-9);
    }

    #[test]
    fn a_plain_has_its_summit_everywhere() {
        let climb = Climb { longest: 1.0, shortest: 1e-6, steps: 5 };

        let summit = climb.from(vec![3.0], |_| (7.0, vec![0.0]));

        assert_eq!((summit.place, summit.height), (vec![3.0], 7.0));
    }
}
