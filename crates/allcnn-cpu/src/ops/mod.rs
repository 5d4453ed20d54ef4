//! Everything but convolution: plain loops over slices, vectorized by the compiler for the instruction set that runs
//! (see [`crate::simd::Kernel`]) and split into chunks that do not depend on the thread count.

pub(crate) mod drop_connect;
pub(crate) mod edge_pad;
pub(crate) mod epilogue;
pub(crate) mod head;
pub(crate) mod learned_norm;
pub(crate) mod lrn;
pub(crate) mod lwta;
pub(crate) mod mask;
pub(crate) mod maxout;
pub(crate) mod p_norm;
pub(crate) mod philox;
pub(crate) mod pool;
pub(crate) mod power;
pub(crate) mod probout;
mod scratch;
pub(crate) mod sgd;
pub(crate) mod stochastic;
pub(crate) mod unfold;

/// Values that one chunk of an elementwise operation takes: some 64 KiB, well inside a second-level cache.
pub(crate) const CHUNK: usize = 4 * 1024;

/// Panics with both numbers when a buffer does not fit its shape.
#[track_caller]
pub(crate) fn assert_len(len: usize, expected: usize, name: &str) {
    assert_eq!(len, expected, "{name} holds {len} values, its shape needs {expected}");
}
