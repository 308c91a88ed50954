//! Where the head lies in the plane.

use haema_volume::{
    Components, Connectivity, Grid, Orientation, Volume, Window, fill_holes_in_plane, open_in_plane,
};

use super::PreprocessError;
use super::stack::Stack;

/// The head's place.
pub(super) struct Head {
    /// Its box and the margin, `[y, x]`, in voxels of the middle slice.
    pub(super) crop: [Window; 2],
    /// Upper edge of its highest slice.
    pub(super) top_mm: f64,
}

/// Above this is the patient (or the table), below it air, hair and foam.
const BODY_HU: f32 = -300.0;
/// A voxel about this large suffices to find a head.
const SAMPLE_MM: f64 = 2.0;
/// A holder's shell, a tube or a sheet is thinner than about twice this in the plane. It is removed
/// first, and the largest body kept.
const SHELL_MM: f64 = 2.0;
/// What clings to the head, such as beads in the hair, an ear or a nose, is narrower than about
/// twice this. It is removed from the kept body once that is filled: an emptied skull is not thin.
const CLINGING_MM: f64 = 8.0;
/// The box is measured this far down from the top of the head: above the shoulders, but below the
/// level at which any head is widest and longest.
const HEAD_HEIGHT_MM: f64 = 150.0;
/// Room on each side, as a share of the head.
const MARGIN: f64 = 0.05;
/// A newborn's head measures about 90 mm; a slice near the vertex rather less.
const SMALLEST_HEAD_MM: f64 = 40.0;

/// Finds the largest body, without what is thin, and its box.
pub(super) fn find(
    hu: &Volume<f32>,
    orientation: Orientation,
    grid: &Grid,
    stack: &Stack,
) -> Result<Head, PreprocessError> {
    let strides =
        grid.spacing_mm().map(|spacing_mm| ((SAMPLE_MM / spacing_mm).round() as usize).max(1));
    let body = sampled_body(hu, orientation, grid.size(), strides);
    let sample_mm = strides[1] as f64 * grid.spacing_mm()[1];
    let samples = |radius_mm: f64| (radius_mm / sample_mm).round() as usize;
    let body = largest_part(&open_in_plane(&body, samples(SHELL_MM)));
    let solid = fill_holes_in_plane(&body);
    let head = largest_part(&open_in_plane(&solid, samples(CLINGING_MM)));

    let slice_of = |plane: usize| centre_of(plane, strides[0], stack.len());
    let has_head = |plane: &usize| head.plane(*plane).contains(&1);
    let top = (0..head.size()[0]).rev().find(has_head);
    let top_mm = top.map_or(0.0, |plane| stack.edges_mm[slice_of(plane) + 1]);
    let mut spans = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
    for plane in 0..head.size()[0] {
        let slice = slice_of(plane);
        if top_mm - stack.positions_mm[slice] <= HEAD_HEIGHT_MM {
            widen(&mut spans, &head, plane, [strides[1], strides[2]], stack.shifts[slice]);
        }
    }
    let spacing_mm = [grid.spacing_mm()[1], grid.spacing_mm()[2]];
    let found_mm = std::array::from_fn(|i| (spans[i][1] - spans[i][0]).max(0.0) * spacing_mm[i]);
    if found_mm.iter().any(|&side_mm| side_mm < SMALLEST_HEAD_MM) {
        return Err(PreprocessError::NoHead { found_mm, wanted_mm: SMALLEST_HEAD_MM });
    }
    let crop = std::array::from_fn(|i| with_margin(spans[i], i, grid.size()[i + 1], stack));
    Ok(Head { crop, top_mm })
}

fn largest_part(mask: &Volume<u8>) -> Volume<u8> {
    let parts = Components::of(mask, Connectivity::Faces);
    parts.largest().map_or_else(|| mask.clone(), |label| parts.mask_of(label))
}

/// 1 where the middle voxel of each block of `strides` is body.
fn sampled_body(
    hu: &Volume<f32>,
    orientation: Orientation,
    size: [usize; 3],
    strides: [usize; 3],
) -> Volume<u8> {
    let sampled_size: [usize; 3] = std::array::from_fn(|i| size[i].div_ceil(strides[i]));
    let mut body = Volume::filled(sampled_size, 0);
    let mut plane = vec![];
    for z in 0..sampled_size[0] {
        let slice = centre_of(z, strides[0], size[0]);
        orientation.read_canonical_plane(hu, slice, &mut plane);
        for y in 0..sampled_size[1] {
            let row = centre_of(y, strides[1], size[1]) * size[2];
            for x in 0..sampled_size[2] {
                let found_hu = plane[row + centre_of(x, strides[2], size[2])];
                body[[z, y, x]] = u8::from(found_hu > BODY_HU);
            }
        }
    }
    body
}

fn centre_of(sample: usize, stride: usize, len: usize) -> usize {
    (sample * stride + stride / 2).min(len - 1)
}

/// Widens `spans`, `[y, x]`, to hold the head in one plane, seen from the middle slice.
fn widen(
    spans: &mut [[f64; 2]; 2],
    head: &Volume<u8>,
    plane: usize,
    strides: [usize; 2],
    shift: [f64; 2],
) {
    let columns = head.size()[2];
    for (offset, _) in head.plane(plane).iter().enumerate().filter(|(_, voxel)| **voxel == 1) {
        let sample = [offset / columns, offset % columns];
        for i in 0..2 {
            let from = (sample[i] * strides[i]) as f64 + shift[i];
            spans[i] = [spans[i][0].min(from), spans[i][1].max(from + strides[i] as f64)];
        }
    }
}

/// The span and its margin, but no more than the slices cover, on whole voxels of the middle slice.
fn with_margin(span: [f64; 2], axis: usize, len: usize, stack: &Stack) -> Window {
    let margin = MARGIN * (span[1] - span[0]);
    let shifts = || stack.shifts.iter().map(|shift| shift[axis]);
    let lowest = shifts().fold(0.0, f64::min);
    let highest = shifts().fold(0.0, f64::max) + len as f64;
    let from = (span[0] - margin).max(lowest).floor();
    let to = (span[1] + margin).min(highest).ceil();
    Window { start: from, len: to - from }
}
