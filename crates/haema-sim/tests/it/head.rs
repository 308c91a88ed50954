//! The sample head: its truth, its Hounsfield units, its seed.

use haema_sim::{HeadOptions, SimulatedHead, builtin_head, simulate_head};
use haema_volume::{Components, Connectivity, Orientation, Volume};

fn small(options: HeadOptions) -> SimulatedHead {
    simulate_head(&HeadOptions { pixels: 128, slices: 16, ..options }).unwrap()
}

fn mask_ml(head: &SimulatedHead) -> f64 {
    let grid = head.ct.grid();
    let voxels = |z: usize| head.truth.plane(z).iter().filter(|&&voxel| voxel != 0).count();
    (0..grid.size()[0]).map(|z| voxels(z) as f64 * grid.voxel_volume_mm3(z)).sum::<f64>() / 1000.0
}

/// Mean and standard deviation inside a mask.
fn statistics(hu: &Volume<f32>, mask: &Volume<u8>) -> (f64, f64) {
    let inside: Vec<f64> = hu
        .as_slice()
        .iter()
        .zip(mask.as_slice())
        .filter(|(_, voxel)| **voxel != 0)
        .map(|(hu, _)| f64::from(*hu))
        .collect();
    let mean = inside.iter().sum::<f64>() / inside.len() as f64;
    let variance = inside.iter().map(|hu| (hu - mean).powi(2)).sum::<f64>() / inside.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn the_sample_is_a_routine_scan_with_24_ml_of_fresh_blood() {
    let head = builtin_head(1);

    assert_eq!(head.ct.grid().size(), [32, 512, 512]);
    assert_eq!(head.ct.grid().spacing_mm()[0], 5.0);
    assert_eq!(Orientation::of(head.ct.grid()).to_string(), "LPS");
    assert!((head.truth_ml - 24.0).abs() < 1e-9);
    assert!((mask_ml(&head) - 24.0).abs() < 0.001, "{} mL", mask_ml(&head));
    let (mean_hu, _) = statistics(head.ct.voxels_hu(), &head.truth);
    assert!((58.0..68.0).contains(&mean_hu), "{mean_hu} HU");
    let hu = head.ct.voxels_hu().as_slice();
    assert!(hu.iter().all(|hu| hu.fract() == 0.0 && (-1024.0..=3071.0).contains(hu)));
    let share = |low: f32, high: f32| {
        hu.iter().filter(|hu| (low..high).contains(*hu)).count() as f64 / hu.len() as f64
    };
    // Air about the head, brain and soft tissue, bone.
    assert!((0.5..0.75).contains(&share(-1024.0, -800.0)), "{}", share(-1024.0, -800.0));
    assert!((0.15..0.35).contains(&share(0.0, 100.0)), "{}", share(0.0, 100.0));
    assert!((0.03..0.12).contains(&share(400.0, 3072.0)), "{}", share(400.0, 3072.0));
}

#[test]
fn noise_is_that_of_a_routine_slice() {
    let head = small(HeadOptions::default());
    let corner = Volume::from_fn(head.ct.grid().size(), |[_, y, x]| u8::from(y < 20 && x < 20));

    let (mean_hu, deviation_hu) = statistics(head.ct.voxels_hu(), &corner);

    assert!((mean_hu + 1000.0).abs() < 1.0, "{mean_hu}");
    assert!((deviation_hu - 3.5).abs() < 0.3, "{deviation_hu}");
}

#[test]
fn the_seed_changes_the_scan_and_not_the_truth() {
    let [first, again, other] =
        [5, 5, 6].map(|seed| small(HeadOptions { seed, ..HeadOptions::default() }));

    assert_eq!(first.ct, again.ct);
    assert_ne!(first.ct, other.ct);
    assert_eq!(first.truth, other.truth);
}

#[test]
fn a_head_may_have_no_bleed_or_two() {
    let none = small(HeadOptions { bleed_ml: 0.0, ..HeadOptions::default() });
    let two = small(HeadOptions { has_subdural: true, ..HeadOptions::default() });

    assert_eq!(none.truth_ml, 0.0);
    assert!(none.truth.as_slice().iter().all(|&voxel| voxel == 0));
    assert!((5.0..25.0).contains(&(two.truth_ml - 24.0)), "{} mL", two.truth_ml);
    assert!((mask_ml(&two) / two.truth_ml - 1.0).abs() < 0.01, "{} mL", mask_ml(&two));
    // At 2 mm pixels the thin rim of the subdural comes apart into crumbs.
    let parts = Components::of(&two.truth, Connectivity::Corners);
    let large = parts.voxel_counts().iter().filter(|&&count| count > 50).count();
    assert_eq!(large, 2);
}

#[test]
fn a_head_of_no_slices_is_refused() {
    assert!(simulate_head(&HeadOptions { slices: 0, ..HeadOptions::default() }).is_err());
    assert!(simulate_head(&HeadOptions { pixels: 0, ..HeadOptions::default() }).is_err());
}
