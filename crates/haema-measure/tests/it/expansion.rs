//! Signs of expansion on textures with known steps.

use haema_measure::{ExpansionSign, SignId, expansion_signs};
use haema_volume::{Affine, CtVolume, Grid, Volume};

/// A ball of blood, 40 mm wide, in brain of 32 HU, slices of 5 mm, pixels of 0.5 mm, noise of ±`noise`.
/// `hu_at` gives the density at a place within the ball, in mm from its middle.
fn scan(noise: f64, hu_at: impl Fn([f64; 3]) -> f64) -> (CtVolume, Volume<u32>) {
    let size = [12, 120, 120];
    let affine = Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
    let grid = Grid::from_affine(size, &affine).unwrap();
    let place = |[z, y, x]: [usize; 3]| {
        [(x as f64 - 59.5) * 0.5, (y as f64 - 59.5) * 0.5, (z as f64 - 5.5) * 5.0]
    };
    let is_blood = |at: [f64; 3]| at.iter().map(|mm| mm * mm).sum::<f64>() < 400.0;
    // A linear congruential generator: the noise is the same every time.
    let mut state = 12_345_u32;
    let hu = Volume::from_fn(size, |index| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at = place(index);
        let clean = if is_blood(at) { hu_at(at) } else { 32.0 };
        (clean + noise * (f64::from(state >> 8) / 8_388_608.0 - 1.0)).round() as f32
    });
    let labels = Volume::from_fn(size, |index| u32::from(is_blood(place(index))));
    (CtVolume::new(hu, grid).unwrap(), labels)
}

fn sign(signs: &[ExpansionSign], id: SignId) -> &ExpansionSign {
    signs.iter().find(|sign| sign.id == id).unwrap()
}

fn present(signs: &[ExpansionSign]) -> Vec<SignId> {
    signs.iter().filter(|sign| sign.is_present == Some(true)).map(|sign| sign.id).collect()
}

fn signs_of(noise: f64, hu_at: impl Fn([f64; 3]) -> f64) -> Vec<ExpansionSign> {
    let (ct, labels) = scan(noise, hu_at);
    expansion_signs(&ct, &labels, 1).unwrap()
}

#[test]
fn an_even_bleed_has_no_sign_in_any_noise() {
    for noise in [0.0, 6.0, 12.0] {
        let signs = signs_of(noise, |_| 68.0);

        assert_eq!(present(&signs), [], "{noise}: {signs:?}");
        let variation = sign(&signs, SignId::DensityVariation).measured.unwrap();
        // Even noise of ±a has a standard deviation of a/√3.
        assert!((variation - 100.0 * noise / 3.0_f64.sqrt() / 68.0).abs() < 0.8, "{variation}");
    }
}

#[test]
fn a_black_hole_is_measured_and_its_bar_is_28_hu() {
    for (step, is_black) in [(22.0, false), (34.0, true)] {
        let hole = |at: [f64; 3]| (at[0] - 4.0).hypot(at[1] + 3.0) < 5.0 && at[2].abs() < 8.0;
        let signs = signs_of(6.0, |at| if hole(at) { 76.0 - step } else { 76.0 });

        let black = sign(&signs, SignId::BlackHole);
        assert_eq!(black.is_present, Some(is_black), "{signs:?}");
        assert!((black.measured.unwrap() - step).abs() < 5.0, "{black:?}");
        assert!(present(&signs).contains(&SignId::Hypodensity));
        assert!(!present(&signs).contains(&SignId::Blend), "an enclosed part is no blend");
    }
}

#[test]
fn a_swirl_is_as_dark_as_brain() {
    let streak = |at: [f64; 3]| at[0].abs() < 9.0 && at[1].abs() < 3.0 && at[2].abs() < 8.0;
    for (hu, is_swirl) in [(34.0, true), (50.0, false)] {
        let signs = signs_of(5.0, |at| if streak(at) { hu } else { 70.0 });

        assert_eq!(sign(&signs, SignId::Swirl).is_present, Some(is_swirl), "{signs:?}");
        let measured = sign(&signs, SignId::Swirl).measured.unwrap();
        assert!((measured - hu).abs() < 6.0, "{measured}");
    }
}

#[test]
fn a_blend_has_a_sharp_border_and_a_step_of_18_hu() {
    // Leaning, so that it is no fluid level.
    let side = |at: [f64; 3]| at[0] + at[1] > 4.0;
    let small = signs_of(6.0, |at| if side(at) { 62.0 } else { 74.0 });
    let large = signs_of(6.0, |at| if side(at) { 50.0 } else { 74.0 });
    let slow = signs_of(6.0, |at| 62.0 - (at[0] + at[1]));

    assert_eq!(present(&small), []);
    assert_eq!(present(&large), [SignId::Blend], "{large:?}");
    let measured = sign(&large, SignId::Blend).measured.unwrap();
    assert!((measured - 24.0).abs() < 2.5, "{measured}");
    assert!(!present(&slow).contains(&SignId::Blend), "{slow:?}");
}

#[test]
fn a_fluid_level_is_level_for_a_patient_on_the_back() {
    // To the back is +y of the patient: the lighter part floats in front.
    let level = signs_of(6.0, |at| if at[1] < -2.0 { 46.0 } else { 72.0 });
    let upside_down = signs_of(6.0, |at| if at[1] > 2.0 { 46.0 } else { 72.0 });

    assert!(present(&level).contains(&SignId::FluidLevel), "{level:?}");
    assert!(!present(&upside_down).contains(&SignId::FluidLevel), "{upside_down:?}");
    let measured = sign(&level, SignId::FluidLevel).measured.unwrap();
    assert!((measured - 26.0).abs() < 3.0, "{measured}");
}

#[test]
fn islands_are_counted_and_satellites_are_near() {
    let (ct, mut labels) = scan(5.0, |_| 68.0);
    let mut put = |label: u32, [z, y, x]: [usize; 3]| {
        for y in y..y + 8 {
            for x in x..x + 8 {
                labels[[z, y, x]] = label;
            }
        }
    };
    put(2, [5, 55, 104]);
    put(3, [6, 104, 60]);
    let two = expansion_signs(&ct, &labels, 1).unwrap();
    let mut put = |label: u32, [z, y, x]: [usize; 3]| {
        for y in y..y + 8 {
            for x in x..x + 8 {
                labels[[z, y, x]] = label;
            }
        }
    };
    put(4, [6, 6, 60]);
    let three = expansion_signs(&ct, &labels, 1).unwrap();

    assert_eq!(sign(&two, SignId::Island).is_present, Some(false));
    assert_eq!(sign(&two, SignId::Satellite).measured, Some(2.0));
    assert_eq!(sign(&two, SignId::Satellite).slice, Some(5));
    assert_eq!(sign(&three, SignId::Island).is_present, Some(true));
}
