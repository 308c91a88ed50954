//! What a reader asks for beside the volume, in a few lines.

use std::fmt::Write as _;

use haema_measure::{ChamberName, IntraventricularBlood, SignId};

use super::{about_ml, escape, millilitres};
use crate::report::{CheckOutcome, Clinical, Gate, LEAST_IVH_ML, Report, Side, Verdict};

/// The interval under the volume.
pub(super) fn interval(report: &Report) -> String {
    let interval = &report.clinical.volume_interval;
    let (Some(lower), Some(upper)) = (interval.lower_ml, interval.upper_ml) else {
        let because = interval.unknown_because.as_deref().unwrap_or_default();
        return format!("<p class=\"score\">interval: unknown ({})</p>\n", escape(because));
    };
    let condition = if report.is_all_doubted() { "if what is marked is blood: " } else { "" };
    let chances: Vec<String> = interval
        .chances
        .iter()
        .map(|chance| format!("P(&gt; {:.0} mL) {:.2}", chance.above_ml, chance.probability))
        .collect();
    format!(
        "<p class=\"score\">{condition}{:.0} % interval {} to {} mL · {}<br><small>{}</small></p>\n",
        100.0 * interval.coverage,
        about_ml(lower),
        about_ml(upper),
        chances.join(" · "),
        escape(interval.learnt_from.as_deref().unwrap_or_default()),
    )
}

/// Whether the scan can be trusted, in one line.
pub(super) fn gate_line(gate: &Gate) -> String {
    let class = if gate.verdict == Verdict::Usable { "calm" } else { "doubt" };
    format!("<span class=\"gate {class}\">scan {}</span>", gate.verdict.name())
}

/// What was looked at before the scan was trusted.
pub(super) fn checks(gate: &Gate) -> String {
    let row = |check: &crate::report::Check| {
        let outcome = match check.outcome {
            CheckOutcome::Fine => "fine",
            CheckOutcome::Doubt => "<b>doubt</b>",
            CheckOutcome::NotChecked => "not checked",
        };
        let name = check.id.replace('_', " ");
        format!(
            "<tr><td>{}</td><td>{outcome}</td><td>{}</td></tr>\n",
            escape(&name),
            escape(&check.found)
        )
    };
    let rows: String = gate.checks.iter().map(row).collect();
    format!(
        "<details><summary>What was looked at before the scan was trusted</summary>\
         <div class=\"scroll\"><table>\n<tbody>\n{rows}</tbody></table></div></details>\n"
    )
}

/// Midline, ventricles, score, bedside estimate and signs; nothing where there is no bleed.
pub(super) fn lines(clinical: &Clinical) -> String {
    let mut rows = String::new();
    let mut row = |name: &str, value: String| {
        writeln!(rows, "<dt>{name}</dt><dd>{value}</dd>").expect("a string takes all");
    };
    if let Some(shift) = &clinical.midline_shift {
        let side = if shift.towards == Side::Left { "left" } else { "right" };
        row(
            "midline shift",
            format!(
                "{:.1} mm to the patient's {side}, {} mL <small>approximate</small>",
                shift.shift_mm,
                millilitres(shift.volume_ml)
            ),
        );
    } else if clinical.bedside.is_some() {
        row("midline shift", "unknown".to_owned());
    }
    if let Some(ivh) = &clinical.intraventricular {
        row("in the ventricles", ventricles(ivh));
    }
    if let Some(score) = &clinical.ich_score_imaging {
        let points = score.points.map_or("unknown".to_owned(), |points| format!("{points} of 3"));
        let parts = [
            (Some(score.is_30_ml), "30 mL"),
            (score.is_intraventricular, "ventricles"),
            (score.is_infratentorial, "below the tentorium"),
        ];
        let told: Vec<String> = parts
            .iter()
            .map(|(is, name)| match is {
                Some(true) => format!("{name} 1"),
                Some(false) => format!("{name} 0"),
                None => format!("{name} ?"),
            })
            .collect();
        row(
            "ICH score, imaging part",
            format!(
                "{points} <small>{}; coma scale and age are to be added</small>",
                told.join(", ")
            ),
        );
    }
    if let Some(bedside) = &clinical.bedside {
        let volumes = &bedside.abc2.volumes;
        row(
            "A·B·C/2 of the largest in the brain",
            format!(
                "{} mL <small>against {} mL; weighted {}, A·B·C/3 {}, ⅔·S·H {}<br>{}</small>",
                millilitres(volumes.simple_ml),
                millilitres(volumes.planimetry_ml),
                millilitres(volumes.weighted_ml),
                millilitres(volumes.abc3_ml),
                millilitres(volumes.two_thirds_sh_ml),
                escape(&bedside.reason),
            ),
        );
    }
    if !clinical.expansion_signs.is_empty() {
        row("signs of expansion", signs(clinical));
    }
    if rows.is_empty() { String::new() } else { format!("<dl class=\"clinical\">\n{rows}</dl>\n") }
}

fn ventricles(ivh: &IntraventricularBlood) -> String {
    let by = "by the ventricles of an average head; parts that touch one are marked below";
    // The score counts from the same volume: the page must not say otherwise.
    if ivh.volume_ml < LEAST_IVH_ML {
        return format!("none found <small>{by}</small>");
    }
    let name = |name: ChamberName| match name {
        ChamberName::LeftLateral => "left",
        ChamberName::RightLateral => "right",
        ChamberName::Third => "third",
        ChamberName::Fourth => "fourth",
    };
    let filled: Vec<String> = ivh
        .chambers
        .iter()
        .filter(|chamber| chamber.filled > 0.0)
        .map(|chamber| format!("{} {:.0} %", name(chamber.name), 100.0 * chamber.filled))
        .collect();
    let filled =
        if filled.is_empty() { "none by a measurable share".to_owned() } else { filled.join(", ") };
    format!(
        "{} mL <small>Graeb {}, IVH score {} without hydrocephalus; filled: {filled}; {by}</small>",
        millilitres(ivh.volume_ml),
        ivh.graeb,
        ivh.ivh_score_without_hydrocephalus,
    )
}

fn name_of(id: SignId) -> &'static str {
    match id {
        SignId::Blend => "blend",
        SignId::BlackHole => "black hole",
        SignId::Swirl => "swirl",
        SignId::Hypodensity => "hypodensity",
        SignId::FluidLevel => "fluid level",
        SignId::Island => "island",
        SignId::Satellite => "satellite",
        SignId::DensityVariation => "density variation",
    }
}

fn signs(clinical: &Clinical) -> String {
    let all = &clinical.expansion_signs;
    let figure = |measured: Option<f64>, what: &str| {
        let unit = what.rsplit_once(", ").map_or("", |(_, unit)| unit);
        measured.map_or(String::new(), |value| format!("{value:.0} {unit}").trim_end().to_owned())
    };
    let there: Vec<String> = all
        .iter()
        .filter(|sign| sign.is_present == Some(true))
        .map(|sign| format!("<b>{}</b> {}", name_of(sign.id), figure(sign.measured, &sign.what)))
        .collect();
    let absent: Vec<&str> = all
        .iter()
        .filter(|sign| sign.is_present == Some(false))
        .map(|sign| name_of(sign.id))
        .collect();
    let figures: Vec<String> = all
        .iter()
        .filter(|sign| sign.is_present.is_none())
        .map(|sign| format!("{} {}", name_of(sign.id), figure(sign.measured, &sign.what)))
        .collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    format!("{there} <small>not seen: {}; {}</small>", absent.join(", "), figures.join(", "))
}

#[cfg(test)]
mod tests {
    use haema_measure::Chamber;

    use super::*;

    #[test]
    fn blood_that_the_score_counts_is_not_called_none() {
        let blood = |volume_ml| IntraventricularBlood {
            volume_ml,
            chambers: [
                ChamberName::LeftLateral,
                ChamberName::RightLateral,
                ChamberName::Third,
                ChamberName::Fourth,
            ]
            .map(|name| Chamber {
                name,
                blood_ml: 0.0,
                filled: 0.0,
                is_widened: false,
            }),
            graeb: 0,
            ivh_score_without_hydrocephalus: 0,
        };

        assert!(ventricles(&blood(LEAST_IVH_ML / 2.0)).starts_with("none found"));
        let counted = ventricles(&blood(2.0 * LEAST_IVH_ML));
        assert!(
            counted.contains("mL <small>Graeb 0") && !counted.contains("none found"),
            "{counted}"
        );
    }
}
