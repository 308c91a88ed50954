//! Smoothing that keeps edges: level lines of the image move by their curvature.

use std::num::NonZeroUsize;

use haema_volume::parallel;
use serde::{Deserialize, Serialize};

/// Curvature flow, `∂I/∂t = κ |∇I|`, in the plane, pixels being squares of side 1.
///
/// # Source
///
/// methods.md C4.1; held to `SimpleITK`'s `CurvatureFlow`, which says of itself what the paper says of
/// its filter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvatureFlow {
    /// How many steps.
    pub iterations: u32,
    /// How far each goes; at most 0.25 is stable.
    pub time_step: f32,
}

impl Default for CurvatureFlow {
    /// As in ITK's examples.
    fn default() -> Self {
        Self { iterations: 5, time_step: 0.125 }
    }
}

/// Below this square of the slope a place is flat.
const FLAT: f32 = 1e-9;

impl CurvatureFlow {
    /// Smooths each slice of a volume by itself.
    pub fn smooth_planes(&self, size: [usize; 3], voxels: &mut [f32], threads: NonZeroUsize) {
        let [_, rows, columns] = size;
        if rows * columns == 0 {
            return;
        }
        parallel::map(voxels.chunks_exact_mut(rows * columns), threads, |_, plane| {
            let mut before = plane.to_vec();
            for step in 0..self.iterations {
                if step > 0 {
                    before.copy_from_slice(plane);
                }
                self.step(&before, plane, [rows, columns]);
            }
        });
    }

    /// One step from `before` to `after`; what lies beyond the border is as the border.
    fn step(self, before: &[f32], after: &mut [f32], [rows, columns]: [usize; 2]) {
        for y in 0..rows {
            let row = |y: usize| &before[y * columns..][..columns];
            let (up, here, down) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(rows - 1)));
            let out = &mut after[y * columns..][..columns];
            for x in 0..columns {
                let (left, right) = (x.saturating_sub(1), (x + 1).min(columns - 1));
                let dx = (here[right] - here[left]) / 2.0;
                let dy = (down[x] - up[x]) / 2.0;
                let slope = dx * dx + dy * dy;
                if slope < FLAT {
                    out[x] = here[x];
                    continue;
                }
                let dxx = here[right] - 2.0 * here[x] + here[left];
                let dyy = down[x] - 2.0 * here[x] + up[x];
                let dxy = (down[right] - up[right] - down[left] + up[left]) / 4.0;
                let change = (dx * dx * dyy + dy * dy * dxx - 2.0 * dx * dy * dxy) / slope;
                out[x] = here[x] + self.time_step * change;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    fn golden() -> serde_json::Value {
        serde_json::from_str(include_str!("../testdata/curvature_flow/expected.json")).unwrap()
    }

    /// The slice that `make_golden.py` makes.
    fn slice([rows, columns]: [usize; 2]) -> Vec<f32> {
        let at = |y: usize, x: usize| {
            let (y, x) = (y as f64, x as f64);
            let disc = if (y - 11.0).hypot(x - 14.0) < 6.5 { 40.0 } else { 0.0 };
            30.0 + disc + 8.0 * (0.9 * x + 0.2 * y * y).sin() * (0.7 * y).cos()
        };
        (0..rows * columns).map(|i| at(i / columns, i % columns) as f32).collect()
    }

    #[test]
    fn slices_come_out_as_those_of_simple_itk() {
        let golden = golden();
        for case in golden["cases"].as_array().unwrap() {
            let size: [usize; 2] = serde_json::from_value(case["size"].clone()).unwrap();
            let wanted: Vec<f32> = serde_json::from_value(case["smoothed"].clone()).unwrap();
            let flow = CurvatureFlow {
                iterations: case["iterations"].as_u64().unwrap() as u32,
                time_step: case["time_step"].as_f64().unwrap() as f32,
            };
            let mut voxels = slice(size);

            flow.smooth_planes([1, size[0], size[1]], &mut voxels, ONE);

            // In parts of the slice's contrast of 40.
            let worst = voxels.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 40.0 * 1e-5, "{worst} in {case}", case = case["iterations"]);
        }
    }

    #[test]
    fn slices_are_smoothed_each_by_itself_on_any_number_of_threads() {
        let one = slice([24, 30]);
        let mut both = [one.clone(), vec![7.0; 720], one.clone()].concat();
        let mut alone = one;

        CurvatureFlow::default().smooth_planes(
            [3, 24, 30],
            &mut both,
            NonZeroUsize::new(3).unwrap(),
        );
        CurvatureFlow::default().smooth_planes([1, 24, 30], &mut alone, ONE);

        assert_eq!(both[..720], alone);
        assert_eq!(both[1440..], alone);
        assert!(both[720..1440].iter().all(|&value| value == 7.0));
    }
}
