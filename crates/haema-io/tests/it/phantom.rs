//! A small head whose every voxel is known, and the files of its series.

use std::path::Path;

use haema_io::Scan;
use haema_io::dicom::write::{Attributes, SeriesOptions, slice};
use haema_io::dicom::{DicomError, ReadOptions};
use haema_io::fs;
use haema_volume::{CtVolume, Grid, Vec3, Volume};

/// Rows and columns.
const ROWS: usize = 20;
const COLUMNS: usize = 16;

/// Where each slice of a stack starts, and the steps within it.
pub(crate) struct Stack {
    pub(crate) origins: Vec<Vec3>,
    pub(crate) x_step: Vec3,
    pub(crate) y_step: Vec3,
}

impl Stack {
    /// 24 axial slices, 5 mm apart, not square: 0.5 mm between columns, 0.6 mm between rows.
    pub(crate) fn straight() -> Self {
        Self::at(&(0..24).map(|z| 5.0 * f64::from(z)).collect::<Vec<_>>())
    }

    /// Axial slices at these heights.
    pub(crate) fn at(heights_mm: &[f64]) -> Self {
        Self {
            origins: heights_mm.iter().map(|&z| [-4.0, -6.0, z]).collect(),
            x_step: [0.5, 0.0, 0.0],
            y_step: [0.0, 0.6, 0.0],
        }
    }

    /// The same slices in a gantry that is tilted: the rows of a slice rise or fall, the table
    /// still moves along the body.
    pub(crate) fn tilted(tilt_deg: f64) -> Self {
        let (sin, cos) = tilt_deg.to_radians().sin_cos();
        Self { y_step: [0.0, 0.6 * cos, 0.6 * sin], ..Self::straight() }
    }

    pub(crate) fn ct(&self) -> CtVolume {
        let origins = self.origins.clone();
        let grid =
            Grid::from_slices([ROWS, COLUMNS], self.x_step, self.y_step, origins, 5.0).unwrap();
        let voxels = Volume::from_fn(grid.size(), |index| hu_at(index) as f32);
        CtVolume::new(voxels, grid).unwrap()
    }

    /// The attributes of every slice, in order.
    pub(crate) fn slices(&self, options: &SeriesOptions) -> Vec<Attributes> {
        let ct = self.ct();
        (0..self.origins.len()).map(|z| slice(&ct, z, options)).collect()
    }
}

/// Air around, brain within, a bleed that is not symmetric in any axis, and a number that differs
/// from slice to slice.
pub(crate) fn hu_at([z, y, x]: [usize; 3]) -> i32 {
    let is_head = (3..ROWS - 3).contains(&y) && (3..COLUMNS - 3).contains(&x);
    match (is_head, x, y) {
        (false, 0, 0) => 100 + z as i32,
        (false, ..) => -1000,
        (true, 4..=6, 4..=8) if z >= 12 => 70,
        _ => 30,
    }
}

/// Writes objects as files with names that say nothing, in the order given.
pub(crate) fn write_all(folder: &Path, objects: &[Attributes]) {
    for (i, object) in objects.iter().enumerate() {
        write(folder, &format!("IM{i:04}"), &object.to_file());
    }
}

pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::create_folder(folder).unwrap();
    fs::write_atomic(&folder.join(name), bytes).unwrap();
}

/// A file with one text written over by another of the same length, which moves nothing else.
pub(crate) fn replace(file: &[u8], text: &str, by: &str) -> Vec<u8> {
    assert_eq!(text.len(), by.len());
    let at = file.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    [&file[..at], by.as_bytes(), &file[at + text.len()..]].concat()
}

/// Writes objects to a folder of their own and reads it.
pub(crate) fn read_objects(objects: &[Attributes]) -> Result<Scan, DicomError> {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path(), objects);
    haema_io::dicom::read(folder.path(), &ReadOptions::default())
}

/// A straight series, changed slice by slice, read.
pub(crate) fn read_changed(change: impl Fn(usize, &mut Attributes)) -> Result<Scan, DicomError> {
    let mut slices = Stack::straight().slices(&SeriesOptions::default());
    for (z, slice) in slices.iter_mut().enumerate() {
        change(z, slice);
    }
    read_objects(&slices)
}

/// Whether a scan has the phantom's voxels, slice `z` of the scan being `z_of(z)` of the phantom.
pub(crate) fn assert_is_phantom(scan: &Scan, z_of: impl Fn(usize) -> usize) {
    let voxels = scan.ct.voxels_hu();
    let [slices, rows, columns] = voxels.size();
    assert_eq!([rows, columns], [ROWS, COLUMNS]);
    for z in 0..slices {
        for y in 0..rows {
            for x in 0..columns {
                let wanted = hu_at([z_of(z), y, x]) as f32;
                assert_eq!(voxels[[z, y, x]], wanted, "at [{z}, {y}, {x}]");
            }
        }
    }
}
