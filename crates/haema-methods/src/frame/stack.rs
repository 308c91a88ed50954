//! The slices of a scan, and the planes of a network's grid, along the normal.

use haema_volume::{AxisWeights, Grid, Vec3, Window, dot, scale, sub};

use super::settings::{Antialias, LabelResize, Planes, Preprocessing};

/// Where the slices of a canonical grid lie.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    /// Along the normal, from slice 0.
    pub(super) positions_mm: Vec<f64>,
    /// Slice `z` stands for `edges_mm[z]` to `edges_mm[z + 1]`: half-way to its neighbours, and at
    /// both ends as far outwards as inwards.
    pub(super) edges_mm: Vec<f64>,
    /// How far each slice lies beside the middle one, `[y, x]`, voxels: gantry tilt.
    pub(super) shifts: Vec<[f64; 2]>,
    is_even: bool,
}

/// Positions are rounded to this: far below what headers state, far above the rounding of
/// arithmetic, so that the storage order of a scan cannot show in its last bits.
const POSITION_STEP_MM: f64 = 1e-4;
/// The same for shifts in the plane, in voxels.
const SHIFT_STEP: f64 = 1.0 / 4096.0;
/// A stack that never strays further than this from its middle slice, in voxels, is straight.
const STRAIGHT_SHIFT: f64 = 0.05;

impl Stack {
    pub(super) fn of(grid: &Grid) -> Self {
        let len = grid.size()[0];
        let normal = grid.normal_lps();
        let positions_mm: Vec<f64> = (0..len)
            .map(|z| round_to(dot(grid.way_lps_mm(0, z), normal), POSITION_STEP_MM))
            .collect();
        // A header may state no thickness for a lone slice: it still stands for something.
        let half_lone_mm = 0.5 * grid.slice_thickness_mm(0).max(POSITION_STEP_MM);
        let first_reach_mm = positions_mm.get(1).map_or(half_lone_mm, |next| 0.5 * next);
        let last_reach_mm = match positions_mm.as_slice() {
            [.., before, last] => 0.5 * (last - before),
            _ => half_lone_mm,
        };
        let between = positions_mm.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
        let edges_mm = std::iter::once(-first_reach_mm)
            .chain(between)
            .chain([positions_mm[len - 1] + last_reach_mm])
            .collect();
        let shifts = shifts_of(grid);
        Self { positions_mm, edges_mm, shifts, is_even: grid.is_evenly_spaced() }
    }

    pub(super) fn len(&self) -> usize {
        self.positions_mm.len()
    }

    /// The slice that the others' shifts are measured from.
    pub(super) fn middle(&self) -> usize {
        self.len() / 2
    }

    fn stretches_mm(&self) -> Vec<[f64; 2]> {
        self.edges_mm.windows(2).map(|pair| [pair[0], pair[1]]).collect()
    }
}

fn round_to(value: f64, step: f64) -> f64 {
    (value / step).round() * step
}

fn shifts_of(grid: &Grid) -> Vec<[f64; 2]> {
    let len = grid.size()[0];
    let normal = grid.normal_lps();
    let shifts: Vec<[f64; 2]> = (0..len)
        .map(|z| {
            let way = grid.way_lps_mm(len / 2, z);
            let sideways = sub(way, scale(normal, dot(way, normal)));
            in_voxels(sideways, grid).map(|shift| round_to(shift, SHIFT_STEP))
        })
        .collect();
    if shifts.iter().flatten().all(|shift| shift.abs() < STRAIGHT_SHIFT) {
        return vec![[0.0; 2]; len];
    }
    shifts
}

/// A vector in the slice's plane as steps along `[y, x]`, which need not be at right angles.
fn in_voxels(in_plane: Vec3, grid: &Grid) -> [f64; 2] {
    let (x_step, y_step) = (grid.x_step_lps_mm(), grid.y_step_lps_mm());
    let (xx, xy, yy) = (dot(x_step, x_step), dot(x_step, y_step), dot(y_step, y_step));
    let (along_x, along_y) = (dot(in_plane, x_step), dot(in_plane, y_step));
    let determinant = xx * yy - xy * xy;
    [(along_y * xx - along_x * xy) / determinant, (along_x * yy - along_y * xy) / determinant]
}

/// The planes of a network's grid, and how slices become planes and planes slices.
#[derive(Debug, Clone)]
pub(super) struct PlaneMap {
    /// Lower edge of the first plane, mm from slice 0.
    pub(super) first_mm: f64,
    pub(super) pitch_mm: f64,
    pub(super) image: AxisWeights,
    pub(super) label: AxisWeights,
    pub(super) back: AxisWeights,
}

impl PlaneMap {
    /// `top_mm`: where a stack that is too long is kept from, downwards.
    pub(super) fn plan(stack: &Stack, settings: &Preprocessing, top_mm: f64) -> Self {
        match settings.planes {
            Planes::Fixed { count } => Self::fixed(stack, settings, count),
            Planes::Slices => Self::slices(stack),
            Planes::Slabs { pitch_mm, multiple_of, at_least, at_most } => {
                let [from_mm, to_mm] = kept(stack, top_mm, at_most as f64 * pitch_mm);
                let needed = ((to_mm - from_mm) / pitch_mm - SLIVER).ceil().max(1.0) as usize;
                let count = needed.max(at_least).next_multiple_of(multiple_of).min(at_most);
                Self::slabs(stack, [from_mm, to_mm], pitch_mm, count)
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.image.output_len()
    }

    /// Each slice as it is; where they lie unevenly, the planes' pitch is their mean.
    fn slices(stack: &Stack) -> Self {
        let (len, first_mm) = (stack.len(), stack.edges_mm[0]);
        let same = AxisWeights::nearest(len, Window::whole(len), len);
        Self {
            first_mm,
            pitch_mm: (stack.edges_mm[len] - first_mm) / len as f64,
            image: same.clone(),
            label: same.clone(),
            back: same,
        }
    }

    fn fixed(stack: &Stack, settings: &Preprocessing, count: usize) -> Self {
        let (len, first_mm) = (stack.len(), stack.edges_mm[0]);
        let pitch_mm = (stack.edges_mm[len] - first_mm) / count as f64;
        let is_averaged = settings.antialias == Antialias::Box && len > count;
        if stack.is_even {
            let whole = Window::whole(len);
            let image = if is_averaged { AxisWeights::mean } else { AxisWeights::linear };
            let label = match settings.label_resize {
                LabelResize::Nearest => AxisWeights::nearest,
                LabelResize::Area => AxisWeights::mean,
            };
            return Self {
                first_mm,
                pitch_mm,
                image: image(len, whole, count),
                label: label(len, whole, count),
                back: AxisWeights::linear(count, Window::whole(count), len),
            };
        }
        let planes = stretches(first_mm, pitch_mm, count);
        let centres: Vec<f64> = planes.iter().map(|[from, to]| 0.5 * (from + to)).collect();
        let mean = || AxisWeights::overlap(&stack.stretches_mm(), &planes);
        Self {
            first_mm,
            pitch_mm,
            image: if is_averaged {
                mean()
            } else {
                AxisWeights::linear_between(&stack.positions_mm, &centres)
            },
            label: match settings.label_resize {
                LabelResize::Nearest => AxisWeights::nearest_between(&stack.edges_mm, &centres),
                LabelResize::Area => mean(),
            },
            back: AxisWeights::linear_between(&centres, &stack.positions_mm),
        }
    }

    fn slabs(stack: &Stack, [from_mm, to_mm]: [f64; 2], pitch_mm: f64, count: usize) -> Self {
        // What lies beyond the kept stretch is air, even where a plane reaches there.
        let slices: Vec<[f64; 2]> = stack
            .stretches_mm()
            .into_iter()
            .map(|[from, to]| [from.clamp(from_mm, to_mm), to.clamp(from_mm, to_mm)])
            .collect();
        let planes = stretches(from_mm, pitch_mm, count);
        let image = AxisWeights::overlap(&slices, &planes);
        Self {
            first_mm: from_mm,
            pitch_mm,
            label: image.clone(),
            back: AxisWeights::overlap(&planes, &slices),
            image,
        }
    }
}

/// A last slab of which less than this share lies in the stack is rounding of positions.
const SLIVER: f64 = 1e-3;

/// The stretch of the stack that is kept: all of it, or where that is too long, whole slices from
/// `top_mm` downwards.
fn kept(stack: &Stack, top_mm: f64, longest_mm: f64) -> [f64; 2] {
    let (bottom_mm, end_mm) = (stack.edges_mm[0], stack.edges_mm[stack.len()]);
    if end_mm - bottom_mm <= longest_mm * (1.0 + SLIVER / 100.0) {
        return [bottom_mm, end_mm];
    }
    let top_mm = top_mm.clamp(bottom_mm, end_mm);
    let lowest_mm = top_mm - longest_mm;
    let whole_slices = stack.edges_mm.iter().copied().find(|&edge| edge >= lowest_mm - 1e-9);
    let from_mm = whole_slices.filter(|&edge| edge < top_mm).unwrap_or(lowest_mm);
    [from_mm, (from_mm + longest_mm).min(end_mm)]
}

fn stretches(first_mm: f64, pitch_mm: f64, count: usize) -> Vec<[f64; 2]> {
    (0..count)
        .map(|z| [first_mm + z as f64 * pitch_mm, first_mm + (z + 1) as f64 * pitch_mm])
        .collect()
}
