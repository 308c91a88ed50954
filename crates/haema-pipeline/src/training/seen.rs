//! What one step of training sees of a case.

use std::num::NonZeroUsize;

use haema_methods::{Recipe, Tile, View};
use rand::{Rng as _, RngCore};

use super::augment::Pair;

/// Half of the steps look where the bleed is, so that background does not drown it.
const CENTRED: f64 = 0.5;

/// Brings a varied case to what the network expects, and draws the tile that a step is made of.
pub(super) fn draw(mut pair: Pair, recipe: &Recipe, rng: &mut impl RngCore) -> Pair {
    recipe.condition(pair.size, &mut pair.image, NonZeroUsize::MIN);
    match recipe.view {
        View::Whole { .. } => pair,
        View::Patches { .. } => {
            let tile = recipe.view.tile_size(pair.size);
            cut(&pair, around(&pair, tile, rng))
        }
        View::Slices { .. } => slices(&pair, recipe.view.tile_size(pair.size), rng),
    }
}

/// The tiles that cover a case, in order: what validation sees.
pub(super) fn tiles(mut pair: Pair, recipe: &Recipe, threads: NonZeroUsize) -> Vec<Pair> {
    recipe.condition(pair.size, &mut pair.image, threads);
    if matches!(recipe.view, View::Whole { .. }) {
        return vec![pair];
    }
    recipe.view.tiles(pair.size).into_iter().map(|tile| cut(&pair, tile)).collect()
}

fn cut(pair: &Pair, tile: Tile) -> Pair {
    let read = |voxels: &[f32]| tile.read(pair.size, voxels);
    Pair { size: tile.size, image: read(&pair.image), target: read(&pair.target) }
}

/// A tile around a voxel of the bleed, or anywhere.
fn around(pair: &Pair, size: [usize; 3], rng: &mut impl RngCore) -> Tile {
    let centre = if rng.random_bool(CENTRED) { bleed_voxel(pair, rng) } else { None };
    let start = std::array::from_fn(|axis| {
        let room = pair.size[axis] as i64 - size[axis] as i64;
        let (least, most) = (room.min(0) / 2, room.max(0));
        let start = match centre {
            Some(at) => (at[axis] as i64 - (size[axis] / 2) as i64).clamp(least, most),
            None => rng.random_range(least..=most),
        };
        start as isize
    });
    Tile { start, size }
}

/// A voxel that is more than half bleed.
fn bleed_voxel(pair: &Pair, rng: &mut impl RngCore) -> Option<[usize; 3]> {
    let is_bleed = |&(_, share): &(usize, &f32)| *share > 0.5;
    let count = pair.target.iter().enumerate().filter(is_bleed).count();
    if count == 0 {
        return None;
    }
    let chosen = rng.random_range(0..count);
    let (offset, _) = pair.target.iter().enumerate().filter(is_bleed).nth(chosen)?;
    let [_, rows, columns] = pair.size;
    Some([offset / (rows * columns), offset / columns % rows, offset % columns])
}

/// Slices from all over the case, or windows of them, as a stack: each by itself, half of them with bleed.
fn slices(pair: &Pair, size: [usize; 3], rng: &mut impl RngCore) -> Pair {
    let mut stack = Pair { size, image: Vec::new(), target: Vec::new() };
    for _ in 0..size[0] {
        let one = cut(pair, around(pair, [1, size[1], size[2]], rng));
        stack.image.extend(one.image);
        stack.target.extend(one.target);
    }
    stack
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// One voxel of bleed in twenty slices.
    fn pair() -> Pair {
        let size = [20, 40, 30];
        let mut target = vec![0.0; 20 * 40 * 30];
        target[(13 * 40 + 5) * 30 + 22] = 1.0;
        let image = (0..24_000).map(|i| (i % 89) as f32 / 88.0).collect();
        Pair { size, image, target }
    }

    fn share_with_bleed(view: View) -> usize {
        let recipe = Recipe { view, ..Recipe::whole() };
        let with = |seed: &u64| {
            let seen = draw(pair(), &recipe, &mut ChaCha8Rng::seed_from_u64(*seed));
            assert_eq!(seen.size, view.tile_size([20, 40, 30]));
            assert_eq!(seen.image.len(), seen.size.iter().product::<usize>());
            seen.target.contains(&1.0)
        };
        (0..100).filter(with).count()
    }

    #[test]
    fn half_of_the_patches_hold_the_bleed_and_some_by_chance() {
        let found = share_with_bleed(View::Patches { side: 16, overlap: 4 });

        assert!((45..85).contains(&found), "{found} of 100");
    }

    #[test]
    fn slices_with_the_bleed_come_far_more_often_than_one_in_twenty() {
        let found = share_with_bleed(View::Slices { at_once: 1, window: None });

        assert!((40..65).contains(&found), "{found} of 100");
    }

    #[test]
    fn the_whole_is_the_whole_and_validation_sees_all() {
        let seen = draw(pair(), &Recipe::whole(), &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(seen, pair());

        let slices = Recipe { view: View::Slices { at_once: 8, window: None }, ..Recipe::whole() };
        let tiles = tiles(pair(), &slices, NonZeroUsize::MIN);
        assert_eq!(tiles.len(), 3);
        assert!(tiles.iter().any(|tile| tile.target.contains(&1.0)));
    }

    #[test]
    fn a_volume_smaller_than_a_patch_is_seen_whole() {
        let recipe = Recipe { view: View::Patches { side: 64, overlap: 16 }, ..Recipe::whole() };
        for seed in 0..20 {
            let seen = draw(pair(), &recipe, &mut ChaCha8Rng::seed_from_u64(seed));

            assert!(seen.target.contains(&1.0));
        }
    }
}
