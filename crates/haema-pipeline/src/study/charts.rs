//! Figures as SVG: axes, points, lines, cells. Text is left as text, so that it can be searched and read
//! aloud.

use std::fmt::Write as _;

use super::drawing::Drawing;
use crate::html::escape;

/// Size of a plot with axes.
const SIZE: [f64; 2] = [460.0, 340.0];
/// Room left, top, right, bottom of the plot.
const ROOM: [f64; 4] = [56.0, 18.0, 14.0, 46.0];

/// What may be drawn in a plot.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// A point with what it says when the pointer rests on it.
    Dot([f64; 2], String),
    /// A line through points.
    Line {
        /// The points.
        points: Vec<[f64; 2]>,
        /// What it is; nothing where the axes say so.
        name: String,
        /// Colour.
        colour: &'static str,
        /// Whether it is broken.
        is_dashed: bool,
    },
    /// A line from side to side, with its name.
    Level(f64, String),
}

/// A plot with two axes.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    /// Ends of the upright axis; as the values have it where absent.
    pub(super) y_ends: Option<[f64; 2]>,
    pub(super) marks: Vec<Mark>,
}

impl Plot {
    /// The plot, or a note where there is nothing to show.
    pub(super) fn drawing(&self) -> Drawing {
        Drawing { size: SIZE, title: self.title.clone(), body: self.body() }
    }

    fn body(&self) -> String {
        let points = || {
            self.marks.iter().flat_map(|mark| match mark {
                Mark::Dot(at, _) => vec![*at],
                Mark::Line { points, .. } => points.clone(),
                Mark::Level(..) => vec![],
            })
        };
        let Some(x) = Axis::of(points().map(|at| at[0]), [ROOM[0], SIZE[0] - ROOM[2]]) else {
            return "<text x=\"230\" y=\"170\" text-anchor=\"middle\">no values</text>\n"
                .to_owned();
        };
        let levels = self.marks.iter().filter_map(|mark| match mark {
            Mark::Level(value, _) => Some(*value),
            _ => None,
        });
        let values =
            points().map(|at| at[1]).chain(levels).chain(self.y_ends.into_iter().flatten());
        let y = Axis::of(values, [SIZE[1] - ROOM[3], ROOM[1]]).expect("x has values, so y has");
        let mut body = self.axes(&x, &y);
        for mark in &self.marks {
            draw(&mut body, mark, &x, &y);
        }
        self.legend(&mut body);
        body
    }

    /// The names of lines, at the upper right.
    fn legend(&self, body: &mut String) {
        let named = self.marks.iter().filter_map(|mark| match mark {
            Mark::Line { name, colour, is_dashed, .. } if !name.is_empty() => {
                Some((name, colour, is_dashed))
            }
            _ => None,
        });
        let right = SIZE[0] - ROOM[2] - 4.0;
        for (i, (name, colour, &is_dashed)) in named.enumerate() {
            let y = ROOM[1] + 12.0 + 16.0 * i as f64;
            writeln!(
                body,
                "<path d=\"M{:.0} {y:.0}h26\" stroke=\"{colour}\" stroke-width=\"1.8\"{}/>\
                 <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" font-size=\"11\">{}</text>",
                right - 26.0,
                dashes(is_dashed),
                right - 32.0,
                y + 4.0,
                escape(name)
            )
            .expect("a string takes all");
        }
    }

    fn axes(&self, x: &Axis, y: &Axis) -> String {
        let mut body = String::new();
        let (left, right, top, bottom) = (ROOM[0], SIZE[0] - ROOM[2], ROOM[1], SIZE[1] - ROOM[3]);
        for tick in x.ticks() {
            let at = x.at(tick);
            writeln!(
                body,
                "<path d=\"M{at:.1} {bottom}v4\" stroke=\"#888\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">{}</text>",
                bottom + 17.0,
                short(tick)
            )
            .expect("a string takes all");
        }
        for tick in y.ticks() {
            let at = y.at(tick);
            writeln!(
                body,
                "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#e3e0da\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                left - 6.0,
                at + 4.0,
                short(tick)
            ).expect("a string takes all");
        }
        writeln!(
            body,
            "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(14 {:.0}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(left, right),
            SIZE[1] - 8.0,
            escape(self.x),
            f64::midpoint(top, bottom),
            escape(self.y)
        )
        .expect("a string takes all");
        body
    }
}

fn dashes(is_dashed: bool) -> &'static str {
    if is_dashed { " stroke-dasharray=\"5 4\"" } else { "" }
}

fn draw(body: &mut String, mark: &Mark, x: &Axis, y: &Axis) {
    let written = match mark {
        Mark::Dot([a, b], words) => writeln!(
            body,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"#2b5c8a\" fill-opacity=\".75\"><title>{}</title>\
             </circle>",
            x.at(*a),
            y.at(*b),
            escape(words)
        ),
        Mark::Line { points, colour, is_dashed, .. } => {
            let path: Vec<String> =
                points.iter().map(|[a, b]| format!("{:.1},{:.1}", x.at(*a), y.at(*b))).collect();
            writeln!(
                body,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"{}/>",
                path.join(" "),
                dashes(*is_dashed)
            )
        }
        Mark::Level(value, words) => writeln!(
            body,
            "<path d=\"M{:.0} {at:.1}H{:.0}\" stroke=\"#b3261e\" stroke-dasharray=\"4 3\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#b3261e\">{}</text>",
            ROOM[0],
            SIZE[0] - ROOM[2],
            SIZE[0] - ROOM[2] - 2.0,
            y.at(*value) - 4.0,
            escape(words),
            at = y.at(*value)
        ),
    };
    written.expect("a string takes all");
}

/// From values to places on the page.
struct Axis {
    least: f64,
    most: f64,
    ends: [f64; 2],
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>, ends: [f64; 2]) -> Option<Self> {
        let finite = values.filter(|value| value.is_finite());
        let span = finite.fold(None, |span: Option<[f64; 2]>, value| match span {
            None => Some([value, value]),
            Some([least, most]) => Some([least.min(value), most.max(value)]),
        });
        let [least, most] = span?;
        let room = if most > least { 0.06 * (most - least) } else { 0.5 };
        Some(Self { least: least - room, most: most + room, ends })
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value - self.least) / (self.most - self.least);
        self.ends[0] + part * (self.ends[1] - self.ends[0])
    }

    /// Round numbers, some five of them.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.most - self.least) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|&step| step >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.least / step).ceil() as i64;
        let last = (self.most / step).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

/// Without digits that say nothing.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.replace('-', "−") }
}

/// Figure 1: what each pair of raters disagrees by, darker where more; per cent.
///
/// * `pairs` — names of the two, signed and absolute disagreement as shares.
pub(super) fn disagreement(names: &[String], pairs: &[(String, String, f64, f64)]) -> Drawing {
    const CELL: f64 = 78.0;
    const HEAD: f64 = 44.0;
    let side = HEAD + CELL * names.len() as f64 + 10.0;
    let most = pairs.iter().map(|pair| pair.2.abs()).fold(0.0, f64::max).max(1e-9);
    let mut body = String::new();
    for (i, name) in names.iter().enumerate() {
        let middle = HEAD + CELL * (i as f64 + 0.5);
        writeln!(
            body,
            "<text x=\"{middle:.0}\" y=\"28\" text-anchor=\"middle\">{0}</text><text x=\"22\" y=\"{1:.0}\" \
             text-anchor=\"middle\">{0}</text>",
            escape(name),
            middle + 4.0
        ).expect("a string takes all");
    }
    for (row, first) in names.iter().enumerate() {
        for (column, second) in names.iter().enumerate() {
            let is_pair = |pair: &&(String, String, f64, f64)| {
                (&pair.0, &pair.1) == (first, second) || (&pair.0, &pair.1) == (second, first)
            };
            let found = if row == column {
                Some((0.0, 0.0))
            } else {
                pairs.iter().find(is_pair).map(|pair| (pair.2.abs(), pair.3))
            };
            let (x, y) = (HEAD + CELL * column as f64, HEAD + CELL * row as f64);
            let Some((signed, absolute)) = found else { continue };
            let grey = (245.0 - 165.0 * signed / most).round();
            let ink = if grey < 140.0 { "#ffffff" } else { "#1c1f24" };
            writeln!(
                body,
                "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{CELL}\" height=\"{CELL}\" \
                 fill=\"rgb({grey},{grey},{grey})\" stroke=\"#ffffff\"/><text x=\"{0:.0}\" y=\"{1:.0}\" \
                 text-anchor=\"middle\" fill=\"{ink}\"><tspan font-size=\"16\">{2:.1} %</tspan>\
                 <tspan x=\"{0:.0}\" dy=\"17\" font-size=\"11\">abs. {3:.1} %</tspan></text>",
                x + CELL / 2.0,
                y + CELL / 2.0,
                100.0 * signed,
                100.0 * absolute
            ).expect("a string takes all");
        }
    }
    Drawing { size: [side, side], title: "Figure 1. Disagreement of volumes".to_owned(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers_that_span_the_values() {
        let axis = Axis::of([0.0, 47.0].into_iter(), [0.0, 100.0]).unwrap();

        assert_eq!(axis.ticks(), [0.0, 20.0, 40.0]);
        assert!(axis.at(0.0) > 0.0 && axis.at(47.0) < 100.0);
        assert_eq!(
            ["0.5", "−2", "0", "30"].map(str::to_owned),
            [0.5, -2.0, -0.0001, 30.0].map(short)
        );
    }

    #[test]
    fn values_that_are_all_alike_or_none_make_a_figure_too() {
        let plot = |marks| Plot { title: "a < b".into(), x: "x", y: "y", y_ends: None, marks };

        let one = plot(vec![Mark::Dot([3.0, 3.0], "case".into())]).drawing().svg();
        assert!(
            one.contains("<circle") && one.contains("a &lt; b") && !one.contains("NaN"),
            "{one}"
        );
        assert!(plot(vec![]).body().contains("no values"));
    }

    #[test]
    fn lines_are_named_and_an_axis_may_have_ends_of_its_own() {
        let points = vec![[1.0, 0.5], [2.0, 0.4]];
        let line =
            Mark::Line { points, name: "training <1>".into(), colour: "#2b5c8a", is_dashed: true };
        let y_ends = Some([0.0, 1.0]);

        let body = Plot { title: String::new(), x: "x", y: "y", y_ends, marks: vec![line] }.body();

        assert!(body.contains("training &lt;1&gt;") && body.contains(">1</text>"), "{body}");
        assert_eq!(body.matches("stroke-dasharray").count(), 2);
    }

    #[test]
    fn the_darkest_cell_is_that_of_the_largest_disagreement() {
        let names = ["E1", "E2", "M"].map(str::to_owned);
        let pair = |a: &str, b: &str, d: f64| (a.to_owned(), b.to_owned(), d, d.abs());
        let svg = disagreement(&names, &[pair("E1", "E2", -0.2), pair("E1", "M", 0.1)]).body;

        assert_eq!(svg.matches("rgb(80,80,80)").count(), 2);
        assert!(svg.contains("20.0 %") && svg.contains("10.0 %"));
    }
}
