//! The CUDA device of allcnn: one NVIDIA GPU.
//!
//! | file | concept |
//! |---|---|
//! | `cuda` | the device: each operation of the contract handed to its kernel |
//! | `libraries` | finds the driver, NVRTC, cuBLASLt and cuDNN at run time, and says what is missing |
//! | `engine` | what operations run on: stream, kernels, libraries, scratch memory, behind one lock |
//! | `memory` | buffers, whose values are stored as f32 or bf16 |
//! | `error` | the driver's failures as the contract's errors |
//! | `images` | images that stay on the GPU, and batches gathered from them |
//! | `cudnn` | convolutions as graphs of cuDNN, their engines and plans |
//! | `cublaslt` | 1x1 convolutions as matrix products |
//! | `conv` | convolution: operands in the storage format that libraries read, the fastest way to do it, the plain sum |
//! | `kernels` | CUDA C++ for everything else, compiled when the device starts |
//! | `elementwise`, `pool`, `sgd`, `step` | operations that launch these kernels |
//! | `recording` | a whole step as a CUDA graph |
//! | `peak` | the measured peak of multiply-adds |
//! | `cache` | what is kept on disk between runs |
//!
//! Nothing here needs CUDA to be built: libraries are loaded when [`Cuda::new`] is called.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod cache;
mod conv;
mod cublaslt;
mod cuda;
mod cudnn;
mod drop_connect;
mod edge_pad;
mod elementwise;
mod engine;
mod error;
mod images;
mod kernels;
mod libraries;
mod memory;
mod peak;
mod pool;
mod recording;
mod sgd;
mod step;

pub use conv::Conv;
pub use cuda::{Cuda, CudaOptions, TF32};
pub use images::Images;
pub use libraries::FOLDERS;
pub use memory::Buffer;
pub use pool::Pool;
pub use recording::Recording;
pub use step::Step;
