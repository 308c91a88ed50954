use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;

const SIZE: [usize; 3] = [24, 96, 80];
const SPACING_MM: [f32; 3] = [5.0, 2.0, 2.0];

/// A ball of brain, 60 mm, with a ventricle of 20 mm, in a skull of 6 mm.
fn ball_head() -> Vec<f32> {
    let centre = [60.0, 96.0, 80.0];
    let mut image = Vec::new();
    for i in 0..SIZE.iter().product::<usize>() {
        let index = [i / (SIZE[1] * SIZE[2]), i / SIZE[2] % SIZE[1], i % SIZE[2]];
        let way: [f32; 3] = std::array::from_fn(|a| index[a] as f32 * SPACING_MM[a] - centre[a]);
        let away = way.iter().map(|v| v * v).sum::<f32>().sqrt();
        image.push(match away {
            ..20.0 => 8.0,
            ..60.0 => 35.0,
            ..66.0 => 100.0,
            _ => 0.0,
        });
    }
    image
}

fn head() -> HeadMap {
    HeadMap::of(&ball_head(), SIZE, SPACING_MM).expect("a ball of brain in a skull")
}

const KINDS: [Kind; 5] = [
    Kind::Intraparenchymal,
    Kind::Epidural,
    Kind::Subdural,
    Kind::Subarachnoid,
    Kind::Intraventricular,
];

#[test]
fn the_brain_is_what_the_skull_encloses() {
    let head = head();
    let ml = head.inside().len() as f32 * SPACING_MM.iter().product::<f32>() / 1000.0;
    let image = ball_head();

    // 4/3 π 6³ = 905 mL; the topmost and lowest planes are left out.
    assert!((780.0..930.0).contains(&ml), "{ml} mL");
    assert!(head.inside().iter().all(|&i| image[i as usize] < 90.0));
}

#[test]
fn depth_is_the_distance_to_the_skull() {
    let head = head();
    // 30 mm from the centre in the plane: 30 mm from the skull.
    let at = (12 * SIZE[1] + 48) * SIZE[2] + 40 + 15;

    let found = head.depth_mm()[at];

    assert!((27.0..34.0).contains(&found), "{found} mm");
    assert_eq!(head.depth_mm()[0], 0.0);
}

#[test]
fn without_a_skull_there_is_no_head() {
    let image = vec![35.0; SIZE.iter().product()];

    assert!(HeadMap::of(&image, SIZE, SPACING_MM).is_none());
}

#[test]
fn a_bleed_stays_inside_and_is_as_bright_as_its_share_says() {
    let head = head();
    for (seed, kind) in (0..40).zip(KINDS.into_iter().cycle()) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let before = ball_head();
        let (mut image_hu, mut target) = (before.clone(), vec![0.0; before.len()]);
        let bleed = Bleed::draw(kind, &head, &before, &mut rng).expect("the ball has every place");
        let mut canvas = Canvas { image_hu: &mut image_hu, target: &mut target };
        bleed.paint(&head, &mut canvas, &mut rng);

        assert!(target.iter().all(|t| (0.0..=1.0).contains(t)));
        for i in 0..target.len() {
            if head.depth_mm()[i] == 0.0 {
                assert!(target[i] == 0.0 && image_hu[i] == before[i], "{kind:?} left the skull");
            }
            if target[i] == 1.0 {
                assert!((30.0..105.0).contains(&image_hu[i]), "{kind:?}: {} HU", image_hu[i]);
            }
        }
    }
}

#[test]
fn each_kind_lies_where_its_name_says() {
    let (head, before) = (head(), ball_head());
    for (seed, kind) in (0..40).zip(KINDS.into_iter().cycle()) {
        let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
        let (mut image_hu, mut target) = (before.clone(), vec![0.0; before.len()]);
        let bleed = Bleed::draw(kind, &head, &before, &mut rng).expect("the ball has every place");
        bleed.paint(&head, &mut Canvas { image_hu: &mut image_hu, target: &mut target }, &mut rng);
        let bled: Vec<usize> = (0..target.len()).filter(|&i| target[i] > 0.5).collect();
        let shallowest = bled.iter().map(|&i| head.depth_mm()[i]).fold(f32::MAX, f32::min);
        match kind {
            Kind::Epidural | Kind::Subdural => {
                assert!(!bled.is_empty() && shallowest <= 5.0, "{kind:?}: {shallowest} mm deep");
            }
            Kind::Subarachnoid | Kind::Intraventricular => {
                assert!(bled.iter().all(|&i| before[i] < 20.0), "{kind:?} outside of CSF");
            }
            Kind::Intraparenchymal => {}
        }
    }
}

#[test]
fn look_alikes_change_the_image_inside_only() {
    let (head, before) = (head(), ball_head());
    for look_alike in [LookAlike::Calcification, LookAlike::ThickRim, LookAlike::Shading] {
        let mut image_hu = before.clone();
        look_alike.paint(&head, &mut image_hu, &mut ChaCha8Rng::seed_from_u64(3));

        let changed: Vec<usize> = (0..before.len()).filter(|&i| image_hu[i] != before[i]).collect();
        assert!(!changed.is_empty(), "{look_alike:?} changed nothing");
        assert!(changed.iter().all(|&i| head.depth_mm()[i] > 0.0), "{look_alike:?} left the skull");
    }
}

#[test]
fn the_same_seed_paints_the_same() {
    let (head, before) = (head(), ball_head());
    let paint = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut image_hu, mut target) = (before.clone(), vec![0.0; before.len()]);
        let bleed =
            Bleed::draw(Kind::Epidural, &head, &before, &mut rng).expect("there is a skull");
        bleed.paint(&head, &mut Canvas { image_hu: &mut image_hu, target: &mut target }, &mut rng);
        (image_hu, target)
    };

    assert_eq!(paint(1), paint(1));
    assert_ne!(paint(1), paint(2));
}

#[test]
fn a_given_bleed_keeps_its_size_and_its_density() {
    let (head, before) = (head(), ball_head());
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut donor_hu, mut donor_target) = (before.clone(), vec![0.0; before.len()]);
    let at = |z: usize, y: usize, x: usize| (z * SIZE[1] + y) * SIZE[2] + x;
    for z in 11..14 {
        for y in 40..50 {
            for x in 20..28 {
                donor_target[at(z, y, x)] = 1.0;
                donor_hu[at(z, y, x)] = 71.0;
            }
        }
    }
    let donor = Donor { head: &head, image_hu: &donor_hu, target: &donor_target };
    let (mut image_hu, mut target) = (before.clone(), vec![0.0; before.len()]);
    let mut canvas = Canvas { image_hu: &mut image_hu, target: &mut target };

    let placed = donor.give(&head, &mut canvas, &mut rng);

    assert!(placed);
    assert_eq!(target.iter().sum::<f32>(), 240.0);
    assert!((0..target.len()).all(|i| target[i] == 0.0 || image_hu[i] == 71.0));
}

#[test]
fn a_bleed_that_would_lie_outside_is_not_given() {
    let (head, before) = (head(), ball_head());
    let mut target = vec![0.0; before.len()];
    target[0] = 1.0;
    let donor = Donor { head: &head, image_hu: &before, target: &target };
    let (mut image_hu, mut own) = (before.clone(), vec![0.0; before.len()]);
    let mut canvas = Canvas { image_hu: &mut image_hu, target: &mut own };

    assert!(!donor.give(&head, &mut canvas, &mut ChaCha8Rng::seed_from_u64(1)));
    assert_eq!(image_hu, before);
}
