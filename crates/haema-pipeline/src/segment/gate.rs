//! Whether a scan can be trusted to be a head CT in Hounsfield units, before anything is computed.
//!
//! What the header tells (modality, photometric interpretation, scouts) is judged where it is read.
//! Here the voxels speak: a NIfTI file says nothing about its modality, and a converter may have
//! lost the rescale.

use std::num::NonZeroUsize;

use haema_io::plausibility;
use haema_volume::{CtVolume, Grid, Orientation, OrientationError, Towards};
use thiserror::Error;

use super::look::{AIR_HU, Look};
use crate::report::{Check, Gate};

/// The coarsest head protocols in use have 10 mm slices and about a dozen of them.
const FEWEST_SLICES: usize = 10;

/// Air around a head fills a third of the picture; 1 % is left where somebody cropped it tightly.
const LEAST_AIR_PERCENT: f64 = 1.0;

/// Scanners store 12 bits, with extended scales 16; padding goes down to −3024. A wider range is
/// another quantity or a wrong slope.
const PLAUSIBLE_HU: [f32; 2] = [-5000.0, 40_000.0];

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

/// No protocol for heads has thicker slices; between such, bleeds are missed.
const THICKEST_MM: f64 = 10.5;
/// What a bone kernel gives in brain; soft ones have 1 to 6 HU.
const NOISIEST_HU: f64 = 12.0;
/// More metal than a clip casts streaks.
const MOST_METAL_ML: f64 = 0.1;
/// From slice to slice heads bend by less.
const LARGEST_JUMP_MM: f64 = 6.0;
/// Blood and bone differ up to here, air and brain down to here.
const WANTED_RANGE_HU: [f32; 2] = [-500.0, 400.0];

/// Refuses what cannot be trusted, and says what is doubtful about the rest.
///
/// # Errors
///
/// [`Refusal`], the first that applies.
pub(crate) fn check(ct: &CtVolume, threads: NonZeroUsize) -> Result<Gate, Refusal> {
    let orientation = Orientation::of(ct.grid());
    let grid = orientation.canonical_grid(ct.grid())?;
    let [slices, ..] = grid.size();
    if slices < FEWEST_SLICES {
        return Err(Refusal::TooFewSlices { found: slices, wanted: FEWEST_SLICES });
    }
    let look = Look::at(ct, threads);
    check_range(&look)?;
    let Look { air_percent: found_percent, lowest_hu, body_ml: found_ml, .. } = look;
    if found_percent < LEAST_AIR_PERCENT {
        return Err(Refusal::NoAir { found_percent, lowest_hu });
    }
    if found_ml < LEAST_BODY_ML {
        return Err(Refusal::NoBody { found_ml });
    }
    let slices_are_stored_in_order =
        matches!(orientation.towards()[2], Towards::Superior | Towards::Inferior);
    Ok(Gate::new(vec![
        coverage(&grid),
        thickness(&grid),
        contrast(ct),
        kernel(&look),
        metal(&look),
        if slices_are_stored_in_order {
            motion(&look, &grid)
        } else {
            Check::not_checked("motion", "slices are not stored along the body")
        },
        clipped(&look),
    ]))
}

fn check_range(look: &Look) -> Result<(), Refusal> {
    let &Look { lowest_hu, highest_hu, odd, .. } = look;
    let [wanted_lowest_hu, wanted_highest_hu] = PLAUSIBLE_HU;
    if odd > 0 {
        return Err(Refusal::NotFinite { count: odd });
    }
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

fn coverage(grid: &Grid) -> Check {
    let coverage_mm: f64 = (0..grid.size()[0]).map(|z| grid.slice_thickness_mm(z)).sum();
    let is_short = coverage_mm < LEAST_COVERAGE_MM;
    let mut found = format!("the scan covers {coverage_mm:.0} mm along the body");
    if is_short {
        found += ", less than a head: a bleed may lie outside it";
    }
    Check::new("coverage", is_short, found)
}

fn thickness(grid: &Grid) -> Check {
    let thickest_mm = (0..grid.size()[0]).map(|z| grid.slice_thickness_mm(z)).fold(0.0, f64::max);
    let is_thick = thickest_mm > THICKEST_MM;
    let mut found = format!("slices stand for {thickest_mm:.1} mm at most");
    if is_thick {
        found += ": small bleeds between them are missed, and volumes are rough";
    }
    Check::new("thickness", is_thick, found)
}

fn contrast(ct: &CtVolume) -> Check {
    let doubt =
        plausibility::doubts(ct).into_iter().find(|doubt| doubt.contains("contrast medium"));
    let is_doubt = doubt.is_some();
    let found = doubt.unwrap_or_else(|| "no sign of contrast medium".to_owned());
    Check::new("contrast", is_doubt, found)
}

fn kernel(look: &Look) -> Check {
    let Some(noise_hu) = look.noise_hu else {
        return Check::not_checked("kernel", "there is too little brain to see noise in");
    };
    let is_sharp = noise_hu > NOISIEST_HU;
    let mut found = format!("pixels in the brain differ from their neighbours by {noise_hu:.1} HU");
    if is_sharp {
        found += ": a bone kernel or little dose; the series with a soft kernel is better";
    }
    Check::new("kernel", is_sharp, found)
}

fn metal(look: &Look) -> Check {
    let is_much = look.metal_ml > MOST_METAL_ML;
    let mut found = format!("{:.1} mL are denser than any bone", look.metal_ml);
    if is_much {
        found += ": metal, whose streaks may look like blood or hide it";
    }
    Check::new("metal", is_much, found)
}

/// A head that moved between slices does not lie on the line of its neighbours.
fn motion(look: &Look, grid: &Grid) -> Check {
    let centres = &look.centres_mm;
    let jump = |z: usize| {
        let ([Some(before), Some(here)], Some(after)) =
            ([centres[z - 1], centres[z]], centres[z + 1])
        else {
            return 0.0;
        };
        let off = |i: usize| here[i] - 0.5 * (before[i] + after[i]);
        off(0).hypot(off(1))
    };
    let steps_are_even = grid.is_evenly_spaced();
    // The ends of the head, where the neck, nose and vertex begin, jump by themselves.
    let inner = centres.len() / 4..(centres.len() - centres.len() / 6).saturating_sub(1);
    let largest_mm = inner.filter(|z| *z > 0).map(jump).fold(0.0, f64::max);
    if !steps_are_even {
        return Check::not_checked("motion", "slices are unevenly spaced");
    }
    let has_moved = largest_mm > LARGEST_JUMP_MM;
    let mut found = format!("slices lie within {largest_mm:.1} mm of their neighbours' line");
    if has_moved {
        found += ": the head has moved during the scan";
    }
    Check::new("motion", has_moved, found)
}

fn clipped(look: &Look) -> Check {
    let &Look { lowest_hu, highest_hu, .. } = look;
    let is_clipped = lowest_hu > WANTED_RANGE_HU[0] || highest_hu < WANTED_RANGE_HU[1];
    let mut found = format!("voxels run from {lowest_hu} to {highest_hu} HU");
    if is_clipped {
        found +=
            ": part of the range was cut off; haema needs the scan as it came from the scanner";
    }
    Check::new("clipped_hu", is_clipped, found)
}

#[cfg(test)]
mod tests {
    use haema_volume::Volume;

    use super::*;
    use crate::report::Verdict;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    fn checked(ct: &CtVolume) -> Result<Gate, Refusal> {
        check(ct, TWO)
    }

    /// What is doubted about a scan: ids and words.
    fn doubts(voxels: Volume<f32>) -> Vec<String> {
        let gate = checked(&ct(voxels)).unwrap();
        let told: Vec<String> = gate.doubts().map(str::to_owned).collect();
        assert_eq!(gate.verdict == Verdict::Usable, told.is_empty());
        told
    }

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

    /// The same head with a skull, which has what a scan must have.
    fn skulled() -> Volume<f32> {
        let head = head();
        Volume::from_fn(head.size(), |[z, y, x]| {
            let mm = [(z as f64 - 9.5) * 6.0, (y as f64 - 31.5) * 3.0, (x as f64 - 31.5) * 3.0];
            let far = mm.iter().map(|v| v * v).sum::<f64>().sqrt();
            if (64.0..70.0).contains(&far) { 900.0 } else { head[[z, y, x]] }
        })
    }

    #[test]
    fn what_makes_a_scan_doubtful_is_told_in_words() {
        let with = |change: &dyn Fn([usize; 3], f32) -> f32| {
            let head = skulled();
            doubts(Volume::from_fn(head.size(), |index| change(index, head[index])))
        };
        // A block of 8 voxels of 54 mm³.
        let clip = |[z, y, x]: [usize; 3], hu: f32| {
            let is_clip = z / 2 == 5 && y / 2 == 16 && x / 2 == 16;
            if is_clip { 3071.0 } else { hu }
        };
        let moved =
            |[z, y, x]: [usize; 3]| if z == 9 && x >= 5 { [z, y, x - 5] } else { [z, y, x] };
        let head = skulled();

        assert!(with(&clip)[0].contains("metal, whose streaks"), "{:?}", with(&clip));
        let jumped = doubts(Volume::from_fn(head.size(), |index| head[moved(index)]));
        assert!(jumped[0].contains("the head has moved"), "{jumped:?}");
        let noisy = with(&|[z, y, x], hu| {
            let sign = if (z + y + x) % 2 == 0 { 25.0 } else { -25.0 };
            if hu > 0.0 && hu < 100.0 { hu + sign } else { hu }
        });
        assert!(noisy[0].contains("a bone kernel or little dose"), "{noisy:?}");
        let clipped = with(&|_, hu| hu.min(100.0));
        assert!(clipped[0].contains("part of the range was cut off"), "{clipped:?}");
    }

    fn refusal_of(voxels: Volume<f32>) -> String {
        checked(&ct(voxels)).unwrap_err().to_string()
    }

    #[test]
    fn a_head_passes_without_a_word() {
        let gate = checked(&ct(skulled())).unwrap();

        assert_eq!(gate.doubts().count(), 0, "{gate:?}");
        let ids: Vec<&str> = gate.checks.iter().map(|check| check.id.as_str()).collect();
        assert_eq!(
            ids,
            ["coverage", "thickness", "contrast", "kernel", "metal", "motion", "clipped_hu"]
        );
    }

    #[test]
    fn a_short_stack_passes_with_a_warning() {
        let head = skulled();
        let short = Volume::from_fn([10, 64, 64], |[z, y, x]| head[[z + 5, y, x]]);

        assert_eq!(
            doubts(short),
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

        let refusal = checked(&CtVolume::new(voxels, grid).unwrap()).unwrap_err();

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

        assert!(matches!(checked(&ct(unshifted)), Err(Refusal::NoAir { lowest_hu: 24.0, .. })));
        assert!(matches!(checked(&ct(stretched)), Err(Refusal::OutOfRange { .. })));
    }

    #[test]
    fn a_picture_of_air_is_refused() {
        let mut noise = Volume::filled([20, 64, 64], -1000.0);
        noise[[3, 4, 5]] = -990.0;

        assert_eq!(checked(&ct(noise)), Err(Refusal::NoBody { found_ml: 0.0 }));
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let refusal = Refusal::NoAir { found_percent: 0.0, lowest_hu: 0.0 };

        assert!(refusal.hint().contains("slope and intercept"));
    }
}
