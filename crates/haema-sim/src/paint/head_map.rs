//! Where the brain lies, and how deep.

use haema_volume::{Components, Connectivity, Volume};

/// The inside of the skull of one scan, on its grid.
#[derive(Debug, Clone)]
pub struct HeadMap {
    size: [usize; 3],
    spacing_mm: [f32; 3],
    /// Distance to the skull, mm; 0 outside the brain.
    depth_mm: Vec<f32>,
    /// Offsets of the voxels inside.
    inside: Vec<u32>,
}

/// From here on a voxel counts as bone. Denser than acute blood.
const BONE_HU: f32 = 92.0;
/// What soft tissue and CSF may have.
const SOFT_HU: std::ops::Range<f32> = 1.0..BONE_HU;
/// Gaps of the skull up to twice this are bridged in the plane, in voxels.
const BRIDGED: usize = 2;
/// A plane whose inside is smaller than this share of the largest is skull base or vertex.
const SMALLEST_PLANE: f64 = 0.2;

impl HeadMap {
    /// Finds the inside of the skull: what a flood from the border of each plane does not reach
    /// through the gaps of bone. `None` where there is none of at least 100 mL: no skull in the
    /// scan, or only its base.
    ///
    /// # Panics
    ///
    /// Where `image_hu` does not fill `size` `[z, y, x]`.
    pub fn of(image_hu: &[f32], size: [usize; 3], spacing_mm: [f32; 3]) -> Option<Self> {
        let [planes, rows, columns] = size;
        assert_eq!(image_hu.len(), planes * rows * columns, "head map: image does not fill size");
        let mut mask = vec![0_u8; image_hu.len()];
        let plane = rows * columns;
        for (image, mask) in image_hu.chunks(plane).zip(mask.chunks_mut(plane)) {
            inside_of_plane(image, [rows, columns], mask);
        }
        drop_small_planes(&mut mask, plane);
        let mask = Volume::new(size, mask).expect("as long as the image");
        let parts = Components::of(&mask, Connectivity::Faces);
        let mask = parts.mask_of(parts.largest()?).into_voxels();
        let voxel_ml = spacing_mm.iter().product::<f32>() / 1000.0;
        let inside: Vec<u32> =
            (0..).zip(&mask).filter_map(|(i, &m)| (m != 0).then_some(i)).collect();
        if (inside.len() as f32) * voxel_ml < 100.0 {
            return None;
        }
        let depth_mm = depth(&mask, size, spacing_mm);
        Some(Self { size, spacing_mm, depth_mm, inside })
    }

    /// Size `[z, y, x]`.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Distance to the skull, mm, of each voxel; 0 outside the brain.
    pub fn depth_mm(&self) -> &[f32] {
        &self.depth_mm
    }

    /// Offsets of the voxels inside the skull, ascending.
    pub fn inside(&self) -> &[u32] {
        &self.inside
    }

    pub(super) fn spacing_mm(&self) -> [f32; 3] {
        self.spacing_mm
    }

    /// Place of a voxel from the first, mm.
    pub(super) fn point_mm(&self, offset: usize) -> [f32; 3] {
        let [_, rows, columns] = self.size;
        let index = [offset / (rows * columns), offset / columns % rows, offset % columns];
        std::array::from_fn(|axis| index[axis] as f32 * self.spacing_mm[axis])
    }
}

/// Marks what a flood from the border, blocked by bone thickened by [`BRIDGED`], does not reach, and
/// takes the thickening back.
fn inside_of_plane(image: &[f32], [rows, columns]: [usize; 2], mask: &mut [u8]) {
    let bone: Vec<bool> = image.iter().map(|&hu| hu >= BONE_HU).collect();
    let wall = dilate(&bone, [rows, columns]);
    let mut outside = vec![false; image.len()];
    let is_border = |i: usize| {
        let (y, x) = (i / columns, i % columns);
        y == 0 || x == 0 || y + 1 == rows || x + 1 == columns
    };
    // The border is outside, whatever it shows.
    let mut stack: Vec<usize> = (0..image.len()).filter(|&i| is_border(i)).collect();
    for &i in &stack {
        outside[i] = true;
    }
    while let Some(i) = stack.pop() {
        let (y, x) = (i / columns, i % columns);
        let next = [
            (y > 0).then(|| i - columns),
            (y + 1 < rows).then_some(i + columns),
            (x > 0).then(|| i - 1),
            (x + 1 < columns).then_some(i + 1),
        ];
        for i in next.into_iter().flatten() {
            if !outside[i] && !wall[i] {
                outside[i] = true;
                stack.push(i);
            }
        }
    }
    let kernel: Vec<bool> = outside.iter().zip(&wall).map(|(out, wall)| !out && !wall).collect();
    let grown = dilate(&kernel, [rows, columns]);
    for (i, mask) in mask.iter_mut().enumerate() {
        *mask = u8::from(grown[i] && !bone[i] && SOFT_HU.contains(&image[i]));
    }
}

/// By a square of `2 · BRIDGED + 1`.
fn dilate(mask: &[bool], [rows, columns]: [usize; 2]) -> Vec<bool> {
    let spread = |mask: &[bool], len: usize, stride: usize| -> Vec<bool> {
        let reach = |i: usize| {
            let at = i / stride % len;
            let (low, high) = (at.saturating_sub(BRIDGED), (at + BRIDGED).min(len - 1));
            (low..=high).any(|other| mask[i + other * stride - at * stride])
        };
        (0..mask.len()).map(reach).collect()
    };
    spread(&spread(mask, columns, 1), rows, columns)
}

fn drop_small_planes(mask: &mut [u8], plane: usize) {
    let count = |plane: &[u8]| plane.iter().filter(|&&m| m != 0).count();
    let largest = mask.chunks(plane).map(count).max().unwrap_or(0);
    for plane in mask.chunks_mut(plane) {
        if (count(plane) as f64) < SMALLEST_PLANE * largest as f64 {
            plane.fill(0);
        }
    }
}

/// Distance to the nearest voxel outside, by two sweeps over the 26 neighbours: at most a few
/// percent above the true one.
///
/// # Source
///
/// Borgefors, _Computer Vision, Graphics, and Image Processing_ 27, 1984.
fn depth(mask: &[u8], [planes, rows, columns]: [usize; 3], spacing_mm: [f32; 3]) -> Vec<f32> {
    let mut depth: Vec<f32> = mask.iter().map(|&m| if m == 0 { 0.0 } else { f32::MAX }).collect();
    let mut steps = Vec::new();
    for n in 0..13_usize {
        // The 13 neighbours that come earlier in memory.
        let step = [(n / 9) as isize - 1, (n / 3 % 3) as isize - 1, (n % 3) as isize - 1];
        let length = |axis: usize| (step[axis] as f32 * spacing_mm[axis]).powi(2);
        steps.push((step, (length(0) + length(1) + length(2)).sqrt()));
    }
    let size = [planes as isize, rows as isize, columns as isize];
    let mut relax = |i: usize, sign: isize| {
        let at = [
            (i / (rows * columns)) as isize,
            (i / columns % rows) as isize,
            (i % columns) as isize,
        ];
        for &(step, length) in &steps {
            let other: [isize; 3] = std::array::from_fn(|axis| at[axis] + sign * step[axis]);
            // Beyond the scan the brain goes on: its cut is no skull.
            if (0..3).all(|axis| (0..size[axis]).contains(&other[axis])) {
                let other = (other[0] * size[1] + other[1]) * size[2] + other[2];
                depth[i] = depth[i].min(depth[other as usize] + length);
            }
        }
    };
    let is_inside = |&i: &usize| mask[i] != 0;
    (0..mask.len()).filter(is_inside).for_each(|i| relax(i, 1));
    (0..mask.len()).rev().filter(is_inside).for_each(|i| relax(i, -1));
    depth
}
