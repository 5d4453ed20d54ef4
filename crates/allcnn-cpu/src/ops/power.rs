//! Logarithms and powers as plain arithmetic, which becomes vector code, unlike calls of the mathematical library.

use std::f32::consts::{LN_2, LOG2_E};

use allcnn_device::power_of_two;

/// The bits of sqrt(1/2).
const HALF_ROOT: u32 = 0x3f35_04f3;

/// The binary logarithm of a positive finite number, off by some 1e-7; of denormal ones about -127.
#[inline(always)]
pub(crate) fn log2(x: f32) -> f32 {
    // x = m 2^e with m within a factor of sqrt(2) of 1, and ln m = 2 (s + s^3 / 3 + s^5 / 5 + ...) with s = (m - 1) / (m + 1).
    let shifted = x.to_bits().wrapping_sub(HALF_ROOT);
    let exponent = (shifted as i32) >> 23;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff) + HALF_ROOT);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (((square / 9.0 + 1.0 / 7.0) * square + 1.0 / 5.0) * square + 1.0 / 3.0) * square + 1.0;
    if x.is_nan() { x } else { exponent as f32 + s * series * (2.0 * LOG2_E) }
}

/// 2^x for x up to 127, off by some 1e-7 of itself; from -126 down 2^-126.
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    let x = if x < -126.0 { -126.0 } else { x };
    let whole = (x + 0.5).floor();
    let rest = x - whole;
    // Taylor's series of 2^rest, rest being within 1/2 of 0.
    let mut sum = 1.540_353e-4;
    for coefficient in [1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, LN_2, 1.0] {
        sum = sum * rest + coefficient;
    }
    sum * power_of_two(whole)
}

/// x^p for x of at least 0 and p above 0.
#[inline(always)]
pub(crate) fn power(x: f32, p: f32) -> f32 {
    if x == 0.0 { 0.0 } else { exp2(p * log2(x)) }
}

/// An expression that raises values from 0 on to an exponent of at least 0. It is compiled for each of the usual ones, which are
/// products.
macro_rules! with_power {
    ($p:expr, $raise:ident => $body:expr) => {{
        macro_rules! compiled {
            ($function:expr) => {{
                let $raise = $function;
                $body
            }};
        }
        let p: f32 = $p;
        match p {
            0.0 => compiled!(|_: f32| 1.0_f32),
            1.0 => compiled!(|x: f32| x),
            2.0 => compiled!(|x: f32| x * x),
            3.0 => compiled!(|x: f32| x * x * x),
            4.0 => compiled!(|x: f32| (x * x) * (x * x)),
            7.0 => compiled!(|x: f32| (x * x * x) * (x * x * x) * x),
            8.0 => compiled!(|x: f32| ((x * x) * (x * x)) * ((x * x) * (x * x))),
            _ => compiled!(|x: f32| $crate::ops::power::power(x, p)),
        }
    }};
}
pub(crate) use with_power;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_the_mathematical_library_says() {
        for step in 1..20_000u16 {
            let x = f32::from(step) * f32::from(step) * 1e-6;
            let exact = f64::from(x).log2();
            assert!((f64::from(log2(x)) - exact).abs() < 3e-7 * exact.abs().max(1.0), "log2 {x}");
            let y = f32::from(step) / 100.0 - 100.0;
            assert!((f64::from(exp2(y)) / f64::from(y).exp2() - 1.0).abs() < 1e-6, "2^{y}");
            for p in [0.1, 1.0, 2.5, 7.0] {
                let exact = f64::from(x).powf(f64::from(p));
                assert!((f64::from(power(x, p)) - exact).abs() < 1e-5 * exact.max(1e-3), "{x}^{p}");
            }
        }
        assert_eq!((power(0.0, 0.1), log2(1.0), exp2(0.0), exp2(-500.0)), (0.0, 0.0, 1.0, exp2(-126.0)));
        assert!(power(f32::NAN, 2.0).is_nan() && exp2(f32::NAN).is_nan());
    }

    #[test]
    fn the_usual_exponents_and_others_are_raised_alike() {
        for p in [0.0f32, 1.0, 2.0, 3.0, 3.5, 4.0, 7.0, 8.0, 40.0] {
            for step in 0..=100u8 {
                let x = f32::from(step) / 100.0;
                let exact = f64::from(x).powf(f64::from(p));
                let raised = with_power!(p, raise => raise(x));
                assert!(
                    (f64::from(raised) - exact).abs() < 2e-5 * exact.max(1e-6),
                    "{x}^{p} is {exact}, not {raised}"
                );
            }
        }
    }
}
