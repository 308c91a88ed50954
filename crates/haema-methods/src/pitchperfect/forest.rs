//! A forest of decision trees that vote.
//!
//! As R's `randomForest` grows them: a bootstrap of the samples for each tree, a few predictors drawn for
//! each split, Gini's impurity, and the share of trees that vote as the probability.

use std::num::NonZeroUsize;

use haema_volume::parallel;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::predictors::{PREDICTORS, Row};

/// How a forest grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// How many trees.
    pub trees: usize,
    /// Predictors that are tried for each split.
    pub tried: usize,
    /// Fewest samples of a leaf.
    pub least_in_leaf: usize,
    /// Most splits from the root to a leaf.
    pub deepest: usize,
}

impl Growth {
    /// As R's `randomForest` does by default, with 500 trees.
    ///
    /// # Source
    ///
    /// methods.md C3, 8.
    pub fn paper() -> Self {
        Self { trees: 500, tried: 4, least_in_leaf: 1, deepest: usize::MAX }
    }

    /// A fifth of the trees, not grown to the last sample: a forest of some megabytes.
    pub fn compact() -> Self {
        Self { trees: 100, tried: 4, least_in_leaf: 5, deepest: 24 }
    }
}

/// In the place of a predictor's number: the leaf votes against, or for.
const AGAINST: u8 = 254;
const FOR: u8 = 255;

/// Trees, one after the other, each from its root in depth-first order: the branch of smaller values
/// follows its node, the other one begins at `right`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Forest {
    /// The predictor of each node, or the vote of a leaf.
    pub(super) predictors: Vec<u8>,
    /// What is at most this goes left.
    pub(super) thresholds: Vec<f32>,
    pub(super) right: Vec<u32>,
    /// The roots.
    pub(super) roots: Vec<u32>,
}

impl Forest {
    /// Grows a forest. The same for any number of threads.
    pub(super) fn grow(
        rows: &[Row],
        is_bleed: &[bool],
        (growth, seed): (Growth, u64),
        threads: NonZeroUsize,
    ) -> Self {
        let grow = |_, tree: u64| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(tree + 1);
            let drawn =
                (0..rows.len()).map(|_| random.random_range(0..rows.len() as u32)).collect();
            let mut tree =
                Tree { rows, is_bleed, growth, random, nodes: Self::default(), sorted: Vec::new() };
            tree.grow(drawn);
            tree.nodes
        };
        let trees = parallel::map((0..growth.trees as u32).map(u64::from), threads, grow);
        let mut forest = Self::default();
        for tree in trees {
            let first = forest.predictors.len() as u32;
            forest.roots.push(first);
            forest.predictors.extend(tree.predictors);
            forest.thresholds.extend(tree.thresholds);
            forest.right.extend(tree.right.into_iter().map(|right| right + first));
        }
        forest
    }

    /// The share of trees that vote for a bleed.
    pub(super) fn vote(&self, row: &Row) -> f32 {
        let votes = self.roots.iter().filter(|&&root| self.leaf(root as usize, row) == FOR).count();
        votes as f32 / self.roots.len().max(1) as f32
    }

    fn leaf(&self, mut node: usize, row: &Row) -> u8 {
        loop {
            let predictor = self.predictors[node];
            let Some(&value) = row.get(usize::from(predictor)) else { return predictor };
            node =
                if value <= self.thresholds[node] { node + 1 } else { self.right[node] as usize };
        }
    }

    /// Whether every walk from a root ends in a leaf: of a file that somebody else wrote.
    pub(super) fn is_sound(&self) -> bool {
        let count = self.predictors.len();
        let is_node = |i: usize| {
            let predictor = self.predictors[i];
            let is_split = usize::from(predictor) < PREDICTORS;
            let leads_on = i + 1 < count && (i..count).contains(&(self.right[i] as usize));
            matches!(predictor, AGAINST | FOR) || is_split && leads_on && self.right[i] as usize > i
        };
        self.thresholds.len() == count
            && self.right.len() == count
            && !self.roots.is_empty()
            && self.roots.iter().all(|&root| (root as usize) < count)
            && (0..count).all(is_node)
    }
}

/// A tree that grows.
struct Tree<'a> {
    rows: &'a [Row],
    is_bleed: &'a [bool],
    growth: Growth,
    random: ChaCha8Rng,
    nodes: Forest,
    /// Values of a predictor and what they are of, sorted: kept, so that its memory is.
    sorted: Vec<(f32, bool)>,
}

/// A way to part samples.
#[derive(Clone, Copy)]
struct Split {
    predictor: usize,
    threshold: f32,
    impurity: f64,
}

impl Tree<'_> {
    fn grow(&mut self, drawn: Vec<u32>) {
        // Samples that wait for their node, its depth, and the parent whose right branch it is.
        let mut waiting: Vec<(Vec<u32>, usize, Option<usize>)> = vec![(drawn, 0, None)];
        while let Some((samples, depth, parent)) = waiting.pop() {
            let here = self.nodes.predictors.len();
            if let Some(parent) = parent {
                self.nodes.right[parent] = here as u32;
            }
            if let Some(split) = self.split(&samples, depth) {
                self.push(split.predictor as u8, split.threshold);
                let goes_left =
                    |&i: &u32| self.rows[i as usize][split.predictor] <= split.threshold;
                let (left, right) = samples.into_iter().partition(goes_left);
                waiting.push((right, depth + 1, Some(here)));
                waiting.push((left, depth + 1, None));
            } else {
                let bleeds = samples.iter().filter(|&&i| self.is_bleed[i as usize]).count();
                self.push(if 2 * bleeds > samples.len() { FOR } else { AGAINST }, 0.0);
            }
        }
    }

    fn push(&mut self, predictor: u8, threshold: f32) {
        self.nodes.predictors.push(predictor);
        self.nodes.thresholds.push(threshold);
        self.nodes.right.push(0);
    }

    /// The best split of some predictors; none for a leaf.
    fn split(&mut self, samples: &[u32], depth: usize) -> Option<Split> {
        let least = self.growth.least_in_leaf.max(1);
        let bleeds = samples.iter().filter(|&&i| self.is_bleed[i as usize]).count();
        let is_pure = bleeds == 0 || bleeds == samples.len();
        if is_pure || depth >= self.growth.deepest || samples.len() < 2 * least {
            return None;
        }
        let mut left: Vec<usize> = (0..PREDICTORS).collect();
        let mut best: Option<Split> = None;
        for tried in 0..self.growth.tried.min(PREDICTORS) {
            let chosen = self.random.random_range(tried as u32..PREDICTORS as u32) as usize;
            left.swap(tried, chosen);
            let found = self.best_of(left[tried], samples, bleeds, least);
            if let Some(found) = found
                && best.is_none_or(|best| found.impurity < best.impurity)
            {
                best = Some(found);
            }
        }
        best
    }

    /// The best threshold of a predictor.
    fn best_of(
        &mut self,
        predictor: usize,
        samples: &[u32],
        bleeds: usize,
        least: usize,
    ) -> Option<Split> {
        let pair = |&i: &u32| (self.rows[i as usize][predictor], self.is_bleed[i as usize]);
        self.sorted.clear();
        self.sorted.extend(samples.iter().map(pair));
        self.sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (count, mut before) = (samples.len(), 0);
        let gini = |n: usize, hits: usize| {
            let (n, hits) = (n as f64, hits as f64);
            2.0 * hits * (n - hits) / n
        };
        let mut best: Option<Split> = None;
        for i in 0..count - 1 {
            before += usize::from(self.sorted[i].1);
            let (value, next) = (self.sorted[i].0, self.sorted[i + 1].0);
            if value >= next || i + 1 < least || count - i - 1 < least {
                continue;
            }
            let impurity = gini(i + 1, before) + gini(count - i - 1, bleeds - before);
            if best.is_none_or(|best| impurity < best.impurity) {
                let middle = f32::midpoint(value, next);
                // Between neighbouring numbers there is no middle.
                let threshold = if middle < next { middle } else { value };
                best = Some(Split { predictor, threshold, impurity });
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(threads: usize) -> NonZeroUsize {
        NonZeroUsize::new(threads).unwrap()
    }

    /// Points on a chessboard of two predictors, with noise in the others.
    fn board(count: usize, seed: u64) -> (Vec<Row>, Vec<bool>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows: Vec<Row> =
            (0..count).map(|_| std::array::from_fn(|_| random.random::<f32>())).collect();
        let is_bleed = rows.iter().map(|row| (row[3] > 0.4) != (row[7] > 0.6)).collect();
        (rows, is_bleed)
    }

    #[test]
    fn a_forest_learns_what_no_line_can_part() {
        let growth = Growth { trees: 60, ..Growth::compact() };
        let (rows, is_bleed) = board(3000, 1);
        let forest = Forest::grow(&rows, &is_bleed, (growth, 1), n(2));
        let (fresh, truth) = board(1000, 2);

        let right = fresh.iter().zip(&truth).filter(|(row, is)| (forest.vote(row) > 0.5) == **is);

        // scikit-learn's RandomForestClassifier of the same size gets 0.997 to 1 of four such boards.
        let share = right.count() as f64 / 1000.0;
        assert!(share > 0.98, "{share}");
        assert!(forest.is_sound());
    }

    #[test]
    fn trees_grown_to_the_end_know_their_samples() {
        let (rows, is_bleed) = board(300, 3);
        let growth = Growth { trees: 200, ..Growth::paper() };
        let forest = Forest::grow(&rows, &is_bleed, (growth, 1), n(1));

        assert!(rows.iter().zip(&is_bleed).all(|(row, &is)| (forest.vote(row) > 0.5) == is));
    }

    #[test]
    fn the_same_seed_grows_the_same_forest_on_any_number_of_threads() {
        let (rows, is_bleed) = board(400, 4);
        let growth = Growth { trees: 7, ..Growth::compact() };
        let grow = |seed, threads| Forest::grow(&rows, &is_bleed, (growth, seed), n(threads));

        assert_eq!(grow(5, 1), grow(5, 3));
        assert_ne!(grow(5, 1), grow(6, 1));
    }

    #[test]
    fn samples_of_one_kind_or_all_alike_make_a_leaf() {
        let rows = vec![[1.0; PREDICTORS]; 10];
        let growth = Growth { trees: 3, ..Growth::paper() };

        let alike = Forest::grow(&rows, &[true; 10], (growth, 1), n(1));
        assert_eq!(alike.vote(&rows[0]), 1.0);
        let mixed: Vec<bool> = (0..10).map(|i| i == 0).collect();
        assert!(Forest::grow(&rows, &mixed, (growth, 1), n(1)).predictors.len() == 3);
    }

    #[test]
    fn walks_that_do_not_end_are_known() {
        let leaf = |vote| (vec![vote], vec![0.0], vec![0]);
        let of = |(predictors, thresholds, right): (Vec<u8>, Vec<f32>, Vec<u32>)| Forest {
            predictors,
            thresholds,
            right,
            roots: vec![0],
        };
        assert!(of(leaf(FOR)).is_sound() && !of(leaf(3)).is_sound() && !of(leaf(100)).is_sound());
        let turn = (vec![0, AGAINST, FOR], vec![0.0; 3], vec![0, 0, 0]);
        assert!(!of(turn).is_sound(), "goes back to itself");
        assert!(of((vec![0, AGAINST, FOR], vec![0.0; 3], vec![2, 0, 0])).is_sound());
    }
}
