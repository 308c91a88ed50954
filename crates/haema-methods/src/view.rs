//! What a network sees at once of a volume on its grid.

use haema_nn::{Engine, EngineError, NetSpec, Parameters};
use serde::{Deserialize, Serialize};

/// What a network sees at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum View {
    /// All of it.
    Whole {
        /// Whether the mirror image is looked at too, and both answers are averaged: a head has two alike
        /// halves, a bleed seldom.
        mirrored: bool,
    },
    /// Cubes that overlap, whose answers are averaged.
    Patches {
        /// Their side, voxels.
        side: usize,
        /// By how much they overlap, voxels.
        overlap: usize,
    },
    /// Slices, each by itself.
    Slices {
        /// How many go through the network together.
        at_once: usize,
        /// Side of windows of a slice, and how far apart they begin; whole slices where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<[usize; 2]>,
    },
}

/// A box of the volume, which may reach beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Its first voxel, `[z, y, x]`.
    pub start: [isize; 3],
    /// Its size.
    pub size: [usize; 3],
}

impl View {
    /// The size of every tile of a volume.
    pub fn tile_size(&self, size: [usize; 3]) -> [usize; 3] {
        match *self {
            Self::Whole { .. } => size,
            Self::Patches { side, .. } => [side; 3],
            Self::Slices { at_once, window } => {
                let side = |len: usize| window.map_or(len, |[side, _]| side.min(len));
                [at_once.min(size[0]), side(size[1]), side(size[2])]
            }
        }
    }

    /// The tiles that cover a volume, all of one size.
    ///
    /// # Source
    ///
    /// methods.md C1: the lattice of ellisdg/3DUnetCNN, centred, with its overhang at both ends. C2: windows
    /// from the first pixel on.
    pub fn tiles(&self, size: [usize; 3]) -> Vec<Tile> {
        let tile = self.tile_size(size);
        let starts: [Vec<isize>; 3] = std::array::from_fn(|axis| match *self {
            Self::Whole { .. } => vec![0],
            Self::Patches { side, overlap } => lattice(size[axis], side, overlap),
            Self::Slices { window, .. } => {
                let step = if axis == 0 { tile[0] } else { window.map_or(tile[axis], |w| w[1]) };
                from_first(size[axis], tile[axis], step)
            }
        });
        let mut tiles = Vec::new();
        for &z in &starts[0] {
            for &y in &starts[1] {
                tiles.extend(starts[2].iter().map(|&x| Tile { start: [z, y, x], size: tile }));
            }
        }
        tiles
    }

    /// Probabilities of a whole volume from those of its tiles.
    ///
    /// # Errors
    ///
    /// [`EngineError`] where the network does not take a tile's size, or the engine's device fails.
    pub(crate) fn probabilities(
        &self,
        (spec, params): (&NetSpec, &Parameters),
        (size, voxels): ([usize; 3], Vec<f32>),
        engine: &dyn Engine,
    ) -> Result<Vec<f32>, EngineError> {
        let mut network = engine.predictor(spec, params, self.tile_size(size))?;
        if let Self::Whole { mirrored } = *self {
            let mut probability = network.probabilities(&voxels)?;
            if mirrored {
                let mut mirror = voxels;
                mirror.chunks_mut(size[2]).for_each(<[f32]>::reverse);
                let mut second = network.probabilities(&mirror)?;
                second.chunks_mut(size[2]).for_each(<[f32]>::reverse);
                for (first, second) in probability.iter_mut().zip(&second) {
                    *first = f32::midpoint(*first, *second);
                }
            }
            return Ok(probability);
        }
        let (mut sums, mut counts) = (vec![0.0; voxels.len()], vec![0_u8; voxels.len()]);
        for tile in self.tiles(size) {
            let answer = network.probabilities(&tile.read(size, &voxels))?;
            tile.add(&answer, size, &mut sums, &mut counts);
        }
        for (sum, &count) in sums.iter_mut().zip(&counts) {
            *sum /= f32::from(count.max(1));
        }
        Ok(sums)
    }
}

/// Patches that begin `side − overlap` apart, as far beyond one end of an axis as beyond the other.
fn lattice(len: usize, side: usize, overlap: usize) -> Vec<isize> {
    let step = (side - overlap.min(side - 1)) as isize;
    let count = len.div_ceil(step as usize).max(1) as isize;
    let beyond = step * count - len as isize + overlap as isize;
    let first = -(beyond + 1).div_euclid(2);
    (0..count).map(|i| first + i * step).collect()
}

/// Tiles from the first voxel on; the last one ends with the axis.
fn from_first(len: usize, side: usize, step: usize) -> Vec<isize> {
    let last = len - side;
    let whole = (0..=last).step_by(step.max(1));
    let ends = !last.is_multiple_of(step.max(1));
    whole.chain(ends.then_some(last)).map(|start| start as isize).collect()
}

impl Tile {
    /// The voxels of the tile; beyond the volume those of its border.
    pub fn read(&self, size: [usize; 3], voxels: &[f32]) -> Vec<f32> {
        let within = |axis: usize, i: usize| {
            (self.start[axis] + i as isize).clamp(0, size[axis] as isize - 1) as usize
        };
        let mut read = Vec::with_capacity(self.size.iter().product());
        for z in 0..self.size[0] {
            for y in 0..self.size[1] {
                let row = (within(0, z) * size[1] + within(1, y)) * size[2];
                read.extend((0..self.size[2]).map(|x| voxels[row + within(2, x)]));
            }
        }
        read
    }

    /// Adds what lies within the volume, and counts it.
    fn add(&self, answer: &[f32], size: [usize; 3], sums: &mut [f32], counts: &mut [u8]) {
        let within = |axis: usize| {
            let from = (-self.start[axis]).max(0) as usize;
            let to = (size[axis] as isize - self.start[axis]).clamp(0, self.size[axis] as isize);
            from..(to as usize).max(from)
        };
        for z in within(0) {
            for y in within(1) {
                let at = |axis: usize, i: usize| (self.start[axis] + i as isize) as usize;
                let row = (at(0, z) * size[1] + at(1, y)) * size[2];
                for x in within(2) {
                    let here = row + at(2, x);
                    sums[here] += answer[(z * self.size[1] + y) * self.size[2] + x];
                    counts[here] = counts[here].saturating_add(1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCHES: View = View::Patches { side: 64, overlap: 16 };

    #[test]
    fn the_paper_has_eighteen_patches() {
        let tiles = PATCHES.tiles([64, 128, 128]);

        assert_eq!(tiles.len(), 18);
        let starts = |axis: usize| -> Vec<isize> {
            let mut starts: Vec<isize> = tiles.iter().map(|tile| tile.start[axis]).collect();
            starts.sort_unstable();
            starts.dedup();
            starts
        };
        assert_eq!((starts(0), starts(1)), (vec![-24, 24], vec![-16, 32, 80]));
    }

    #[test]
    fn hssayeni_has_forty_nine_windows_of_a_slice() {
        let view = View::Slices { at_once: 8, window: Some([160, 80]) };

        assert_eq!(view.tiles([1, 640, 640]).len(), 49);
        assert_eq!(view.tiles([20, 640, 640]).len(), 3 * 49);
    }

    #[test]
    fn every_voxel_is_seen_and_averages_give_back_what_was_there() {
        let slices = View::Slices { at_once: 4, window: None };
        let windows = View::Slices { at_once: 3, window: Some([8, 5]) };
        for view in [PATCHES, slices, windows, View::Patches { side: 8, overlap: 3 }] {
            let size = [10, 21, 17];
            let voxels: Vec<f32> = (0..10 * 21 * 17).map(|i| (i % 91) as f32).collect();
            let (mut sums, mut counts) = (vec![0.0; voxels.len()], vec![0; voxels.len()]);
            for tile in view.tiles(size) {
                assert_eq!(tile.size, view.tile_size(size));
                tile.add(&tile.read(size, &voxels), size, &mut sums, &mut counts);
            }

            for ((sum, &count), voxel) in sums.iter().zip(&counts).zip(&voxels) {
                assert!(count > 0 && (sum / f32::from(count) - voxel).abs() < 1e-4, "{view:?}");
            }
        }
    }

    #[test]
    fn beyond_the_volume_its_border_goes_on() {
        let tile = Tile { start: [0, -1, -2], size: [1, 2, 4] };

        assert_eq!(tile.read([1, 1, 2], &[3.0, 5.0]), [3.0, 3.0, 3.0, 5.0, 3.0, 3.0, 3.0, 5.0]);
    }
}
