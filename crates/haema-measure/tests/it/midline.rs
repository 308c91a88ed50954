//! Heads whose middle was pushed aside by a known way.

use std::num::NonZeroUsize;

use haema_measure::{MidlineShift, Side, Whereabouts};
use haema_sim::{HeadOptions, simulate_head};
use haema_volume::{CtVolume, Volume, sub};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The head of the program with its inside pushed to the left by `shift_mm` at the foramina of Monro
/// and by less and less about them, and the shift that is found. Bone stays.
fn found(shift_mm: f64) -> Option<MidlineShift> {
    let options = HeadOptions { pixels: 176, slices: 32, bleed_ml: 0.0, ..HeadOptions::default() };
    let head = simulate_head(&options).unwrap().ct;
    let grid = head.grid().clone();
    let monro = Whereabouts::of(&head, TWO).unwrap().monro_lps_mm();
    let pixel_mm = grid.spacing_mm()[2];
    let pushed = Volume::from_fn(grid.size(), |[z, y, x]| {
        let way = sub(grid.point_lps_mm(z, y as f64, x as f64), monro);
        let far = (way[0] / 34.0).powi(2) + (way[1] / 45.0).powi(2) + (way[2] / 40.0).powi(2);
        let from = x as f64 - shift_mm * (-far).exp() / pixel_mm;
        let lower = from.floor().clamp(0.0, (grid.size()[2] - 2) as f64);
        let part = (from - lower).clamp(0.0, 1.0) as f32;
        let (a, b) = (
            head.voxels_hu()[[z, y, lower as usize]],
            head.voxels_hu()[[z, y, lower as usize + 1]],
        );
        a + part * (b - a)
    });
    let ct = CtVolume::new(pushed, grid).unwrap();
    let none = Volume::filled(ct.grid().size(), 0_u8);
    Whereabouts::of(&ct, TWO).unwrap().midline_shift(&ct, &none).unwrap()
}

#[test]
fn a_head_as_it_should_be_has_no_shift() {
    let found = found(0.0).unwrap();

    assert!(found.shift_mm < 1.0 && found.volume_ml < 3.0, "{found:?}");
}

#[test]
fn a_known_shift_is_found_to_a_millimetre_on_its_side() {
    for (shift_mm, towards) in [(6.0, Side::Left), (-11.0, Side::Right)] {
        let found = found(shift_mm).unwrap();

        // The structures of the middle lie where the push, which they carry with them, was less.
        let wanted_mm = shift_mm.abs() * (-(shift_mm / 34.0).powi(2)).exp();
        assert!((found.shift_mm - wanted_mm).abs() < 1.0, "{found:?}: wanted {wanted_mm}");
        assert_eq!(found.towards, towards, "{found:?}");
        assert!(found.volume_ml > 2.0 * wanted_mm / 3.0, "{found:?}");
    }
}
