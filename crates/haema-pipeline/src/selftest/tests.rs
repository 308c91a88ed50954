//! The plan covers what it says, and a defect does not pass.

use std::collections::BTreeSet;

use haema_sim::phantom::{Shape, Slicing};
use haema_volume::Orientation;

use super::plan::{Content, FileForm, cases};
use super::*;

fn shape_of(case: &Case) -> Option<Shape> {
    match case.content {
        Content::Shape(shape, _) => Some(shape),
        Content::Marker { .. } => None,
    }
}

/// How many different values of something every shape has met, the fewest over shapes.
fn fewest_by_shape<T: Ord>(of: impl Fn(&Case) -> Option<T>) -> usize {
    let met = |shape: Shape| {
        let plan = cases();
        let with_shape = plan.iter().filter(|case| shape_of(case) == Some(shape));
        with_shape.filter_map(&of).collect::<BTreeSet<T>>().len()
    };
    Shape::ALL.into_iter().map(met).min().unwrap()
}

#[test]
fn every_shape_meets_every_thickness_pixel_tilt_spacing_and_format() {
    let tenths = |mm: f64| (10.0 * mm).round() as i64;
    let thickness = |case: &Case| match case.protocol.slicing {
        Slicing::Even { slice_mm } => Some(tenths(slice_mm)),
        Slicing::Uneven { .. } => None,
    };
    let spacing = |case: &Case| match case.protocol.slicing {
        Slicing::Uneven { .. } => Some(0),
        Slicing::Even { .. } => Some(1 + usize::from(!case.lost.is_empty())),
    };
    let format = |case: &Case| match case.file {
        FileForm::Dicom(_) => Some(0),
        FileForm::Nrrd | FileForm::MetaImage => Some(1),
        _ => Some(2),
    };

    assert_eq!(fewest_by_shape(thickness), 5);
    assert_eq!(fewest_by_shape(|case| Some(tenths(case.protocol.pixel_mm))), 3);
    assert_eq!(fewest_by_shape(|case| Some(tenths(case.protocol.tilt_deg.abs()))), 4);
    assert_eq!(fewest_by_shape(spacing), 3);
    assert_eq!(fewest_by_shape(format), 3);
}

#[test]
fn every_way_to_store_is_met_by_three_shapes_or_more() {
    let plan = cases();
    let mut met: Vec<(plan::Storage, BTreeSet<Shape>)> = Vec::new();
    for case in &plan {
        let (FileForm::Dicom(storage), Some(shape)) = (case.file, shape_of(case)) else { continue };
        match met.iter_mut().find(|(known, _)| *known == storage) {
            Some((_, shapes)) => drop(shapes.insert(shape)),
            None => met.push((storage, BTreeSet::from([shape]))),
        }
    }

    assert_eq!(met.len(), 8);
    assert!(met.iter().all(|(_, shapes)| shapes.len() >= 3), "{met:?}");
}

#[test]
fn all_orders_of_axes_are_met_in_dicom_and_in_nifti() {
    let plan = cases();
    let orders = |is_dicom: bool| {
        let with_form = plan.iter().filter(|case| {
            matches!(case.file, FileForm::Dicom(_)) == is_dicom && shape_of(case).is_none()
        });
        with_form.map(|case| case.orientation).collect::<BTreeSet<Orientation>>().len()
    };

    assert_eq!((orders(true), orders(false)), (48, 48));
}

fn only(ids: &[&str]) -> Options {
    Options {
        part: None,
        only: ids.iter().map(|&id| id.to_owned()).collect(),
        threads: NonZeroUsize::new(2).unwrap(),
    }
}

#[test]
fn lines_come_in_the_order_of_the_plan_and_say_the_same_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let options = only(&["g02", "v20", "v05"]);

    let outcome = run(&options, Place::Temporary(folder.path()), &mut |line| {
        told.push(line.id.clone());
    })
    .unwrap();

    assert_eq!(told, ["v05", "v20", "g02"]);
    assert_eq!((outcome.passed, outcome.failed), (3, 0), "{:#?}", outcome.lines);
    let alone = Options { threads: NonZeroUsize::MIN, ..options };
    let again = run(&alone, Place::Temporary(folder.path()), &mut |_| {}).unwrap();
    assert_eq!(again, outcome);
    assert!(fs::list_folder(folder.path()).unwrap().is_empty(), "phantoms were left lying");
}

/// A case that says one thing while another is written.
fn told_wrongly(id: &str, change: impl Fn(&mut Case)) -> Line {
    let folder = tempfile::tempdir().unwrap();
    let case = cases().into_iter().find(|case| case.id == id).unwrap();
    let mut wrong = case.clone();
    change(&mut wrong);
    let expected = expected::Expected::of(&case).unwrap();
    check::check(&wrong, &expected, folder.path()).unwrap()
}

#[test]
fn what_is_wrong_fails_and_is_named() {
    let failures_of = |line: Line| line.failures.join("; ");
    let lost = cases().into_iter().find(|case| !case.lost.is_empty()).unwrap().id;
    let uneven = |slicing| matches!(slicing, Slicing::Uneven { .. });
    let uneven = cases().into_iter().find(|case| uneven(case.protocol.slicing)).unwrap().id;
    let marker_off = |case: &mut Case| {
        case.content = Content::Marker { centre_lps_mm: [-3.3, -4.1, 1.2], radius_mm: 6.0 };
    };

    let tilt = failures_of(told_wrongly("v05", |case| case.protocol.tilt_deg = 3.0));
    let marker = failures_of(told_wrongly("g01", marker_off));
    let order = failures_of(told_wrongly("g01", |case| {
        case.orientation = "LAS".parse().unwrap();
    }));
    let steps = failures_of(told_wrongly(&uneven, |case| {
        case.protocol.slicing = Slicing::Even { slice_mm: 0.5 };
    }));
    let loss = failures_of(told_wrongly(&lost, |case| case.lost.push(case.lost[0] + 1)));

    assert!(tilt.contains("wanted 3°"), "{tilt}");
    assert!(marker.contains("off its place") && marker.contains("patient's left"), "{marker}");
    assert!(marker.contains("to be in slice"), "{marker}");
    assert!(order.contains("wanted"), "{order}");
    assert!(steps.contains("uneven steps are named"), "{steps}");
    assert!(loss.contains("the share beside lost slices"), "{loss}");
}

#[test]
fn a_volume_may_be_off_by_a_hundredth_or_a_twentieth_of_a_millilitre() {
    let line = |truth_ml| Line { truth_ml, ..told_wrongly("g01", |_| {}) };

    assert!(line(20.0).is_near(0.2) && !line(20.0).is_near(-0.21));
    assert!(line(0.3).is_near(-0.05) && !line(0.3).is_near(0.051));
    assert!(!line(0.3).is_near(f64::NAN));
}

#[test]
fn a_folder_in_use_is_not_written_to_and_an_unknown_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write_atomic(&folder.path().join("thesis.txt"), b"x").unwrap();

    let in_use = run(&only(&["g01"]), Place::Export(folder.path()), &mut |_| {});
    let unknown = run(&only(&["v999"]), Place::Temporary(folder.path()), &mut |_| {});

    assert!(matches!(in_use, Err(SelftestError::NotEmpty(_))));
    let message = unknown.unwrap_err().to_string();
    assert!(message.starts_with("no line \"v999\" in v01 to g1"), "{message}");
}
