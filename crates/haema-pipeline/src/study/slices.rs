//! Figure 2: four slices, chosen by rules, with the reference and what was found.

use base64::Engine as _;
use haema_volume::{Components, Connectivity, Volume, distances_mm};

use super::cases::{Drawn, REFERENCE};
use super::drawing::Drawing;
use super::run::Results;
use super::table::Table;
use crate::html::figure::{Picture, Slice};
use crate::html::{View, escape};

/// A panel: which case, which slice, by which rule.
struct Panel {
    letter: char,
    case: String,
    rule: &'static str,
    value: f64,
    /// What the slice is chosen by: that which shows most of it.
    shown: Volume<u8>,
}

/// What lies no further from bone than this touches it. Source: methods.md F.
const TOUCHES_MM: f64 = 3.0;
/// Bone is above this.
const BONE_HU: f32 = 300.0;
/// Side of a panel on the page.
const PANEL: f64 = 300.0;

/// The figure and the log of what was chosen; none where there is no case to show.
pub(super) fn figure(results: &Results<'_>) -> Option<(Drawing, Table)> {
    let panels = choose(results);
    let mut table = Table::new("Figure 2. Examples", ["panel", "case", "slice", "rule", "value"]);
    let mut body = String::new();
    for (i, panel) in panels.iter().enumerate() {
        let Some((slice, found)) = cut(results, panel) else { continue };
        let x = (PANEL + 12.0) * (i % 2) as f64;
        let y = (PANEL + 44.0) * (i / 2) as f64;
        body.push_str(&drawn(panel, &slice, &found, [x, y]));
        let number = slice.number.to_string();
        let cells = [panel.letter.to_string(), panel.case.clone(), number, panel.rule.to_owned()];
        table.push(cells.into_iter().chain([format!("{:.3}", panel.value)]));
    }
    let rows = panels.len().div_ceil(2) as f64;
    let size = [2.0 * PANEL + 12.0, rows * (PANEL + 44.0)];
    let title = table.title().to_owned();
    (!table.rows().is_empty()).then_some((Drawing { size, title, body }, table))
}

fn choose(results: &Results<'_>) -> Vec<Panel> {
    let Some(method) = results.leading() else { return Vec::new() };
    let own = |row: &&super::CaseRow| row.reference == REFERENCE && row.method == method.name();
    let best = results
        .rows
        .iter()
        .filter(own)
        .filter_map(|row| Some((row.overlap.dice()?, &row.case)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let mut panels = Vec::new();
    let mut worst: [Option<Panel>; 3] = [None, None, None];
    let mut keep = |i: usize, panel: Panel| {
        if worst[i].as_ref().is_none_or(|old| old.value < panel.value) {
            worst[i] = Some(panel);
        }
    };
    for id in &results.plan.split.held_aside {
        let Some(drawn) = results.case(id).and_then(|case| Drawn::read(results.dataset, case).ok())
        else {
            continue;
        };
        let Some(found) = results.mask(method, id) else { continue };
        if best.is_some_and(|(_, case)| case == id) {
            let value = best.map_or(0.0, |(dice, _)| dice);
            let (case, rule) = (id.clone(), "best Dice, its largest slice");
            panels.push(Panel { letter: 'A', case, rule, value, shown: drawn.reference.clone() });
        }
        let beyond = difference(&found, &drawn.reference);
        if let Some((value, shown)) = largest(&beyond, &drawn, |_| true) {
            let (case, rule) = (id.clone(), "largest false-positive part, mL");
            keep(0, Panel { letter: 'B', case, rule, value, shown });
        }
        let missed = difference(&drawn.reference, &found);
        let near = near_bone(&drawn);
        if let Some((value, shown)) = largest(&missed, &drawn, |offset| near[offset]) {
            let (case, rule) = (id.clone(), "largest missed part that touches bone, mL");
            keep(1, Panel { letter: 'C', case, rule, value, shown });
        }
        if let Some((value, shown)) = disagreement(&drawn) {
            let (case, rule) = (id.clone(), "raters disagree most, share of voxels");
            keep(2, Panel { letter: 'D', case, rule, value, shown });
        }
    }
    panels.extend(worst.into_iter().flatten());
    panels
}

/// What the first has and the second has not.
fn difference(first: &Volume<u8>, second: &Volume<u8>) -> Volume<u8> {
    let mut rest = first.map(|&voxel| u8::from(voxel != 0));
    for (voxel, &other) in rest.as_mut_slice().iter_mut().zip(second.as_slice()) {
        *voxel &= u8::from(other == 0);
    }
    rest
}

/// The largest connected part with a voxel that is wanted, and its volume, mL.
fn largest(
    mask: &Volume<u8>,
    drawn: &Drawn,
    is_wanted: impl Fn(usize) -> bool,
) -> Option<(f64, Volume<u8>)> {
    let parts = Components::of(mask, Connectivity::Corners);
    let mut is_in = vec![false; parts.voxel_counts().len() + 1];
    for (offset, &label) in parts.labels().as_slice().iter().enumerate() {
        is_in[label as usize] |= label > 0 && is_wanted(offset);
    }
    let counts = parts.voxel_counts().iter().enumerate();
    let (i, &count) = counts.filter(|(i, _)| is_in[i + 1]).max_by_key(|(_, count)| **count)?;
    let ml = count as f64 * drawn.ct.grid().voxel_volume_mm3(0) / 1000.0;
    Some((ml, parts.mask_of(i as u32 + 1)))
}

fn near_bone(drawn: &Drawn) -> Vec<bool> {
    let hu = drawn.ct.voxels_hu();
    let spacing = drawn.ct.grid().spacing_mm();
    let at: [Vec<f64>; 3] = std::array::from_fn(|axis| {
        (0..hu.size()[axis]).map(|i| i as f64 * spacing[axis]).collect()
    });
    let away = distances_mm(hu, [&at[0], &at[1], &at[2]], |&hu| hu > BONE_HU);
    away.as_slice().iter().map(|&mm| mm <= TOUCHES_MM).collect()
}

/// Where raters do not agree, and its share of all that any of them drew; none of one rater.
fn disagreement(drawn: &Drawn) -> Option<(f64, Volume<u8>)> {
    if drawn.raters.len() < 2 {
        return None;
    }
    let count = drawn.raters.len();
    let votes = |offset: usize| {
        drawn.raters.iter().filter(|(_, mask)| mask.as_slice()[offset] != 0).count()
    };
    let mut split = drawn.reference.map(|_| 0_u8);
    let (mut any, mut apart) = (0_u64, 0_u64);
    for (offset, voxel) in split.as_mut_slice().iter_mut().enumerate() {
        let votes = votes(offset);
        *voxel = u8::from(votes > 0 && votes < count);
        any += u64::from(votes > 0);
        apart += u64::from(*voxel);
    }
    (apart > 0).then(|| (apart as f64 / any as f64, split))
}

/// The slice that shows most of what the panel is about: with the reference, and with what was found.
fn cut(results: &Results<'_>, panel: &Panel) -> Option<(Slice, Slice)> {
    let drawn = Drawn::read(results.dataset, results.case(&panel.case)?).ok()?;
    let found = results.mask(results.leading()?, &panel.case)?;
    let shown = View::of(&drawn.ct, &panel.shown);
    let z = (0..shown.depth()).max_by(|&a, &b| shown.area_mm2(a).total_cmp(&shown.area_mm2(b)))?;
    let window = shown.window();
    let of = |mask: &Volume<u8>| View::of(&drawn.ct, mask).slice(z, 0.0, window);
    Some((of(&drawn.reference), of(&found)))
}

fn drawn(panel: &Panel, slice: &Slice, found: &Slice, [x, y]: [f64; 2]) -> String {
    let [rows, columns] = slice.size;
    let reference = slice.outline();
    let picture = Picture::from(slice.clone());
    let png = base64::engine::general_purpose::STANDARD.encode(&picture.png);
    let [height_mm, width_mm] = slice.extent_mm();
    let scale = PANEL / height_mm.max(width_mm);
    let [height, width] = [height_mm * scale, width_mm * scale];
    format!(
        "<g transform=\"translate({x:.0} {y:.0})\"><rect width=\"{PANEL}\" height=\"{PANEL}\" fill=\"#000\"/>\
         <svg x=\"{:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{height:.1}\" viewBox=\"0 0 {columns} {rows}\" \
         preserveAspectRatio=\"none\"><image width=\"{columns}\" height=\"{rows}\" \
         preserveAspectRatio=\"none\" href=\"data:image/png;base64,{png}\"/><g fill=\"none\" stroke-width=\"1.6\">\
         <path stroke=\"#4db6ff\" vector-effect=\"non-scaling-stroke\" d=\"{reference}\"/>\
         <path stroke=\"#ffb000\" vector-effect=\"non-scaling-stroke\" d=\"{}\"/></g></svg>\
         <text x=\"4\" y=\"{:.0}\" font-size=\"13\"><tspan font-weight=\"700\">{}</tspan> {}, slice {}</text>\
         <text x=\"4\" y=\"{:.0}\" font-size=\"11\" fill=\"#5a626d\">{}: {:.2}</text></g>\n",
        (PANEL - width) / 2.0,
        found.outline(),
        PANEL + 15.0,
        panel.letter,
        escape(&panel.case),
        slice.number,
        PANEL + 31.0,
        panel.rule,
        panel.value
    )
}
