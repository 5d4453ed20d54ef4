//! Softmax and ranking of logits.

use super::error::ScoreError;

/// Adds softmax(x) = exp(x) / sum exp(x) to `sums`.
pub(crate) fn add_softmax(logits: &[f32], sums: &mut [f64]) {
    add_softmax_at(logits, 1.0, sums);
}

/// Adds softmax(x / temperature) to `sums`.
pub(super) fn add_softmax_at(logits: &[f32], temperature: f64, sums: &mut [f64]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials =
        logits.iter().map(|&logit| ((f64::from(logit) - f64::from(largest)) / temperature).exp());
    let total: f64 = exponentials.clone().sum();
    sums.iter_mut().zip(exponentials).for_each(|(sum, exponential)| *sum += exponential / total);
}

/// Returns softmax(x) = exp(x) / sum exp(x).
pub(crate) fn probabilities(logits: &[f32]) -> Vec<f32> {
    probabilities_at(logits, 1.0)
}

/// Returns softmax(x / temperature).
pub(crate) fn probabilities_at(logits: &[f32], temperature: f64) -> Vec<f32> {
    let mut sums = vec![0.0; logits.len()];
    add_softmax_at(logits, temperature, &mut sums);
    sums.into_iter().map(|probability| probability as f32).collect()
}

/// Rejects logits that are not finite; no trained network produces them.
pub(crate) fn expect_finite(logits: &[f32]) -> Result<(), ScoreError> {
    match logits.iter().find(|logit| !logit.is_finite()) {
        None => Ok(()),
        Some(&logit) => Err(ScoreError::Absurd(logit)),
    }
}

/// The indices of the `top` largest values, in decreasing order, ties by index.
pub fn ranked(values: &[f32], top: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..values.len()).collect();
    indices.sort_by(|&a, &b| values[b].total_cmp(&values[a])); // stable
    indices.truncate(top);
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_survives_large_logits() {
        let mut sums = vec![0.0; 3];
        add_softmax(&[1000.0, 1000.0, -1000.0], &mut sums);
        assert_eq!(sums, [0.5, 0.5, 0.0]);
        assert_eq!(probabilities_at(&[0.0, 4.0f32.ln()], 2.0), [1.0 / 3.0, 2.0 / 3.0]);
    }
}
