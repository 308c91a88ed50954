//! Which slices a page shows.

/// The slices of the page, as indices into the stack in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Montage {
    /// The slice with the largest area of bleed; the middle of the stack where there is none.
    pub(super) key: usize,
    /// Slices with bleed, the key slice among them.
    pub(super) with_bleed: Vec<usize>,
    /// How many more slices have bleed than are shown.
    pub(super) bleed_left_out: usize,
    /// The rest of the head, evenly picked.
    pub(super) others: Vec<usize>,
}

/// More pictures than these help nobody and make the page slow to open.
const MOST_WITH_BLEED: usize = 24;
const MOST_OTHERS: usize = 16;

impl Montage {
    /// Chooses from the area of bleed on each slice.
    pub(super) fn of(areas_mm2: &[f64]) -> Self {
        let with_bleed: Vec<usize> = (0..areas_mm2.len()).filter(|&z| areas_mm2[z] > 0.0).collect();
        // The first of equals, so that the choice does not hang on rounding further up.
        let largest = with_bleed
            .iter()
            .copied()
            .reduce(|best, z| if areas_mm2[z] > areas_mm2[best] { z } else { best });
        let key = largest.unwrap_or(areas_mm2.len() / 2);
        let mut shown = evenly(&with_bleed, MOST_WITH_BLEED);
        if largest.is_some() && !shown.contains(&key) {
            let nearest = shown.partition_point(|&z| z < key).min(shown.len() - 1);
            shown[nearest] = key;
        }
        let rest: Vec<usize> = (0..areas_mm2.len()).filter(|&z| areas_mm2[z] <= 0.0).collect();
        Self {
            key,
            bleed_left_out: with_bleed.len() - shown.len(),
            with_bleed: shown,
            others: evenly(&rest, MOST_OTHERS),
        }
    }
}

/// At most `most` of the items, at even steps from the middle of the first step on.
fn evenly(items: &[usize], most: usize) -> Vec<usize> {
    let count = items.len().min(most);
    (0..count).map(|i| items[(2 * i + 1) * items.len() / (2 * count)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_slice_is_the_largest_and_is_always_shown() {
        let mut areas = vec![1.0; 60];
        areas[17] = 9.0;

        let montage = Montage::of(&areas);

        assert_eq!(montage.key, 17);
        assert_eq!(montage.with_bleed.len(), MOST_WITH_BLEED);
        assert!(montage.with_bleed.contains(&17));
        assert!(montage.with_bleed.is_sorted());
        assert_eq!(montage.bleed_left_out, 60 - MOST_WITH_BLEED);
        assert_eq!(montage.others, Vec::<usize>::new());
    }

    #[test]
    fn without_a_bleed_the_middle_stands_for_the_head() {
        let montage = Montage::of(&[0.0; 9]);

        assert_eq!(montage.key, 4);
        assert_eq!(montage.with_bleed, Vec::<usize>::new());
        assert_eq!(montage.others.len(), 9);
    }

    #[test]
    fn a_short_list_is_shown_whole_and_a_long_one_evenly() {
        assert_eq!(evenly(&[3, 5, 8], 16), [3, 5, 8]);
        assert_eq!(evenly(&(0..32).collect::<Vec<_>>(), 4), [4, 12, 20, 28]);
        assert_eq!(evenly(&[], 4), Vec::<usize>::new());
    }
}
