//! Resampling, one axis at a time.
//!
//! Every axis is mapped by its own [`AxisWeights`], made once and applied to rows. All maps are
//! half-pixel (`align_corners = false`): voxel `i` covers `i..i + 1`, its centre lies at `i + 0.5`.

use crate::volume::Volume;

/// A stretch of an axis, in voxels of the input: where `start..start + len` is to be resampled.
/// Voxel `i` covers `i..i + 1`. It may begin between voxels and reach beyond the ends, where the
/// nearest voxel is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Where it begins.
    pub start: f64,
    /// How long it is.
    pub len: f64,
}

impl Window {
    /// The whole axis.
    pub fn whole(input_len: usize) -> Self {
        Self { start: 0.0, len: input_len as f64 }
    }

    /// The way back: where the `input_len` voxels of the input lie in an output of `output_len`
    /// voxels that was resampled from this window.
    #[must_use]
    pub fn inverse(self, input_len: usize, output_len: usize) -> Self {
        let per_voxel = output_len as f64 / self.len;
        Self { start: -self.start * per_voxel, len: input_len as f64 * per_voxel }
    }
}

/// One axis of a separable resampling: each output voxel is a weighted sum of neighbouring input
/// voxels.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisWeights {
    input_len: usize,
    runs: Vec<Run>,
    weights: Vec<f32>,
}

/// `weights[start..start + len]` act on `input[first..first + len]`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    first: usize,
    start: usize,
    len: usize,
}

/// Weights below this are rounding of positions, not information: dropped, the rest made to sum to
/// one again.
const SMALLEST_WEIGHT: f64 = 1e-6;

impl AxisWeights {
    /// Linear interpolation at `u = start + (o + 0.5)·len/O − 0.5`, the nearest voxel repeated
    /// beyond the ends.
    ///
    /// # Panics
    ///
    /// Where the input is empty.
    pub fn linear(input_len: usize, window: Window, output_len: usize) -> Self {
        Self::build(input_len, output_len, |o, taps| {
            push_linear(input_len, centre(window, o, output_len) - 0.5, taps);
        })
    }

    /// The voxel in which the centre of the output voxel lies: `floor(start + (o + 0.5)·len/O)`.
    ///
    /// # Panics
    ///
    /// Where the input is empty.
    pub fn nearest(input_len: usize, window: Window, output_len: usize) -> Self {
        Self::build(input_len, output_len, |o, taps| {
            taps.push((clamp_index(centre(window, o, output_len), input_len), 1.0));
        })
    }

    /// Mean over the footprint of the output voxel, `start + o·len/O` to `start + (o + 1)·len/O`,
    /// voxels that it cuts counted by the share inside.
    ///
    /// # Panics
    ///
    /// Where the input is empty.
    pub fn mean(input_len: usize, window: Window, output_len: usize) -> Self {
        let edge = |o: usize| window.start + o as f64 * window.len / output_len as f64;
        Self::build(input_len, output_len, |o, taps| {
            push_footprint(input_len, edge(o), edge(o + 1), taps);
        })
    }

    /// Linear interpolation between samples at uneven `positions` (ascending), at each of `at`; the
    /// nearest sample is repeated beyond the ends.
    ///
    /// # Panics
    ///
    /// Where there are no samples.
    pub fn linear_between(positions: &[f64], at: &[f64]) -> Self {
        Self::build(positions.len(), at.len(), |o, taps| {
            let upper = positions.partition_point(|&position| position <= at[o]);
            let fraction = if upper == 0 || upper == positions.len() {
                0.0
            } else {
                (at[o] - positions[upper - 1]) / (positions[upper] - positions[upper - 1])
            };
            push_linear(positions.len(), upper as f64 - 1.0 + fraction, taps);
        })
    }

    /// The sample whose stretch holds each of `at`: sample `i` stretches from `edges[i]` to
    /// `edges[i + 1]` (ascending); the first and last reach beyond the ends.
    ///
    /// # Panics
    ///
    /// Where there are fewer than two edges.
    pub fn nearest_between(edges: &[f64], at: &[f64]) -> Self {
        let input_len = edges.len() - 1;
        Self::build(input_len, at.len(), |o, taps| {
            let begun = edges.partition_point(|&edge| edge <= at[o]);
            taps.push((begun.saturating_sub(1).min(input_len - 1), 1.0));
        })
    }

    /// Mean of the inputs that each output meets, weighted by the length of their overlap. Inputs
    /// and outputs are stretches `[from, to]` in one unit, ascending. An output that meets no input
    /// has no weights and becomes 0.
    ///
    /// The way back is the same call with the two exchanged.
    pub fn overlap(inputs: &[[f64; 2]], outputs: &[[f64; 2]]) -> Self {
        Self::build(inputs.len(), outputs.len(), |o, taps| {
            let [from, to] = outputs[o];
            for (i, &[input_from, input_to]) in inputs.iter().enumerate() {
                let shared = input_to.min(to) - input_from.max(from);
                if shared > 0.0 {
                    taps.push((i, shared));
                }
            }
        })
    }

    /// Asks `taps_of` for the voxels and weights of each output, in ascending order, and makes the
    /// weights of each sum to one.
    fn build(
        input_len: usize,
        output_len: usize,
        taps_of: impl Fn(usize, &mut Vec<(usize, f64)>),
    ) -> Self {
        let mut axis = Self { input_len, runs: Vec::with_capacity(output_len), weights: vec![] };
        let mut taps = vec![];
        for o in 0..output_len {
            taps.clear();
            taps_of(o, &mut taps);
            let all: f64 = taps.iter().map(|tap| tap.1).sum();
            taps.retain(|tap| tap.1 > SMALLEST_WEIGHT * all);
            axis.push_run(&taps);
        }
        axis
    }

    fn push_run(&mut self, taps: &[(usize, f64)]) {
        let (start, first) = (self.weights.len(), taps.first().map_or(0, |tap| tap.0));
        let len = taps.last().map_or(0, |tap| tap.0 + 1 - first);
        let sum: f64 = taps.iter().map(|tap| tap.1).sum();
        self.weights.resize(start + len, 0.0);
        for &(i, weight) in taps {
            self.weights[start + i - first] += (weight / sum) as f32;
        }
        self.runs.push(Run { first, start, len });
    }

    /// Number of voxels along the input.
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// Number of voxels along the output.
    pub fn output_len(&self) -> usize {
        self.runs.len()
    }

    /// First input voxel of output `o`, and the weights of it and those after it; none where the
    /// output meets no input.
    ///
    /// # Panics
    ///
    /// Where `o` is outside the output.
    pub fn taps(&self, o: usize) -> (usize, &[f32]) {
        let Run { first, start, len } = self.runs[o];
        (first, &self.weights[start..start + len])
    }

    /// Whether any output needs this input voxel.
    pub fn uses(&self, input: usize) -> bool {
        self.runs.iter().any(|run| (run.first..run.first + run.len).contains(&input))
    }

    /// Resamples within a row: outputs `from..from + output.len()`.
    ///
    /// # Panics
    ///
    /// Where the input is not [`AxisWeights::input_len`] long, or the outputs do not exist.
    pub fn apply_within_row(&self, input: &[f32], from: usize, output: &mut [f32]) {
        assert_eq!(input.len(), self.input_len, "row of another length");
        let runs = &self.runs[from..from + output.len()];
        for (target, run) in output.iter_mut().zip(runs) {
            let voxels = &input[run.first..run.first + run.len];
            *target = match (&self.weights[run.start..run.start + run.len], voxels) {
                (&[a], &[p]) => a * p,
                (&[a, b], &[p, q]) => a * p + b * q,
                (weights, voxels) => weights.iter().zip(voxels).map(|(w, v)| w * v).sum(),
            };
        }
    }

    /// Resamples across rows: output row `o` is the weighted sum of rows of the input, which holds
    /// [`AxisWeights::input_len`] rows one after another. Whole planes may serve as rows.
    ///
    /// # Panics
    ///
    /// Where the input is not as many rows of the output's length, or `o` is outside the output.
    pub fn apply_across_rows(&self, input: &[f32], o: usize, output: &mut [f32]) {
        let columns = output.len();
        assert_eq!(input.len(), self.input_len * columns, "rows of another length");
        let (first, weights) = self.taps(o);
        output.fill(0.0);
        for (i, &weight) in weights.iter().enumerate() {
            let row = &input[(first + i) * columns..(first + i + 1) * columns];
            output.iter_mut().zip(row).for_each(|(target, &voxel)| *target += weight * voxel);
        }
    }
}

/// Centre of output voxel `o` in the input, in edge coordinates.
fn centre(window: Window, o: usize, output_len: usize) -> f64 {
    window.start + (o as f64 + 0.5) * window.len / output_len as f64
}

fn clamp_index(at: f64, input_len: usize) -> usize {
    (at.max(0.0) as usize).min(input_len - 1)
}

fn push_linear(input_len: usize, index: f64, taps: &mut Vec<(usize, f64)>) {
    let u = index.clamp(0.0, (input_len - 1) as f64);
    let lower = clamp_index(u, input_len);
    let weight = u - lower as f64;
    taps.push((lower, 1.0 - weight));
    if weight > 0.0 {
        taps.push(((lower + 1).min(input_len - 1), weight));
    }
}

fn push_footprint(input_len: usize, from: f64, to: f64, taps: &mut Vec<(usize, f64)>) {
    let end = input_len as f64;
    if to <= 0.0 || from >= end {
        taps.push((clamp_index(from, input_len), 1.0));
        return;
    }
    for i in clamp_index(from, input_len)..=clamp_index(to, input_len) {
        // The ends stand for everything beyond them.
        let voxel_from = if i == 0 { f64::NEG_INFINITY } else { i as f64 };
        let voxel_to = if i + 1 == input_len { f64::INFINITY } else { (i + 1) as f64 };
        let shared = voxel_to.min(to) - voxel_from.max(from);
        if shared > 0.0 {
            taps.push((i, shared));
        }
    }
}

/// How [`resize`] finds a voxel's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// [`AxisWeights::linear`].
    Linear,
    /// [`AxisWeights::nearest`].
    Nearest,
    /// [`AxisWeights::mean`]: anti-aliased; on a mask, the share of the voxel that is foreground.
    Mean,
}

/// Resizes a volume to `size` `[z, y, x]`, all axes independent: `x` first, then `y`, then `z`.
///
/// # Panics
///
/// Where the input has an empty axis.
///
/// # Examples
///
/// ```
/// use haema_volume::{Interpolation, Volume, resize};
///
/// let step = Volume::new([1, 1, 4], vec![0.0, 0.0, 1.0, 1.0])?;
/// let half = resize(&step, [1, 1, 2], Interpolation::Mean);
/// assert_eq!(half.as_slice(), [0.0, 1.0]);
/// # Ok::<(), haema_volume::VolumeError>(())
/// ```
pub fn resize(volume: &Volume<f32>, size: [usize; 3], interpolation: Interpolation) -> Volume<f32> {
    let [z_axis, y_axis, x_axis] = [0, 1, 2].map(|axis| {
        let input_len = volume.size()[axis];
        let make = match interpolation {
            Interpolation::Linear => AxisWeights::linear,
            Interpolation::Nearest => AxisWeights::nearest,
            Interpolation::Mean => AxisWeights::mean,
        };
        make(input_len, Window::whole(input_len), size[axis])
    });
    let depth = volume.size()[0];
    let mut planes = Volume::filled([depth, size[1], size[2]], 0.0);
    let mut resizer = PlaneResizer::default();
    for z in 0..depth {
        resizer.resize(volume.plane(z), &y_axis, &x_axis, planes.plane_mut(z));
    }
    let mut resized = Volume::filled(size, 0.0);
    for z in 0..size[0] {
        z_axis.apply_across_rows(planes.as_slice(), z, resized.plane_mut(z));
    }
    resized
}

/// Resamples planes, keeping its buffer from one to the next.
#[derive(Debug, Default)]
pub struct PlaneResizer {
    row: Vec<f32>,
}

impl PlaneResizer {
    /// Resamples one plane, `[y, x]`, into another.
    ///
    /// # Panics
    ///
    /// Where a plane is not as large as the weights say.
    pub fn resize(
        &mut self,
        input: &[f32],
        y_axis: &AxisWeights,
        x_axis: &AxisWeights,
        output: &mut [f32],
    ) {
        assert_eq!(output.len(), y_axis.output_len() * x_axis.output_len(), "another size");
        self.row.resize(x_axis.input_len(), 0.0);
        let rows = output.chunks_exact_mut(x_axis.output_len().max(1));
        for (y, target) in rows.enumerate() {
            y_axis.apply_across_rows(input, y, &mut self.row);
            x_axis.apply_within_row(&self.row, 0, target);
        }
    }
}
