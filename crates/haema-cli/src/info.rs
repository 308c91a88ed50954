//! `haema info`: what is at a path, and what would be used.

use std::io::{self, Write};
use std::path::PathBuf;

use haema_pipeline::input::{self, Source};
use haema_pipeline::inspect::{Inspection, inspect};
use haema_pipeline::report::{Input, Series};

use crate::{CliError, Outcome, Streams, print_json};

/// Says what was found, which series would be used and why, and where its slices lie.
///
/// Exit code 0: haema segment would take it; 1: it would not, the reason is given; 2: there is
/// nothing at the path.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// DICOM folder, zip or file, NIfTI, NRRD or MetaImage file, or a folder of such image files.
    path: PathBuf,
    /// The DICOM series to look at, by its Series Instance UID or short name [default: haema
    /// chooses].
    #[arg(long, value_name = "UID")]
    series_uid: Option<String>,
    /// Print one JSON document a line for each scan.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let mut outcome = Outcome::Done;
    for source in input::sources(std::slice::from_ref(&args.path)) {
        let found = inspect(&source, args.series_uid.as_deref())?;
        if !found.usable {
            outcome = Outcome::Refused;
        }
        if args.json {
            print_json(streams.out, &found)?;
        } else {
            print(streams.out, &source, &found)?;
        }
    }
    Ok(outcome)
}

fn print(out: &mut dyn Write, source: &Source, found: &Inspection) -> io::Result<()> {
    writeln!(out, "{source}")?;
    for series in &found.series {
        print_series(out, series)?;
    }
    if let Some(scan) = &found.scan {
        print_scan(out, scan)?;
    }
    if let Some([lowest, highest]) = found.range_hu {
        writeln!(out, "  range     {lowest} to {highest} HU")?;
    }
    if let Some(scan) = &found.scan {
        for warning in &scan.warnings {
            writeln!(out, "  warning   {warning}")?;
        }
    }
    match (&found.reason, &found.case_id) {
        (Some(reason), _) => writeln!(out, "  not usable: {reason}")?,
        (None, case_id) => {
            writeln!(out, "  usable as {}", case_id.as_deref().unwrap_or("a scan"))?;
        }
    }
    match &found.hint {
        Some(hint) => writeln!(out, "  hint: {hint}"),
        None => Ok(()),
    }
}

fn print_series(out: &mut dyn Write, series: &Series) -> io::Result<()> {
    let verdict = if series.taken { "taken" } else { "left" };
    let plural = if series.images == 1 { "" } else { "s" };
    writeln!(
        out,
        "  {verdict:<8}  {}: {}, {} image{plural}\n            {}",
        series.id, series.description, series.images, series.reason
    )
}

fn print_scan(out: &mut dyn Write, scan: &Input) -> io::Result<()> {
    let [slices, rows, columns] = scan.size;
    let [_, row_mm, column_mm] = scan.spacing_mm;
    writeln!(
        out,
        "  size      {slices} slices of {rows} × {columns} pixels of {row_mm} × {column_mm} mm"
    )?;
    let pitches: Vec<String> = scan
        .slice_pitches
        .iter()
        .map(|run| format!("{} × {} mm", run.gaps, run.pitch_mm))
        .collect();
    writeln!(out, "  gaps      {}", pitches.join(", then "))?;
    if let (Some(first), Some(last)) =
        (scan.slice_positions_mm.first(), scan.slice_positions_mm.last())
    {
        writeln!(out, "  from      {first} to {last} mm along the slices' normal")?;
    }
    writeln!(out, "  tilt      {:.1}°", scan.gantry_tilt_deg.abs())
}
