//! The CPU device of allcnn.
//!
//! | file | concept |
//! |---|---|
//! | `cpu` | the device: each operation of the contract handed to its kernel |
//! | `engine` | what kernels run on: threads, instruction set, workspace |
//! | `isa`, `simd` | which instruction set runs, and the one vector trait that the kernels are written over |
//! | `threads` | the pool; work is split into chunks that do not depend on the number of threads |
//! | `buffer` | aligned memory |
//! | `stored` | how the values of a buffer are stored: in f32, or as pairs of bf16 |
//! | `conv` | convolution: the ordered list of algorithms, one file (or folder) an algorithm |
//! | `products` | products of matrices, the inner loops of convolutions |
//! | `whole` | slices cut into pieces without a rest |
//! | `ops` | everything else, as plain loops that the compiler vectorizes |
//! | `peak`, `bandwidth` | the machine's measured ceilings |
//! | `rehearsal` | what each operation would give to some number of threads, measured with one |
//!
//! Every result has the same bits for any number of threads.
#![deny(clippy::print_stderr, clippy::print_stdout)]
#![warn(clippy::disallowed_methods)]

mod bandwidth;
mod buffer;
mod conv;
mod cpu;
mod engine;
mod isa;
mod ops;
mod peak;
mod products;
mod rehearsal;
mod simd;
mod stored;
mod threads;
mod whole;

pub use buffer::Buffer;
pub use conv::Conv;
pub use cpu::{Cpu, Pool, Step};
pub use engine::{Choice, CpuOptions};
pub use isa::Isa;
pub use rehearsal::Rehearsed;
