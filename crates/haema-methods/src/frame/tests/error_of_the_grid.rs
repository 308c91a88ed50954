//! What the network's grid alone costs a perfect segmentation, in the paper's profile.
//!
//! The bounds are those of a simulation in SciPy: irregular blobs at random places in 512×512×54
//! voxels of 0.45×0.45×2.7 mm, taken to 64×128×128 and back; mean error ± 2 SD (and the mean of
//! Dice), a little wider because fewer blobs are drawn here. A quarter of the field of view is used
//! here, which is the same grid.

use haema_volume::{CtVolume, Volume};

use super::super::*;
use super::{at_points, axial, dice, even, there_and_back, volume_ml};

/// An irregular ball; `phase` moves it and its lobes about.
fn blob_mask(grid: &Grid, target_ml: f64, phase: f64) -> Volume<u8> {
    let centre: [f64; 3] =
        [5.0 * phase.sin(), 5.0 * (2.0 * phase).cos(), 4.0 * (3.0 * phase).sin()];
    let mean_radius_mm = (3000.0 * target_ml / (4.0 * std::f64::consts::PI)).cbrt();
    at_points(grid, |point| {
        let [x, y, z]: [f64; 3] = std::array::from_fn(|i| point[i] - centre[i]);
        let from_centre_mm = x.hypot(y).hypot(z);
        if from_centre_mm > 1.3 * mean_radius_mm {
            return 0;
        }
        let lobes = (3.0 * y.atan2(x) + phase).sin() * (2.0 * z.atan2(x.hypot(y))).cos();
        let waves = (2.0 * x.atan2(y) + 5.0 * phase).cos() * z / (from_centre_mm + 1e-9);
        let radius_mm = mean_radius_mm * (1.0 + 0.15 * lobes + 0.15 * waves);
        u8::from(from_centre_mm < radius_mm)
    })
}

/// Mean relative error of the volume, and mean Dice, of the label's way there and back.
fn mean_error_and_dice(target_ml: f64, label_resize: LabelResize) -> (f64, f64) {
    let grid = axial(256, 0.45, &even(27, 2.7), 0.0);
    let ct = CtVolume::new(Volume::filled(grid.size(), 40.0), grid.clone()).unwrap();
    let settings = Preprocessing {
        in_plane: [64, 64],
        planes: Planes::Fixed { count: 32 },
        label_resize,
        ..Preprocessing::paper()
    };
    let count = 6;
    let (mut error, mut agreement) = (0.0, 0.0);
    for i in 0..count {
        let truth = blob_mask(&grid, target_ml, f64::from(i) * 1.3);
        let back = there_and_back(&ct, &truth, &settings);
        error += volume_ml(&back, &grid) / volume_ml(&truth, &grid) - 1.0;
        agreement += dice(&back, &truth);
    }
    (error / f64::from(count), agreement / f64::from(count))
}

#[test]
fn the_grid_costs_no_more_than_it_must() {
    // Volume, how the label is made smaller, bounds of the error, least Dice.
    let cases = [
        (1.0, LabelResize::Nearest, [-0.12, 0.05], 0.89),
        (1.0, LabelResize::Area, [-0.16, -0.03], 0.92),
        (3.0, LabelResize::Nearest, [-0.09, 0.06], 0.93),
        (3.0, LabelResize::Area, [-0.07, -0.02], 0.96),
        (10.0, LabelResize::Nearest, [-0.04, 0.01], 0.95),
        (10.0, LabelResize::Area, [-0.035, -0.008], 0.98),
        (30.0, LabelResize::Nearest, [-0.02, 0.01], 0.965),
        (30.0, LabelResize::Area, [-0.015, -0.003], 0.99),
    ];
    for (target_ml, label_resize, [lowest, highest], least_dice) in cases {
        let (error, dice) = mean_error_and_dice(target_ml, label_resize);

        let case = format!("{target_ml} mL, {label_resize:?}: error {error:.4}, Dice {dice:.3}");
        assert!((lowest..highest).contains(&error), "{case}");
        assert!(dice > least_dice, "{case}");
    }
}
