//! The tables of a simulated data set, made anew from the records of its cases.

use std::fmt::Write as _;
use std::path::Path;

use haema_io::dataset::{Description, Participants, Subtype};
use haema_io::fs;

use super::{CaseRecord, LesionRecord, Order, SimulateError};

pub(super) fn write(
    out: &Path,
    records: &[CaseRecord],
    order: &Order,
) -> Result<(), SimulateError> {
    participants(records).write(out)?;
    fs::write_atomic(&out.join("truth.csv"), truth(records).as_bytes())?;
    if order.followup {
        fs::write_atomic(&out.join("pairs.tsv"), pairs(records).as_bytes())?;
    }
    let raters = match order.raters {
        0 => String::new(),
        count => {
            format!(" ratersTr/ has the masks of {count} simulated raters: no person drew them.")
        }
    };
    let description = Description {
        description: format!(
            "Simulated head CT, no patients: bleeds of exactly known volume (truth.csv), with \
             look-alikes. Whatever learns from it should be tested on real scans.{raters}"
        ),
        licence: "that of haema; label maps that it was made from have their own".to_owned(),
        ..Description::of_bleeds("haema simulation", records.len())
    };
    Ok(description.write(out)?)
}

fn participants(records: &[CaseRecord]) -> Participants {
    let subtypes = Subtype::ALL.into_iter().map(Subtype::column);
    let rest = [
        "fracture",
        "slices",
        "slice_mm",
        "bleed_ml",
        "scanned_ml",
        "midline_shift_mm",
        "look_alikes",
    ];
    let columns = ["hemorrhage"].into_iter().chain(subtypes).chain(rest);
    let mut table = Participants::with_columns(columns);
    for record in records {
        let flag = |is_so: bool| if is_so { "1" } else { "0" }.to_owned();
        let mut row = vec![flag(!record.lesions.is_empty())];
        // Values of the map of subtypes follow the table's columns.
        row.extend((1..=Subtype::ALL.len() as u8).map(|value| flag(record.has_subtype(value))));
        row.push(flag(record.has_fracture()));
        row.push(record.size[0].to_string());
        row.push(format!("{:.2}", record.spacing_mm[0]));
        row.push(format!("{:.3}", record.bleed_ml));
        row.push(format!("{:.3}", record.scanned_ml));
        row.push(format!("{:.2}", record.midline_shift_mm));
        let names = record.look_alikes.join(",");
        row.push(if names.is_empty() { "n/a".to_owned() } else { names });
        table.insert(&record.case_id, row);
    }
    table
}

fn truth(records: &[CaseRecord]) -> String {
    let mut text = "case_id,lesion,site,compartment,place,side,subtype,volume_ml,scanned_ml,\
                    centre_left_mm,centre_back_mm,centre_top_mm,mean_hu,texture,midline_shift_mm\n"
        .to_owned();
    for record in records {
        for known in &record.lesions {
            let [left, back, top] = known.centre_lps_mm;
            let LesionRecord { lesion, site, compartment, place, side, .. } = known;
            let LesionRecord { subtype, volume_ml, scanned_ml, mean_hu, texture, .. } = known;
            // Writing to a string cannot fail.
            let _infallible = writeln!(
                text,
                "{},{lesion},{site},{compartment},{place},{side},{subtype},{volume_ml:.6},\
                 {scanned_ml:.6},{left:.2},{back:.2},{top:.2},{mean_hu:.2},{texture},{:.2}",
                record.case_id, record.midline_shift_mm
            );
        }
    }
    text
}

/// Growth counts from a third, or 6 mL (methods.md E.2).
fn verdict(first_ml: f64, second_ml: f64) -> &'static str {
    let grown_ml = second_ml - first_ml;
    match () {
        () if first_ml == 0.0 => "new",
        () if second_ml == 0.0 => "resolved",
        () if grown_ml >= 6.0 || grown_ml >= 0.33 * first_ml => "grown",
        () if grown_ml <= -0.2 * first_ml => "shrunk",
        () => "stable",
    }
}

/// Scans come in pairs: sorted by their names, `-t0` before `-t1`.
fn pairs(records: &[CaseRecord]) -> String {
    let mut text =
        "case_t0\tcase_t1\tlesion\tsite\tvolume_t0_ml\tvolume_t1_ml\tchange\n".to_owned();
    for pair in records.chunks_exact(2) {
        let [first, second] = [&pair[0], &pair[1]];
        let lesions = || first.lesions.iter().chain(&second.lesions);
        let most = lesions().map(|lesion| lesion.lesion).max().unwrap_or(0);
        for number in 1..=most {
            let Some(known) = lesions().find(|lesion| lesion.lesion == number) else { continue };
            let [before_ml, after_ml] = [first, second].map(|record| {
                let found = record.lesions.iter().find(|lesion| lesion.lesion == number);
                found.map_or(0.0, |lesion| lesion.volume_ml)
            });
            let _infallible = writeln!(
                text,
                "{}\t{}\t{number}\t{}\t{before_ml:.6}\t{after_ml:.6}\t{}",
                first.case_id,
                second.case_id,
                known.site,
                verdict(before_ml, after_ml)
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_a_third_or_six_millilitres() {
        assert_eq!(verdict(0.0, 2.0), "new");
        assert_eq!(verdict(2.0, 0.0), "resolved");
        assert_eq!(verdict(30.0, 36.5), "grown");
        assert_eq!(verdict(3.0, 4.1), "grown");
        assert_eq!(verdict(30.0, 31.0), "stable");
        assert_eq!(verdict(30.0, 20.0), "shrunk");
    }
}
