//! What is drawn has the volume that the closed form says.

use haema_sim::{Body, Ellipsoid, coverage};
use haema_volume::{Affine, Grid};
use proptest::prelude::*;

fn bodies() -> Vec<Body> {
    let outer = Ellipsoid::new([2.0, -3.0, 1.0], [18.0, 26.0, 21.0]).turned(30.0);
    vec![
        Body::ball([1.0, 2.0, -3.0], 17.0),
        Body::Ellipsoid(outer),
        Body::Shell { outer, inner_share: 0.8 },
        Body::Crescent { outer, bite_centre: [-0.2, 0.1, 0.0], bite_radius: 1.1 },
        Body::Crescent { outer, bite_centre: [0.3, 0.0, 0.2], bite_radius: 0.7 },
    ]
}

fn grids() -> Vec<Grid> {
    let affine = |x_mm: f64, shear: f64| {
        let z_step = [0.0, 4.0 * shear, 4.0];
        let origin = [-32.0 * x_mm.signum(), -32.0 - 32.0 * shear, -32.0];
        Affine::from_steps([x_mm, 0.0, 0.0], [0.0, 1.0, 0.0], z_step, origin)
    };
    let uneven = (0..20).map(|i| -32.0 + 2.0 * f64::from(i));
    let uneven = uneven.chain((0..7).map(|i| 6.0 + 5.0 * f64::from(i + 1)));
    let origins = uneven.map(|z| [-32.0, -32.0 + 0.3 * z, z]).collect();
    vec![
        Grid::from_affine([17, 65, 65], &affine(1.0, 0.0)).unwrap(),
        Grid::from_affine([17, 65, 65], &affine(-1.0, 0.3346)).unwrap(),
        Grid::from_slices([65, 65], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], origins, 5.0).unwrap(),
    ]
}

#[test]
fn shares_add_up_to_the_closed_form_in_any_geometry() {
    for grid in grids() {
        for body in bodies() {
            let shares = coverage(&body, &grid, 4);

            let drawn_mm3: f64 = (0..grid.size()[0])
                .map(|z| {
                    let plane = shares.plane(z).iter().map(|&share| f64::from(share));
                    plane.sum::<f64>() * grid.voxel_volume_mm3(z)
                })
                .sum();

            let error = drawn_mm3 / 1000.0 / body.volume_ml() - 1.0;
            assert!(error.abs() < 0.002, "{body:?}: {error}");
        }
    }
}

#[test]
fn a_lone_slice_stands_for_its_thickness() {
    let grid = Grid::from_slices(
        [65, 65],
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        vec![[-32.0, -32.0, 0.0]],
        10.0,
    )
    .unwrap();

    let shares = coverage(&Body::ball([0.0; 3], 2.0), &grid, 16);

    let drawn: f32 = shares.as_slice().iter().sum();
    let wanted = Body::ball([0.0; 3], 2.0).volume_ml() * 100.0;
    assert!((f64::from(drawn) / wanted - 1.0).abs() < 0.02, "{drawn}, wanted {wanted}");
}

proptest! {
    #[test]
    fn a_crescent_and_its_bite_make_the_whole(distance in 0.0..2.5_f64, radius in 0.05..2.0_f64) {
        let outer = Ellipsoid::new([0.0; 3], [10.0; 3]);
        let crescent =
            Body::Crescent { outer, bite_centre: [distance, 0.0, 0.0], bite_radius: radius };
        // The same two balls, each bitten by the other, share one lens.
        let bitten = Body::Crescent {
            outer: Ellipsoid::new([0.0; 3], [10.0 * radius; 3]),
            bite_centre: [distance / radius, 0.0, 0.0],
            bite_radius: 1.0 / radius,
        };

        let lens_ml = outer.volume_ml() - crescent.volume_ml();
        let same_ml = outer.volume_ml() * radius.powi(3) - bitten.volume_ml();

        prop_assert!((lens_ml - same_ml).abs() < 1e-9);
        prop_assert!(crescent.volume_ml() >= -1e-12);
        prop_assert!(crescent.volume_ml() <= outer.volume_ml() + 1e-12);
    }

    #[test]
    fn a_volume_can_be_asked_for(volume_ml in 0.01..200.0_f64) {
        let body = Ellipsoid::new([0.0; 3], [1.0, 2.0, 3.0]).with_volume_ml(volume_ml);

        prop_assert!((body.volume_ml() / volume_ml - 1.0).abs() < 1e-12);
        prop_assert!((body.radii_mm[2] / body.radii_mm[0] - 3.0).abs() < 1e-12);
    }
}
