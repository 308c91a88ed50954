//! A scan by projections: a fan of polychromatic rays, water correction, filtered back projection.
//!
//! Nothing is painted here. Rays lose more of their soft photons than of their hard ones; the scanner
//! corrects for that as if all were water; what bone and metal leave uncorrected are the dark bands
//! between the petrous bones and the streaks from clips. Few photons get through thick bone, so that
//! noise forms streaks there too.

use haema_volume::Grid;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::fan::{Fan, SOURCE_MM};
use super::motion::is_after;
use super::protocol::Protocol;
use super::scatter;
use crate::head::bell;

/// Photons of one energy.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Photons {
    /// Share of the signal that an empty scanner measures.
    share: f32,
    /// What is lost per mm of water, and of compact bone.
    lost_per_mm: [f32; 2],
}

/// A beam, as the detector weighs its energies.
#[derive(Debug, Clone)]
pub(super) struct Beam {
    photons: Vec<Photons>,
    /// What is measured behind water, by its thickness in steps of [`STEP_MM`].
    behind_water: Vec<f32>,
    is_corrected: bool,
}

/// Energy in keV, share of the photons of a 120 kV tube behind 8 mm of aluminium (rounded), and mass
/// attenuation in cm²/g of water and of compact bone.
///
/// # Source
///
/// J. Hubbell and S. Seltzer, _Tables of X-Ray Mass Attenuation Coefficients_, NISTIR 5632, for 40, 50,
/// 60, 80, 100 keV; between them, and at 110, linear in logarithms.
const TUBE: [[f32; 4]; 8] = [
    [40.0, 0.10, 0.2683, 0.6655],
    [50.0, 0.19, 0.2269, 0.4242],
    [60.0, 0.23, 0.2059, 0.3148],
    [70.0, 0.18, 0.1939, 0.2624],
    [80.0, 0.12, 0.1837, 0.2229],
    [90.0, 0.09, 0.1769, 0.2021],
    [100.0, 0.06, 0.1707, 0.1855],
    [110.0, 0.03, 0.1656, 0.1757],
];
/// g/cm³ of compact bone (ICRU 44).
const BONE_DENSITY: f32 = 1.92;
/// Step of the table of water, and its length: more than any head.
const STEP_MM: f32 = 1.0;
const STEPS: usize = 600;
/// Soft tissue ends here, and mixes with bone from here on.
const SOFT_HU: f32 = 100.0;

impl Beam {
    pub(super) fn of_tube() -> Self {
        // A detector measures energy: harder photons count for more.
        let total: f32 = TUBE.iter().map(|[kev, share, ..]| kev * share).sum();
        let photons = TUBE.map(|[kev, share, water, bone]| Photons {
            share: kev * share / total,
            lost_per_mm: [0.1 * water, 0.1 * BONE_DENSITY * bone],
        });
        Self::new(photons.to_vec(), true)
    }

    fn new(photons: Vec<Photons>, is_corrected: bool) -> Self {
        let mut beam = Self { photons, behind_water: Vec::new(), is_corrected };
        beam.behind_water =
            (0..STEPS).map(|step| beam.measured([STEP_MM * step as f32, 0.0])).collect();
        beam
    }

    /// The logarithm of what is lost behind so many mm of water and bone.
    fn measured(&self, through_mm: [f32; 2]) -> f32 {
        let signal = |photons: &Photons| {
            let [water, bone] = photons.lost_per_mm;
            photons.share * (-water * through_mm[0] - bone * through_mm[1]).exp()
        };
        -self.photons.iter().map(signal).sum::<f32>().ln()
    }

    /// What a mm of a little water, or of bone, takes: the scale of Hounsfield units.
    fn per_mm(&self, of: usize) -> f32 {
        self.photons.iter().map(|photons| photons.share * photons.lost_per_mm[of]).sum()
    }

    /// The loss had all of it been water and all photons alike.
    fn corrected(&self, measured: f32) -> f32 {
        if !self.is_corrected {
            return measured;
        }
        let above = self.behind_water.partition_point(|&behind| behind < measured);
        let above = above.clamp(1, STEPS - 1);
        let [low, high] = [self.behind_water[above - 1], self.behind_water[above]];
        let steps = (above - 1) as f32 + (measured - low) / (high - low);
        STEP_MM * steps * self.per_mm(0)
    }

    /// Water and bone that make up a number of Hounsfield units, 1 for a voxel full of either.
    fn materials(&self, hu: f32) -> [f32; 2] {
        let bone_hu = 1000.0 * (self.per_mm(1) / self.per_mm(0) - 1.0);
        if hu <= SOFT_HU {
            return [(1.0 + 0.001 * hu).max(0.0), 0.0];
        }
        let bone = (hu - SOFT_HU) / (bone_hu - SOFT_HU);
        if bone <= 1.0 {
            return [(1.0 - bone) * (1.0 + 0.001 * SOFT_HU), bone];
        }
        [0.0, (1000.0 + hu) / (1000.0 + bone_hu)]
    }
}

/// Projections of a full turn, and rays of each, for a pixel along the side of the image: of 512 pixels
/// two thirds of a scanner's.
const VIEWS_PER_PIXEL: f32 = 1.4;
const CHANNELS_PER_PIXEL: f32 = 1.44;
/// What is left of the variance of noise between two rays.
const BETWEEN_RAYS: f32 = 2.0 / 3.0;

/// Replaces a plane by its scan: blurred by the kernel, with noise.
///
/// * `moved` — the plane that the second half of the turn sees, where the head moves meanwhile.
pub(super) fn scan(
    (plane, moved): (&mut [f32], Option<&[f32]>),
    grid: &Grid,
    protocol: &Protocol,
    z: usize,
) {
    let pixel_mm = grid.spacing_mm()[2] as f32;
    let side = grid.size()[2];
    let views = (VIEWS_PER_PIXEL * side as f32) as usize;
    let channels = (CHANNELS_PER_PIXEL * side as f32) as usize;
    let fan = Fan { side, pixel_mm, views, channels };
    let channel_mm = SOURCE_MM * fan.step_rad();
    let thin = (protocol.slice_mm / grid.slice_thickness_mm(z)).sqrt() as f32;
    let mut random = ChaCha8Rng::seed_from_u64(protocol.noise_seed);
    random.set_stream(z as u64 + 1);
    let dose = Dose {
        noise_hu: protocol.noise_hu * thin,
        smoothing: protocol.blur_mm / channel_mm,
        scatter: protocol.scatter,
    };
    through(&fan, &Beam::of_tube(), (plane, moved), dose, &mut random);
}

/// How noisy the middle is to be, the blur of the kernel in channels, and how much scatter stays.
#[derive(Debug, Clone, Copy)]
struct Dose {
    noise_hu: f32,
    smoothing: f32,
    scatter: f32,
}

fn through(
    fan: &Fan,
    beam: &Beam,
    (plane, moved): (&mut [f32], Option<&[f32]>),
    dose: Dose,
    random: &mut ChaCha8Rng,
) {
    let losses_of = |plane: &[f32]| -> Vec<f32> {
        let materials: Vec<[f32; 2]> = plane.iter().map(|&hu| beam.materials(hu)).collect();
        fan.project(&materials).into_iter().map(|mm| beam.measured(mm)).collect()
    };
    let mut losses = losses_of(plane);
    if let Some(moved) = moved {
        let first = (0..fan.views).find(|&view| is_after(view, fan.views)).unwrap_or(fan.views);
        let from = first * fan.channels;
        losses[from..].copy_from_slice(&losses_of(moved)[from..]);
    }
    scatter::cup_losses(&mut losses, fan, dose.scatter);
    let hu_per_loss = 1000.0 / beam.per_mm(0);
    if dose.noise_hu > 0.0 {
        let photons = photons_for(fan, &losses, dose, hu_per_loss);
        for loss in &mut losses {
            // Of n photons, √n more or less.
            *loss += bell(random) * (loss.exp() / photons).sqrt();
        }
    }
    for loss in &mut losses {
        *loss = beam.corrected(*loss);
    }
    let image = fan.reconstruct(&losses, dose.smoothing);
    for (hu, found) in plane.iter_mut().zip(image) {
        *hu = hu_per_loss * found - 1000.0;
    }
}

/// Photons of each ray in air, such that the middle of the image has the noise that is wanted.
fn photons_for(fan: &Fan, losses: &[f32], dose: Dose, hu_per_loss: f32) -> f32 {
    let middle = losses.iter().skip(fan.channels / 2).step_by(fan.channels);
    let mean_of_inverse = middle.map(|loss| loss.exp()).sum::<f32>() / fan.views as f32;
    let kernel_square: f32 = fan.kernel(dose.smoothing).iter().map(|tap| tap * tap).sum();
    let square_of_one = fan.views as f32 * kernel_square * BETWEEN_RAYS / SOURCE_MM.powi(2);
    mean_of_inverse * square_of_one * (hu_per_loss / dose.noise_hu).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 200;
    const RADIUS_MM: f32 = 85.0;
    const QUIET: Dose = Dose { noise_hu: 0.0, smoothing: 0.6, scatter: 0.0 };

    fn fan() -> Fan {
        Fan { side: SIDE, pixel_mm: 1.0, views: 300, channels: 300 }
    }

    /// A disc of water in air, with two discs in it.
    fn phantom(discs_hu: f32) -> Vec<f32> {
        let middle = 0.5 * (SIDE - 1) as f32;
        let hu = |i: usize| {
            let (x, y) = ((i % SIDE) as f32 - middle, (i / SIDE) as f32 - middle);
            let from_disc = (x.abs() - 45.0).hypot(y);
            // An edge one pixel wide, as partial volume makes it.
            let within = |mm: f32| (0.5 - mm).clamp(0.0, 1.0);
            let water = within(x.hypot(y) - RADIUS_MM) * 1000.0 - 1000.0;
            water + within(from_disc - 15.0) * discs_hu
        };
        (0..SIDE * SIDE).map(hu).collect()
    }

    fn quiet(beam: &Beam, mut plane: Vec<f32>) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        through(&fan(), beam, (&mut plane, None), QUIET, &mut random);
        plane
    }

    /// Mean in a ring around the middle.
    fn ring(plane: &[f32], [from_mm, to_mm]: [f32; 2]) -> f32 {
        let middle = 0.5 * (SIDE - 1) as f32;
        let chosen: Vec<f32> = (0..plane.len())
            .filter(|i| {
                let (x, y) = ((i % SIDE) as f32 - middle, (i / SIDE) as f32 - middle);
                (from_mm..to_mm).contains(&x.hypot(y))
            })
            .map(|i| plane[i])
            .collect();
        chosen.iter().sum::<f32>() / chosen.len() as f32
    }

    /// Two energies around that of 60 keV, this far apart in what water takes.
    fn two_energies(apart: f32, is_corrected: bool) -> Beam {
        let photons = |factor: f32| Photons {
            share: 0.5,
            lost_per_mm: [0.02059 * factor, 0.0604 * (1.0 + 2.0 * (factor - 1.0))],
        };
        Beam::new(vec![photons(1.0 - apart), photons(1.0 + apart)], is_corrected)
    }

    #[test]
    fn a_ray_through_a_disc_measures_what_the_formula_says() {
        let (fan, beam) = (fan(), Beam::of_tube());
        let materials: Vec<[f32; 2]> =
            phantom(0.0).into_iter().map(|hu| beam.materials(hu)).collect();

        let through = fan.project(&materials);

        for channel in [60, 110, 149, 150, 220] {
            let angle = (channel as f32 - 149.5) * fan.step_rad();
            let beside_mm = SOURCE_MM * angle.sin();
            let chord_mm = 2.0 * (RADIUS_MM.powi(2) - beside_mm.powi(2)).max(0.0).sqrt();
            let wanted: f32 = TUBE.iter().map(|[kev, share, ..]| kev * share).sum();
            let signal: f32 = TUBE
                .iter()
                .map(|[kev, share, water, _]| kev * share * (-0.1 * water * chord_mm).exp())
                .sum();
            let found = beam.measured(through[7 * fan.channels + channel]);
            let formula = -(signal / wanted).ln();
            assert!((found - formula).abs() < 0.01, "{channel}: {found}, formula {formula}");
        }
    }

    #[test]
    fn water_shows_cupping_that_grows_with_the_spread_of_energies() {
        let cupping = |beam: &Beam| {
            let image = quiet(beam, phantom(0.0));
            ring(&image, [60.0, 72.0]) - ring(&image, [0.0, 12.0])
        };

        let [none, some, more] = [0.0, 0.15, 0.3].map(|apart| cupping(&two_energies(apart, false)));

        assert!(none.abs() < 2.0, "one energy leaves none: {none}");
        assert!(some > 8.0 && more > 2.5 * some, "{some}, {more}");
        let corrected = cupping(&two_energies(0.3, true));
        assert!(corrected.abs() < 2.0, "corrected: {corrected}");
    }

    #[test]
    fn corrected_water_reads_zero_and_soft_tissue_its_own() {
        let water = quiet(&Beam::of_tube(), phantom(0.0));
        let tissue = quiet(&Beam::of_tube(), phantom(40.0));

        assert!(ring(&water, [0.0, 70.0]).abs() < 3.0, "{}", ring(&water, [0.0, 70.0]));
        assert!(ring(&water, [92.0, 98.0]) < -985.0, "air: {}", ring(&water, [92.0, 98.0]));
        let middle = SIDE / 2 * SIDE + SIDE / 2;
        let disc: f32 = (40..50).map(|x| tissue[middle + x]).sum::<f32>() / 10.0;
        assert!((disc - 40.0).abs() < 3.0, "{disc}");
    }

    #[test]
    fn between_two_bones_it_is_dark_for_many_energies_and_not_for_one() {
        let between = |beam: &Beam| ring(&quiet(beam, phantom(1200.0)), [0.0, 10.0]);

        let (one, many) = (between(&two_energies(0.0, true)), between(&Beam::of_tube()));

        assert!(one.abs() < 6.0, "{one}");
        assert!(many < one - 10.0, "{many}");
    }

    #[test]
    fn scatter_makes_water_darker_in_the_middle_than_at_the_rim() {
        let mut dark = phantom(0.0);
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let dose = Dose { scatter: 0.003, ..QUIET };
        through(&fan(), &Beam::of_tube(), (&mut dark, None), dose, &mut random);

        let [middle, rim] = [ring(&dark, [0.0, 10.0]), ring(&dark, [60.0, 72.0])];
        assert!(middle < rim - 1.0 && rim < 12.0 && middle > -30.0, "{middle}, {rim}");
    }

    #[test]
    fn a_head_that_moves_half_way_is_seen_in_both_places() {
        let [mut plane, moved] = [phantom(0.0), phantom(1000.0)];
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let still = quiet(&Beam::of_tube(), phantom(1000.0));
        through(&fan(), &Beam::of_tube(), (&mut plane, Some(&moved)), QUIET, &mut random);

        // A disc that is there half of the time shows half of its density.
        let at = |plane: &[f32]| plane[SIDE / 2 * SIDE + SIDE / 2 + 45];
        let share = at(&plane) / at(&still);
        assert!((0.4..0.6).contains(&share), "{share}");
    }

    #[test]
    fn noise_is_as_strong_as_asked_for_in_the_middle() {
        let (fan, beam) = (fan(), Beam::of_tube());
        let [mut quiet, mut noisy] = [phantom(0.0), phantom(0.0)];
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for (plane, noise_hu) in [(&mut quiet, 0.0), (&mut noisy, 6.0)] {
            through(&fan, &beam, (plane, None), Dose { noise_hu, ..QUIET }, &mut random);
        }

        let squares: Vec<f32> = noisy.iter().zip(&quiet).map(|(a, b)| (a - b).powi(2)).collect();
        let sd = ring(&squares, [0.0, 20.0]).sqrt();

        assert!((4.5..7.5).contains(&sd), "{sd}");
    }
}
