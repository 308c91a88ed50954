//! From the chosen stack to a scan.

use std::num::NonZeroUsize;

use haema_volume::{CtVolume, Grid, Vec3, Volume, parallel, scale};
use sha2::{Digest as _, Sha256};

use super::choose::rescale;
use super::error::{DicomError, FileError, counted};
use super::files::Files;
use super::header::Frame;
use super::hounsfield::{self, padding_in_tissue_hu};
use super::source::Source;
use super::spacing;
use super::stack::{Image, Stack};
use crate::phi::hex;
use crate::scan::MissingSlices;

/// A loaded stack.
pub(crate) struct Loaded<'h> {
    pub ct: CtVolume,
    /// The images that make it up, in the order of its slices.
    pub stack: Stack<'h>,
    /// What is missing between them.
    pub missing_slices: Vec<MissingSlices>,
    pub sha256: String,
    pub warnings: Vec<String>,
}

/// More images than this share must decode, or the stack is no scan any more.
const UNDECODABLE_SHARE_MAX: f64 = 0.25;

/// The digest of one slice.
type SliceDigest = [u8; 32];

/// Decodes a stack. An image that cannot be decoded is left out and named, so that the gap it
/// leaves is found as any other.
pub(crate) fn load<'h>(
    files: &Files,
    stack: &Stack<'h>,
    threads: NonZeroUsize,
) -> Result<Loaded<'h>, DicomError> {
    let format = stack.images[0].header.pixels.as_ref().expect("a judged stack has pixels");
    let (rows, columns, plane_len) = (format.rows, format.columns, format.frame_pixels());
    let mut voxels = vec![0.0_f32; plane_len * stack.images.len()];
    let work: Vec<_> = stack.images.iter().zip(voxels.chunks_exact_mut(plane_len)).collect();
    let done = parallel::map(work.into_iter(), threads, |_, (image, plane)| {
        fill_plane(files, image, plane)
    });

    let mut kept = Stack { images: Vec::new(), copies: stack.copies };
    let mut digests = Vec::new();
    let mut failures = Vec::new();
    for (z, (image, result)) in stack.images.iter().zip(done).enumerate() {
        match result {
            Ok(digest) => {
                let at = kept.images.len() * plane_len;
                voxels.copy_within(z * plane_len..(z + 1) * plane_len, at);
                kept.images.push(*image);
                digests.push(digest);
            }
            Err(error) => failures.push((image.file, error)),
        }
    }
    voxels.truncate(kept.images.len() * plane_len);
    let warnings = failure_warnings(files.source(), &failures);
    check_failures(failures, stack.images.len())?;

    let grid = grid(&kept, [rows, columns])?;
    let missing_slices = spacing::missing(&grid.gaps_mm(), &kept.thickness_mm());
    let grid = with_extents(grid, &kept, &missing_slices);
    let sha256 = digest(&grid, &digests);
    let voxels = Volume::new(grid.size(), voxels).expect("one plane was kept for each slice");
    let ct = CtVolume::new(voxels, grid).expect("the volume was made with the grid's size");
    Ok(Loaded { ct, stack: kept, missing_slices, sha256, warnings })
}

fn check_failures(failures: Vec<(usize, FileError)>, image_count: usize) -> Result<(), DicomError> {
    let failed = failures.len();
    if failed as f64 <= UNDECODABLE_SHARE_MAX * image_count as f64 {
        return Ok(());
    }
    match failures.into_iter().next() {
        Some((_, first)) => {
            Err(DicomError::Undecodable { failed, image_count, first: Box::new(first) })
        }
        None => Ok(()),
    }
}

fn failure_warnings(source: &Source, failures: &[(usize, FileError)]) -> Vec<String> {
    let warn = |(file, error): &(usize, FileError)| {
        format!("{} was left out: {error}", source.label(*file))
    };
    failures.iter().map(warn).collect()
}

fn fill_plane(
    files: &Files,
    image: &Image<'_>,
    plane: &mut [f32],
) -> Result<SliceDigest, FileError> {
    let stored = files.stored_values(image)?;
    let format = image.header.pixels.as_ref().expect("a judged stack has pixels");
    let rescale = rescale(image).expect("a judged stack has slope and intercept");
    hounsfield::fill(plane, &stored, format, rescale);
    let mut hash = Sha256::new();
    let values: Vec<u8> =
        stored.iter().flat_map(|&raw| (format.value(raw) as u16).to_le_bytes()).collect();
    hash.update(&values);
    hash_numbers(&mut hash, &[rescale.slope, rescale.intercept]);
    Ok(hash.finalize().into())
}

fn grid(stack: &Stack<'_>, slice_size: [usize; 2]) -> Result<Grid, DicomError> {
    let place = place_of(stack.images[0].frame);
    let origins = stack.images.iter().map(|image| place_of(image.frame).origin).collect();
    let lone_thickness_mm = stack.images[0].frame.thickness_mm.unwrap_or(1.0);
    Ok(Grid::from_slices(slice_size, place.x_step, place.y_step, origins, lone_thickness_mm)?)
}

/// How far each slice reaches, from what headers say beside positions.
fn with_extents(mut grid: Grid, stack: &Stack<'_>, missing: &[MissingSlices]) -> Grid {
    let outwards_mm = spacing::outwards_mm(&grid.gaps_mm(), missing);
    let thickness_mm: Option<Vec<f64>> = stack.thickness_mm().into_iter().collect();
    // Equal thicknesses say no more than positions do.
    if let Some(thickness_mm) = thickness_mm.filter(|all| all.iter().any(|mm| *mm != all[0])) {
        grid = grid.with_thickness_mm(&thickness_mm);
    }
    match outwards_mm {
        Some(outwards_mm) => grid.with_outwards_mm(outwards_mm),
        None => grid,
    }
}

struct Place {
    origin: Vec3,
    x_step: Vec3,
    y_step: Vec3,
}

/// _Pixel Spacing_ has the distance between rows first; the first three cosines of _Image
/// Orientation_ point along a row, where the column grows.
///
/// # Source
///
/// DICOM PS3.3 §C.7.6.2.1.1, equation C.7.6.2.1-1.
fn place_of(frame: &Frame) -> Place {
    const JUDGED: &str = "a judged stack has positions, orientations and spacing";
    let [rx, ry, rz, cx, cy, cz] = frame.orientation_lps.expect(JUDGED);
    let [between_rows_mm, between_columns_mm] = frame.spacing_mm.expect(JUDGED);
    Place {
        origin: frame.position_lps_mm.expect(JUDGED),
        x_step: scale([rx, ry, rz], between_columns_mm),
        y_step: scale([cx, cy, cz], between_rows_mm),
    }
}

fn digest(grid: &Grid, slices: &[SliceDigest]) -> String {
    let mut hash = Sha256::new();
    for steps in [grid.x_step_lps_mm(), grid.y_step_lps_mm()] {
        hash_numbers(&mut hash, &steps);
    }
    for axis in grid.size() {
        hash.update((axis as u64).to_le_bytes());
    }
    for (z, slice) in slices.iter().enumerate() {
        hash_numbers(&mut hash, &grid.slice_origin_lps_mm(z));
        hash.update(slice);
    }
    hex(&hash.finalize())
}

fn hash_numbers(hash: &mut Sha256, numbers: &[f64]) {
    for number in numbers {
        hash.update(number.to_le_bytes());
    }
}

/// What the pixels and headers of a loaded stack give cause to say.
pub(crate) fn pixel_warnings(loaded: &Loaded<'_>) -> Vec<String> {
    let images = &loaded.stack.images;
    let count = |is: &dyn Fn(&Image<'_>) -> bool| images.iter().filter(|image| is(image)).count();
    let mut warnings = Vec::new();
    let lossy = count(&|image| image.header.is_lossy);
    if lossy > 0 {
        warnings.push(format!(
            "{} were compressed with loss: their numbers are near the scanner's, not equal",
            counted(lossy, "image")
        ));
    }
    let coarse =
        count(&|image| image.header.pixels.as_ref().is_some_and(|format| format.bits_stored <= 8));
    if coarse > 0 {
        warnings.push(format!(
            "{} hold 8 bits a pixel: at most 256 grey levels stand for all Hounsfield units",
            counted(coarse, "image")
        ));
    }
    let padding = images
        .iter()
        .find_map(|image| padding_in_tissue_hu(image.header.pixels.as_ref()?, rescale(image)?));
    if let Some(hu) = padding {
        warnings.push(format!(
            "the header calls {hu:.0} HU padding (Pixel Padding Value); such voxels were set to air"
        ));
    }
    warnings
}
