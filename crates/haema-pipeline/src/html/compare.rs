//! `compare.html`: two scans side by side, slice by slice, on one screen the answer.

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use haema_measure::{Definition, Fate, Growth};
use haema_volume::parallel;

use super::figure::Picture;
use super::montage::Montage;
use super::view::View;
use super::{about_ml, area, escape, head, millilitres, scan, signed, warnings};
use crate::compare::{Comparison, GIVEN, LedgerLine, OnBaseline, Visit};

/// The whole page.
pub(crate) fn page(
    comparison: &Comparison,
    baseline: &Visit,
    followup: &OnBaseline,
    threads: NonZeroUsize,
) -> String {
    let pairs = pairs(baseline, followup, threads);
    let growth = &comparison.growth;
    let sections = [
        format!(
            "<section class=\"first\">\n{}<div>\n{}{}{}</div>\n</section>\n",
            pairs.first().map_or(String::new(), key),
            answer(comparison),
            ledger(&comparison.ledger),
            warnings(&comparison.warnings),
        ),
        definitions(growth),
        all_pairs(&pairs),
        registration(comparison),
    ];
    format!(
        "{}<body>\n\
         <header><h1>Has the bleed grown?</h1><p>Two head CTs of one patient · {} · haema {}</p>\
         <p class=\"research\">Research software. Not a medical device.</p></header>\n\
         {}<footer>{}</footer>\n</body>\n</html>\n",
        head("Two scans compared", include_str!("compare.css")),
        escape(&masks_by(&comparison.masks_by[1])),
        escape(&comparison.haema_version),
        sections.concat(),
        escape(&comparison.research_use),
    )
}

fn masks_by(maker: &str) -> String {
    if maker == GIVEN { "masks given by the user".to_owned() } else { format!("masks by {maker}") }
}

/// One level of the first scan and the second scan there.
struct Pair {
    before: Picture,
    now: Picture,
}

/// The pair with the largest area first, then all with bleed from bottom to top.
fn pairs(baseline: &Visit, followup: &OnBaseline, threads: NonZeroUsize) -> Vec<Pair> {
    let before = View::of(&baseline.ct, &baseline.mask);
    let now = View::of(&followup.ct, &followup.mask);
    let areas = |view: &View<'_>| -> Vec<f64> {
        parallel::map(0..view.depth(), threads, |_, z| view.area_mm2(z))
    };
    let (before_mm2, now_mm2) = (areas(&before), areas(&now));
    let largest: Vec<f64> = before_mm2.iter().zip(&now_mm2).map(|(a, b)| a.max(*b)).collect();
    let montage = Montage::of(&largest);
    let window = before.window();
    let order: Vec<usize> = [montage.key].into_iter().chain(montage.with_bleed).collect();
    parallel::map(order.iter(), threads, |_, &z| Pair {
        before: Picture::from(before.slice(z, before_mm2[z], window)),
        now: Picture::from(now.slice(z, now_mm2[z], window)),
    })
}

fn key(pair: &Pair) -> String {
    format!("<div class=\"pair key-pair\">{}</div>\n", both(pair, "60vh"))
}

fn both(pair: &Pair, height: &str) -> String {
    [("baseline", &pair.before), ("follow-up", &pair.now)]
        .map(|(name, picture)| {
            format!(
                "<figure>{}<figcaption><span>{name} · {} mm</span><b>{}</b></figcaption></figure>",
                scan(picture, height),
                signed(picture.slice.position_mm),
                area(picture.slice.area_mm2),
            )
        })
        .concat()
}

fn all_pairs(pairs: &[Pair]) -> String {
    let row = |pair: &Pair| format!("<div class=\"pair\">{}</div>\n", both(pair, "40vh"));
    let shown: String = pairs.iter().skip(1).map(row).collect();
    format!(
        "<h2>Slice by slice<small>bottom to top · the follow-up is shown at the same level of the head \
         · patient's right on the left of the picture · rest the pointer on a picture to hide the \
         outline</small></h2>\n<div class=\"pairs\">\n{shown}</div>\n"
    )
}

fn answer(comparison: &Comparison) -> String {
    let growth = &comparison.growth;
    let is_real = growth.change_ml.abs() > growth.smallest_real_change_ml;
    let verdict = match () {
        () if growth.baseline.volume_ml == 0.0 && growth.followup.volume_ml == 0.0 => {
            "No bleed in either scan"
        }
        () if !is_real => "No change beyond the error of measurement",
        () if growth.change_ml > 0.0 => "The bleed has grown",
        () => "The bleed has become smaller",
    };
    let mut page = format!(
        "<p class=\"verdict\">{verdict}</p>\n<p class=\"volume\">{} <small>mL</small></p>\n<dl>\n",
        signed(growth.change_ml),
    );
    let mut row = |name: &str, value: String| {
        writeln!(page, "<dt>{name}</dt><dd>{value}</dd>").expect("a string takes all");
    };
    let volume = |ml: f64, sd: f64| format!("{} mL ± {}", millilitres(ml), about_ml(sd));
    row("baseline", volume(growth.baseline.volume_ml, growth.baseline.sd_ml));
    row("follow-up", volume(growth.followup.volume_ml, growth.followup.sd_ml));
    if let Some(percent) = growth.change_percent {
        row("change", format!("{} %", signed(percent)));
    }
    match (growth.change_ml_per_h, comparison.hours) {
        (Some(rate), Some(hours)) => {
            row("per hour", format!("{} mL/h over {hours:.1} h", signed(rate)));
        }
        _ => row("per hour", "unknown: the time between the scans was not given".to_owned()),
    }
    row(
        "smallest real change",
        format!("{} mL for this pair (95 %)", about_ml(growth.smallest_real_change_ml)),
    );
    row("chance of growth ≥ 6 mL", format!("{:.0} %", 100.0 * growth.probability_of_6_ml));
    match growth.intraventricular_ml {
        Some([before, now]) => row(
            "in the ventricles",
            format!("{} mL, then {} mL", millilitres(before), millilitres(now)),
        ),
        None => row("in the ventricles", "unknown".to_owned()),
    }
    page + "</dl>\n"
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::New => "new",
        Fate::Grown => "grown",
        Fate::Shrunk => "shrunk",
        Fate::Stable => "stable",
        Fate::Merged => "merged",
        Fate::Split => "split",
        Fate::Resolved => "resolved",
    }
}

/// Bleeds that merged or split may have grown all the same.
fn fates(line: &LedgerLine) -> String {
    let change = match line.change_ml {
        ml if ml > line.smallest_real_change_ml => ", grown",
        ml if ml < -line.smallest_real_change_ml => ", shrunk",
        _ => "",
    };
    let is_open = matches!(line.fate, Fate::Merged | Fate::Split);
    format!("{}{}", fate(line.fate), if is_open { change } else { "" })
}

/// More rows than these would push the pictures off the first screen.
const MOST_LINES: usize = 8;

fn ledger(lines: &[LedgerLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let rows: String = lines.iter().take(MOST_LINES).map(ledger_row).collect();
    let more = match lines.len().saturating_sub(MOST_LINES) {
        0 => String::new(),
        n => format!(
            "<tr class=\"left\"><td colspan=\"5\">{n} smaller ones are in compare.json</td></tr>\n"
        ),
    };
    format!(
        "<h2>Bleed by bleed</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th></th><th>place</th>\
         <th class=\"n\">volume</th><th class=\"n\">change</th><th class=\"n\">error of measurement</th>\
         </tr></thead>\n<tbody>\n{rows}{more}</tbody></table></div>\n"
    )
}

fn ledger_row(line: &LedgerLine) -> String {
    format!(
        "<tr><td><b>{}</b></td><td>{}</td><td class=\"n\">{} → {} mL</td>\
         <td class=\"n\">{} mL</td><td class=\"n\">{} mL</td></tr>\n",
        fates(line),
        escape(&line.place),
        millilitres(line.baseline_ml),
        millilitres(line.followup_ml),
        signed(line.change_ml),
        about_ml(line.smallest_real_change_ml),
    )
}

fn definitions(growth: &Growth) -> String {
    let row = |definition: &Definition| {
        let met = match definition.is_met {
            Some(true) => "<b class=\"met\">met</b>",
            Some(false) => "not met",
            None => "unknown",
        };
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{met}</td></tr>\n",
            escape(&definition.id),
            escape(&definition.rule),
            escape(&definition.source),
        )
    };
    let rows: String = growth.definitions.iter().map(row).collect();
    format!(
        "<h2>Published definitions of expansion<small>by the volumes as measured, without regard to \
         their error</small></h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>definition</th>\
         <th>rule</th><th>source</th><th></th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

fn registration(comparison: &Comparison) -> String {
    let record = &comparison.registration;
    format!(
        "<h2>How the scans lie on each other</h2>\n<dl>\n<dt>head turned by</dt><dd>{:.1}°</dd>\n\
         <dt>agreement of bone (Dice)</dt><dd>{:.2}</dd>\n<dt>shared information</dt><dd>{:.2}</dd>\n\
         <dt>covered by the follow-up</dt><dd>{:.0} %</dd>\n<dt>baseline</dt><dd><code>{}</code></dd>\n\
         <dt>follow-up</dt><dd><code>{}</code></dd>\n</dl>\n",
        record.turn_deg,
        record.bone_dice,
        record.shared_information,
        100.0 * record.overlap,
        escape(&comparison.input_sha256[0]),
        escape(&comparison.input_sha256[1]),
    )
}
