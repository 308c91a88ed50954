//! The bleeds of a mask, one by one.

use haema_volume::{Components, Connectivity, CtVolume, Vec3, Volume, add, scale};
use serde::{Deserialize, Serialize};

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
    /// The slices that it is seen in.
    pub slices: SliceRange,
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
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the mask is not on the scan's grid.
pub fn lesions(mask: &Volume<u8>, ct: &CtVolume) -> Result<Vec<Lesion>, MeasureError> {
    check_size(mask.size(), ct.grid())?;
    let parts = Components::of(mask, Connectivity::Corners);
    let mut sums = vec![Sums::default(); parts.voxel_counts().len()];
    for z in 0..mask.size()[0] {
        add_slice(&mut sums, parts.labels(), ct, z);
    }
    let mut lesions: Vec<Lesion> = sums.iter().map(Sums::lesion).collect();
    lesions.sort_by(|a, b| b.volume_ml.total_cmp(&a.volume_ml));
    for (index, lesion) in lesions.iter_mut().enumerate() {
        lesion.id = index as u32 + 1;
    }
    Ok(lesions)
}

/// What is summed up of a lesion, slice by slice.
#[derive(Debug, Clone, Default)]
struct Sums {
    mm3: f64,
    hu_mm3: f64,
    moment_mm4: Vec3,
    /// Slice and number of voxels in it.
    areas: Vec<(usize, u64)>,
}

impl Sums {
    fn lesion(&self) -> Lesion {
        let at = |index: Option<&(usize, u64)>| index.map_or(0, |slice| slice.0);
        let most = self.areas.iter().map(|slice| slice.1).max();
        Lesion {
            id: 0,
            volume_ml: self.mm3 / MM3_PER_ML,
            centroid_lps_mm: scale(self.moment_mm4, 1.0 / self.mm3),
            mean_hu: self.hu_mm3 / self.mm3,
            slices: SliceRange {
                first: at(self.areas.first()),
                last: at(self.areas.last()),
                count: self.areas.len(),
                largest: at(self.areas.iter().find(|slice| Some(slice.1) == most)),
            },
        }
    }
}

fn add_slice(sums: &mut [Sums], labels: &Volume<u32>, ct: &CtVolume, z: usize) {
    let columns = labels.size()[2];
    let voxel_mm3 = ct.grid().voxel_volume_mm3(z);
    let hu = ct.voxels_hu().plane(z);
    for (offset, &label) in labels.plane(z).iter().enumerate().filter(|(_, label)| **label > 0) {
        let lesion = &mut sums[label as usize - 1];
        let [y, x] = [offset / columns, offset % columns];
        let point = ct.grid().point_lps_mm(z, y as f64, x as f64);
        lesion.mm3 += voxel_mm3;
        lesion.hu_mm3 += voxel_mm3 * f64::from(hu[offset]);
        lesion.moment_mm4 = add(lesion.moment_mm4, scale(point, voxel_mm3));
        match lesion.areas.last_mut() {
            Some((slice, area)) if *slice == z => *area += 1,
            _ => lesion.areas.push((z, 1)),
        }
    }
}
