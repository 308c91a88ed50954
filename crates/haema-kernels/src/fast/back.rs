//! Axes of data gradients, and the adjoint of an axis' last transform.
//!
//! The data gradient of a convolution is a convolution of its own; along an axis it has, again, a
//! form with few products:
//!
//! | gradient of | outputs | products | by definition |
//! |---|---|---|---|
//! | [`Same`]: [`SameBack`] | 4 | 6 | 12 |
//! | [`Down`]: [`DownBack`] | 4 | 5 | 6 |
//! | [`Up`]: [`UpBack`] | 2 | 5 | 12, as sub-pixel sums 8 |
//! | [`UpTwo`]: [`UpTwoBack`] | 1 | 2 | 4 |
//! | [`Split`]: [`Join`] | 1 | 2 | 2 |

use super::axis::{Alone, Axis, Down, MOST_OUTPUTS, MOST_POINTS, Same, Split, Up, UpTwo};
use crate::isa::Isa;

/// What the weight gradient needs of an axis: with `y = Aᵀ ((G w) ⊙ (Bᵀ x))`, that of `w` is
/// `Gᵀ ((Bᵀ x) ⊙ (A ȳ))`.
pub(crate) trait Spread: Axis {
    /// `A ȳ`.
    fn spread<I: Isa>(isa: I, y: [I::V; MOST_OUTPUTS]) -> [I::V; MOST_POINTS];
}

impl Spread for Same {
    #[inline(always)]
    fn spread<I: Isa>(isa: I, y: [I::V; MOST_OUTPUTS]) -> [I::V; MOST_POINTS] {
        let four = isa.splat(4.0);
        let s = isa.add(y[0], y[2]);
        let t = isa.add(y[1], y[3]);
        let u = isa.mul_add(four, y[2], y[0]);
        let v = isa.mul_add(four, y[3], y[1]);
        let v = isa.add(v, v);
        [y[0], isa.add(s, t), isa.sub(s, t), isa.add(u, v), isa.sub(u, v), y[3]]
    }
}

impl<const FIRST: isize> Spread for Down<FIRST> {
    #[inline(always)]
    fn spread<I: Isa>(isa: I, y: [I::V; MOST_OUTPUTS]) -> [I::V; MOST_POINTS] {
        [y[0], isa.add(y[0], y[1]), y[1], y[0], y[1], y[1]]
    }
}

impl Spread for Up {
    #[inline(always)]
    fn spread<I: Isa>(isa: I, y: [I::V; MOST_OUTPUTS]) -> [I::V; MOST_POINTS] {
        [y[0], isa.add(y[0], y[1]), y[1], y[1], y[1], y[1]]
    }
}

impl Spread for UpTwo {
    #[inline(always)]
    fn spread<I: Isa>(isa: I, y: [I::V; MOST_OUTPUTS]) -> [I::V; MOST_POINTS] {
        [isa.add(y[0], y[1]), y[1], y[1], y[1], y[1], y[1]]
    }
}

impl Spread for Split {
    #[inline(always)]
    fn spread<I: Isa>(_: I, y: [I::V; MOST_OUTPUTS]) -> [I::V; MOST_POINTS] {
        [y[0], y[1], y[1], y[1], y[1], y[1]]
    }
}

impl Spread for Alone {
    #[inline(always)]
    fn spread<I: Isa>(_: I, y: [I::V; MOST_OUTPUTS]) -> [I::V; MOST_POINTS] {
        [y[0]; MOST_POINTS]
    }
}

/// The gradient of [`Same`]: its kernel turned around.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SameBack;

/// The gradient of [`Down`], whose first tap is at voxel `FIRST`, −1 or 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DownBack<const FIRST: isize>;

/// The gradient of [`Up`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpBack;

/// The gradient of [`UpTwo`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpTwoBack;

/// The gradient of [`Split`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Join;

const NONE: [f64; 3] = [0.0; 3];

/// Two taps, each a product of its own.
const ONE_EACH: [[f64; 3]; MOST_POINTS] =
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], NONE, NONE, NONE, NONE];

/// F(2, 2) of the outer taps, turned around, and the middle tap twice.
const OUTER_AND_MIDDLE: [[f64; 3]; MOST_POINTS] =
    [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], NONE];

impl Axis for SameBack {
    const FIRST: isize = Same::FIRST;
    const INPUTS: usize = Same::INPUTS;
    const INPUT_STEP: usize = Same::INPUT_STEP;
    const POINTS: usize = Same::POINTS;
    const OUTPUTS: usize = Same::OUTPUTS;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] = {
        let mut turned = Same::WEIGHTS;
        let mut point = 0;
        while point < MOST_POINTS {
            let [a, b, c] = turned[point];
            turned[point] = [c, b, a];
            point += 1;
        }
        turned
    };

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        Same::input(isa, x)
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        Same::output(isa, m)
    }
}

/// Two fine voxels meet one tap each, and two meet the outer taps: with `FIRST` −1 the odd ones.
impl<const FIRST: isize> Axis for DownBack<FIRST> {
    const FIRST: isize = -1 - FIRST;
    const INPUTS: usize = 3;
    const INPUT_STEP: usize = 2;
    const POINTS: usize = 5;
    const OUTPUTS: usize = 4;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] = OUTER_AND_MIDDLE;

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        let middle = if FIRST == 0 { [x[1], x[2]] } else { [x[0], x[1]] };
        [isa.sub(x[0], x[1]), x[1], isa.sub(x[2], x[1]), middle[0], middle[1], x[1]]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        let (first, second) = (isa.add(m[0], m[1]), isa.add(m[1], m[2]));
        if FIRST == 0 { [first, m[3], second, m[4]] } else { [m[3], first, m[4], second] }
    }
}

/// Each coarse voxel gathers, tap by tap, the sums of neighbouring fine voxels.
impl Axis for UpBack {
    const FIRST: isize = -1;
    const INPUTS: usize = 6;
    const INPUT_STEP: usize = 4;
    const POINTS: usize = 5;
    const OUTPUTS: usize = 2;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] = OUTER_AND_MIDDLE;

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        let shared = isa.add(x[2], x[3]);
        let first = isa.sub(isa.add(x[0], x[1]), shared);
        let last = isa.sub(isa.add(x[4], x[5]), shared);
        [first, shared, last, isa.add(x[1], x[2]), isa.add(x[3], x[4]), shared]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        Down::<0>::output(isa, m)
    }
}

/// The first tap meets both outputs of a voxel, the second those one further back.
impl Axis for UpTwoBack {
    const FIRST: isize = -1;
    const INPUTS: usize = 3;
    const INPUT_STEP: usize = 2;
    const POINTS: usize = 2;
    const OUTPUTS: usize = 1;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] = ONE_EACH;

    #[inline(always)]
    fn input<I: Isa>(isa: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        let second = isa.add(x[0], x[1]);
        [isa.add(x[1], x[2]), second, second, second, second, second]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        Join::output(isa, m)
    }
}

impl Axis for Join {
    const FIRST: isize = 0;
    const INPUTS: usize = 2;
    const INPUT_STEP: usize = 2;
    const POINTS: usize = 2;
    const OUTPUTS: usize = 1;
    const WEIGHTS: [[f64; 3]; MOST_POINTS] = ONE_EACH;

    #[inline(always)]
    fn input<I: Isa>(_: I, x: [I::V; MOST_POINTS]) -> [I::V; MOST_POINTS] {
        x
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, m: [I::V; MOST_POINTS]) -> [I::V; MOST_OUTPUTS] {
        [isa.add(m[0], m[1]); MOST_OUTPUTS]
    }
}
