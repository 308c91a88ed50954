//! Figure 4: the network as it was, drawn from its own description.

use std::fmt::Write as _;

use haema_nn::{INPUT, LayerRow, NetSpec};

use super::drawing::Drawing;
use super::table::Table;
use crate::html::escape;

const STEP: f64 = 46.0;
const LEVEL: f64 = 84.0;
const MARGIN: f64 = 40.0;

/// Blocks from left to right in the order in which they are computed, from fine to coarse downwards, with
/// lines from what each reads.
pub(super) fn chart(spec: &NetSpec, size: [usize; 3]) -> Option<(Drawing, Table)> {
    let layers = spec.table(size).ok()?;
    let level = |layer: &LayerRow| (size[2] / layer.size[2].max(1)).max(1).ilog2();
    let at = |name: &str| {
        if name == INPUT {
            return Some([MARGIN, MARGIN]);
        }
        let i = layers.iter().position(|layer| layer.name == name)?;
        Some([MARGIN + STEP * (i + 1) as f64, MARGIN + LEVEL * f64::from(level(&layers[i]))])
    };
    let mut body = String::new();
    for block in &spec.blocks {
        let Some([x, y]) = at(&block.name) else { continue };
        for from in block.inputs.iter().filter_map(|name| at(name)) {
            let is_far = x - from[0] > 1.5 * STEP;
            let bend = if is_far && (from[1] - y).abs() < 1.0 { -26.0 } else { 0.0 };
            let middle = [f64::midpoint(from[0], x), f64::midpoint(from[1], y) + bend];
            let colour = if is_far { "#b3261e" } else { "#5a626d" };
            writeln!(
                body,
                "<path d=\"M{:.0} {:.0}Q{:.0} {:.0} {x:.0} {y:.0}\" fill=\"none\" stroke=\"{colour}\" \
                 stroke-opacity=\".6\"/>",
                from[0], from[1], middle[0], middle[1]
            ).expect("a string takes all");
        }
    }
    let mut table = Table::new(
        "Figure 4. Layers of the network",
        ["block", "channels_in", "channels_out", "z", "y", "x", "parameters", "gflop"],
    );
    write!(body, "<circle cx=\"{MARGIN}\" cy=\"{MARGIN}\" r=\"8\" fill=\"#1f6f5c\"/>")
        .expect("a string takes all");
    for layer in &layers {
        let Some([x, y]) = at(&layer.name) else { continue };
        let [z, rows, columns] = layer.size;
        writeln!(
            body,
            "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"28\" height=\"34\" rx=\"4\" fill=\"#dfe8f1\" \
             stroke=\"#2b5c8a\"><title>{name}: {} → {} channels, {z} × {rows} × {columns}, {} parameters</title>\
             </rect><text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\" font-size=\"11\">{}</text>\
             <text transform=\"translate({:.0} {:.0}) rotate(28)\" font-size=\"8\">{name}</text>",
            x - 14.0,
            y - 17.0,
            layer.channels[0],
            layer.channels[1],
            layer.parameters,
            y + 4.0,
            layer.channels[1],
            x - 12.0,
            y + 26.0,
            name = escape(&layer.name),
        ).expect("a string takes all");
        let [from, to] = layer.channels.map(|n| n.to_string());
        let [z, y, x] = layer.size.map(|n| n.to_string());
        let cost = [layer.parameters.to_string(), format!("{:.3}", layer.flop / 1e9)];
        table.push([layer.name.clone(), from, to, z, y, x].into_iter().chain(cost));
    }
    let deepest = layers.iter().map(level).max().unwrap_or(0);
    let page = [
        2.0 * MARGIN + STEP * (layers.len() + 1) as f64,
        2.0 * MARGIN + LEVEL * f64::from(deepest) + 40.0,
    ];
    Some((Drawing { size: page, title: "Figure 4. The network".to_owned(), body }, table))
}

#[cfg(test)]
mod tests {
    use haema_methods::cnn_ds::{CnnDs, Profile};

    use super::*;

    #[test]
    fn every_block_is_drawn_and_listed_once() {
        let spec = CnnDs::profile(Profile::Paper).spec();

        let (drawing, table) = chart(&spec, [64, 128, 128]).unwrap();

        assert_eq!(drawing.body.matches("<rect x=").count(), spec.blocks.len());
        assert_eq!(table.rows().len(), spec.blocks.len());
        let parameters: usize = (0..table.rows().len())
            .map(|i| table.get(i, "parameters").unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(parameters, spec.parameter_count());
        assert!(chart(&spec, [63, 128, 128]).is_none());
    }
}
