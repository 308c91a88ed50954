//! What must come out, worked out without anything that is tested.

use haema_sim::phantom::{AIR_HU, BODY_HU, Slicing, Stack};
use haema_volume::{Grid, Orientation, Volume};

use super::SelftestError;
use super::plan::{Case, FileForm, Storage, axial};

/// A scan as it is written, and what is known of it.
pub(super) struct Expected {
    pub(super) truth_ml: f64,
    /// Hounsfield units as the file can hold them, all slices, in the order that is written.
    pub(super) hu: Volume<f32>,
    /// Where they lie.
    pub(super) grid: Grid,
    /// Thickness of each slice of the stack.
    pub(super) thickness_mm: Vec<f64>,
    /// Volume of the voxels above half height: a count, times pixel, times thickness.
    pub(super) mask_ml: f64,
    /// The share of the body in the lost slices.
    pub(super) lost_share: f64,
    /// The share of the mask in the slices beside them, each with half a lost slice more.
    pub(super) beside_share: f64,
}

impl Expected {
    pub(super) fn of(case: &Case) -> Result<Self, SelftestError> {
        let phantom = case.content.phantom();
        let stack = case.protocol.stack()?;
        let lowest_hu = lowest_hu(case.file);
        let hu = phantom.scan(&stack).map(|hu| hu.max(lowest_hu));
        let counts = Counts::of(&hu, &stack, case.protocol.pixel_mm);
        let (hu, grid) = if case.orientation == axial() {
            (hu, stack.grid)
        } else {
            let canonical = axial().canonical_from_stored(&hu);
            // One step from slice to slice, so that they may be stacked any way.
            let canonical_grid = axial().canonical_grid(&stack.grid)?;
            let affine = canonical_grid.lps_from_index();
            let canonical_grid = Grid::from_affine(canonical_grid.size(), &affine)?;
            let stored = case.orientation.stored_from_canonical(&canonical);
            (stored, case.orientation.stored_grid(&canonical_grid)?)
        };
        Ok(Self {
            truth_ml: phantom.truth_ml(),
            hu,
            grid,
            mask_ml: counts.mask_ml.iter().sum(),
            lost_share: counts.lost_share(&case.lost),
            beside_share: counts.beside_share(&case.lost),
            thickness_mm: stack.thickness_mm,
        })
    }

    /// The slices that are written, in stored order.
    pub(super) fn kept<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = usize> + 'a {
        (0..self.grid.size()[0]).filter(|z| !case.lost.contains(z))
    }
}

/// Air is −1000 HU where the file can hold it; an unsigned number with intercept 0 ends at 0.
fn lowest_hu(file: FileForm) -> f32 {
    match file {
        FileForm::Dicom(Storage { is_signed: false, intercept, .. }) => f32::from(intercept),
        _ => AIR_HU,
    }
}

/// Volumes by slice.
struct Counts {
    mask_ml: Vec<f64>,
    share_ml: Vec<f64>,
}

impl Counts {
    fn of(hu: &Volume<f32>, stack: &Stack, pixel_mm: f64) -> Self {
        let slice_ml = |z: usize, of_voxel: &dyn Fn(f32) -> f64| {
            let sum: f64 = hu.plane(z).iter().map(|&hu| of_voxel(hu)).sum();
            sum * pixel_mm * pixel_mm * stack.thickness_mm[z] / 1000.0
        };
        let all = |of_voxel: &dyn Fn(f32) -> f64| {
            (0..stack.thickness_mm.len()).map(|z| slice_ml(z, of_voxel)).collect()
        };
        Self {
            mask_ml: all(&|hu| f64::from(u8::from(hu > 0.5 * BODY_HU))),
            share_ml: all(&|hu| f64::from(hu.max(0.0) / BODY_HU)),
        }
    }

    fn lost_share(&self, lost: &[usize]) -> f64 {
        lost.iter().map(|&z| self.share_ml[z]).sum::<f64>() / self.share_ml.iter().sum::<f64>()
    }

    /// Slices on both sides of a row of lost ones stand for half of it each.
    fn beside_share(&self, lost: &[usize]) -> f64 {
        let (Some(&first), Some(&last)) = (lost.first(), lost.last()) else { return 0.0 };
        let beside_ml =
            (self.mask_ml[first - 1] + self.mask_ml[last + 1]) * (1.0 + 0.5 * lost.len() as f64);
        let is_elsewhere = |z: &usize| *z + 1 < first || *z > last + 1;
        let elsewhere_ml: f64 =
            (0..self.mask_ml.len()).filter(is_elsewhere).map(|z| self.mask_ml[z]).sum();
        beside_ml / (beside_ml + elsewhere_ml)
    }
}

/// The order in which reading leaves a scan: as stored, but that DICOM's slices are sorted upwards
/// along rows × columns.
pub(super) fn order_as_read(case: &Case, grid: &Grid) -> Orientation {
    let is_mirrored = grid.lps_from_index().determinant() < 0.0;
    match case.file {
        FileForm::Dicom(_) if is_mirrored => turned_over(case.orientation),
        _ => case.orientation,
    }
}

/// The same with the third axis the other way.
fn turned_over(orientation: Orientation) -> Orientation {
    let [x, y, z] = orientation.towards();
    let is_turned = |other: &Orientation| {
        let [other_x, other_y, other_z] = other.towards();
        [other_x, other_y] == [x, y] && other_z != z
    };
    Orientation::all().into_iter().find(is_turned).expect("each of the 48 has its mirror image")
}

/// How a case's slices are, in words.
pub(super) fn slices_in_words(slicing: Slicing) -> String {
    match slicing {
        Slicing::Even { slice_mm } => format!("{slice_mm} mm"),
        Slicing::Uneven { below_mm, above_mm } => format!("{below_mm} then {above_mm} mm"),
    }
}

/// Slices as people count them, from 1.
pub(super) fn numbers_in_words(slices: &[usize]) -> String {
    slices.iter().map(|z| (z + 1).to_string()).collect::<Vec<_>>().join(" ")
}
