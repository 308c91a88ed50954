//! What the recommended profile sees: the head, in 5 mm slabs.

use haema_volume::{CtVolume, Orientation, Volume};

use super::super::*;
use super::{
    Beside, HEAD_RADII_MM, Phantom, axial, bleed_mask, dice, even, there_and_back, volume_ml,
};

#[test]
fn slices_of_5_mm_become_planes_one_to_one() {
    let grid = axial(128, 2.0, &even(32, 5.0), 0.0);
    let ct = Phantom::bare().scan(grid.clone());
    let settings = Preprocessing::recommended();
    let frame = Frame::plan(&ct, &settings).unwrap();

    for z in 0..32 {
        assert_eq!(frame.planes.image.taps(z), (z, &[1.0][..]));
        assert_eq!(frame.planes.back.taps(z), (z, &[1.0][..]));
    }
    assert_eq!(frame.network_size(), [32, 160, 128]);
    assert!((frame.network_grid().spacing_mm()[0] - 5.0).abs() < 1e-12);
}

#[test]
fn a_short_stack_is_filled_up_with_air() {
    let grid = axial(128, 2.0, &even(19, 5.0), 0.0);
    let ct = Phantom::bare().scan(grid);
    let frame = Frame::plan(&ct, &Preprocessing::recommended()).unwrap();

    let image = frame.image(&ct).unwrap();

    assert_eq!(image.size(), [24, 160, 128]);
    assert!(image.plane(18).iter().any(|&v| v > 0.0));
    for z in 19..24 {
        assert!(image.plane(z).iter().all(|&v| v == 0.0));
    }
}

#[test]
fn of_a_long_stack_the_top_of_the_head_downwards_is_kept() {
    // 100 slices of 5 mm: air above the head, and below it a neck 120 mm wide.
    let positions: Vec<f64> = (0..100).map(|z| f64::from(z) * 5.0 - 390.0).collect();
    let grid = axial(128, 2.0, &positions, 0.0);
    let hu = super::at_points(&grid, |point| {
        let is_neck = point[2] < 0.0 && point[0].hypot(point[1]) < 60.0;
        let is_shoulder = point[2] < -180.0 && point[0].abs() < 120.0 && point[1].abs() < 70.0;
        let head = Phantom::bare().hu_at(point);
        if is_neck || is_shoulder { head.max(40.0) } else { head }
    });
    let ct = CtVolume::new(hu, grid.clone()).unwrap();
    let frame = Frame::plan(&ct, &Preprocessing::recommended()).unwrap();

    assert_eq!(frame.network_size()[0], 48);
    let top = frame.network_grid().point_lps_mm(47, 0.0, 0.0)[2];
    assert!((top - HEAD_RADII_MM[2]).abs() <= 7.5, "top plane at {top} mm");
    let width_mm = frame.network_grid().spacing_mm()[2] * 128.0;
    assert!(width_mm < 2.2 * HEAD_RADII_MM[0] + 8.0, "{width_mm} mm: the shoulders");
    let restored = frame.into_undo().restore(&Volume::filled([48, 160, 128], 1.0)).unwrap();
    assert!(restored.plane(10).iter().all(|&p| p == 0.0));
    assert!(restored.plane(78).contains(&1.0));
}

#[test]
fn the_box_is_the_head_and_a_margin_and_not_what_lies_beside_it() {
    let tables = [0.0, 6.0].map(|gap_mm| Beside::Table { gap_mm });
    for beside in [Beside::Nothing, Beside::Bead, tables[0], tables[1]] {
        let grid = axial(256, 1.0, &even(34, 5.0), 0.0);
        let ct = Phantom { beside }.scan(grid);

        let frame = Frame::plan(&ct, &Preprocessing::recommended()).unwrap();

        let [_, y_mm, x_mm] = frame.network_grid().spacing_mm();
        let sides_mm = [y_mm * 160.0, x_mm * 128.0];
        for (side_mm, radius_mm) in sides_mm.into_iter().zip([HEAD_RADII_MM[1], HEAD_RADII_MM[0]]) {
            let wanted_mm = 2.2 * radius_mm;
            assert!(
                (side_mm - wanted_mm).abs() < 8.0,
                "{beside:?}: {side_mm} mm, wanted about {wanted_mm} mm"
            );
        }
    }
}

#[test]
fn a_scan_without_a_head_is_refused() {
    let grid = axial(64, 4.0, &even(20, 5.0), 0.0);
    let air = CtVolume::new(Volume::filled(grid.size(), -1000.0), grid).unwrap();

    let error = Frame::plan(&air, &Preprocessing::recommended()).unwrap_err().to_string();

    assert!(error.starts_with("no head found"), "{error}");
    assert!(error.contains("[0, 0] mm"), "{error}");
}

#[test]
fn thin_slices_are_averaged_into_slabs() {
    let thick = Phantom::bare().scan(axial(128, 2.0, &even(32, 5.0), 0.0));
    let thin = Phantom::bare().scan(axial(128, 2.0, &even(256, 0.625), 0.0));
    let [thick_frame, thin_frame] =
        [&thick, &thin].map(|ct| Frame::plan(ct, &Preprocessing::recommended()).unwrap());

    assert_eq!(thin_frame.network_size(), [32, 160, 128]);
    let (first, taps) = thin_frame.planes.image.taps(3);
    assert_eq!((first, taps.len()), (24, 8));
    let [thick_ml, thin_ml] = [(thick_frame, thick), (thin_frame, thin)].map(|(frame, ct)| {
        let label = frame.label(&bleed_mask(ct.grid())).unwrap();
        let sum: f64 = label.as_slice().iter().map(|&share| f64::from(share)).sum();
        sum * frame.voxel_volume_mm3() / 1000.0
    });
    assert!((thick_ml / thin_ml - 1.0).abs() < 0.02, "{thick_ml} and {thin_ml} mL");
}

/// Thin at the base, thick at the vertex, as many protocols have it.
fn uneven_positions() -> Vec<f64> {
    let thin = (0..20).map(|z| -80.0 + 3.0 * f64::from(z));
    thin.chain((0..15).map(|z| -80.0 + 57.0 + 7.0 * f64::from(z + 1))).collect()
}

#[test]
fn an_uneven_stack_keeps_every_volume_in_its_place() {
    let grid = axial(256, 1.0, &uneven_positions(), 0.0);
    let ct = Phantom::bare().scan(grid.clone());
    let truth = bleed_mask(&grid);
    let truth_ml = volume_ml(&truth, &grid);
    for settings in [
        Preprocessing::paper(),
        Preprocessing { label_resize: LabelResize::Area, ..Preprocessing::paper() },
        Preprocessing::recommended(),
    ] {
        let back = there_and_back(&ct, &truth, &settings);

        let ml = volume_ml(&back, &grid);
        assert!((ml / truth_ml - 1.0).abs() < 0.06, "{ml} of {truth_ml} mL: {settings:?}");
        assert!(dice(&back, &truth) > 0.93, "{}: {settings:?}", dice(&back, &truth));
        let frame = Frame::plan(&ct, &settings).unwrap();
        let label = frame.label(&truth).unwrap();
        let soft_mm3 = label.as_slice().iter().map(|&share| f64::from(share)).sum::<f64>()
            * frame.voxel_volume_mm3();
        // The nearest slice counts as a whole number of planes, whatever its thickness.
        let tolerance = if settings.label_resize == LabelResize::Area { 0.01 } else { 0.1 };
        let error = soft_mm3 / 1000.0 / truth_ml - 1.0;
        assert!(error.abs() < tolerance, "{error}: {settings:?}");
    }
}

#[test]
fn no_slice_is_lost_between_slices_and_slabs() {
    // Whatever the stack, a full mask fills every plane that meets it and comes back full.
    for positions in [even(31, 4.3), even(60, 2.5), uneven_positions(), even(18, 8.0)] {
        let grid = axial(128, 2.0, &positions, 0.0);
        let ct = Phantom::bare().scan(grid.clone());
        let settings = Preprocessing { crop: Crop::None, ..Preprocessing::recommended() };

        let back = there_and_back(&ct, &Volume::filled(grid.size(), 1), &settings);

        assert_eq!(back, Volume::filled(grid.size(), 1));
    }
}

#[test]
fn one_slice_is_a_stack_too() {
    let grid = axial(128, 2.0, &[0.0], 0.0);
    let ct = Phantom::bare().scan(grid.clone());
    for settings in [Preprocessing::paper(), Preprocessing::recommended()] {
        let frame = Frame::plan(&ct, &settings).unwrap();
        let size = frame.network_size();

        let restored = frame.into_undo().restore(&Volume::filled(size, 1.0)).unwrap();

        assert_eq!(restored[[0, 64, 64]], 1.0);
        assert_eq!(Orientation::of(&grid).to_string(), "LPS");
    }
}
