//! Laws of the way there and back.

use haema_volume::{CtVolume, Grid, Orientation, Vec3, Volume};
use proptest::prelude::*;

use super::*;

mod error_of_the_grid;
mod head_and_stack;
mod orders;

/// A head of 1000 HU skull and 35 HU brain, `[y, x]` semi-axes in mm, in air, with a bleed of 65 HU
/// off every axis of symmetry. Its centre is the origin of LPS.
struct Phantom {
    beside: Beside,
}

/// What else lies in the scanner.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nothing,
    /// A head holder this far behind the head.
    Table {
        gap_mm: f64,
    },
    /// A bead of 12 mm in the hair on the left.
    Bead,
}

const HEAD_RADII_MM: [f64; 3] = [70.0, 85.0, 80.0];
const BLEED_CENTRE_MM: Vec3 = [25.0, 12.0, 18.0];
const BLEED_RADII_MM: Vec3 = [18.0, 12.0, 16.0];

fn ellipsoid(point: Vec3, centre: Vec3, radii: Vec3) -> f64 {
    (0..3).map(|i| ((point[i] - centre[i]) / radii[i]).powi(2)).sum::<f64>().sqrt()
}

impl Phantom {
    fn bare() -> Self {
        Self { beside: Beside::Nothing }
    }

    fn is_bleed(point: Vec3) -> bool {
        ellipsoid(point, BLEED_CENTRE_MM, BLEED_RADII_MM) < 1.0
    }

    fn hu_at(&self, point: Vec3) -> f32 {
        // LPS: the table lies behind the head, at larger y.
        let behind_mm = point[1] - HEAD_RADII_MM[1];
        let is_other = match self.beside {
            Beside::Nothing => false,
            Beside::Table { gap_mm } => (gap_mm..gap_mm + 4.0).contains(&behind_mm),
            Beside::Bead => ellipsoid(point, [HEAD_RADII_MM[0] + 5.0, 0.0, 0.0], [6.0; 3]) < 1.0,
        };
        if is_other {
            return 200.0;
        }
        match ellipsoid(point, [0.0; 3], HEAD_RADII_MM) {
            _ if Self::is_bleed(point) => 65.0,
            radius if radius < 0.92 => 35.0,
            radius if radius < 1.0 => 1000.0,
            _ => -1000.0,
        }
    }

    fn scan(&self, grid: Grid) -> CtVolume {
        let hu = at_points(&grid, |point| self.hu_at(point));
        CtVolume::new(hu, grid).unwrap()
    }
}

fn at_points<T>(grid: &Grid, mut value: impl FnMut(Vec3) -> T) -> Volume<T> {
    Volume::from_fn(grid.size(), |[z, y, x]| value(grid.point_lps_mm(z, y as f64, x as f64)))
}

fn bleed_mask(grid: &Grid) -> Volume<u8> {
    at_points(grid, |point| u8::from(Phantom::is_bleed(point)))
}

/// An axial DICOM-like grid around the origin: square pixels, and slices at these positions, each
/// pushed towards the back by `tilt`·position.
fn axial(pixels: usize, pixel_mm: f64, positions_mm: &[f64], tilt: f64) -> Grid {
    let corner = -0.5 * pixel_mm * (pixels - 1) as f64;
    let origins = positions_mm.iter().map(|&z| [corner, corner + tilt * z, z]).collect();
    let (x_step, y_step) = ([pixel_mm, 0.0, 0.0], [0.0, pixel_mm, 0.0]);
    Grid::from_slices([pixels, pixels], x_step, y_step, origins, 5.0).unwrap()
}

fn even(count: usize, pitch_mm: f64) -> Vec<f64> {
    (0..count).map(|z| (z as f64 - 0.5 * (count - 1) as f64) * pitch_mm).collect()
}

fn volume_ml(mask: &Volume<u8>, grid: &Grid) -> f64 {
    let voxels = |z: usize| mask.plane(z).iter().filter(|&&voxel| voxel != 0).count() as f64;
    (0..grid.size()[0]).map(|z| voxels(z) * grid.voxel_volume_mm3(z)).sum::<f64>() / 1000.0
}

fn dice(a: &Volume<u8>, b: &Volume<u8>) -> f64 {
    let count = |v: &Volume<u8>| v.as_slice().iter().filter(|&&x| x != 0).count() as f64;
    let both = a.as_slice().iter().zip(b.as_slice()).filter(|(a, b)| **a != 0 && **b != 0).count();
    2.0 * both as f64 / (count(a) + count(b))
}

/// The label's way there and back, cut at one half.
fn there_and_back(ct: &CtVolume, mask: &Volume<u8>, settings: &Preprocessing) -> Volume<u8> {
    let frame = Frame::plan(ct, settings).unwrap();
    let label = frame.label(mask).unwrap();
    let restored = frame.into_undo().restore(&label).unwrap();
    restored.map(|&probability| u8::from(probability > 0.5))
}

fn small_paper(size: [usize; 3]) -> Preprocessing {
    Preprocessing {
        in_plane: [size[1], size[2]],
        planes: Planes::Fixed { count: size[0] },
        ..Preprocessing::paper()
    }
}

#[test]
fn equal_sizes_are_the_identity() {
    let grid = axial(24, 8.0, &even(9, 18.0), 0.0);
    let ct = Phantom::bare().scan(grid.clone());
    let probability = at_points(&grid, |[x, y, z]| (x * 0.37 + y * 0.11 + z).sin().abs() as f32);
    let frame = Frame::plan(&ct, &small_paper(grid.size())).unwrap();

    let image = frame.image(&ct).unwrap();
    let undo = frame.into_undo();
    let canonical = Orientation::of(&grid).canonical_from_stored(&probability);
    let restored = undo.restore(&canonical).unwrap();

    let wanted = ct.voxels_hu().map(|hu| hu.clamp(0.0, 100.0) / 100.0);
    assert_eq!(image, Orientation::of(&grid).canonical_from_stored(&wanted));
    assert_eq!(restored, probability);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_full_mask_comes_back_full(
        size in [1..12_usize, 1..20_usize, 1..20_usize],
        network in [1..12_usize, 1..20_usize, 1..20_usize],
        order in 0..48_usize,
        is_area in any::<bool>(),
    ) {
        let grid = orders::stored_in(Orientation::all()[order], size, [5.0, 0.5, 0.5]);
        let ct = CtVolume::new(Volume::filled(grid.size(), 40.0), grid.clone()).unwrap();
        let mut settings = small_paper(network);
        if is_area {
            settings.label_resize = LabelResize::Area;
        }

        let back = there_and_back(&ct, &Volume::filled(grid.size(), 1), &settings);

        prop_assert_eq!(back, Volume::filled(grid.size(), 1));
    }
}

#[test]
fn arrays_of_another_scan_are_refused_and_measured() {
    let grid = axial(24, 8.0, &even(9, 18.0), 0.0);
    let frame = Frame::plan(&Phantom::bare().scan(grid), &small_paper([4, 4, 4])).unwrap();

    let label = frame.label(&Volume::filled([9, 24, 23], 1)).unwrap_err();
    let restored = frame.into_undo().restore(&Volume::filled([4, 4, 5], 0.0)).unwrap_err();

    assert_eq!(label.to_string(), "the mask has [9, 24, 23] [z, y, x] voxels: wanted [9, 24, 24]");
    assert!(restored.to_string().contains("[4, 4, 5]"), "{restored}");
}

#[test]
fn nan_and_infinite_hu_become_the_ends_of_the_window() {
    let grid = axial(4, 1.0, &even(4, 1.0), 0.0);
    let mut hu = Volume::filled(grid.size(), 50.0);
    hu.as_mut_slice()[..3].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    let ct = CtVolume::new(hu, grid).unwrap();
    for order in [ClampOrder::ClampThenResize, ClampOrder::ResizeThenClamp] {
        let settings = Preprocessing { order, ..small_paper([4, 4, 4]) };

        let image = Frame::plan(&ct, &settings).unwrap().image(&ct).unwrap();

        assert_eq!(image[[0, 3, 3]], 0.0);
        assert_eq!(image[[0, 3, 2]], 1.0);
        assert_eq!(image[[0, 3, 1]], 0.0);
        assert_eq!(image[[0, 3, 0]], 0.5);
    }
}

#[test]
fn padding_and_nan_weigh_no_more_than_air() {
    let grid = axial(8, 1.0, &even(8, 1.0), 0.0);
    let scan = |odd_hu| {
        let hu = Volume::from_fn(grid.size(), |[_, _, x]| if x == 3 { odd_hu } else { 1200.0 });
        CtVolume::new(hu, grid.clone()).unwrap()
    };
    let images = [-1024.0, -3000.0, f32::NAN].map(|odd_hu| {
        let ct = scan(odd_hu);
        Frame::plan(&ct, &small_paper([4, 4, 4])).unwrap().image(&ct).unwrap()
    });

    assert!(images[0].as_slice().iter().any(|&v| v > 0.0 && v < 1.0));
    assert_eq!(images[0], images[1]);
    assert_eq!(images[0], images[2]);
}

#[test]
fn settings_survive_json_and_unknown_keys_are_refused() {
    for settings in [Preprocessing::paper(), Preprocessing::recommended()] {
        let text = serde_json::to_string(&settings).unwrap();

        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), settings);
        let extra = text.replacen('{', "{\"zoom\":2,", 1);
        let error = serde_json::from_str::<Preprocessing>(&extra).unwrap_err();
        assert!(error.to_string().contains("unknown field `zoom`"), "{error}");
    }
}

#[test]
fn absurd_settings_are_refused_by_name() {
    let ct = Phantom::bare().scan(axial(24, 8.0, &even(9, 18.0), 0.0));
    let slabs = |pitch_mm, multiple_of, at_least| {
        let planes = Planes::Slabs { pitch_mm, multiple_of, at_least, at_most: 48 };
        Preprocessing { planes, ..Preprocessing::recommended() }
    };
    let settings = [
        (Preprocessing { window_hu: [100.0, 0.0], ..Preprocessing::paper() }, "window_hu"),
        (Preprocessing { in_plane: [0, 128], ..Preprocessing::paper() }, "in_plane"),
        (small_paper([0, 4, 4]), "planes.count"),
        (slabs(f64::NAN, 8, 16), "planes.pitch_mm"),
        (slabs(5.0, 0, 16), "planes.multiple_of"),
        (slabs(5.0, 8, 56), "planes.at_least"),
    ];
    for (settings, name) in settings {
        let error = Frame::plan(&ct, &settings).unwrap_err().to_string();

        assert!(error.contains(name), "{error}");
    }
}
