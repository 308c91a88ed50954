//! Which input voxel meets which output voxel.
//!
//! Every convolution here walks a coarse index `o` and, for each *phase*, joins the output voxel
//! `out_step · o + phase` with the input voxels `in_step · o + tap`:
//!
//! | convolution | `in_step` | `out_step` | phases × taps |
//! |---|---|---|---|
//! | kernel 1³ | 1 | 1 | 1 × 1 |
//! | kernel 3³ | 1 | 1 | 1 × 27 |
//! | kernel 3 × 3 in the plane | 1 | 1 | 1 × 9 |
//! | kernel 3³, stride 2 | 2 | 1 | 1 × 27 |
//! | nearest upsample ×2, then kernel 3³ | 1 | 2 | 8 × 8 |
//! | transposed kernel 2³, stride 2 | 1 | 2 | 8 × 1 |
//!
//! Upsampling is exact: of the 27 weights, those that fall on the same coarse voxel are added
//! beforehand ([`Tap::kernel_taps`]). The data gradient is the same walk with input and output
//! exchanged ([`Geometry::transposed`]), so one kernel serves them all.

/// What a convolution does to the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvKind {
    /// Kernel 1³.
    Pointwise,
    /// Kernel 3³, stride 1, zero padding of one voxel.
    Same3,
    /// Kernel 3 × 3 in the plane, stride 1, zero padding of one voxel.
    Plane3,
    /// Kernel 3³, stride 2. Output voxel `o` is centred on input voxel `2 o`.
    Down3,
    /// Kernel 3³, stride 2, padded after the end only, as TensorFlow's `same` does on even sizes:
    /// output voxel `o` is centred on input voxel `2 o + 1`.
    Down3TfSame,
    /// Nearest upsample by 2, then kernel 3³.
    Up3,
    /// Transposed kernel 2³ with stride 2: each voxel becomes eight.
    Transposed2,
}

impl ConvKind {
    /// Taps along `[z, y, x]`.
    pub fn kernel_size(self) -> [usize; 3] {
        match self {
            Self::Pointwise => [1; 3],
            Self::Transposed2 => [2; 3],
            Self::Plane3 => [1, 3, 3],
            Self::Same3 | Self::Down3 | Self::Down3TfSame | Self::Up3 => [3; 3],
        }
    }

    /// Weights of one input channel for one output channel.
    pub fn kernel_len(self) -> usize {
        self.kernel_size().iter().product()
    }

    /// Size of the output for an input of `size` `[z, y, x]`.
    pub fn out_size(self, size: [usize; 3]) -> [usize; 3] {
        match self {
            Self::Pointwise | Self::Same3 | Self::Plane3 => size,
            Self::Down3 | Self::Down3TfSame => size.map(|n| n.div_ceil(2)),
            Self::Up3 | Self::Transposed2 => size.map(|n| 2 * n),
        }
    }
}

/// One input voxel of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// Input voxel `[z, y, x]` relative to `in_step · o`: −1 to 2, of which rows and columns reach
    /// at most one voxel outside.
    pub offset: [isize; 3],
    /// The weights `kz · 9 + ky · 3 + kx` of the kernel that are added to make this tap's.
    pub kernel_taps: Vec<usize>,
}

/// One class of output voxels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Output voxel relative to `out_step · o`, `[z, y, x]`.
    pub offset: [usize; 3],
    /// Its input voxels.
    pub taps: Vec<Tap>,
    /// How many taps the phases before it have.
    pub first_tap: usize,
}

/// A whole walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// Input voxels from one `o` to the next: 1 or 2.
    pub in_step: usize,
    /// Output voxels from one `o` to the next: 1 or 2.
    pub out_step: usize,
    /// Classes of output voxels.
    pub phases: Vec<Phase>,
}

/// All `[z, y, x]` in `0..n` each, `x` fastest.
fn cube(n: usize) -> impl Iterator<Item = [usize; 3]> {
    (0..n * n * n).map(move |i| [i / (n * n), i / n % n, i % n])
}

impl Geometry {
    /// The walk of a convolution.
    pub fn forward(kind: ConvKind) -> Self {
        let single = |in_step, kernel: usize, first: isize| {
            let taps = cube(kernel)
                .enumerate()
                .map(|(i, k)| Tap { offset: k.map(|k| k as isize + first), kernel_taps: vec![i] });
            let phase = Phase { offset: [0; 3], taps: taps.collect(), first_tap: 0 };
            Self { in_step, out_step: 1, phases: vec![phase] }
        };
        match kind {
            ConvKind::Pointwise => single(1, 1, 0),
            ConvKind::Same3 => single(1, 3, -1),
            ConvKind::Down3 => single(2, 3, -1),
            ConvKind::Down3TfSame => single(2, 3, 0),
            ConvKind::Plane3 => Self::plane3(),
            ConvKind::Up3 => Self::up3(),
            ConvKind::Transposed2 => Self::transposed2(),
        }
    }

    fn plane3() -> Self {
        let taps = (0..9).map(|k| {
            let offset = [0, k as isize / 3 - 1, k as isize % 3 - 1];
            Tap { offset, kernel_taps: vec![k] }
        });
        let phase = Phase { offset: [0; 3], taps: taps.collect(), first_tap: 0 };
        Self { in_step: 1, out_step: 1, phases: vec![phase] }
    }

    fn up3() -> Self {
        let phases = cube(2).enumerate().map(|(i, phase)| {
            let taps = cube(2).map(|tap| up3_tap(phase, tap)).collect();
            Phase { offset: phase, taps, first_tap: 8 * i }
        });
        Self { in_step: 1, out_step: 2, phases: phases.collect() }
    }

    fn transposed2() -> Self {
        let phases = cube(2).enumerate().map(|(i, phase)| {
            let taps = vec![Tap { offset: [0; 3], kernel_taps: vec![i] }];
            Phase { offset: phase, taps, first_tap: i }
        });
        Self { in_step: 1, out_step: 2, phases: phases.collect() }
    }

    /// The walk of the data gradient: input and output exchanged. [`Tap::kernel_taps`] still names
    /// the same weights; the matrix of each is transposed when it is packed.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let (in_step, out_step) = (self.out_step, self.in_step);
        let mut phases = Vec::new();
        let mut first_tap = 0;
        for phase in cube(out_step) {
            let taps: Vec<Tap> = self
                .phases
                .iter()
                .flat_map(|old| old.taps.iter().map(move |tap| (old, tap)))
                .filter_map(|(old, tap)| {
                    let offset = transposed_offset(self, phase, old.offset, tap.offset)?;
                    Some(Tap { offset, kernel_taps: tap.kernel_taps.clone() })
                })
                .collect();
            let len = taps.len();
            phases.push(Phase { offset: phase, taps, first_tap });
            first_tap += len;
        }
        Self { in_step, out_step, phases }
    }

    /// Taps of all phases.
    pub fn tap_count(&self) -> usize {
        self.phases.iter().map(|phase| phase.taps.len()).sum()
    }
}

/// The coarse voxel that tap `tap` of phase `phase` reads, and the kernel weights that meet there:
/// along an axis, phase 0 sees the coarse voxels −1 (kernel 0) and 0 (kernel 1, 2), phase 1 sees
/// 0 (kernel 0, 1) and 1 (kernel 2).
fn up3_tap(phase: [usize; 3], tap: [usize; 3]) -> Tap {
    let meets = |axis: usize, k: usize| usize::from(k > phase[axis]) == tap[axis];
    let kernel_taps = cube(3)
        .enumerate()
        .filter(|(_, k)| (0..3).all(|axis| meets(axis, k[axis])))
        .map(|(i, _)| i)
        .collect();
    let offset = std::array::from_fn(|axis| (tap[axis] + phase[axis]) as isize - 1);
    Tap { offset, kernel_taps }
}

/// Solves `in_step · o + tap = out_step' · o' + phase'` for the old output voxel as seen from `o'`.
fn transposed_offset(
    old: &Geometry,
    new_phase: [usize; 3],
    old_phase: [usize; 3],
    old_tap: [isize; 3],
) -> Option<[isize; 3]> {
    let mut offset = [0; 3];
    for axis in 0..3 {
        let distance = new_phase[axis] as isize - old_tap[axis];
        let step = old.in_step as isize;
        if distance.rem_euclid(step) != 0 {
            return None;
        }
        offset[axis] = old.out_step as isize * (distance / step) + old_phase[axis] as isize;
    }
    Some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ConvKind; 7] = [
        ConvKind::Transposed2,
        ConvKind::Plane3,
        ConvKind::Pointwise,
        ConvKind::Same3,
        ConvKind::Down3,
        ConvKind::Down3TfSame,
        ConvKind::Up3,
    ];

    #[test]
    fn every_weight_meets_every_output_once() {
        for kind in KINDS.into_iter().filter(|&kind| kind != ConvKind::Transposed2) {
            for phase in Geometry::forward(kind).phases {
                let mut met: Vec<usize> =
                    phase.taps.iter().flat_map(|tap| tap.kernel_taps.clone()).collect();
                met.sort_unstable();

                assert_eq!(met, (0..kind.kernel_len()).collect::<Vec<_>>(), "{kind:?}");
            }
        }
    }

    #[test]
    fn exchanging_twice_joins_the_same_voxels() {
        for kind in KINDS {
            let forward = Geometry::forward(kind);
            let twice = forward.transposed().transposed();

            assert_eq!(twice.in_step, forward.in_step);
            for (a, b) in forward.phases.iter().zip(&twice.phases) {
                let key = |tap: &Tap| (tap.offset, tap.kernel_taps.clone());
                let mut a: Vec<_> = a.taps.iter().map(key).collect();
                let mut b: Vec<_> = b.taps.iter().map(key).collect();
                a.sort();
                b.sort();
                assert_eq!(a, b, "{kind:?}");
            }
        }
    }

    #[test]
    fn no_tap_reaches_further_than_the_halo() {
        for kind in KINDS {
            for geometry in [Geometry::forward(kind), Geometry::forward(kind).transposed()] {
                for tap in geometry.phases.iter().flat_map(|phase| &phase.taps) {
                    let furthest = geometry.in_step as isize;
                    assert!(tap.offset.iter().all(|o| (-1..=furthest).contains(o)), "{kind:?}");
                }
            }
        }
    }
}
