//! `gallery.html`: cases whose masks are wrong, each with the slices that show it.

use std::collections::BTreeMap;

use haema_volume::{CtVolume, Volume};

use super::figure::Picture;
use super::view::View;
use super::{document, escape};

/// A case and its slices.
#[derive(Debug, Clone)]
pub(crate) struct Exhibit {
    case: String,
    facts: String,
    panels: Vec<Panel>,
}

/// A slice with both outlines: the picture's own is what was found.
#[derive(Debug, Clone)]
struct Panel {
    picture: Picture,
    truth: String,
    why: String,
}

impl Exhibit {
    /// Chooses the slices with the largest area of the reference, of what was invented and of what was
    /// missed; the middle slice where there is none of them.
    ///
    /// # Panics
    ///
    /// Where scan and masks differ in size.
    pub(crate) fn of(
        case: &str,
        facts: &str,
        ct: &CtVolume,
        [truth, found]: [&Volume<u8>; 2],
    ) -> Self {
        let only = |own: &Volume<u8>, other: &Volume<u8>| {
            let pairs = own.as_slice().iter().zip(other.as_slice());
            let voxels = pairs.map(|(&a, &b)| u8::from(a != 0 && b == 0)).collect();
            Volume::new(own.size(), voxels).expect("one voxel for each voxel")
        };
        let (missed, invented) = (only(truth, found), only(found, truth));
        let kinds = [(truth, "most bleed"), (&missed, "most missed"), (&invented, "most invented")];
        let mut slices: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (mask, why) in kinds {
            let view = View::of(ct, mask);
            let areas: Vec<f64> = (0..view.depth()).map(|z| view.area_mm2(z)).collect();
            let largest = (0..areas.len())
                .filter(|&z| areas[z] > 0.0)
                .reduce(|best, z| if areas[z] > areas[best] { z } else { best });
            if let Some(z) = largest {
                slices.entry(z).or_default().push(why);
            }
        }
        let (seen, wanted) = (View::of(ct, found), View::of(ct, truth));
        if slices.is_empty() {
            slices.insert(seen.depth() / 2, vec!["middle"]);
        }
        let window = seen.window();
        let panel = |(z, why): (usize, Vec<&str>)| Panel {
            picture: seen.slice(z, seen.area_mm2(z), window).into(),
            truth: wanted.slice(z, wanted.area_mm2(z), window).outline(),
            why: why.join(", "),
        };
        Self {
            case: case.to_owned(),
            facts: facts.to_owned(),
            panels: slices.into_iter().map(panel).collect(),
        }
    }

    fn section(&self) -> String {
        let figures: String = self.panels.iter().map(|panel| panel.figure(&self.case)).collect();
        format!(
            "<h2>{}</h2>\n<p>{}</p>\n<div class=\"exhibits\">\n{figures}</div>\n",
            escape(&self.case),
            escape(&self.facts),
        )
    }
}

impl Panel {
    fn figure(&self, case: &str) -> String {
        let Picture { slice, .. } = &self.picture;
        let [rows, columns] = slice.size;
        let [height_mm, width_mm] = slice.extent_mm();
        let (found, truth) = (slice.outline(), &self.truth);
        format!(
            "<figure><div class=\"scan\" style=\"aspect-ratio:{width_mm:.2}/{height_mm:.2}\">\
             <img alt=\"{case}, slice {number}\" src=\"{png}\">\
             <svg viewBox=\"0 0 {columns} {rows}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <path class=\"casing\" d=\"{truth}{found}\"/><path class=\"truth\" d=\"{truth}\"/>\
             <path class=\"outline\" d=\"{found}\"/></svg></div>\
             <figcaption><span>slice {number}</span><b>{why}</b></figcaption></figure>\n",
            case = escape(case),
            number = slice.number,
            png = self.picture.data_url(),
            why = escape(&self.why),
        )
    }
}

/// The whole page, the worst case first.
///
/// * `cases` — how many were scored.
pub(crate) fn page<'a>(exhibits: impl Iterator<Item = &'a Exhibit>, cases: usize) -> String {
    let sections: Vec<String> = exhibits.map(Exhibit::section).collect();
    let shown = match sections.len() {
        0 => "no mask is wrong anywhere".to_owned(),
        n => format!("the {n} worst of {cases} cases"),
    };
    let body = format!(
        "<header><h1>Where it goes wrong</h1><p>{shown} · haema {}</p></header>\n\
         <p class=\"legend\"><b class=\"found\">Found</b> and <b class=\"wanted\">reference</b>, outlined; \
         rest the pointer on a picture to hide both. Patient's right on the left; level 40, width 80 HU. \
         The order is by what Dice lacks; where there is no bleed, 1 mL invented counts as a Dice of one \
         half.</p>\n{}",
        env!("CARGO_PKG_VERSION"),
        sections.concat(),
    );
    document("Failures", &[include_str!("gallery.css")], &body)
}
