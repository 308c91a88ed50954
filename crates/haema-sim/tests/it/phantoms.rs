//! Test objects against numeric integration, and their scans against closed forms.

use haema_sim::phantom::{Phantom, Protocol, Shape, Slicing, Stack};
use haema_sim::{Body, Ellipsoid, coverage};
use haema_volume::{Affine, Grid, Vec3, Volume};
use proptest::prelude::*;

/// The volume of a body by counting points `step_mm` apart in the box around it.
fn counted_ml(body: &Body, centre: Vec3, reach_mm: f64, step_mm: f64) -> f64 {
    let count = (2.0 * reach_mm / step_mm).ceil() as usize + 1;
    let origin = centre.map(|at| at - reach_mm);
    let affine =
        Affine::from_steps([step_mm, 0.0, 0.0], [0.0, step_mm, 0.0], [0.0, 0.0, step_mm], origin);
    let grid = Grid::from_affine([count; 3], &affine).unwrap();
    let shares = coverage(body, &grid, 2);
    let sum: f64 = shares.as_slice().iter().map(|&share| f64::from(share)).sum();
    sum * step_mm.powi(3) / 1000.0
}

fn measured_ml(hu: &Volume<f32>, stack: &Stack) -> f64 {
    let size = stack.grid.size();
    let slice_ml = |z: usize| {
        let shares = hu.plane(z).iter().map(|&hu| f64::from(hu.max(0.0)) / 100.0);
        shares.sum::<f64>() * stack.grid.voxel_volume_mm3(z) / 1000.0
    };
    (0..size[0]).map(slice_ml).sum()
}

fn protocol(slicing: Slicing, tilt_deg: f64) -> Protocol {
    Protocol { slice_size: [140, 140], pixel_mm: 0.5, slicing, cover_mm: 70.0, tilt_deg }
}

#[test]
fn every_shape_scanned_in_thick_tilted_slices_keeps_its_volume() {
    for shape in Shape::ALL {
        for (slice_mm, tilt_deg) in [(1.0, 0.0), (5.0, 30.0), (10.0, -15.0)] {
            let phantom = Phantom::of(shape, 0.8);
            let stack = protocol(Slicing::Even { slice_mm }, tilt_deg).stack().unwrap();

            let found_ml = measured_ml(&phantom.scan(&stack), &stack);

            let error_ml = found_ml - phantom.truth_ml();
            // Whole Hounsfield units cost the small balls, whose every voxel is cut, a little more.
            let bound_ml = (0.002 * phantom.truth_ml()).max(0.004);
            assert!(error_ml.abs() < bound_ml, "{shape:?}, {slice_mm} mm, {tilt_deg}°: {error_ml}");
        }
    }
}

#[test]
fn a_scan_shows_body_water_and_air_where_they_are() {
    let phantom = Phantom::marker([9.0, -6.0, 4.0], 5.0);
    let stack = protocol(Slicing::Even { slice_mm: 2.0 }, 0.0).stack().unwrap();

    let hu = phantom.scan(&stack);

    let at = |point: Vec3| {
        let z = (f64::midpoint(point[2], 35.0) - 0.5).round() as usize;
        let [x, y] = [point[0], point[1]].map(|at| (2.0 * at + 69.5).round() as usize);
        hu[[z, y, x]]
    };
    assert_eq!(at([9.0, -6.0, 4.0]), 100.0);
    assert_eq!(at([-9.0, -6.0, 4.0]), 0.0);
    assert_eq!(at([9.0, 6.0, 4.0]), 0.0);
    assert_eq!(at([34.0, 34.0, 0.0]), -1000.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn closed_forms_agree_with_counting(
        radii_mm in [8.0..14.0_f64, 8.0..14.0, 8.0..14.0],
        turn_deg in -90.0..90.0_f64,
        inner_share in 0.3..0.9_f64,
        bite in [-0.8..0.8_f64, -0.8..0.8, -0.8..0.8],
        bite_radius in 0.3..1.2_f64,
        tube_radius in 0.15..0.35_f64,
        wider_deg in 0.0..60.0_f64,
    ) {
        let outer = Ellipsoid::new([0.3, -0.2, 0.1], radii_mm).turned(turn_deg);
        let least_gap_deg = 2.0 * (tube_radius / (1.0 - tube_radius)).asin().to_degrees();
        let bodies = [
            Body::Ellipsoid(outer),
            Body::Shell { outer, inner_share },
            Body::Crescent { outer, bite_centre: bite, bite_radius },
            Body::CShape { outer, tube_radius, gap_deg: least_gap_deg + wider_deg },
        ];
        for body in bodies {
            let counted_ml = counted_ml(&body, [0.3, -0.2, 0.1], 15.0, 0.3);

            let error_ml = counted_ml - body.volume_ml();
            // Points are 0.15 mm apart: of a body of 1 mL, 300 000 are counted. The two plane ends of
            // a C may lie along them, and then gain or lose half a step of 40 mm² each.
            let bound_ml = 0.003 * body.volume_ml() + 0.006;
            prop_assert!(error_ml.abs() < bound_ml, "{body:?}: {error_ml} mL");
        }
    }
}
