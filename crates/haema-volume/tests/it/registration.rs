//! Known movements of heads, found again.

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use haema_sim::{HeadOptions, simulate_head};
use haema_volume::{
    CtVolume, Freedom, Grid, HeadPyramid, Locator, LpsMap, Registration, RegistrationError, Vec3,
    Volume, add, norm, register, scale, sub,
};

/// Thin slices, to be scanned again in any pose.
static FINE: LazyLock<CtVolume> = LazyLock::new(|| {
    let options = HeadOptions { seed: 3, pixels: 200, slices: 110, ..HeadOptions::default() };
    simulate_head(&options).unwrap().ct
});

/// Scans `head` on `grid` after it has moved: `head_from_scan` says what part of the head lies at a
/// point. The mean of five levels of each slice.
fn scanned(head: &CtVolume, grid: &Grid, head_from_scan: &LpsMap) -> CtVolume {
    let locator = Locator::of(head.grid());
    let normal = grid.normal_lps();
    let hu_at = |point: Vec3| {
        let index = locator.index_at(head_from_scan.apply(point));
        linear(head.voxels_hu(), index).unwrap_or(-1000.0)
    };
    let voxels = Volume::from_fn(grid.size(), |[z, y, x]| {
        let middle = grid.point_lps_mm(z, y as f64, x as f64);
        let level = |k: i32| 0.2 * f64::from(k) * grid.slice_thickness_mm(z);
        let sum: f32 = (-2..=2).map(|k| hu_at(add(middle, scale(normal, level(k))))).sum();
        (sum / 5.0).round()
    });
    CtVolume::new(voxels, grid.clone()).unwrap()
}

fn linear(volume: &Volume<f32>, index: [f64; 3]) -> Option<f32> {
    let size = volume.size();
    let is_inside = (0..3).all(|i| index[i] >= 0.0 && index[i] < (size[i] - 1) as f64);
    if !is_inside {
        return None;
    }
    let base = index.map(|i| i as usize);
    let part: [f32; 3] = std::array::from_fn(|i| (index[i] - base[i] as f64) as f32);
    let corner = |c: usize| {
        let bits = [c >> 2, c >> 1 & 1, c & 1];
        let at: [usize; 3] = std::array::from_fn(|i| base[i] + bits[i]);
        let weight = |i: usize| if bits[i] == 1 { part[i] } else { 1.0 - part[i] };
        weight(0) * weight(1) * weight(2) * volume[at]
    };
    Some((0..8).map(corner).sum())
}

/// 5 mm slices, a little off the middle.
fn straight() -> Grid {
    stack(1.8, &(0..30).map(|z| -70.0 + 5.0 * f64::from(z)).collect::<Vec<_>>(), 0.0)
}

fn stack(pixel_mm: f64, levels_mm: &[f64], lean: f64) -> Grid {
    let origins = levels_mm.iter().map(|&z| [-114.0, -108.0 + lean * z, z]).collect();
    Grid::from_slices([125; 2], [pixel_mm, 0.0, 0.0], [0.0, pixel_mm, 0.0], origins, 5.0).unwrap()
}

/// Thin at the base, thick at the vertex, gantry tilted.
fn uneven() -> Grid {
    let levels: Vec<f64> = (0..16)
        .map(|z| -75.0 + 4.2 * f64::from(z))
        .chain((0..11).map(|z| -5.0 + 7.0 * f64::from(z)))
        .collect();
    stack(1.83, &levels, 0.25)
}

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn registered(
    fixed: &CtVolume,
    moving: &CtVolume,
    freedom: Freedom,
) -> Result<Registration, RegistrationError> {
    let [fixed, moving] = [fixed, moving].map(|ct| HeadPyramid::of(ct, TWO).unwrap());
    register(&fixed, &moving, freedom, TWO)
}

/// The largest error at points of the brain, mm, and the error of the turn, degrees.
fn error_of(found: &LpsMap, wanted: &LpsMap) -> [f64; 2] {
    let corners =
        (0..8).map(|c| [c & 1, c >> 1 & 1, c >> 2].map(|bit| if bit == 1 { 50.0 } else { -50.0 }));
    let points = corners.chain([[0.0; 3]]);
    let errors = points.map(|point| norm(sub(found.apply(point), wanted.apply(point))));
    let turn = found.after(&wanted.inverse().unwrap()).turn_deg();
    [errors.fold(0.0, f64::max), turn]
}

fn degrees(turn: Vec3) -> Vec3 {
    turn.map(f64::to_radians)
}

#[test]
fn a_head_that_lies_otherwise_is_found_to_half_a_millimetre() {
    let fixed = scanned(&FINE, &straight(), &LpsMap::IDENTITY);
    let poses = [
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([4.0, -3.0, 6.0], [3.0, -5.0, 4.0]),
        ([-12.0, 5.0, 14.0], [-8.0, 12.0, -9.0]),
        ([9.0, 8.0, -22.0], [10.0, 5.0, 17.0]),
    ];
    for (turn, shift) in poses {
        let moved = LpsMap::rigid(degrees(turn), shift, [0.0, 10.0, 5.0]);
        for grid in [straight(), uneven()] {
            // What lies at `p` in the second scan lies at `moved(p)` in the head and the first.
            let moving = scanned(&FINE, &grid, &moved);

            let found = registered(&fixed, &moving, Freedom::Rigid).unwrap();

            let [error_mm, turn_deg] =
                error_of(&found.moving_from_fixed, &moved.inverse().unwrap());
            eprintln!("{turn:?} {shift:?}: {error_mm:.3} mm {turn_deg:.3}° {:?}", found.quality);
            assert!(error_mm < 0.5 && turn_deg < 0.5, "{turn:?} {shift:?}: {error_mm} {turn_deg}");
        }
    }
}

#[test]
fn a_head_that_was_stretched_is_found_too() {
    let fixed = scanned(&FINE, &straight(), &LpsMap::IDENTITY);
    let form = LpsMap::from_rows([
        [1.06, 0.02, 0.0, 1.0],
        [0.02, 0.95, 0.0, -2.0],
        [0.0, 0.03, 1.04, 3.0],
    ]);
    let moved = LpsMap::rigid(degrees([5.0, -2.0, 7.0]), [2.0, -3.0, 4.0], [0.0; 3]).after(&form);
    let moving = scanned(&FINE, &straight(), &moved);

    let found = registered(&fixed, &moving, Freedom::Affine).unwrap();

    let [error_mm, _] = error_of(&found.moving_from_fixed, &moved.inverse().unwrap());
    assert!(error_mm < 1.0, "{error_mm} mm, {:?}", found.quality);
}

#[test]
fn there_and_back_is_the_same_place() {
    let first = scanned(&FINE, &straight(), &LpsMap::IDENTITY);
    let moved = LpsMap::rigid(degrees([3.0, 2.0, -8.0]), [4.0, 0.0, 3.0], [0.0; 3]);
    let second = scanned(&FINE, &uneven(), &moved);

    let there = registered(&first, &second, Freedom::Rigid).unwrap().moving_from_fixed;
    let back = registered(&second, &first, Freedom::Rigid).unwrap().moving_from_fixed;

    let [error_mm, _] = error_of(&back.after(&there), &LpsMap::IDENTITY);
    assert!(error_mm < 0.4, "{error_mm}");
}

#[test]
fn any_number_of_threads_finds_the_same_bits() {
    let fixed = scanned(&FINE, &straight(), &LpsMap::IDENTITY);
    let moved = LpsMap::rigid(degrees([3.0, 2.0, -8.0]), [4.0, 0.0, 3.0], [0.0; 3]);
    let moving = scanned(&FINE, &uneven(), &moved);
    let with = |n| {
        let threads = NonZeroUsize::new(n).unwrap();
        let [a, b] = [&fixed, &moving].map(|ct| HeadPyramid::of(ct, threads).unwrap());
        register(&a, &b, Freedom::Affine, threads).unwrap()
    };

    assert_eq!(with(1), with(3));
}

#[test]
fn what_is_no_head_is_not_laid_on_one() {
    let fixed = scanned(&FINE, &straight(), &LpsMap::IDENTITY);
    // A ball of water in a shell of bone, of the size of a head and nothing like one inside.
    let grid = straight();
    let ball = Volume::from_fn(grid.size(), |[z, y, x]| {
        let [px, py, pz] = grid.point_lps_mm(z, y as f64, x as f64);
        match px.hypot(py).hypot(pz) {
            r if r < 40.0 => 0.0,
            r if r < 46.0 => 1200.0,
            _ => -1000.0,
        }
    });
    let ball = CtVolume::new(ball, grid).unwrap();

    for freedom in [Freedom::Rigid, Freedom::Affine] {
        let error = registered(&fixed, &ball, freedom).unwrap_err();
        assert!(error.to_string().contains("do not match"), "{error}");
    }
}
