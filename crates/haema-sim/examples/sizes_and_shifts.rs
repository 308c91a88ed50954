//! The tables of `docs/simulator`: sizes of drawn bleeds, and how far they shift the midline.

#![expect(clippy::print_stdout, reason = "to print is all it is for")]

use std::num::NonZeroUsize;

use haema_sim::{
    Anatomy, CaseOptions, Protocol, SimulationError, Site, Wanted, draw_bleeds, simulate_case,
};

/// Heads of different shape and age for each row.
const HEADS: u64 = 9;

fn main() -> Result<(), SimulationError> {
    sizes();
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let anatomy = Anatomy::builtin(0, threads);
    println!("\n| site | 10 mL | 30 mL | 60 mL | 100 mL |\n|---|---|---|---|---|");
    for site in [Site::Deep, Site::Lobar, Site::Subdural, Site::Epidural] {
        print!("| {} ", site.name());
        for volume_ml in [10.0, 30.0, 60.0, 100.0] {
            let mut shifts_mm = (0..HEADS)
                .map(|seed| shift_mm(&anatomy, (site, volume_ml), seed, threads))
                .collect::<Result<Vec<f64>, _>>()?;
            shifts_mm.sort_by(f64::total_cmp);
            let [least, middle, most] = [0, shifts_mm.len() / 2, shifts_mm.len() - 1];
            print!(
                "| {:.1} ({:.1} to {:.1}) ",
                shifts_mm[middle], shifts_mm[least], shifts_mm[most]
            );
        }
        println!("|");
    }
    Ok(())
}

/// How many of 1000 heads have bleeds of so many millilitres in all.
fn sizes() {
    let ends_ml: [f64; 9] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 100.0, 400.0];
    let total_ml = |seed| draw_bleeds(seed).iter().map(|bleed| bleed.volume_ml).sum::<f64>();
    let totals_ml: Vec<f64> = (0..1000).map(total_ml).collect();
    println!("| mL in all | heads of 1000 |\n|---|---|");
    for range in ends_ml.windows(2) {
        let count = totals_ml.iter().filter(|ml| (range[0]..range[1]).contains(*ml)).count();
        println!("| {} to {} | {count} |", range[0], range[1]);
    }
}

/// Away from the bleed, mm.
fn shift_mm(
    anatomy: &Anatomy,
    (site, volume_ml): (Site, f64),
    seed: u64,
    threads: NonZeroUsize,
) -> Result<f64, SimulationError> {
    let protocol = Protocol { pixels: 32, noise_hu: 0.0, hardening: 0.0, ..Protocol::default() };
    let options = CaseOptions {
        bleeds: Some(vec![Wanted::new(site, volume_ml)]),
        mimics: Some(Vec::new()),
        protocol: Some(protocol),
        pitch_mm: 4.0,
        threads,
        ..CaseOptions::new(seed)
    };
    let case = simulate_case(anatomy, &options)?;
    let side = case.lesions.first().map_or(0.0, |lesion| lesion.centre_lps_mm[0].signum());
    Ok(-case.midline_shift_mm * side)
}
