//! `haema selftest`: does haema read and measure rightly on this computer?

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use haema_pipeline::selftest::{
    self, Line, Options, Outcome as Tested, Part, Place, TOLERANCE_ML, TOLERANCE_PERCENT,
};
use indicatif::ProgressBar;

use crate::{CliError, Outcome, Streams, print_json};

/// Measures phantoms of known volume, and says how near it comes.
///
/// Spheres, ellipsoids, crescents, C-shapes, shells and many small spheres, whose volumes have closed
/// forms, are scanned without noise in many ways, written as DICOM, NIfTI, NRRD and MetaImage, read
/// back and measured as haema segment does. A volume must be within 1 % or 0.05 mL, every voxel must
/// come back at its place, and tilt, uneven steps and lost slices must be named.
///
/// The column measured sums up each voxel's share of body; mask counts voxels that are more than half
/// body, which slices that are thick against the body make coarser.
///
/// Exit code 0: every line passes; 1: some do not; 2: the phantoms cannot be written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to test.
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// Keep the phantoms in this new folder, with truth.csv, for other programs to be tested on.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Only these lines of the table, separated by commas.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,
    /// How many threads; the result is the same for any number [default: one for each core].
    #[arg(long, value_name = "N", value_parser = crate::threads)]
    threads: Option<NonZeroUsize>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Volumes of every shape.
    Volume,
    /// Place, side, order of axes, tilt, uneven steps, lost slices.
    Geometry,
    /// Both.
    All,
}

pub(crate) fn run(args: &Args, streams: &mut Streams<'_>) -> Result<Outcome, CliError> {
    let options = Options {
        part: match args.what {
            What::Volume => Some(Part::Volume),
            What::Geometry => Some(Part::Geometry),
            What::All => None,
        },
        only: args.only.clone(),
        threads: args.threads.unwrap_or_else(crate::all_cores),
    };
    let temporary = std::env::temp_dir();
    let place = match &args.export {
        Some(folder) => Place::Export(folder),
        None => Place::Temporary(&temporary),
    };
    let bar = crate::progress_bar(selftest::count(&options)? as u64, streams.err_is_terminal);
    let mut table = Table { args, bar, streams, part: None, written: Ok(()) };
    let tested = selftest::run(&options, place, &mut |line| table.show(line))?;
    table.finish(&tested)?;
    Ok(if tested.failed == 0 { Outcome::Done } else { Outcome::Refused })
}

/// What the user sees.
struct Table<'a, 'b> {
    args: &'a Args,
    bar: ProgressBar,
    streams: &'a mut Streams<'b>,
    /// The part that was printed last.
    part: Option<Part>,
    /// The first failure to print: told at the end, so that a run is not lost with its reader.
    written: io::Result<()>,
}

impl Table<'_, '_> {
    fn show(&mut self, line: &Line) {
        self.bar.inc(1);
        if self.args.json {
            return;
        }
        let bar = self.bar.clone();
        let written = bar.suspend(|| self.print(line));
        if self.written.is_ok() {
            self.written = written;
        }
    }

    fn print(&mut self, line: &Line) -> io::Result<()> {
        if self.part != Some(line.part) {
            let gap = if self.part.is_some() { "\n" } else { "" };
            self.part = Some(line.part);
            writeln!(
                self.streams.out,
                "{gap}{:<5}{:<10} {:<52} {:>8} {:>9} {:>15} {:>15}",
                "", "phantom", "scan", "truth mL", "measured", "error", "mask error"
            )?;
        }
        let number = |ml: Option<f64>| ml.map_or("-".to_owned(), |ml| format!("{ml:.3}"));
        let error = |ml: Option<f64>| {
            ml.map_or("-".to_owned(), |ml| {
                format!("{ml:+.3} {:+6.2} %", 100.0 * ml / line.truth_ml)
            })
        };
        writeln!(
            self.streams.out,
            "{:<5}{:<10} {:<52} {:>8.3} {:>9} {:>15} {:>15}  {}",
            line.id,
            line.phantom,
            line.scan,
            line.truth_ml,
            number(line.measured_ml),
            error(line.error_ml()),
            error(line.mask_error_ml()),
            if line.passes() { "ok" } else { "FAILED" }
        )?;
        if let Some(remark) = remark(line) {
            writeln!(self.streams.out, "     {remark}")?;
        }
        for failure in &line.failures {
            writeln!(self.streams.out, "     FAILED: {failure}")?;
        }
        Ok(())
    }

    fn finish(self, tested: &Tested) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        self.written?;
        if self.args.json {
            print_json(self.streams.out, tested)?;
        } else {
            write!(self.streams.out, "\n{}", summary(tested))?;
        }
        if let Some(folder) = &self.args.export {
            let truth = folder.join(selftest::TRUTH_FILE);
            writeln!(self.streams.err, "the phantoms are kept: see {}", truth.display())?;
        }
        Ok(())
    }
}

/// What a line has to say beyond volumes.
fn remark(line: &Line) -> Option<String> {
    if let Some(lost) = &line.lost {
        let stated =
            lost.stated_percent.map_or("no share".to_owned(), |share| format!("{share} %"));
        return Some(format!(
            "lost slices held {:.1} % of it; named, {stated} stated beside them",
            lost.truth_percent
        ));
    }
    let marker = line.marker.as_ref()?;
    let point = |at: [f64; 3]| format!("({:.1}, {:.1}, {:.1})", at[0], at[1], at[2]);
    Some(format!(
        "ball at {} mm LPS, found at {}, {} side, slice {}",
        point(marker.truth_lps_mm),
        point(marker.found_lps_mm),
        marker.side,
        marker.slice
    ))
}

fn summary(tested: &Tested) -> String {
    let Tested { passed, failed, lines, .. } = tested;
    let whole = || lines.iter().filter(|line| line.lost.is_none());
    let errors = whole().filter_map(|line| Some((line, line.error_ml()?)));
    let worst_ml = errors.clone().map(|(_, ml)| ml.abs()).fold(0.0, f64::max);
    let worst_percent = errors
        .filter(|(line, _)| 0.01 * TOLERANCE_PERCENT * line.truth_ml > TOLERANCE_ML)
        .map(|(line, ml)| 100.0 * (ml / line.truth_ml).abs())
        .fold(0.0, f64::max);
    let masks = whole().filter_map(|line| Some((line, line.mask_error_ml()?)));
    let near_masks = masks.clone().filter(|(line, ml)| line.is_near(*ml)).count();
    let above_ml = TOLERANCE_ML * 100.0 / TOLERANCE_PERCENT;
    format!(
        "{passed} of {} lines pass; wanted: within {TOLERANCE_PERCENT} % or {TOLERANCE_ML} mL, every \
         voxel in its place\n\
         largest error of a whole stack: {worst_ml:.3} mL; above {above_ml} mL: {worst_percent:.2} %; \
         whole voxels alone come as near in {near_masks} of {}\n",
        passed + failed,
        masks.count()
    )
}
