//! Learned-norm pooling (Gulcehre et al. 2014): y = (mean of |x - c|^p over the values x of a window)^(1/p), with a center c and an
//! order p = 1 + ln(1 + e^rho), above 1, for each channel. Both c and rho are trained.

/// The parameters of a learned-norm pooling, `[channels]` each.
#[derive(Debug)]
pub struct LearnedNorm<'a, B> {
    /// The centers c.
    pub center: &'a B,
    /// What the orders are made of.
    pub rho: &'a B,
}

impl<B> Clone for LearnedNorm<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for LearnedNorm<'_, B> {}

/// The rho whose order is 2.
pub const RHO_OF_2: f32 = 0.541_324_85;

/// The order p = 1 + ln(1 + e^rho).
pub fn order(rho: f32) -> f64 {
    let rho = f64::from(rho);
    1.0 + rho.max(0.0) + (-rho.abs()).exp().ln_1p()
}

/// dp / d rho = 1 / (1 + e^-rho)
pub fn order_slope(rho: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(rho)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_above_1_and_their_slope_is_the_derivative() {
        assert!((order(RHO_OF_2) - 2.0).abs() < 1e-7);
        for rho in [-30.0f32, -2.0, 0.0, 0.5, 3.0, 200.0] {
            assert!(order(rho) > 1.0 && order(rho).is_finite(), "{rho}");
            let h = 1.0 / 64.0;
            let difference = (order(rho + h) - order(rho - h)) / (2.0 * f64::from(h));
            assert!((difference - order_slope(rho)).abs() < 1e-4, "{rho}: {difference}");
        }
    }
}
