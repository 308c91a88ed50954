//! The logistic function and its integral, without calls, so that loops over them become vector
//! instructions, and the same bits on every system: the standard library's `exp` is the system's.

/// `e^x`, to 2 ulp. Beyond ±87 it stays at `e^±87`.
///
/// # Source
///
/// S. Moshier, _Cephes Mathematical Library_: `x = n ln 2 + r`, a polynomial in `r`.
#[inline]
fn exp(x: f32) -> f32 {
    let x = if x > 87.0 { 87.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    // Adding 1.5 · 2²³ rounds to a whole number, which then stands in the lowest bits.
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    // ln 2 in two parts, the first exact in few bits.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000));
    (p * r * r + r + 1.0) * power
}

/// `1 / (1 + e^−x)`.
#[inline]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `ln(1 + e^x)`, safe for large `|x|`.
#[inline]
pub(crate) fn softplus(x: f32) -> f32 {
    let e = exp(-x.abs());
    // ln(1 + e) = 2 artanh(s), with s at most 1/3.
    let s = e / (2.0 + e);
    let square = s * s;
    let mut p = 2.0 / 15.0;
    for denominator in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        p = p * square + 2.0 / denominator;
    }
    let positive = if x > 0.0 { x } else { 0.0 };
    positive + p * s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_right_to_a_few_ulp_wherever_a_logit_can_be() {
        for i in -86_000..=86_000 {
            let x = i as f32 / 1000.0;
            let wide = f64::from(x);
            let pairs = [
                (exp(x), wide.exp()),
                (sigmoid(x), 1.0 / (1.0 + (-wide).exp())),
                (softplus(x), wide.max(0.0) + (-wide.abs()).exp().ln_1p()),
            ];
            for (found, exact) in pairs {
                let error = (f64::from(found) - exact).abs() / exact;
                assert!(error < 4.0 * f64::from(f32::EPSILON), "{x}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn the_ends_are_finite_and_a_fault_stays_visible() {
        assert_eq!((sigmoid(1e9), softplus(-1e9) < 1e-30), (1.0, true));
        assert!(sigmoid(-1e9) < 1e-30 && sigmoid(-1e9) > 0.0);
        assert_eq!(softplus(1e9), 1e9);
        assert!(sigmoid(f32::NAN).is_nan() && softplus(f32::NAN).is_nan());
    }
}
