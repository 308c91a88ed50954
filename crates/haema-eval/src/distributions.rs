//! The distributions that tests and intervals hang on: the one door to `statrs` and `libm`.
//!
//! docs/adr/0014 says what was measured of both, and why Student's distribution is written out here.

use statrs::distribution::{Beta, ChiSquared, ContinuousCDF as _, FisherSnedecor, Normal};
use statrs::function::beta::beta_reg;

/// Chance that a standard normal value exceeds `z`.
///
/// By the complementary error function of `libm`: that of `statrs` is right to 7·10⁻¹¹ only.
pub(crate) fn normal_above(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

/// The value below which a share of the standard normal distribution lies.
pub(crate) fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

/// Chance that a value of Student's distribution exceeds `t`; an infinite `df` is the normal one.
pub(crate) fn student_above(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if df.is_infinite() {
        return normal_above(t);
    }
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let square = t * t;
    // Each form where it cancels nothing: near the middle, and in the tail.
    let beyond = if square < 1.0 {
        0.5 * (1.0 - beta_reg(0.5, 0.5 * df, square / (df + square)))
    } else {
        0.5 * beta_reg(0.5 * df, 0.5, df / (df + square))
    };
    if t < 0.0 { 1.0 - beyond } else { beyond }
}

/// The value below which a share of Student's distribution lies; an infinite `df` is the normal one.
///
/// Not by `statrs`, whose answer is off by 3·10⁻⁶ for many degrees of freedom: Newton's method on
/// [`student_above`], from the normal quantile. The upper half is convex, so that each step falls short
/// and none overshoots.
pub(crate) fn student_quantile(share: f64, df: f64) -> f64 {
    if share.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if share < 0.5 {
        return -student_quantile(1.0 - share, df);
    }
    let mut t = normal_quantile(share);
    if df.is_infinite() || t == 0.0 || t.is_infinite() {
        return t;
    }
    let above = 1.0 - share;
    let log_scale = statrs::function::gamma::ln_gamma(0.5 * (df + 1.0))
        - statrs::function::gamma::ln_gamma(0.5 * df)
        - 0.5 * (df * std::f64::consts::PI).ln();
    for _ in 0..200 {
        let density = (log_scale - 0.5 * (df + 1.0) * (t * t / df).ln_1p()).exp();
        let step = (student_above(t, df) - above) / density;
        t += step;
        if step.abs() <= 1e-14 * t {
            break;
        }
    }
    t
}

/// Chance that a value of the F distribution exceeds `f`.
pub(crate) fn f_above(f: f64, df: [f64; 2]) -> f64 {
    FisherSnedecor::new(df[0], df[1]).map_or(f64::NAN, |dist| dist.sf(f))
}

/// The value below which a share of the F distribution lies.
pub(crate) fn f_quantile(share: f64, df: [f64; 2]) -> f64 {
    FisherSnedecor::new(df[0], df[1]).map_or(f64::NAN, |dist| dist.inverse_cdf(share))
}

/// Chance that a value of the χ² distribution exceeds `x`.
pub(crate) fn chi_squared_above(x: f64, df: f64) -> f64 {
    ChiSquared::new(df).map_or(f64::NAN, |dist| dist.sf(x))
}

/// The value below which a share of the beta distribution lies.
pub(crate) fn beta_quantile(share: f64, [a, b]: [f64; 2]) -> f64 {
    Beta::new(a, b).map_or(f64::NAN, |dist| dist.inverse_cdf(share))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `t`, degrees of freedom, and the tail by mpmath 1.4.1 with 40 digits.
    const STUDENT: [(f64, f64, f64); 7] = [
        (1e-6, 53.0, 0.499_999_602_934_980_48),
        (0.5, 1.0, 0.352_416_382_349_566_73),
        (2.0, 9.5, 0.037_443_178_873_994_71),
        (55.0, 8.0, 6.624_561_059_195_554e-12),
        (-3.0, 2.0, 0.952_267_016_866_645_4),
        (5.0, 1000.0, 3.383_628_182_324_315e-7),
        (20.0, 53.0, 1.173_304_417_495_349e-26),
    ];

    #[test]
    fn tails_of_student_agree_with_mpmath() {
        for (t, df, wanted) in STUDENT {
            let found = student_above(t, df);
            assert!((found / wanted - 1.0).abs() < 1e-11, "{t} {df}: {found:e} {wanted:e}");
        }
    }

    #[test]
    fn normal_tails_agree_with_mpmath() {
        for (z, wanted) in [
            (1.96, 0.024_997_895_148_220_436),
            (8.0, 6.220_960_574_271_784e-16),
            (37.0, 5.725_571_222_524_577e-300),
        ] {
            assert!((normal_above(z) / wanted - 1.0).abs() < 1e-13);
        }
    }

    proptest! {
        #[test]
        fn quantiles_of_student_undo_the_tail(share in 1e-6..0.999_999_f64, df in 0.5..1e5_f64) {
            let t = student_quantile(share, df);

            prop_assert!((1.0 - student_above(t, df) - share).abs() < 1e-11, "{t}");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        assert!(student_above(f64::NAN, 3.0).is_nan());
        assert!(student_above(1.0, 0.0).is_nan());
        assert_eq!(student_above(f64::INFINITY, 3.0), 0.0);
        assert_eq!(student_quantile(0.5, 3.0), 0.0);
        assert!(f_above(1.0, [0.0, 1.0]).is_nan());
    }
}
