//! Label maps of others: what is taken, and what is refused and why.

use std::num::NonZeroUsize;

use haema_sim::{Anatomy, AnatomyError};
use haema_volume::{Affine, CtVolume, Grid, Volume};

/// Two hemispheres, a cerebellum below and behind, fluid, a skull and skin, in voxels of 2 mm.
fn label_at([x, y, z]: [f64; 3]) -> f32 {
    let ball = |centre: [f64; 3], radius: f64| {
        let way = haema_volume::sub([x, y, z], centre);
        haema_volume::norm(way) < radius
    };
    let hemisphere = if x > 0.0 { 2.0 } else { 41.0 };
    match () {
        () if ball([0.0, 32.0, -36.0], 22.0) => 8.0,
        () if ball([0.0; 3], 58.0) => hemisphere,
        () if ball([0.0; 3], 62.0) => 24.0,
        () if ball([0.0; 3], 69.0) => 515.0,
        () if ball([0.0; 3], 74.0) => 507.0,
        () if ball([0.0; 3], 78.0) => 511.0,
        () if ball([30.0, -80.0, -20.0], 11.0) => 506.0,
        () => 0.0,
    }
}

fn map(affine: &Affine, size: usize, label: impl Fn([f64; 3]) -> f32) -> CtVolume {
    let size = [size; 3];
    let grid = Grid::from_affine(size, affine).unwrap();
    let at = |index: [usize; 3]| label(affine.point_at(index.map(|i| i as f64)));
    CtVolume::new(Volume::from_fn(size, at), grid).unwrap()
}

fn axial(pitch_mm: f64) -> Affine {
    let low = [-100.0; 3];
    Affine::from_steps([pitch_mm, 0.0, 0.0], [0.0, pitch_mm, 0.0], [0.0, 0.0, pitch_mm], low)
}

fn prepared(map: &CtVolume) -> Result<Anatomy, AnatomyError> {
    Anatomy::from_label_map(map, NonZeroUsize::MIN)
}

#[test]
fn a_whole_head_is_taken_whatever_the_order_of_its_axes() {
    prepared(&map(&axial(2.0), 100, label_at)).unwrap();
    // Left, inferior, anterior: as the maps of SynthSeg.
    let turned = Affine::from_steps(
        [2.0, 0.0, 0.0],
        [0.0, 0.0, -2.0],
        [0.0, -2.0, 0.0],
        [-100.0, 100.0, 100.0],
    );
    prepared(&map(&turned, 100, label_at)).unwrap();
}

#[test]
fn an_unknown_label_is_named() {
    let odd = |point: [f64; 3]| if point[0] < -98.0 { 999.0 } else { label_at(point) };

    let error = prepared(&map(&axial(2.0), 100, odd)).unwrap_err();

    assert!(
        error.to_string().starts_with("labels 999 are unknown: wanted FreeSurfer's"),
        "{error}"
    );
}

#[test]
fn a_brain_without_a_skull_is_refused() {
    let bare = |point| Some(label_at(point)).filter(|&label| label != 515.0).unwrap_or(0.0);

    let error = prepared(&map(&axial(2.0), 100, bare)).unwrap_err();

    let message = error.to_string();
    assert!(message.starts_with("0 mL of skull: wanted at least 150 mL (labels 515, 516); take"));
}

#[test]
fn an_affine_that_turns_the_head_is_refused() {
    let of = |turn: fn([f64; 3]) -> [f64; 3]| {
        let turned = map(&axial(2.0), 100, |point| label_at(turn(point)));
        prepared(&turned).unwrap_err().to_string()
    };

    assert!(
        of(|[x, y, z]| [-x, y, z]).starts_with("the affine puts the left half of the brain on")
    );
    assert!(
        of(|[x, y, z]| [x, y, -z]).starts_with("the affine puts the cerebellum beside or above")
    );
    assert!(of(|[x, y, z]| [x, -y, z]).starts_with("the affine puts the cerebellum at the front"));
}

#[test]
fn voxels_too_large_for_a_cortex_are_refused() {
    let error = prepared(&map(&axial(4.0), 50, label_at)).unwrap_err();

    assert!(matches!(error, AnatomyError::TooCoarse { .. }), "{error}");
}
