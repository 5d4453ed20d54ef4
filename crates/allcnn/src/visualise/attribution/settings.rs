//! The numbers that some ways to explain need.

/// The numbers that some ways to explain need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributionSettings {
    /// SmoothGrad: noisy copies of the picture.
    pub samples: usize,
    /// SmoothGrad: the standard deviation of the noise as a fraction of the range of the picture's values.
    pub noise: f32,
    /// SmoothGrad: the seed of the noise.
    pub seed: u64,
    /// Integrated gradients: steps on the way from zero.
    pub steps: usize,
    /// Occlusion: rows and columns of the window; by default an eighth of the picture's height.
    pub window: Option<usize>,
    /// Occlusion: rows and columns between windows; by default half of the window.
    pub stride: Option<usize>,
}

impl Default for AttributionSettings {
    fn default() -> Self {
        Self { samples: 32, noise: 0.15, seed: 0, steps: 64, window: None, stride: None }
    }
}
