//! 1x1 convolutions as matrix products of cuBLASLt.
//!
//! Without stride, padding and groups a 1x1 convolution is a product: images are matrices with a row a pixel and a column
//! a channel. cuBLASLt's matrices lie column by column, so it sees each of them transposed: `Tensor::Input` with in
//! channels as rows, `Tensor::Weights` in by out, `Tensor::Output` with out channels as rows.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use allcnn_device::Error;
use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys::{
    self, cublasComputeType_t as Compute, cublasLtEpilogue_t as Epilogue,
    cublasLtMatmulDescAttributes_t as Attribute, cublasLtMatmulPreferenceAttributes_t as Limit,
    cublasLtReductionScheme_t as Reduction, cudaDataType,
};
use cudarc::driver::CudaStream;

use crate::cudnn::graph::{Pass, Tensor, Work};
use crate::cudnn::plan::Arithmetic;
use crate::memory::Form;

/// Algorithms that are asked for.
const MOST_ALGORITHMS: usize = 4;
/// The most memory that one may work in, which is what cuBLAS itself takes on Hopper.
const MOST_WORKSPACE: usize = 32 << 20;
/// CUBLAS_OP_N and CUBLAS_OP_T.
const PLAIN: i32 = 0;
const TRANSPOSED: i32 = 1;

/// The library, opened for the GPU at hand.
#[derive(Debug)]
pub struct Library(sys::cublasLtHandle_t);

// SAFETY: the library's functions may be called with a handle from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: made by `open` and destroyed once. A failure here has no remedy.
        let _ = unsafe { result::destroy_handle(self.0) };
    }
}

impl Library {
    /// Opens it; nothing where it does not start, which costs a choice and no more. It must have been found before.
    pub fn open() -> Option<Arc<Self>> {
        Some(Arc::new(Self(result::create_handle().ok()?)))
    }

    /// The version, such as 130_100.
    pub fn version(&self) -> usize {
        // SAFETY: takes nothing and changes nothing.
        unsafe { sys::cublasLtGetVersion() }
    }

    /// The ways to compute a work, the fastest by the library's own guess first; none for what is no product.
    pub fn products(self: &Arc<Self>, work: &Work, arithmetic: Arithmetic) -> Vec<Product> {
        if !is_product(work) {
            return Vec::new();
        }
        self.algorithms(work, arithmetic).unwrap_or_default()
    }

    fn algorithms(
        self: &Arc<Self>,
        work: &Work,
        arithmetic: Arithmetic,
    ) -> Result<Vec<Product>, CublasError> {
        let problem = Arc::new(Problem::new(work, arithmetic)?);
        let limits = Limits::new()?;
        let [a, b, d] = problem.layouts.each_ref().map(|layout| layout.0);
        // SAFETY: an algorithm without a problem, which the library overwrites, is all zeros.
        let mut found: [sys::cublasLtMatmulHeuristicResult_t; MOST_ALGORITHMS] =
            unsafe { std::mem::zeroed() };
        let mut count = 0;
        // SAFETY: live descriptors, and room for as many results as are asked for.
        unsafe {
            sys::cublasLtMatmulAlgoGetHeuristic(
                self.0,
                problem.operation.0,
                a,
                b,
                d,
                d,
                limits.0,
                MOST_ALGORITHMS as i32,
                found.as_mut_ptr(),
                &mut count,
            )
        }
        .result()?;
        let found =
            found.into_iter().take(count.max(0) as usize).filter(|found| found.state.result().is_ok());
        Ok(found
            .map(|found| Product {
                library: Arc::clone(self),
                problem: Arc::clone(&problem),
                algorithm: found.algo,
                workspace: found.workspaceSize,
            })
            .collect())
    }
}

/// Whether a work is a product.
pub fn is_product(work: &Work) -> bool {
    let shape = work.shape;
    (shape.kernel, shape.stride, shape.padding, shape.groups) == (1, 1, 0, 1)
}

/// The factors of a pass, each with whether it is transposed once more, and the result.
fn factors(pass: Pass) -> ([(Tensor, i32); 2], Tensor) {
    match pass {
        Pass::Forward | Pass::ForwardRelu => {
            ([(Tensor::Weights, TRANSPOSED), (Tensor::Input, PLAIN)], Tensor::Output)
        }
        Pass::BackwardData => ([(Tensor::Weights, PLAIN), (Tensor::Output, PLAIN)], Tensor::Input),
        Pass::BackwardWeights => ([(Tensor::Input, PLAIN), (Tensor::Output, TRANSPOSED)], Tensor::Weights),
    }
}

/// Rows and columns of a tensor as cuBLASLt sees it.
fn sides(work: &Work, tensor: Tensor) -> (usize, usize) {
    let shape = work.shape;
    let (channels, out_channels) = (shape.input.channels, shape.out_channels);
    match tensor {
        Tensor::Weights => (channels, out_channels),
        Tensor::Input => (channels, shape.input.len() / channels),
        _ => (out_channels, shape.output().len() / out_channels),
    }
}

/// A product as the library knows it.
#[derive(Debug)]
struct Problem {
    operation: Operation,
    /// Of both factors and the result.
    layouts: [Layout; 3],
    tensors: [Tensor; 3],
    has_bias: bool,
}

impl Problem {
    fn new(work: &Work, arithmetic: Arithmetic) -> Result<Self, CublasError> {
        let ([a, b], d) = factors(work.pass);
        let tensors = [a.0, b.0, d];
        let has_bias = work.pass == Pass::ForwardRelu;
        let compute = match (work.form, arithmetic) {
            (Form::F32, Arithmetic::TensorCores) => Compute::CUBLAS_COMPUTE_32F_FAST_TF32,
            _ => Compute::CUBLAS_COMPUTE_32F,
        };
        let operation = Operation::new(compute)?
            .set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, a.1)?
            .set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, b.1)?;
        let operation = if has_bias {
            // The algorithms depend on how a bias is aligned: as all memory here is.
            operation
                .set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, Epilogue::CUBLASLT_EPILOGUE_RELU_BIAS)?
                .set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, 256u64)?
        } else {
            operation
        };
        let [a, b, d] = tensors.map(|tensor| Layout::new(work.form, sides(work, tensor)));
        Ok(Self { operation, layouts: [a?, b?, d?], tensors, has_bias })
    }
}

/// A way to compute a product.
#[derive(Clone, Debug)]
pub struct Product {
    library: Arc<Library>,
    problem: Arc<Problem>,
    algorithm: sys::cublasLtMatmulAlgo_t,
    /// Bytes of memory that a run needs.
    pub workspace: usize,
}

impl Product {
    /// Queues a run over tensors at these addresses of the GPU.
    ///
    /// # Safety
    /// As [`crate::cudnn::plan::Plan::run`].
    pub unsafe fn run(
        &self,
        stream: &CudaStream,
        tensors: &[(Tensor, u64)],
        workspace: u64,
    ) -> Result<(), Error> {
        let address = |wanted: Tensor| {
            let found = tensors.iter().find(|(tensor, _)| *tensor == wanted);
            found.map(|&(_, address)| address).unwrap_or_else(|| panic!("no {wanted:?} for a product"))
        };
        let problem = &*self.problem;
        let [a, b, d] = problem.tensors.map(|tensor| address(tensor) as usize as *mut c_void);
        let [a_layout, b_layout, d_layout] = problem.layouts.each_ref().map(|layout| layout.0);
        let (one, zero) = (1f32, 0f32);
        let failed = |error| Error::Unavailable(format!("cuBLASLt failed at a product: {error}"));
        if problem.has_bias {
            let bias = address(Tensor::Bias);
            problem.operation.put(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias).map_err(failed)?;
        }
        // SAFETY: live descriptors; the memory is the caller's duty. With a factor of 0 the third matrix is not read.
        unsafe {
            result::matmul(
                self.library.0,
                problem.operation.0,
                ptr::from_ref(&one).cast(),
                ptr::from_ref(&zero).cast(),
                a,
                a_layout,
                b,
                b_layout,
                d,
                d_layout,
                d,
                d_layout,
                &self.algorithm,
                workspace as usize as *mut c_void,
                self.workspace,
                stream.cu_stream().cast(),
            )
        }
        .map_err(failed)
    }
}

/// A kind of object of the library: its handle is destroyed when it goes.
macro_rules! descriptors {
    ($($(#[$doc:meta])* $name:ident($handle:ty), $destroy:path;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        struct $name($handle);

        // SAFETY: plain memory of the library, used by one thread at a time, under the queue's lock.
        unsafe impl Send for $name {}
        // SAFETY: as above.
        unsafe impl Sync for $name {}

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made by its `new` and destroyed once. A failure here has no remedy.
                let _ = unsafe { $destroy(self.0) };
            }
        }
    )*};
}

descriptors! {
    /// What is computed.
    Operation(sys::cublasLtMatmulDesc_t), result::destroy_matmul_desc;
    /// How a matrix lies in memory.
    Layout(sys::cublasLtMatrixLayout_t), result::destroy_matrix_layout;
    /// What algorithms may do.
    Limits(sys::cublasLtMatmulPreference_t), result::destroy_matmul_pref;
}

impl Operation {
    /// Sums and factors before and after them are f32.
    fn new(compute: Compute) -> Result<Self, CublasError> {
        Ok(Self(result::create_matmul_desc(compute, cudaDataType::CUDA_R_32F)?))
    }

    fn set<T>(self, attribute: Attribute, value: T) -> Result<Self, CublasError> {
        self.put(attribute, value)?;
        Ok(self)
    }

    fn put<T>(&self, attribute: Attribute, value: T) -> Result<(), CublasError> {
        // SAFETY: a live descriptor, and a value of the attribute's size, which the library copies (and checks).
        unsafe {
            result::set_matmul_desc_attribute(self.0, attribute, ptr::from_ref(&value).cast(), size_of::<T>())
        }
    }
}

impl Layout {
    /// Dense columns.
    fn new(form: Form, (rows, columns): (usize, usize)) -> Result<Self, CublasError> {
        let kind = match form {
            Form::F32 => cudaDataType::CUDA_R_32F,
            Form::Bf16 => cudaDataType::CUDA_R_16BF,
        };
        Ok(Self(result::create_matrix_layout(kind, rows as u64, columns as u64, rows as i64)?))
    }
}

impl Limits {
    /// Memory; and sums in parts only where they are added up in f32, in an order that is always the same.
    fn new() -> Result<Self, CublasError> {
        let limits = Self(result::create_matmul_pref()?);
        let reduction = Reduction::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32;
        // SAFETY: a live descriptor, and values of the attributes' types, which the library copies.
        unsafe {
            let memory = ptr::from_ref(&MOST_WORKSPACE).cast();
            let attribute = Limit::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
            result::set_matmul_pref_attribute(limits.0, attribute, memory, size_of_val(&MOST_WORKSPACE))?;
            let scheme = ptr::from_ref(&reduction).cast();
            let attribute = Limit::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK;
            result::set_matmul_pref_attribute(limits.0, attribute, scheme, size_of_val(&reduction))?;
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allcnn_device::{ConvShape, Shape};

    fn work(pass: Pass, kernel: usize, stride: usize, groups: usize) -> Work {
        let input = Shape { batch: 2, height: 3, width: 5, channels: 8 };
        let shape = ConvShape { input, out_channels: 16, kernel, stride, padding: 0, groups };
        Work { pass, shape, form: Form::Bf16 }
    }

    #[test]
    fn only_plain_1x1_convolutions_are_products() {
        let is = |kernel, stride, groups| is_product(&work(Pass::Forward, kernel, stride, groups));
        assert_eq!([is(1, 1, 1), is(3, 1, 1), is(1, 2, 1), is(1, 1, 2)], [true, false, false, false]);
    }

    #[test]
    fn the_sides_of_factors_and_results_fit_together() {
        for pass in [Pass::Forward, Pass::ForwardRelu, Pass::BackwardData, Pass::BackwardWeights] {
            let work = work(pass, 1, 1, 1);
            let (factors, result) = factors(pass);
            let [(m, k), (k_again, n)] = factors.map(|(tensor, transposed)| {
                let (rows, columns) = sides(&work, tensor);
                if transposed == TRANSPOSED { (columns, rows) } else { (rows, columns) }
            });
            assert_eq!((k, sides(&work, result)), (k_again, (m, n)), "{pass:?}");
        }
    }
}
