//! What a reader of head CT must get right, each on a series whose truth is known: the phantom was
//! written from it.

use haema_io::dicom::write::{SeriesOptions, slice};
use haema_io::dicom::{self, ReadOptions, tags};
use haema_io::{MissingSlices, Scan};
use haema_volume::{CtVolume, Volume, norm, sub};

use crate::phantom::{
    Stack, assert_is_phantom, hu_at, read_changed, read_objects, write, write_all,
};

fn warnings_of(scan: &Scan) -> String {
    scan.provenance.warnings.join("\n")
}

/// The largest distance between a slice and the place that the phantom gave it, mm.
fn worst_place_mm(scan: &Scan, stack: &Stack) -> f64 {
    let grid = scan.ct.grid();
    let corners = stack.origins.iter().enumerate().map(|(z, &origin)| {
        let far =
            std::array::from_fn(|i| origin[i] + 19.0 * stack.y_step[i] + 15.0 * stack.x_step[i]);
        norm(sub(grid.point_lps_mm(z, 19.0, 15.0), far))
            .max(norm(sub(grid.slice_origin_lps_mm(z), origin)))
    });
    corners.fold(0.0, f64::max)
}

#[test]
fn a_plain_series_comes_back_voxel_for_voxel() {
    let stack = Stack::straight();

    let scan = read_objects(&stack.slices(&SeriesOptions::default())).unwrap();

    assert_is_phantom(&scan, |z| z);
    assert!(worst_place_mm(&scan, &stack) < 1e-9);
    assert_eq!(scan.ct.grid().spacing_mm(), [5.0, 0.6, 0.5]);
    assert_eq!(scan.provenance.file_count, 24);
    assert_eq!(warnings_of(&scan), "");
}

#[test]
fn positions_count_and_instance_numbers_and_file_names_do_not() {
    let mut slices = Stack::straight().slices(&SeriesOptions::default());
    for (z, slice) in slices.iter_mut().enumerate() {
        slice.text(tags::INSTANCE_NUMBER, &((z * 7) % 24).to_string());
    }
    slices.rotate_left(11);
    slices.swap(3, 17);

    let scan = read_objects(&slices).unwrap();

    assert_is_phantom(&scan, |z| z);
    assert_eq!(warnings_of(&scan), "");
}

#[test]
fn tilt_of_either_sign_is_found_in_the_geometry() {
    for tilt_deg in [15.0, -15.0] {
        let stack = Stack::tilted(tilt_deg);

        let scan = read_objects(&stack.slices(&SeriesOptions::default())).unwrap();

        assert_is_phantom(&scan, |z| z);
        assert!(worst_place_mm(&scan, &stack) < 1e-6);
        assert!((scan.ct.grid().tilt_deg() - tilt_deg).abs() < 1e-6);
        // The volume of a voxel is that of the body it was cut from: 5 mm of table travel, seen
        // across the slices, by the area of a pixel.
        let volume_mm3 = 5.0 * 15_f64.to_radians().cos() * 0.6 * 0.5;
        assert!((scan.ct.grid().voxel_volume_mm3(3) - volume_mm3).abs() < 1e-6);
    }
}

#[test]
fn a_tilt_that_only_the_header_has_is_told_and_not_used() {
    let scan = read_changed(|_, slice| {
        slice.text(tags::GANTRY_DETECTOR_TILT, "15");
    })
    .unwrap();

    assert_eq!(scan.ct.grid().tilt_deg(), 0.0);
    assert_eq!(scan.provenance.header_tilt_deg, Some(15.0));
    insta::assert_snapshot!(warnings_of(&scan), @"the header says the gantry was tilted by 15.0°, the slices lie as if by 0.0°; the slices are believed");
}

#[test]
fn prone_and_feet_first_are_in_the_geometry_alone() {
    let prone = Stack { x_step: [-0.5, 0.0, 0.0], y_step: [0.0, -0.6, 0.0], ..Stack::straight() };
    let options = SeriesOptions { patient_position: "FFP".into(), ..Default::default() };

    let scan = read_objects(&prone.slices(&options)).unwrap();

    assert_is_phantom(&scan, |z| z);
    assert!(worst_place_mm(&scan, &prone) < 1e-9);
}

#[test]
fn slices_that_look_up_are_stacked_downwards() {
    // Columns run to the front, so the normal points to the feet: the first slice is the highest.
    let looking_up = Stack { y_step: [0.0, -0.6, 0.0], ..Stack::straight() };
    let ct = Stack::straight().ct();
    let slices: Vec<_> = (0..24)
        .map(|z| {
            let mut slice = slice(&ct, z, &SeriesOptions::default());
            slice.text(tags::IMAGE_ORIENTATION_PATIENT, r"1\0\0\0\-1\0");
            slice
        })
        .collect();

    let scan = read_objects(&slices).unwrap();

    assert_is_phantom(&scan, |z| 23 - z);
    assert_eq!(scan.ct.grid().slice_origin_lps_mm(0), looking_up.origins[23]);
    assert_eq!(scan.ct.grid().y_step_lps_mm(), [0.0, -0.6, 0.0]);
}

#[test]
fn copies_of_a_slice_count_once_and_are_told() {
    let mut slices = Stack::straight().slices(&SeriesOptions::default());
    slices.extend([slices[4].clone(), slices[4].clone(), slices[9].clone()]);

    let scan = read_objects(&slices).unwrap();

    assert_is_phantom(&scan, |z| z);
    assert_eq!(scan.ct.grid().size()[0], 24);
    insta::assert_snapshot!(warnings_of(&scan), @"3 images had the same place and the same pixels as another and was counted once");
}

#[test]
fn a_missing_slice_is_named_with_what_stands_for_it() {
    let mut slices = Stack::straight().slices(&SeriesOptions::default());
    slices.remove(13);

    let scan = read_objects(&slices).unwrap();

    assert_is_phantom(&scan, |z| if z < 13 { z } else { z + 1 });
    let missing = MissingSlices { after: 12, count: 1, gap_mm: 10.0, pitch_mm: 5.0 };
    assert_eq!(scan.provenance.missing_slices, [missing]);
    assert_eq!(missing.unseen_mm(), 5.0);
    // Half of the loss is counted with either neighbour, and nothing is lost of the whole.
    let thickness_mm: f64 = (0..23).map(|z| scan.ct.grid().slice_thickness_mm(z)).sum();
    assert!((thickness_mm - 120.0).abs() < 1e-9);
    insta::assert_snapshot!(warnings_of(&scan), @"1 slice is missing between slices 13 and 14 from the bottom of the stack: 10.00 mm where 5.00 mm is the rule; the slices beside the gap stand for it, and their share of a volume is stated with it");
}

#[test]
fn a_loss_beside_an_end_slice_is_shared_as_any_other() {
    for (lost, thicker) in [(1, [0, 1]), (22, [21, 22])] {
        let mut slices = Stack::straight().slices(&SeriesOptions::default());
        slices.remove(lost);

        let scan = read_objects(&slices).unwrap();

        assert_eq!(scan.provenance.missing_slices[0].after, lost - 1);
        for z in 0..23 {
            let wanted_mm = if thicker.contains(&z) { 7.5 } else { 5.0 };
            let found_mm = scan.ct.grid().slice_thickness_mm(z);
            assert!((found_mm - wanted_mm).abs() < 1e-9, "slice {z}: {found_mm} mm");
        }
    }
}

#[test]
fn slices_of_two_thicknesses_end_where_headers_say_that_they_touch() {
    let thin = (0..12).map(|z| 2.5 * f64::from(z));
    let thick = (0..12).map(|z| 31.25 + 5.0 * f64::from(z));
    let mut slices =
        Stack::at(&thin.chain(thick).collect::<Vec<_>>()).slices(&SeriesOptions::default());
    for (z, slice) in slices.iter_mut().enumerate() {
        slice.text(tags::SLICE_THICKNESS, if z < 12 { "2.5" } else { "5" });
    }

    let scan = read_objects(&slices).unwrap();

    for z in 0..24 {
        let wanted_mm = if z < 12 { 2.5 } else { 5.0 };
        let found_mm = scan.ct.grid().slice_thickness_mm(z);
        assert!((found_mm - wanted_mm).abs() < 1e-9, "slice {z}: {found_mm} mm");
    }
}

#[test]
fn a_stack_of_two_pitches_is_uneven_and_misses_nothing() {
    let narrow = (0..14).map(|z| 4.5 * f64::from(z));
    let wide = (1..12).map(|z| 58.5 + 9.0 * f64::from(z));
    let stack = Stack::at(&narrow.chain(wide).collect::<Vec<_>>());

    let scan = read_objects(&stack.slices(&SeriesOptions::default())).unwrap();

    assert_is_phantom(&scan, |z| z);
    assert!(worst_place_mm(&scan, &stack) < 1e-9);
    assert!(!scan.ct.grid().is_evenly_spaced());
    assert!(scan.provenance.missing_slices.is_empty());
    insta::assert_snapshot!(warnings_of(&scan), @"slices are unevenly spaced: 13 gaps of 4.50 mm, 11 gaps of 9.00 mm; each counts with its own thickness");
}

#[test]
fn slices_that_leave_gaps_or_overlap_are_told() {
    let read = |thickness_mm: &str| {
        let scan = read_changed(|_, slice| {
            slice.text(tags::SLICE_THICKNESS, thickness_mm);
        });
        warnings_of(&scan.unwrap())
    };

    insta::assert_snapshot!(read("2.5"), @"slices are 2.50 mm thick and 5.00 mm apart: what lies between them was not seen");
    insta::assert_snapshot!(read("10"), @"slices are 10.00 mm thick and 5.00 mm apart: they overlap, and each counts for its distance to the next");
    assert_eq!(read("4.8"), "");
}

#[test]
fn a_hundredth_of_a_millimetre_is_rounding() {
    let heights: Vec<f64> =
        (0..24).map(|z| 5.0 * f64::from(z) + if z % 2 == 0 { 0.02 } else { 0.0 }).collect();

    let scan = read_objects(&Stack::at(&heights).slices(&SeriesOptions::default())).unwrap();

    assert_eq!(warnings_of(&scan), "");
    assert_eq!(scan.ct.grid().slice_origin_lps_mm(2)[2], 10.02);
}

#[test]
fn slices_out_of_line_are_told() {
    let mut stack = Stack::straight();
    stack.origins[7][0] += 4.0;

    let scan = read_objects(&stack.slices(&SeriesOptions::default())).unwrap();

    assert!(worst_place_mm(&scan, &stack) < 1e-9);
    insta::assert_snapshot!(warnings_of(&scan), @"slices are shifted sideways against each other by up to 4.0 mm");
}

#[test]
fn slope_and_intercept_are_each_slices_own() {
    let ct = Stack::straight().ct();
    let slices: Vec<_> = (0..24)
        .map(|z| {
            let slope = [1.0, 0.5, 2.0][z % 3];
            let intercept = -1024.0 - 2.0 * z as f64;
            let options =
                SeriesOptions { slope, intercept, bits_stored: 16, ..SeriesOptions::default() };
            slice(&ct, z, &options)
        })
        .collect();

    let scan = read_objects(&slices).unwrap();

    // A slope of 2 cannot store odd numbers: those slices are right to one unit.
    for z in 0..24 {
        for (i, &hu) in scan.ct.voxels_hu().plane(z).iter().enumerate() {
            let wanted = hu_at([z, i / 16, i % 16]) as f32;
            assert!((hu - wanted).abs() <= if z % 3 == 2 { 1.0 } else { 0.0 }, "slice {z}");
        }
    }
}

#[test]
fn signed_numbers_and_unused_bits_come_out_right() {
    let signed = SeriesOptions { is_signed: true, intercept: 0.0, ..SeriesOptions::default() };
    let wide = SeriesOptions { bits_stored: 16, ..signed.clone() };
    for options in [signed, wide] {
        let scan = read_objects(&Stack::straight().slices(&options)).unwrap();

        assert_is_phantom(&scan, |z| z);
    }
}

#[test]
fn bits_above_the_stored_ones_are_not_pixels() {
    let scan = read_changed(|z, slice| {
        // An old overlay in the four highest bits.
        let pixels = (0..20 * 16).flat_map(|i| {
            let hu = hu_at([z, i / 16, i % 16]);
            ((hu + 1024) as u16 | 0xA000).to_le_bytes()
        });
        slice.bytes(tags::PIXEL_DATA, *b"OW", pixels.collect());
    })
    .unwrap();

    assert_is_phantom(&scan, |z| z);
}

#[test]
fn padding_becomes_air_before_the_rescale() {
    let (voxels, grid) = Stack::straight().ct().into_parts();
    let outside =
        Volume::from_fn(
            voxels.size(),
            |index| {
                if index[2] == 15 { -1024.0 } else { voxels[index] }
            },
        );
    let ct = CtVolume::new(outside, grid).unwrap();
    // Unread, 4095 would be 3071 HU, and −2000 would be −3024 HU.
    let high = SeriesOptions { padding: Some(4095), ..SeriesOptions::default() };
    let low = SeriesOptions {
        padding: Some(-2000),
        is_signed: true,
        bits_stored: 16,
        ..SeriesOptions::default()
    };
    for options in [high, low] {
        let slices: Vec<_> = (0..24).map(|z| slice(&ct, z, &options)).collect();

        let scan = read_objects(&slices).unwrap();

        assert_eq!(scan.ct.voxels_hu(), ct.voxels_hu());
    }
}

#[test]
fn monochrome1_turns_the_display_over_and_not_the_numbers() {
    let scan = read_changed(|_, slice| {
        slice.text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME1");
    })
    .unwrap();

    assert_is_phantom(&scan, |z| z);
}

#[test]
fn numbers_with_an_unknown_representation_are_read_as_what_they_are() {
    let scan = read_changed(|z, slice| {
        slice
            .text_as(tags::RESCALE_SLOPE, *b"UN", "1")
            .text_as(tags::RESCALE_INTERCEPT, *b"UN", "-1024")
            .text_as(tags::IMAGE_POSITION_PATIENT, *b"UN", &format!(r"-4\-6\{}", 5 * z))
            .text_as(tags::PIXEL_SPACING, *b"UN", r"0.6\0.5")
            .text_as(tags::MODALITY, *b"UN", "CT")
            .bytes(tags::ROWS, *b"UN", vec![20, 0])
            .bytes(tags::BITS_STORED, *b"UN", vec![12, 0]);
    })
    .unwrap();

    assert_is_phantom(&scan, |z| z);
    assert_eq!(scan.ct.grid().spacing_mm(), [5.0, 0.6, 0.5]);
}

#[test]
fn files_without_preamble_and_meta_information_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (z, slice) in Stack::straight().slices(&SeriesOptions::default()).iter().enumerate() {
        let explicit = slice.to_data_set();
        let data_set = if z % 2 == 0 { explicit } else { implicit(&explicit) };
        write(folder.path(), &format!("IM{z:04}"), &data_set);
    }

    let scan = dicom::read(folder.path(), &ReadOptions::default()).unwrap();

    assert_is_phantom(&scan, |z| z);
}

/// A flat explicit data set without its value representations.
fn implicit(explicit: &[u8]) -> Vec<u8> {
    let mut implicit = Vec::new();
    let mut rest = explicit;
    while let [g0, g1, e0, e1, v0, v1, a, b, tail @ ..] = rest {
        let (length, value) = if matches!(&[*v0, *v1], b"OW" | b"OB" | b"UN" | b"SQ") {
            let (length, value) = tail.split_first_chunk::<4>().unwrap();
            (u32::from_le_bytes(*length), value)
        } else {
            (u32::from(u16::from_le_bytes([*a, *b])), tail)
        };
        implicit.extend([g0, g1, e0, e1]);
        implicit.extend(length.to_le_bytes());
        implicit.extend(&value[..length as usize]);
        rest = &value[length as usize..];
    }
    implicit
}

#[test]
fn lossy_compression_is_told() {
    let scan = read_changed(|z, slice| {
        if z < 3 {
            slice.text(tags::LOSSY_IMAGE_COMPRESSION, "01");
        }
    })
    .unwrap();

    insta::assert_snapshot!(warnings_of(&scan), @"3 images were compressed with loss: their numbers are near the scanner's, not equal");
}

#[test]
fn numbers_that_show_no_air_are_doubted() {
    let scan = read_changed(|_, slice| {
        slice.text(tags::RESCALE_INTERCEPT, "0");
    })
    .unwrap();

    insta::assert_snapshot!(warnings_of(&scan), @"no voxel is as dark as air (the darkest has 24 HU): these may not be Hounsfield units");
}

#[test]
fn any_number_of_threads_gives_the_same_scan() {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path(), &Stack::straight().slices(&SeriesOptions::default()));
    let with = |threads| {
        let options = ReadOptions { threads: std::num::NonZero::new(threads), series: None };
        dicom::read(folder.path(), &options).unwrap()
    };

    let (one, five) = (with(1), with(5));

    assert_eq!(one.ct, five.ct);
    assert_eq!(one.provenance.sha256, five.provenance.sha256);
}

#[test]
fn an_archive_is_read_like_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    write_all(&folder.path().join("a"), &Stack::straight().slices(&SeriesOptions::default()));
    let archive = folder.path().join("scan.zip");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for z in 0..24 {
        let name = format!("IM{z:04}");
        let bytes = haema_io::fs::read(&folder.path().join("a").join(&name), 1 << 20).unwrap();
        let method = [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated][z % 2];
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("study/{name}"), options).unwrap();
        std::io::Write::write_all(&mut zip, &bytes).unwrap();
    }
    haema_io::fs::write_atomic(&archive, zip.finish().unwrap().get_ref()).unwrap();

    let from_archive = dicom::read(&archive, &ReadOptions::default()).unwrap();

    assert_is_phantom(&from_archive, |z| z);
    let from_folder = dicom::read(&folder.path().join("a"), &ReadOptions::default()).unwrap();
    assert_eq!(from_archive.provenance.sha256, from_folder.provenance.sha256);
    assert_eq!(from_archive.provenance.case_id, from_folder.provenance.case_id);
}
