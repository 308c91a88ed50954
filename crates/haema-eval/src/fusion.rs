//! One mask from those of several raters.

use haema_volume::{Volume, VolumeError};

/// What a voxel becomes where as many raters took it as did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tie {
    /// Background: with two raters their intersection.
    #[default]
    Background,
    /// Bleed: with two raters their union.
    Bleed,
    /// As this rater has it, by place: the senior one.
    Rater(usize),
}

/// How the raters of a case differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FusionReport {
    /// Voxels that a rater took and another did not.
    pub disputed: u64,
    /// Share, of the voxels that anyone took, that all took; `None` where no one took any.
    pub unanimous: Option<f64>,
}

/// The voxels that more than half of the raters took. Voxels that are not 0 are taken. Do this on the
/// scan's own grid, before any resizing.
///
/// `None` where there are no raters, or the one who breaks ties is not among them.
///
/// # Errors
///
/// [`VolumeError::SizesDiffer`] where masks are on different grids.
///
/// # Examples
///
/// ```
/// use haema_eval::{Tie, majority};
/// use haema_volume::Volume;
///
/// let row = |voxels: [u8; 3]| Volume::new([1, 1, 3], voxels.to_vec()).unwrap();
/// let fused = majority(&[&row([1, 1, 0]), &row([1, 0, 0]), &row([0, 1, 1])], Tie::Background)?;
/// assert_eq!(fused.unwrap().as_slice(), [1, 1, 0]);
/// # Ok::<(), haema_volume::VolumeError>(())
/// ```
pub fn majority(masks: &[&Volume<u8>], tie: Tie) -> Result<Option<Volume<u8>>, VolumeError> {
    if matches!(tie, Tie::Rater(senior) if senior >= masks.len()) {
        return Ok(None);
    }
    let Some(votes) = votes(masks)? else { return Ok(None) };
    let raters = masks.len();
    let voxels = votes.iter().enumerate().map(|(i, &count)| {
        let twice = 2 * usize::from(count);
        let is_taken = twice > raters
            || twice == raters
                && match tie {
                    Tie::Background => false,
                    Tie::Bleed => true,
                    Tie::Rater(senior) => masks[senior].as_slice()[i] != 0,
                };
        u8::from(is_taken)
    });
    Volume::new(masks[0].size(), voxels.collect()).map(Some)
}

/// The share of raters who took each voxel; `None` where there are none.
///
/// # Errors
///
/// [`VolumeError::SizesDiffer`] where masks are on different grids.
pub fn mean_mask(masks: &[&Volume<u8>]) -> Result<Option<Volume<f32>>, VolumeError> {
    let Some(votes) = votes(masks)? else { return Ok(None) };
    let share = |count: u16| f32::from(count) / masks.len() as f32;
    Volume::new(masks[0].size(), votes.into_iter().map(share).collect()).map(Some)
}

/// The voxels that any rater took; `None` where there are none.
///
/// # Errors
///
/// [`VolumeError::SizesDiffer`] where masks are on different grids.
pub fn union(masks: &[&Volume<u8>]) -> Result<Option<Volume<u8>>, VolumeError> {
    at_least(masks, 1)
}

/// The voxels that every rater took; `None` where there are none.
///
/// # Errors
///
/// [`VolumeError::SizesDiffer`] where masks are on different grids.
pub fn intersection(masks: &[&Volume<u8>]) -> Result<Option<Volume<u8>>, VolumeError> {
    at_least(masks, masks.len())
}

/// How much the raters of a case dispute; `None` where there are none.
///
/// # Errors
///
/// [`VolumeError::SizesDiffer`] where masks are on different grids.
pub fn fusion_report(masks: &[&Volume<u8>]) -> Result<Option<FusionReport>, VolumeError> {
    let Some(votes) = votes(masks)? else { return Ok(None) };
    let anyone = votes.iter().filter(|&&count| count > 0).count();
    let everyone = votes.iter().filter(|&&count| usize::from(count) == masks.len()).count();
    Ok(Some(FusionReport {
        disputed: (anyone - everyone) as u64,
        unanimous: (anyone > 0).then(|| everyone as f64 / anyone as f64),
    }))
}

fn at_least(masks: &[&Volume<u8>], wanted: usize) -> Result<Option<Volume<u8>>, VolumeError> {
    let Some(votes) = votes(masks)? else { return Ok(None) };
    let voxels = votes.into_iter().map(|count| u8::from(usize::from(count) >= wanted));
    Volume::new(masks[0].size(), voxels.collect()).map(Some)
}

/// How many raters took each voxel.
fn votes(masks: &[&Volume<u8>]) -> Result<Option<Vec<u16>>, VolumeError> {
    let Some(first) = masks.first() else { return Ok(None) };
    let mut votes = vec![0_u16; first.as_slice().len()];
    for mask in masks {
        check(mask, first)?;
        for (count, &voxel) in votes.iter_mut().zip(mask.as_slice()) {
            *count += u16::from(voxel != 0);
        }
    }
    Ok(Some(votes))
}

pub(crate) fn check(mask: &Volume<u8>, first: &Volume<u8>) -> Result<(), VolumeError> {
    if mask.size() == first.size() {
        return Ok(());
    }
    Err(VolumeError::SizesDiffer { found: mask.size(), wanted: first.size() })
}
