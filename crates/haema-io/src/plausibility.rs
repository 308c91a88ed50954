//! Whether Hounsfield units look like those of a non-contrast head CT, whatever file they came in.

use haema_volume::CtVolume;

/// Air is −1000 HU; a scan without anything below this shows no air, or is on another scale.
const AIR_EXPECTED_BELOW_HU: f32 = -500.0;

/// Brighter than any clot (90 to 100 HU at most), darker than the skull.
const BRIGHT_HU: std::ops::RangeInclusive<f32> = 130.0..=600.0;

/// What brain, its fluid and blood have, with noise.
const BRAIN_HU: std::ops::RangeInclusive<f32> = -20.0..=110.0;

/// How far around a bright voxel there must be brain. Wider than the widest sinus, and wide enough
/// that the edge of bone, which passes through all values, has bone on the ring.
const RING_MM: f64 = 9.0;

/// More bright tissue than this within brain is told. Calcified pineal gland and choroid plexus
/// stay below; a guess, held against scans without contrast only.
const BRIGHT_MAX_ML: f64 = 2.0;

/// Sentences on numbers that a non-contrast head CT does not have.
pub fn doubts(ct: &CtVolume) -> Vec<String> {
    let mut doubts = Vec::new();
    let all_hu = ct.voxels_hu().as_slice();
    if !all_hu.iter().any(|&hu| hu <= AIR_EXPECTED_BELOW_HU) {
        let darkest = all_hu.iter().copied().fold(f32::INFINITY, f32::min);
        doubts.push(format!(
            "no voxel is as dark as air (the darkest has {darkest:.0} HU): these may not be \
             Hounsfield units"
        ));
    }
    let bright_ml = bright_within_brain_ml(ct);
    if bright_ml > BRIGHT_MAX_ML {
        doubts.push(format!(
            "{bright_ml:.0} mL within the brain are brighter than any blood ({:.0} HU and more): \
             contrast medium, calcification or metal",
            BRIGHT_HU.start()
        ));
    }
    doubts
}

/// Volume of bright voxels with brain all around them in their slice, mL.
fn bright_within_brain_ml(ct: &CtVolume) -> f64 {
    let grid = ct.grid();
    let [slices, rows, columns] = grid.size();
    let [_, row_mm, column_mm] = grid.spacing_mm();
    let ring = ring(RING_MM / row_mm, RING_MM / column_mm);
    let mut volume_mm3 = 0.0;
    for z in 0..slices {
        let plane = ct.voxels_hu().plane(z);
        let is_brain = |y: usize, x: usize, [dy, dx]: [isize; 2]| {
            let place = y.checked_add_signed(dy).zip(x.checked_add_signed(dx));
            let inside = place.filter(|&(y, x)| y < rows && x < columns);
            inside.is_some_and(|(y, x)| BRAIN_HU.contains(&plane[y * columns + x]))
        };
        let bright_in = |(y, row): (usize, &[f32])| {
            let bright = row.iter().enumerate().filter(|(_, hu)| BRIGHT_HU.contains(hu));
            bright.filter(|&(x, _)| ring.iter().all(|&step| is_brain(y, x, step))).count()
        };
        let bright: usize = plane.chunks_exact(columns.max(1)).enumerate().map(bright_in).sum();
        volume_mm3 += bright as f64 * grid.voxel_volume_mm3(z);
    }
    volume_mm3 / 1000.0
}

/// Twelve steps `[y, x]` around a voxel, in voxels, at radii given in voxels.
fn ring(radius_y: f64, radius_x: f64) -> [[isize; 2]; 12] {
    std::array::from_fn(|i| {
        let (sin, cos) = (std::f64::consts::TAU * i as f64 / 12.0).sin_cos();
        [(radius_y * sin).round() as isize, (radius_x * cos).round() as isize]
    })
}

#[cfg(test)]
mod tests {
    use haema_volume::{Affine, Grid, Volume};

    use super::*;

    /// A skull of 10 mm around brain, 150 mm wide, with one straight vessel of 7 mm along `z` at
    /// `vessel_mm` from the middle. 1 mm voxels, 40 slices.
    fn head(vessel_hu: f32, vessel_mm: f64) -> CtVolume {
        let size = [40, 160, 160];
        let steps = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let affine = Affine::from_steps(steps.0, steps.1, steps.2, [0.0; 3]);
        let voxels = Volume::from_fn(size, |[_, y, x]| {
            let (y, x) = (y as f64 - 80.0, x as f64 - 80.0);
            match x.hypot(y) {
                _ if (x - vessel_mm).hypot(y) < 3.5 => vessel_hu,
                r if r < 65.0 => 35.0,
                r if r < 75.0 => 900.0 - 80.0 * (r - 70.0).abs() as f32,
                _ => -1000.0,
            }
        });
        CtVolume::new(voxels, Grid::from_affine(size, &affine).unwrap()).unwrap()
    }

    #[test]
    fn a_vessel_with_contrast_is_told_and_its_volume_is_right() {
        let ct = head(250.0, 20.0);

        // A disk of 37 pixels (the lattice points nearer than 3.5) on 40 slices of 1 mm.
        assert!((bright_within_brain_ml(&ct) - 37.0 * 40.0 / 1000.0).abs() < 1e-9);
        assert!(doubts(&ct).is_empty(), "1.5 mL may be calcified plexus");
    }

    #[test]
    fn contrast_medium_is_told() {
        let mut told = Vec::new();
        for hu in [35.0, 80.0, 250.0] {
            let (voxels, grid) = head(hu, 20.0).into_parts();
            // The same vessel a second time.
            let twice = Volume::from_fn(voxels.size(), |[z, y, x]| {
                voxels[[z, y, x]].max(voxels[[z, y, 159 - x]])
            });
            told.push(doubts(&CtVolume::new(twice, grid).unwrap()));
        }

        assert_eq!(told[0], told[1]);
        assert!(told[0].is_empty());
        insta::assert_snapshot!(told[2].join("\n"), @"3 mL within the brain are brighter than any blood (130 HU and more): contrast medium, calcification or metal");
    }

    #[test]
    fn the_edge_of_the_skull_is_no_vessel() {
        assert_eq!(bright_within_brain_ml(&head(35.0, 0.0)), 0.0);
        assert_eq!(bright_within_brain_ml(&head(250.0, 60.0)), 0.0);
    }
}
