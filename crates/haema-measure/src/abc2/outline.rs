//! The diameters of a piece in one slice.

use haema_volume::{Components, Connectivity, Grid, Vec3, Volume, dot, norm, scale, sub};

use super::Abc2Width;

type Point = [f64; 2];

/// The largest piece in a slice, in mm along the row and across it.
pub(super) struct Outline {
    /// Corners of the convex hull, in order.
    hull: Vec<Point>,
    /// Runs of pixels along x: the corners of each.
    runs: Vec<[Point; 4]>,
    area_mm2: f64,
    /// The two ends of the greatest diameter.
    ends: [Point; 2],
    pixel_mm: f64,
}

impl Outline {
    /// Of a plane the piece with most pixels, the first of equals; pixels that touch at a corner are one
    /// piece. `None` where there is none.
    pub(super) fn of(plane: &Volume<u8>, grid: &Grid) -> Option<Self> {
        let pieces = Components::of(plane, Connectivity::Corners);
        let wanted = pieces.largest()?;
        let columns = plane.size()[2];
        let frame = Frame::of(grid);
        let mut runs = vec![];
        let mut pixels = 0_usize;
        for (y, row) in pieces.labels().as_slice().chunks_exact(columns).enumerate() {
            let mut from = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if run[0] == wanted {
                    let to = from + run.len();
                    let corner = |y: usize, x: usize| frame.corner(y, x);
                    runs.push([
                        corner(y, from),
                        corner(y, to),
                        corner(y + 1, to),
                        corner(y + 1, from),
                    ]);
                    pixels += run.len();
                }
                from += run.len();
            }
        }
        let hull = convex_hull(runs.iter().flatten().copied().collect());
        let ends = farthest(&hull);
        let area_mm2 = pixels as f64 * frame.pixel_mm2();
        Some(Self { hull, runs, area_mm2, ends, pixel_mm: frame.pixel_mm() })
    }

    pub(super) fn length_mm(&self) -> f64 {
        let [x, y] = self.way();
        x.hypot(y)
    }

    pub(super) fn solidity(&self) -> f64 {
        self.area_mm2 / area(&self.hull)
    }

    /// The diameter across the greatest one.
    pub(super) fn width_mm(&self, width: Abc2Width) -> f64 {
        let along = self.way().map(|v| v / self.length_mm());
        let across = [-along[1], along[0]];
        let places = |direction: Point| self.hull.iter().map(move |p| product(*p, direction));
        let [low, high] = span(places(along));
        match width {
            Abc2Width::Projection => {
                let [left, right] = span(places(across));
                right - left
            }
            Abc2Width::Midpoint => self.chord_mm(0.5 * (low + high), along, across),
            Abc2Width::LongestChord => {
                // Lines a pixel apart, as a reader would look for the longest, from half a pixel in.
                let count = ((high - low) / self.pixel_mm).ceil().max(1.0);
                let line = |i: u64| low + (high - low) * (i as f64 + 0.5) / count;
                let lines = (0..count as u64).map(line);
                lines.map(|at| self.chord_mm(at, along, across)).fold(0.0, f64::max)
            }
        }
    }

    /// From where a line across first meets the piece to where it last leaves it.
    fn chord_mm(&self, at: f64, along: Point, across: Point) -> f64 {
        let mut ends = [f64::INFINITY, f64::NEG_INFINITY];
        for run in &self.runs {
            for i in 0..4 {
                let (from, to) = (run[i], run[(i + 1) % 4]);
                let (a, b) = (product(from, along) - at, product(to, along) - at);
                if a * b <= 0.0 && a != b {
                    let share = a / (a - b);
                    let place = (1.0 - share) * product(from, across) + share * product(to, across);
                    ends = [ends[0].min(place), ends[1].max(place)];
                }
            }
        }
        (ends[1] - ends[0]).max(0.0)
    }

    fn way(&self) -> Point {
        [self.ends[1][0] - self.ends[0][0], self.ends[1][1] - self.ends[0][1]]
    }
}

/// The plane of a slice in mm: the first axis along the rows, the second at right angles to it, so that
/// skewed pixels keep their shape.
struct Frame {
    x_mm: f64,
    /// A step along y, in this frame.
    y_mm: Point,
}

impl Frame {
    fn of(grid: &Grid) -> Self {
        let (x, y): (Vec3, Vec3) = (grid.x_step_lps_mm(), grid.y_step_lps_mm());
        let x_mm = norm(x);
        let along = dot(x, y) / x_mm;
        let across = norm(sub(y, scale(x, along / x_mm)));
        Self { x_mm, y_mm: [along, across] }
    }

    fn corner(&self, y: usize, x: usize) -> Point {
        [x as f64 * self.x_mm + y as f64 * self.y_mm[0], y as f64 * self.y_mm[1]]
    }

    fn pixel_mm2(&self) -> f64 {
        self.x_mm * self.y_mm[1]
    }

    fn pixel_mm(&self) -> f64 {
        self.x_mm.min(self.y_mm[0].hypot(self.y_mm[1]))
    }
}

fn product(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

fn span(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
}

/// The corners of the hull, anticlockwise, none on a straight side.
///
/// # Source
///
/// A. M. Andrew, "Another efficient algorithm for convex hulls in two dimensions", _Information Processing
/// Letters_ 9:216–219, 1979.
fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let turns_left = |a: Point, b: Point, c: Point| {
        (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0
    };
    let half = |points: &mut dyn Iterator<Item = &Point>| {
        let mut chain: Vec<Point> = vec![];
        for &point in points {
            while chain.len() > 1
                && !turns_left(chain[chain.len() - 2], chain[chain.len() - 1], point)
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut points.iter());
    hull.extend(half(&mut points.iter().rev()));
    hull
}

/// The two corners that are farthest apart, the first pair of equals.
///
/// All pairs are tried: a hull of pixels has some tens of corners.
fn farthest(hull: &[Point]) -> [Point; 2] {
    let mut found = ([[0.0; 2]; 2], f64::NEG_INFINITY);
    for (i, &a) in hull.iter().enumerate() {
        for &b in &hull[i + 1..] {
            let square = (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
            if square > found.1 {
                found = ([a, b], square);
            }
        }
    }
    found.0
}

/// By the shoelace formula.
fn area(hull: &[Point]) -> f64 {
    let next = hull.iter().cycle().skip(1);
    0.5 * hull.iter().zip(next).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum::<f64>().abs()
}
