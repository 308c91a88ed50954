//! `report.html`: one page that needs nothing beside itself, for a person to look at.
//!
//! The scan is shown as a radiologist is used to: seen from below, the patient's right on the left
//! of the picture, in the brain window. The page holds no time of day and no duration, so that the
//! same scan gives the same page, byte for byte.

mod clinical;
pub(crate) mod compare;
pub(crate) mod figure;
pub(crate) mod gallery;
mod lesions;
mod montage;
mod profile;
mod view;

use std::fmt::Write as _;

use haema_measure::{format_about_ml, format_ml};
use haema_methods::MaskRule;
use haema_nn::InferencePrecision;

use crate::report::{Chance, Hemorrhage, Input, RESEARCH_USE, Report, Series};
use figure::Picture;
pub(crate) use lesions::place_of;
pub(crate) use view::{Pictures, View};

/// The whole page.
pub(crate) fn page(report: &Report, pictures: &Pictures) -> String {
    let title = escape(&report.case_id);
    let sections = [
        first_screen(report, pictures),
        with_bleed(pictures),
        others(pictures),
        input(&report.input),
        clinical::checks(&report.gate),
        receipt(report),
    ];
    format!(
        "{}<body>\n\
         <header><h1>{title}</h1><p>Intracranial bleed on head CT · {} · haema {}</p>\
         <p class=\"research\">Research software. Not a medical device.</p></header>\n\
         {}<footer>{}</footer>\n</body>\n</html>\n",
        head(&title, ""),
        escape(&report.method),
        escape(&report.receipt.haema_version),
        sections.concat(),
        escape(&report.research_use),
    )
}

/// A page without pictures.
pub(crate) fn sheet(title: &str, subtitle: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "{}<body>\n<header><h1>{title}</h1><p>{} · haema {}</p>\
         <p class=\"research\">Research software. Not a medical device.</p></header>\n{body}\
         <footer>{}</footer>\n</body>\n</html>\n",
        head(&title, ""),
        escape(subtitle),
        env!("CARGO_PKG_VERSION"),
        escape(RESEARCH_USE),
    )
}

/// Everything before the body, which nothing outside the page can change.
fn head(title: &str, more_css: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{title} · haema</title>\n<style>\n{}{more_css}</style>\n</head>\n",
        include_str!("html/report.css"),
    )
}

fn first_screen(report: &Report, pictures: &Pictures) -> String {
    let class = if report.hemorrhage.present { "" } else { " class=\"none\"" };
    format!(
        "<section class=\"first\">\n<div>\n{}{}</div>\n<div{class}>\n{}{}{}{}</div>\n</section>\n{}",
        key_figure(&pictures.key, report.hemorrhage.present),
        profile_of(report, pictures),
        numbers(report),
        clinical::interval(report),
        clinical::lines(&report.clinical),
        warnings(&report.input.warnings),
        lesions::table(report),
    )
}

fn key_figure(picture: &Picture, is_bleed: bool) -> String {
    let slice = &picture.slice;
    let what = if is_bleed { "largest area" } else { "middle of the stack" };
    format!(
        "<figure class=\"key\">{}<abbr class=\"side right\" title=\"patient's right\">R</abbr>\
         <abbr class=\"side left\" title=\"patient's left\">L</abbr>\
         <figcaption><span>slice {} · {} mm · {what}</span><b>{}</b></figcaption></figure>\n",
        scan(picture, "72vh"),
        slice.number,
        signed(slice.position_mm),
        area(slice.area_mm2),
    )
}

/// The picture and the outline above it, with the proportions of the patient.
fn scan(picture: &Picture, most_height: &str) -> String {
    let slice = &picture.slice;
    let [height_mm, width_mm] = slice.extent_mm();
    let [rows, columns] = slice.size;
    let outline = slice.outline();
    let overlay = if outline.is_empty() {
        String::new()
    } else {
        format!(
            "<svg viewBox=\"0 0 {columns} {rows}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <path class=\"casing\" d=\"{outline}\"/><path class=\"outline\" d=\"{outline}\"/></svg>"
        )
    };
    format!(
        "<div class=\"scan\" style=\"aspect-ratio:{width_mm:.2}/{height_mm:.2};\
         max-width:calc({most_height}*{:.4})\"><img alt=\"axial slice {} at {} mm, {}\" \
         src=\"{png}\">{overlay}</div>",
        width_mm / height_mm,
        slice.number,
        signed(slice.position_mm),
        area(slice.area_mm2),
        png = picture.data_url(),
    )
}

fn numbers(report: &Report) -> String {
    let (verdict, volume) = if report.hemorrhage.present {
        let verdict = if report.is_all_doubted() {
            "Marked, but all of it has another explanation: see the doubts below"
        } else {
            "Bleed found"
        };
        (verdict, format!("{} <small>mL</small>", millilitres(report.volume_ml)))
    } else {
        ("No bleed found", "0 <small>mL</small>".to_owned())
    };
    let mut page = format!(
        "<p class=\"verdict\">{verdict} {}</p>\n<p class=\"volume\">{volume}</p>\n\
         <p class=\"score\">{}; a voxel counts above {}</p>\n",
        clinical::gate_line(&report.gate),
        chance(report.hemorrhage),
        rule_in_words(report.receipt.settings.mask_rule()),
    );
    if !report.hemorrhage.present {
        page += "<p class=\"caution\">An empty mask does not exclude a bleed.</p>\n";
    }
    page
}

fn rule_in_words(rule: MaskRule) -> String {
    let MaskRule { threshold, seed_threshold } = rule;
    if seed_threshold > threshold {
        format!("{threshold:.2}, in a part that passes {seed_threshold:.2} somewhere")
    } else {
        format!("{threshold:.2}")
    }
}

fn chance(found: Hemorrhage) -> String {
    let score = found.probability;
    match found.chance {
        Some(Chance { value, cases, with_bleed }) => format!(
            "chance of a bleed {value:.2}, calibrated on {cases} scans, {with_bleed} with a bleed; score {score:.2}"
        ),
        None => format!("score of the scan {score:.2}, not calibrated"),
    }
}

fn row(page: &mut String, name: &str, value: &str) {
    writeln!(page, "<dt>{name}</dt><dd>{value}</dd>").expect("a string takes all");
}

fn profile_of(report: &Report, pictures: &Pictures) -> String {
    if !report.hemorrhage.present {
        return String::new();
    }
    format!(
        "<h2>Area on each slice<small>as wide as the slice is thick: the bars together are the volume</small>\
         </h2>\n{}\n\
         <p class=\"ends\"><span>bottom of the scan, {} mm</span><span>top, {} mm</span></p>\n",
        profile::svg(&pictures.bars),
        signed(pictures.bars.first().map_or(0.0, |bar| bar.from_mm)),
        signed(pictures.bars.last().map_or(0.0, |bar| bar.to_mm)),
    )
}

fn warnings(warnings: &[String]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let items: Vec<String> =
        warnings.iter().map(|text| format!("<li>{}</li>\n", escape(text))).collect();
    format!("<div class=\"warnings\"><p>To be aware of</p><ul>\n{}</ul></div>\n", items.concat())
}

fn with_bleed(pictures: &Pictures) -> String {
    if pictures.with_bleed.is_empty() {
        return String::new();
    }
    let left_out = match pictures.bleed_left_out {
        0 => String::new(),
        n => format!(", {n} more are not shown"),
    };
    let figures: String = pictures
        .with_bleed
        .iter()
        .map(|shown| small_figure(shown, shown.slice.number == pictures.key.slice.number))
        .collect();
    format!(
        "<h2>Slices with bleed<small>bottom to top{left_out} · patient's right on the left of the picture \
         · level 40, width 80 HU · rest the pointer on a picture to hide the outline</small></h2>\n<div class=\"montage\">\n{figures}</div>\n"
    )
}

fn others(pictures: &Pictures) -> String {
    if pictures.others.is_empty() {
        return String::new();
    }
    let figures: String = pictures.others.iter().map(|shown| small_figure(shown, false)).collect();
    let (title, class) = if pictures.with_bleed.is_empty() {
        ("The head", "montage")
    } else {
        ("The rest of the head", "montage others")
    };
    format!(
        "<h2>{title}<small>bottom to top · patient's right on the left · no bleed was found on these \
         slices</small></h2>\n\
         <div class=\"{class}\">\n{figures}</div>\n"
    )
}

fn small_figure(picture: &Picture, is_largest: bool) -> String {
    let slice = &picture.slice;
    let class = if is_largest { " class=\"largest\"" } else { "" };
    let label = if slice.area_mm2 > 0.0 {
        format!("<b>{}</b>", area(slice.area_mm2))
    } else {
        String::new()
    };
    format!(
        "<figure{class}>{}<figcaption><span>{} mm</span>{label}</figcaption></figure>\n",
        scan(picture, "40vh"),
        signed(slice.position_mm),
    )
}

fn input(input: &Input) -> String {
    let mut page = String::from("<h2>What was read</h2>\n<dl>\n");
    let [slices, rows, columns] = input.size;
    let [_, row_mm, column_mm] = input.spacing_mm;
    row(&mut page, "form", &form(input));
    row(&mut page, "size", &format!("{slices} slices of {rows} × {columns} pixels"));
    row(&mut page, "pixel", &format!("{row_mm:.3} × {column_mm:.3} mm"));
    row(&mut page, "between slices", &pitches(input));
    row(&mut page, "gantry tilt", &format!("{:.1}°", input.gantry_tilt_deg));
    let places: Vec<String> =
        input.slice_positions_mm.iter().map(|mm| format!("{mm:.2}")).collect();
    let series: String = input.series.iter().map(series_row).collect();
    write!(
        page,
        "</dl>\n<div class=\"scroll\"><table>\n<thead><tr><th>series</th><th>what it is</th>\
         <th class=\"n\">images</th><th></th><th>why</th></tr></thead>\n<tbody>\n{series}</tbody>\
         </table></div>\n<details><summary>Place of every slice, mm</summary><code>{}</code></details>\n",
        places.join(" · "),
    )
    .expect("a string takes all");
    page
}

fn form(input: &Input) -> String {
    let name = match input.kind.as_str() {
        "dicom" => "DICOM",
        "nifti" => "NIfTI",
        "nrrd" => "NRRD",
        "metaimage" => "MetaImage",
        _ => return "built in".to_owned(),
    };
    match input.files {
        1 => format!("{name}, one file"),
        n => format!("{name}, {n} files"),
    }
}

fn pitches(input: &Input) -> String {
    let stretches: Vec<String> = input
        .slice_pitches
        .iter()
        .map(|stretch| format!("{:.2} mm ({}×)", stretch.pitch_mm, stretch.gaps))
        .collect();
    match stretches.len() {
        0 => "one slice".to_owned(),
        1 => format!("{:.2} mm", input.slice_pitches[0].pitch_mm),
        // More stretches than this are shown in the list of places.
        2..=6 => stretches.join(", then "),
        n => format!("{n} stretches of different pitch: see the places below"),
    }
}

fn series_row(series: &Series) -> String {
    let (class, verdict) = if series.taken { ("", "taken") } else { (" class=\"left\"", "left") };
    format!(
        "<tr{class}><td><code>{}</code></td><td>{}</td><td class=\"n\">{}</td><td>{verdict}</td>\
         <td>{}</td></tr>\n",
        escape(&series.id),
        escape(&series.description),
        series.images,
        escape(&series.reason),
    )
}

fn receipt(report: &Report) -> String {
    let mut page = String::from("<h2>Receipt</h2>\n<dl>\n");
    let receipt = &report.receipt;
    let code = |text: &str| format!("<code>{}</code>", escape(text));
    row(&mut page, "scan", &code(&receipt.input_sha256));
    row(
        &mut page,
        "model",
        &format!("{} {}", escape(&report.model.name), code(&report.model.sha256)),
    );
    if receipt.settings.precision != InferencePrecision::Fp32 {
        row(&mut page, "precision", receipt.settings.precision.name());
    }
    row(&mut page, "mask", &code(&receipt.mask_sha256));
    row(&mut page, "sum of probabilities", &format!("{} mL", millilitres(report.volume_soft_ml)));
    row(&mut page, "on the network's grid", &format!("{} mL", millilitres(report.volume_grid_ml)));
    page + "</dl>\n"
}

fn millilitres(ml: f64) -> String {
    escape(&format_ml(ml))
}

/// A volume that is known about, such as the end of an interval.
fn about_ml(ml: f64) -> String {
    escape(&format_about_ml(ml))
}

fn area(mm2: f64) -> String {
    if mm2 <= 0.0 { "no bleed".to_owned() } else { format!("{:.2} cm²", mm2 / 100.0) }
}

/// With a sign that is as wide as a plus.
fn signed(mm: f64) -> String {
    let rounded = (mm * 10.0).round() / 10.0;
    match rounded {
        0.0 => "0.0".to_owned(),
        below if below < 0.0 => format!("−{:.1}", -below),
        above => format!("+{above:.1}"),
    }
}

/// A page that needs nothing beside itself: no script, and images from nowhere but the page.
pub(crate) fn document(title: &str, styles: &[&str], body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{} · haema</title>\n<style>\n{}{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title),
        include_str!("html/report.css"),
        styles.concat(),
    )
}

/// Text as it may stand between tags and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
