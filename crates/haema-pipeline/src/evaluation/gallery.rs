//! The worst cases, in pictures.

use haema_volume::{CtVolume, Volume};

use super::CaseScore;
use crate::html::gallery::{self, Exhibit};

/// How many cases are shown.
const MOST: usize = 12;

/// The worst cases so far, with their pictures.
#[derive(Debug, Default)]
pub(super) struct Gallery {
    /// By what is wrong with them, the worst first.
    worst: Vec<(f64, Exhibit)>,
}

/// How wrong a mask is, 0 to 1: what its Dice lacks; where there is no bleed, the volume invented, of which
/// 1 mL counts as a Dice of one half.
fn wrong(case: &CaseScore) -> f64 {
    if case.has_bleed() {
        1.0 - case.row.overlap.dice().unwrap_or(0.0)
    } else {
        case.row.found_ml / (case.row.found_ml + 1.0)
    }
}

impl Gallery {
    /// Takes a case in, where it is among the worst.
    pub(super) fn add(
        &mut self,
        case: &CaseScore,
        ct: &CtVolume,
        reference: &Volume<u8>,
        mask: &Volume<u8>,
    ) {
        let wrong = wrong(case);
        let place = self.worst.partition_point(|(worse, _)| *worse >= wrong);
        if wrong <= 0.0 || place >= MOST {
            return;
        }
        let row = &case.row;
        let verdict = match (case.has_bleed(), row.overlap.dice()) {
            (true, Some(0.0)) => "missed".to_owned(),
            (true, Some(dice)) => format!("Dice {dice:.3}"),
            _ => "no bleed there".to_owned(),
        };
        let facts = format!(
            "{verdict} · reference {} mL, found {} mL · score {:.3}{}",
            haema_measure::format_ml(row.reference_ml),
            haema_measure::format_ml(row.found_ml),
            case.score,
            if case.subtypes.is_empty() {
                String::new()
            } else {
                format!(" · {}", case.subtypes.join(", "))
            },
        );
        self.worst.insert(place, (wrong, Exhibit::of(&row.case, &facts, ct, [reference, mask])));
        self.worst.truncate(MOST);
    }

    /// The page.
    ///
    /// * `cases` — how many were scored.
    pub(super) fn page(&self, cases: usize) -> String {
        gallery::page(self.worst.iter().map(|(_, exhibit)| exhibit), cases)
    }
}
