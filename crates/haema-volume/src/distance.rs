//! Exact distances on a grid whose axes are at right angles.
//!
//! For the distances of points in any geometry, tilted stacks among them, see [`crate::Nearest`].

use crate::volume::Volume;

/// Distance from each voxel's centre to the nearest voxel of a kind, mm; infinite where there is none.
///
/// * `positions_mm` — where the centres lie along `[z, y, x]`, each ascending, one for each voxel:
///   slices may be unevenly stacked.
///
/// Time and memory grow with the number of voxels alone, whatever the mask.
///
/// # Panics
///
/// Where there are more or fewer positions than voxels along an axis.
///
/// # Source
///
/// P. Felzenszwalb, D. Huttenlocher, "Distance transforms of sampled functions", _Theory of Computing_
/// 8:415–428, 2012.
///
/// # Examples
///
/// ```
/// use haema_volume::{Volume, distances_mm};
///
/// let row = Volume::new([1, 1, 4], vec![1, 0, 0, 0])?;
/// let away = distances_mm(&row, [&[0.0], &[0.0], &[0.0, 0.5, 1.0, 1.5]], |&voxel| voxel != 0);
/// assert_eq!(away.as_slice(), [0.0, 0.5, 1.0, 1.5]);
/// # Ok::<(), haema_volume::VolumeError>(())
/// ```
pub fn distances_mm<T>(
    volume: &Volume<T>,
    positions_mm: [&[f64]; 3],
    is_wanted: impl Fn(&T) -> bool,
) -> Volume<f64> {
    let size = volume.size();
    assert_eq!(positions_mm.map(<[f64]>::len), size, "one position for each voxel of an axis");
    let mut squares = volume.map(|voxel| if is_wanted(voxel) { 0.0 } else { f64::INFINITY });
    let [depth, rows, columns] = size;
    let voxels = squares.as_mut_slice();
    let mut envelope = Envelope::default();
    for row in voxels.chunks_exact_mut(columns.max(1)) {
        envelope.lower(row, positions_mm[2]);
    }
    let mut line = vec![];
    for z in 0..depth {
        for x in 0..columns {
            let first = z * rows * columns + x;
            envelope.lower_strided(voxels, (first, columns), positions_mm[1], &mut line);
        }
    }
    for first in 0..rows * columns {
        envelope.lower_strided(voxels, (first, rows * columns), positions_mm[0], &mut line);
    }
    squares.map(|square| square.sqrt())
}

/// The lower envelope of parabolas that stand on a line.
#[derive(Default)]
struct Envelope {
    hull: Vec<Parabola>,
}

/// A parabola of the envelope: where its bottom is, how high, and from where on it is the lowest.
struct Parabola {
    bottom_mm: f64,
    height: f64,
    from_mm: f64,
}

impl Envelope {
    /// [`Envelope::lower`] for a line of which each voxel lies `step` behind the one before.
    fn lower_strided(
        &mut self,
        voxels: &mut [f64],
        (first, step): (usize, usize),
        places_mm: &[f64],
        line: &mut Vec<f64>,
    ) {
        line.clear();
        line.extend(voxels[first..].iter().step_by(step).take(places_mm.len()));
        self.lower(line, places_mm);
        for (voxel, value) in voxels[first..].iter_mut().step_by(step).zip(line.iter()) {
            *voxel = *value;
        }
    }

    /// Replaces each value by the lowest of the parabolas that stand on all values.
    fn lower(&mut self, line: &mut [f64], places_mm: &[f64]) {
        let hull = &mut self.hull;
        hull.clear();
        let standing = line.iter().zip(places_mm).filter(|(height, _)| height.is_finite());
        for (&height, &bottom_mm) in standing {
            let mut from_mm = f64::NEG_INFINITY;
            while let Some(last) = hull.last() {
                let rise = height - last.height;
                let run_mm = bottom_mm - last.bottom_mm;
                from_mm = 0.5 * (rise / run_mm + bottom_mm + last.bottom_mm);
                if from_mm > last.from_mm {
                    break;
                }
                hull.pop();
                from_mm = f64::NEG_INFINITY;
            }
            hull.push(Parabola { bottom_mm, height, from_mm });
        }
        if hull.is_empty() {
            return;
        }
        let mut at = 0;
        for (value, place_mm) in line.iter_mut().zip(places_mm) {
            while hull.get(at + 1).is_some_and(|next| next.from_mm <= *place_mm) {
                at += 1;
            }
            *value = hull[at].height + (place_mm - hull[at].bottom_mm).powi(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Nearest, Vec3};

    proptest! {
        #[test]
        fn distances_are_those_of_the_nearest_voxel_and_of_the_tree(
            voxels in proptest::collection::vec(0..6_u8, 3 * 5 * 6),
            steps in proptest::collection::vec(0.3..2.0_f64, 6),
        ) {
            let volume = Volume::new([3, 5, 6], voxels).unwrap();
            let places: Vec<f64> =
                steps.iter().scan(0.0, |sum, step| { *sum += step; Some(*sum) }).collect();
            let positions = [&places[..3], &places[..5], &places[..]];
            let point = |i: usize| -> Vec3 {
                [positions[0][i / 30], positions[1][i / 6 % 5], positions[2][i % 6]]
            };
            let wanted: Vec<usize> = (0..90).filter(|&i| volume.as_slice()[i] == 0).collect();
            let tree = Nearest::of(wanted.iter().map(|&i| point(i)).collect());

            let found = distances_mm(&volume, positions, |&voxel| voxel == 0);

            for (i, found) in found.as_slice().iter().enumerate() {
                let away = |j: &usize| crate::norm(crate::sub(point(i), point(*j)));
                let nearest = wanted.iter().map(away).fold(f64::INFINITY, f64::min);
                prop_assert!((found - nearest).abs() < 1e-9 || *found == nearest, "{found} {nearest}");
                prop_assert_eq!(tree.distance_mm(point(i)), wanted.first().map(|_| nearest));
            }
        }
    }
}
