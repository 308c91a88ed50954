//! The area of the bleed on each slice, drawn to scale along the body.

use std::fmt::Write as _;

/// One bar: a slice, its part of the stack and its area.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    /// Lower end of the slice's part of the stack.
    pub(super) from_mm: f64,
    /// Upper end.
    pub(super) to_mm: f64,
    /// Area of the mask.
    pub(super) area_mm2: f64,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 84.0;

/// An SVG whose bars are as wide as their slices are thick, so that what they cover together is the
/// volume. From the bottom of the head on the left to the top on the right.
pub(super) fn svg(bars: &[Bar]) -> String {
    let from_mm = bars.first().map_or(0.0, |bar| bar.from_mm);
    let to_mm = bars.last().map_or(1.0, |bar| bar.to_mm);
    let most_mm2 = bars.iter().map(|bar| bar.area_mm2).fold(1.0, f64::max);
    let x = |mm: f64| (mm - from_mm) / (to_mm - from_mm) * WIDTH;
    let mut marks = String::new();
    for bar in bars {
        let height = bar.area_mm2 / most_mm2 * HEIGHT;
        let [left, right] = [x(bar.from_mm), x(bar.to_mm)];
        // Slices without bleed get a low mark, so that the stack itself is seen.
        let (class, height) =
            if bar.area_mm2 > 0.0 { ("bleed", height.max(2.0)) } else { ("none", 2.0) };
        write!(
            marks,
            r#"<rect class="{class}" x="{:.2}" y="{:.2}" width="{:.2}" height="{height:.2}"/>"#,
            left + 0.5,
            HEIGHT - height,
            (right - left - 1.0).max(0.5),
        )
        .expect("a string takes all");
    }
    format!(
        r#"<svg class="profile" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Area of the bleed on each slice, bottom of the head left, top right; largest {:.1} cm²">{marks}</svg>"#,
        most_mm2 / 100.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thick_slices_have_wide_bars() {
        let bars = [
            Bar { from_mm: 0.0, to_mm: 10.0, area_mm2: 100.0 },
            Bar { from_mm: 10.0, to_mm: 40.0, area_mm2: 50.0 },
        ];

        let svg = svg(&bars);

        assert!(svg.contains(r#"x="0.50" y="0.00" width="159.00" height="84.00""#), "{svg}");
        assert!(svg.contains(r#"x="160.50" y="42.00" width="479.00" height="42.00""#), "{svg}");
    }
}
