//! The bleeds of a scan as a table in plain words.

use haema_measure::DoubtId;

use super::{escape, millilitres};
use crate::report::{Compartment, Doubt, Lesion, Place, Report, Side};

/// From this confidence on a compartment is called likely.
const LIKELY: f64 = 0.7;

/// More rows than these would push the pictures off the first screen.
const MOST_LESIONS: usize = 8;

pub(super) fn table(report: &Report) -> String {
    let lesions = &report.lesions;
    if lesions.is_empty() {
        return String::new();
    }
    let rows: String = lesions.iter().take(MOST_LESIONS).map(row).collect();
    let rest: f64 = lesions.iter().skip(MOST_LESIONS).map(|lesion| lesion.volume_ml).sum();
    let more = match lesions.len().saturating_sub(MOST_LESIONS) {
        0 => String::new(),
        n => format!(
            "<tr class=\"left\"><td>{n} more</td><td class=\"n\">{} mL</td>\
             <td colspan=\"5\" class=\"n\">all of them are in report.json</td></tr>\n",
            millilitres(rest)
        ),
    };
    let unknown = report.atlas.unknown_because.as_ref().map_or(String::new(), |reason| {
        format!("<p class=\"caution\">Places are unknown: {}.</p>\n", escape(reason))
    });
    format!(
        "<h2>Connected parts<small>left and right are the patient's; places are those of an average \
         head laid on this one</small></h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>part</th>\
         <th class=\"n\">volume</th><th>place</th><th>compartment</th>\
         <th class=\"n\">long × wide × high</th><th class=\"n\">density</th>\
         <th class=\"n\">to bone</th></tr></thead>\n<tbody>\n{rows}{more}</tbody></table></div>\n{unknown}"
    )
}

fn row(lesion: &Lesion) -> String {
    let location = lesion.location.as_ref();
    let compartment = location.map_or("unknown".to_owned(), |location| {
        // Two grades, not a share of cases: words say as much as is known.
        match (location.compartment, location.compartment_confidence) {
            (Compartment::Undetermined, _) => location.compartment.name().to_owned(),
            (compartment, confidence) if confidence >= LIKELY => {
                format!("likely {}", compartment.name())
            }
            (compartment, _) => format!("possibly {}", compartment.name()),
        }
    });
    let to_bone =
        location.map_or(String::new(), |location| format!("{:.0} mm", location.to_skull_mm));
    let touches = location.map_or(String::new(), |location| {
        let signs = [
            (location.touches_ventricle, "touches a ventricle"),
            (location.reaches_cortex, "reaches the cortex"),
        ];
        let told: Vec<&str> = signs.iter().filter(|sign| sign.0).map(|sign| sign.1).collect();
        if told.is_empty() {
            String::new()
        } else {
            format!("<br><small>{}</small>", told.join(", "))
        }
    });
    let doubts: Vec<String> = lesion.doubts.iter().map(doubt).collect();
    let doubts = if doubts.is_empty() {
        String::new()
    } else {
        format!("<br><small class=\"doubted\">doubt: {}</small>", doubts.join("; "))
    };
    let extent = lesion.extent;
    format!(
        "<tr><td>{}</td><td class=\"n\">{} mL</td><td>{}{touches}{doubts}</td><td>{compartment}</td>\
         <td class=\"n\">{:.0} × {:.0} × {:.0} mm</td><td class=\"n\">{:.0} ± {:.0} HU</td>\
         <td class=\"n\">{to_bone}</td></tr>\n",
        lesion.id,
        millilitres(lesion.volume_ml),
        escape(&place_of(lesion)),
        extent.longest_mm,
        extent.across_mm,
        extent.height_mm,
        lesion.mean_hu,
        lesion.sd_hu,
    )
}

/// What else a part may be, with what was measured.
fn doubt(doubt: &Doubt) -> String {
    let name = match doubt.id {
        DoubtId::TooSmall => "too small to be sure of",
        DoubtId::Calcification => "as dense as calcium",
        DoubtId::BoneEdge => "edge of bone",
        DoubtId::Falx => "falx",
        DoubtId::Tentorium => "tentorium",
        DoubtId::Streak => "streaks",
        DoubtId::Brightening => "smooth brightening, as beside bone",
        DoubtId::ChoroidPlexus => "choroid plexus",
    };
    format!("{name} ({}: {})", escape(&doubt.what), (100.0 * doubt.measured).round() / 100.0)
}

/// Side and place in words.
pub(crate) fn place_of(lesion: &Lesion) -> String {
    let Some(location) = &lesion.location else { return "unknown".to_owned() };
    let side = match location.side {
        Side::Left => "left",
        Side::Right => "right",
        Side::Bilateral => "both sides",
    };
    match location.place {
        None => format!("{side}, several places"),
        Some(place) if place.is_unpaired() => place.name().to_owned(),
        Some(place @ Place::LateralVentricle) if location.side == Side::Bilateral => {
            format!("both {}s", place.name())
        }
        Some(place) if location.side == Side::Bilateral => format!("{}, {side}", place.name()),
        Some(place) => format!("{side} {}", place.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_bleed_is_told_in_words() {
        let page = table(&report());

        assert!(page.contains("<td>left basal ganglia<br><small>touches a ventricle</small></td>"));
        assert!(page.contains("<td>likely intraparenchymal</td>"), "{page}");
        assert!(page.contains("doubt: too small to be sure of (volume, mL: 0.06)"), "{page}");
        assert!(page.contains("<td>unknown</td>"), "the second part has no place: {page}");
        assert!(!page.contains("Places are unknown"));
    }

    #[test]
    fn a_scan_off_the_atlas_says_why() {
        let mut report = report();
        report.atlas.unknown_because = Some("the two heads do not match".to_owned());

        assert!(table(&report).contains("Places are unknown: the two heads do not match."));
    }
}
