//! The same stack in larger voxels.

use super::{Grid, Slices};
use crate::affine::{Vec3, add, scale};

impl Grid {
    /// The grid whose voxels are `together` `[z, y, x]` of these each; what does not fill a voxel at
    /// the far ends is left out.
    ///
    /// # Panics
    ///
    /// Where an axis of `together` is 0 or longer than the grid.
    pub(crate) fn coarsened(&self, together: [usize; 3]) -> Self {
        let size: [usize; 3] = std::array::from_fn(|axis| self.size[axis] / together[axis]);
        assert!(!size.contains(&0), "{together:?} voxels do not fit into {:?}", self.size);
        let middle = |n: usize| 0.5 * (n as f64 - 1.0);
        let in_plane = add(
            scale(self.y_step_lps_mm, middle(together[1])),
            scale(self.x_step_lps_mm, middle(together[2])),
        );
        let slices = match &self.slices {
            Slices::Even { origin_lps_mm, step_lps_mm } => {
                let across = scale(*step_lps_mm, middle(together[0]));
                Slices::Even {
                    origin_lps_mm: add(*origin_lps_mm, add(in_plane, across)),
                    step_lps_mm: scale(*step_lps_mm, together[0] as f64),
                }
            }
            Slices::Each { origins_lps_mm, reaches_mm } => {
                let groups = origins_lps_mm.chunks_exact(together[0]);
                let mean = |group: &[Vec3]| {
                    scale(group.iter().fold([0.0; 3], |a, &b| add(a, b)), 1.0 / group.len() as f64)
                };
                let reach = |group: &[[f64; 2]]| [0.5 * group.iter().flatten().sum::<f64>(); 2];
                Slices::Each {
                    origins_lps_mm: groups.map(|group| add(mean(group), in_plane)).collect(),
                    reaches_mm: reaches_mm.chunks_exact(together[0]).map(reach).collect(),
                }
            }
        };
        Self {
            size,
            x_step_lps_mm: scale(self.x_step_lps_mm, together[2] as f64),
            y_step_lps_mm: scale(self.y_step_lps_mm, together[1] as f64),
            slices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_voxel_lies_in_the_middle_of_its_parts() {
        let origins = vec![[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 2.0, 4.0], [0.0, 3.0, 5.0]];
        let grid =
            Grid::from_slices([9, 8], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0], origins, 1.0).unwrap();

        let coarse = grid.coarsened([2, 4, 4]);

        assert_eq!(coarse.size(), [2, 2, 2]);
        assert_eq!(coarse.slice_origin_lps_mm(0), [0.75, 1.25, 0.5]);
        assert_eq!(coarse.slice_origin_lps_mm(1), [0.75, 3.25, 4.5]);
        assert_eq!(coarse.x_step_lps_mm(), [2.0, 0.0, 0.0]);
    }
}
