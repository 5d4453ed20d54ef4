//! Activations and how a signal passes back through them.

/// The function after a convolution's bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// y = x
    Identity,
    /// y = max(x, 0)
    Relu,
    /// y = x where x > 0, slope * x elsewhere; the slope is in (0, 1).
    LeakyRelu {
        /// The factor on the negative side.
        slope: f32,
    },
}

impl Activation {
    /// The activation of one value.
    #[inline]
    pub fn apply(self, x: f32) -> f32 {
        if x > 0.0 { x } else { self.negative_slope() * x }
    }

    /// The factor on the negative side: 1 for the identity, 0 for ReLU.
    #[inline]
    pub fn negative_slope(self) -> f32 {
        match self {
            Activation::Identity => 1.0,
            Activation::Relu => 0.0,
            Activation::LeakyRelu { slope } => slope,
        }
    }
}

/// How a signal g from above passes back through an activation with output y (section 3.4 of the paper).
///
/// With f'(y) = 1 where y > 0 and the negative slope elsewhere (the strict inequality):
///
/// | rule | ReLU | any activation f |
/// |---|---|---|
/// | `Backprop` | g where y > 0 | f'(y) g |
/// | `Deconvnet` | max(g, 0) | f(g) |
/// | `Guided` | max(g, 0) where y > 0 | f(f'(y) g) |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReluRule {
    /// The gradient; the only rule for training.
    #[default]
    Backprop,
    /// Zeiler and Fergus 2014.
    Deconvnet,
    /// Guided backpropagation, the paper's own.
    Guided,
}

/// The way back through an activation and the dropout after it, given the stored output y of both.
///
/// y needs no mask beside it: with a dropout rate above 0 an exact zero is what was dropped (or, for ReLU, what was
/// negative), so no signal passes there, and elsewhere the signal is scaled by 1 / (1 - rate).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// The activation that made y.
    pub activation: Activation,
    /// The rule for the signal.
    pub rule: ReluRule,
    /// The rate of the dropout fused behind the activation; 0 for none.
    pub dropout_rate: f32,
}

impl Gate {
    /// The signal below the activation, for the signal above it and the stored output.
    #[inline]
    pub fn pass(self, output: f32, signal: f32) -> f32 {
        if self.dropout_rate > 0.0 && output == 0.0 {
            return 0.0;
        }
        let slope = self.activation.negative_slope();
        let derivative = if output > 0.0 { 1.0 } else { slope };
        let scaled = signal * (1.0 / (1.0 - self.dropout_rate));
        match self.rule {
            ReluRule::Backprop => scaled * derivative,
            ReluRule::Deconvnet => self.activation.apply(scaled),
            ReluRule::Guided => self.activation.apply(scaled * derivative),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(activation: Activation, rule: ReluRule, dropout_rate: f32) -> [f32; 6] {
        let gate = Gate { activation, rule, dropout_rate };
        [(2.0, 3.0), (2.0, -3.0), (-2.0, 3.0), (-2.0, -3.0), (0.0, 3.0), (0.0, -3.0)]
            .map(|(output, signal)| gate.pass(output, signal) + 0.0)
    }

    #[test]
    fn the_three_rules_are_the_table_of_the_paper() {
        assert_eq!(row(Activation::Relu, ReluRule::Backprop, 0.0), [3.0, -3.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(row(Activation::Relu, ReluRule::Deconvnet, 0.0), [3.0, 0.0, 3.0, 0.0, 3.0, 0.0]);
        assert_eq!(row(Activation::Relu, ReluRule::Guided, 0.0), [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn leaky_units_and_dropout() {
        let leaky = Activation::LeakyRelu { slope: 0.5 };
        assert_eq!(row(leaky, ReluRule::Backprop, 0.0), [3.0, -3.0, 1.5, -1.5, 1.5, -1.5]);
        assert_eq!(row(leaky, ReluRule::Deconvnet, 0.0), [3.0, -1.5, 3.0, -1.5, 3.0, -1.5]);
        assert_eq!(row(leaky, ReluRule::Guided, 0.0), [3.0, -1.5, 1.5, -0.75, 1.5, -0.75]);
        assert_eq!(row(leaky, ReluRule::Backprop, 0.5), [6.0, -6.0, 3.0, -3.0, 0.0, 0.0]);
        assert_eq!(row(Activation::Identity, ReluRule::Guided, 0.0), [3.0, -3.0, 3.0, -3.0, 3.0, -3.0]);
    }
}
