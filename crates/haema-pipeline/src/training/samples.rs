//! Cases brought to the network's grid once, before training.

use std::num::NonZeroUsize;

use haema_io::dataset::Case;
use haema_methods::frame::{Frame, Preprocessing};
use haema_sim::paint::HeadMap;
use haema_volume::{CtVolume, Volume, close_in_plane, parallel};

use super::augment::Pair;
use super::error::TrainError;

/// A case in the network's grid.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) id: String,
    pub(crate) pair: Pair,
    /// Voxels of the scan's own grid that are bleed.
    pub(crate) bleed_voxels: usize,
    /// Where bleeds can be painted; `None` where no skull is found.
    pub(crate) head: Option<HeadMap>,
}

/// Reads cases and brings them to the network's grid, in their order.
///
/// * `closing_mm` — radius of the disc that masks are closed by, beside the preprocessing.
pub(crate) fn load(
    cases: &[Case],
    (preprocessing, closing_mm): (&Preprocessing, Option<f64>),
    threads: NonZeroUsize,
) -> Result<Vec<Sample>, TrainError> {
    let load = |_, case: &Case| load_one(case, preprocessing, closing_mm);
    parallel::map(cases.iter(), threads, load).into_iter().collect()
}

fn load_one(
    case: &Case,
    preprocessing: &Preprocessing,
    closing_mm: Option<f64>,
) -> Result<Sample, TrainError> {
    let id = case.id().to_owned();
    let read = |source| TrainError::Read { id: id.clone(), source: Box::new(source) };
    let image = case.read_image().map_err(read)?;
    let Some(label) = case.read_label().map_err(read)? else {
        return Err(TrainError::NoLabel { id });
    };
    let label = match closing_mm {
        Some(radius_mm) => {
            let [_, _, pixel_mm] = image.grid().spacing_mm();
            close_in_plane(&label, radius_mm / pixel_mm)
        }
        None => label,
    };
    Sample::bring(id, &image, &label, preprocessing)
}

impl Sample {
    /// Brings a scan and its mask to the network's grid.
    pub(crate) fn bring(
        id: String,
        image: &CtVolume,
        label: &Volume<u8>,
        preprocessing: &Preprocessing,
    ) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Preprocess { id: id.clone(), source: Box::new(source) };
        let frame = Frame::plan(image, preprocessing).map_err(failed)?;
        let pair = Pair {
            size: frame.network_size(),
            image: frame.image(image).map_err(failed)?.into_voxels(),
            target: frame.label(label).map_err(failed)?.into_voxels(),
        };
        let bleed_voxels = label.as_slice().iter().filter(|&&voxel| voxel != 0).count();
        let [low, high] = preprocessing.window_hu;
        let image_hu: Vec<f32> =
            pair.image.iter().map(|value| low + value * (high - low)).collect();
        let spacing_mm = frame.network_grid().spacing_mm().map(|mm| mm as f32);
        let head = HeadMap::of(&image_hu, pair.size, spacing_mm);
        Ok(Self { id, pair, bleed_voxels, head })
    }
}
