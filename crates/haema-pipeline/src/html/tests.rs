//! What the page must hold.

use std::num::NonZeroUsize;

use haema_volume::{Affine, CtVolume, Grid, Volume};

use super::*;
use crate::report::tests::{all_doubted, report};

/// A head 64 pixels wide of a ball of brain, with a bleed on the patient's left at the back.
fn scan() -> (CtVolume, Volume<u8>) {
    let size = [12, 64, 64];
    let from_middle = |[z, y, x]: [usize; 3]| {
        [(z as f64 - 5.5) * 10.0, (y as f64 - 31.5) * 3.0, (x as f64 - 31.5) * 3.0]
    };
    let is_bleed = |at| {
        let [up, back, left] = from_middle(at);
        up.abs() < 20.0 && (back - 30.0).abs() < 10.0 && (left - 30.0).abs() < 10.0
    };
    let hu = Volume::from_fn(size, |at| {
        let radius = from_middle(at).iter().map(|mm| mm * mm).sum::<f64>().sqrt();
        if is_bleed(at) {
            70.0
        } else if radius < 70.0 {
            30.0
        } else {
            -1000.0
        }
    });
    let mask = Volume::from_fn(size, |at| u8::from(is_bleed(at)));
    let lps =
        Affine::from_steps([3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 10.0], [-95.0, -95.0, 0.0]);
    (CtVolume::new(hu, Grid::from_affine(size, &lps).unwrap()).unwrap(), mask)
}

fn test_page() -> String {
    let (ct, mask) = scan();
    page(&report(), &Pictures::of(&ct, &mask, NonZeroUsize::MIN))
}

#[test]
fn the_page_needs_nothing_beside_itself() {
    let page = test_page();

    for outside in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    let sources = page.matches("src=\"").count();
    assert_eq!(sources, page.matches("src=\"data:image/png;base64,").count());
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_page_says_what_was_found_and_what_it_is_not() {
    let page = test_page();

    for wanted in [
        "Bleed found",
        "16.75 <small>mL",
        "Not a medical device",
        "4.22 mm (14×), then 7.38 mm (13×)",
        "18.5°",
        "a scout: Image Type holds LOCALIZER",
        "patient's right on the left",
        "level 40, width 80 HU",
        "&lt;0.1 mL",
    ] {
        assert!(page.contains(wanted), "the page lacks {wanted:?}");
    }
}

#[test]
fn what_has_another_explanation_is_not_called_a_bleed() {
    let (ct, mask) = scan();

    let page = page(&all_doubted(), &Pictures::of(&ct, &mask, NonZeroUsize::MIN));

    assert!(page.contains("all of it has another explanation") && !page.contains("Bleed found"));
    assert!(page.contains("if what is marked is blood: 90 % interval"));
    assert!(
        !test_page().contains("if what is marked"),
        "one part is too small, and one is not doubted"
    );
}

#[test]
fn a_scan_without_a_bleed_says_so_and_shows_the_head() {
    let (ct, mask) = scan();
    let empty = mask.map(|_| 0);
    let mut report = report();
    report.hemorrhage.present = false;
    report.lesions.clear();

    let page = page(&report, &Pictures::of(&ct, &empty, NonZeroUsize::MIN));

    assert!(page.contains("No bleed found"));
    assert!(page.contains("<p class=\"caution\">An empty mask does not exclude a bleed."));
    assert!(!page.contains("Slices with bleed"));
    assert!(!page.contains("class=\"outline\""));
    assert_eq!(page.matches("<figure").count(), 1 + 12);
}

#[test]
fn a_long_list_of_parts_is_cut_and_says_so() {
    let (ct, mask) = scan();
    let mut report = report();
    report.lesions = vec![report.lesions[1].clone(); 20];

    let page = page(&report, &Pictures::of(&ct, &mask, NonZeroUsize::MIN));

    assert_eq!(page.matches(" HU</td>").count(), 8);
    assert!(page.contains("12 more</td><td class=\"n\">0.72 mL"), "0.06 mL each");
}

#[test]
fn the_same_scan_gives_the_same_page() {
    assert_eq!(test_page(), test_page());
}

#[test]
fn text_from_files_cannot_become_markup() {
    let (ct, mask) = scan();
    let mut report = report();
    report.case_id = "<script>alert(1)</script>".to_owned();
    report.input.series[0].description = "a\"b'c & d\u{7}".to_owned();

    let page = page(&report, &Pictures::of(&ct, &mask, NonZeroUsize::MIN));

    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
    assert!(page.contains("a&quot;b&#39;c &amp; d "));
}

/// However a scan is stored, its left is on the right of the picture and its back at the bottom.
#[test]
fn pictures_are_turned_as_radiologists_have_them() {
    let (ct, mask) = scan();
    // The same scan with every axis stored the other way round.
    let reversed = |voxels: &Volume<f32>| {
        let [z, y, x] = voxels.size();
        Volume::from_fn([z, y, x], |at| voxels[[z - 1 - at[0], y - 1 - at[1], x - 1 - at[2]]])
    };
    let end = ct.grid().point_lps_mm(11, 63.0, 63.0);
    let lps = Affine::from_steps([-3.0, 0.0, 0.0], [0.0, -3.0, 0.0], [0.0, 0.0, -10.0], end);
    let turned =
        CtVolume::new(reversed(ct.voxels_hu()), Grid::from_affine(ct.grid().size(), &lps).unwrap())
            .unwrap();
    let turned_mask = reversed(&mask.map(|&voxel| f32::from(voxel))).map(|&voxel| voxel as u8);

    for (ct, mask) in [(ct, mask), (turned, turned_mask)] {
        let key = Pictures::of(&ct, &mask, NonZeroUsize::MIN).key.slice;
        let [rows, columns] = key.size;
        let marked = (0..rows * columns).filter(|&i| key.mask[i] != 0);
        let middles: Vec<[usize; 2]> = marked.map(|i| [i / columns, i % columns]).collect();
        assert!(!middles.is_empty());
        assert!(middles.iter().all(|[row, column]| *row > rows / 2 && *column > columns / 2));
        let brightest = key.hu.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_eq!(key.mask[brightest], 1, "scan and mask are turned apart");
    }
}

#[test]
fn places_have_a_sign_and_no_negative_zero() {
    assert_eq!([-12.34, -0.01, 0.0, 5.0].map(signed), ["−12.3", "0.0", "0.0", "+5.0"]);
}
