//! The bleeds of a mask, one by one.

use haema_volume::{
    Components, Connectivity, CtVolume, Vec3, Volume, add, norm, occupied_rows, scale,
};
use serde::{Deserialize, Serialize};

use crate::doubts::{Doubt, doubts, ring};
use crate::extent::{Extent, in_plane_mm};
use crate::ventricles::FLUID_HU;
use crate::whereabouts::{Location, Part, Shape, ToVentricle, Whereabouts};
use crate::{MM3_PER_ML, MeasureError, check_size};

/// One connected part of a mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesion {
    /// 1 is the largest.
    pub id: u32,
    /// Its volume.
    pub volume_ml: f64,
    /// Its centre of mass.
    pub centroid_lps_mm: Vec3,
    /// Mean of its voxels, each weighted by its volume.
    pub mean_hu: f64,
    /// Spread of its voxels (standard deviation), weighted likewise.
    pub sd_hu: f64,
    /// The slices that it is seen in.
    pub slices: SliceRange,
    /// How long, wide and high it is.
    pub extent: Extent,
    /// Twice its volume over its surface: how thick it is, about.
    pub thickness_mm: f64,
    /// What else it may be. Nothing is left out for that.
    pub doubts: Vec<Doubt>,
    /// Where it lies in the head; `None` where that is not known.
    pub location: Option<Location>,
}

/// The slices that a lesion is seen in, zero-based, as the scan is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceRange {
    /// The first.
    pub first: usize,
    /// The last.
    pub last: usize,
    /// How many slices show it: all from the first to the last.
    pub count: usize,
    /// Where its area is largest, the first of equals.
    pub largest: usize,
}

/// The bleeds of a mask: parts that touch at least at a corner, by descending volume; of equal
/// volumes the one whose first voxel comes first.
///
/// * `whereabouts` — the scan laid on the atlas; without it nothing is said of where they lie.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the mask is not on the scan's grid.
pub fn lesions(
    mask: &Volume<u8>,
    ct: &CtVolume,
    whereabouts: Option<&Whereabouts>,
) -> Result<Vec<Lesion>, MeasureError> {
    check_size(mask.size(), ct.grid())?;
    let parts = Components::of(mask, Connectivity::Corners);
    Ok(labelled_lesions(parts.labels(), ct, whereabouts)?.0)
}

/// The bleeds of a map of labels, each label one of them, and which label each was: by descending
/// volume. Labels run from 1.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the labels are not on the scan's grid.
pub fn labelled_lesions(
    labels: &Volume<u32>,
    ct: &CtVolume,
    whereabouts: Option<&Whereabouts>,
) -> Result<(Vec<Lesion>, Vec<u32>), MeasureError> {
    check_size(labels.size(), ct.grid())?;
    let count = labels.as_slice().iter().max().map_or(0, |&most| most as usize);
    let mut sums = vec![Sums::default(); count];
    for (row, labels_of_row) in occupied_rows(labels) {
        add_row(&mut sums, (labels, ct), row, labels_of_row);
    }
    let seen = sums.iter().enumerate().filter(|(_, sums)| sums.mm3 > 0.0);
    let mut lesions: Vec<(Lesion, u32)> = seen
        .map(|(index, sums)| {
            let label = index as u32 + 1;
            let mut lesion = sums.lesion();
            lesion.extent = sums.extent(labels, ct, label, lesion.slices.largest);
            let all = LabelledScan { ct, labels, label };
            lesion.location = whereabouts.map(|places| sums.location(places, &all, &lesion));
            let is_own = |index: [usize; 3]| labels[index] == label;
            lesion.doubts = doubts((ct, &is_own), &sums.voxels, &lesion, whereabouts);
            (lesion, label)
        })
        .collect();
    lesions.sort_by(|a, b| b.0.volume_ml.total_cmp(&a.0.volume_ml));
    for (index, (lesion, _)) in lesions.iter_mut().enumerate() {
        lesion.id = index as u32 + 1;
    }
    Ok(lesions.into_iter().unzip())
}

/// What is summed up of a lesion, slice by slice.
#[derive(Debug, Clone, Default)]
struct Sums {
    mm3: f64,
    hu_mm3: f64,
    hu2_mm3: f64,
    moment_mm4: Vec3,
    surface_mm2: f64,
    /// Slice and number of voxels in it.
    areas: Vec<(usize, u64)>,
    /// Its voxels `[z, y, x]`.
    voxels: Vec<[u32; 3]>,
}

impl Sums {
    fn lesion(&self) -> Lesion {
        let at = |index: Option<&(usize, u64)>| index.map_or(0, |slice| slice.0);
        let most = self.areas.iter().map(|slice| slice.1).max();
        let mean_hu = self.hu_mm3 / self.mm3;
        Lesion {
            id: 0,
            volume_ml: self.mm3 / MM3_PER_ML,
            centroid_lps_mm: scale(self.moment_mm4, 1.0 / self.mm3),
            mean_hu,
            sd_hu: (self.hu2_mm3 / self.mm3 - mean_hu * mean_hu).max(0.0).sqrt(),
            slices: SliceRange {
                first: at(self.areas.first()),
                last: at(self.areas.last()),
                count: self.areas.len(),
                largest: at(self.areas.iter().find(|slice| Some(slice.1) == most)),
            },
            extent: Extent::default(),
            thickness_mm: 2.0 * self.mm3 / self.surface_mm2,
            doubts: Vec::new(),
            location: None,
        }
    }

    fn extent(&self, labels: &Volume<u32>, ct: &CtVolume, label: u32, largest: usize) -> Extent {
        let grid = ct.grid();
        let [longest_mm, across_mm] = in_plane_mm(labels.plane(largest), label, grid);
        let reach = |z: usize| grid.slice_position_mm(z) + grid.slice_reach_mm(z)[1];
        let first = self.areas.first().map_or(0, |slice| slice.0);
        let last = self.areas.last().map_or(0, |slice| slice.0);
        let lower_mm = grid.slice_position_mm(first) - grid.slice_reach_mm(first)[0];
        let pixel_mm2 = grid.voxel_volume_mm3(largest) / grid.slice_thickness_mm(largest);
        let most = self.areas.iter().map(|slice| slice.1).max().unwrap_or(0);
        Extent {
            longest_mm,
            across_mm,
            height_mm: reach(last) - lower_mm,
            largest_area_mm2: most as f64 * pixel_mm2,
        }
    }

    fn location(
        &self,
        whereabouts: &Whereabouts,
        scan: &LabelledScan<'_>,
        lesion: &Lesion,
    ) -> Location {
        let ct = scan.ct;
        let stride = self.voxels.len().div_ceil(MOST_LOOKED_AT).max(1);
        let parts: Vec<Part> = self
            .voxels
            .iter()
            .step_by(stride)
            .map(|&[z, y, x]| Part {
                point_lps_mm: ct.grid().point_lps_mm(z as usize, f64::from(y), f64::from(x)),
                mm3: ct.grid().voxel_volume_mm3(z as usize),
            })
            .collect();
        let [_, row_mm, column_mm] = ct.grid().spacing_mm();
        let shape = Shape {
            thickness_mm: lesion.thickness_mm,
            extent_mm: lesion.extent.longest_mm.max(lesion.extent.height_mm),
            fluid_beside: scan.fluid_beside(self.voxels.iter().step_by(stride), whereabouts),
        };
        whereabouts.location(&parts, row_mm.max(column_mm), shape)
    }
}

/// A scan, and which of its voxels are one bleed.
struct LabelledScan<'a> {
    ct: &'a CtVolume,
    labels: &'a Volume<u32>,
    label: u32,
}

/// As far from a bleed as this it is looked for fluid: beyond the edge that is blurred.
const BESIDE_MM: f64 = 3.0;

impl LabelledScan<'_> {
    /// Of what lies around the bleed on its slices: the share that is fluid in or near a ventricle.
    fn fluid_beside<'v>(
        &self,
        voxels: impl Iterator<Item = &'v [u32; 3]>,
        whereabouts: &Whereabouts,
    ) -> f64 {
        let (mut around, mut fluid) = (0.0, 0.0);
        for index in voxels.map(|index| index.map(|i| i as usize)) {
            let beside = ring(self.ct, index, BESIDE_MM);
            for index in beside.filter(|index| self.labels[*index] != self.label) {
                around += 1.0;
                if !FLUID_HU.contains(&self.ct.voxels_hu()[index]) || self.labels[index] != 0 {
                    continue;
                }
                let [z, y, x] = index;
                let point = self.ct.grid().point_lps_mm(z, y as f64, x as f64);
                if whereabouts.to_ventricle(point) != ToVentricle::Away {
                    fluid += 1.0;
                }
            }
        }
        fluid / f64::max(around, 1.0)
    }
}

/// More voxels of a bleed than these are looked at one in two, in three, …: shares stay within a
/// percent.
const MOST_LOOKED_AT: usize = 8_000;

fn add_row(
    sums: &mut [Sums],
    (labels, ct): (&Volume<u32>, &CtVolume),
    [z, y]: [usize; 2],
    row: &[u32],
) {
    let grid = ct.grid();
    let voxel_mm3 = grid.voxel_volume_mm3(z);
    let thickness_mm = grid.slice_thickness_mm(z);
    // Faces of a voxel across z, y and x.
    let faces_mm2 = [
        voxel_mm3 / thickness_mm,
        norm(grid.x_step_lps_mm()) * thickness_mm,
        norm(grid.y_step_lps_mm()) * thickness_mm,
    ];
    for (x, &label) in row.iter().enumerate().filter(|(_, label)| **label > 0) {
        let lesion = &mut sums[label as usize - 1];
        let point = grid.point_lps_mm(z, y as f64, x as f64);
        let voxel_hu = f64::from(ct.voxels_hu()[[z, y, x]]);
        lesion.mm3 += voxel_mm3;
        lesion.hu_mm3 += voxel_mm3 * voxel_hu;
        lesion.hu2_mm3 += voxel_mm3 * voxel_hu * voxel_hu;
        lesion.moment_mm4 = add(lesion.moment_mm4, scale(point, voxel_mm3));
        let index = [z, y, x];
        for axis in 0..3 {
            for step in [usize::MAX, 1] {
                let mut beside = index;
                beside[axis] = beside[axis].wrapping_add(step);
                let is_inside = beside[axis] < labels.size()[axis];
                if !(is_inside && labels[beside] == label) {
                    lesion.surface_mm2 += faces_mm2[axis];
                }
            }
        }
        lesion.voxels.push(index.map(|i| i as u32));
        match lesion.areas.last_mut() {
            Some((slice, area)) if *slice == z => *area += 1,
            _ => lesion.areas.push((z, 1)),
        }
    }
}
