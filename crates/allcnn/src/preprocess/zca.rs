//! Fitting ZCA whitening: `P = E diag(λ)^(-1/2) Eᵀ` with `E diag(λ) Eᵀ = Xᵀ X / n + 0.1 I`, X centered.
//!
//! All in f64. The work is split into panels and chunks of fixed sizes, each computed by one thread, and summed in
//! a fixed order, so the matrix is bitwise the same for any number of threads.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::prelude::default;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::contrast::Contrast;
use super::error::PreprocessError;

/// Added to the diagonal of the covariance.
pub(super) const EPSILON: f64 = 0.1;

/// Images whose outer products are summed together.
const CHUNK: usize = 1024;
/// Columns of the covariance per task.
const PANEL: usize = 128;

/// The fitted whitening of contrast-normalized images.
pub(super) struct Fit {
    /// The mean in each dimension.
    pub mean: Vec<f64>,
    /// `P`, symmetric, `[dimensions, dimensions]`.
    pub matrix: Mat<f64>,
}

/// Fits the whitening of `images`, `dimensions` values each, after contrast normalization.
pub(super) fn fit(images: &[u8], dimensions: usize) -> Result<Fit, PreprocessError> {
    let mean = mean(images, dimensions);
    let count = images.len() / dimensions;
    let mut covariance = Mat::<f64>::zeros(dimensions, dimensions);
    let mut centered = Mat::<f64>::zeros(dimensions, CHUNK.min(count));
    for chunk in images.chunks(CHUNK * dimensions) {
        let columns = chunk.len() / dimensions;
        centered
            .as_mut()
            .subcols_mut(0, columns)
            .par_col_chunks_mut(1)
            .zip(chunk.par_chunks(dimensions))
            .for_each(|(column, image)| {
                let contrast = Contrast::of(image);
                let values = column.col_mut(0).iter_mut().zip(image).zip(&mean);
                values.for_each(|((x, &value), mean)| *x = contrast.normalize(value) - mean);
            });
        add_outer_product(covariance.as_mut(), centered.as_ref().subcols(0, columns));
    }
    for column in 0..dimensions {
        for row in column..dimensions {
            covariance[(row, column)] /= count as f64;
        }
        covariance[(column, column)] += EPSILON;
    }
    Ok(Fit { mean, matrix: inverse_square_root(covariance)? })
}

/// The mean contrast-normalized image.
fn mean(images: &[u8], dimensions: usize) -> Vec<f64> {
    let sums: Vec<Vec<f64>> = images
        .par_chunks(CHUNK * dimensions)
        .map(|chunk| {
            let mut sum = vec![0.0; dimensions];
            for image in chunk.chunks_exact(dimensions) {
                let contrast = Contrast::of(image);
                sum.iter_mut().zip(image).for_each(|(sum, &value)| *sum += contrast.normalize(value));
            }
            sum
        })
        .collect();
    let count = (images.len() / dimensions) as f64;
    (0..dimensions).map(|dimension| sums.iter().map(|sum| sum[dimension]).sum::<f64>() / count).collect()
}

/// Adds `x xᵀ` to the lower triangle of `total`; the upper triangle is left undefined.
fn add_outer_product(total: MatMut<'_, f64>, x: MatRef<'_, f64>) {
    total.par_col_chunks_mut(PANEL).enumerate().for_each(|(index, panel)| {
        let first = index * PANEL;
        let width = panel.ncols();
        let rows = panel.nrows() - first;
        matmul(
            panel.subrows_mut(first, rows),
            Accum::Add,
            x.subrows(first, rows),
            x.subrows(first, width).transpose(),
            1.0,
            Par::Seq,
        );
    });
}

/// `E diag(λ)^(-1/2) Eᵀ` of a symmetric positive definite matrix given by its lower triangle.
///
/// Computed as `B Bᵀ` with `B = E diag(λ)^(-1/4)`, so that it is exactly symmetric.
fn inverse_square_root(matrix: Mat<f64>) -> Result<Mat<f64>, PreprocessError> {
    let dimensions = matrix.nrows();
    let mut eigenvalues = Diag::<f64>::zeros(dimensions);
    let mut vectors = Mat::<f64>::zeros(dimensions, dimensions);
    let par = Par::Seq; // with threads, faer's summation order depends on their number
    let scratch = self_adjoint_evd_scratch::<f64>(dimensions, ComputeEigenvectors::Yes, par, default());
    self_adjoint_evd(
        matrix.as_ref(),
        eigenvalues.as_mut(),
        Some(vectors.as_mut()),
        par,
        MemStack::new(&mut MemBuffer::new(scratch)),
        default(),
    )
    .map_err(|_| PreprocessError::NoEigenvectors)?;
    for (column, &eigenvalue) in eigenvalues.column_vector().iter().enumerate() {
        let factor = eigenvalue.powf(-0.25);
        if !factor.is_finite() {
            return Err(PreprocessError::NoEigenvectors);
        }
        vectors.as_mut().col_mut(column).iter_mut().for_each(|x| *x *= factor);
    }
    let mut result = matrix;
    result.fill(0.0);
    add_outer_product(result.as_mut(), vectors.as_ref());
    for column in 0..dimensions {
        for row in 0..column {
            result[(row, column)] = result[(column, row)];
        }
    }
    Ok(result)
}
