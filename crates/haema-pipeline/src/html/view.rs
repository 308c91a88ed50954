//! From a scan and its mask to the pictures of the page.

use std::num::NonZeroUsize;
use std::ops::Range;

use haema_volume::{
    Components, Connectivity, CtVolume, Grid, Orientation, Volume, bounding_box, parallel,
};

use super::figure::{Picture, Slice};
use super::{montage::Montage, profile::Bar};

/// Everything that the page shows of the scan.
#[derive(Debug, Clone)]
pub(crate) struct Pictures {
    pub(super) key: Picture,
    pub(super) with_bleed: Vec<Picture>,
    pub(super) bleed_left_out: usize,
    pub(super) others: Vec<Picture>,
    pub(super) bars: Vec<Bar>,
}

impl Pictures {
    /// Chooses and cuts out the slices of a scan and its mask, which share the scan's grid.
    ///
    /// A stack that has no canonical form (uneven, and not along the body) is shown as stored: the gate
    /// lets none through.
    ///
    /// # Panics
    ///
    /// Where scan and mask differ in size.
    pub(crate) fn of(ct: &CtVolume, mask: &Volume<u8>, threads: NonZeroUsize) -> Self {
        let view = View::of(ct, mask);
        let slices = 0..view.depth();
        let areas_mm2 = parallel::map(slices, threads, |_, z| view.area_mm2(z));
        let montage = Montage::of(&areas_mm2);
        let window = view.window();
        let cut = |z: usize| view.slice(z, areas_mm2[z], window);
        let whole = |_, &z: &usize| Picture::from(cut(z));
        let halved = |_, &z: &usize| Picture::from(cut(z).halved());
        Self {
            key: whole(0, &montage.key),
            with_bleed: parallel::map(montage.with_bleed.iter(), threads, whole),
            bleed_left_out: montage.bleed_left_out,
            others: parallel::map(montage.others.iter(), threads, halved),
            bars: (0..areas_mm2.len()).map(|z| view.bar(z, areas_mm2[z])).collect(),
        }
    }
}

/// A scan and its mask, looked at in canonical order whatever the order in which they are stored.
pub(crate) struct View<'a> {
    ct: &'a CtVolume,
    mask: &'a Volume<u8>,
    orientation: Orientation,
    /// The canonical grid.
    grid: Grid,
}

impl<'a> View<'a> {
    pub(crate) fn of(ct: &'a CtVolume, mask: &'a Volume<u8>) -> Self {
        assert_eq!(ct.voxels_hu().size(), mask.size(), "scan and mask differ in size");
        let orientation = Orientation::of(ct.grid());
        let (orientation, grid) = orientation.canonical_grid(ct.grid()).map_or_else(
            |_| (Orientation::CANONICAL, ct.grid().clone()),
            |grid| (orientation, grid),
        );
        Self { ct, mask, orientation, grid }
    }

    /// How many slices there are.
    pub(crate) fn depth(&self) -> usize {
        self.grid.size()[0]
    }

    /// The part of every picture that is worth showing.
    pub(crate) fn window(&self) -> HeadWindow {
        head_window(self.ct.voxels_hu(), self.orientation)
    }

    pub(crate) fn area_mm2(&self, z: usize) -> f64 {
        let mut plane = Vec::new();
        self.orientation.read_canonical_plane(self.mask, z, &mut plane);
        let count = plane.iter().filter(|&&voxel| voxel != 0).count();
        count as f64 * self.grid.voxel_volume_mm3(z) / self.grid.slice_thickness_mm(z)
    }

    fn bar(&self, z: usize, area_mm2: f64) -> Bar {
        let [below_mm, above_mm] = self.grid.slice_reach_mm(z);
        let at_mm = self.grid.slice_position_mm(z);
        Bar { from_mm: at_mm - below_mm, to_mm: at_mm + above_mm, area_mm2 }
    }

    /// One slice within `window`, turned so that the patient's right is on the left and the front
    /// is up: canonical order has both the other way round.
    pub(crate) fn slice(&self, z: usize, area_mm2: f64, window: HeadWindow) -> Slice {
        let mut hu = Vec::new();
        let mut mask = Vec::new();
        self.orientation.read_canonical_plane(self.ct.voxels_hu(), z, &mut hu);
        self.orientation.read_canonical_plane(self.mask, z, &mut mask);
        hu.reverse();
        mask.reverse();
        let [_, rows, columns] = self.grid.size();
        let [_, row_mm, column_mm] = self.grid.spacing_mm();
        let whole = Slice {
            number: z + 1,
            position_mm: self.grid.slice_position_mm(z),
            area_mm2,
            size: [rows, columns],
            pixel_mm: [row_mm, column_mm],
            hu,
            mask,
        };
        whole.cropped(window.rows, window.columns)
    }
}

/// The part of every picture that is worth showing: rows and columns `from..to`, as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadWindow {
    rows: [usize; 2],
    columns: [usize; 2],
}

/// The head is found on every fourth voxel: enough to cut a picture, and 16 times less work.
const STEP: usize = 4;

/// Skin and fat are above this, air and most headrests below.
const HEAD_HU: f32 = -250.0;

/// The bounding box of the largest connected thing that is not air, over all slices, with a margin;
/// the whole picture where there is no such thing.
fn head_window(voxels_hu: &Volume<f32>, orientation: Orientation) -> HeadWindow {
    let [depth, rows, columns] = orientation.canonical_size(voxels_hu.size());
    let coarse = [depth, rows.div_ceil(STEP), columns.div_ceil(STEP)];
    let mut plane = Vec::new();
    let mut voxels = Vec::with_capacity(coarse.iter().product());
    for z in 0..depth {
        orientation.read_canonical_plane(voxels_hu, z, &mut plane);
        plane.reverse();
        for row in plane.chunks(columns).step_by(STEP) {
            voxels.extend(row.iter().step_by(STEP).map(|&hu| u8::from(hu > HEAD_HU)));
        }
    }
    let solid = Volume::new(coarse, voxels).expect("every fourth row and column was taken");
    let components = Components::of(&solid, Connectivity::Faces);
    let head = components.largest().and_then(|label| bounding_box(&components.mask_of(label)));
    let Some([_, coarse_rows, coarse_columns]) = head else {
        return HeadWindow { rows: [0, rows], columns: [0, columns] };
    };
    let reach = |coarse: Range<usize>, len: usize| {
        let margin = len / 64 + STEP;
        [(coarse.start * STEP).saturating_sub(margin), (coarse.end * STEP + margin).min(len)]
    };
    HeadWindow { rows: reach(coarse_rows, rows), columns: reach(coarse_columns, columns) }
}
