//! `summary.csv`: one row a case, for a table program.

use crate::html::place_of;
use crate::report::Report;

const COLUMNS: &str = "input,case_id,status,hemorrhage,probability,volume_ml,volume_grid_ml,\
    volume_soft_ml,lesions,largest_lesion_ml,largest_lesion_place,\
    largest_lesion_compartment,slices,gantry_tilt_deg,warnings,reason,path";

/// The whole table of these rows. An empty field means that there is no such value.
pub(crate) fn csv<'a>(rows: impl Iterator<Item = &'a String>) -> String {
    rows.fold(format!("{COLUMNS}\n"), |table, row| table + row)
}

/// One row: a case that is done, or an input that could not be and why.
///
/// * `input` — number of the input in this run, from 1; none for a case of an earlier run.
/// * `path` — as it was given, where the user asked for it.
pub(crate) fn row(
    input: Option<usize>,
    path: Option<String>,
    outcome: Result<&Report, &str>,
) -> String {
    let input = input.map(|n| n.to_string()).unwrap_or_default();
    let fields = match outcome {
        Ok(report) => done(report),
        Err(reason) => failed(reason),
    };
    let fields = [input].into_iter().chain(fields).chain([path.unwrap_or_default()]);
    let fields: Vec<String> = fields.map(|field| quoted(&field)).collect();
    fields.join(",") + "\n"
}

fn done(report: &Report) -> [String; 15] {
    let largest = report.lesions.first().map(|lesion| lesion.volume_ml.to_string());
    let location = report.lesions.first().and_then(|lesion| lesion.location.as_ref());
    [
        report.case_id.clone(),
        "done".to_owned(),
        report.hemorrhage.present.to_string(),
        report.hemorrhage.probability.to_string(),
        report.volume_ml.to_string(),
        report.volume_grid_ml.to_string(),
        report.volume_soft_ml.to_string(),
        report.lesions.len().to_string(),
        largest.unwrap_or_default(),
        report.lesions.first().map(place_of).unwrap_or_default(),
        location.map(|location| location.compartment.name().to_owned()).unwrap_or_default(),
        report.input.slice_positions_mm.len().to_string(),
        report.input.gantry_tilt_deg.to_string(),
        report.input.warnings.join("; "),
        String::new(),
    ]
}

fn failed(reason: &str) -> [String; 15] {
    let mut fields: [String; 15] = Default::default();
    "failed".clone_into(&mut fields[1]);
    reason.clone_into(&mut fields[14]);
    fields
}

/// RFC 4180. A text that a table program would take for a formula gets a quote before it.
pub(super) fn quoted(field: &str) -> String {
    let is_number = field.parse::<f64>().is_ok();
    let guard = if !is_number && field.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{guard}{}\"", field.replace('"', "\"\"").replace(['\n', '\r'], " "))
    } else {
        format!("{guard}{field}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_row_has_a_field_for_every_column() {
        let rows = [row(Some(1), None, Ok(&report())), row(Some(2), None, Err("no CT"))];

        let table = csv(rows.iter());

        let widths: Vec<usize> =
            table.lines().map(|line| line.matches(',').count() - quoted_commas(line)).collect();
        assert_eq!(widths, [16, 16, 16], "{table}");
    }

    fn quoted_commas(line: &str) -> usize {
        line.split('"').skip(1).step_by(2).map(|quoted| quoted.matches(',').count()).sum()
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(quoted("-18.5"), "-18.5");
        assert_eq!(quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
    }
}
