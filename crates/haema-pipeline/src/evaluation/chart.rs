//! A square chart of shares against shares, as an SVG file of its own.

use std::fmt::Write as _;

use crate::html::escape;

/// Side of the square, and room beside and below it.
const SIDE: f64 = 360.0;
const LEFT: f64 = 56.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 52.0;

/// How a curve is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Style {
    First,
    Second,
}

impl Style {
    fn class(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// Marks in the unit square.
pub(super) struct Chart {
    title: String,
    axes: [String; 2],
    marks: String,
    legends: usize,
}

fn x(share: f64) -> f64 {
    LEFT + share * SIDE
}

fn y(share: f64) -> f64 {
    ABOVE + (1.0 - share) * SIDE
}

impl Chart {
    /// An empty square with the names of its two axes.
    pub(super) fn new(title: &str, [across, up]: [&str; 2]) -> Self {
        let axes = [across, up].map(str::to_owned);
        Self { title: title.to_owned(), axes, marks: String::new(), legends: 0 }
    }

    /// A line through points, and its entry in the legend.
    pub(super) fn curve(&mut self, points: &[[f64; 2]], style: Style, legend: &str) {
        let points: Vec<String> =
            points.iter().map(|[a, b]| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
        let class = style.class();
        writeln!(self.marks, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "))
            .expect("a string takes all");
        self.legend(class, legend);
    }

    /// A point with the interval of its height.
    pub(super) fn point(&mut self, at: [f64; 2], interval: [f64; 2], radius: f64) {
        let [across, up] = [x(at[0]), y(at[1])];
        writeln!(
            self.marks,
            "<line class=\"first\" x1=\"{across:.1}\" x2=\"{across:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <circle class=\"first\" cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"{radius:.1}\"/>",
            y(interval[0]),
            y(interval[1]),
        )
        .expect("a string takes all");
    }

    /// A line of text in the corner below.
    pub(super) fn legend(&mut self, class: &str, text: &str) {
        let row = ABOVE + SIDE - 12.0 - 18.0 * self.legends as f64;
        writeln!(
            self.marks,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{row:.1}\" text-anchor=\"end\">{}</text>",
            LEFT + SIDE - 10.0,
            escape(text),
        )
        .expect("a string takes all");
        self.legends += 1;
    }

    /// The whole file.
    pub(super) fn svg(&self) -> String {
        let mut ticks = String::new();
        for tenth in (0..=10).step_by(2) {
            let share = f64::from(tenth) / 10.0;
            writeln!(
                ticks,
                "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{ABOVE}\" y2=\"{1:.1}\"/>\
                 <line class=\"grid\" x1=\"{LEFT}\" x2=\"{2:.1}\" y1=\"{3:.1}\" y2=\"{3:.1}\"/>\
                 <text x=\"{0:.1}\" y=\"{4:.1}\" text-anchor=\"middle\">{share:.1}</text>\
                 <text x=\"{5:.1}\" y=\"{6:.1}\" text-anchor=\"end\">{share:.1}</text>",
                x(share),
                ABOVE + SIDE,
                LEFT + SIDE,
                y(share),
                ABOVE + SIDE + 17.0,
                LEFT - 7.0,
                y(share) + 4.0,
            )
            .expect("a string takes all");
        }
        let [across, up] = self.axes.each_ref().map(|name| escape(name));
        let (width, height) = (LEFT + SIDE + 16.0, ABOVE + SIDE + BELOW);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>\
             text {{ font: 12px system-ui, sans-serif; fill: #444; }} .title {{ font-size: 14px; fill: #111; }}\
             .grid {{ stroke: #ddd; }} .even {{ stroke: #999; stroke-dasharray: 3 4; }}\
             polyline {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}\
             .first {{ stroke: #1f6f5c; }} .second {{ stroke: #b3261e; stroke-dasharray: 6 3; }}\
             circle.first {{ fill: #1f6f5c; }} text.first {{ stroke: none; fill: #1f6f5c; }}\
             text.second {{ stroke: none; fill: #b3261e; }}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"20\">{title}</text>\n{ticks}\
             <line class=\"even\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\n{}\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{across}</text>\n\
             <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{up}</text>\n</svg>\n",
            x(0.0),
            y(0.0),
            x(1.0),
            y(1.0),
            self.marks,
            LEFT + 0.5 * SIDE,
            ABOVE + SIDE + 40.0,
            ABOVE + 0.5 * SIDE,
            title = escape(&self.title),
        )
    }
}
