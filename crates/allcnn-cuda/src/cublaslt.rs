//! 1x1 convolutions as matrix products of cuBLASLt.
//!
//! Without stride, padding and groups a 1x1 convolution is a product: images are matrices with a row per pixel and a column
//! per channel. cuBLASLt's matrices are column-major, so it sees each of them transposed: `Tensor::Input` with input
//! channels as rows, `Tensor::Weights` input by output channels, `Tensor::Output` with output channels as rows.

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

use crate::cudnn::graph::{Pass, Tensor, TensorAddress, Work};
use crate::cudnn::plan::Arithmetic;
use crate::memory::{MatrixShape, Storage};

/// Algorithms that are requested.
const MAX_ALGORITHMS: usize = 4;
/// The most scratch memory that one may take: what cuBLAS itself takes on Hopper.
const MAX_WORKSPACE: usize = 32 << 20;
/// CUBLAS_OP_N and CUBLAS_OP_T.
const PLAIN: i32 = 0;
const TRANSPOSED: i32 = 1;

/// The library, opened for the GPU at hand.
#[derive(Debug)]
pub(crate) struct CublasLt(sys::cublasLtHandle_t);

// SAFETY: a handle of cuBLASLt is bound to no thread.
unsafe impl Send for CublasLt {}
// SAFETY: cuBLASLt's functions may be called with one handle from several threads at the same time.
unsafe impl Sync for CublasLt {}

impl Drop for CublasLt {
    fn drop(&mut self) {
        // SAFETY: created by `open` and destroyed only here. A failure here has no remedy.
        let _ = unsafe { result::destroy_handle(self.0) };
    }
}

impl CublasLt {
    /// Opens the library, which must have been found before; `None` if it does not start: there are fewer ways to choose
    /// from then, and nothing else changes.
    pub(crate) fn open() -> Option<Arc<Self>> {
        Some(Arc::new(Self(result::create_handle().ok()?)))
    }

    /// The version, such as 130_100.
    pub(crate) fn version(&self) -> usize {
        // SAFETY: takes no argument and only returns a constant of the library.
        unsafe { sys::cublasLtGetVersion() }
    }

    /// The ways to compute a work, the fastest by the library's own guess first; empty for what is no product.
    pub(crate) fn products(self: &Arc<Self>, work: &Work, arithmetic: Arithmetic) -> Vec<Product> {
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
        // SAFETY: the struct consists of integers and arrays of them, for which all zeros is a value; the library overwrites
        // those that it counts.
        let mut found: [sys::cublasLtMatmulHeuristicResult_t; MAX_ALGORITHMS] = unsafe { std::mem::zeroed() };
        let mut count = 0;
        // SAFETY: `self`, `problem` and `limits` keep the handle and descriptors alive, and `found` has room for the
        // MAX_ALGORITHMS results that are requested.
        unsafe {
            sys::cublasLtMatmulAlgoGetHeuristic(
                self.0,
                problem.operation.0,
                a,
                b,
                d,
                d,
                limits.0,
                MAX_ALGORITHMS as i32,
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
pub(crate) fn is_product(work: &Work) -> bool {
    let shape = work.shape;
    (shape.kernel, shape.stride, shape.padding, shape.groups) == (1, 1, 0, 1)
}

/// A factor of a product.
#[derive(Clone, Copy)]
struct Factor {
    tensor: Tensor,
    /// [`PLAIN`] or [`TRANSPOSED`], beyond the transposition that column-major storage means.
    operation: i32,
}

/// The factors of a pass, and the result.
fn factors(pass: Pass) -> ([Factor; 2], Tensor) {
    let plain = |tensor| Factor { tensor, operation: PLAIN };
    let transposed = |tensor| Factor { tensor, operation: TRANSPOSED };
    match pass {
        Pass::Forward | Pass::ForwardRelu => {
            ([transposed(Tensor::Weights), plain(Tensor::Input)], Tensor::Output)
        }
        Pass::BackwardData => ([plain(Tensor::Weights), plain(Tensor::Output)], Tensor::Input),
        Pass::BackwardWeights => ([plain(Tensor::Input), transposed(Tensor::Output)], Tensor::Weights),
    }
}

/// Rows and columns of a tensor as cuBLASLt sees it.
fn matrix_shape(work: &Work, tensor: Tensor) -> MatrixShape {
    let shape = work.shape;
    let (channels, out_channels) = (shape.input.channels, shape.out_channels);
    let (rows, columns) = match tensor {
        Tensor::Weights => (channels, out_channels),
        Tensor::Input => (channels, shape.input.len() / channels),
        _ => (out_channels, shape.output().len() / out_channels),
    };
    MatrixShape { rows, columns }
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
        let tensors = [a.tensor, b.tensor, d];
        let has_bias = work.pass == Pass::ForwardRelu;
        let compute = match (work.storage, arithmetic) {
            (Storage::F32, Arithmetic::TensorCores) => Compute::CUBLAS_COMPUTE_32F_FAST_TF32,
            _ => Compute::CUBLAS_COMPUTE_32F,
        };
        let operation = Operation::new(compute)?
            .set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, a.operation)?
            .set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, b.operation)?;
        let operation = if has_bias {
            // The algorithms depend on the bias's alignment: that of all memory here. Its address is set before each launch.
            operation
                .set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, Epilogue::CUBLASLT_EPILOGUE_RELU_BIAS)?
                .set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, 256u64)?
        } else {
            operation
        };
        let [a, b, d] = tensors.map(|tensor| Layout::new(work.storage, matrix_shape(work, tensor)));
        Ok(Self { operation, layouts: [a?, b?, d?], tensors, has_bias })
    }
}

/// A way to compute a product.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    library: Arc<CublasLt>,
    problem: Arc<Problem>,
    algorithm: sys::cublasLtMatmulAlgo_t,
    /// Bytes of scratch memory that it needs.
    pub workspace: usize,
}

impl Product {
    /// Queues the product.
    ///
    /// # Safety
    /// The addresses must be those of the work's tensors, aligned to 16 bytes and long enough, with [`Product::workspace`]
    /// bytes at `workspace`, and stay valid until the work is done.
    pub(crate) unsafe fn enqueue(
        &self,
        stream: &CudaStream,
        tensors: &[TensorAddress],
        workspace: u64,
    ) -> Result<(), Error> {
        let address = |wanted: Tensor| {
            let found = tensors.iter().find(|at| at.tensor == wanted);
            found.map(|at| at.address).unwrap_or_else(|| panic!("no {wanted:?} for a product"))
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
        // SAFETY: `self` keeps the handle and descriptors alive, and the caller answers for the addresses. The third matrix,
        // which is multiplied by 0, is not read.
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

/// Objects of the library, whose handles are destroyed when dropped.
macro_rules! descriptors {
    ($($(#[$doc:meta])* $name:ident($handle:ty), $destroy:path;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        struct $name($handle);

        // SAFETY: plain memory of the library, bound to no thread.
        unsafe impl Send for $name {}
        // SAFETY: used only under the queue's lock, so by one thread at a time.
        unsafe impl Sync for $name {}

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: created by its `new` and destroyed only here. A failure here has no remedy.
                let _ = unsafe { $destroy(self.0) };
            }
        }
    )*};
}

descriptors! {
    /// What is computed.
    Operation(sys::cublasLtMatmulDesc_t), result::destroy_matmul_desc;
    /// How a matrix is stored.
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
        // SAFETY: `self` keeps the descriptor alive; the library checks the value's size and copies it.
        unsafe {
            result::set_matmul_desc_attribute(self.0, attribute, ptr::from_ref(&value).cast(), size_of::<T>())
        }
    }
}

impl Layout {
    /// Dense columns.
    fn new(storage: Storage, MatrixShape { rows, columns }: MatrixShape) -> Result<Self, CublasError> {
        let kind = match storage {
            Storage::F32 => cudaDataType::CUDA_R_32F,
            Storage::Bf16 => cudaDataType::CUDA_R_16BF,
        };
        Ok(Self(result::create_matrix_layout(kind, rows as u64, columns as u64, rows as i64)?))
    }
}

impl Limits {
    /// Scratch memory, and split sums only where their parts are added in f32, in a fixed order.
    fn new() -> Result<Self, CublasError> {
        let limits = Self(result::create_matmul_pref()?);
        let reduction = Reduction::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32;
        // SAFETY: the descriptor was just created, and the values, which the library copies, have the attributes' types.
        unsafe {
            let memory = ptr::from_ref(&MAX_WORKSPACE).cast();
            let attribute = Limit::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
            result::set_matmul_pref_attribute(limits.0, attribute, memory, size_of_val(&MAX_WORKSPACE))?;
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
        Work { pass, shape, storage: Storage::Bf16 }
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
            let [(m, k), (k_again, n)] = factors.map(|Factor { tensor, operation }| {
                let MatrixShape { rows, columns } = matrix_shape(&work, tensor);
                if operation == TRANSPOSED { (columns, rows) } else { (rows, columns) }
            });
            let expected = MatrixShape { rows: m, columns: n };
            assert_eq!((k, matrix_shape(&work, result)), (k_again, expected), "{pass:?}");
        }
    }
}
