//! Whether a scan can be trusted to be a head CT in Hounsfield units, before anything is computed.
//!
//! What the header tells (modality, photometric interpretation, scouts) is judged where it is read.
//! Here the voxels speak: a NIfTI file says nothing about its modality, and a converter may have
//! lost the rescale.

use haema_volume::{CtVolume, Grid, Orientation, OrientationError, Volume};
use thiserror::Error;

/// The coarsest head protocols in use have 10 mm slices and about a dozen of them.
const FEWEST_SLICES: usize = 10;

/// Air around a head fills a third of the picture; 1 % is left where somebody cropped it tightly.
const LEAST_AIR_PERCENT: f64 = 1.0;

/// The bone window of imported sets ends at −900 HU, so air is taken to begin a little above.
const AIR_HU: f32 = -800.0;

/// Scanners store 12 bits, with extended scales 16; padding goes down to −3024. A wider range is
/// another quantity or a wrong slope.
const PLAUSIBLE_HU: [f32; 2] = [-5000.0, 40_000.0];

/// Fat and anything heavier.
const BODY_HU: f32 = -200.0;

/// A newborn's head is 400 mL.
const LEAST_BODY_ML: f64 = 100.0;

/// A brain is some 130 mm high; a shorter stack shows only part of it.
const LEAST_COVERAGE_MM: f64 = 100.0;

/// Why a scan was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A scout, a single slice, a handful of slices.
    #[error("the scan has {found} slices: wanted at least {wanted} for a head")]
    TooFewSlices {
        /// How many there are along the body.
        found: usize,
        /// How many are needed.
        wanted: usize,
    },
    /// Slices that lie so that no head can be made of them.
    #[error(transparent)]
    Geometry(#[from] OrientationError),
    /// Voxels that are no numbers.
    #[error("{count} voxels are NaN or infinite: wanted Hounsfield units in every voxel")]
    NotFinite {
        /// How many.
        count: usize,
    },
    /// Nothing in it.
    #[error("every voxel is {value_hu} HU: the scan is empty")]
    Constant {
        /// The value of every voxel.
        value_hu: f32,
    },
    /// Not a CT's numbers.
    #[error(
        "voxels run from {lowest_hu} to {highest_hu}: wanted Hounsfield units, {wanted_lowest_hu} \
         to {wanted_highest_hu} at most"
    )]
    OutOfRange {
        /// The lowest voxel.
        lowest_hu: f32,
        /// The highest voxel.
        highest_hu: f32,
        /// The lowest that is taken.
        wanted_lowest_hu: f32,
        /// The highest that is taken.
        wanted_highest_hu: f32,
    },
    /// No air, which every CT of a head has around it.
    #[error(
        "{found_percent:.2} % of the voxels are air (below {AIR_HU} HU), the lowest is {lowest_hu} HU: \
         wanted at least {LEAST_AIR_PERCENT} %. The values are not Hounsfield units, or the air \
         around the head was removed"
    )]
    NoAir {
        /// Share of the voxels that are air.
        found_percent: f64,
        /// The lowest voxel.
        lowest_hu: f32,
    },
    /// Nothing but air.
    #[error("{found_ml:.0} mL are denser than air: wanted at least {LEAST_BODY_ML} mL of head")]
    NoBody {
        /// Volume of what is denser than fat.
        found_ml: f64,
    },
}

impl Refusal {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Geometry(_) => "the axial series of the same examination will do",
            Self::TooFewSlices { .. } => {
                "give the whole axial series, not a scout or single slices"
            }
            Self::NotFinite { .. } | Self::Constant { .. } | Self::NoBody { .. } => {
                "open the scan in a viewer: it may be damaged"
            }
            Self::OutOfRange { .. } | Self::NoAir { .. } => {
                "haema needs CT as it came from the scanner, not MR, not a windowed or brain-extracted \
                 copy; if a converter made this file, check that it kept slope and intercept"
            }
        }
    }
}

/// Refuses what cannot be trusted, and says what is doubtful about the rest.
///
/// # Errors
///
/// [`Refusal`], the first that applies.
pub(crate) fn check(ct: &CtVolume) -> Result<Vec<String>, Refusal> {
    let grid = Orientation::of(ct.grid()).canonical_grid(ct.grid())?;
    let [slices, ..] = grid.size();
    if slices < FEWEST_SLICES {
        return Err(Refusal::TooFewSlices { found: slices, wanted: FEWEST_SLICES });
    }
    let range = Range::of(ct.voxels_hu())?;
    range.check()?;
    let air = ct.voxels_hu().as_slice().iter().filter(|&&hu| hu < AIR_HU).count();
    let found_percent = 100.0 * air as f64 / ct.voxels_hu().as_slice().len() as f64;
    if found_percent < LEAST_AIR_PERCENT {
        return Err(Refusal::NoAir { found_percent, lowest_hu: range.lowest_hu });
    }
    let found_ml = body_ml(ct);
    if found_ml < LEAST_BODY_ML {
        return Err(Refusal::NoBody { found_ml });
    }
    Ok(coverage_warning(&grid).into_iter().collect())
}

struct Range {
    lowest_hu: f32,
    highest_hu: f32,
}

impl Range {
    fn of(voxels_hu: &Volume<f32>) -> Result<Self, Refusal> {
        let (mut lowest_hu, mut highest_hu, mut odd) = (f32::INFINITY, f32::NEG_INFINITY, 0);
        for &hu in voxels_hu.as_slice() {
            odd += usize::from(!hu.is_finite());
            lowest_hu = lowest_hu.min(hu);
            highest_hu = highest_hu.max(hu);
        }
        if odd > 0 {
            return Err(Refusal::NotFinite { count: odd });
        }
        Ok(Self { lowest_hu, highest_hu })
    }

    fn check(&self) -> Result<(), Refusal> {
        let Self { lowest_hu, highest_hu } = *self;
        let [wanted_lowest_hu, wanted_highest_hu] = PLAUSIBLE_HU;
        if lowest_hu == highest_hu {
            return Err(Refusal::Constant { value_hu: lowest_hu });
        }
        if lowest_hu < wanted_lowest_hu || highest_hu > wanted_highest_hu {
            return Err(Refusal::OutOfRange {
                lowest_hu,
                highest_hu,
                wanted_lowest_hu,
                wanted_highest_hu,
            });
        }
        Ok(())
    }
}

fn body_ml(ct: &CtVolume) -> f64 {
    let slice_ml = |z: usize| {
        let count = ct.voxels_hu().plane(z).iter().filter(|&&hu| hu > BODY_HU).count();
        count as f64 * ct.grid().voxel_volume_mm3(z) / 1000.0
    };
    (0..ct.grid().size()[0]).map(slice_ml).sum()
}

fn coverage_warning(grid: &Grid) -> Option<String> {
    let coverage_mm: f64 = (0..grid.size()[0]).map(|z| grid.slice_thickness_mm(z)).sum();
    (coverage_mm < LEAST_COVERAGE_MM).then(|| {
        format!(
            "the scan covers {coverage_mm:.0} mm along the body, less than a head: a bleed may lie \
             outside it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball of brain in air, 20 slices 6 mm apart, 64 × 64 pixels of 3 mm.
    fn head() -> Volume<f32> {
        Volume::from_fn([20, 64, 64], |[z, y, x]| {
            let mm = [(z as f64 - 9.5) * 6.0, (y as f64 - 31.5) * 3.0, (x as f64 - 31.5) * 3.0];
            let is_inside = mm.iter().map(|v| v * v).sum::<f64>() < 70.0 * 70.0;
            if is_inside { 30.0 } else { -1000.0 }
        })
    }

    fn ct(voxels: Volume<f32>) -> CtVolume {
        let [depth, rows, columns] = voxels.size();
        let origins = (0..depth).map(|z| [0.0, 0.0, 6.0 * z as f64]).collect();
        let grid =
            Grid::from_slices([rows, columns], [3.0, 0.0, 0.0], [0.0, 3.0, 0.0], origins, 6.0);
        CtVolume::new(voxels, grid.unwrap()).unwrap()
    }

    fn refusal_of(voxels: Volume<f32>) -> String {
        check(&ct(voxels)).unwrap_err().to_string()
    }

    #[test]
    fn a_head_passes_without_a_word() {
        assert_eq!(check(&ct(head())), Ok(vec![]));
    }

    #[test]
    fn a_short_stack_passes_with_a_warning() {
        let head = head();
        let short = Volume::from_fn([10, 64, 64], |[z, y, x]| head[[z + 5, y, x]]);

        let warnings = check(&ct(short)).unwrap();

        assert_eq!(
            warnings,
            ["the scan covers 60 mm along the body, less than a head: a bleed may lie outside it"]
        );
    }

    #[test]
    fn two_slices_are_refused() {
        assert_eq!(
            refusal_of(Volume::filled([2, 64, 64], 0.0)),
            "the scan has 2 slices: wanted at least 10 for a head"
        );
    }

    #[test]
    fn slices_are_counted_along_the_body_however_they_are_stored() {
        let voxels = Volume::filled([64, 64, 3], 0.0);
        let sagittal = haema_volume::Affine::from_steps(
            [0.0, 0.0, 6.0],
            [0.0, 3.0, 0.0],
            [3.0, 0.0, 0.0],
            [0.0; 3],
        );
        let grid = Grid::from_affine([64, 64, 3], &sagittal).unwrap();

        let refusal = check(&CtVolume::new(voxels, grid).unwrap()).unwrap_err();

        assert_eq!(refusal, Refusal::TooFewSlices { found: 3, wanted: 10 });
    }

    #[test]
    fn an_empty_scan_and_one_with_nan_are_refused() {
        let mut nan = head();
        nan[[3, 4, 5]] = f32::NAN;

        assert_eq!(
            refusal_of(Volume::filled([20, 64, 64], -1024.0)),
            "every voxel is -1024 HU: the scan is empty"
        );
        assert_eq!(
            refusal_of(nan),
            "1 voxels are NaN or infinite: wanted Hounsfield units in every voxel"
        );
    }

    #[test]
    fn an_unshifted_scan_an_mr_and_a_wrong_slope_are_refused() {
        // Stored values without their intercept: air at 24.
        let unshifted = head().map(|hu| hu + 1024.0);
        let stretched = head().map(|hu| hu * 100.0);

        assert!(matches!(check(&ct(unshifted)), Err(Refusal::NoAir { lowest_hu: 24.0, .. })));
        assert!(matches!(check(&ct(stretched)), Err(Refusal::OutOfRange { .. })));
    }

    #[test]
    fn a_picture_of_air_is_refused() {
        let mut noise = Volume::filled([20, 64, 64], -1000.0);
        noise[[3, 4, 5]] = -990.0;

        assert_eq!(check(&ct(noise)), Err(Refusal::NoBody { found_ml: 0.0 }));
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let refusal = Refusal::NoAir { found_percent: 0.0, lowest_hu: 0.0 };

        assert!(refusal.hint().contains("slope and intercept"));
    }
}
