//! What a fast convolution does along one axis.
//!
//! Each [`Axis`] computes [`Axis::OUTPUTS`] outputs of a row from [`Axis::INPUTS`] inputs with
//! [`Axis::POINTS`] products: `y = Aᵀ ((G w) ⊙ (Bᵀ x))`. Where the definition asks for `taps · OUTPUTS`
//! products, this is fewer; along three axes the saving is its cube.
//!
//! | axis | outputs | products | by definition |
//! |---|---|---|---|
//! | [`Same`] | 4 | 6 | 12 |
//! | [`Down`] | 2 | 5 | 6 |
//! | [`Up`] | 2 | 3 | 6, as sub-pixel sums 4 |
//! | [`UpTwo`] | 2 | 2 | 4, as sub-pixel sums 3 |
//! | [`Split`] | 2 | 2 | 2 |
//! | [`Alone`] | 1 | 1 | 1 |
//!
//! The last two save nothing; they let every convolution run through one kernel.
//!
//! # Source
//!
//! [`Same`]: F(4, 3) with the points 0, ±1, ±2, ∞; A. Lavin and S. Gray, _Fast Algorithms for
//! Convolutional Neural Networks_, CVPR 2016, §4.3. [`Down`]: the odd voxels meet two taps, F(2, 2)
//! with the points 0, 1, ∞ (S. Winograd, _Arithmetic Complexity of Computations_, 1980), the even ones
//! the third. [`Up`]: ours; nearest upsampling makes neighbours equal, so that
//! `w₀a + (w₁+w₂)b = (w₀+w₁+w₂)b + w₀(a−b)` and the sum of weights serves both outputs of a voxel.
//! [`UpTwo`] likewise: a voxel's outputs are `(w₀+w₁)a` and `w₀a + w₁b = (w₀+w₁)a + w₁(b−a)`.

use crate::isa::Isa;

/// Most inputs or products of an axis.
pub(crate) const MOST_POINTS: usize = 6;
/// Most outputs of an axis.
pub(crate) const MOST_OUTPUTS: usize = 4;

/// One axis of a fast convolution.
pub(crate) trait Axis {
    /// Inputs of a tile.
    const INPUTS: usize;
    /// First input of tile 0.
    const FIRST: isize;
    /// Inputs from one tile to the next.
    const INPUT_STEP: usize;
    /// Products of a tile.
    const POINTS: usize;
    /// Outputs of a tile, and from one tile to the next.
    const OUTPUTS: usize;
    /// `G`: what of each of the three taps goes into each point.
    const WEIGHTS: [[f64; 3]; MOST_POINTS];

    /// `Bᵀ x`.
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS];
    /// `Aᵀ m`.
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS];
}

/// Three taps, stride 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Same;

/// Three taps, stride 2, the first of them at voxel `FIRST`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Down<const FIRST: isize>;

/// Every voxel twice, then three taps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Up;

/// Every voxel twice, then two taps, the first on the voxel itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpTwo;

/// Two taps, transposed with stride 2: each voxel becomes two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split;

/// One tap: the axis that a kernel of one plane does not reach along.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alone;

const NONE: [f64; 3] = [0.0; 3];

impl Axis for Same {
    const FIRST: isize = -1;
    const INPUTS: usize = 6;
    const INPUT_STEP: usize = 4;
    const POINTS: usize = 6;
    const OUTPUTS: usize = 4;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        let four = isa.splat(4.0);
        let minus_four = isa.splat(-4.0);
        let minus_five = isa.splat(-5.0);
        let first = isa.mul_add(four, x[0], isa.mul_add(minus_five, x[2], x[4]));
        let last = isa.mul_add(four, x[1], isa.mul_add(minus_five, x[3], x[5]));
        let a = isa.mul_add(minus_four, x[2], x[4]);
        let b = isa.mul_add(minus_four, x[1], x[3]);
        let c = isa.sub(x[4], x[2]);
        let e = isa.sub(x[3], x[1]);
        let e = isa.add(e, e);
        [first, isa.add(a, b), isa.sub(a, b), isa.add(c, e), isa.sub(c, e), last]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        let s = isa.add(m[1], m[2]);
        let d = isa.sub(m[1], m[2]);
        let u = isa.add(m[3], m[4]);
        let v = isa.sub(m[3], m[4]);
        [
            isa.add(isa.add(m[0], s), u),
            isa.mul_add(isa.splat(2.0), v, d),
            isa.mul_add(isa.splat(4.0), u, s),
            isa.add(isa.mul_add(isa.splat(8.0), v, d), m[5]),
        ]
    }
}

impl<const FIRST: isize> Axis for Down<FIRST> {
    const FIRST: isize = FIRST;
    const INPUTS: usize = 5;
    const INPUT_STEP: usize = 4;
    const POINTS: usize = 5;
    const OUTPUTS: usize = 2;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] =
        [[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], NONE];

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        [isa.sub(x[0], x[2]), x[2], isa.sub(x[4], x[2]), x[1], x[3], x[3]]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        let first = isa.add(isa.add(m[0], m[1]), m[3]);
        let second = isa.add(isa.add(m[2], m[1]), m[4]);
        [first, second, second, second]
    }
}

impl Axis for Up {
    const FIRST: isize = -1;
    const INPUTS: usize = 3;
    const INPUT_STEP: usize = 1;
    const POINTS: usize = 3;
    const OUTPUTS: usize = 2;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] =
        [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1.0], NONE, NONE, NONE];

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        [isa.sub(x[0], x[1]), x[1], isa.sub(x[2], x[1]), x[1], x[1], x[1]]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        let (first, second) = (isa.add(m[0], m[1]), isa.add(m[2], m[1]));
        [first, second, second, second]
    }
}

impl Axis for UpTwo {
    const FIRST: isize = 0;
    const INPUTS: usize = 2;
    const INPUT_STEP: usize = 1;
    const POINTS: usize = 2;
    const OUTPUTS: usize = 2;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] =
        [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], NONE, NONE, NONE, NONE];

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        let difference = isa.sub(x[1], x[0]);
        [x[0], difference, difference, difference, difference, difference]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        let second = isa.add(m[0], m[1]);
        [m[0], second, second, second]
    }
}

impl Axis for Split {
    const FIRST: isize = 0;
    const INPUTS: usize = 1;
    const INPUT_STEP: usize = 1;
    const POINTS: usize = 2;
    const OUTPUTS: usize = 2;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] =
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], NONE, NONE, NONE, NONE];

    #[inline(always)]
    fn input<I: Isa>(_: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        [x[0]; MOST_POINTS]
    }

    #[inline(always)]
    fn output<I: Isa>(_: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        [m[0], m[1], m[1], m[1]]
    }
}

impl Axis for Alone {
    const FIRST: isize = 0;
    const INPUTS: usize = 1;
    const INPUT_STEP: usize = 1;
    const POINTS: usize = 1;
    const OUTPUTS: usize = 1;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] = [[1.0, 0.0, 0.0], NONE, NONE, NONE, NONE, NONE];

    #[inline(always)]
    fn input<I: Isa>(_: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        x
    }

    #[inline(always)]
    fn output<I: Isa>(_: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        [m[0], m[0], m[0], m[0]]
    }
}
