//! Which series is taken, which are left, and what is said of each.

use std::path::Path;

use haema_io::dicom::write::{Attributes, SeriesOptions};
use haema_io::dicom::{self, DicomError, ReadOptions, tags};

use crate::phantom::{Stack, assert_is_phantom, read_changed, read_objects, write, write_all};

/// One series in a folder of its own under `study`.
fn add_series(study: &Path, number: u32, kernel: &str, change: impl Fn(usize, &mut Attributes)) {
    let options =
        SeriesOptions { series_number: number, kernel: kernel.into(), ..Default::default() };
    let mut slices = Stack::straight().slices(&options);
    for (z, slice) in slices.iter_mut().enumerate() {
        change(z, slice);
    }
    write_all(&study.join(number.to_string()), &slices);
}

/// What is said of each series.
fn told(path: &Path) -> String {
    let found = dicom::inspect(path).unwrap();
    let lines = found.series.iter().map(|series| {
        let mark = if series.is_taken { "taken" } else { "left" };
        format!("{mark} ({}, {} images): {}", series.series_id, series.image_count, series.reason)
    });
    lines.chain(found.warnings).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_plain_soft_series_is_taken_from_a_mixed_study() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path();
    add_series(study, 2, "H60s", |_, _| {});
    add_series(study, 3, "H31s", |_, _| {});
    add_series(study, 4, "H31s", |_, slice| {
        slice.text(tags::CONTRAST_BOLUS_AGENT, "Iomeron 400");
    });
    add_series(study, 5, "H31s", |_, slice| {
        slice.text(tags::SERIES_DESCRIPTION, "CTA Head");
    });
    add_series(study, 6, "H31s", |_, slice| {
        slice.text(tags::IMAGE_TYPE, r"DERIVED\SECONDARY\MPR");
    });
    add_series(study, 7, "H31s", |_, slice| {
        slice.text(tags::MODALITY, "MR");
    });
    add_series(study, 8, "T20s", |_, slice| {
        slice.text(tags::IMAGE_TYPE, r"ORIGINAL\PRIMARY\LOCALIZER");
    });
    write(study, "notes.txt", b"nothing of interest");

    let scan = dicom::read(study, &ReadOptions::default()).unwrap();

    assert_is_phantom(&scan, |z| z);
    insta::assert_snapshot!(told(study), @r#"
    taken (ct-eb53c929, 24 images): the best CT found: 24 slices over 120 mm, axial, soft kernel
    left (ct-96d179c4, 24 images): could be used, but ct-eb53c929 has a kernel that suits the brain better
    left (ct-169e9a1e, 24 images): made from other images (MPR), not scanned; ask for it by its name to read it all the same
    left (ct-450be001, 24 images): contrast medium: the header names an agent (Contrast/Bolus Agent); ask for it by its name to read it all the same
    left (ct-4cf4de15, 24 images): a scout view (localizer), not slices
    left (ct-66eaf4fe, 24 images): contrast medium: the series description says "CTA"; ask for it by its name to read it all the same
    left (mr-16c590ce, 24 images): modality MR: only CT is read
    1 file is not DICOM; it played no part
    "#);
}

#[test]
fn what_was_refused_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    add_series(folder.path(), 2, "H31s", |_, slice| {
        slice.text(tags::CONTRAST_BOLUS_AGENT, "Iomeron 400");
    });
    let refused = dicom::read(folder.path(), &ReadOptions::default()).unwrap_err();
    insta::assert_snapshot!(refused, @"series ct-96d179c4 cannot be used: contrast medium: the header names an agent (Contrast/Bolus Agent); ask for it by its name to read it all the same");
    let DicomError::NoUsableSeries { series } = refused else { panic!("another error") };

    let by_short_name =
        ReadOptions { series: Some(series[0].series_id.clone()), ..ReadOptions::default() };
    let scan = dicom::read(folder.path(), &by_short_name).unwrap();

    insta::assert_snapshot!(scan.provenance.warnings.join("\n"), @"contrast medium: the header names an agent (Contrast/Bolus Agent)");
    let uid = haema_io::dicom::write::uid_from("haema/series/2");
    let by_uid = ReadOptions { series: Some(uid), ..ReadOptions::default() };
    assert_eq!(dicom::read(folder.path(), &by_uid).unwrap().ct, scan.ct);
}

#[test]
fn scans_of_two_examinations_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, number) in [("one", 2), ("two", 3)] {
        let options =
            SeriesOptions { seed: seed.into(), series_number: number, ..SeriesOptions::default() };
        write_all(&folder.path().join(seed), &Stack::straight().slices(&options));
    }

    let scan = dicom::read(folder.path(), &ReadOptions::default()).unwrap();

    insta::assert_snapshot!(scan.provenance.warnings.join("\n"), @"scans of 2 examinations lie here together, and one is read: give each its own folder, or ask for a series by its name");
}

#[test]
fn series_without_an_identifier_have_names_of_their_own() {
    let name = |seed: &str| {
        let options = SeriesOptions { seed: seed.into(), ..SeriesOptions::default() };
        let mut slices = Stack::straight().slices(&options);
        for slice in &mut slices {
            slice.remove(tags::SERIES_INSTANCE_UID);
        }
        read_objects(&slices).unwrap().provenance.case_id
    };

    assert_ne!(name("one"), name("two"));
}

#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    add_series(folder.path(), 2, "H31s", |_, _| {});
    let options = ReadOptions { series: Some("1.2.3".into()), ..ReadOptions::default() };

    let error = dicom::read(folder.path(), &options).unwrap_err();

    insta::assert_snapshot!(error, @"the series that was asked for is not among the 1 series found: ct-96d179c4");
}

#[test]
fn two_reconstructions_in_one_series_are_two_scans() {
    let soft = Stack::straight().slices(&SeriesOptions::default());
    let mut sharp = soft.clone();
    for slice in &mut sharp {
        slice.text(tags::CONVOLUTION_KERNEL, "BONEPLUS");
        slice.text(tags::RESCALE_INTERCEPT, "-1000");
    }
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path(), &[sharp, soft].concat());

    let scan = dicom::read(folder.path(), &ReadOptions::default()).unwrap();

    assert_is_phantom(&scan, |z| z);
    insta::assert_snapshot!(told(folder.path()), @"
    taken (ct-96d179c4-2, 24 images): the best CT found: 24 slices over 120 mm, axial, soft kernel
    left (ct-96d179c4, 24 images): could be used, but ct-96d179c4-2 has a kernel that suits the brain better
    ");
}

#[test]
fn thin_and_thick_slices_of_one_range_are_two_scans() {
    let thick = Stack::straight().slices(&SeriesOptions::default());
    let heights: Vec<f64> = (0..92).map(|z| 0.6 + 1.25 * f64::from(z)).collect();
    let mut thin = Stack::at(&heights).slices(&SeriesOptions::default());
    for slice in &mut thin {
        slice.text(tags::SLICE_THICKNESS, "1.25");
    }

    let scan = read_objects(&[thin, thick].concat()).unwrap();

    assert_is_phantom(&scan, |z| z);
    assert_eq!(scan.ct.grid().spacing_mm()[0], 5.0);
    assert_eq!(scan.provenance.warnings, Vec::<String>::new());
}

#[test]
fn two_passes_are_told_apart_by_their_acquisition() {
    let first = Stack::straight().slices(&SeriesOptions::default());
    let mut second = first.clone();
    for slice in &mut second {
        slice.text(tags::ACQUISITION_NUMBER, "2");
        slice.text(tags::RESCALE_INTERCEPT, "-1000");
    }

    let scan = read_objects(&[second, first].concat()).unwrap();

    assert_is_phantom(&scan, |z| z);
    assert_eq!(scan.provenance.series.len(), 2);
}

#[test]
fn different_pixels_at_one_place_with_nothing_to_tell_them_apart_are_refused() {
    let mut slices = Stack::straight().slices(&SeriesOptions::default());
    let mut other = slices[3].clone();
    other.text(tags::RESCALE_INTERCEPT, "-1000");
    slices.push(other);

    insta::assert_snapshot!(read_objects(&slices).unwrap_err(), @"series ct-96d179c4 cannot be used: more than one image, with different pixels, lies at 1 place, and nothing in the header tells them apart: export one reconstruction at a time");
}

#[test]
fn thin_slices_below_and_thick_ones_above_are_one_scan() {
    let mut heights: Vec<f64> = (0..12).map(|z| 4.0 * f64::from(z)).collect();
    heights.extend((0..12).map(|z| 46.0 + 8.0 * f64::from(z)));
    let mut slices = Stack::at(&heights).slices(&SeriesOptions::default());
    for (z, slice) in slices.iter_mut().enumerate() {
        slice.text(tags::SLICE_THICKNESS, if z < 12 { "4" } else { "8" });
        slice.text(tags::IMAGE_TYPE, &format!(r"ORIGINAL\PRIMARY\AXIAL{}", ["", r"\ADD"][z / 12]));
        slice.text(tags::ACQUISITION_NUMBER, &(z / 2).to_string());
    }

    let scan = read_objects(&slices).unwrap();

    assert_is_phantom(&scan, |z| z);
}

#[test]
fn doubts_about_the_taken_series_are_told() {
    let half: Vec<f64> = (0..12).map(|z| 5.0 * f64::from(z)).collect();
    let mut slices = Stack::at(&half).slices(&SeriesOptions::default());
    for slice in &mut slices {
        slice.text(tags::CONVOLUTION_KERNEL, "FC81").text(tags::SERIES_DESCRIPTION, "C-Spine");
    }

    let scan = read_objects(&slices).unwrap();

    insta::assert_snapshot!(scan.provenance.warnings.join("\n"), @r#"
    the slices cover 60 mm; a whole head takes at least 100 mm: what lies outside is not measured
    the series description says "SPINE": is this a head?
    reconstructed with a kernel for bone: sharp, and noisy in the brain
    "#);
}

#[test]
fn words_about_contrast_are_read_with_their_denials() {
    for plain in ["Head W/O contrast", "NON-CONTRAST", "CCT nativ, contrast: none", "Head 5mm"] {
        let read = read_changed(|_, slice| {
            slice.text(tags::SERIES_DESCRIPTION, plain);
        });
        assert!(read.is_ok(), "{plain}");
    }
    for contrast in ["CTA", "head post contrast", "Perfusion 5.0 H20f", "HEAD C+"] {
        let read = read_changed(|_, slice| {
            slice.text(tags::SERIES_DESCRIPTION, contrast);
        });
        assert!(read.is_err(), "{contrast}");
    }
}

#[test]
fn nothing_that_a_person_typed_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut slices = Stack::straight().slices(&SeriesOptions::default());
    for slice in &mut slices {
        slice
            .text(tags::PATIENT_NAME, "Zuckermann^Erika")
            .text(tags::PATIENT_ID, "Zuckermann")
            .text(tags::SERIES_DESCRIPTION, "Zuckermann head")
            .text(tags::REFERRING_PHYSICIAN_NAME, "Zuckermann");
    }
    write_all(folder.path(), &slices);
    let whole = slices[0].to_file();
    write(folder.path(), "Zuckermann_Erika.dcm", &whole[..whole.len() - 10]);

    let scan = dicom::read(folder.path(), &ReadOptions::default()).unwrap();

    assert!(!format!("{:?}", scan.provenance).contains("Zuckermann"));
    assert!(!format!("{:?}", dicom::inspect(folder.path())).contains("Zuckermann"));
    insta::assert_snapshot!(scan.provenance.warnings.join("\n"), @"file 25 was left out: Pixel Data (7FE0,0010) is said to hold 640 bytes, but 630 bytes are left: the file is cut short or damaged");
}
