//! What looks like a bleed and is none: each told with its reason.

use haema_measure::{DoubtId, lesions};
use haema_volume::{Affine, CtVolume, Grid, Volume};

/// Brain of 33 HU within a wall of bone at `x < 10`, pixels of 0.5 mm, slices of 5 mm.
fn scan(hu_at: impl Fn([usize; 3]) -> Option<f32>) -> CtVolume {
    let size = [4, 80, 80];
    let affine = Affine::from_steps([0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
    let hu = Volume::from_fn(size, |index| {
        hu_at(index).unwrap_or(if index[2] < 10 { 900.0 } else { 33.0 })
    });
    CtVolume::new(hu, Grid::from_affine(size, &affine).unwrap()).unwrap()
}

fn is_in([z, y, x]: [usize; 3], columns: std::ops::Range<usize>) -> bool {
    (1..3).contains(&z) && (20..50).contains(&y) && columns.contains(&x)
}

fn told(ct: &CtVolume, is_bleed: impl Fn([usize; 3]) -> bool) -> Vec<DoubtId> {
    let mask = Volume::from_fn(ct.grid().size(), |index| u8::from(is_bleed(index)));
    let table = lesions(&mask, ct, None).unwrap();
    table[0].doubts.iter().map(|doubt| doubt.id).collect()
}

#[test]
fn a_clot_in_the_brain_is_not_doubted() {
    let ct = scan(|index| is_in(index, 30..60).then_some(68.0));

    assert_eq!(told(&ct, |index| is_in(index, 30..60)), []);
}

#[test]
fn each_look_alike_has_its_reason() {
    let calcium = scan(|index| is_in(index, 30..60).then_some(140.0));
    assert_eq!(told(&calcium, |index| is_in(index, 30..60)), [DoubtId::Calcification]);

    let edge = scan(|index| is_in(index, 10..13).then_some(75.0));
    assert_eq!(told(&edge, |index| is_in(index, 10..13)), [DoubtId::BoneEdge]);

    let speck = scan(|_| None);
    let is_speck = |[z, y, x]: [usize; 3]| z == 1 && (30..34).contains(&y) && (40..44).contains(&x);
    assert_eq!(told(&speck, is_speck), [DoubtId::TooSmall]);

    // Bands of 60 and of −40 HU, 10 pixels wide.
    let streaks = scan(|[_, _, x]| (x >= 30).then_some(if x / 10 % 2 == 0 { 60.0 } else { -40.0 }));
    assert_eq!(told(&streaks, |index| is_in(index, 40..50)), [DoubtId::Streak]);

    // Brain that grows brighter towards the bone, and the 8.5 mL of it above 41 HU.
    let glow = scan(|[_, _, x]| (x >= 10).then_some(48.0 - 0.25 * (x as f32 - 10.0)));
    let is_bright = |[_, y, x]: [usize; 3]| y > 4 && y < 76 && (14..38).contains(&x);
    assert_eq!(told(&glow, is_bright), [DoubtId::Brightening]);
}

#[test]
fn a_rim_of_bone_in_the_mask_hides_no_brightening_and_makes_no_clot_a_calcification() {
    let bright_to_bone = |[_, _, x]: [usize; 3]| match x {
        0..10 => None,
        10..13 => Some(400.0 - 110.0 * (x as f32 - 10.0)),
        _ => Some(52.0 - 0.25 * (x as f32 - 13.0)),
    };
    let glow = scan(bright_to_bone);
    let with_rim = |[_, y, x]: [usize; 3]| y > 4 && y < 76 && (10..38).contains(&x);
    assert_eq!(told(&glow, with_rim), [DoubtId::Brightening]);

    // A clot at the bone, whose mask takes the blurred bone with it.
    let clot = scan(|[z, y, x]| match x {
        10..13 => bright_to_bone([z, y, x]),
        13..38 => Some(62.0),
        _ => None,
    });
    assert_eq!(told(&clot, with_rim), []);
}
