//! Resampling, connected parts and morphology as SciPy, `OpenCV` and Pillow compute them.
//!
//! `testdata/make_goldens.py` is the recipe, `testdata/MANIFEST.txt` pins tools and checksum.

use haema_volume::{
    Components, Connectivity, Interpolation, Volume, fill_holes_in_plane, open_in_plane, resize,
};

const GOLDENS: &str = include_str!("../../testdata/goldens.txt");

fn golden<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> Volume<T> {
    let line = GOLDENS.lines().find(|line| line.split(' ').next() == Some(name));
    let mut fields = line.unwrap_or_else(|| panic!("no golden {name}")).split(' ').skip(1);
    let size: Vec<usize> =
        fields.next().unwrap().split(',').map(|axis| axis.parse().unwrap()).collect();
    let voxels = fields.map(|value| value.parse().unwrap()).collect();
    Volume::new(size.try_into().unwrap(), voxels).unwrap()
}

fn check_resize(prefix: &str, interpolation: Interpolation, tolerance: f32) {
    let volume = golden::<f32>("volume");
    let names = GOLDENS.lines().filter_map(|line| line.split(' ').next());
    let mut count = 0;
    for name in names.filter(|name| name.starts_with(prefix)) {
        let wanted = golden::<f32>(name);

        let resized = resize(&volume, wanted.size(), interpolation);

        for (found, wanted) in resized.as_slice().iter().zip(wanted.as_slice()) {
            assert!((found - wanted).abs() <= tolerance, "{name}: {found}, wanted {wanted}");
        }
        count += 1;
    }
    assert!(count >= 2, "{count} goldens {prefix}");
}

#[test]
fn linear_agrees_with_scipy() {
    // Values up to 130, three axes, f32: 3·130·2⁻²⁴, and as much again for the golden's digits.
    check_resize("linear_", Interpolation::Linear, 6e-5);
}

#[test]
fn nearest_agrees_with_pillow() {
    check_resize("nearest_", Interpolation::Nearest, 1e-5);
}

#[test]
fn area_agrees_with_opencv() {
    check_resize("area_", Interpolation::Mean, 6e-5);
}

#[test]
fn connected_parts_agree_with_scipy() {
    let mask = golden::<u8>("mask");
    let cases = [(Connectivity::Faces, 6), (Connectivity::Edges, 18), (Connectivity::Corners, 26)];
    for (connectivity, neighbours) in cases {
        let wanted = golden::<u32>(&format!("labels_{neighbours}"));

        let parts = Components::of(&mask, connectivity);

        assert_eq!(parts.labels(), &wanted, "{connectivity:?}");
    }
}

#[test]
fn opening_and_filling_agree_with_scipy() {
    let blob = golden::<u8>("blob");

    assert_eq!(open_in_plane(&blob, 1), golden("opened_1"));
    assert_eq!(open_in_plane(&blob, 2), golden("opened_2"));
    assert_eq!(fill_holes_in_plane(&blob), golden("filled"));
}
