//! Whole cases: what they promise of their bleeds, and that they do not depend on threads.

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use haema_sim::{
    Anatomy, CaseOptions, Mimic, Place, Protocol, SimulatedCase, Site, Wanted, draw_bleeds,
    follow_up, grid_around_brain, simulate_case, simulate_on_grid,
};

static HEAD: LazyLock<Anatomy> = LazyLock::new(|| Anatomy::builtin(0, NonZeroUsize::MIN));

/// A coarse scan, quickly made.
fn coarse(seed: u64, bleeds: Vec<Wanted>) -> CaseOptions {
    let protocol = Protocol { pixels: 160, noise_hu: 0.0, hardening: 0.0, ..Protocol::default() };
    CaseOptions {
        bleeds: Some(bleeds),
        mimics: Some(Vec::new()),
        protocol: Some(protocol),
        pitch_mm: 2.0,
        ..CaseOptions::new(seed)
    }
}

fn make(seed: u64, bleeds: Vec<Wanted>) -> SimulatedCase {
    simulate_case(&HEAD, &coarse(seed, bleeds)).unwrap()
}

#[test]
fn every_site_gives_a_bleed_of_the_volume_that_was_asked_for() {
    for (seed, site) in Site::ALL.into_iter().enumerate() {
        let case = make(seed as u64, vec![Wanted::new(site, 4.0)]);

        let [lesion] = case.lesions.as_slice() else { panic!("{site:?}: {:?}", case.lesions) };
        assert_eq!(lesion.site, site);
        assert!((lesion.volume_ml - 4.0).abs() < 0.01, "{site:?}: {}", lesion.volume_ml);
        assert!((lesion.scanned_ml - 4.0).abs() < 0.08, "{site:?}: {}", lesion.scanned_ml);
        let voxel_ml = case.ct.grid().voxel_volume_mm3(3) / 1000.0;
        let masked = case.mask.as_slice().iter().filter(|&&voxel| voxel > 0).count();
        let mask_ml = masked as f64 * voxel_ml;
        assert!((mask_ml - lesion.scanned_ml).abs() <= 0.51 * voxel_ml, "{site:?}: {mask_ml}");
        let others = case.subtypes.as_slice().iter().filter(|&&v| v != 0 && v != site.subtype());
        assert_eq!(others.count(), 0, "{site:?}");
    }
}

#[test]
fn truth_tells_where_a_bleed_began_and_on_which_side() {
    let places = [
        (Site::Lobar, vec![Some(Place::Lobe)]),
        (Site::Deep, vec![Some(Place::BasalGanglia), Some(Place::Thalamus)]),
        (Site::Cerebellar, vec![Some(Place::Cerebellum)]),
        (Site::Brainstem, vec![Some(Place::Brainstem)]),
        (Site::Intraventricular, vec![Some(Place::Ventricle)]),
        (Site::Epidural, vec![None]),
    ];
    let mut sides = Vec::new();
    for seed in 0..3 {
        for (site, wanted) in &places {
            let case = make(seed, vec![Wanted::new(*site, 3.0)]);

            let [lesion] = case.lesions.as_slice() else { panic!("{site:?}") };
            assert!(wanted.contains(&lesion.place), "{site:?}: {:?}", lesion.place);
            assert!((0.0..=1.0).contains(&lesion.left_share), "{lesion:?}");
            if matches!(site, Site::Lobar | Site::Deep | Site::Epidural) {
                let is_left = lesion.centre_lps_mm[0] > 0.0;
                assert_eq!(lesion.side(), if is_left { "left" } else { "right" }, "{lesion:?}");
                sides.push(is_left);
            }
        }
    }
    assert!(sides.contains(&true) && sides.contains(&false));
}

#[test]
fn a_resection_leaves_a_hole_of_fluid_under_the_cut_and_no_bleed() {
    let options = coarse(5, Vec::new());
    let with = CaseOptions { mimics: Some(vec![Mimic::ResectionCavity]), ..options.clone() };

    let [before, after] = [options, with].map(|options| simulate_case(&HEAD, &options).unwrap());

    let pairs = before.ct.voxels_hu().as_slice().iter().zip(after.ct.voxels_hu().as_slice());
    let emptied = pairs.filter(|(a, b)| **a > 26.0 && **a < 60.0 && **b < 22.0).count();
    let hole_ml = emptied as f64 * before.ct.grid().voxel_volume_mm3(3) / 1000.0;
    assert!((2.0..60.0).contains(&hole_ml), "{hole_ml} mL of brain are gone");
    assert!(after.mask.as_slice().iter().all(|&voxel| voxel == 0));
}

#[test]
fn a_head_that_moves_within_slices_keeps_the_volume_of_its_bleed() {
    let options = coarse(4, vec![Wanted::new(Site::Lobar, 20.0)]);
    let protocol = Protocol { jerk_mm: 4.0, ..options.protocol.clone().unwrap() };
    let moving = CaseOptions { protocol: Some(protocol), ..options.clone() };

    let [still, moved] = [options, moving].map(|options| simulate_case(&HEAD, &options).unwrap());

    assert!((moved.lesions[0].scanned_ml - 20.0).abs() < 0.4, "{:?}", moved.lesions);
    let changed = |z: usize| {
        let planes = [&still, &moved].map(|case| case.ct.voxels_hu().plane(z));
        planes[0].iter().zip(planes[1]).filter(|(a, b)| (**a - **b).abs() > 50.0).count() > 200
    };
    let depth = still.ct.grid().size()[0];
    let count = (0..depth).filter(|&z| changed(z)).count();
    assert!((depth / 8..depth * 2 / 3).contains(&count), "{count} of {depth} slices");
}

#[test]
fn fresh_blood_is_denser_than_the_brain_around_it() {
    let case = make(3, vec![Wanted::new(Site::Epidural, 30.0)]);

    let hu = case.ct.voxels_hu().as_slice().iter().zip(case.bleed_shares.as_slice());
    let within: Vec<f32> = hu.filter(|(_, share)| **share > 0.95).map(|(hu, _)| *hu).collect();

    let mean = within.iter().sum::<f32>() / within.len() as f32;
    assert!((42.0..90.0).contains(&mean), "{mean}");
    assert!((f64::from(mean) - case.lesions[0].mean_hu).abs() < 4.0, "{:?}", case.lesions);
}

#[test]
fn bleeds_push_the_midline_to_the_other_side_as_far_as_in_patients() {
    // Medians over patients, mm: 2 to 6 for 30 to 60 mL in the brain, and more for more.
    let wanted = [
        (Site::Deep, 60.0, 4.0..10.0),
        (Site::Lobar, 10.0, 0.2..2.0),
        (Site::Lobar, 60.0, 2.0..8.0),
        (Site::Subdural, 60.0, 3.5..10.0),
        (Site::Subdural, 100.0, 5.0..14.0),
        (Site::Epidural, 100.0, 5.0..14.0),
    ];
    for (site, volume_ml, range_mm) in wanted {
        let away_mm = |seed: u64| {
            let bleeds = vec![Wanted::new(site, volume_ml)];
            let protocol = Protocol { pixels: 32, ..coarse(seed, Vec::new()).protocol.unwrap() };
            let options =
                CaseOptions { pitch_mm: 4.0, protocol: Some(protocol), ..coarse(seed, bleeds) };
            let case = simulate_case(&HEAD, &options).unwrap();
            -case.midline_shift_mm * case.lesions[0].centre_lps_mm[0].signum()
        };
        let mut shifts: Vec<f64> = (0..3).map(away_mm).collect();
        shifts.sort_by(f64::total_cmp);

        eprintln!("{site:?} {volume_ml} mL: midline away by {shifts:.1?} mm");
        assert!(shifts[0] > 0.0, "all to the other side: {site:?} {volume_ml} mL: {shifts:?}");
        assert!(range_mm.contains(&shifts[1]), "{site:?} {volume_ml} mL: {shifts:?}");
    }
}

#[test]
fn sizes_spread_from_a_tenth_of_a_millilitre_to_a_hundred_and_fifty() {
    // Per head, all its bleeds together; the table in docs/simulator is this one.
    let ends = [0.3, 1.0, 3.0, 10.0, 30.0, 60.0, f64::INFINITY];
    let mut counts = [0; 7];
    let mut largest_ml = 0.0_f64;
    let mut several = 0;
    for seed in 0..1000 {
        let bleeds = draw_bleeds(seed);
        let total_ml: f64 = bleeds.iter().map(|bleed| bleed.volume_ml).sum();
        let bin = ends.iter().position(|&end| total_ml < end).unwrap();
        counts[bin] += 1;
        several += usize::from(bleeds.len() > 1);
        for bleed in &bleeds {
            assert!((0.1..=150.0).contains(&bleed.volume_ml), "{bleed:?}");
            largest_ml = largest_ml.max(bleed.volume_ml);
        }
    }
    eprintln!(
        "heads of 1000 below {ends:?} mL: {counts:?}; largest {largest_ml:.0} mL; {several} have several"
    );

    let [under_1, from_30] = [counts[..2].iter().sum::<i32>(), counts[5..].iter().sum()];
    assert!((100..250).contains(&under_1), "small ones are there: {counts:?}");
    assert!((200..350).contains(&from_30), "large ones come often: {counts:?}");
    assert!(largest_ml > 120.0, "{largest_ml}");
    assert!((250..450).contains(&several), "several at once: {several}");
}

#[test]
fn a_head_without_bleeds_has_an_empty_mask() {
    let case = make(1, Vec::new());

    assert!(case.mask.as_slice().iter().all(|&voxel| voxel == 0));
    assert!(case.lesions.is_empty());
    assert_eq!(case.midline_shift_mm, 0.0);
}

#[test]
fn the_same_seed_gives_the_same_voxels_on_any_number_of_threads() {
    // Every pass that runs on threads, on as few nodes as have room for all look-alikes.
    for by_projection in [false, true] {
        let three = NonZeroUsize::new(3).unwrap();
        let pixels = if by_projection { 48 } else { 96 };
        let scanned = Protocol { pixels, by_projection, motion_mm: 1.0, ..Protocol::default() };
        let scanned = Protocol { jerk_mm: 2.0, table_mm: Some(100.0), ..scanned };
        let mut options = CaseOptions {
            mimics: Some(Mimic::ALL.to_vec()),
            protocol: Some(scanned),
            pitch_mm: 4.0,
            ..coarse(11, draw_bleeds(11))
        };
        let one = simulate_case(&HEAD, &options).unwrap();

        options.threads = three;
        let three = simulate_case(&Anatomy::builtin(0, three), &options).unwrap();

        assert_eq!(one.ct, three.ct);
        assert_eq!(one.mask, three.mask);
        assert_eq!(one.lesions, three.lesions);
    }
}

#[test]
fn a_scan_by_projections_shows_the_same_head_and_the_same_truth() {
    let options = coarse(4, vec![Wanted::new(Site::Lobar, 40.0)]);
    let protocol = Protocol { pixels: 128, ..options.protocol.clone().unwrap() };
    let [image, projected] = [false, true].map(|by_projection| {
        let protocol = Some(Protocol { by_projection, ..protocol.clone() });
        simulate_case(&HEAD, &CaseOptions { protocol, ..options.clone() }).unwrap()
    });

    assert_eq!(image.mask, projected.mask);
    let mean = |case: &SimulatedCase, is_chosen: fn(f32, f32) -> bool| {
        let pairs = image.ct.voxels_hu().as_slice().iter().zip(image.bleed_shares.as_slice());
        let chosen = pairs.zip(case.ct.voxels_hu().as_slice());
        let chosen: Vec<f32> = chosen
            .filter(|((hu, share), _)| is_chosen(**hu, **share))
            .map(|(_, found)| *found)
            .collect();
        chosen.iter().sum::<f32>() / chosen.len() as f32
    };
    let tissues: [fn(f32, f32) -> bool; 2] =
        [|hu, share| (25.0..45.0).contains(&hu) && share == 0.0, |_, share| share > 0.95];
    for tissue in tissues {
        let (wanted, found) = (mean(&image, tissue), mean(&projected, tissue));
        assert!((wanted - found).abs() < 8.0, "{wanted} HU, by projections {found} HU");
    }
}

#[test]
fn projections_of_a_grid_that_is_not_square_are_refused() {
    let grid = grid_around_brain(&HEAD, [4, 40, 32]).unwrap();
    let mut options = coarse(0, Vec::new());
    options.protocol = Some(Protocol { by_projection: true, ..Protocol::default() });

    let refused = simulate_on_grid(&HEAD, &options, &grid).unwrap_err().to_string();

    assert_eq!(refused, "height for projections of 40 pixels: wanted 32 to 32 pixels");
}

#[test]
fn a_second_scan_finds_the_same_bleed_grown_in_its_place() {
    let first = vec![Wanted::new(Site::Lobar, 8.0), Wanted::new(Site::Epidural, 5.0)];
    let grown = vec![Wanted { volume_ml: 20.0, ..first[0] }, first[1]];
    let mut later = coarse(9, grown);
    later.visit = 1;

    let before = make(9, first);
    let after = simulate_case(&HEAD, &later).unwrap();

    let volumes = |case: &SimulatedCase| -> Vec<f64> {
        case.lesions.iter().map(|lesion| (100.0 * lesion.volume_ml).round() / 100.0).collect()
    };
    assert_eq!(volumes(&before), [8.0, 5.0]);
    assert_eq!(volumes(&after), [20.0, 5.0]);
    for (a, b) in before.lesions.iter().zip(&after.lesions) {
        let way = haema_volume::norm(haema_volume::sub(a.centre_lps_mm, b.centre_lps_mm));
        assert!(way < 6.0, "{a:?}, {b:?}");
    }
    assert_eq!(follow_up(&draw_bleeds(4), 4), follow_up(&draw_bleeds(4), 4));
    let large = vec![Wanted::new(Site::Subdural, 140.0)];
    let grown = (0..50).map(|seed| follow_up(&large, seed)[0].volume_ml).fold(0.0, f64::max);
    assert!((grown - 150.0).abs() < 1e-9, "no larger than any that is drawn: {grown}");
}

#[test]
fn a_protocol_without_pixels_is_refused() {
    let mut options = coarse(0, Vec::new());
    options.protocol = Some(Protocol { pixels: 0, ..Protocol::default() });

    let error = simulate_case(&HEAD, &options).unwrap_err();

    assert_eq!(error.to_string(), "matrix of 0 pixels: wanted 16 to 2048 pixels");
    options.pitch_mm = 0.0;
    assert!(simulate_case(&HEAD, &options).is_err());
}

#[test]
fn a_networks_grid_is_filled_with_head_and_bleed() {
    let grid = grid_around_brain(&HEAD, [32, 160, 128]).unwrap();
    let options = coarse(2, vec![Wanted::new(Site::Deep, 30.0)]);

    let case = simulate_on_grid(&HEAD, &options, &grid).unwrap();

    assert_eq!(case.ct.grid(), &grid);
    assert!((case.lesions[0].scanned_ml - 30.0).abs() < 0.1, "{:?}", case.lesions);
    let is_head = |hu: &&f32| **hu > -300.0;
    let solid = case.ct.voxels_hu().as_slice().iter().filter(is_head).count();
    assert!(solid > grid.size().iter().product::<usize>() / 3, "{solid}");
}
