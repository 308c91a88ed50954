//! Whether a probability means what it says.

/// Voxels, or cases, counted by the probability that they were given.
///
/// # Examples
///
/// ```
/// use haema_eval::Reliability;
///
/// let mut reliability = Reliability::new(10);
/// for (p, is_bleed) in [(0.15, false), (0.15, false), (0.85, true), (0.85, false)] {
///     reliability.add(p, is_bleed);
/// }
/// // Two said 15 % and were 0 %, two said 85 % and were 50 %.
/// assert!((reliability.expected_error().unwrap() - 0.25).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    bins: Vec<Bin>,
    squared_error: f64,
    /// Probabilities that were none.
    refused: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bin {
    n: u64,
    hits: u64,
    said: f64,
}

/// One row of a reliability table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityRow {
    /// The probabilities of this row: above the first (or equal, in the first row), up to the second.
    pub range: [f64; 2],
    /// How many were given one.
    pub n: u64,
    /// Mean of what was said; `None` where there are none.
    pub said: Option<f64>,
    /// Share that was so; `None` where there are none.
    pub found: Option<f64>,
}

impl Reliability {
    /// Bins of equal width, at least one; 15 are usual.
    pub fn new(bins: usize) -> Self {
        Self { bins: vec![Bin::default(); bins.max(1)], squared_error: 0.0, refused: 0 }
    }

    /// Counts one. What is no probability is counted in [`Reliability::refused`] and nowhere else.
    pub fn add(&mut self, probability: f64, is_so: bool) {
        if !(0.0..=1.0).contains(&probability) {
            self.refused += 1;
            return;
        }
        let count = self.bins.len();
        // Up to and with the upper border, as Guo et al. have it.
        let at = (probability * count as f64).ceil() as usize;
        let bin = &mut self.bins[at.saturating_sub(1).min(count - 1)];
        bin.n += 1;
        bin.hits += u64::from(is_so);
        bin.said += probability;
        self.squared_error += (probability - f64::from(u8::from(is_so))).powi(2);
    }

    /// Adds what was counted elsewhere, such as in another case.
    ///
    /// # Panics
    ///
    /// Where the other has another number of bins.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.bins.len(), other.bins.len(), "one number of bins");
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.n += more.n;
            bin.hits += more.hits;
            bin.said += more.said;
        }
        self.squared_error += other.squared_error;
        self.refused += other.refused;
    }

    /// How many were counted.
    pub fn n(&self) -> u64 {
        self.bins.iter().map(|bin| bin.n).sum()
    }

    /// How many were refused: NaN, or outside 0 to 1.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The table, from 0 to 1.
    pub fn rows(&self) -> Vec<ReliabilityRow> {
        let count = self.bins.len() as f64;
        let row = |(i, bin): (usize, &Bin)| ReliabilityRow {
            range: [i as f64 / count, (i + 1) as f64 / count],
            n: bin.n,
            said: (bin.n > 0).then(|| bin.said / bin.n as f64),
            found: (bin.n > 0).then(|| bin.hits as f64 / bin.n as f64),
        };
        self.bins.iter().enumerate().map(row).collect()
    }

    /// Expected calibration error: the mean over all of how far what was said is from what was found in
    /// the bin. `None` where nothing was counted.
    ///
    /// It depends on the bins, and is small for any rare event: give it over the brain, or a margin around
    /// the bleed, and say which.
    ///
    /// # Source
    ///
    /// C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", _ICML_ 2017.
    pub fn expected_error(&self) -> Option<f64> {
        let n = self.n();
        let gap = |bin: &Bin| (bin.said - bin.hits as f64).abs();
        (n > 0).then(|| self.bins.iter().map(gap).sum::<f64>() / n as f64)
    }

    /// Largest distance of what was said from what was found in a bin; `None` where nothing was counted.
    pub fn largest_error(&self) -> Option<f64> {
        let filled = self.bins.iter().filter(|bin| bin.n > 0);
        filled.map(|bin| (bin.said - bin.hits as f64).abs() / bin.n as f64).reduce(f64::max)
    }

    /// Brier score: the mean square of probability less truth. `None` where nothing was counted.
    pub fn brier(&self) -> Option<f64> {
        let n = self.n();
        (n > 0).then(|| self.squared_error / n as f64)
    }
}
