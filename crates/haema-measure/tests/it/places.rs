//! Where a bleed lies: on the patient's side, whatever the order in which a scan is stored.

use std::num::NonZeroUsize;

use haema_measure::{Compartment, Place, Side, Whereabouts, lesions};
use haema_sim::{HeadOptions, SimulatedHead, simulate_head};
use haema_volume::{Affine, CtVolume, Grid, Orientation, RegistrationError, Volume};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The built-in head has its bleed in the left basal ganglia.
fn head() -> SimulatedHead {
    let options = HeadOptions { pixels: 160, slices: 32, ..HeadOptions::default() };
    simulate_head(&options).unwrap()
}

fn place_of(ct: &CtVolume, mask: &Volume<u8>) -> (Side, Option<Place>, Compartment) {
    let whereabouts = Whereabouts::of(ct, TWO).unwrap();
    let table = lesions(mask, ct, Some(&whereabouts)).unwrap();
    let location = table[0].location.clone().unwrap();
    (location.side, location.place, location.compartment)
}

/// The scan that gives `head` when it is read in its canonical order.
fn stored(head: &SimulatedHead, order: Orientation) -> (CtVolume, Volume<u8>) {
    let (grid, truth) = (head.ct.grid(), &head.truth);
    let even = Grid::from_affine(grid.size(), &grid.lps_from_index()).unwrap();
    let turned = order.canonical_grid(&even).unwrap();
    let hu = order.canonical_from_stored(head.ct.voxels_hu());
    (CtVolume::new(hu, turned).unwrap(), order.canonical_from_stored(truth))
}

#[test]
fn the_left_stays_the_left_in_any_order_of_storage() {
    let head = head();
    // All 48 are the same affine algebra: a spread of them, with every axis flipped and exchanged.
    for index in [0, 13, 29, 47] {
        let order = Orientation::all()[index];
        let (ct, mask) = stored(&head, order);

        let (side, place, compartment) = place_of(&ct, &mask);

        assert_eq!(side, Side::Left, "{order}");
        assert_eq!(place, Some(Place::BasalGanglia), "{order}");
        assert_eq!(compartment, Compartment::Intraparenchymal, "{order}");
    }
}

#[test]
fn a_mirrored_patient_bleeds_on_the_right() {
    let head = head();
    let mut affine = head.ct.grid().lps_from_index();
    affine.rows[0] = affine.rows[0].map(|v| -v);
    let grid = Grid::from_affine(head.ct.grid().size(), &affine).unwrap();
    let ct = CtVolume::new(head.ct.voxels_hu().clone(), grid).unwrap();

    assert_eq!(place_of(&ct, &head.truth).0, Side::Right);
}

#[test]
fn what_is_no_head_has_no_places() {
    let affine = Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
    let grid = Grid::from_affine([24, 120, 120], &affine).unwrap();
    // A bottle: a ball of water in a thick wall.
    let hu = Volume::from_fn(grid.size(), |[z, y, x]| {
        let way = [5.0 * z as f64 - 60.0, y as f64 - 60.0, x as f64 - 60.0];
        match way.iter().map(|mm| mm * mm).sum::<f64>().sqrt() {
            r if r < 38.0 => 0.0,
            r if r < 50.0 => 1000.0,
            _ => -1000.0,
        }
    });
    let error = Whereabouts::of(&CtVolume::new(hu, grid).unwrap(), TWO).unwrap_err();

    assert!(matches!(error, RegistrationError::NoMatch { .. }), "{error}");
}
